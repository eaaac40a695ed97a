/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What the tests of database units share: the bytes of one exchange in, its span as text out. */
#ifndef SPANPROBE_TEST_DATABASE_H
#define SPANPROBE_TEST_DATABASE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/buf.h"
#include "describe.h"

/* Reads one whole message of `bytes`; the rest follows on the same state. */
static inline struct slice read_message(const struct protocol *protocol, struct slice bytes,
					bool request, void *state, struct message *ret)
{
	struct message parsed = { .protocol = protocol };
	bool last = false;

	while (!last) {
		struct frame frame = { .type = request ? MESSAGE_REQUEST : MESSAGE_RESPONSE };

		assert_int_equal(protocol->frame(bytes, request, state, parsed.facts, &frame),
				 FRAME_OK);
		if (frame.first || frame.keep.p) {
			parsed.head = frame.keep.p ? frame.keep : slice(bytes.p, frame.head);
			assert_true(exchange__copy_head(ret, &parsed));
		}
		bytes = slice_from(bytes, frame.head + frame.body);
		last = frame.last;
	}
	memcpy(ret->facts, parsed.facts, sizeof(ret->facts));
	return bytes;
}

struct talk {
	const struct protocol *protocol;
	enum conn_role side;
	struct slice request;
	struct slice response; /* empty: none */
	uint16_t port;	       /* of the server */
	uint32_t request_flags;
	_Alignas(8) uint8_t state[PROTOCOL_STATE_MAX];
};

/* The next exchange of the talk. */
static inline struct exchange *next_exchange(struct talk *talk)
{
	struct exchange *exchange = exchange__new();
	bool client = talk->side == ROLE_CLIENT;

	exchange->protocol = talk->protocol;
	exchange->side = talk->side;
	exchange->tuple = (struct conn_tuple){
		.family = FAMILY_INET,
		.local_addr = { 10, 0, 0, 1 },
		.local_port = client ? 40000 : talk->port,
		.peer_addr = { 10, 0, 0, 2 },
		.peer_port = client ? talk->port : 40000,
	};
	if (talk->request.n) {
		talk->request = read_message(talk->protocol, talk->request, true, talk->state,
					     &exchange->request);
		exchange->has_request_head = true;
	}
	exchange->request.flags |= talk->request_flags;
	if (talk->response.n) {
		talk->response = read_message(talk->protocol, talk->response, false, talk->state,
					      &exchange->response);
		exchange->has_response = exchange->has_response_head = true;
	}
	return exchange;
}

/* Describes and frees it. */
static inline void assert_span(struct exchange *exchange, const char *want)
{
	static const char *const statuses[] = { "unset", "ok", "error" };
	static const char *const kinds[] = { "", "internal", "server", "client" };
	static const struct describe_opts opts;
	struct span *span = span__new(NULL);
	struct buf out = { 0 };

	exchange->protocol->describe(exchange, &opts, span);
	buf__printf(&out, "%.*s %s %s\n", (int)span->name.n, span->name.p, kinds[span->kind],
		    statuses[span->status]);
	for (uint32_t i = 0; i < span->attr_count; i++) {
		const struct attr *a = &span->attrs[i];

		if (slice_starts(a->key, SLICE("network.peer")))
			continue;
		buf__printf(&out, "%.*s", (int)a->key.n, a->key.p);
		if (a->type == ATTR_INT)
			buf__printf(&out, " %lld\n", (long long)a->i);
		else
			buf__printf(&out, "=%.*s\n", (int)a->s.n, a->s.p);
	}
	buf__append(&out, "", 1);
	assert_string_equal(out.p, want);
	buf__release(&out);
	span__unref(span);
	exchange__free(exchange);
}

#endif
