/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What every hook family does when a call has moved bytes, or failed: the only place where
 * positions advance.
 *
 * Positions follow TCP's own sequence numbers, not the sum of what the hooks saw: bytes that no
 * hook saw leave a gap and never shift what comes after them.
 *
 * Order with apply_policy (socket.bpf.c): here the position is written, then the policy read;
 * there the policy is written, then the position read. One of the two sees the other.
 */
#ifndef SPANPROBE_BPF_TRAFFIC_H
#define SPANPROBE_BPF_TRAFFIC_H

#include "payload.h"
#include "runtime.h"
#include "table.h"

static __always_inline void mark__emit(struct entry *entry, __u8 dir, __u64 position,
				       __u64 pid_tgid, __u64 now)
{
	void *ring = ring__of_cpu();
	struct event_mark *record = record__reserve(ring, sizeof(*record), LOSS_RING_DATA);

	if (!record)
		return;
	event__fill(&record->event, EVENT_MARK, sizeof(*record), pid_tgid, now);
	record->conn = entry->id;
	record->position = position;
	record->last_ns = entry->last_ns[dir];
	record->last_tid = entry->last_tid[dir];
	record->dir = dir;
	record->pad[0] = record->pad[1] = record->pad[2] = 0;
	ring__submit(ring, record, sizeof(*record));
	if (position > entry->told[dir])
		entry->told[dir] = position;
}

static __always_inline void shut__emit(struct entry *entry, __u8 dir, __u32 error, __u64 pid_tgid,
				       __u64 now)
{
	__u8 flag = dir == DIR_IN ? ENTRY_SHUT_IN : ENTRY_SHUT_OUT;
	struct event_shut *record;
	void *ring;

	if (entry->flags & flag)
		return;
	ring = ring__of_cpu();
	record = record__reserve(ring, sizeof(*record), LOSS_RING_CONN);
	if (!record)
		return;
	event__fill(&record->event, EVENT_SHUT, sizeof(*record), pid_tgid, now);
	record->conn = entry->id;
	record->position = entry->position[dir];
	record->error = error;
	record->dir = dir;
	record->pad[0] = record->pad[1] = record->pad[2] = 0;
	ring__submit(ring, record, sizeof(*record));
	entry->flags |= flag;
}

/* How far TCP says a direction has come beyond our count; negative: a race of two threads. */
static __always_inline __s64 conn__jump(struct sock *sk, struct entry *entry, __u8 dir,
					__u64 counted)
{
	__s64 jump;

	if (entry->family == FAMILY_UNIX)
		return 0;
	if (dir == DIR_OUT) {
		/* the FIN takes a number too */
		if (entry->flags & ENTRY_SHUT_OUT)
			return 0;
		return entry__jump(counted, entry->base_seq[DIR_OUT], TCP(sk, write_seq));
	}
	jump = entry__jump(counted, entry->base_seq[DIR_IN], TCP(sk, copied_seq));
	if (jump > 0 && tcp__fin_consumed(sk))
		jump--;
	return jump;
}

/* Bytes that passed unseen are made known as silent ones. */
static __always_inline void conn__catch_up(struct sock *sk, struct entry *entry, __u8 dir,
					   __u64 now)
{
	__s64 jump = conn__jump(sk, entry, dir, entry->position[dir]);

	if (jump <= 0)
		return;
	entry->position[dir] += jump;
	entry->last_ns[dir] = now;
	if (!(entry->flags & ENTRY_SUBFLOW))
		loss__count(LOSS_UNSEEN_BYTES, jump);
}

/* A handshake is done; `in` bytes have been received since. */
static __always_inline void conn__established(struct sock *sk, struct entry *entry, __u32 in)
{
	entry->base_seq[DIR_IN] = TCP(sk, copied_seq) - in;
	/* not write_seq: the SYN may have carried bytes; bytes_acked counts the SYN */
	entry->base_seq[DIR_OUT] = TCP(sk, snd_una) - (__u32)TCP(sk, bytes_acked) + 1;
	entry->identity = sock__identity(sk, AF_INET);
	entry->flags |= ENTRY_CONNECTED;
}

/* The first byte of the other direction: what passed in silence is told now. */
static __always_inline void conn__turn(struct sock *sk, struct entry *entry, __u8 dir, __u64 start,
				       __u64 pid_tgid, __u64 now)
{
	__u8 other = dir == DIR_IN ? DIR_OUT : DIR_IN;

	if (entry->turn != TURN_NONE)
		conn__catch_up(sk, entry, other, now);
	if (entry->mode[other] != CAPTURE_NONE && entry->position[other] > entry->told[other])
		mark__emit(entry, other, entry->position[other], pid_tgid, now);
	entry->turn = dir;
	entry->turn_start = start;
}

static __always_inline bool error__ends(int error)
{
	switch (error) {
	case 32:  /* EPIPE */
	case 101: /* ENETUNREACH */
	case 103: /* ECONNABORTED */
	case 104: /* ECONNRESET */
	case 110: /* ETIMEDOUT */
	case 111: /* ECONNREFUSED */
	case 113: /* EHOSTUNREACH */
		return true;
	}
	return false;
}

/* A call that moved nothing: the peer's end, or an error of the connection. */
static __noinline __attribute__((unused)) int traffic__ended(struct sock *sk, __u16 family,
							     __u8 dir, int ret, __u64 pid_tgid)
{
	struct entry *entry;

	if (ret < 0 && !error__ends(-ret))
		return 0;
	if (ret == 0 && (dir == DIR_OUT || !(SK(sk, sk_shutdown) & RCV_SHUTDOWN)))
		return 0;
	entry = conn__find(sk, family);
	if (entry)
		shut__emit(entry, dir, -ret, pid_tgid, bpf_ktime_get_ns());
	return 0;
}

static __always_inline void traffic__capture(struct sock *sk, struct entry *entry, __u8 dir,
					     __u64 start, __u32 length, bool lying,
					     const struct source *source, __u64 pid_tgid, __u64 now)
{
	struct wanted wanted = entry__wanted(entry, dir, start, length);
	struct scratch *scratch;
	struct moved *moved;
	__u32 zero = 0;

	if (wanted.crossed || wanted.count)
		node__at(pid_tgid, now, dir == DIR_IN);
	if (wanted.crossed)
		mark__emit(entry, dir, start + wanted.offset, pid_tgid, now);
	if (!wanted.count)
		return;
	scratch = bpf_map_lookup_elem(&scratches, &zero);
	if (!scratch)
		return;
	moved = &scratch->moved;
	__builtin_memset(moved, 0, sizeof(*moved));
	moved->conn = entry->id;
	moved->position = start;
	moved->pid_tgid = pid_tgid;
	moved->now = now;
	moved->length = length;
	moved->offset = wanted.offset;
	moved->want = wanted.count;
	moved->tail = wanted.tail;
	moved->dir = dir;
	if (dir == DIR_IN && entry->role != ROLE_CLIENT) {
		moved->flags = source->ring ? EVENT_WATCHED : sock__watched(sk);
		if (recipe_count)
			unit__served(pid_tgid >> 32);
	}
	if (lying)
		payload__unseen(moved);
	else
		payload__emit(scratch, source);
	if (moved->written && start + length > entry->told[dir])
		entry->told[dir] = start + length;
}

/* A Unix socket that is met for the first time, or again because its entry had to go. */
static __always_inline void unix__met(struct sock *sk, struct entry *entry)
{
	struct sock_note *note =
		bpf_sk_storage_get(&sock_notes, sk, NULL, BPF_SK_STORAGE_GET_F_CREATE);

	if (note && note->met) {
		loss__count(LOSS_CONN_TABLE_FULL, 1);
		entry->flags |= ENTRY_MIDSTREAM;
	}
	if (note)
		note->met = 1;
}

/* `length` > 0 bytes have just moved. trusted: the kernel has handed us the socket. */
static __always_inline void traffic__moved(struct sock *sk, __u16 family, __u8 dir, __u32 length,
					   const struct source *source, __u64 pid_tgid,
					   const bool trusted)
{
	__u64 now = bpf_ktime_get_ns();
	struct entry *entry = conn__find(sk, family);
	__u64 start, end;
	__s64 jump;

	if (!entry) {
		entry = conn__adopt(sk, family, pid_tgid, dir == DIR_IN ? length : 0,
				    dir == DIR_OUT ? length : 0);
		if (!entry)
			return;
		if (trusted && family == AF_UNIX)
			unix__met(sk, entry);
	}
	if (!(entry->flags & ENTRY_CONNECTED) && family != AF_UNIX) {
		if (SK(sk, __sk_common.skc_state) ==
		    TCP_SYN_SENT) /* bytes with the SYN (Fast Open) */
			entry->base_seq[DIR_OUT] = TCP(sk, write_seq) - length;
		else /* that it is established was missed */
			conn__established(sk, entry, dir == DIR_IN ? length : 0);
	}
	if (!(entry->flags & ENTRY_OPEN_SENT))
		conn__announce(sk, entry, pid_tgid, now - 1); /* sorted before its first bytes */
	if (dir == DIR_OUT)
		entry->flags &= ~ENTRY_WRITTEN;
	start = entry->position[dir];
	end = start + length;
	jump = conn__jump(sk, entry, dir, end);
	start += jump;
	end += jump;
	if (jump > 0)
		loss__count(LOSS_UNSEEN_BYTES, jump);
	if (jump >= 0)
		entry->position[dir] = end;
	entry->last_ns[dir] = now;
	entry->last_tid[dir] = pid_tgid;
	/* the bytes of a connection that nobody has heard of would be thrown away */
	if (!(entry->flags & ENTRY_OPEN_SENT)) {
		loss__count(LOSS_RING_DATA, 1);
		return;
	}
	if (entry__turns(entry, dir))
		conn__turn(sk, entry, dir, start, pid_tgid, now);
	FENCE(entry);
	traffic__capture(sk, entry, dir, start, length, jump < 0, source, pid_tgid, now);
}

#endif
