// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "pairs.h"

#include <errno.h>

static struct slice trim(struct slice s)
{
	while (s.n && (s.p[0] == ' ' || s.p[0] == '\t'))
		s = slice_from(s, 1);
	while (s.n && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
		s.n--;
	return s;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Appends s with its %XX resolved; false for a malformed escape. */
static bool percent_decode(struct slice s, struct buf *out)
{
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];

		if (c == '%') {
			int high = i + 2 < s.n ? hex_digit(s.p[i + 1]) : -1;
			int low = i + 2 < s.n ? hex_digit(s.p[i + 2]) : -1;

			if (high < 0 || low < 0)
				return false;
			c = (char)(high << 4 | low);
			i += 2;
		}
		buf__append(out, &c, 1);
	}
	return true;
}

/* The next part between commas that is not blank: "a=b," and "a=b,,c=d" are common, harmless. */
static struct slice next_part(struct slice *rest)
{
	struct slice part = { 0 };

	while (rest->n && !part.n) {
		const char *comma = memchr(rest->p, ',', rest->n);

		part = slice(rest->p, comma ? (size_t)(comma - rest->p) : rest->n);
		*rest = slice_from(*rest, part.n + 1);
		part = trim(part);
	}
	return part;
}

int pairs__next(struct slice *rest, struct buf *scratch, struct slice *ret_key,
		struct slice *ret_value)
{
	struct slice part = next_part(rest);

	if (!part.n)
		return 0;
	const char *equals = memchr(part.p, '=', part.n);
	size_t equals_at = equals ? (size_t)(equals - part.p) : 0;
	struct slice key = trim(slice(part.p, equals_at));

	buf__clear(scratch);
	if (!key.n || !percent_decode(key, scratch))
		return -EINVAL;
	size_t key_n = scratch->n;

	if (!percent_decode(trim(slice_from(part, equals_at + 1)), scratch))
		return -EINVAL;
	if (scratch->failed)
		return -ENOMEM;
	*ret_key = slice(scratch->p, key_n);
	*ret_value = slice_from(slice(scratch->p, scratch->n), key_n);
	return 1;
}
