// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * HTTP/1 heads: start line and field lines, RFC 9112 sections 2 to 5. What a server would refuse
 * and a tracer need not (spaces in a target, a bare CR in a value) passes; what makes two readers
 * disagree about where a field ends (folded lines, a space before the colon, NUL) does not.
 */
#include "http1.h"

/* tchar of RFC 9110 section 5.6.2 */
static const bool tchar[256] = {
	['!'] = 1, ['#'] = 1, ['$'] = 1, ['%'] = 1,	    ['&'] = 1,	       ['\''] = 1,
	['*'] = 1, ['+'] = 1, ['-'] = 1, ['.'] = 1,	    ['^'] = 1,	       ['_'] = 1,
	['`'] = 1, ['|'] = 1, ['~'] = 1, ['0' ... '9'] = 1, ['A' ... 'Z'] = 1, ['a' ... 'z'] = 1,
};

static const struct slice field_names[HTTP1_FIELD_COUNT] = {
#define HTTP1_FIELD(id, name) [HTTP1_##id] = { name, sizeof(name) - 1 },
	HTTP1_FIELD_LIST(HTTP1_FIELD)
#undef HTTP1_FIELD
};

size_t http1_head__token(struct slice bytes)
{
	size_t n = 0;

	while (n < bytes.n && tchar[(uint8_t)bytes.p[n]])
		n++;
	return n;
}

/* lower has no capitals; name is a token, for which setting bit 5 folds case and nothing else */
static bool name_eq(const char *name, struct slice lower)
{
	for (size_t i = 0; i < lower.n; i++)
		if ((name[i] | 0x20) != lower.p[i] && name[i] != lower.p[i])
			return false;
	return true;
}

static enum http1_field field_id(struct slice name)
{
	/* names that share a length stand together in the list */
	static const uint8_t first[] = {
		[2] = HTTP1_B3 + 1,
		[4] = HTTP1_HOST + 1,
		[9] = HTTP1_FORWARDED + 1,
		[10] = HTTP1_USER_AGENT + 1,
		[11] = HTTP1_TRACEPARENT + 1,
		[12] = HTTP1_B3_TRACEID + 1,
		[13] = HTTP1_UBER + 1,
		[14] = HTTP1_CONTENT_LENGTH + 1,
		[15] = HTTP1_X_FORWARDED_FOR + 1,
		[16] = HTTP1_X_FORWARDED_HOST + 1,
		[17] = HTTP1_X_FORWARDED_PROTO + 1,
		[21] = HTTP1_GCP + 1,
	};

	if (name.n >= sizeof(first) || !first[name.n])
		return HTTP1_FIELD_OTHER;
	for (int id = first[name.n] - 1; id < HTTP1_FIELD_COUNT; id++) {
		if (field_names[id].n != name.n)
			break;
		if (name_eq(name.p, field_names[id]))
			return id;
	}
	return HTTP1_FIELD_OTHER;
}

/* Takes the next line off the front, without its end; a bare LF ends one too (section 2.2). */
static bool next_line(struct slice *rest, struct slice *ret_line)
{
	const char *lf = rest->n ? memchr(rest->p, '\n', rest->n) : NULL;

	if (!lf)
		return false;
	*ret_line = slice(rest->p, (size_t)(lf - rest->p));
	*rest = slice_from(*rest, ret_line->n + 1);
	if (ret_line->n && ret_line->p[ret_line->n - 1] == '\r')
		ret_line->n--;
	return true;
}

size_t http1_head__blank(struct slice bytes)
{
	size_t n = 0;

	for (int i = 0; i < HTTP1_BLANK_MAX && n < bytes.n; i++) {
		if (bytes.p[n] == '\n')
			n++;
		else if (bytes.p[n] == '\r' && n + 1 < bytes.n && bytes.p[n + 1] == '\n')
			n += 2;
		else
			break;
	}
	return n;
}

bool http1_head__version(struct slice text, uint8_t *ret_minor)
{
	if (text.n < 8 || memcmp(text.p, "HTTP/1.", 7) != 0 || text.p[7] < '0' || text.p[7] > '9')
		return false;
	*ret_minor = (uint8_t)(text.p[7] - '0');
	return true;
}

static struct http1_ref ref_of(struct slice head, struct slice part)
{
	return (struct http1_ref){ (uint16_t)(part.p - head.p), (uint16_t)part.n };
}

/* request-line = method SP request-target SP HTTP-version, section 3 */
static bool request_line(struct slice head, struct slice line, struct http1_facts *facts)
{
	struct slice method = slice(line.p, http1_head__token(line));

	if (!method.n || method.n > HTTP1_METHOD_MAX || method.n == line.n ||
	    line.p[method.n] != ' ')
		return false;

	struct slice rest = slice_trim(slice_from(line, method.n + 1));

	if (rest.n < 10 || rest.p[rest.n - 9] != ' ' ||
	    !http1_head__version(slice(rest.p + rest.n - 8, 8), &facts->minor))
		return false;

	struct slice target = slice_trim(slice(rest.p, rest.n - 9));

	if (!target.n)
		return false;
	for (size_t i = 0; i < target.n; i++)
		if ((uint8_t)target.p[i] < ' ' || target.p[i] == 0x7f)
			return false;
	facts->method = ref_of(head, method);
	facts->target = ref_of(head, target);
	/* methods are case-sensitive, RFC 9110 section 9.1 */
	if (slice_eq(method, SLICE("HEAD")))
		facts->method_id = HTTP1_METHOD_HEAD;
	else if (slice_eq(method, SLICE("CONNECT")))
		facts->method_id = HTTP1_METHOD_CONNECT;
	return true;
}

/* status-line = HTTP-version SP status-code SP [reason]; the last SP is often left out */
static bool status_line(struct slice line, struct http1_facts *facts)
{
	if (line.n < 12 || !http1_head__version(line, &facts->minor) || line.p[8] != ' ')
		return false;
	facts->status = 0;
	for (int i = 9; i < 12; i++) {
		if (line.p[i] < '0' || line.p[i] > '9')
			return false;
		facts->status = (uint16_t)(facts->status * 10 + (line.p[i] - '0'));
	}
	if (line.n > 12 && line.p[12] != ' ')
		return false;
	return facts->status >= 100;
}

/* Content-Length = 1*DIGIT; a list of equal numbers counts as one, section 6.3 rule 5 */
static void take_length(struct slice value, struct http1_facts *facts)
{
	struct slice rest = value;

	do {
		const char *comma = rest.n ? memchr(rest.p, ',', rest.n) : NULL;
		struct slice digits =
			slice_trim(slice(rest.p, comma ? (size_t)(comma - rest.p) : rest.n));
		uint64_t length = 0;
		bool good = digits.n > 0;

		for (size_t i = 0; i < digits.n && good; i++) {
			good = digits.p[i] >= '0' && digits.p[i] <= '9' &&
			       length <= (INT64_MAX - 9) / 10;
			length = length * 10 + (uint64_t)(digits.p[i] - '0');
		}
		if (!good ||
		    ((facts->lengths & HTTP1_HAS_LENGTH) && length != facts->content_length)) {
			facts->lengths |= HTTP1_BAD_LENGTH;
			return;
		}
		facts->lengths |= HTTP1_HAS_LENGTH;
		facts->content_length = length;
		if (!comma)
			return;
		rest = slice_from(rest, (size_t)(comma - rest.p) + 1);
	} while (true);
}

/* The codings of all Transfer-Encoding fields are one list; only its last one frames the body. */
static void take_coding(struct slice value, struct http1_facts *facts)
{
	struct slice last;
	const char *comma;

	value = slice_trim(value);
	/* empty elements do not count, RFC 9110 section 5.6.1 */
	while (value.n && value.p[value.n - 1] == ',')
		value = slice_trim(slice(value.p, value.n - 1));
	if (!value.n)
		return;
	facts->lengths |= HTTP1_HAS_CODING;
	comma = memrchr(value.p, ',', value.n);
	last = comma ? slice_trim(slice_from(value, (size_t)(comma - value.p) + 1)) : value;
	if (slice_ieq(last, SLICE("chunked")))
		facts->lengths |= HTTP1_CHUNKED;
	else
		facts->lengths &= (uint8_t)~HTTP1_CHUNKED;
}

/* field-line = field-name ":" OWS field-value OWS, section 5 */
static bool split_field(struct slice line, bool request, struct slice *ret_name,
			struct slice *ret_value)
{
	size_t n = http1_head__token(line);
	size_t colon = n;

	/* section 5.1: white space before the colon is refused in requests, dropped in responses */
	while (!request && colon < line.n && (line.p[colon] == ' ' || line.p[colon] == '\t'))
		colon++;
	if (!n || colon == line.n || line.p[colon] != ':')
		return false;
	*ret_name = slice(line.p, n);
	*ret_value = slice_trim(slice_from(line, colon + 1));
	return true;
}

static void take_field(struct slice head, struct slice name, struct slice value,
		       struct http1_facts *facts)
{
	enum http1_field id = field_id(name);

	if (id == HTTP1_FIELD_OTHER)
		return;
	if (id == HTTP1_CONTENT_LENGTH)
		take_length(value, facts);
	else if (id == HTTP1_TRANSFER_ENCODING)
		take_coding(value, facts);
	if (facts->present & 1u << id) {
		facts->repeated |= 1u << id;
		return;
	}
	facts->present |= 1u << id;
	facts->field[id] = ref_of(head, value);
}

bool http1_head__parse(struct slice head, bool request, struct http1_facts *ret_facts)
{
	struct slice rest = slice_from(head, request ? http1_head__blank(head) : 0);
	struct slice line, name, value;

	*ret_facts = (struct http1_facts){ 0 };
	if (head.n > HTTP1_HEAD_MAX || !next_line(&rest, &line) || memchr(head.p, 0, head.n))
		return false;
	if (request ? !request_line(head, line, ret_facts) : !status_line(line, ret_facts))
		return false;
	ret_facts->fields_at = (uint16_t)(rest.p - head.p);
	while (next_line(&rest, &line)) {
		if (!line.n)
			break;
		/* obs-fold begins with white space and is no token: refused here, section 5.2 */
		if (!split_field(line, request, &name, &value))
			return false;
		take_field(head, name, value, ret_facts);
	}
	/* section 6.1: a coding makes a length, or version 1.0, suspicious */
	if ((ret_facts->lengths & HTTP1_BAD_LENGTH) ||
	    ((ret_facts->lengths & HTTP1_HAS_CODING) &&
	     ((ret_facts->lengths & HTTP1_HAS_LENGTH) || ret_facts->minor == 0 ||
	      (request && !(ret_facts->lengths & HTTP1_CHUNKED)))))
		ret_facts->lengths |= HTTP1_CONTRADICTS;
	return true;
}

bool http1_head__header(const struct message *message, struct slice name, unsigned int n,
			struct slice *ret_value)
{
	const struct http1_facts *facts = (const struct http1_facts *)message->facts;
	enum http1_field id = field_id(name);
	struct slice line, found, value;
	struct slice rest;

	if (!message->head.n || !name.n)
		return false;
	if (id != HTTP1_FIELD_OTHER) {
		if (!(facts->present & 1u << id) || (n && !(facts->repeated & 1u << id)))
			return false;
		if (!n) {
			*ret_value = http1__ref(message->head, facts->field[id]);
			return true;
		}
	}
	rest = slice_from(message->head, facts->fields_at);
	while (next_line(&rest, &line) && line.n) {
		if (!split_field(line, false, &found, &value) || found.n != name.n ||
		    !name_eq(found.p, name) || n--)
			continue;
		*ret_value = value;
		return true;
	}
	return false;
}
