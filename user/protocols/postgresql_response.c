// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* What PostgreSQL's server sends. Rows are passed by their lengths. */
#include "postgresql.h"

/* "INSERT 0 5", "SELECT 12", "BEGIN": the last word is a number, or there is none */
static void note_tag(struct pg_facts *facts, struct slice tag)
{
	uint64_t rows = 0, ten = 1;
	size_t n = tag.n;

	while (n && tag.p[n - 1] >= '0' && tag.p[n - 1] <= '9' && ten < 1000000000000000000ull) {
		rows += (uint64_t)(tag.p[--n] - '0') * ten;
		ten *= 10;
	}
	if (n == tag.n || !n || tag.p[n - 1] != ' ')
		return;
	if (slice_starts(tag, SLICE("SELECT")) || slice_starts(tag, SLICE("FETCH"))) {
		facts->returns = true;
		facts->returned += rows;
	} else {
		facts->affects = true;
		facts->affected += rows;
	}
}

/* Fields of a letter and a string each: C is the code. The first error of a response counts. */
static void note_error(struct pg_facts *facts, struct slice content)
{
	struct slice value;

	if (facts->failed)
		return;
	facts->failed = true;
	memcpy(facts->code, "XX000", sizeof(facts->code));
	while (content.n > 1 && content.p[0]) {
		bool code = content.p[0] == 'C';

		content = slice_from(content, 1);
		if (!pg__string(&content, &value))
			return;
		if (code && value.n == sizeof(facts->code)) {
			memcpy(facts->code, value.p, value.n);
			return;
		}
	}
}

/* Bytes of the content that are looked at */
static size_t wanted(const struct pg_message *message)
{
	switch (message->type) {
	case 'C':
		return message->n <= PG_TAG_MAX ? message->n : 0;
	case 'E':
		return message->n < PG_ERROR_FRONT ? message->n : PG_ERROR_FRONT;
	case 'Z':
		return 1;
	}
	return 0;
}

static void end_response(struct pg_state *state)
{
	state->open -= state->open > 0;
	state->lost = false;
	state->ready = true;
	state->copy_in = false;
}

static void take_message(struct pg_state *state, struct pg_facts *facts,
			 const struct pg_message *message, struct frame *frame)
{
	struct slice content = message->content, tag;

	switch (message->type) {
	case 'C':
		if (message->n <= PG_TAG_MAX && pg__string(&content, &tag))
			note_tag(facts, tag);
		break;
	case 'E':
		note_error(facts, content);
		break;
	case 'G':
		state->copy_in = true;
		break;
	case 'W': /* data in both directions, for replication */
		frame->leaves = frame->last = true;
		break;
	case 'Z':
		frame->last = true;
		end_response(state);
		break;
	}
}

/* One byte says whether encryption follows; an old server sends an error instead. */
static enum frame_status encryption_frame(struct slice bytes, struct pg_state *state,
					  struct frame *frame)
{
	frame->head = 1;
	frame->leaves = bytes.p[0] == 'S' || bytes.p[0] == 'G';
	state->encryption_asked = false;
	return frame->leaves || bytes.p[0] == 'N' ? FRAME_OK : FRAME_BAD;
}

static enum frame_status oneway_response(struct slice bytes, struct pg_state *state,
					 struct frame *frame)
{
	struct pg_message message;
	enum frame_status status;

	frame->first = frame->last = true;
	frame->keep = SLICE("");
	if (state->encryption_asked && bytes.p[0] != 'E')
		return encryption_frame(bytes, state, frame);
	state->encryption_asked = false;
	status = pg__header(bytes, false, &message);
	if (status != FRAME_OK)
		return status;
	frame->head = PG_HEADER;
	frame->body = message.n;
	if (message.type == 'Z')
		state->ready = true;
	return FRAME_OK;
}

enum frame_status pg_response__frame(struct slice bytes, struct pg_state *state,
				     struct pg_facts *facts, struct frame *ret_frame)
{
	struct frame frame = { .first = !state->dir[false].open, .type = ret_frame->type };
	enum frame_status status = FRAME_OK;

	if (frame.type == MESSAGE_ONEWAY) {
		status = oneway_response(bytes, state, &frame);
	} else {
		if (frame.first)
			*facts = (struct pg_facts){ 0 };
		if (frame.first)
			frame.keep = SLICE(""); /* nothing of it is needed later */
		/* all that is there; but the first message alone, so that the answer is known to begin */
		do {
			struct slice rest = slice_from(bytes, frame.head);
			struct pg_message message;

			status = pg__header(rest, false, &message);
			if (status == FRAME_OK && message.content.n < wanted(&message))
				status = FRAME_MORE;
			if (status != FRAME_OK)
				break;
			take_message(state, facts, &message, &frame);
			if (frame.first)
				message.content.n = wanted(&message);
			frame.head += PG_HEADER + message.content.n;
			frame.body = message.n - message.content.n;
		} while (!frame.first && !frame.last && !frame.body);
	}
	if (status == FRAME_BAD || (status == FRAME_MORE && !frame.head))
		return status;
	frame.quiet_worthy = frame.body > 0;
	state->dir[false].open = !frame.last;
	*ret_frame = frame;
	return FRAME_OK;
}

/*
 * "Z\0\0\0\5I" ends a response. It is whole when a command's tag, or what stands for one, is right before it: an
 * error is longer than what is there and may have passed.
 */
enum tail pg_response__tail(struct slice bytes, struct pg_state *state, struct pg_facts *facts)
{
	static const struct slice ready = SLICE("Z\0\0\0\5");
	size_t at = bytes.n < 6 ? 0 : bytes.n - 6;

	/* of several responses that have passed this may be the last one */
	if (bytes.n < 6 || state->open != 1 || !slice_eq(slice(bytes.p + at, ready.n), ready) ||
	    !strchr("ITE", bytes.p[bytes.n - 1]) || !bytes.p[bytes.n - 1])
		return TAIL_NO;
	end_response(state);
	state->dir[false].open = false;
	if (at >= 5 && strchr("sI3", bytes.p[at - 5]) && pg__u32(bytes.p + at - 4) == 4)
		return TAIL_WHOLE;
	for (size_t i = at; i-- > 0;) {
		struct pg_message message;
		struct slice tag, content;

		if (bytes.p[i] != 'C' || pg__header(slice(bytes.p + i, at - i), false, &message) ||
		    i + PG_HEADER + message.n != at || message.n > PG_TAG_MAX)
			continue;
		content = message.content;
		if (!pg__string(&content, &tag) || content.n)
			continue;
		note_tag(facts, tag);
		return TAIL_WHOLE;
	}
	return TAIL_ENDS;
}
