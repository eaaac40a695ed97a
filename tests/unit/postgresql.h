/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Messages of PostgreSQL from words. */
#ifndef SPANPROBE_TEST_POSTGRESQL_H
#define SPANPROBE_TEST_POSTGRESQL_H

#include <string.h>

#include "base/buf.h"
#include "protocols/postgresql.h"

static inline void put_u32(struct buf *out, uint32_t n)
{
	char b[4] = { (char)(n >> 24), (char)(n >> 16), (char)(n >> 8), (char)n };

	buf__append(out, b, 4);
}

/*
 * Appends one message: "Q:select 1" (the content, '|' for NUL, '@' for 9000 bytes, '#' for two zero bytes), "S"
 * (no content), "N!" (that byte alone), "start:user|u|database|d||", "ssl".
 */
static inline void put_message(struct buf *out, const char *word, size_t n)
{
	struct buf content = { 0 };
	size_t at = n > 1 && word[1] == ':' ? 2 : n;
	static char big[9000];
	bool start = n > 6 && !memcmp(word, "start:", 6);

	memset(big, 'x', sizeof(big));
	if (n == 2 && word[1] == '!') {
		buf__append(out, word, 1);
		return;
	}
	if (n == 3 && !memcmp(word, "ssl", 3)) {
		put_u32(out, 8);
		put_u32(out, PG_SSL);
		return;
	}
	for (at = start ? 6 : at; at < n; at++) {
		if (word[at] == '|')
			buf__append(&content, "", 1);
		else if (word[at] == '#')
			buf__append(&content, "\0", 2);
		else if (word[at] == '@')
			buf__append(&content, big, sizeof(big));
		else
			buf__append(&content, word + at, 1);
	}
	if (!start)
		buf__append(out, word, 1);
	put_u32(out, (uint32_t)content.n + (start ? 8 : 4));
	if (start)
		put_u32(out, 196608);
	buf__append(out, content.p, content.n);
	buf__release(&content);
}

#endif
