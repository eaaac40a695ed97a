// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "protocols/preface.h"

#include <stdint.h>
#include <string.h>

#define LINE_MAX_V1 107 /* with its CR LF */
#define HEAD_V2	    16

/* The whole of `text`, as far as the bytes go. */
static bool begins(struct slice bytes, struct slice text)
{
	size_t n = bytes.n < text.n ? bytes.n : text.n;

	return memcmp(bytes.p, text.p, n) == 0;
}

static size_t line_v1(struct slice bytes, bool *ret_more)
{
	/* a method of HTTP may have that name: what follows it tells */
	static const struct slice forms[] = { SLICE("PROXY TCP4 "), SLICE("PROXY TCP6 "),
					      SLICE("PROXY UNKNOWN") };
	size_t n = bytes.n < LINE_MAX_V1 ? bytes.n : LINE_MAX_V1;
	const char *end;
	bool fits = false;

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++)
		fits = fits || begins(bytes, forms[i]);
	if (!fits)
		return 0;
	end = memmem(bytes.p, n, "\r\n", 2);
	*ret_more = !end && n < LINE_MAX_V1;
	return end ? (size_t)(end - bytes.p) + 2 : 0;
}

static size_t head_v2(struct slice bytes, bool *ret_more)
{
	static const struct slice signature = SLICE("\r\n\r\n\0\r\nQUIT\n");

	if (!begins(bytes, signature))
		return 0;
	*ret_more = bytes.n < HEAD_V2;
	if (*ret_more || ((uint8_t)bytes.p[12] & 0xf0) != 0x20)
		return 0;
	return HEAD_V2 + ((size_t)(uint8_t)bytes.p[14] << 8 | (uint8_t)bytes.p[15]);
}

size_t preface__length(struct slice bytes, bool *ret_more)
{
	size_t n;

	*ret_more = false;
	if (!bytes.n)
		return 0;
	n = line_v1(bytes, ret_more);
	return n || *ret_more ? n : head_v2(bytes, ret_more);
}
