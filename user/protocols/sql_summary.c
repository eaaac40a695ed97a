// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * What a statement does and to what, by its words alone: verbs where a statement or a query within one begins,
 * names where FROM, JOIN, INTO, UPDATE and the like promise one. No parse: what is not told by a word
 * before it is left out.
 */
#include "sql.h"

#include "sql_token.h"

#define DEPTH_MAX 64

struct summary {
	struct slice rest;
	struct sql_token token;
	struct sql_token before; /* the word or sign before it */
	struct buf *out;
	unsigned int depth;
	uint64_t queries; /* by depth: these parentheses hold a query */
	bool starts;	  /* a statement begins with the next word */
	bool cursor;	  /* the statement is about a cursor: FROM names one */
	uint64_t lists;	  /* by depth: a comma goes on with a list of tables */
	bool full;
};

static bool any_of(const struct sql_token *token, const char *const *words)
{
	for (; *words; words++)
		if (sql_token__is(token, *words))
			return true;
	return false;
}

static bool is_sign(const struct sql_token *token, char sign)
{
	return token->kind == SQL_SIGN && token->text.p[0] == sign;
}

static struct sql_token peek(const struct summary *summary)
{
	struct slice rest = summary->rest;
	struct sql_token token = { .kind = SQL_SIGN, .text = SLICE(";") };

	sql__next(&rest, &token);
	return token;
}

static bool advance(struct summary *summary)
{
	summary->before = summary->token;
	return sql__next(&summary->rest, &summary->token) && !summary->token.open;
}

static void add(struct summary *summary, struct slice word)
{
	size_t n = summary->out->n;

	if (summary->full || n + (n > 0) + word.n > SQL_SUMMARY_MAX) {
		summary->full = true;
		return;
	}
	if (n)
		buf__puts(summary->out, " ");
	buf__append(summary->out, word.p, word.n);
}

static uint64_t level(const struct summary *summary)
{
	return summary->depth < DEPTH_MAX ? 1ull << summary->depth : 0;
}

/* A name of dotted parts, if one is next; call: it may be a function's, which is no target. */
static bool take_name(struct summary *summary, bool call)
{
	static const char *const fillers[] = { "only",	       "lateral", "if",	  "not",
					       "exists",       "table",	  "into", "concurrently",
					       "materialized", NULL };
	static const char *const streams[] = { "stdin", "stdout", "program", NULL }; /* of COPY */
	struct sql_token next = peek(summary);
	const char *from, *to;

	while (any_of(&next, fillers)) {
		advance(summary);
		next = peek(summary);
	}
	if ((next.kind != SQL_WORD && next.kind != SQL_QUOTED) || next.open)
		return false;
	advance(summary);
	from = next.text.p;
	to = from + next.text.n;
	for (next = peek(summary); is_sign(&next, '.') && !next.spaced; next = peek(summary)) {
		advance(summary);
		next = peek(summary);
		if (next.spaced || next.open || (next.kind != SQL_WORD && next.kind != SQL_QUOTED))
			break;
		advance(summary);
		to = next.text.p + next.text.n;
	}
	next = peek(summary);
	if ((call && is_sign(&next, '(')) || any_of(&summary->token, streams))
		return false;
	add(summary, slice(from, (size_t)(to - from)));
	return true;
}

/* CREATE [OR REPLACE] [TEMP] TABLE name: the names of temporary things are as many as these */
static void take_object(struct summary *summary)
{
	static const char *const adjectives[] = { "or",		  "replace",   "global",
						  "local",	  "unique",    "unlogged",
						  "materialized", "recursive", NULL };
	static const char *const kinds[] = { "table",	     "view",	  "index",    "sequence",
					     "schema",	     "type",	  "function", "procedure",
					     "database",     "extension", "trigger",  "domain",
					     "materialized", NULL };
	struct sql_token next = peek(summary);
	bool temporary = false;

	for (;; next = peek(summary)) {
		bool temp = sql_token__is(&next, "temp") || sql_token__is(&next, "temporary");

		if (!temp && !any_of(&next, adjectives))
			break;
		temporary = temporary || temp;
		advance(summary);
	}
	if (!any_of(&next, kinds))
		return;
	advance(summary);
	add(summary, summary->token.text);
	if (!temporary)
		take_name(summary, false);
}

static void first_word(struct summary *summary)
{
	static const char *const objects[] = { "create", "alter", "drop", NULL };
	static const char *const named[] = { "call", "copy", "truncate", "lock", NULL };
	struct sql_token word = summary->token;

	summary->starts = false;
	summary->cursor = sql_token__is(&word, "fetch") || sql_token__is(&word, "move");
	if (sql_token__is(&word, "with")) /* what it names is no table */
		return;
	add(summary, word.text);
	if (any_of(&word, objects))
		take_object(summary);
	else if (any_of(&word, named))
		summary->lists = take_name(summary, false) ? level(summary) : 0;
	else if (sql_token__is(&word, "update"))
		take_name(summary, false);
	summary->starts = sql_token__is(&word, "explain");
}

/* "IS DISTINCT FROM", and "extract(year FROM x)" within parentheses that are no query */
static bool promises_tables(const struct summary *summary)
{
	return !summary->cursor && !sql_token__is(&summary->before, "distinct") &&
	       (!summary->depth || summary->queries & level(summary));
}

static void other_word(struct summary *summary)
{
	static const char *const not_verbs[] = { "for", "do", "on", "key", "then", NULL };
	static const char *const ends[] = { "where",	 "group",  "order", "having",	 "limit",
					    "union",	 "except", "set",   "returning", "window",
					    "intersect", "values", "on",    NULL };
	const struct sql_token *word = &summary->token;
	struct sql_token next = peek(summary);

	if (any_of(word, ends))
		summary->lists &= ~level(summary);
	if (sql_token__is(word, "select") ||
	    (sql_token__is(word, "insert") && sql_token__is(&next, "into")) ||
	    (sql_token__is(word, "delete") && sql_token__is(&next, "from"))) {
		summary->lists &= ~level(summary);
		add(summary, word->text);
	} else if (sql_token__is(word, "update") && !any_of(&summary->before, not_verbs)) {
		add(summary, word->text);
		take_name(summary, false);
	} else if (sql_token__is(word, "into")) {
		take_name(summary, false);
	} else if (sql_token__is(word, "from") && promises_tables(summary)) {
		take_name(summary, true);
		summary->lists |= level(summary);
	} else if (sql_token__is(word, "join") ||
		   (sql_token__is(word, "using") && !is_sign(&next, '('))) {
		take_name(summary, true);
	}
}

static void sign(struct summary *summary)
{
	static const char *const verbs[] = { "select", "with",	 "values", "insert",
					     "update", "delete", NULL };
	struct sql_token next;

	switch (summary->token.text.p[0]) {
	case ';':
		summary->starts = true;
		summary->lists = 0;
		summary->depth = 0;
		break;
	case '(':
		summary->depth++;
		next = peek(summary);
		summary->queries &= ~level(summary);
		summary->lists &= ~level(summary);
		if (any_of(&next, verbs))
			summary->queries |= level(summary);
		break;
	case ')':
		summary->depth -= summary->depth > 0;
		break;
	case ',':
		if (summary->lists & level(summary))
			take_name(summary, true);
		break;
	}
}

void sql__summary(struct slice text, struct buf *out)
{
	struct summary summary = { .rest = text, .out = out, .starts = true };

	while (!summary.full && advance(&summary)) {
		if (summary.token.kind == SQL_SIGN)
			sign(&summary);
		else if (summary.token.kind == SQL_WORD && summary.starts)
			first_word(&summary);
		else if (summary.token.kind == SQL_WORD)
			other_word(&summary);
	}
}
