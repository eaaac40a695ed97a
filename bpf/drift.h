/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Everything that moved, was renamed or renumbered between kernels: one accessor each, with the
 * commit that did it. */
#ifndef SPANPROBE_BPF_DRIFT_H
#define SPANPROBE_BPF_DRIFT_H

#include "helpers.h"
#include "source.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct iov_iter {
	__u8 iter_type;
	size_t iov_offset;
	size_t count;
	unsigned long nr_segs;
	const struct iovec *__iov;
	void *ubuf;
};

/* before de4f5fed3f23 (6.4): iov_iter.iov */
struct iov_iter___iov {
	const struct iovec *iov;
};

struct msghdr {
	struct iov_iter msg_iter;
};

/* The forms that io_uring's memory of a request has had since 6.15: 9ba3dbb05f2a and its kin. Before
 * them its bytes are counted as unseen. */
struct io_async_msghdr {
	struct iou_vec vec;
	struct msghdr msg;
};

struct io_async_rw {
	struct iov_iter iter;
};

/* ITER_UBUF came with fcb14cb1bdac (6.0); the numbers moved in 747b1f65d39a (6.4). */
enum iter_type {
	ITER_UBUF,
	ITER_IOVEC,
};

#pragma clang attribute pop

#ifdef __bpf__

static __always_inline const struct iovec *drift__iov(const struct iov_iter *iter)
{
	const struct iov_iter___iov *old = (const void *)iter;

	if (bpf_core_field_exists(old->iov))
		return BPF_CORE_READ(old, iov);
	return BPF_CORE_READ(iter, __iov);
}

/* What an iterator that the kernel has made from the caller's buffers points at, at this moment. */
static __always_inline void drift__iter(const struct iov_iter *iter, struct source *ret)
{
	__u8 type = BPF_CORE_READ(iter, iter_type);
	__u64 skip = BPF_CORE_READ(iter, iov_offset);

	ret->kind = SOURCE_NONE;
	ret->kernel = 1;
	if (bpf_core_enum_value_exists(enum iter_type, ITER_UBUF) &&
	    type == bpf_core_enum_value(enum iter_type, ITER_UBUF)) {
		ret->kind = SOURCE_BUFFER;
		ret->at = (__u64)BPF_CORE_READ(iter, ubuf) + skip;
		ret->count = BPF_CORE_READ(iter, count);
	} else if (type == bpf_core_enum_value(enum iter_type, ITER_IOVEC)) {
		ret->kind = SOURCE_VECTOR;
		ret->at = (__u64)drift__iov(iter);
		ret->count = BPF_CORE_READ(iter, nr_segs);
		ret->skip = skip;
	}
}

static __always_inline void drift__source(const void *msghdr, struct source *ret)
{
	const struct msghdr *msg = msghdr;

	drift__iter(&msg->msg_iter, ret);
}

/* The tracepoint gave its second argument in 6.17 or so; the group is dead when nobody is left. */
static __always_inline bool drift__group_dead(struct task_struct *task)
{
	return BPF_CORE_READ(task, signal, live.counter) == 0;
}

#endif
#endif
