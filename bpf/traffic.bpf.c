// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * traffic: the payload of sockets. One body (traffic.h), one thin entry per hook.
 *
 * Family "tracepoint": sock_send_length and sock_recv_length fire after the copy, in the caller's
 * context, with the socket and the byte count. Where the bytes are is read from the registers that
 * the thread entered the kernel with. No state per thread, nothing on other system calls.
 *
 * Family "kprobe": the entry of tcp_sendmsg and its kin keeps the iterator that the kernel made of
 * the caller's buffers; the return, or tcp_cleanup_rbuf for a receive, tells how much has moved.
 * Receives do not depend on their return probe: a thread that waits for bytes would occupy one of
 * the few return instances of the kernel, and other calls would be missed.
 */
#include "call.h"
#include "traffic.h"
#include "uring.h"

#define MSG_NOT_A_STREAM (MSG_OOB | MSG_PEEK | MSG_ERRQUEUE)

/* length: bytes that have moved, or a negative errno */
static __always_inline void caller__source(struct sock *sk, __u8 dir, int length,
					   struct source *ret)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(task);

	ret->kind = SOURCE_NONE;
	if (!CALL_RUNNING(regs) || CALL_NR(regs) == NR_IO_URING_ENTER)
		uring__source(sk, task, dir, length, ret);
	else if (!CALL_COMPAT(task))
		call__source(CALL_NR(regs), CALL_ARG1(regs), CALL_ARG2(regs), dir, ret);
}

static __always_inline int length__seen(struct sock *sk, int ret, int flags, __u8 dir)
{
	__u64 pid_tgid = bpf_get_current_pid_tgid();
	struct source source = {};
	__u16 family;

	if (!traced__pid(pid_tgid >> 32))
		return 0;
	family = sk->__sk_common.skc_family;
	if (flags & MSG_NOT_A_STREAM)
		return 0;
	if (!sock__followed(family, sk->sk_type, sk->sk_protocol)) {
		if (ret > 0 && sk->sk_protocol == IPPROTO_MPTCP)
			loss__count(LOSS_UNSEEN_BYTES, ret);
		return 0;
	}
	caller__source(sk, dir, ret, &source);
	if (flags & MSG_TRUNC) /* the bytes were thrown away, not copied */
		source.kind = SOURCE_NONE;
	if (ret > 0)
		traffic__moved(sk, family, dir, ret, &source, pid_tgid, true);
	else if (ret < 0 || source.kind != SOURCE_BUFFER || source.count)
		traffic__ended(sk, family, dir, ret, pid_tgid);
	return 0;
}

SEC("tp_btf/sock_send_length")
int BPF_PROG(tracepoint__send, struct sock *sk, int ret, int flags)
{
	return length__seen(sk, ret, 0, DIR_OUT);
}

SEC("tp_btf/sock_recv_length")
int BPF_PROG(tracepoint__recv, struct sock *sk, int ret, int flags)
{
	return length__seen(sk, ret, flags, DIR_IN);
}

/* Tells the agent to attach the next two. */
SEC("tp_btf/io_uring_create")
int BPF_PROG(uring__create)
{
	if (traced__pid(bpf_get_current_pid_tgid() >> 32))
		uring_used = 1;
	return 0;
}

/* A request of io_uring is about to be tried. */
SEC("tp_btf/io_uring_submit_req")
int BPF_PROG(uring__submit, struct io_kiocb *req)
{
	__u64 pid_tgid = bpf_get_current_pid_tgid(), value = (__u64)req;
	__u32 tid = pid_tgid;
	__u8 dir;

	if (traced__pid(pid_tgid >> 32) && uring__dir(req->opcode, &dir))
		bpf_map_update_elem(&uring_now, &tid, &value, BPF_ANY);
	return 0;
}

SEC("tp_btf/io_uring_poll_arm")
int BPF_PROG(uring__arm, struct io_kiocb *req)
{
	if (traced__pid(bpf_get_current_pid_tgid() >> 32))
		uring__waits(req);
	return 0;
}

static __always_inline int call__enter(struct sock *sk, void *msg, __u64 length, __u32 flags,
				       __u8 dir, bool by_return)
{
	__u64 pid_tgid = bpf_get_current_pid_tgid();
	struct open_call call = { .sock = (__u64)sk,
				  .length = length,
				  .flags = flags,
				  .dir = dir,
				  .by_return = by_return };
	struct open_call *before;
	__u32 tid = pid_tgid;

	if (!traced__pid(pid_tgid >> 32))
		return 0;
	if (!sock__followed(SK(sk, __sk_common.skc_family), SK(sk, sk_type), SK(sk, sk_protocol)))
		return 0;
	drift__source(msg, &call.source);
	if (flags & MSG_TRUNC)
		call.source.kind = SOURCE_NONE;
	before = bpf_map_lookup_elem(&calls, &tid);
	if (before && before->by_return)
		loss__count(LOSS_RETURN_MISSED, 1);
	if (bpf_map_update_elem(&calls, &tid, &call, BPF_ANY))
		loss__count(LOSS_CALL_TABLE_FULL, 1);
	return 0;
}

/* `done` bytes in all have moved since the entry of the call. */
static __always_inline void call__moved(struct open_call *call, __u64 done, __u8 dir,
					__u64 pid_tgid)
{
	struct sock *sk = (struct sock *)call->sock;
	struct source source = call->source;
	__u64 before = call->done;

	if (done <= before || (call->flags & MSG_NOT_A_STREAM))
		return;
	call->done = done;
	if (source.kind == SOURCE_BUFFER)
		source.at += before;
	else
		source.skip += before;
	traffic__moved(sk, SK(sk, __sk_common.skc_family), dir, done - before, &source, pid_tgid,
		       false);
}

static __always_inline int call__leave(int ret, bool by_return, __u8 dir)
{
	__u64 pid_tgid = bpf_get_current_pid_tgid();
	__u32 tid = pid_tgid;
	struct open_call *call;
	struct sock *sk;

	if (!traced__pid(pid_tgid >> 32))
		return 0;
	call = bpf_map_lookup_elem(&calls, &tid);
	if (!call || call->dir != dir)
		return 0;
	sk = (struct sock *)call->sock;
	if (ret > 0 && by_return)
		call__moved(call, ret, dir, pid_tgid);
	else if (ret <= 0 && call->length && !call->done && !(call->flags & MSG_NOT_A_STREAM))
		traffic__ended(sk, SK(sk, __sk_common.skc_family), dir, ret, pid_tgid);
	bpf_map_delete_elem(&calls, &tid);
	return 0;
}

SEC("kprobe/tcp_sendmsg")
int BPF_KPROBE(kprobe__tcp_sendmsg, struct sock *sk, void *msg, size_t size)
{
	return call__enter(sk, msg, size, 0, DIR_OUT, true);
}

SEC("kretprobe/tcp_sendmsg")
int BPF_KRETPROBE(kretprobe__tcp_sendmsg, int ret)
{
	return call__leave(ret, true, DIR_OUT);
}

/* (sk, msg, len, flags) since ec095263a965 (5.19); before, `nonblock` stood before flags */
SEC("kprobe/tcp_recvmsg")
int BPF_KPROBE(kprobe__tcp_recvmsg, struct sock *sk, void *msg, size_t size, int flags)
{
	return call__enter(sk, msg, size, flags, DIR_IN, false);
}

SEC("kretprobe/tcp_recvmsg")
int BPF_KRETPROBE(kretprobe__tcp_recvmsg, int ret)
{
	return call__leave(ret, false, DIR_IN);
}

/* Called with the running sum of the bytes that tcp_recvmsg has copied, at its waits and its end. */
SEC("kprobe/tcp_cleanup_rbuf")
int BPF_KPROBE(kprobe__tcp_cleanup_rbuf, struct sock *sk, int copied)
{
	__u64 pid_tgid = bpf_get_current_pid_tgid();
	__u32 tid = pid_tgid;
	struct open_call *call;

	if (copied <= 0 || !traced__pid(pid_tgid >> 32))
		return 0;
	call = bpf_map_lookup_elem(&calls, &tid);
	if (call && call->sock == (__u64)sk && call->dir == DIR_IN)
		call__moved(call, copied, DIR_IN, pid_tgid);
	return 0;
}

SEC("kprobe/unix_stream_sendmsg")
int BPF_KPROBE(kprobe__unix_stream_sendmsg, struct socket *socket, void *msg, size_t size)
{
	return call__enter(BPF_CORE_READ(socket, sk), msg, size, 0, DIR_OUT, true);
}

SEC("kretprobe/unix_stream_sendmsg")
int BPF_KRETPROBE(kretprobe__unix_stream_sendmsg, int ret)
{
	return call__leave(ret, true, DIR_OUT);
}

SEC("kprobe/unix_stream_recvmsg")
int BPF_KPROBE(kprobe__unix_stream_recvmsg, struct socket *socket, void *msg, size_t size,
	       int flags)
{
	return call__enter(BPF_CORE_READ(socket, sk), msg, size, flags, DIR_IN, true);
}

SEC("kretprobe/unix_stream_recvmsg")
int BPF_KRETPROBE(kretprobe__unix_stream_recvmsg, int ret)
{
	return call__leave(ret, true, DIR_IN);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
