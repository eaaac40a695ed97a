// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "export/cell.h"

#include <locale.h>
#include <wchar.h>

#include "base/utf8.h"

/* wcwidth knows characters only in a UTF-8 locale; this one is always there, whatever the user's
 * own may be. Made once, kept for ever. */
static int char_width(wchar_t c)
{
	static locale_t locale;

	if (!locale)
		locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
	if (!locale)
		return c < 0x80 ? 1 : -1;
	locale_t old = uselocale(locale);
	int width = wcwidth(c);

	uselocale(old);
	return width;
}

static wchar_t decode(struct slice s, size_t n)
{
	unsigned char c = (unsigned char)s.p[0];
	uint32_t value = n == 1 ? c : c & (0x7fu >> n);

	for (size_t i = 1; i < n; i++)
		value = value << 6 | ((unsigned char)s.p[i] & 0x3f);
	return (wchar_t)value;
}

/* Columns of the character at the start of s, *ret_n its bytes; -1: not to be shown. Characters
 * without a width of their own join or turn others: not shown either. */
static int next_char(struct slice s, bool utf8, size_t *ret_n)
{
	unsigned char c = (unsigned char)s.p[0];

	*ret_n = utf8__next(s);
	if (!*ret_n) {
		*ret_n = 1;
		return -1;
	}
	if (c < 0x80)
		return c < 0x20 || c == 0x7f ? -1 : 1;
	if (!utf8)
		return -1;
	int width = char_width(decode(s, *ret_n));

	return width > 0 ? width : -1;
}

void cell__clean(struct buf *out, struct slice text, bool utf8)
{
	size_t n;

	for (; text.n; text = slice_from(text, n)) {
		if (next_char(text, utf8, &n) > 0)
			buf__append(out, text.p, n);
		else
			buf__puts(out, "?");
	}
}

/* Our own marks are clean in either form; an ASCII style has no others. */
uint32_t cell__width(struct slice clean, bool utf8)
{
	uint32_t width = 0;
	size_t n;

	for (; clean.n; clean = slice_from(clean, n)) {
		int w = next_char(clean, utf8, &n);

		width += w > 0 ? (uint32_t)w : 1;
	}
	return width;
}

static void put_spaces(struct buf *out, uint32_t n)
{
	while (n--)
		buf__puts(out, " ");
}

/* The longest prefix of at most `width` columns; what it takes is in *ret_width. */
static struct slice cut(struct slice clean, uint32_t width, bool utf8, uint32_t *ret_width)
{
	size_t at = 0, n;

	*ret_width = 0;
	while (at < clean.n) {
		int w = next_char(slice_from(clean, at), utf8, &n);
		uint32_t columns = w > 0 ? (uint32_t)w : 1;

		if (*ret_width + columns > width)
			break;
		*ret_width += columns;
		at += n;
	}
	return slice(clean.p, at);
}

void cell__put(struct buf *out, struct slice clean, uint32_t width, bool right, bool utf8)
{
	uint32_t full = cell__width(clean, utf8), taken;

	if (full > width) {
		struct slice head = cut(clean, width ? width - 1 : 0, utf8, &taken);

		buf__append(out, head.p, head.n);
		if (width)
			buf__puts(out, utf8 ? "…" : "~");
		put_spaces(out, width ? width - 1 - taken : 0);
		return;
	}
	if (right)
		put_spaces(out, width - full);
	buf__append(out, clean.p, clean.n);
	if (!right)
		put_spaces(out, width - full);
}

/* Three digits that matter. */
void cell__duration(struct buf *out, uint64_t ns, bool utf8)
{
	static const struct {
		uint64_t below_ns, unit_ns;
		const char *name[2];
	} units[] = {
		{ 1000, 1, { "ns", "ns" } },
		{ 999500, 1000, { "us", "µs" } },
		{ 999500000, 1000000, { "ms", "ms" } },
		{ UINT64_MAX, 1000000000, { "s", "s" } },
	};
	int i = 0;

	while (ns >= units[i].below_ns && units[i].below_ns != UINT64_MAX)
		i++;
	double value = (double)ns / (double)units[i].unit_ns;

	buf__printf(out, "%.*f %s",
		    i == 0 || value >= 99.95 ? 0 :
		    value >= 9.995	     ? 1 :
					       2,
		    value, units[i].name[utf8]);
}

static struct slice text_of(const struct span *span, const char *key)
{
	const struct attr *attr = span__get(span, key);

	return attr && attr->type == ATTR_STRING ? attr->s : slice(NULL, 0);
}

/* HTTP spans are named by their method alone when no route is known: the path says what it was.
 * Other calls show where they went. */
void cell__name(struct buf *out, const struct span *span, bool utf8)
{
	struct slice path = text_of(span, "url.path"), url = text_of(span, "url.full");
	struct slice server = text_of(span, "server.address");
	const struct attr *port = span__get(span, "server.port");

	cell__clean(out, span->name, utf8);
	if (memchr(span->name.p ? span->name.p : "", '/', span->name.n))
		return;
	if (span->kind == SPAN_CLIENT && url.n) {
		if (slice_starts(url, SLICE("http://")))
			url = slice_from(url, strlen("http://"));
		buf__puts(out, " ");
		cell__clean(out, url, utf8);
	} else if (path.n) {
		buf__puts(out, " ");
		cell__clean(out, path, utf8);
	} else if (span->kind == SPAN_CLIENT && server.n) {
		buf__puts(out, " ");
		cell__clean(out, server, utf8);
		if (port && port->type == ATTR_INT)
			buf__printf(out, ":%lld", (long long)port->i);
	}
}

void cell__status(struct buf *out, const struct span *span, bool utf8)
{
	const struct attr *code = span__get(span, "http.response.status_code");
	struct slice error = text_of(span, "error.type");

	/* an error that is not the status itself tells more: a 200 that was cut short */
	if (error.n && (!code || error.p[0] < '0' || error.p[0] > '9'))
		cell__clean(out, error, utf8);
	else if (code && code->type == ATTR_INT)
		buf__printf(out, "%lld", (long long)code->i);
	else if (span->status == STATUS_ERROR)
		buf__puts(out, "error");
}
