// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * socket: which connections exist: connect, accept, the end; the sockets that a process has open
 * when it is met; and the policy that user space sets for each connection.
 */
#include "traffic.h"
#include "uring.h"

__u64 conns_met;
__u32 uring_used;

static __always_inline void connect__emit(struct sock *sk, struct entry *entry, __u64 pid_tgid,
					  __u64 now)
{
	void *ring = ring__of_cpu();
	struct event_connect *record = record__reserve(ring, sizeof(*record), LOSS_RING_CONN);

	if (!record)
		return;
	event__fill(&record->event, EVENT_CONNECT, sizeof(*record), pid_tgid, now);
	record->conn = entry->id;
	tuple__fill(sk, entry, &record->tuple);
	ring__submit(ring, record, sizeof(*record));
}

static __always_inline void connect__begun(struct sock *sk, __u16 family, __u64 pid_tgid, __u64 now)
{
	struct entry made, *entry;

	entry__init(&made, sk, family, pid_tgid >> 32);
	made.role = ROLE_CLIENT;
	/* the process's socket is another one */
	if (BPF_CORE_READ(sk, sk_socket, sk) != sk)
		made.flags |= ENTRY_SUBFLOW;
	entry = conn__insert(sk, &made);
	if (!entry)
		return;
	node__at(pid_tgid, now, false);
	connect__emit(sk, entry, pid_tgid, now);
}

/* Softirq context as a rule: the process is known from CONNECT. */
static __always_inline void connect__done(struct sock *sk, struct entry *entry, __u64 now)
{
	if (entry->flags & ENTRY_CONNECTED)
		return;
	conn__established(sk, entry, 0);
	conn__announce(sk, entry, 0, now);
}

static __noinline int conn__close(struct sock *sk, struct entry *entry, __u64 now)
{
	__u64 key = (__u64)sk;

	if (!entry)
		return 0;
	if (entry->flags & ENTRY_CONNECTED) {
		conn__catch_up(sk, entry, DIR_IN, now);
		conn__catch_up(sk, entry, DIR_OUT, now);
	}
	if ((entry->flags & (ENTRY_CONNECTED | ENTRY_OPEN_SENT)) == ENTRY_CONNECTED)
		loss__count(LOSS_RING_CONN, 1);
	else
		close__emit(sk, entry, false, now);
	bpf_map_delete_elem(&conns, &key);
	return 0;
}

/* After a reset the caller may still read what had arrived: the end waits for it. */
static __always_inline void conn__closing(struct sock *sk, struct entry *entry, __u64 now)
{
	if ((entry->flags & ENTRY_CONNECTED) && SK(sk, sk_socket) &&
	    TCP(sk, rcv_nxt) != TCP(sk, copied_seq) && !tcp__fin_consumed(sk)) {
		entry->flags |= ENTRY_CLOSED;
		entry->error = SK(sk, sk_err);
		return;
	}
	conn__close(sk, entry, now);
}

/* Left of another socket that had this address? Then it goes. */
static __always_inline bool conn__is_stale(struct sock *sk, struct entry *entry, __u64 now)
{
	if (entry__is_of(entry, sk, AF_INET))
		return false;
	conn__forget(sk, entry, now);
	return true;
}

static __always_inline void listen__begun(struct sock *sk, __u64 pid_tgid, __u64 now)
{
	struct net *net = SK(sk, __sk_common.skc_net.net);
	__u16 port = SK(sk, __sk_common.skc_num);
	struct event_listen *record;
	void *ring;

	if (!port || (!settings.watch_listen && !traced__pid(pid_tgid >> 32)))
		return;
	ring = ring__of_cpu();
	record = record__reserve(ring, sizeof(*record), LOSS_RING_CONN);
	if (!record)
		return;
	event__fill(&record->event, EVENT_LISTEN, sizeof(*record), pid_tgid, now);
	record->netns_cookie = BPF_CORE_READ(net, net_cookie);
	record->port = port;
	__builtin_memset(record->pad, 0, sizeof(record->pad));
	ring__submit(ring, record, sizeof(*record));
}

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(socket__set_state, struct sock *sk, int oldstate, int newstate)
{
	__u64 key = (__u64)sk, now, pid_tgid;
	struct entry *entry;

	if (sk->sk_protocol != IPPROTO_TCP)
		return 0;
	if (newstate == TCP_SYN_RECV || newstate == TCP_FIN_WAIT2 || newstate == TCP_CLOSE_WAIT)
		return 0;
	pid_tgid = bpf_get_current_pid_tgid();
	now = bpf_ktime_get_ns();
	if (newstate == TCP_LISTEN) {
		listen__begun(sk, pid_tgid, now);
		return 0;
	}
	entry = bpf_map_lookup_elem(&conns, &key);
	if (newstate == TCP_SYN_SENT) {
		/* It has connected before, and what it counted then is gone already: after a reset that left
		 * bytes unread; or it is a new socket at this address, and the end of the old one was
		 * missed: a program does not run while it interrupts itself on its CPU. */
		if (entry)
			conn__forget(sk, entry, now);
		if (traced__pid(pid_tgid >> 32))
			connect__begun(sk, sk->__sk_common.skc_family, pid_tgid, now);
		return 0;
	}
	if (!entry || conn__is_stale(sk, entry, now))
		return 0;
	if (newstate == TCP_ESTABLISHED) {
		connect__done(sk, entry, now);
	} else if (newstate == TCP_FIN_WAIT1 || newstate == TCP_LAST_ACK) {
		conn__catch_up(sk, entry, DIR_OUT, now);
		shut__emit(entry, DIR_OUT, 0, pid_tgid, now);
	} else if (newstate == TCP_CLOSE) {
		conn__closing(sk, entry, now);
	}
	return 0;
}

/* The socket itself goes: nobody can read any more. */
SEC("tp_btf/tcp_destroy_sock")
int BPF_PROG(socket__destroy, struct sock *sk)
{
	__u64 key = (__u64)sk;
	struct entry *entry = bpf_map_lookup_elem(&conns, &key);
	__u64 now = bpf_ktime_get_ns();

	if (entry && !conn__is_stale(sk, entry, now))
		conn__close(sk, entry, now);
	return 0;
}

/* kprobe family: accepted connections are known before their first byte. */
SEC("kretprobe/inet_csk_accept")
int BPF_KRETPROBE(kretprobe__inet_csk_accept, struct sock *sk)
{
	__u64 pid_tgid = bpf_get_current_pid_tgid(), key = (__u64)sk, now = bpf_ktime_get_ns();
	struct entry made, *entry;
	__u16 family;

	if (!sk || !traced__pid(pid_tgid >> 32) || SK(sk, sk_protocol) != IPPROTO_TCP)
		return 0;
	family = SK(sk, __sk_common.skc_family);
	if (bpf_map_lookup_elem(&conns, &key))
		return 0;
	entry__init(&made, sk, family, pid_tgid >> 32);
	entry__adopt_tcp(&made, sk, 0, 0);
	made.role = ROLE_SERVER;
	entry = conn__insert(sk, &made);
	if (entry)
		conn__announce(sk, entry, pid_tgid, now);
	return 0;
}

/* kprobe family: the end of Unix sockets. */
SEC("kprobe/unix_release_sock")
int BPF_KPROBE(kprobe__unix_release_sock, struct sock *sk)
{
	__u64 key = (__u64)sk;
	struct entry *entry = bpf_map_lookup_elem(&unix_conns, &key);

	if (!entry)
		return 0;
	close__emit(sk, entry, false, bpf_ktime_get_ns());
	bpf_map_delete_elem(&unix_conns, &key);
	return 0;
}

static __always_inline bool file__is_uring(struct file *file)
{
	const char wanted[] = "[io_uring]";
	char name[sizeof(wanted)] = {};

	bpf_probe_read_kernel_str(name, sizeof(name),
				  BPF_CORE_READ(file, f_path.dentry, d_name.name));
	for (unsigned int i = 0; i < sizeof(wanted); i++)
		if (name[i] != wanted[i])
			return false;
	return true;
}

/* The open sockets of a process (load__bootstrap restricts the iterator to it). */
SEC("iter/task_file")
int socket__bootstrap(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;
	struct socket *socket;
	struct entry *entry;
	struct sock *sk;
	__u64 pid_tgid;
	__u16 family;

	if (!task || !file)
		return 0;
	socket = bpf_sock_from_file(file);
	if (!socket && file__is_uring(file))
		uring_used = 1;
	if (!socket)
		return 0;
	sk = socket->sk;
	pid_tgid = (__u64)task->tgid << 32 | (__u32)task->tgid;
	if (!sk || !traced__pid(task->tgid))
		return 0;
	family = SK(sk, __sk_common.skc_family);
	if (!sock__followed(family, SK(sk, sk_type), SK(sk, sk_protocol)))
		return 0;
	if (settings.uring)
		uring__find_waiting(sk);
	if (conn__find(sk, family))
		return 0;
	entry = conn__adopt(sk, family, pid_tgid, 0, 0);
	if (!entry)
		return 0;
	/* TCP's counters tell whether anything passed before; Unix sockets have none */
	if (family == AF_UNIX) {
		unix__met(sk, entry);
		entry->flags |= ENTRY_MIDSTREAM;
	}
	if (!(entry->flags & ENTRY_OPEN_SENT))
		conn__announce(sk, entry, pid_tgid, bpf_ktime_get_ns());
	return 0;
}

static __always_inline void policy__set(struct entry *entry, const struct capture_policy *policy,
					__u8 dir)
{
	entry->mode[dir] = policy->mode[dir];
	if (policy->quiet_until[dir] > entry->quiet_until[dir])
		entry->quiet_until[dir] = policy->quiet_until[dir];
}

/* The end of the quiet range lies behind us already: say so at once, and look again. */
static __always_inline void policy__answer(struct entry *entry, const struct capture_policy *policy,
					   __u8 dir)
{
	__u64 position = entry->position[dir];

	if (!policy->quiet_until[dir] || position < policy->quiet_until[dir])
		return;
	mark__emit(entry, dir, position, 0, bpf_ktime_get_ns());
	if (entry->turn == dir)
		entry->turn_start = position;
}

static __always_inline int policy__of_process(__u32 pid, __u32 head_bytes)
{
	__u32 *value = bpf_map_lookup_elem(&known, &pid);

	if (!value)
		return 2; /* ENOENT */
	*value = head_bytes;
	return 0;
}

/* Run by the agent (load__apply). */
SEC("syscall")
int apply_policy(struct capture_policy *policy)
{
	__u64 key = policy->sock;
	struct entry *entry;

	if (!policy->conn)
		return policy__of_process(policy->pid, policy->head_bytes);
	entry = bpf_map_lookup_elem(&conns, &key);
	if (!entry)
		entry = bpf_map_lookup_elem(&unix_conns, &key);
	if (!entry || entry->id != policy->conn)
		return 2; /* ENOENT: it has ended meanwhile */
	entry->head_bytes = policy->head_bytes;
	if (policy->role)
		entry->role = policy->role;
	policy__set(entry, policy, DIR_IN);
	policy__set(entry, policy, DIR_OUT);
	FENCE(entry);
	policy__answer(entry, policy, DIR_IN);
	policy__answer(entry, policy, DIR_OUT);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
