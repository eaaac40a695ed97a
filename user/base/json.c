// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "json.h"

static void escape(struct buf *out, unsigned char c)
{
	static const char digits[] = "0123456789abcdef";
	static const char from[] = "\"\\\n\r\t\b\f", to[] = "\"\\nrtbf";
	const char *known = c ? strchr(from, c) : NULL;

	if (known) {
		char two[2] = { '\\', to[known - from] };

		buf__append(out, two, sizeof(two));
	} else {
		char six[6] = { '\\', 'u', '0', '0', digits[c >> 4], digits[c & 15] };

		buf__append(out, six, sizeof(six));
	}
}

/* DEL is legal as it is, but no terminal that shows the file should have to take it. */
static bool is_plain(unsigned char c)
{
	return c >= 0x20 && c != '"' && c != '\\' && c != 0x7f;
}

void json__string(struct buf *out, struct slice s)
{
	size_t from = 0;

	buf__append(out, "\"", 1);
	for (size_t i = 0; i < s.n; i++) {
		if (is_plain((unsigned char)s.p[i]))
			continue;
		if (i > from)
			buf__append(out, s.p + from, i - from);
		escape(out, (unsigned char)s.p[i]);
		from = i + 1;
	}
	if (s.n > from)
		buf__append(out, s.p + from, s.n - from);
	buf__append(out, "\"", 1);
}

void json__hex(struct buf *out, const uint8_t *bytes, size_t n)
{
	static const char digits[] = "0123456789abcdef";
	char *to = buf__reserve(out, 2 * n + 2);

	if (!to)
		return;
	*to++ = '"';
	for (size_t i = 0; i < n; i++) {
		*to++ = digits[bytes[i] >> 4];
		*to++ = digits[bytes[i] & 15];
	}
	*to = '"';
	out->n += 2 * n + 2;
}
