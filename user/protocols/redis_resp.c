// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* RESP, piece by piece: numbers, commands (an array of bulk strings, or a line of words), values. */
#include "redis.h"

#define NUMBER_MAX   20 /* digits and sign */
#define ELEMENTS_MAX (1ll << 31)

int redis__header(struct slice bytes, int64_t *ret_number)
{
	bool minus = bytes.n > 1 && bytes.p[1] == '-';
	size_t i = 1 + (size_t)minus, first = i;
	int64_t number = 0;

	for (; i < bytes.n && bytes.p[i] >= '0' && bytes.p[i] <= '9'; i++) {
		if (number > INT64_MAX / 64)
			return -1;
		number = number * 10 + (bytes.p[i] - '0');
	}
	if (i == bytes.n)
		return i <= NUMBER_MAX ? 0 : -1;
	if (i == first || bytes.p[i] != '\r')
		return -1;
	if (i + 1 == bytes.n)
		return 0;
	if (bytes.p[i + 1] != '\n')
		return -1;
	*ret_number = minus ? -number : number;
	return (int)(i + 2);
}

/* A line: its words are the arguments. Quotes are left as they are, for no value is shown. */
static enum frame_status parse_line(struct slice bytes, struct redis_command *command)
{
	const char *lf = memchr(bytes.p, '\n', bytes.n);
	size_t n = lf ? (size_t)(lf - bytes.p) : bytes.n;

	for (size_t i = 0; i < n && i < REDIS_NAME_MAX; i++)
		if ((unsigned char)bytes.p[i] < ' ' && bytes.p[i] != '\t' && bytes.p[i] != '\r')
			return FRAME_BAD;
	if (!lf)
		return bytes.n < REDIS_LINE_MAX ? FRAME_MORE : FRAME_BAD;
	command->head = n + 1;
	if (n && bytes.p[n - 1] == '\r')
		n--;
	command->inlined = true;
	command->at = slice(bytes.p, n);

	struct redis_command words = *command;
	struct slice word;

	while (redis_command__next(&words, &word))
		command->args++;
	return FRAME_OK;
}

enum frame_status redis_command__parse(struct slice bytes, struct redis_command *ret)
{
	struct redis_command command = { 0 };
	int64_t args, length;
	int n;

	if (!bytes.n)
		return FRAME_MORE;
	if (bytes.p[0] != '*') {
		enum frame_status status = parse_line(bytes, &command);

		*ret = command;
		return status;
	}
	n = redis__header(bytes, &args);
	if (n <= 0)
		return n ? FRAME_BAD : FRAME_MORE;

	size_t at = (size_t)n;

	command.args = command.left = args > 0 ? (uint64_t)args : 0;
	for (; command.left; at += (size_t)length + 2) {
		struct slice rest = slice_from(bytes, at);

		if (rest.n && rest.p[0] != '$')
			return FRAME_BAD;
		n = rest.n ? redis__header(rest, &length) : 0;
		if (n <= 0 || length < 0)
			return n ? FRAME_BAD : FRAME_MORE;
		at += (size_t)n;
		command.left--;
		if (length > REDIS_ARG_BIG || at + (size_t)length + 2 > REDIS_HEAD_MAX) {
			command.body = (uint64_t)length + 2;
			break;
		}
		if (at + (size_t)length + 2 > bytes.n)
			return FRAME_MORE;
		if (memcmp(bytes.p + at + length, "\r\n", 2) != 0)
			return FRAME_BAD;
	}
	command.head = at;
	n = redis__header(bytes, &args);
	command.at = slice(bytes.p + n, at - (size_t)n);
	*ret = command;
	return FRAME_OK;
}

bool redis_command__next(struct redis_command *command, struct slice *ret_arg)
{
	struct slice at = command->at;
	int64_t length;
	size_t n = 0;

	if (!command->inlined) {
		int header = at.n ? redis__header(at, &length) : 0;

		if (header <= 0 || length < 0 || (uint64_t)length + 2 > at.n - (size_t)header)
			return false;
		*ret_arg = slice(at.p + header, (size_t)length);
		command->at = slice_from(at, (size_t)header + (size_t)length + 2);
		return true;
	}
	at = slice_trim(at);
	while (n < at.n && at.p[n] != ' ' && at.p[n] != '\t')
		n++;
	*ret_arg = slice(at.p, n);
	command->at = slice_from(at, n);
	return n > 0;
}

bool redis__is_name(struct slice name)
{
	for (size_t i = 0; i < name.n; i++) {
		char c = name.p[i];
		bool letter = (c | 0x20) >= 'a' && (c | 0x20) <= 'z';

		if (!letter && (i == 0 || !((c >= '0' && c <= '9') || strchr("._|:-", c))))
			return false;
	}
	return name.n > 0;
}

static enum frame_status line_value(struct slice bytes, struct redis_value *value)
{
	const char *lf = memchr(bytes.p, '\n', bytes.n);

	if (!lf && bytes.n < REDIS_LINE_LONG)
		return FRAME_MORE;
	value->line = !lf;
	value->head = lf ? (uint64_t)(lf - bytes.p) + 1 : bytes.n;
	return FRAME_OK;
}

enum frame_status redis_value__parse(struct slice bytes, struct redis_value *ret)
{
	struct redis_value value = { .counts = true };
	int64_t number = 0;
	int n;

	switch (bytes.p[0]) {
	case '+':
	case '-':
	case ':':
	case '_':
	case '#':
	case ',':
	case '(': {
		enum frame_status status = line_value(bytes, &value);

		*ret = value;
		return status;
	}
	case '$':
	case '=':
	case '!':
	case '*':
	case '~':
	case '>':
	case '%':
	case '|':
		break;
	default:
		return FRAME_BAD;
	}
	n = redis__header(bytes, &number);
	if (n <= 0)
		return n ? FRAME_BAD : FRAME_MORE;
	if (number < -1 || number > (strchr("$=!", bytes.p[0]) ? REDIS_LENGTH_MAX : ELEMENTS_MAX))
		return FRAME_BAD;
	/* an error's prefix is looked at */
	if (bytes.p[0] == '!' && number > 0 && (uint64_t)number > bytes.n - (size_t)n &&
	    bytes.n - (size_t)n < REDIS_ERROR_MAX)
		return FRAME_MORE;
	value.head = (uint64_t)n;
	if (number >= 0 && strchr("$=!", bytes.p[0]))
		value.body = (uint64_t)number + 2;
	else if (number > 0)
		value.adds = strchr("%|", bytes.p[0]) ? (uint64_t)number * 2 : (uint64_t)number;
	value.counts = bytes.p[0] != '|';
	*ret = value;
	return FRAME_OK;
}
