// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* What clients of PostgreSQL send. */
#include "postgresql.h"

/* A portal's text is noted like a statement's, under a name that no statement has. */
#define PORTAL_MARK '\1'

static uint64_t hash_of(struct slice text)
{
	uint64_t hash = 0xcbf29ce484222325;

	for (size_t i = 0; i < text.n; i++)
		hash = (hash ^ (unsigned char)text.p[i]) * 0x100000001b3;
	return hash;
}

/* What the message takes of the bytes: its header and `n` bytes of content; the rest is its body. */
static void take(struct frame *frame, const struct pg_message *message, size_t n)
{
	frame->head += PG_HEADER + n;
	frame->body = message->n - n;
}

/* --- the start ------------------------------------------------------------------------------ */

static void take_parameter(struct pg_state *state, struct slice key, struct slice value,
			   struct frame *frame)
{
	bool database = slice_eq(key, SLICE("database"));

	/* the database is called like the user unless another one is named */
	if ((database || (slice_eq(key, SLICE("user")) && !state->database_n)) &&
	    value.n <= sizeof(state->database)) {
		memcpy(state->database, value.p, value.n);
		state->database_n = (uint8_t)value.n;
	}
	/* what comes then are no queries and answers */
	if (slice_eq(key, SLICE("replication")) && !slice_eq(value, SLICE("false")) &&
	    !slice_eq(value, SLICE("off")) && !slice_eq(value, SLICE("no")) &&
	    !slice_eq(value, SLICE("0")))
		frame->leaves = true;
}

static enum frame_status start_frame(struct slice bytes, struct pg_state *state,
				     struct frame *frame)
{
	uint32_t length, code;
	struct slice content, key, value;

	if (bytes.n < 8)
		return FRAME_MORE;
	length = pg__u32(bytes.p);
	code = pg__u32(bytes.p + 4);
	if (length < 8 || length > PG_STARTUP_MAX)
		return FRAME_BAD;
	if (bytes.n < length)
		return FRAME_MORE;
	frame->head = length;
	frame->last = true;
	if (code == PG_SSL || code == PG_GSS)
		state->encryption_asked = true;
	if (code == PG_SSL || code == PG_GSS || code == PG_CANCEL)
		return FRAME_OK;
	if (code >> 16 != 3)
		return FRAME_BAD;
	state->started = true;
	state->ready = false;
	state->database_n = 0;
	content = slice(bytes.p + 8, length - 8);
	while (pg__string(&content, &key) && key.n && pg__string(&content, &value))
		take_parameter(state, key, value, frame);
	return FRAME_OK;
}

/* --- statements ----------------------------------------------------------------------------- */

/* The text of a statement, of which the first one's is kept. */
static void note_text(struct pg_facts *facts, struct slice text, bool known, bool first,
		      struct frame *frame)
{
	uint64_t hash = hash_of(text);

	if (first) {
		facts->hash = hash;
		facts->text = known;
		frame->keep = text.n ? text : SLICE("");
	} else if (known && facts->hash != hash) {
		facts->mixed = true;
	}
}

/* All that is looked at of a message is there, or will never be. */
static bool is_enough(const struct pg_message *message, size_t n)
{
	return message->content.n >= n || message->content.n == message->n;
}

static enum frame_status take_query(struct pg_facts *facts, const struct pg_message *message,
				    bool first, struct frame *frame)
{
	struct slice text = message->content, rest;

	/* Behind parts without a Sync: they were preparations, and it is about this query. */
	if (!first && !facts->executes) {
		facts->kind = message->type;
		facts->prepares = facts->mixed = facts->cut = false;
		first = true;
	}
	if (!is_enough(message, PG_TEXT_MAX))
		return FRAME_MORE;
	if (text.n > PG_TEXT_MAX)
		text.n = PG_TEXT_MAX;
	rest = text;
	if (!pg__string(&rest, &text))
		facts->cut = facts->cut || first;
	take(frame, message, message->n < PG_TEXT_MAX ? message->n : PG_TEXT_MAX);
	note_text(facts, text, true, first, frame);
	return FRAME_OK;
}

static enum frame_status take_parse(struct pg_state *state, struct pg_facts *facts,
				    const struct pg_message *message, bool first,
				    struct frame *frame)
{
	struct slice rest = message->content, name, text;
	size_t n;

	if (!is_enough(message, PG_TEXT_MAX))
		return FRAME_MORE;
	if (rest.n > PG_TEXT_MAX)
		rest.n = PG_TEXT_MAX;
	n = rest.n;
	facts->prepares = true;
	if (!pg__string(&rest, &name)) {
		take(frame, message, n);
		note_text(facts, slice(NULL, 0), false, first, frame);
		return FRAME_OK;
	}
	text = rest;
	if (!pg__string(&rest, &text))
		facts->cut = facts->cut || first;
	if (state->notes)
		notes__put(state->notes, name, text);
	take(frame, message, n - rest.n);
	note_text(facts, text, true, first, frame);
	return FRAME_OK;
}

static struct slice portal_key(struct slice portal, char key[NOTES_NAME_MAX])
{
	size_t n = portal.n < NOTES_NAME_MAX - 1 ? portal.n : NOTES_NAME_MAX - 1;

	key[0] = PORTAL_MARK;
	memcpy(key + 1, portal.p, n);
	return slice(key, n + 1);
}

static enum frame_status take_bind(struct pg_state *state, struct pg_facts *facts,
				   const struct pg_message *message, bool first,
				   struct frame *frame)
{
	struct slice rest = message->content, portal, name, text;
	char key[NOTES_NAME_MAX];

	if (rest.n > 2 * (NOTES_NAME_MAX + 1))
		rest.n = 2 * (NOTES_NAME_MAX + 1);
	if (!pg__string(&rest, &portal) || !pg__string(&rest, &name)) {
		if (!is_enough(message, 2 * (NOTES_NAME_MAX + 1)))
			return FRAME_MORE;
		take(frame, message, 0);
		note_text(facts, slice(NULL, 0), false, first, frame);
		return FRAME_OK;
	}
	text = notes__get(state->notes, name);
	take(frame, message, portal.n + 1 + name.n + 1);
	note_text(facts, text, text.p, first, frame);
	if (portal.n && text.p && state->notes) {
		/* a text that is noted may move when it is noted anew */
		notes__put(state->notes, portal_key(portal, key), text);
		if (first)
			frame->keep = notes__get(state->notes, portal_key(portal, key));
	}
	return FRAME_OK;
}

/* Execute, Describe, Close: a name, of a portal or behind 'S' of a statement. */
static enum frame_status take_named(struct pg_state *state, struct pg_facts *facts,
				    const struct pg_message *message, bool first,
				    struct frame *frame)
{
	struct slice rest = message->content, name = { 0 }, text = { 0 };
	bool statement = false;
	char key[NOTES_NAME_MAX];

	if (!is_enough(message, NOTES_NAME_MAX + 2))
		return FRAME_MORE;
	if (rest.n > NOTES_NAME_MAX + 2)
		rest.n = NOTES_NAME_MAX + 2;
	if (message->type != 'E' && rest.n) {
		statement = rest.p[0] == 'S';
		rest = slice_from(rest, 1);
	}
	if (!pg__string(&rest, &name))
		name = slice(NULL, 0);
	if (message->type == 'C' && statement && state->notes)
		notes__drop(state->notes, name);
	if (message->type == 'E')
		facts->executes++;
	take(frame, message, 0);
	if (!first || message->type == 'C')
		return FRAME_OK;
	if (statement || name.n)
		text = notes__get(state->notes, statement ? name : portal_key(name, key));
	note_text(facts, text, text.p, true, frame);
	return FRAME_OK;
}

/* One part of a request. first: what the request is about has not come yet. */
static enum frame_status take_part(struct pg_state *state, struct pg_facts *facts,
				   const struct pg_message *message, bool first,
				   struct frame *frame)
{
	enum frame_status status;

	switch (message->type) {
	case 'P':
		return take_parse(state, facts, message, first, frame);
	case 'B':
		return take_bind(state, facts, message, first, frame);
	case 'E':
	case 'D':
	case 'C':
		return take_named(state, facts, message, first, frame);
	case 'Q':
		status = take_query(facts, message, first, frame);
		frame->last = status == FRAME_OK;
		facts->executes += frame->last;
		return status;
	case 'S':
	case 'F':
		frame->last = true;
		break;
	}
	take(frame, message, 0);
	if (first)
		note_text(facts, slice(NULL, 0), false, true, frame);
	return FRAME_OK;
}

/* --- frames --------------------------------------------------------------------------------- */

static void begin_request(struct pg_state *state, struct pg_facts *facts, char type)
{
	*facts = (struct pg_facts){ .kind = type, .database_n = state->database_n };
	memcpy(facts->database, state->database, state->database_n);
	if (state->lost)
		state->open = 0;
	state->lost = false;
	state->open++;
	state->extended = type != 'Q' && type != 'F';
	state->copy_in = false;
}

/* Statements that are closed come before what the request is about: its frame holds both. */
static enum frame_status first_frame(struct slice bytes, struct pg_state *state,
				     struct pg_facts *facts, struct frame *frame)
{
	struct pg_message message;
	enum frame_status status = pg__header(bytes, true, &message);
	int closes = 0;

	if (status != FRAME_OK)
		return status;
	while (message.type == 'C' && closes++ < PG_CLOSES_MAX) {
		if (message.content.n < message.n)
			return message.n < PG_TEXT_MAX ? FRAME_MORE : FRAME_BAD;
		frame->head += PG_HEADER + message.n;
		status = pg__header(slice_from(bytes, frame->head), true, &message);
		if (status != FRAME_OK)
			return status;
	}
	begin_request(state, facts, message.type);
	status = take_part(state, facts, &message, true, frame);
	if (status != FRAME_OK) {
		state->open--;
		return status;
	}
	if (closes) { /* now that they are certain to be over */
		struct slice rest = bytes;
		struct frame ignored = { 0 };

		while (closes-- && pg__header(rest, true, &message) == FRAME_OK &&
		       message.type == 'C') {
			take_named(state, facts, &message, false, &ignored);
			rest = slice_from(rest, PG_HEADER + (size_t)message.n);
		}
		if (facts->kind == 'S')
			facts->kind = 'C';
	}
	frame->first = true;
	state->dir[true].copying = false;
	return FRAME_OK;
}

/* The parts that follow, as many as are there. */
static enum frame_status next_frame(struct slice bytes, struct pg_state *state,
				    struct pg_facts *facts, struct frame *frame)
{
	enum frame_status status = FRAME_OK;

	while (status == FRAME_OK && !frame->last && !frame->body) {
		struct slice rest = slice_from(bytes, frame->head);
		struct pg_message message;

		status = pg__header(rest, true, &message);
		if (status == FRAME_OK && strchr("pX", message.type)) {
			frame->last = true; /* without a Sync: nothing of it is to come */
			break;
		}
		if (status == FRAME_OK)
			status = take_part(state, facts, &message, false, frame);
		/* a part that is all there is passed at once */
		if (status == FRAME_OK && !frame->last && frame->body <= bytes.n - frame->head) {
			frame->head += frame->body;
			frame->body = 0;
		}
	}
	return status == FRAME_MORE && frame->head ? FRAME_OK : status;
}

static void end_copy(struct pg_state *state)
{
	state->dir[true].copying = false;
	state->sync_swallowed = state->copy_in && state->extended;
	state->copy_in = false;
}

/* Data of COPY, up to its end; anything else that comes ends it as well. */
static enum frame_status copy_frame(struct slice bytes, struct pg_state *state, struct frame *frame)
{
	while (!frame->last && !frame->body) {
		struct slice rest = slice_from(bytes, frame->head);
		struct pg_message message;
		enum frame_status status = pg__header(rest, true, &message);

		if (status == FRAME_BAD || (status == FRAME_MORE && !frame->head))
			return status;
		if (status == FRAME_MORE)
			break;
		if (strchr("dcf", message.type)) {
			size_t n = message.content.n == message.n ? message.n : 0;

			take(frame, &message, n);
		}
		frame->last = message.type != 'd';
	}
	if (frame->last)
		end_copy(state);
	return FRAME_OK;
}

static enum frame_status oneway_request(struct slice bytes, struct pg_state *state,
					struct frame *frame)
{
	struct pg_message message;
	enum frame_status status;

	frame->first = !state->dir[true].open;
	frame->keep = SLICE("");
	if (!bytes.p[0] && frame->first)
		return start_frame(bytes, state, frame);
	status = pg__header(bytes, true, &message);
	if (status != FRAME_OK)
		return status;
	if (frame->first)
		state->dir[true].copying = strchr("dcf", message.type);
	if (state->dir[true].copying)
		return copy_frame(bytes, state, frame);
	if (message.type == 'S')
		state->sync_swallowed = false;
	take(frame, &message, 0);
	frame->last = true;
	return FRAME_OK;
}

enum frame_status pg_request__frame(struct slice bytes, struct pg_state *state,
				    struct pg_facts *facts, struct frame *ret_frame)
{
	struct frame frame = { .type = ret_frame->type };
	enum frame_status status;

	if (frame.type == MESSAGE_ONEWAY)
		status = oneway_request(bytes, state, &frame);
	else if (!state->dir[true].open)
		status = first_frame(bytes, state, facts, &frame);
	else
		status = next_frame(bytes, state, facts, &frame);
	if (status != FRAME_OK)
		return status;
	frame.quiet_worthy = frame.body > 0;
	state->dir[true].open = !frame.last;
	*ret_frame = frame;
	return FRAME_OK;
}

/* "S\0\0\0\4" ends a request, and "c\0\0\0\4" data. */
enum tail pg_request__tail(struct slice bytes, struct pg_state *state)
{
	static const struct slice sync = SLICE("S\0\0\0\4"), done = SLICE("c\0\0\0\4");
	struct slice end = bytes.n < sync.n ? bytes : slice_from(bytes, bytes.n - sync.n);

	if (!state->dir[true].copying)
		return slice_eq(end, sync) ? TAIL_ENDS : TAIL_NO;
	if (slice_eq(end, done)) {
		end_copy(state);
		return TAIL_WHOLE;
	}
	end = bytes.n < 2 * sync.n ? bytes : slice(bytes.p + bytes.n - 2 * sync.n, done.n);
	if (!slice_eq(end, done) || !slice_eq(slice_from(bytes, bytes.n - sync.n), sync))
		return TAIL_NO;
	end_copy(state);
	state->sync_swallowed = false;
	return TAIL_WHOLE;
}
