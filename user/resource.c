// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "resource.h"

#include <errno.h>
#include <stdlib.h>

#include "base/buf.h"

/* Bounds for decode: a recording may be made by an enemy. */
#define PAIRS_MAX (1u << 16)

struct resource *resource__new(void)
{
	struct resource *resource = calloc(1, sizeof(*resource));

	if (resource)
		resource->refs = 1;
	return resource;
}

struct resource *resource__ref(struct resource *resource)
{
	resource->refs++;
	return resource;
}

void resource__unref(struct resource *resource)
{
	if (!resource || --resource->refs)
		return;
	arena__release(&resource->text);
	free(resource);
}

static struct attr *find(const struct resource *resource, struct slice key)
{
	for (uint32_t i = 0; i < resource->count; i++) {
		if (slice_eq(resource->attrs[i].key, key))
			return (struct attr *)&resource->attrs[i];
	}
	return NULL;
}

/* The key is copied last, so that a failure leaves the resource as it was. */
static int put(struct resource *resource, struct slice key, struct attr attr)
{
	struct slice clean;

	if (!arena__text(&resource->text, key, &clean))
		return -ENOMEM;
	struct attr *to = find(resource, clean);

	if (!to && resource->count == RESOURCE_ATTRS_MAX)
		return -E2BIG;
	if (!to)
		to = &resource->attrs[resource->count++];
	attr.key = clean;
	*to = attr;
	return 0;
}

static int set_text(struct resource *resource, struct slice key, struct slice value)
{
	struct attr attr = { .type = ATTR_STRING };

	if (!arena__text(&resource->text, value, &attr.s))
		return -ENOMEM;
	return put(resource, key, attr);
}

static int set_list(struct resource *resource, struct slice key, const struct slice *values,
		    uint32_t count)
{
	struct slice *list = arena__take(&resource->text, count * sizeof(*list));

	if (!list)
		return -ENOMEM;
	for (uint32_t i = 0; i < count; i++) {
		if (!arena__text(&resource->text, values[i], &list[i]))
			return -ENOMEM;
	}
	return put(resource, key,
		   (struct attr){ .type = ATTR_STRINGS, .count = count, .list = list });
}

int resource__set(struct resource *resource, const char *key, struct slice value)
{
	return set_text(resource, slice_of(key), value);
}

int resource__set_int(struct resource *resource, const char *key, int64_t value)
{
	return put(resource, slice_of(key), (struct attr){ .type = ATTR_INT, .i = value });
}

int resource__set_list(struct resource *resource, const char *key, const struct slice *values,
		       uint32_t count)
{
	return set_list(resource, slice_of(key), values, count);
}

const struct attr *resource__get(const struct resource *resource, const char *key)
{
	return find(resource, slice_of(key));
}

struct slice resource__service_name(const struct resource *resource)
{
	const struct attr *name = resource ? resource__get(resource, "service.name") : NULL;

	if (name && name->type == ATTR_STRING && name->s.n)
		return name->s;
	return SLICE("unknown_service");
}

/* --- OTEL_RESOURCE_ATTRIBUTES ------------------------------------------------------------- */

static struct slice trim(struct slice s)
{
	while (s.n && (s.p[0] == ' ' || s.p[0] == '\t'))
		s = slice_from(s, 1);
	while (s.n && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
		s.n--;
	return s;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Appends s with its %XX resolved; false for a malformed escape. */
static bool percent_decode(struct slice s, struct buf *out)
{
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];

		if (c == '%') {
			int high = i + 2 < s.n ? hex_digit(s.p[i + 1]) : -1;
			int low = i + 2 < s.n ? hex_digit(s.p[i + 2]) : -1;

			if (high < 0 || low < 0)
				return false;
			c = (char)(high << 4 | low);
			i += 2;
		}
		buf__append(out, &c, 1);
	}
	return true;
}

/* One walk checks (resource NULL), a second one sets: an error must leave the resource alone. */
static int walk_pairs(struct slice pairs, struct resource *resource, struct buf *scratch)
{
	while (pairs.n) {
		const char *comma = memchr(pairs.p, ',', pairs.n);
		struct slice pair = slice(pairs.p, comma ? (size_t)(comma - pairs.p) : pairs.n);

		pairs = slice_from(pairs, pair.n + 1);
		pair = trim(pair);
		if (!pair.n)
			continue; /* "a=b," and "a=b,,c=d" are common and harmless */
		const char *equals = memchr(pair.p, '=', pair.n);
		struct slice key = trim(slice(pair.p, equals ? (size_t)(equals - pair.p) : 0));

		if (!key.n)
			return -EINVAL;
		buf__clear(scratch);
		if (!percent_decode(key, scratch))
			return -EINVAL;
		size_t key_n = scratch->n;

		if (!percent_decode(trim(slice_from(pair, (size_t)(equals - pair.p) + 1)), scratch))
			return -EINVAL;
		if (scratch->failed)
			return -ENOMEM;
		if (!resource)
			continue;
		int err = set_text(resource, slice(scratch->p, key_n),
				   slice_from(slice(scratch->p, scratch->n), key_n));

		if (err)
			return err;
	}
	return 0;
}

int resource__set_pairs(struct resource *resource, struct slice pairs)
{
	struct buf scratch = { 0 };
	int err = pairs.n > PAIRS_MAX ? -EINVAL : walk_pairs(pairs, NULL, &scratch);

	if (!err)
		err = walk_pairs(pairs, resource, &scratch);
	buf__release(&scratch);
	return err;
}

/* --- byte form: {u32 type, key, value}..., a text being {u32 length, bytes}; host byte order --- */

static void put_u32(struct buf *out, uint32_t value)
{
	buf__append(out, &value, sizeof(value));
}

static void put_text(struct buf *out, struct slice text)
{
	put_u32(out, (uint32_t)text.n);
	buf__append(out, text.p, text.n);
}

void resource__encode(const struct resource *resource, struct buf *out)
{
	for (uint32_t i = 0; i < resource->count; i++) {
		const struct attr *attr = &resource->attrs[i];

		put_u32(out, attr->type);
		put_text(out, attr->key);
		switch (attr->type) {
		case ATTR_STRING:
			put_text(out, attr->s);
			break;
		case ATTR_STRINGS:
			put_u32(out, attr->count);
			for (uint32_t j = 0; j < attr->count; j++)
				put_text(out, attr->list[j]);
			break;
		default: /* the setters make no other type than integers here */
			buf__append(out, &attr->i, sizeof(attr->i));
		}
	}
}

static bool take(struct slice *from, void *to, size_t n)
{
	if (from->n < n)
		return false;
	memcpy(to, from->p, n);
	*from = slice_from(*from, n);
	return true;
}

static bool take_text(struct slice *from, struct slice *ret)
{
	uint32_t n;

	if (!take(from, &n, sizeof(n)) || from->n < n)
		return false;
	*ret = slice(from->p, n);
	*from = slice_from(*from, n);
	return true;
}

static bool decode_list(struct slice *from, struct resource *resource, struct slice key)
{
	uint32_t count;
	struct slice *list;
	bool ok;

	/* each element has at least its length field: bounds the memory by the input */
	if (!take(from, &count, sizeof(count)) || count > from->n / sizeof(uint32_t))
		return false;
	list = calloc(count ? count : 1, sizeof(*list));
	ok = list;
	for (uint32_t i = 0; ok && i < count; i++)
		ok = take_text(from, &list[i]);
	ok = ok && !set_list(resource, key, list, count);
	free(list);
	return ok;
}

static bool decode_attr(struct slice *from, struct resource *resource)
{
	uint32_t type;
	struct slice key, text;
	int64_t value;

	if (!take(from, &type, sizeof(type)) || !take_text(from, &key) || !key.n)
		return false;
	switch (type) {
	case ATTR_STRING:
		return take_text(from, &text) && !set_text(resource, key, text);
	case ATTR_INT:
		return take(from, &value, sizeof(value)) &&
		       !put(resource, key, (struct attr){ .type = ATTR_INT, .i = value });
	case ATTR_STRINGS:
		return decode_list(from, resource, key);
	default:
		return false;
	}
}

struct resource *resource__decode(struct slice bytes)
{
	struct resource *resource = resource__new();

	while (resource && bytes.n) {
		if (!decode_attr(&bytes, resource)) {
			resource__unref(resource);
			return NULL;
		}
	}
	return resource;
}
