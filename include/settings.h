/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Settings written to rodata before load, the capture policy, and the limits of both sides. */
#ifndef SPANPROBE_SETTINGS_H
#define SPANPROBE_SETTINGS_H

#include "conn.h"
#include "types.h"

/* PID_MAX_LIMIT of the kernel on 64-bit machines: one bit per process in the `traced` bitmap. */
#define PID_LIMIT (4 * 1024 * 1024)

#define CONNS_DEFAULT	   16384      /* connections known at a time */
#define UNIX_CONNS	   8192	      /* ... Unix sockets */
#define RING_BYTES_DEFAULT (4u << 20) /* all rings together; resident in the agent too */
#define RING_GROWS	   4	      /* times, once one was found more than a quarter full */
#define RINGS_MAX	   8
#define HEAD_BYTES_DEFAULT (16u << 10) /* captured of each turn of a new connection */
#define CALL_BYTES_MAX	   (64u << 10) /* captured of one call, whatever the policy */
#define TAIL_BYTES	   64	       /* ... and the last bytes of a call that is cut */
#define IOV_SEGMENTS_MAX   64	       /* segments of one vector that are looked at */

struct settings {
	__u32 agent_pid;      /* never traced */
	__u32 ring_count;     /* power of two, <= RINGS_MAX; CPU & (ring_count - 1) chooses */
	__u32 ring_bytes;     /* of each ring */
	__u32 wake_bytes;     /* queued bytes that force a wake-up */
	__u32 head_bytes;     /* capture budget of a new connection, per turn */
	__u8 follow_children; /* forks of traced processes are traced from their first instruction */
	__u8 watch_exec;      /* report EXEC of every process (--exe) */
	__u8 watch_listen;    /* report LISTEN of every process (--port) */
	__u8 units;	      /* report UNIT_CREATE and UNIT_EXIT */
	__u8 uring;	      /* look for the requests of io_uring */
	__u8 pad[7];
};
SIZE_ASSERT(struct settings, 32);

/*
 * How much of a connection is wanted. A *turn* is a run of bytes in one direction; it ends with
 * the first byte of the other one. Policies are applied by the kernel program apply_policy, which
 * answers at once with a MARK when quiet_until has been passed already.
 *
 * Of a call that is captured in part the last TAIL_BYTES are captured too: framing often ends there.
 */
enum capture_mode {
	CAPTURE_HEAD = 0, /* the first head_bytes of every turn, the rest in silence */
	CAPTURE_ALL,	  /* every call */
	CAPTURE_ENDS,	  /* as HEAD, and of what lies behind the budget the end of every call */
	CAPTURE_NONE	  /* nothing ever again: not a protocol we know */
};

struct capture_policy {
	__u64 conn;		      /* 0: head_bytes is for new connections of process `pid` */
	__u64 sock;		      /* key of the connection table */
	__u64 quiet_until[DIR_COUNT]; /* no capture before this position; 0: no quiet range */
	__u32 head_bytes;
	__u8 mode[DIR_COUNT]; /* enum capture_mode */
	__u8 role;	      /* enum conn_role learned by the decoder, 0: leave it */
	__u8 pad;
	__u32 pid;
	__u32 pad2;
};
SIZE_ASSERT(struct capture_policy, 48);

#endif
