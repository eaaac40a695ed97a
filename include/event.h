/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Every record that crosses the ring buffer, and that a recording (.spr) holds verbatim.
 *
 * A record is a struct event (the fixed header) followed by the body of its kind. event.size is
 * the length of the whole record and always a multiple of 8; the reader checks it before it looks
 * at anything else. All numbers are in the host's byte order.
 */
#ifndef SPANPROBE_EVENT_H
#define SPANPROBE_EVENT_H

#include "conn.h"
#include "types.h"

enum event_kind {
	EVENT_CONN_OPEN = 1, /* struct event_conn_open: a connection is met for the first time */
	EVENT_CONNECT,	     /* struct event_connect: connect() begun, in the caller's context */
	EVENT_SHUT,	     /* struct event_shut: no more bytes in one direction, or an error */
	EVENT_CONN_CLOSE,    /* struct event_conn_close: the socket is gone */
	EVENT_DATA,	     /* struct event_data: one call moved bytes; the first of them follow */
	EVENT_MARK,	     /* struct event_mark: bytes passed that were not captured */
	EVENT_TASK,	     /* struct event_task: fork, exec, exit of a process */
	EVENT_UNIT,	     /* struct event_unit: execution units: creation, wake-ups, ... */
	EVENT_LISTEN,	     /* struct event_listen: a socket began to listen */
	EVENT_NAME,	     /* struct event_name: what a number in UNIT events is called */
	EVENT_KIND_COUNT
};

/* event.flags */
#define EVENT_UNSEEN  0x01 /* DATA: bytes moved that no hook could read (sendfile, io_uring, ...) */
#define EVENT_WATCHED 0x02 /* DATA in, not of a dialled one: never blocks, and epoll watches it */
#define EVENT_POLLED  0x10 /* likewise, but it may block */
/* UNIT_WAKE of a thread: it slept with a time-out, below 0.9 s or above; both: who knows */
#define EVENT_WAIT_SHORT 0x04
#define EVENT_WAIT_LONG	 0x08

struct event {
	__u32 size;    /* bytes of the whole record */
	__u16 cpu;     /* where it was written */
	__u8 kind;     /* enum event_kind */
	__u8 flags;    /* EVENT_* */
	__u64 time_ns; /* CLOCK_MONOTONIC */
	__u32 pid; /* thread group in the root pid namespace; 0 when not in the process's context */
	__u32 tid;
	/* the runtime's unit, by enum unit_kind of the process (UNIT_MODULE); 0: could not be read.
	 * Without one: how often the thread has gone to sleep, plus 1 */
	__u64 unit;
};
SIZE_ASSERT(struct event, 32);

/*
 * conn ids are made in the kernel, never 0 and never used twice while an agent runs: the address
 * of struct sock is reused by the kernel, an id is not.
 */
struct event_conn_open {
	struct event event;
	__u64 conn;
	struct conn_tuple tuple;
	char path[]; /* tuple.flags & CONN_HAS_PATH: UNIX_PATH_BYTES, ended and padded with zeroes */
};
SIZE_ASSERT(struct event_conn_open, 120);

/* At SYN_SENT the local port is still 0: CONN_OPEN with the whole tuple follows when it is known. */
struct event_connect {
	struct event event;
	__u64 conn;
	struct conn_tuple tuple;
};
SIZE_ASSERT(struct event_connect, 120);

/*
 * Direction IN: the peer has closed (error 0), or a receive failed. OUT: the process has shut down
 * or closed its side, or a send failed. position: bytes of that direction so far.
 */
struct event_shut {
	struct event event;
	__u64 conn;
	__u64 position;
	__u32 error; /* positive errno, 0 for an orderly end */
	__u8 dir;
	__u8 pad[3];
};
SIZE_ASSERT(struct event_shut, 56);

struct event_conn_close {
	struct event event;
	__u64 conn;
	__u64 position[DIR_COUNT]; /* bytes in all */
	__u64 last_ns[DIR_COUNT];  /* time of the last byte, 0: none */
	__u32 error;		   /* sk_err: ECONNREFUSED, ECONNRESET, ETIMEDOUT, ... or 0 */
	__u32 retransmits;
	__u32 srtt_us;
	__u8 connected; /* 0: a connect that never succeeded */
	__u8 pad[3];
};
SIZE_ASSERT(struct event_conn_close, 88);

/*
 * One call (read, sendmsg, ...) moved `length` bytes at `position`; the first `captured` of them,
 * starting at `offset` into the call, follow. A call of many bytes may give several records with
 * rising offset; time, length and position are those of the call in each. captured == 0 happens
 * with EVENT_UNSEEN. Positions count the bytes of one direction from the first event of the
 * connection on.
 */
struct event_data {
	struct event event;
	__u64 conn;
	__u64 position; /* of the call's first byte */
	__u32 length;	/* bytes the call moved */
	__u32 offset;	/* of the captured bytes within the call */
	__u32 captured; /* bytes that follow */
	__u8 dir;
	__u8 pad[3];
	__u8 bytes[];
};
SIZE_ASSERT(struct event_data, 64);

/*
 * Bytes up to `position` have passed in silence (beyond the capture budget of the turn, or a quiet
 * range); the last of them at last_ns. Sent when the direction turns, when a quiet range is
 * crossed, and at once when a policy asks for a position that has passed already.
 */
struct event_mark {
	struct event event;
	__u64 conn;
	__u64 position;
	__u64 last_ns;
	__u32 last_tid;
	__u8 dir;
	__u8 pad[3];
};
SIZE_ASSERT(struct event_mark, 64);

enum task_change { TASK_FORK = 1, TASK_EXEC, TASK_EXIT };

struct event_task {
	struct event event;
	__u32 change;	 /* enum task_change */
	__u32 child_pid; /* FORK: the new process; else 0 */
	__u32 exit_code; /* EXIT: wait status of the group */
	__u32 pad;
	char comm[16];
};
SIZE_ASSERT(struct event_task, 64);

/* "It" is the event's thread (tid) and its unit at that instant (unit). */
enum unit_change {
	UNIT_CREATE = 1, /* it made thread other_tid of the same process */
	UNIT_EXIT,	 /* the thread has ended */
	/* threads: it woke other_tid, both in futex; other_unit: when that one went to sleep (ns, 0:
	 * not known), arg: the futex's address. Go: it made goroutine other_unit runnable; arg: enum
	 * go_wait, what that one waited for */
	UNIT_WAKE,
	UNIT_IDLE, /* it waits for events again (epoll_wait, io_uring_enter) */
	/* other_unit was made as a copy of it; arg: BIND_*. Go: it created goroutine other_unit; arg: the
	 * address at which that one starts */
	UNIT_BIND,
	UNIT_MODULE, /* agent, for the process: event.unit means enum unit_kind `arg` (bits 0-7) from now
			on; RECIPE_* in bits 8-15 */
	/* Node: at a socket call: unit: execution async id, plus 1; other_unit: trigger async id, arg:
	 * counter of ids, other_tid: 1 when bytes came in. The call's DATA, MARK or CONNECT has the
	 * same time and follows */
	UNIT_AT,
	/* Node: an outermost callback scope begins: unit: its async id, plus 1; other_unit: its
	 * trigger, arg: counter. Not told again for one of the same id without a UNIT_AT between */
	UNIT_SCOPE,
	/* it put item `arg` into a queue; Go: it has the next call on connection `arg` made, before
	 * which it has waited for other_unit (enum go_wait) last ... */
	UNIT_PUT,
	UNIT_GET,  /* ... or took it out of one */
	UNIT_PARK, /* Java: the thread is about to park; arg: class of the blocker (EVENT_NAME) or 0,
			other_unit: the blocker's address, other_tid: bytes on the thread's stack */
	UNIT_UNPARK, /* Java: it gives other_tid (0: not known) its permit; other_unit: that one's unit */
	UNIT_GC,    /* objects of the process move: addresses mean nothing any more */
	UNIT_ALLOC, /* Java: allocation interval of the thread: other_unit: its start, arg: its top */
	UNIT_ACCEPT, /* it has accepted connection other_unit */
	UNIT_WRITE,  /* it wrote to connection other_unit, which its event loop will send */
	UNIT_CLIENT, /* nginx: what it opens or calls next is for the client of connection other_unit,
			0: for none that is known; arg: on that connection, 0: it is not known yet */
	UNIT_CHANGE_COUNT
};

/* What a goroutine waited for. */
enum go_wait {
	GO_WAIT_NONE,	 /* nothing yet, or input, a lock, the garbage collector ... */
	GO_WAIT_RECEIVE, /* in a channel receive */
	GO_WAIT_SEND,	 /* in a channel send */
	GO_WAIT_OTHER,	 /* select, WaitGroup, Cond */
	GO_WAIT_TIME,
	GO_WAIT_COUNT
};

/* event.unit of a Go process where no goroutine runs: a thread of C code, the scheduler */
#define GO_OUTSIDE (1ull << 63)

/* CPython: arg of UNIT_BIND */
enum bind_form {
	BIND_COPY,
	BIND_IN_READ, /* a copy, in the context that the thread entered first after its last event */
	BIND_FRESH,   /* no copy: nothing is known of other_unit any more */
};

struct event_unit {
	struct event event;
	__u32 change; /* enum unit_change */
	__u32 other_tid;
	__u64 other_unit;
	__u64 arg;
};
SIZE_ASSERT(struct event_unit, 56);

struct event_listen {
	struct event event;
	__u64 netns_cookie;
	__u16 port;
	__u8 pad[6];
};
SIZE_ASSERT(struct event_listen, 48);

#define NAME_BYTES 64

struct event_name {
	struct event event;
	__u64 key;
	char text[NAME_BYTES]; /* ended and padded with zeroes; cut */
};
SIZE_ASSERT(struct event_name, 104);

/* Payload classes of DATA: a record's capacity is the smallest class that holds its bytes. */
#define DATA_CLASS_0   64
#define DATA_CLASS_1   256
#define DATA_CLASS_2   1024
#define DATA_CLASS_3   4096
#define DATA_BYTES_MAX DATA_CLASS_3

#endif
