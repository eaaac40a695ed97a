/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Where the bytes of a call are: one buffer, or a vector of them. Pure. */
#ifndef SPANPROBE_BPF_SOURCE_H
#define SPANPROBE_BPF_SOURCE_H

#include "helpers.h"

enum source_kind {
	SOURCE_NONE = 0, /* nowhere that we can read: length only */
	SOURCE_BUFFER,	 /* at: user address of the bytes */
	SOURCE_VECTOR	 /* at: address of an array of struct iovec */
};

struct source {
	__u64 at;
	__u64 count; /* BUFFER: bytes asked for; VECTOR: segments */
	__u64 skip;  /* VECTOR: bytes of the first segments that are not part of this call */
	__u8 kind;   /* enum source_kind */
	__u8 kernel; /* the vector itself lies in kernel memory */
	__u8 ring;   /* moved by io_uring: whoever waits for it waits for others too */
	__u8 pad[5];
};

#endif
