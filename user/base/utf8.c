// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "utf8.h"

#include <stdint.h>

/* Length of the sequence that the lead byte opens and the range of its second byte: the narrowed
 * ranges keep out overlong forms (E0, F0), surrogates (ED) and what is beyond U+10FFFF (F4). */
static size_t lead(unsigned char c, unsigned char *ret_low, unsigned char *ret_high)
{
	*ret_low = 0x80;
	*ret_high = 0xbf;
	if (c < 0x80)
		return 1;
	if (c < 0xc2)
		return 0;
	if (c < 0xe0)
		return 2;
	if (c < 0xf0) {
		if (c == 0xe0)
			*ret_low = 0xa0;
		if (c == 0xed)
			*ret_high = 0x9f;
		return 3;
	}
	if (c > 0xf4)
		return 0;
	if (c == 0xf0)
		*ret_low = 0x90;
	if (c == 0xf4)
		*ret_high = 0x8f;
	return 4;
}

/* Bytes that belong together at the start; *ret_whole says whether they are a valid sequence. */
static size_t sequence(struct slice s, bool *ret_whole)
{
	unsigned char low, high;
	size_t want = lead((unsigned char)s.p[0], &low, &high);

	*ret_whole = want == 1;
	if (want < 2)
		return 1;
	for (size_t i = 1; i < want; i++) {
		unsigned char c = i < s.n ? (unsigned char)s.p[i] : 0;

		if (c < low || c > high)
			return i;
		low = 0x80;
		high = 0xbf;
	}
	*ret_whole = true;
	return want;
}

size_t utf8__next(struct slice s)
{
	bool whole;

	if (!s.n)
		return 0;
	size_t n = sequence(s, &whole);

	return whole ? n : 0;
}

size_t utf8__valid(struct slice s)
{
	size_t at = 0;

	while (at < s.n) {
		uint64_t word;

		/* nearly all text is ASCII: eight bytes at a time */
		if (s.n - at >= sizeof(word)) {
			memcpy(&word, s.p + at, sizeof(word));
			if (!(word & 0x8080808080808080ull)) {
				at += sizeof(word);
				continue;
			}
		}
		size_t n = utf8__next(slice(s.p + at, s.n - at));

		if (!n)
			break;
		at += n;
	}
	return at;
}

size_t utf8__clean(struct slice s, char *out)
{
	size_t at = 0, to = 0;

	while (at < s.n) {
		size_t good = utf8__valid(slice(s.p + at, s.n - at));
		bool whole;

		memcpy(out + to, s.p + at, good);
		at += good;
		to += good;
		if (at == s.n)
			break;
		at += sequence(slice(s.p + at, s.n - at), &whole);
		memcpy(out + to, "\xef\xbf\xbd", 3);
		to += 3;
	}
	return to;
}

struct slice utf8__cut(struct slice s, size_t n)
{
	if (n >= s.n)
		return s;
	while (n && ((unsigned char)s.p[n] & 0xc0) == 0x80)
		n--;
	return slice(s.p, n);
}
