/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * capture: how much of a connection decode wants of the kernel, and whether the kernel knows. A
 * policy costs a system call, so that it is sent only when it changes.
 */
#ifndef SPANPROBE_CAPTURE_H
#define SPANPROBE_CAPTURE_H

#include "exchange.h"
#include "settings.h"

/* Messages in a row that would do with heads before a direction goes back to heads. */
#define CAPTURE_CALM 8

struct capture {
	uint64_t quiet_until[DIR_COUNT];
	uint32_t head_bytes;
	uint8_t mode[DIR_COUNT]; /* enum capture_mode */
	uint8_t calm[DIR_COUNT]; /* messages since one needed CAPTURE_ALL */
	uint8_t role;
	bool changed;
};

void capture__init(struct capture *capture);
void capture__learned(struct capture *capture, enum conn_role role);
void capture__nothing(struct capture *capture);
/* heads of this connection are longer than the budget of a turn */
void capture__longer_heads(struct capture *capture);
/* A frame has been read whose body ends at body_end; `told_end`: what will be told anyway. */
void capture__frame(struct capture *capture, enum direction dir, const struct frame *frame,
		    uint64_t message_start, uint64_t body_end, uint64_t told_end);
/* A message has ended. */
void capture__message(struct capture *capture, enum direction dir, bool wanted_all);
/* false: the kernel knows it all */
bool capture__take(struct capture *capture, const struct conn *conn,
		   struct capture_policy *ret_policy);

#endif
