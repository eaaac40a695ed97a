/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * From a system call's number and arguments to the place of its bytes. Pure but for the reading of
 * the caller's message header.
 *
 * A call that is not in the table (sendfile, splice, io_uring_enter, 32-bit calls) moves bytes that
 * cannot be found from its registers: they are counted, not captured.
 */
#ifndef SPANPROBE_BPF_CALL_H
#define SPANPROBE_BPF_CALL_H

#include "arch.h"
#include "conn.h"
#include "source.h"

/* struct user_msghdr of the system-call interface, 64 bit */
struct caller_msghdr {
	__u64 name;
	__u64 name_length;
	__u64 iov;
	__u64 iov_count;
};

/* struct mmsghdr has the same beginning */
static __always_inline void call__message(__u64 header, struct source *ret)
{
	struct caller_msghdr message;

	if (bpf_probe_read_user(&message, sizeof(message), (const void *)header))
		return;
	ret->kind = SOURCE_VECTOR;
	ret->at = message.iov;
	ret->count = message.iov_count;
}

/* arg1, arg2: the second and third argument; the first is always the descriptor. */
static __always_inline void call__source(__u64 nr, __u64 arg1, __u64 arg2, enum direction dir,
					 struct source *ret)
{
	ret->kind = SOURCE_NONE;
	ret->kernel = 0;
	ret->ring = 0;
	ret->skip = 0;
	ret->at = arg1;
	ret->count = arg2;
	if (dir == DIR_IN) {
		if (nr == NR_READ || nr == NR_RECVFROM)
			ret->kind = SOURCE_BUFFER;
		else if (nr == NR_READV || nr == NR_PREADV2)
			ret->kind = SOURCE_VECTOR;
		else if (nr == NR_RECVMSG || (nr == NR_RECVMMSG && arg2 == 1))
			call__message(arg1, ret);
	} else {
		if (nr == NR_WRITE || nr == NR_SENDTO)
			ret->kind = SOURCE_BUFFER;
		else if (nr == NR_WRITEV || nr == NR_PWRITEV2)
			ret->kind = SOURCE_VECTOR;
		else if (nr == NR_SENDMSG || (nr == NR_SENDMMSG && arg2 == 1))
			call__message(arg1, ret);
	}
}

#endif
