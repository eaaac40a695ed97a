// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "capture.h"

/* Of a body that would be captured: less than this is captured rather than asked to be silent. */
#define QUIET_WORTH (16u << 10)

void capture__init(struct capture *capture, uint32_t head_bytes)
{
	*capture = (struct capture){ .head_bytes = head_bytes, .head_bytes_first = head_bytes };
}

void capture__learned(struct capture *capture, enum conn_role role)
{
	capture->role = role;
	capture->changed = true;
}

void capture__known(struct capture *capture, enum capture_mode mode)
{
	if (capture->base == mode)
		return;
	capture->base = capture->mode[DIR_IN] = capture->mode[DIR_OUT] = mode;
	capture->changed = true;
}

void capture__nothing(struct capture *capture)
{
	capture->mode[DIR_IN] = capture->mode[DIR_OUT] = CAPTURE_NONE;
	capture->changed = true;
}

/* --- heads --------------------------------------------------------------------------------- */

/* The budget for heads of up to n bytes: with room for one that is twice as long. */
static uint32_t budget_for(uint32_t n)
{
	if (n <= CAPTURE_HEADS_SHORT / 2)
		return CAPTURE_HEADS_SHORT;
	return n <= HEAD_BYTES_DEFAULT / 2 ? HEAD_BYTES_DEFAULT : FLOW_BYTES_MAX;
}

void capture__head(struct capture *capture, enum direction dir, uint64_t n)
{
	if (n <= capture->head_longest[dir])
		return;
	capture->head_longest[dir] = n < FLOW_BYTES_MAX ? (uint32_t)n : FLOW_BYTES_MAX;
	if (budget_for(capture->head_longest[dir]) > capture->head_bytes)
		capture->changed = true;
}

void capture__longer_heads(struct capture *capture)
{
	capture__head(capture, DIR_IN, FLOW_BYTES_MAX);
}

/* --- bodies -------------------------------------------------------------------------------- */

static void want_all(struct capture *capture, enum direction dir, uint64_t known_end)
{
	capture->calm[dir] = 0;
	if (capture->mode[dir] == CAPTURE_ALL)
		return;
	capture->mode[dir] = CAPTURE_ALL;
	/* not to wait, but to be told at once whether bytes have passed in silence already */
	capture->quiet_until[dir] = known_end;
	capture->changed = true;
}

void capture__frame(struct capture *capture, enum direction dir, const struct frame *frame,
		    uint64_t message_start, uint64_t body_end, uint64_t known_end,
		    uint64_t told_end)
{
	uint64_t budget_end = message_start + capture->head_bytes;

	if (frame->wants_all && !frame->last) {
		want_all(capture, dir, known_end);
	} else if (frame->first && body_end - message_start > capture->head_bytes_first) {
		capture->measured = true;
	}
	if (body_end == UINT64_MAX || body_end <= told_end)
		return;
	/* What fits into the budget of the turn is told of call by call. */
	if ((capture->mode[dir] == CAPTURE_HEAD && body_end > budget_end) ||
	    (frame->quiet_worthy && body_end - told_end > QUIET_WORTH)) {
		capture->quiet_until[dir] = body_end;
		capture->changed = true;
	}
}

void capture__lost(struct capture *capture, enum direction dir)
{
	capture->unmeasured = true;
	if (capture->mode[dir] != CAPTURE_ALL)
		return;
	capture->mode[dir] = CAPTURE_HEAD;
	capture->given_up[dir] = true;
	capture->quiet_until[dir] = 0;
	capture->changed = true;
}

void capture__message(struct capture *capture, enum direction dir, bool wanted_all, uint64_t n)
{
	capture->quiet_until[dir] = 0; /* passed: not to be told of again */
	if (wanted_all && n > capture->head_bytes_first)
		capture->unmeasured = true;
	if (capture->given_up[dir]) {
		capture->given_up[dir] = false;
		capture->mode[dir] = CAPTURE_ALL;
		capture->changed = true;
	}
	if (wanted_all || capture->mode[dir] == capture->base)
		return;
	if (++capture->calm[dir] < CAPTURE_CALM)
		return;
	capture->mode[dir] = capture->base;
	capture->changed = true;
}

/* --- what the kernel is told ---------------------------------------------------------------- */

static uint32_t head_bytes(const struct capture *capture, const struct conn *conn)
{
	uint32_t in = capture->head_longest[DIR_IN], out = capture->head_longest[DIR_OUT];
	uint32_t budget = budget_for(in > out ? in : out);

	/* many messages in a turn, and not all of them are told by their end */
	if (capture->base == CAPTURE_ENDS && budget < HEAD_BYTES_DEFAULT)
		budget = HEAD_BYTES_DEFAULT;
	/* heads of one direction say nothing about those of the other */
	if ((!in || !out) && budget < capture->head_bytes)
		budget = capture->head_bytes;
	if (conn->process && conn->process->bodies_unmeasured && budget < CAPTURE_UNMEASURED)
		budget = CAPTURE_UNMEASURED;
	return budget;
}

bool capture__take(struct capture *capture, const struct conn *conn,
		   struct capture_policy *ret_policy)
{
	if (!capture->changed)
		return false;
	capture->changed = false;
	capture->head_bytes = head_bytes(capture, conn);
	*ret_policy = (struct capture_policy){
		.conn = conn->id,
		.sock = conn->tuple.sock,
		.quiet_until = { capture->quiet_until[DIR_IN], capture->quiet_until[DIR_OUT] },
		.head_bytes = capture->head_bytes,
		.mode = { capture->mode[DIR_IN], capture->mode[DIR_OUT] },
		.role = capture->role,
	};
	return true;
}

/* false: nothing new about the process */
static bool note(struct process *process, bool unmeasured, bool measured)
{
	bool before = process->bodies_unmeasured;

	if (unmeasured) {
		process->bodies_unmeasured = true;
		process->bodies_measured = 0;
	} else if (measured && before && ++process->bodies_measured >= CAPTURE_PROCESS_CALM) {
		process->bodies_unmeasured = false;
	}
	return process->bodies_unmeasured != before;
}

bool capture__take_process(struct capture *capture, const struct conn *conn,
			   struct capture_policy *ret_policy)
{
	bool unmeasured = capture->unmeasured, measured = capture->measured;

	if (!unmeasured && !measured)
		return false;
	capture->unmeasured = capture->measured = false;
	if (!conn->process || !note(conn->process, unmeasured, measured))
		return false;
	*ret_policy = (struct capture_policy){
		.pid = conn->process->pid,
		.head_bytes = conn->process->bodies_unmeasured ? CAPTURE_UNMEASURED : 0,
	};
	return true;
}
