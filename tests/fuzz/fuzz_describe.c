// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Every head that parses must give a span of both sides: bounded, valid UTF-8. The first byte
 * chooses between request and response. */
#include <assert.h>
#include <stdlib.h>

#include "base/arena.c"
#include "base/pool.c"
#include "base/utf8.c"
#include "protocols/http1_describe.c"
#include "protocols/http1_head.c"
#include "redact.c"
#include "span.c"

/* clang-format off */
struct resource *resource__ref(struct resource *r) { return r; }
void resource__unref(struct resource *r) { }
void describe__network(const struct exchange *e, struct span *s) { }
const char *describe__address(const struct conn_tuple *t, bool peer, char text[110]) { return ""; }
const char *describe__failure(const struct exchange *e) { return "_OTHER"; }
/* clang-format on */

static void check(const struct exchange *exchange)
{
	static const struct slice names[] = { SLICE("x-a"), SLICE("host"), SLICE("b3") };
	static const struct describe_opts opts = { .request_headers = names,
						   .request_header_count = 3,
						   .response_headers = names,
						   .response_header_count = 3 };
	struct span *span = span__new(NULL);

	http1__describe(exchange, &opts, span);
	assert(span->name.n && span->name.n <= HTTP1_METHOD_MAX);
	for (int i = 0; i < span->attr_count; i++) {
		const struct attr *attr = &span->attrs[i];

		if (attr->type != ATTR_STRING)
			continue;
		assert(attr->s.n <= 3 * VALUE_MAX && utf8__valid(attr->s) == attr->s.n);
	}
	span__unref(span);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	bool request = size && (data[0] & 1);
	struct exchange exchange = { .has_request_head = request, .has_response_head = !request };
	struct message *message = request ? &exchange.request : &exchange.response;
	char *copy;

	if (size < 2)
		return 0;
	copy = memcpy(malloc(size - 1), data + 1, size - 1);
	message->head = slice(copy, size - 1);
	if (http1_head__parse(message->head, request, (struct http1_facts *)message->facts)) {
		for (exchange.side = ROLE_SERVER; exchange.side <= ROLE_CLIENT; exchange.side++)
			check(&exchange);
	}
	free(copy);
	return 0;
}
