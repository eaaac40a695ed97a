// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* PostgreSQL requests as spans: semantic conventions for databases. */
#include "database.h"
#include "postgresql.h"
#include "sql.h"

#define DEFAULT_PORT 5432

/* What the parts of a request do that executes nothing */
static const char *operation_of(const struct pg_facts *facts)
{
	if (facts->kind == 'F')
		return "FUNCTION";
	if (facts->executes > 1)
		return "BATCH";
	if (facts->executes)
		return "";
	if (facts->prepares)
		return "PREPARE";
	switch (facts->kind) {
	case 'B':
		return "BIND";
	case 'D':
		return "DESCRIBE";
	case 'C':
		return "CLOSE";
	}
	return "SYNC";
}

static void set_name(const struct pg_facts *facts, struct slice text, struct span *span)
{
	struct slice operation = slice_of(operation_of(facts));
	struct slice database = slice(facts->database, facts->database_n);
	struct buf summary = { 0 };

	buf__append(&summary, operation.p, operation.n);
	if (text.n && !facts->mixed) {
		struct buf words = { 0 };

		sql__summary(text, &words);
		if (operation.n && words.n)
			buf__puts(&summary, " ");
		buf__append(&summary, words.p, words.n);
		buf__release(&words);
	}
	if (operation.n && summary.n == operation.n) /* nothing of it is from a text */
		span__set(span, "db.operation.name", operation);
	else if (summary.n)
		span__set(span, "db.query.summary", slice(summary.p, summary.n));
	span->name = span__text(span, summary.n	 ? slice(summary.p, summary.n) :
				      database.n ? database :
						   SLICE("postgresql"));
	buf__release(&summary);
}

static void set_text(const struct pg_facts *facts, struct slice text, struct span *span)
{
	struct buf shown = { 0 };

	if (text.n && !facts->mixed && sql__sanitise(text, facts->cut, &shown) && !shown.failed)
		span__set(span, "db.query.text", slice(shown.p, shown.n));
	buf__release(&shown);
}

void pg__describe(const struct exchange *exchange, const struct describe_opts *opts,
		  struct span *span)
{
	const struct pg_facts *asked = (const struct pg_facts *)exchange->request.facts;
	const struct pg_facts *told = (const struct pg_facts *)exchange->response.facts;
	struct slice text = { 0 }, code = { 0 };

	database__begin(exchange, SLICE("postgresql"), span);
	if (asked->database_n)
		span__set(span, "db.namespace", slice(asked->database, asked->database_n));
	if (exchange->has_request_head) {
		text = asked->text ? exchange->request.head : text;
		set_name(asked, text, span);
		set_text(asked, text, span);
	} else {
		span->name = span__text(span, SLICE("postgresql"));
	}
	if (asked->executes > 1 && !(exchange->request.flags & MESSAGE_INCOMPLETE))
		span__set_int(span, "db.operation.batch.size", asked->executes);
	if (exchange->has_response_head && told->returns)
		span__set_int(span, "db.response.returned_rows", (int64_t)told->returned);
	if (exchange->has_response_head && told->affects)
		span__set_int(span, "spanprobe.db.affected_rows", (int64_t)told->affected);
	if (exchange->has_response_head && told->failed)
		code = slice(told->code, sizeof(told->code));
	database__outcome(exchange, code, span);
	database__ends(exchange, DEFAULT_PORT, span);
}
