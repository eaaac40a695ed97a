// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * PostgreSQL, protocol 3: what both directions share.
 *
 * A request is a simple query, or all parts of an extended one up to its Sync: each is answered by
 * messages up to one ReadyForQuery. What does not lie between those two (the start of a
 * connection, data of COPY, notices and notifications while nothing is asked) belongs to no exchange.
 */
#include "postgresql.h"

/* Types of messages, by side */
static const char frontend[] = "QFPBEDCHSpXdcf";
static const char backend[] = "RKZTDCEAINSVGHWdc123nstv";

uint32_t pg__u32(const char *p)
{
	const unsigned char *b = (const unsigned char *)p;

	return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

/* The length that messages of this type have, with itself; 0: any */
static uint32_t only_length(char type, bool request)
{
	if (request)
		return strchr("HSXc", type) ? 4 : 0;
	if (type == 'Z')
		return 5;
	return strchr("I123nsc", type) ? 4 : 0;
}

enum frame_status pg__header(struct slice bytes, bool request, struct pg_message *ret)
{
	uint32_t length, only;
	char type = bytes.n ? bytes.p[0] : 0;

	if (!bytes.n)
		return FRAME_MORE;
	if (!type || !strchr(request ? frontend : backend, type))
		return FRAME_BAD;
	if (bytes.n < PG_HEADER)
		return FRAME_MORE;
	length = pg__u32(bytes.p + 1);
	only = only_length(type, request);
	if (length < 4 || length > PG_LENGTH_MAX || (only && length != only))
		return FRAME_BAD;
	bytes = slice_from(bytes, PG_HEADER);
	*ret = (struct pg_message){ .type = type, .n = length - 4, .content = bytes };
	if (ret->content.n > ret->n)
		ret->content.n = ret->n;
	return FRAME_OK;
}

bool pg__string(struct slice *content, struct slice *ret)
{
	const char *end = content->n ? memchr(content->p, 0, content->n) : NULL;

	if (!end)
		return false;
	*ret = slice(content->p, (size_t)(end - content->p));
	*content = slice_from(*content, ret->n + 1);
	return true;
}

static enum frame_status frame(struct slice bytes, bool request, void *state, void *facts,
			       struct frame *ret_frame)
{
	return request ? pg_request__frame(bytes, state, facts, ret_frame) :
			 pg_response__frame(bytes, state, facts, ret_frame);
}

static enum confidence oneway(struct slice bytes, bool request, const void *state_)
{
	const struct pg_state *state = state_;
	bool own;

	if (request)
		own = !bytes.p[0] || strchr("pXHdcf", bytes.p[0]) ||
		      (bytes.p[0] == 'S' && state->sync_swallowed);
	else
		own = state->encryption_asked || (state->started && !state->ready) ||
		      strchr("ANSKR", bytes.p[0]);
	return own ? SNIFF_SURE : SNIFF_NO;
}

static void resync(void *state_, bool request)
{
	struct pg_state *state = state_;

	state->dir[request].open = false;
	state->lost = state->lost || !request;
	state->encryption_asked = false;
	if (state->started)
		state->ready = true; /* or it would never be */
}

static enum tail tail(struct slice bytes, bool request, void *state, void *facts)
{
	return request ? pg_request__tail(bytes, state) : pg_response__tail(bytes, state, facts);
}

static bool header(const struct message *message, struct slice name, unsigned int n,
		   struct slice *ret_value)
{
	return false;
}

const struct protocol postgresql_protocol = {
	.name = "postgresql",
	.id = PROTOCOL_POSTGRESQL,
	.state_size = sizeof(struct pg_state),
	.facts_size = sizeof(struct pg_facts),
	.capture = CAPTURE_ENDS,
	.remembers = true,
	.sniff = pg__sniff,
	.frame = frame,
	.oneway = oneway,
	.resync = resync,
	.tail = tail,
	.header = header,
	.describe = pg__describe,
};
