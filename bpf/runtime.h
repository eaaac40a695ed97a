/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The unit of the current thread by the recipe of its process: one function per runtime, each
 * answers 0 when what it reads is not what it must be. Its probes are in <runtime>.bpf.c.
 */
#ifndef SPANPROBE_BPF_RUNTIME_H
#define SPANPROBE_BPF_RUNTIME_H

#include "emit.h"
#include "java.h"

static __always_inline __u64 user__read64(__u64 address)
{
	__u64 value = 0;

	bpf_probe_read_user(&value, sizeof(value), (const void *)address);
	return value;
}

#include "cpython.h"
#include "go.h"

#include "node.h"

#endif
