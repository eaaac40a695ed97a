/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Walks a caller's vector of buffers and gathers its bytes one after the other, so that a header
 * and a body that were written in two segments come as one record. Pure but for the reads.
 */
#ifndef SPANPROBE_BPF_VECTOR_H
#define SPANPROBE_BPF_VECTOR_H

#include "bound.h"
#include "source.h"

struct segment {
	__u64 base;
	__u64 length;
};

struct walk {
	__u64 at;	/* of the next struct iovec */
	__u64 skip;	/* bytes to pass over from there */
	__u32 segments; /* left to look at */
	__u32 want;	/* bytes to gather, <= DATA_BYTES_MAX */
	__u32 filled;
	__u8 kernel; /* the vector lies in kernel memory */
	__u8 fault;
	__u8 cut; /* the vector goes on beyond the segments that are looked at */
	__u8 pad;
};

/*
 * One segment. Returns 1 when the walk is over: enough, no more segments, or a fault.
 * bytes: 2 * DATA_BYTES_MAX, for the verifier adds the greatest offset and the greatest length.
 */
static __always_inline long walk__step(struct walk *walk, __u8 *bytes)
{
	struct segment segment = {};
	__u32 filled = walk->filled;
	__u64 room, length;
	long err;

	if (!walk->segments || filled >= walk->want)
		return 1;
	err = walk->kernel ?
		      bpf_probe_read_kernel(&segment, sizeof(segment), (const void *)walk->at) :
		      bpf_probe_read_user(&segment, sizeof(segment), (const void *)walk->at);
	if (err) {
		walk->fault = 1;
		return 1;
	}
	if (walk->skip >= segment.length) {
		walk->skip -= segment.length;
		walk->at += sizeof(segment);
		walk->segments--;
		return 0;
	}
	length = segment.length - walk->skip;
	room = walk->want - filled;
	if (length > room)
		length = room;
	filled &= DATA_BYTES_MAX - 1;
	length = bound__to(length, DATA_BYTES_MAX);
	if (bpf_probe_read_user(bytes + filled, length,
				(const void *)(segment.base + walk->skip))) {
		walk->fault = 1;
		return 1;
	}
	walk->filled += length;
	walk->skip += length;
	if (walk->skip == segment.length) {
		walk->skip = 0;
		walk->at += sizeof(segment);
		walk->segments--;
	}
	return 0;
}

#endif
