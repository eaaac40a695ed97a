/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The kernel's memory of one connection, and the arithmetic on it: positions, turns, budgets.
 * Pure: compiled natively by tests/unit/test_bpf_entry.c.
 */
#ifndef SPANPROBE_BPF_ENTRY_H
#define SPANPROBE_BPF_ENTRY_H

#include "helpers.h"
#include "settings.h"

#define ENTRY_OPEN_SENT 0x01 /* CONN_OPEN is in the ring */
#define ENTRY_CONNECTED 0x02 /* the handshake is done */
#define ENTRY_SHUT_IN	0x04 /* SHUT of that direction is in the ring */
#define ENTRY_SHUT_OUT	0x08
#define ENTRY_CLOSED	0x10 /* closed by the peer, unread bytes remain: CONN_CLOSE waits */
#define ENTRY_MIDSTREAM 0x20
#define ENTRY_SUBFLOW	0x40 /* under a socket of the process (MPTCP), where its bytes are counted */
#define ENTRY_WRITTEN	0x80 /* UNIT_WRITE was told since the last bytes out */

#define TURN_NONE 0xff

struct entry {
	__u64 id;
	__u64 position[DIR_COUNT];    /* bytes so far */
	__u64 told[DIR_COUNT];	      /* up to here user space knows: from DATA or MARK */
	__u64 last_ns[DIR_COUNT];     /* when the last byte passed */
	__u64 quiet_until[DIR_COUNT]; /* policy: no capture before it */
	__u64 turn_start;	      /* position at which the budget of this turn began */
	__u64 identity;		      /* tells a reused struct sock: sock__identity */
	__u32 base_seq[DIR_COUNT];    /* TCP sequence number of position 0 */
	__u32 last_tid[DIR_COUNT];
	__u32 head_bytes;
	__u32 error;	      /* sk_err of a connection that waits with ENTRY_CLOSED */
	__u8 mode[DIR_COUNT]; /* enum capture_mode */
	__u8 turn;	      /* enum direction of the running turn, or TURN_NONE */
	__u8 role;
	__u8 family;
	__u8 flags; /* ENTRY_* */
	__u8 pad[2];
	__u64 fence; /* never anything but 0: an atomic operation on it orders the two sides */
};
SIZE_ASSERT(struct entry, 128);

#define FENCE(entry) __sync_fetch_and_add(&(entry)->fence, 0)

/* What is wanted of one call: `count` bytes from `offset` on, and its last `tail` bytes. */
struct wanted {
	__u32 offset;
	__u32 count;
	__u32 tail;   /* behind the others, with bytes between that are not wanted */
	bool crossed; /* the call reaches the end of the quiet range */
};

/*
 * Where the call that ended at TCP sequence number `seq` ended in positions. `position` is what the
 * hooks have counted; bytes that no hook saw (splice, another process, a missed return) lie between
 * and are jumped over. A number behind the count (two threads at once on one socket) comes out as
 * a negative jump.
 */
static __always_inline __s64 entry__jump(__u64 position, __u32 base_seq, __u32 seq)
{
	return (__s32)(seq - base_seq - (__u32)position);
}

/* The first byte of a call in `dir`: does it begin a turn? */
static __always_inline bool entry__turns(const struct entry *entry, __u8 dir)
{
	return entry->turn != dir;
}

/* Never more than CALL_BYTES_MAX of a call; of one that is cut, its end as well. */
static __always_inline void wanted__limit(struct wanted *wanted, __u32 budget)
{
	__u32 rest = wanted->count;

	if (budget > CALL_BYTES_MAX)
		budget = CALL_BYTES_MAX;
	if (rest <= budget)
		return;
	wanted->count = budget;
	rest -= budget;
	if (budget)
		wanted->tail = rest < TAIL_BYTES ? rest : TAIL_BYTES;
}

/*
 * `length` bytes have moved at `start` in the direction of the running turn. Moves turn_start when
 * the end of a quiet range is reached: what follows has a budget of its own.
 */
static __always_inline struct wanted entry__wanted(struct entry *entry, __u8 dir, __u64 start,
						   __u32 length)
{
	struct wanted wanted = { .count = length };
	__u64 quiet = entry->quiet_until[dir];
	__u64 end = start + length;
	__u64 spent;
	__u32 budget;

	if (entry->mode[dir] == CAPTURE_NONE) {
		wanted.count = 0;
		return wanted;
	}
	if (quiet > start) {
		if (quiet > end) {
			wanted.count = 0;
			return wanted;
		}
		wanted.crossed = true;
		wanted.offset = quiet - start;
		wanted.count = length - wanted.offset;
		entry->turn_start = quiet;
	}
	spent = entry->mode[dir] == CAPTURE_ALL ? 0 : start + wanted.offset - entry->turn_start;
	budget = entry->mode[dir] == CAPTURE_ALL ? CALL_BYTES_MAX : entry->head_bytes;
	if (spent >= budget && entry->mode[dir] == CAPTURE_ENDS) {
		budget = wanted.count < TAIL_BYTES ? wanted.count : TAIL_BYTES;
		wanted.offset += wanted.count - budget;
		wanted.count = budget;
		return wanted;
	}
	wanted__limit(&wanted, spent < budget ? budget - spent : 0);
	return wanted;
}

#endif
