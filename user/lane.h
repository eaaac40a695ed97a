/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * lane: one direction of a connection on its way through its protocol; private to decode.
 *
 * It is in one of these phases:
 *
 *   SYNC   nothing is under way and the next message's place is unknown: looked for where calls
 *          begin, for programs begin messages with calls
 *   START  the next byte begins a message
 *   HEAD   a message is under way and the next bytes are a frame's head
 *   BODY   a frame's body is passing; only positions matter
 *   LOST   a message is under way, but bytes of its framing are missing: it ends, incomplete, when
 *          a next one is found, when the other direction begins one, or with the connection
 *
 * A message begins (for the next stage) once its protocol's unit recognises it, and a protocol is
 * believed for good (`proven`) with its first whole head. Bytes are never guessed: a lane goes on
 * only where the unit says that it may.
 */
#ifndef SPANPROBE_LANE_H
#define SPANPROBE_LANE_H

#include "base/pool.h"
#include "capture.h"
#include "decode.h"
#include "notes.h"

enum phase { PHASE_SYNC, PHASE_START, PHASE_HEAD, PHASE_BODY, PHASE_LOST };

struct lane {
	uint8_t phase;
	bool after_gap;	 /* whole messages may be missing before the next one */
	bool seen;	 /* a message has begun here */
	bool wanted_all; /* the one under way */
	bool head_done;
	uint32_t fails;	  /* places where no message began, since the last whole head */
	uint64_t skipped; /* bytes passed over since the last message */
	uint64_t looked;  /* bytes looked at before a protocol is known */
	uint64_t body_start;
	uint64_t body_end;
	struct frame frame;	 /* the newest */
	struct message *message; /* under way, or NULL */
};

struct decoder {
	const struct protocol *protocol; /* NULL: not known yet */
	enum direction request_dir;
	bool proven;
	bool muted;
	struct capture capture;
	struct lane lane[DIR_COUNT];
	_Alignas(8) uint8_t state[PROTOCOL_STATE_MAX];
};

struct decode {
	struct stats *stats;
	struct policy_sink policy;
	uint32_t head_bytes;
	struct message_sink next;
	struct pool decoders;
	struct pool messages;
	struct note_store notes;
};

/* One lane at work, with all that belongs to it. */
struct work {
	struct decode *decode;
	struct conn *conn;
	struct decoder *decoder;
	struct lane *lane;
	struct flow *flow;
	enum direction dir;
	bool request;
};

struct work lane__work(struct decode *decode, struct conn *conn, enum direction dir);
/* Goes as far as the bytes and positions that have come allow. */
void lane__advance(struct decode *decode, struct conn *conn, enum direction dir);
/* No more bytes: ends the message under way. */
void lane__end(const struct work *work, uint32_t error);
/* The connection is gone: counts what no message was made of. */
void lane__close(const struct work *work);
/* The protocol is not known (any more), nor what its unit remembered. */
void lane__forget(struct decoder *decoder);
/* Both lanes of the connection: what is under way is not followed further, and the next stage does
 * not wait for it. */
void lane__abandon(const struct work *work, const struct stamp *at);

/* --- between lane.c and lane/start.c --------------------------------------------------------- */

/* false: there is no memory for it */
bool lane__begin(const struct work *work, bool oneway);
/* The message under way; end: position after its last byte */
void lane__finish(const struct work *work, uint64_t end, uint32_t flags);
/* A message whose end cannot be found is over by what else has happened. */
void lane__finish_lost(const struct work *work, uint64_t end);
/* The connection is none of ours (any more). */
void lane__mute(const struct work *work, const struct stamp *at);
/* In a phase without message. false: nothing more can be done with what has come */
bool lane__find_start(struct work *work);
/* Passes over what is no message, to the next call that may begin with one. */
void lane__skip_to_call(const struct work *work);
bool lane__hopeless(const struct work *work); /* no message will be found here */
struct stamp lane__newest_stamp(const struct work *work);

#endif
