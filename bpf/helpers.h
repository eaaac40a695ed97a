/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* The kernel's helpers, or their stand-ins when the pure parts of bpf/ are built natively. */
#ifndef SPANPROBE_BPF_HELPERS_H
#define SPANPROBE_BPF_HELPERS_H

#ifdef __bpf__
#include "core.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_tracing.h>
#else
#include "stub.h"
#endif

#endif
