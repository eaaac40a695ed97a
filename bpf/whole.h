/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Whole numbers that are kept as doubles, without a floating-point unit. Pure. */
#ifndef SPANPROBE_BPF_WHOLE_H
#define SPANPROBE_BPF_WHOLE_H

#include "helpers.h"

#define NOT_WHOLE (~0ull)

#define DOUBLE_BITS 52
#define DOUBLE_BIAS 1023

/* Of 0 to 2^53 - 1; anything else is NOT_WHOLE. */
static __always_inline __u64 whole__of_double(__u64 bits)
{
	__u64 exponent = bits >> DOUBLE_BITS, fraction;
	__u32 shift;

	if (!bits)
		return 0;
	if (exponent < DOUBLE_BIAS || exponent > DOUBLE_BIAS + DOUBLE_BITS)
		return NOT_WHOLE;
	shift = DOUBLE_BIAS + DOUBLE_BITS - exponent;
	fraction = (bits & ((1ull << DOUBLE_BITS) - 1)) | 1ull << DOUBLE_BITS;
	if (fraction & ((1ull << shift) - 1))
		return NOT_WHOLE;
	return fraction >> shift;
}

#endif
