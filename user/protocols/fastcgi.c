// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * FastCGI 1.0 (the FastCGI specification of Open Market, 1996): what nginx and Apache speak to
 * PHP-FPM and the like. A request is BEGIN_REQUEST, PARAMS up to an empty one, STDIN up to an empty
 * one; a response STDOUT and STDERR up to END_REQUEST. The output begins with a CGI header (RFC 3875
 * section 6). Servers that carry several requests at a time on a connection are not known to exist;
 * messages are paired in order.
 */
#include "fastcgi.h"

#include <string.h>

struct fastcgi_state {
	bool within[2]; /* [true]: requests; behind the first frame of a message */
};

static uint32_t be16(const char *p)
{
	return (uint32_t)(uint8_t)p[0] << 8 | (uint8_t)p[1];
}

bool fastcgi__record(struct slice bytes, struct fastcgi_record *ret)
{
	ret->type = (uint8_t)bytes.p[1];
	ret->id = (uint16_t)be16(bytes.p + 2);
	ret->content = be16(bytes.p + 4);
	ret->padding = (uint8_t)bytes.p[6];
	/* id 0 is for management, which has no part in a request */
	return bytes.p[0] == 1 && ret->type >= FASTCGI_BEGIN && ret->type <= FASTCGI_DATA &&
	       ret->id;
}

/* --- parameters ------------------------------------------------------------------------------ */

struct fastcgi_pairs fastcgi_pairs__of(struct slice head)
{
	return (struct fastcgi_pairs){ .head = head };
}

/* To the next record of parameters; false: there is none. */
static bool next_record(struct fastcgi_pairs *pairs)
{
	struct fastcgi_record record;

	while (pairs->next + FASTCGI_HEADER <= pairs->head.n) {
		size_t content = pairs->next + FASTCGI_HEADER;

		if (!fastcgi__record(slice_from(pairs->head, pairs->next), &record))
			return false;
		pairs->next = content + record.content + record.padding;
		if (record.type != FASTCGI_PARAMS || !record.content)
			continue;
		pairs->at = content;
		pairs->record_end = content + record.content;
		return pairs->record_end <= pairs->head.n;
	}
	return false;
}

/* A length of one byte or four, section 3.4; false: it is cut off. */
static bool length(struct fastcgi_pairs *pairs, size_t *ret)
{
	const char *p = pairs->head.p + pairs->at;
	size_t left = pairs->record_end - pairs->at;

	if (!left)
		return false;
	if (!(p[0] & 0x80)) {
		*ret = (uint8_t)p[0];
		pairs->at++;
		return true;
	}
	if (left < 4)
		return false;
	*ret = (size_t)(be16(p) & 0x7fff) << 16 | be16(p + 2);
	pairs->at += 4;
	return true;
}

bool fastcgi_pairs__next(struct fastcgi_pairs *pairs, struct slice *ret_name,
			 struct slice *ret_value)
{
	size_t name, value;

	/* what a pair that is cut leaves of the next record cannot be told from pairs: no more then */
	if (pairs->at == pairs->record_end && !next_record(pairs))
		return false;
	if (!length(pairs, &name) || !length(pairs, &value) ||
	    pairs->record_end - pairs->at < name || pairs->record_end - pairs->at - name < value) {
		pairs->at = pairs->record_end = 0;
		pairs->next = pairs->head.n;
		return false;
	}
	*ret_name = slice(pairs->head.p + pairs->at, name);
	*ret_value = slice(pairs->head.p + pairs->at + name, value);
	pairs->at += name + value;
	return true;
}

static void find_params(struct slice head, struct fastcgi_facts *facts)
{
	static const struct slice names[FASTCGI_PARAM_COUNT] = {
#define FASTCGI_PARAM(id, name) [FASTCGI_##id] = SLICE(name),
		FASTCGI_PARAM_LIST(FASTCGI_PARAM)
#undef FASTCGI_PARAM
	};
	struct fastcgi_pairs pairs = fastcgi_pairs__of(head);
	struct slice name, value;

	while (fastcgi_pairs__next(&pairs, &name, &value)) {
		for (int i = 0; i < FASTCGI_PARAM_COUNT; i++) {
			if (!slice_eq(name, names[i]))
				continue;
			facts->at[i] = (uint32_t)(value.p - head.p);
			facts->n[i] = (uint32_t)value.n;
		}
	}
}

/* "traceparent" is HTTP_TRACEPARENT, RFC 3875 section 4.1.18 */
static bool is_header(struct slice param, struct slice name)
{
	if (param.n != name.n + 5 || memcmp(param.p, "HTTP_", 5) != 0)
		return false;
	for (size_t i = 0; i < name.n; i++) {
		char c = name.p[i];

		if (c >= 'a' && c <= 'z')
			c = (char)(c - 'a' + 'A');
		if (param.p[5 + i] != (c == '-' ? '_' : c))
			return false;
	}
	return true;
}

bool fastcgi__header(const struct message *message, struct slice name, unsigned int n,
		     struct slice *ret_value)
{
	struct fastcgi_pairs pairs = fastcgi_pairs__of(message->head);
	struct slice param, value;

	if (message->type != MESSAGE_REQUEST)
		return false;
	while (fastcgi_pairs__next(&pairs, &param, &value)) {
		if (!is_header(param, name) || n--)
			continue;
		*ret_value = value;
		return true;
	}
	return false;
}

/* --- frames ---------------------------------------------------------------------------------- */

/* BEGIN_REQUEST and all PARAMS: one head. */
static enum frame_status request_head(struct slice bytes, struct fastcgi_facts *facts,
				      struct frame *ret)
{
	struct fastcgi_record record = { 0 };
	size_t at = 0;

	for (bool first = true;; first = false) {
		if (bytes.n - at < FASTCGI_HEADER)
			break;
		if (!fastcgi__record(slice_from(bytes, at), &record) ||
		    record.type != (first ? FASTCGI_BEGIN : FASTCGI_PARAMS) ||
		    (first && record.content != 8))
			return FRAME_BAD;
		if (bytes.n - at - FASTCGI_HEADER < record.content + record.padding)
			break;
		at += FASTCGI_HEADER + record.content + record.padding;
		if (at > FASTCGI_HEAD_MAX)
			return FRAME_BAD;
		if (first || record.content)
			continue;
		*facts = (struct fastcgi_facts){ 0 };
		find_params(slice(bytes.p, at), facts);
		*ret = (struct frame){
			.head = at, .first = true, .wants_all = true, .type = MESSAGE_REQUEST
		};
		return FRAME_OK;
	}
	return bytes.n < FASTCGI_HEAD_MAX ? FRAME_MORE : FRAME_BAD;
}

/* A record whose content is only counted. */
static enum frame_status pass(struct slice bytes, const struct fastcgi_record *record,
			      uint64_t payload, bool last, struct frame *ret)
{
	*ret = (struct frame){ .head = FASTCGI_HEADER,
			       .body = record->content + record->padding,
			       .payload = payload,
			       .last = last,
			       .quiet_worthy = record->content > 0,
			       .wants_all = !last };
	return FRAME_OK;
}

static enum frame_status request_rest(struct slice bytes, struct frame *ret)
{
	struct fastcgi_record record;

	if (bytes.n < FASTCGI_HEADER)
		return FRAME_MORE;
	if (!fastcgi__record(bytes, &record))
		return FRAME_BAD;
	switch (record.type) {
	case FASTCGI_STDIN:
		return pass(bytes, &record, record.content, !record.content, ret);
	case FASTCGI_DATA:
		return pass(bytes, &record, record.content, false, ret);
	case FASTCGI_ABORT:
		return pass(bytes, &record, 0, true, ret);
	default:
		return FRAME_BAD;
	}
}

/* Bytes of the CGI header with its empty line; 0: not all of it is there. */
static size_t cgi_end(struct slice text)
{
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] != '\n')
			continue;
		if (i + 1 < text.n && text.p[i + 1] == '\n')
			return i + 2;
		if (i + 2 < text.n && text.p[i + 1] == '\r' && text.p[i + 2] == '\n')
			return i + 3;
	}
	return 0;
}

/* The status that a CGI header tells: RFC 3875 section 6.3.3; without one 200, or 302 of a Location
 * that names a host (section 6.3.2). */
static uint16_t cgi_status(struct slice header)
{
	uint16_t status = 200;

	while (header.n) {
		const char *lf = memchr(header.p, '\n', header.n);
		struct slice line = slice(header.p, lf ? (size_t)(lf - header.p) : header.n);

		header = slice_from(header, line.n + 1);
		if (line.n >= 11 && slice_ieq(slice(line.p, 8), SLICE("status: "))) {
			unsigned int code = 0;

			for (int i = 8; i < 11; i++) {
				if (line.p[i] < '0' || line.p[i] > '9')
					return 0;
				code = code * 10 + (unsigned int)(line.p[i] - '0');
			}
			return (uint16_t)code;
		}
		if (line.n > 10 && slice_ieq(slice(line.p, 10), SLICE("location: ")) &&
		    line.p[10] != '/')
			status = 302;
	}
	return status;
}

/* What came on STDERR first belongs to the head: the status stands behind it. */
static enum frame_status response_head(struct slice bytes, struct fastcgi_facts *facts,
				       struct frame *ret)
{
	struct fastcgi_record record = { 0 };
	struct slice text;
	size_t at = 0, end;

	for (;;) {
		if (bytes.n - at < FASTCGI_HEADER)
			return FRAME_MORE;
		if (!fastcgi__record(slice_from(bytes, at), &record))
			return FRAME_BAD;
		if (record.type == FASTCGI_STDOUT && record.content)
			break;
		if (record.type != FASTCGI_STDERR && record.type != FASTCGI_STDOUT &&
		    record.type != FASTCGI_END)
			return FRAME_BAD;
		if (record.type == FASTCGI_END || /* no output at all, or too much on STDERR */
		    at + FASTCGI_HEADER + record.content > FASTCGI_CGI_MAX) {
			*facts = (struct fastcgi_facts){ 0 };
			pass(bytes, &record, 0, record.type == FASTCGI_END, ret);
			ret->head += at;
			ret->first = true;
			ret->type = MESSAGE_RESPONSE;
			return FRAME_OK;
		}
		if (bytes.n - at - FASTCGI_HEADER < record.content + record.padding)
			return FRAME_MORE;
		at += FASTCGI_HEADER + record.content + record.padding;
	}
	text = slice_from(bytes, at + FASTCGI_HEADER);
	if (text.n > record.content)
		text.n = record.content;
	if (text.n > FASTCGI_CGI_MAX)
		text.n = FASTCGI_CGI_MAX;
	end = cgi_end(text);
	if (!end && text.n < record.content && text.n < FASTCGI_CGI_MAX)
		return FRAME_MORE;
	*facts = (struct fastcgi_facts){ .status = end ? cgi_status(slice(text.p, end)) : 0 };
	*ret = (struct frame){ .head = at + FASTCGI_HEADER + end,
			       .body = record.content - end + record.padding,
			       .payload = record.content - end,
			       .quiet_worthy = record.content > end,
			       .first = true,
			       .wants_all = true,
			       .type = MESSAGE_RESPONSE };
	return FRAME_OK;
}

static enum frame_status response_rest(struct slice bytes, struct frame *ret)
{
	struct fastcgi_record record;

	if (bytes.n < FASTCGI_HEADER)
		return FRAME_MORE;
	if (!fastcgi__record(bytes, &record))
		return FRAME_BAD;
	switch (record.type) {
	case FASTCGI_STDOUT:
		return pass(bytes, &record, record.content, false, ret);
	case FASTCGI_STDERR:
		return pass(bytes, &record, 0, false, ret);
	case FASTCGI_END:
		return pass(bytes, &record, 0, true, ret);
	default:
		return FRAME_BAD;
	}
}

static enum frame_status frame(struct slice bytes, bool request, void *state, void *facts,
			       struct frame *ret_frame)
{
	struct fastcgi_state *fastcgi = state;
	enum frame_status status;

	if (fastcgi->within[request])
		status = request ? request_rest(bytes, ret_frame) : response_rest(bytes, ret_frame);
	else
		status = request ? request_head(bytes, facts, ret_frame) :
				   response_head(bytes, facts, ret_frame);
	if (status == FRAME_OK)
		fastcgi->within[request] = !ret_frame->last;
	return status;
}

static void resync(void *state, bool request)
{
	((struct fastcgi_state *)state)->within[request] = false;
}

/* --- sniff ----------------------------------------------------------------------------------- */

static enum confidence sniff_request(struct slice bytes)
{
	/* version, BEGIN_REQUEST, any id, 8 bytes of content; role 1 to 3, keep or not, reserved */
	static const int form[16] = { 1, 1, -1, -1, 0, 8, -1, 0, 0, -1, -1, 0, 0, 0, 0, 0 };

	for (size_t i = 0; i < bytes.n && i < 16; i++)
		if (form[i] >= 0 && (uint8_t)bytes.p[i] != form[i])
			return SNIFF_NO;
	if (bytes.n >= 16 && (bytes.p[9] < 1 || bytes.p[9] > 3 || (bytes.p[10] & ~1) ||
			      (!bytes.p[2] && !bytes.p[3])))
		return SNIFF_NO;
	return bytes.n >= 16 ? SNIFF_SURE : SNIFF_MORE;
}

/* Output that begins with a field of a CGI header. */
static enum confidence sniff_response(struct slice bytes)
{
	struct fastcgi_record record;
	size_t at = FASTCGI_HEADER;

	if (bytes.p[0] != 1 || (bytes.n > 1 && bytes.p[1] != FASTCGI_STDOUT))
		return SNIFF_NO;
	if (bytes.n < FASTCGI_HEADER)
		return SNIFF_MORE;
	if (!fastcgi__record(bytes, &record) || bytes.p[7] || record.content < 4)
		return SNIFF_NO;
	while (at < bytes.n && at < FASTCGI_HEADER + 40 &&
	       ((bytes.p[at] | 0x20) >= 'a' && (bytes.p[at] | 0x20) <= 'z' ? true :
									     bytes.p[at] == '-'))
		at++;
	if (at == bytes.n)
		return SNIFF_MORE;
	return at > FASTCGI_HEADER && bytes.p[at] == ':' ? SNIFF_SURE : SNIFF_NO;
}

static enum confidence sniff(struct slice bytes, enum message_type *ret_type)
{
	enum confidence request, response;

	*ret_type = MESSAGE_REQUEST;
	if (!bytes.n)
		return SNIFF_MORE;
	request = sniff_request(bytes);
	response = sniff_response(bytes);
	if (response > request)
		*ret_type = MESSAGE_RESPONSE;
	return response > request ? response : request;
}

const struct protocol fastcgi_protocol = {
	.name = "fastcgi",
	.id = PROTOCOL_FASTCGI,
	.state_size = sizeof(struct fastcgi_state),
	.facts_size = sizeof(struct fastcgi_facts),
	.sniff = sniff,
	.frame = frame,
	.resync = resync,
	.header = fastcgi__header,
	.describe = fastcgi__describe,
};
