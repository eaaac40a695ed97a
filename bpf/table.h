/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The table of connections: meeting and announcing them.
 *
 * Programs hand over struct sock as a pointer that the verifier trusts (tracepoints with BTF) or
 * as a bare address (kprobes): everything here reads through probe reads, which serve both.
 */
#ifndef SPANPROBE_BPF_TABLE_H
#define SPANPROBE_BPF_TABLE_H

#include "drift.h"
#include "emit.h"
#include "find.h"

/* Is this a kind of socket that we follow? */
static __always_inline bool sock__followed(__u16 family, __u16 type, __u16 protocol)
{
	if (type != SOCK_STREAM)
		return false;
	if (family == AF_INET || family == AF_INET6)
		return protocol == IPPROTO_TCP;
	return family == AF_UNIX;
}

/*
 * Is this socket one of many that its readers wait for together? A thread that serves one request
 * at a time waits in the receive call, or takes the socket out of epoll for that while.
 */
static __always_inline __u8 sock__watched(struct sock *sk)
{
	struct file *file = BPF_CORE_READ(sk, sk_socket, file);

	if (!file || !bpf_core_field_exists(file->f_ep) || !BPF_CORE_READ(file, f_ep))
		return 0;
	return BPF_CORE_READ(file, f_flags) & O_NONBLOCK ? EVENT_WATCHED : EVENT_POLLED;
}

/* ::ffff:a.b.c.d: an IPv4 peer of an IPv6 socket. Native order of the two words of 64 bits. */
static __always_inline bool addr__is_mapped(const __u64 addr[2])
{
	return addr[0] == 0 && (__u32)addr[1] == bpf_htonl(0xffff);
}

static __always_inline void tuple__inet(struct sock *sk, struct conn_tuple *tuple)
{
	__u64 local[2] = {}, peer[2] = {};
	bool mapped = false;

	tuple->local_port = SK(sk, __sk_common.skc_num);
	tuple->peer_port = bpf_ntohs(SK(sk, __sk_common.skc_dport));
	if (tuple->family == FAMILY_INET6) {
		BPF_CORE_READ_INTO(&peer, sk, __sk_common.skc_v6_daddr);
		BPF_CORE_READ_INTO(&local, sk, __sk_common.skc_v6_rcv_saddr);
		mapped = addr__is_mapped(peer);
	}
	if (tuple->family == FAMILY_INET || mapped) {
		tuple->family = FAMILY_INET;
		peer[0] = SK(sk, __sk_common.skc_daddr);
		local[0] = SK(sk, __sk_common.skc_rcv_saddr);
		peer[1] = local[1] = 0;
	}
	__builtin_memcpy(tuple->peer_addr, peer, sizeof(peer));
	__builtin_memcpy(tuple->local_addr, local, sizeof(local));
}

static __always_inline void tuple__fill(struct sock *sk, const struct entry *entry,
					struct conn_tuple *tuple)
{
	struct net *net = SK(sk, __sk_common.skc_net.net);

	__builtin_memset(tuple, 0, sizeof(*tuple));
	tuple->netns_cookie = BPF_CORE_READ(net, net_cookie);
	tuple->netns_inum = BPF_CORE_READ(net, ns.inum);
	tuple->sock = (__u64)sk;
	tuple->base_seq[DIR_IN] = entry->base_seq[DIR_IN];
	tuple->base_seq[DIR_OUT] = entry->base_seq[DIR_OUT];
	tuple->family = entry->family;
	tuple->role = entry->role;
	if (entry->flags & ENTRY_MIDSTREAM)
		tuple->flags |= CONN_MIDSTREAM;
	if (entry->family == FAMILY_UNIX)
		tuple->peer_sock = (__u64)UNIX(sk, peer);
	else
		tuple__inet(sk, tuple);
}

/* The address that one of the two ends is bound to. */
static __always_inline struct unix_address *unix__address(struct sock *sk)
{
	struct unix_address *address = UNIX(sk, addr);
	struct sock *peer;

	if (address)
		return address;
	peer = UNIX(sk, peer);
	return peer ? UNIX(peer, addr) : NULL;
}

static __always_inline void unix__path(struct unix_address *address, char *path)
{
	int length = BPF_CORE_READ(address, len);

	__builtin_memset(path, 0, UNIX_PATH_BYTES);
	length -= 2; /* sun_family */
	if (length <= 0)
		return;
	length = bound__to(length, 108);
	bpf_probe_read_kernel(path, length, &address->name[0].sun_path);
	if (!path[0])
		path[0] = '@';
}

static __always_inline void conn__announce_unix(struct sock *sk, struct entry *entry,
						__u64 pid_tgid, __u64 now)
{
	struct unix_address *address = unix__address(sk);
	const __u32 size = sizeof(struct event_conn_open) + UNIX_PATH_BYTES;
	void *ring = ring__of_cpu();
	struct event_conn_open *record = ring ? bpf_ringbuf_reserve(ring, size, 0) : NULL;

	if (!record)
		return;
	event__fill(&record->event, EVENT_CONN_OPEN, size, pid_tgid, now);
	record->conn = entry->id;
	tuple__fill(sk, entry, &record->tuple);
	if (address) {
		record->tuple.flags |= CONN_HAS_PATH;
		unix__path(address, record->path);
	} else {
		record->event.size = sizeof(*record);
	}
	ring__submit(ring, record, size);
	entry->flags |= ENTRY_OPEN_SENT;
}

static __always_inline void conn__announce_tcp(struct sock *sk, struct entry *entry, __u64 pid_tgid,
					       __u64 now)
{
	void *ring = ring__of_cpu();
	struct event_conn_open *record =
		ring ? bpf_ringbuf_reserve(ring, sizeof(*record), 0) : NULL;

	if (!record)
		return;
	event__fill(&record->event, EVENT_CONN_OPEN, sizeof(*record), pid_tgid, now);
	record->conn = entry->id;
	tuple__fill(sk, entry, &record->tuple);
	ring__submit(ring, record, sizeof(*record));
	entry->flags |= ENTRY_OPEN_SENT;
}

/* CONN_OPEN. When the ring is full the next event of the connection tries again: a loss only if the
 * connection ends before that (conn__close). */
static __noinline int conn__announce(struct sock *sk, struct entry *entry, __u64 pid_tgid,
				     __u64 now)
{
	if (!entry)
		return 0;
	if (entry->family == FAMILY_UNIX)
		conn__announce_unix(sk, entry, pid_tgid, now);
	else
		conn__announce_tcp(sk, entry, pid_tgid, now);
	return 0;
}

/* gone: the socket at this address is another one by now, and tells nothing of this connection */
static __always_inline void close__emit(struct sock *sk, struct entry *entry, bool gone, __u64 now)
{
	void *ring = ring__of_cpu();
	struct event_conn_close *record = record__reserve(ring, sizeof(*record), LOSS_RING_CONN);

	if (!record)
		return;
	__builtin_memset(record, 0, sizeof(*record));
	event__fill(&record->event, EVENT_CONN_CLOSE, sizeof(*record), 0, now);
	record->conn = entry->id;
	record->position[DIR_IN] = entry->position[DIR_IN];
	record->position[DIR_OUT] = entry->position[DIR_OUT];
	record->last_ns[DIR_IN] = entry->last_ns[DIR_IN];
	record->last_ns[DIR_OUT] = entry->last_ns[DIR_OUT];
	record->connected = !!(entry->flags & ENTRY_CONNECTED);
	record->error = entry->error;
	if (entry->family != FAMILY_UNIX && !gone) {
		record->error = entry->error ?: SK(sk, sk_err);
		record->retransmits = TCP(sk, total_retrans);
		record->srtt_us = TCP(sk, srtt_us) >> 3;
	}
	ring__submit(ring, record, sizeof(*record));
}

/* The entry of another socket that had this address and whose end was missed. */
static __noinline int conn__forget(struct sock *sk, struct entry *entry, __u64 now)
{
	__u64 key = (__u64)sk;

	if (!entry)
		return 0;
	if (entry->flags & ENTRY_OPEN_SENT || !(entry->flags & ENTRY_CONNECTED))
		close__emit(sk, entry, true, now);
	if (entry->family == FAMILY_UNIX)
		bpf_map_delete_elem(&unix_conns, &key);
	else
		bpf_map_delete_elem(&conns, &key);
	return 0;
}

static __always_inline void entry__init(struct entry *entry, struct sock *sk, __u16 family,
					__u32 pid)
{
	__u32 *head_bytes = bpf_map_lookup_elem(&known, &pid);

	__builtin_memset(entry, 0, sizeof(*entry));
	entry->id = __sync_fetch_and_add(&conns_met, 1) + 1;
	entry->family = family;
	entry->turn = TURN_NONE;
	entry->head_bytes = head_bytes && *head_bytes ? *head_bytes : settings.head_bytes;
}

static __always_inline struct entry *conn__insert(struct sock *sk, struct entry *made)
{
	__u64 key = (__u64)sk;

	if (made->family == FAMILY_UNIX) {
		bpf_map_update_elem(&unix_conns, &key, made, BPF_NOEXIST);
		return bpf_map_lookup_elem(&unix_conns, &key);
	}
	/* -E2BIG: full. -EEXIST: another thread was first; its entry is as good */
	if (bpf_map_update_elem(&conns, &key, made, BPF_NOEXIST) == -7)
		loss__count(LOSS_CONN_TABLE_FULL, 1);
	return bpf_map_lookup_elem(&conns, &key);
}

/* Bytes that the kernel counts include the FIN when the caller has just consumed it. */
static __always_inline bool tcp__fin_consumed(struct sock *sk)
{
	return (SK(sk, sk_shutdown) & RCV_SHUTDOWN) && TCP(sk, copied_seq) == TCP(sk, rcv_nxt);
}

/*
 * A connection whose beginning was not seen: position 0 is the first byte of the call that has just
 * moved `in` or `out` bytes. TCP's own counters tell whether anything passed before (bytes_acked
 * counts the SYN of a client), and a socket that was made by accept() still has the backlog of the
 * listener that it was cloned from.
 */
static __always_inline void entry__adopt_tcp(struct entry *entry, struct sock *sk, __u32 in,
					     __u32 out)
{
	__u32 copied = TCP(sk, copied_seq);
	__u32 written = TCP(sk, write_seq);
	__u64 before_in = TCP(sk, bytes_received) - (__u32)(TCP(sk, rcv_nxt) - copied) - in;
	__u64 before_out = TCP(sk, bytes_acked) + (__u32)(written - TCP(sk, snd_una)) - out;

	if (tcp__fin_consumed(sk)) {
		copied--;
		before_in--;
	}
	entry->identity = sock__identity(sk, AF_INET);
	entry->base_seq[DIR_IN] = copied - in;
	entry->base_seq[DIR_OUT] = written - out;
	if (before_in || before_out > 1)
		entry->flags |= ENTRY_MIDSTREAM;
	entry->flags |= ENTRY_CONNECTED;
	entry->role = SK(sk, sk_max_ack_backlog) ? ROLE_SERVER : ROLE_UNKNOWN;
}

static __always_inline void entry__adopt_unix(struct entry *entry, struct sock *sk, __u32 pid)
{
	struct sock *peer = UNIX(sk, peer);
	bool own = UNIX(sk, addr);
	bool peers = peer && UNIX(peer, addr);

	entry->identity = sock__identity(sk, AF_UNIX);
	entry->flags |= ENTRY_CONNECTED;
	/* an accepted socket carries the address of its listener; a client rarely has one */
	if (own != peers)
		entry->role = own ? ROLE_SERVER : ROLE_CLIENT;
	if (!bpf_map_lookup_elem(&known, &pid))
		entry->flags |= ENTRY_MIDSTREAM;
}

/* Meets a connection at its first traffic, or in the bootstrap. NULL: not one to follow. */
static __noinline struct entry *conn__adopt(struct sock *sk, __u16 family, __u64 pid_tgid, __u32 in,
					    __u32 out)
{
	struct socket *socket = SK(sk, sk_socket);
	__u8 state = SK(sk, __sk_common.skc_state);
	__u64 key = (__u64)sk;
	struct entry *other = sock__is_unix(family) ? bpf_map_lookup_elem(&unix_conns, &key) :
						      bpf_map_lookup_elem(&conns, &key);
	struct entry made;

	if (other && entry__is_of(other, sk, family))
		return other; /* another thread was first */
	if (other)
		conn__forget(sk, other, bpf_ktime_get_ns());
	/* sockets of the kernel itself (network file systems) have no file */
	if (!socket || !BPF_CORE_READ(socket, file))
		return NULL;
	if (state == TCP_CLOSE || state == TCP_LISTEN || state == TCP_SYN_SENT)
		return NULL;
	entry__init(&made, sk, family, pid_tgid >> 32);
	if (sock__is_unix(family))
		entry__adopt_unix(&made, sk, pid_tgid >> 32);
	else
		entry__adopt_tcp(&made, sk, in, out);
	return conn__insert(sk, &made);
}

#endif
