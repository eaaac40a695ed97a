// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* What bytes say of themselves: the start of a connection, or messages one behind another. */
#include "postgresql.h"

static bool is_printable(struct slice text)
{
	for (size_t i = 0; i < text.n; i++)
		if ((unsigned char)text.p[i] < ' ' || text.p[i] == 0x7f)
			return false;
	return true;
}

/* Kafka's requests look like this as well, but for the parameters by name. */
static enum confidence sniff_start(struct slice bytes)
{
	uint32_t length, code;
	struct slice content, key, value;
	bool user = false;

	if (bytes.n < 8)
		return bytes.n < 2 || bytes.p[1] == 0 ? SNIFF_MORE : SNIFF_NO;
	length = pg__u32(bytes.p);
	code = pg__u32(bytes.p + 4);
	if (code == PG_SSL || code == PG_GSS)
		return length == 8 ? SNIFF_SURE : SNIFF_NO;
	if (code == PG_CANCEL)
		return length >= 16 && length <= 16 + 256 ? SNIFF_SURE : SNIFF_NO;
	if (code >> 16 != 3 || (code & 0xffff) > 99 || length < 9 || length > PG_STARTUP_MAX)
		return SNIFF_NO;
	content = slice(bytes.p + 8, (bytes.n < length ? bytes.n : length) - 8);
	while (pg__string(&content, &key) && key.n) {
		if (!is_printable(key))
			return SNIFF_NO;
		if (!pg__string(&content, &value))
			break;
		user = user || slice_eq(key, SLICE("user"));
	}
	if (bytes.n < length)
		return is_printable(slice(content.p, content.n < 32 ? content.n : 32)) ?
			       SNIFF_MORE :
			       SNIFF_NO;
	return user ? SNIFF_SURE : SNIFF_NO;
}

/* How well the content fits: 0: not at all, 1: it may, 2: it would be a wonder */
static int fits(const struct pg_message *message, bool request)
{
	bool whole = message->content.n == message->n;
	struct slice content = message->content, name, text;

	switch (message->type) {
	case 'Q':
		if (!request)
			return 0;
		text = content;
		if (whole && (!pg__string(&content, &text) || content.n))
			return 0;
		for (size_t i = 0; i < text.n && i < 64; i++)
			if (!text.p[i] ||
			    ((unsigned char)text.p[i] < ' ' && !strchr("\t\r\n\f\v", text.p[i])))
				return 0;
		return whole || text.n >= 64 ? 2 : 1;
	case 'P':
		if (!request)
			return 0;
		if (!whole)
			return 1;
		return pg__string(&content, &name) && is_printable(name) &&
				       pg__string(&content, &text) && content.n >= 2 &&
				       content.n == 2 + 4 * (pg__u32(content.p - 2) & 0xffff) ?
			       2 :
			       0;
	case 'Z':
		return !message->content.n || strchr("ITE", message->content.p[0]) ? 1 : 0;
	case 'C':
		if (whole && !request)
			return pg__string(&content, &name) && !content.n && is_printable(name);
		return !message->content.n || !request || strchr("SP", message->content.p[0]);
	}
	return 1;
}

/* Messages of one side; how sure they are, and whether they are that side's alone. */
static enum confidence sniff_messages(struct slice bytes, bool request)
{
	struct pg_message message;
	int count = 0, sure = 0;
	bool ends = false;

	while (bytes.n && count < 8) {
		enum frame_status status = pg__header(bytes, request, &message);
		int fit;

		if (status == FRAME_BAD)
			return SNIFF_NO;
		if (status == FRAME_MORE)
			break;
		fit = fits(&message, request);
		if (!fit || (!message.content.n && message.n && count == 0 && bytes.n > PG_HEADER))
			return SNIFF_NO;
		sure += fit == 2;
		if (message.content.n < message.n)
			break;
		count++;
		ends = message.type == (request ? 'S' : 'Z');
		bytes = slice_from(bytes, PG_HEADER + (size_t)message.n);
	}
	/* one behind another, each of the length that it says */
	if (sure || (count >= 2 && ends) || count >= 4)
		return SNIFF_SURE;
	return count >= 1 ? SNIFF_FAIR : SNIFF_NEXT;
}

enum confidence pg__sniff(struct slice bytes, enum message_type *ret_type)
{
	enum confidence request, response;

	*ret_type = MESSAGE_REQUEST;
	if (!bytes.n)
		return SNIFF_MORE;
	if (!bytes.p[0])
		return sniff_start(bytes);
	request = sniff_messages(bytes, true);
	response = sniff_messages(bytes, false);
	if (response > request)
		*ret_type = MESSAGE_RESPONSE;
	else if (response == request)
		*ret_type = MESSAGE_EITHER;
	if (request == SNIFF_NO && response == SNIFF_NO)
		return SNIFF_NO;
	return response > request ? response : request;
}
