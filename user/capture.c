// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "capture.h"

/* Of a body under CAPTURE_ALL: less than this is captured rather than asked to pass in silence. */
#define QUIET_WORTH (16u << 10)

void capture__init(struct capture *capture)
{
	*capture = (struct capture){ .head_bytes = HEAD_BYTES_DEFAULT };
}

void capture__learned(struct capture *capture, enum conn_role role)
{
	capture->role = role;
	capture->changed = true;
}

void capture__nothing(struct capture *capture)
{
	capture->mode[DIR_IN] = capture->mode[DIR_OUT] = CAPTURE_NONE;
	capture->changed = true;
}

void capture__longer_heads(struct capture *capture)
{
	if (capture->head_bytes >= FLOW_BYTES_MAX)
		return;
	capture->head_bytes = FLOW_BYTES_MAX;
	capture->changed = true;
}

void capture__frame(struct capture *capture, enum direction dir, const struct frame *frame,
		    uint64_t message_start, uint64_t body_end, uint64_t told_end)
{
	bool all = capture->mode[dir] == CAPTURE_ALL;

	if (frame->wants_all && !frame->last) {
		capture->calm[dir] = 0;
		if (!all) {
			capture->mode[dir] = CAPTURE_ALL;
			capture->changed = all = true;
		}
	}
	if (body_end == UINT64_MAX || body_end <= told_end)
		return;
	/* What fits into the budget of the turn is told of call by call. */
	if (all ? frame->quiet_worthy && body_end - told_end > QUIET_WORTH :
		  body_end - message_start > capture->head_bytes) {
		capture->quiet_until[dir] = body_end;
		capture->changed = true;
	}
}

void capture__message(struct capture *capture, enum direction dir, bool wanted_all)
{
	capture->quiet_until[dir] = 0; /* passed: not to be told of again */
	if (wanted_all || capture->mode[dir] != CAPTURE_ALL)
		return;
	if (++capture->calm[dir] < CAPTURE_CALM)
		return;
	capture->mode[dir] = CAPTURE_HEAD;
	capture->changed = true;
}

bool capture__take(struct capture *capture, const struct conn *conn,
		   struct capture_policy *ret_policy)
{
	if (!capture->changed)
		return false;
	capture->changed = false;
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
