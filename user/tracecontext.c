// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Trace-context headers of six families. Forms that name no parent span (`b3: 0`, an X-Ray root
 * without Parent, a GCP trace without span) are no context here: a span cannot hang on them.
 */
#include "tracecontext.h"

#define TRACEPARENT_LEN 55
#define UBER_MAX	256 /* four ids, each ':' perhaps written as %3A */
#define STATE_MEMBERS	32
#define STATE_FIELDS	32
#define STATE_PART	256 /* characters of a key or of a value */
#define STATE_LONG	128 /* members longer than this go first when the list is cut */

#define FLAG_SAMPLED 0x01
#define FLAG_RANDOM  0x02

/* What a header said, before it is known to be whole. */
struct found {
	uint8_t trace_id[16];
	uint8_t span_id[8];
	uint8_t flags;
	bool sampled_known;
};

enum hex_case { HEX_LOWER, HEX_ANY };

static bool give(const struct found *found, struct remote_context *ret)
{
	static const uint8_t zero[16];

	if (!memcmp(found->trace_id, zero, 16) || !memcmp(found->span_id, zero, 8))
		return false;
	memcpy(ret->trace_id, found->trace_id, 16);
	memcpy(ret->span_id, found->span_id, 8);
	ret->trace_flags = found->flags;
	ret->sampled_known = found->sampled_known;
	ret->trace_state_len = 0;
	return true;
}

/* Takes everything before the first separator off the front (all, when there is none). */
static struct slice cut(struct slice *rest, char separator)
{
	const char *at = rest->n ? memchr(rest->p, separator, rest->n) : NULL;
	struct slice part = slice(rest->p, at ? (size_t)(at - rest->p) : rest->n);

	*rest = slice_from(*rest, part.n + (at ? 1 : 0));
	return part;
}

static int hex_digit(char c, enum hex_case letters)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (letters == HEX_ANY && c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* 1 to 2 * size digits, padded with zeros on the left */
static bool hex_id(struct slice text, enum hex_case letters, uint8_t *ret, size_t size)
{
	if (!text.n || text.n > 2 * size)
		return false;
	memset(ret, 0, size);
	for (size_t i = 0; i < text.n; i++) {
		int digit = hex_digit(text.p[text.n - 1 - i], letters);

		if (digit < 0)
			return false;
		ret[size - 1 - i / 2] |= (uint8_t)(i % 2 ? digit << 4 : digit);
	}
	return true;
}

static bool hex_exact(struct slice text, uint8_t *ret, size_t size)
{
	return text.n == 2 * size && hex_id(text, HEX_LOWER, ret, size);
}

/* --- W3C --------------------------------------------------------------------------------- */

bool traceparent__parse(struct slice value, struct remote_context *ret)
{
	struct found found = { .sampled_known = true };
	uint8_t version;

	value = slice_trim(value);
	if (value.n < TRACEPARENT_LEN || !hex_exact(slice(value.p, 2), &version, 1) ||
	    version == 0xff)
		return false;
	/* later versions may add to the end, behind a dash */
	if (value.n > TRACEPARENT_LEN && (version == 0 || value.p[TRACEPARENT_LEN] != '-'))
		return false;
	if (value.p[2] != '-' || value.p[35] != '-' || value.p[52] != '-' ||
	    !hex_exact(slice(value.p + 3, 32), found.trace_id, 16) ||
	    !hex_exact(slice(value.p + 36, 16), found.span_id, 8) ||
	    !hex_exact(slice(value.p + 53, 2), &found.flags, 1))
		return false;
	found.flags &= FLAG_SAMPLED | FLAG_RANDOM; /* the others have no meaning yet */
	return give(&found, ret);
}

/* Level 2 keys, of which Level 1's are a part */
static bool state_key(struct slice key)
{
	if (!key.n || key.n > STATE_PART)
		return false;
	for (size_t i = 0; i < key.n; i++) {
		char c = key.p[i];

		if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
		      (i && memchr("_-*/@", c, 5))))
			return false;
	}
	return true;
}

static bool state_value(struct slice value)
{
	if (!value.n || value.n > STATE_PART || value.p[value.n - 1] == ' ')
		return false;
	for (size_t i = 0; i < value.n; i++)
		if (value.p[i] < 0x20 || value.p[i] > 0x7e || value.p[i] == '=')
			return false;
	return true;
}

struct state_list {
	struct slice member[STATE_MEMBERS];
	size_t key[STATE_MEMBERS]; /* length of the key */
	unsigned int count;
	unsigned int seen; /* duplicates too */
};

/* The members of one header field; false when the whole list is to be dropped. */
static bool state_add(struct state_list *list, struct slice field)
{
	while (field.n) {
		struct slice member = slice_trim(cut(&field, ','));
		struct slice value = member;
		struct slice key;
		unsigned int i = 0;

		if (!member.n)
			continue;
		key = cut(&value, '=');
		if (++list->seen > STATE_MEMBERS || key.n == member.n || !state_key(key) ||
		    !state_value(value))
			return false;
		while (i < list->count && !slice_eq(slice(list->member[i].p, list->key[i]), key))
			i++;
		if (i < list->count)
			continue; /* a key that came before: the first one is kept */
		list->member[i] = member;
		list->key[i] = key.n;
		list->count++;
	}
	return true;
}

/* To TRACE_STATE_MAX by whole members: long ones first, then from the right. */
static void state_shorten(struct state_list *list)
{
	size_t total = 0;
	unsigned int i;

	for (i = 0; i < list->count; i++)
		total += list->member[i].n + (i > 0);
	for (i = list->count; i-- && total > TRACE_STATE_MAX;)
		if (list->member[i].n > STATE_LONG) {
			total -= list->member[i].n + 1;
			list->member[i].n = 0;
		}
	for (i = list->count; i-- && total > TRACE_STATE_MAX;)
		if (list->member[i].n) {
			total -= list->member[i].n + 1;
			list->member[i].n = 0;
		}
}

void tracestate__parse(const struct header_source *source, struct remote_context *ret)
{
	struct state_list list;
	struct slice field;
	size_t n = 0;

	ret->trace_state_len = 0;
	list.count = list.seen = 0;
	for (unsigned int i = 0; source->get(source->ctx, SLICE("tracestate"), i, &field); i++)
		if (i == STATE_FIELDS || !state_add(&list, field))
			return;
	state_shorten(&list);
	for (unsigned int i = 0; i < list.count; i++) {
		if (!list.member[i].n)
			continue;
		if (n)
			ret->trace_state[n++] = ',';
		memcpy(ret->trace_state + n, list.member[i].p, list.member[i].n);
		n += list.member[i].n;
	}
	ret->trace_state_len = (uint16_t)n;
}

/* --- B3 ---------------------------------------------------------------------------------- */

static bool b3_trace_id(struct slice text, uint8_t ret[16])
{
	return (text.n == 16 || text.n == 32) && hex_id(text, HEX_LOWER, ret, 16);
}

bool b3__parse(struct slice value, struct remote_context *ret)
{
	struct found found = { .flags = 0 };
	struct slice rest = slice_trim(value);
	struct slice state;
	uint8_t parent[8];

	if ((rest.n && rest.p[rest.n - 1] == '-') ||
	    !b3_trace_id(cut(&rest, '-'), found.trace_id) ||
	    !hex_exact(cut(&rest, '-'), found.span_id, 8))
		return false;
	if (rest.n) {
		state = cut(&rest, '-');
		if (state.n != 1 || !memchr("01d", state.p[0], 3))
			return false;
		found.sampled_known = true;
		found.flags = state.p[0] == '0' ? 0 : FLAG_SAMPLED; /* debug is sampled */
		if (rest.n && !hex_exact(rest, parent, 8))
			return false;
	}
	return give(&found, ret);
}

static bool b3_multi(const struct header_source *source, struct remote_context *ret)
{
	struct found found = { .flags = 0 };
	struct slice value;

	if (!source->get(source->ctx, SLICE("x-b3-traceid"), 0, &value) ||
	    !b3_trace_id(slice_trim(value), found.trace_id) ||
	    !source->get(source->ctx, SLICE("x-b3-spanid"), 0, &value) ||
	    !hex_exact(slice_trim(value), found.span_id, 8))
		return false;
	if (source->get(source->ctx, SLICE("x-b3-flags"), 0, &value) &&
	    slice_eq(slice_trim(value), SLICE("1"))) {
		found.sampled_known = true;
		found.flags = FLAG_SAMPLED;
	} else if (source->get(source->ctx, SLICE("x-b3-sampled"), 0, &value)) {
		value = slice_trim(value);
		if (slice_eq(value, SLICE("1")) || slice_ieq(value, SLICE("true"))) {
			found.sampled_known = true;
			found.flags = FLAG_SAMPLED;
		} else if (slice_eq(value, SLICE("0")) || slice_ieq(value, SLICE("false"))) {
			found.sampled_known = true;
		}
	}
	return give(&found, ret);
}

/* --- Jaeger, AWS X-Ray, Google Cloud ------------------------------------------------------- */

bool uber__parse(struct slice value, struct remote_context *ret)
{
	struct found found = { .sampled_known = true };
	char text[UBER_MAX];
	uint8_t parent[8], flags;
	struct slice rest, part;
	size_t n = 0;

	value = slice_trim(value);
	if (value.n > sizeof(text))
		return false;
	for (size_t i = 0; i < value.n; i++) {
		bool colon = value.n - i >= 3 && value.p[i] == '%' && value.p[i + 1] == '3' &&
			     (value.p[i + 2] | 0x20) == 'a';

		text[n++] = colon ? ':' : value.p[i];
		i += colon ? 2 : 0;
	}
	rest = slice(text, n);
	if (!hex_id(cut(&rest, ':'), HEX_ANY, found.trace_id, 16) ||
	    !hex_id(cut(&rest, ':'), HEX_ANY, found.span_id, 8))
		return false;
	part = cut(&rest, ':'); /* the parent is deprecated, and sent as 0 or not at all */
	if ((part.n && !hex_id(part, HEX_ANY, parent, 8)) || !hex_id(rest, HEX_ANY, &flags, 1))
		return false;
	found.flags = flags & 0x03 ? FLAG_SAMPLED : 0; /* 2: debug */
	return give(&found, ret);
}

static bool xray_root(struct slice value, uint8_t ret[16])
{
	return value.n == 35 && value.p[0] == '1' && value.p[1] == '-' && value.p[10] == '-' &&
	       hex_exact(slice(value.p + 2, 8), ret, 4) &&
	       hex_exact(slice(value.p + 11, 24), ret + 4, 12);
}

bool xray__parse(struct slice value, struct remote_context *ret)
{
	struct found found = { .flags = 0 };
	bool root = false, parent = false;

	while (value.n) {
		struct slice pair = slice_trim(cut(&value, ';'));
		struct slice key = slice_trim(cut(&pair, '='));

		pair = slice_trim(pair);
		if (slice_eq(key, SLICE("Root"))) {
			root = xray_root(pair, found.trace_id);
			if (!root)
				return false;
		} else if (slice_eq(key, SLICE("Parent"))) {
			parent = hex_exact(pair, found.span_id, 8);
			if (!parent)
				return false;
		} else if (slice_eq(key, SLICE("Sampled"))) {
			/* "?" asks the receiver to decide */
			found.sampled_known =
				slice_eq(pair, SLICE("1")) || slice_eq(pair, SLICE("0"));
			found.flags = slice_eq(pair, SLICE("1")) ? FLAG_SAMPLED : 0;
		}
	}
	return root && parent && give(&found, ret);
}

bool gcp__parse(struct slice value, struct remote_context *ret)
{
	struct found found = { .flags = 0 };
	struct slice options = slice_trim(value);
	struct slice ids = cut(&options, ';');
	uint64_t span = 0;

	if (!hex_exact(cut(&ids, '/'), found.trace_id, 16) || !ids.n)
		return false;
	for (size_t i = 0; i < ids.n; i++) {
		if (ids.p[i] < '0' || ids.p[i] > '9' || __builtin_mul_overflow(span, 10, &span) ||
		    __builtin_add_overflow(span, (uint64_t)(ids.p[i] - '0'), &span))
			return false;
	}
	for (int i = 7; i >= 0; i--, span >>= 8)
		found.span_id[i] = (uint8_t)span;
	if (slice_starts(options, SLICE("o="))) {
		options = slice_from(options, 2);
		found.sampled_known = options.n == 1 && options.p[0] >= '0' && options.p[0] <= '9';
		found.flags = found.sampled_known && (options.p[0] & 1) ? FLAG_SAMPLED : 0;
	}
	return give(&found, ret);
}

/* --- reading order ----------------------------------------------------------------------- */

bool tracecontext__extract(const struct header_source *source, struct remote_context *ret)
{
	static const struct {
		struct slice name;
		bool (*parse)(struct slice value, struct remote_context *ret);
	} others[] = {
		{ SLICE("uber-trace-id"), uber__parse },
		{ SLICE("x-amzn-trace-id"), xray__parse },
		{ SLICE("x-cloud-trace-context"), gcp__parse },
	};
	struct slice value, second;

	/* two fields of the name contradict each other and count as none */
	if (source->get(source->ctx, SLICE("traceparent"), 0, &value) &&
	    !source->get(source->ctx, SLICE("traceparent"), 1, &second) &&
	    traceparent__parse(value, ret)) {
		tracestate__parse(source, ret);
		return true;
	}
	if (source->get(source->ctx, SLICE("b3"), 0, &value) && b3__parse(value, ret))
		return true;
	if (b3_multi(source, ret))
		return true;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (source->get(source->ctx, others[i].name, 0, &value) &&
		    others[i].parse(value, ret))
			return true;
	return false;
}
