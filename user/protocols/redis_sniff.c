// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* What bytes say of themselves, without knowledge of the connection. */
#include "redis.h"

#define SNIFF_ARGS    (1 << 20)
#define PUSH_KIND_MAX 16

/* An array of strings that begins with what may be a command's name: asked or answered. */
static enum confidence sniff_array(struct slice bytes, enum message_type *ret_type)
{
	int64_t args, length;
	int n = redis__header(bytes, &args);
	struct slice rest;

	*ret_type = MESSAGE_EITHER;
	if (n <= 0)
		return n ? SNIFF_NO : SNIFF_MORE;
	if (args <= 0 || args > SNIFF_ARGS)
		return args < -1 || args > SNIFF_ARGS ? SNIFF_NO : SNIFF_NEXT;
	rest = slice_from(bytes, (size_t)n);
	if (!rest.n)
		return SNIFF_MORE;
	if (rest.p[0] != '$') {
		*ret_type = MESSAGE_RESPONSE;
		return strchr("+-:*_#,(%~=!", rest.p[0]) ? SNIFF_FAIR : SNIFF_NO;
	}
	n = redis__header(rest, &length);
	if (n <= 0)
		return n ? SNIFF_NO : SNIFF_MORE;
	rest = slice_from(rest, (size_t)n);
	if (length <= 0 || length > REDIS_NAME_MAX) {
		*ret_type = MESSAGE_RESPONSE;
		return length < -1 || length > REDIS_LENGTH_MAX ? SNIFF_NO : SNIFF_FAIR;
	}
	if (rest.n < (size_t)length + 2)
		return SNIFF_MORE;
	if (memcmp(rest.p + length, "\r\n", 2) != 0)
		return SNIFF_NO;
	if (redis__is_name(slice(rest.p, (size_t)length)))
		return SNIFF_SURE;
	*ret_type = MESSAGE_RESPONSE;
	return SNIFF_LIKELY;
}

/* "+OK\r\n": many protocols talk like that, so it is only good where Redis is known. */
static enum confidence sniff_line(struct slice bytes)
{
	for (size_t i = 1; i < bytes.n && i < REDIS_LINE_LONG; i++) {
		if (bytes.p[i] == '\r')
			return i + 1 == bytes.n || bytes.p[i + 1] == '\n' ? SNIFF_FAIR : SNIFF_NO;
		if (bytes.p[i] == '\n')
			return SNIFF_NO;
	}
	return SNIFF_NEXT;
}

static enum confidence sniff_number(struct slice bytes)
{
	int64_t number;
	int n = redis__header(bytes, &number);

	if (n <= 0)
		return n ? SNIFF_NO : SNIFF_NEXT;
	return number < -1 || number > REDIS_LENGTH_MAX ? SNIFF_NO : SNIFF_FAIR;
}

enum confidence redis__sniff(struct slice bytes, enum message_type *ret_type)
{
	*ret_type = MESSAGE_RESPONSE;
	if (!bytes.n)
		return SNIFF_MORE;
	switch (bytes.p[0]) {
	case '*':
		return sniff_array(bytes, ret_type);
	case '+':
	case '-':
	case ':':
	case '_':
	case '#':
	case ',':
	case '(':
		return sniff_line(bytes);
	case '$':
	case '=':
	case '!':
	case '%':
	case '~':
	case '|':
	case '>':
		return sniff_number(bytes);
	}
	*ret_type = MESSAGE_REQUEST; /* a line that somebody has typed */
	return (unsigned char)bytes.p[0] > ' ' || bytes.p[0] == '\r' || bytes.p[0] == '\n' ?
		       SNIFF_NEXT :
		       SNIFF_NO;
}

/* ">3\r\n$7\r\nmessage\r\n": the kind; SNIFF_NO: it is not of this form. */
enum confidence redis__push_kind(struct slice bytes, struct slice *ret_kind)
{
	int64_t length;
	int n = redis__header(bytes, &length);

	if (n <= 0 || length <= 0)
		return n ? SNIFF_NO : SNIFF_MORE;
	bytes = slice_from(bytes, (size_t)n);
	if (bytes.n && bytes.p[0] != '$')
		return SNIFF_NO;
	n = bytes.n ? redis__header(bytes, &length) : 0;
	if (n <= 0)
		return n ? SNIFF_NO : SNIFF_MORE;
	if (length <= 0 || length > PUSH_KIND_MAX)
		return SNIFF_NO;
	if (bytes.n - (size_t)n < (size_t)length)
		return SNIFF_MORE;
	*ret_kind = slice(bytes.p + n, (size_t)length);
	return SNIFF_SURE;
}
