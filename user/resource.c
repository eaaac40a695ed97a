// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "resource.h"

#include <errno.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/pairs.h"

#define PAIRS_MAX (1u << 16) /* bytes of OTEL_RESOURCE_ATTRIBUTES of any process */

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

/* One walk checks (resource NULL), a second one sets: an error must leave the resource alone. */
static int walk_pairs(struct slice pairs, struct resource *resource, struct buf *scratch)
{
	struct slice key, value;
	int more;

	while ((more = pairs__next(&pairs, scratch, &key, &value)) > 0) {
		int err = resource ? set_text(resource, key, value) : 0;

		if (err)
			return err;
	}
	return more;
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

static bool in_list(struct slice key, const char *const *list)
{
	while (*list && !slice_eq(key, slice_of(*list)))
		list++;
	return *list;
}

struct resource *resource__copy(const struct resource *from, const char *const *without)
{
	struct resource *resource = resource__new();
	int err = resource ? 0 : -ENOMEM;

	for (uint32_t i = 0; !err && i < from->count; i++) {
		const struct attr *attr = &from->attrs[i];

		if (in_list(attr->key, without))
			continue;
		if (attr->type == ATTR_STRING)
			err = set_text(resource, attr->key, attr->s);
		else if (attr->type == ATTR_STRINGS)
			err = set_list(resource, attr->key, attr->list, attr->count);
		else
			err = put(resource, attr->key, *attr);
	}
	if (!err)
		return resource;
	resource__unref(resource);
	return NULL;
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
