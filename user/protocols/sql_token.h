/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* The words and signs of SQL, private to sql*.c */
#ifndef SPANPROBE_SQL_TOKEN_H
#define SPANPROBE_SQL_TOKEN_H

#include "base/slice.h"

enum sql_kind {
	SQL_WORD,    /* a keyword or a name */
	SQL_QUOTED,  /* "a name" */
	SQL_LITERAL, /* a value */
	SQL_PARAM,   /* $1 */
	SQL_SIGN
};

struct sql_token {
	enum sql_kind kind;
	struct slice text;
	bool spaced; /* white space or a comment before it */
	bool open;   /* a quote that has no end */
};

/* The next one, text moved on; false: there is none. */
bool sql__next(struct slice *text, struct sql_token *ret);
bool sql_token__is(const struct sql_token *token, const char *word); /* word: lower case */

#endif
