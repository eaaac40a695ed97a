/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Where the bytes of a request of io_uring are. The tracepoints of sockets fire for it too, but the
 * registers of the thread say io_uring_enter, or nothing: it may be a worker of the kernel's, or
 * deferred work on the way back to user space. So the request itself is looked for in three places:
 *
 * - a worker of io_uring has it as its work at hand;
 * - a thread that submits issues each request right after uring__submit has seen it;
 * - one that found nothing to do waits for the socket: its first try was seen, or, when it asks to
 *   wait before that, uring__arm has seen it.
 *
 * Each is only a candidate: it must be on this socket and in this direction, and its iterator must
 * have moved as far as the call says. Otherwise the bytes are counted as unseen, as before.
 */
#ifndef SPANPROBE_BPF_URING_H
#define SPANPROBE_BPF_URING_H

#include "call.h"
#include "drift.h"
#include "emit.h"
#include "table.h"

/* UAPI: the operations that move bytes of a stream socket */
enum uring_op {
	URING_READV = 1,
	URING_WRITEV = 2,
	URING_SENDMSG = 9,
	URING_RECVMSG = 10,
	URING_READ = 22,
	URING_WRITE = 23,
	URING_SEND = 26,
	URING_RECV = 27,
	URING_SEND_ZC = 47,
	URING_SENDMSG_ZC = 48,
};

#define PF_IO_WORKER 0x10
#define POLL_FIRST   0x1 /* IORING_RECVSEND_POLL_FIRST */
#define MULTISHOT    0x2 /* IORING_RECV_MULTISHOT */
#define WAITING_MAX  4
#define EAGAIN	     11

/* false: moves no bytes of a stream */
static __always_inline bool uring__dir(__u8 op, __u8 *ret)
{
	switch (op) {
	case URING_READV:
	case URING_READ:
	case URING_RECVMSG:
	case URING_RECV:
		*ret = DIR_IN;
		return true;
	case URING_WRITEV:
	case URING_WRITE:
	case URING_SENDMSG:
	case URING_SEND:
	case URING_SEND_ZC:
	case URING_SENDMSG_ZC:
		*ret = DIR_OUT;
		return true;
	}
	return false;
}

/* read and write serve all files */
static __always_inline bool uring__is_file(__u8 op)
{
	return op == URING_READ || op == URING_WRITE || op == URING_READV || op == URING_WRITEV;
}

/* A flag of a send or receive. */
static __always_inline bool uring__has(struct io_kiocb *req, __u16 flag)
{
	/* what an operation keeps for itself lies at the front of io_kiocb */
	struct io_sr_msg *sr = (void *)req;

	return !uring__is_file(BPF_CORE_READ(req, opcode)) && (BPF_CORE_READ(sr, flags) & flag);
}

static __always_inline bool uring__on(struct io_kiocb *req, struct sock *sk, __u8 dir)
{
	struct socket *socket;
	__u8 its = 0;

	if (!req || !uring__dir(BPF_CORE_READ(req, opcode), &its) || its != dir)
		return false;
	socket = BPF_CORE_READ(req, file, private_data);
	return socket && BPF_CORE_READ(socket, sk) == sk;
}

/* send and recv: the iterator has moved on by the bytes of this call. */
static __always_inline void uring__message(struct io_kiocb *req, __u32 length, struct source *ret)
{
	struct io_async_msghdr *message = BPF_CORE_READ(req, async_data);
	struct io_sr_msg *sr = (void *)req;

	if (!message)
		return;
	drift__source(&message->msg, ret);
	if (ret->kind == SOURCE_BUFFER &&
	    BPF_CORE_READ(message, msg.msg_iter.iov_offset) < length) {
		ret->kind = SOURCE_NONE;
	} else if (ret->kind == SOURCE_BUFFER) {
		ret->at -= length;
	} else if (ret->kind == SOURCE_VECTOR) { /* its end; what it began with is kept */
		ret->at = (__u64)BPF_CORE_READ(message, vec.iovec);
		ret->count = BPF_CORE_READ(message, vec.nr);
		ret->skip = BPF_CORE_READ(sr, done_io);
		if (!ret->at || !bpf_core_field_exists(sr->done_io))
			ret->kind = SOURCE_NONE;
	}
}

/* read and write: the socket works on a copy of the iterator, which has not moved yet. */
static __always_inline void uring__file(struct io_kiocb *req, __u32 length, struct source *ret)
{
	struct io_async_rw *rw = BPF_CORE_READ(req, async_data);

	if (!rw)
		return;
	drift__iter(&rw->iter, ret);
	if (ret->kind == SOURCE_BUFFER && ret->count < length)
		ret->kind = SOURCE_NONE;
}

static __always_inline bool uring__source_of(struct io_kiocb *req, struct sock *sk, __u8 dir,
					     __u32 length, struct source *ret)
{
	if (!uring__on(req, sk, dir))
		return false;
	if (uring__is_file(BPF_CORE_READ(req, opcode))) {
		if (bpf_core_type_exists(struct io_async_rw) &&
		    bpf_core_field_exists(((struct io_async_rw *)0)->iter))
			uring__file(req, length, ret);
	} else if (bpf_core_type_exists(struct io_async_msghdr) &&
		   bpf_core_field_exists(((struct io_async_msghdr *)0)->vec)) {
		uring__message(req, length, ret);
	}
	return ret->kind != SOURCE_NONE;
}

/* What a worker of io_uring works on. */
static __always_inline struct io_kiocb *uring__work(struct io_worker *worker)
{
	char *work = (char *)BPF_CORE_READ(worker, cur_work);

	return work ? (void *)(work - bpf_core_field_offset(struct io_kiocb, work)) : NULL;
}

/* The request that this thread issues, perhaps. */
static __always_inline struct io_kiocb *uring__issued(struct task_struct *task)
{
	__u32 tid = task->pid;
	__u64 *req;

	/* the thread that takes up submissions is one of these too, but has no such work */
	if (task->flags & PF_IO_WORKER && task->worker_private)
		return uring__work(task->worker_private);
	req = bpf_map_lookup_elem(&uring_now, &tid);
	return req ? (struct io_kiocb *)*req : NULL;
}

static __always_inline void uring__keep(struct sock *sk, struct io_kiocb *req, __u8 dir)
{
	struct sock_note *note =
		bpf_sk_storage_get(&sock_notes, sk, NULL, BPF_SK_STORAGE_GET_F_CREATE);

	if (note)
		note->waiting[dir & 1] = (__u64)req;
}

/* One that has waited before its first try. It may be of a socket that had this address before. */
static __always_inline void uring__try_first(struct sock *sk, __u8 dir, __u32 length,
					     struct source *ret)
{
	__u64 key = (__u64)sk + dir, *first = bpf_map_lookup_elem(&uring_first, &key);
	struct io_kiocb *req = first ? (struct io_kiocb *)*first : NULL;

	if (!req)
		return;
	if (uring__source_of(req, sk, dir, length, ret))
		uring__keep(sk, req, dir);
	bpf_map_delete_elem(&uring_first, &key);
}

/*
 * Bytes that the registers do not tell: `length` of them have moved, or none (-EAGAIN): then the
 * request will be tried again, without being seen before it.
 */
static __always_inline void uring__source(struct sock *sk, struct task_struct *task, __u8 dir,
					  int length, struct source *ret)
{
	struct io_kiocb *req;
	struct sock_note *note;

	if (!settings.uring)
		return;
	req = uring__issued(task);
	if (uring__on(req, sk, dir) && (length == -EAGAIN || uring__has(req, MULTISHOT)))
		uring__keep(sk, req, dir);
	if (length <= 0)
		return;
	ret->ring = 1;
	if (uring__source_of(req, sk, dir, length, ret))
		return;
	note = bpf_sk_storage_get(&sock_notes, sk, NULL, 0);
	req = note ? (struct io_kiocb *)note->waiting[dir & 1] : NULL;
	if (uring__source_of(req, sk, dir, length, ret))
		return;
	uring__try_first(sk, dir, length, ret);
}

/* Who waited for a socket before the agent came stands in its queue, the newest first. */
static __always_inline void uring__find_waiting(struct sock *sk)
{
	struct wait_queue_entry *waiting;
	struct list_head *head, *at;

	head = &BPF_CORE_READ(sk, sk_wq)->wait.head;
	at = BPF_CORE_READ(head, next);
	for (int i = 0; i < WAITING_MAX && at && at != head; i++, at = BPF_CORE_READ(at, next)) {
		struct io_kiocb *req;

		waiting = (void *)((char *)at -
				   bpf_core_field_offset(struct wait_queue_entry, entry));
		/* the lowest bit is a mark */
		req = (void *)((__u64)BPF_CORE_READ(waiting, private) & ~1ull);
		for (__u8 dir = 0; dir < DIR_COUNT; dir++)
			if (uring__on(req, sk, dir))
				uring__keep(sk, req, dir);
	}
}

/* A request begins to wait for its file. */
static __always_inline void uring__waits(struct io_kiocb *req)
{
	__u64 key, value = (__u64)req;
	struct socket *socket;
	__u8 dir;

	if (!uring__dir(BPF_CORE_READ(req, opcode), &dir) || !uring__has(req, POLL_FIRST))
		return;
	socket = BPF_CORE_READ(req, file, private_data);
	key = (__u64)BPF_CORE_READ(socket, sk) + dir;
	bpf_map_update_elem(&uring_first, &key, &value, BPF_ANY);
}

#endif
