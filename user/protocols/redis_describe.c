// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Redis commands as spans: semantic conventions for databases, Redis. */
#include <stdio.h>

#include "database.h"
#include "redis.h"

#define DEFAULT_PORT 6379

static void set_operation(const struct redis_facts *facts, struct slice name, struct span *span)
{
	char text[REDIS_NAME_MAX + 8] = "MULTI ";
	struct slice operation = name;

	if (facts->multi) {
		size_t n = facts->commands && !facts->mixed ? facts->inner_n : 0;

		memcpy(text + 6, facts->inner, n);
		operation = slice(text, n ? 6 + n : 5);
	}
	if (!operation.n)
		operation = SLICE("redis"); /* the request was not seen */
	else
		span__set(span, "db.operation.name", operation);
	span->name = span__text(span, operation);
}

void redis__describe(const struct exchange *exchange, const struct describe_opts *opts,
		     struct span *span)
{
	const struct redis_facts *asked = (const struct redis_facts *)exchange->request.facts;
	const struct redis_facts *told = (const struct redis_facts *)exchange->response.facts;
	struct redis_command command = { 0 }, args;
	struct slice name = { 0 }, error = { 0 }, procedure;
	char db[12];

	if (exchange->has_request_head)
		redis_command__parse(exchange->request.head, &command);
	args = command;
	redis_command__next(&args, &name);
	if (name.n && (name.n > REDIS_NAME_MAX || !redis__is_name(name)))
		name = SLICE("_OTHER"); /* no name may hold what strangers send */
	database__begin(exchange, SLICE("redis"), span);
	/* of a connection met in the middle nobody knows what was selected */
	if (name.n && (asked->db_selected || !(exchange->request.flags & MESSAGE_MIDSTREAM))) {
		snprintf(db, sizeof(db), "%d", asked->db);
		span__set(span, "db.namespace", slice_of(db));
	}
	set_operation(asked, name, span);
	if (asked->multi) {
		if (asked->commands != 1)
			span__set_int(span, "db.operation.batch.size", asked->commands);
	} else if (name.n) {
		struct buf text = { 0 };

		redis__text(&command, &text);
		if (!text.failed)
			span__set(span, "db.query.text", slice(text.p, text.n));
		buf__release(&text);
	}
	procedure = redis__procedure(&command);
	if (procedure.n)
		span__set(span, "db.stored_procedure.name", procedure);
	if (exchange->has_response_head)
		error = slice(told->error, told->error_n);
	database__outcome(exchange, error, span);
	database__ends(exchange, DEFAULT_PORT, span);
}
