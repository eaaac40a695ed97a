/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * capture: how much of a connection decode wants of the kernel, and whether the kernel knows. A
 * policy costs a system call, so that it is sent only when it must change.
 *
 * A new connection has the kernel's own budget per turn, which takes in long heads. With the first
 * policy that is sent anyway it becomes one that fits the heads that have been met.
 *
 * Bodies whose end only their own framing tells (chunked ones) need CAPTURE_ALL, which the kernel
 * learns too late for the first of a connection. So a process that has such bodies beyond the
 * budget gets a larger one for its new connections, until it shows that most of its large bodies
 * have a length.
 */
#ifndef SPANPROBE_CAPTURE_H
#define SPANPROBE_CAPTURE_H

#include "exchange.h"
#include "settings.h"

#define CAPTURE_HEADS_SHORT 4096	 /* per turn, where heads are short */
#define CAPTURE_UNMEASURED  (256u << 10) /* per turn, in a process with unmeasured bodies */
/* Messages in a row that would do with heads before a direction goes back to heads. */
#define CAPTURE_CALM 8
/* Large bodies with a length, in a row, before a process goes back to the kernel's budget. */
#define CAPTURE_PROCESS_CALM 64

struct capture {
	uint64_t quiet_until[DIR_COUNT];
	uint32_t head_bytes;		  /* as the kernel has it */
	uint32_t head_bytes_first;	  /* ... of a new connection */
	uint32_t head_longest[DIR_COUNT]; /* met so far, 0: none yet */
	uint8_t mode[DIR_COUNT];	  /* enum capture_mode */
	uint8_t base;			  /* ... as a rule */
	uint8_t calm[DIR_COUNT];	  /* messages since one needed CAPTURE_ALL */
	bool given_up[DIR_COUNT];	  /* CAPTURE_ALL again with the next message */
	uint8_t role;
	bool changed;
	bool unmeasured; /* to be noted at the process: a body beyond the budget without a length */
	bool measured;	 /* ... with one */
};

void capture__init(struct capture *capture, uint32_t head_bytes);
void capture__learned(struct capture *capture, enum conn_role role);
/* The protocol is known, and what it wants of both directions as a rule. */
void capture__known(struct capture *capture, enum capture_mode mode);
void capture__nothing(struct capture *capture);
/* A head of n bytes, or as much of it as has come. */
void capture__head(struct capture *capture, enum direction dir, uint64_t n);
/* heads of this connection are longer than the budget of a turn */
void capture__longer_heads(struct capture *capture);
/* A frame has been read whose body ends at body_end. `known_end`: what has been told of; `told_end`:
 * what will be told anyway. */
void capture__frame(struct capture *capture, enum direction dir, const struct frame *frame,
		    uint64_t message_start, uint64_t body_end, uint64_t known_end,
		    uint64_t told_end);
/* A message that needs CAPTURE_ALL has lost its framing: what is left of it may pass in silence. */
void capture__lost(struct capture *capture, enum direction dir);
/* A message of n bytes has ended. */
void capture__message(struct capture *capture, enum direction dir, bool wanted_all, uint64_t n);
/* The policies to be sent; false: the kernel knows it all. */
bool capture__take(struct capture *capture, const struct conn *conn,
		   struct capture_policy *ret_policy);
bool capture__take_process(struct capture *capture, const struct conn *conn,
			   struct capture_policy *ret_policy);

#endif
