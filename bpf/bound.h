/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Masks and clamps that the verifier can follow. Pure. */
#ifndef SPANPROBE_BPF_BOUND_H
#define SPANPROBE_BPF_BOUND_H

#include "event.h"
#include "helpers.h"

_Static_assert((DATA_BYTES_MAX & (DATA_BYTES_MAX - 1)) == 0, "used as a mask");

#ifdef __bpf__
/* Hides from the compiler what it knows about x, so that it keeps the check that follows: the
 * verifier has to see it. */
#define FORGET(x) asm volatile("" : "+r"(x))
#else
#define FORGET(x) ((void)0)
#endif

static __always_inline __u32 bound__to(__u32 x, __u32 max)
{
	FORGET(x);
	return x > max ? max : x;
}

/* bytes of a record that holds n payload bytes */
static __always_inline __u32 bound__record(__u32 n)
{
	return sizeof(struct event_data) + ((n + 7) & ~7u);
}

/* the smallest payload class that holds n bytes */
static __always_inline __u32 bound__class(__u32 n)
{
	if (n <= DATA_CLASS_0)
		return DATA_CLASS_0;
	if (n <= DATA_CLASS_1)
		return DATA_CLASS_1;
	if (n <= DATA_CLASS_2)
		return DATA_CLASS_2;
	return DATA_CLASS_3;
}

#endif
