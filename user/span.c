// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "span.h"

#include "base/pool.h"
#include "base/utf8.h"
#include "resource.h"

/* Spans come and go by the batch; one thread makes and frees them all. */
#define SPANS_KEPT 1024

static struct pool spans = { .size = sizeof(struct span), .keep = SPANS_KEPT };

struct span *span__new(struct resource *resource)
{
	struct span *span = pool__get(&spans);

	if (!span)
		return NULL;
	/* The attributes and the text, nine tenths of it, are only valid up to their counts. */
	memset(span, 0, offsetof(struct span, attrs));
	span->more = (struct arena){ 0 };
	span->text_used = 0;
	span->refs = 1;
	span->kind = SPAN_INTERNAL;
	span->resource = resource ? resource__ref(resource) : NULL;
	return span;
}

struct span *span__ref(struct span *span)
{
	span->refs++;
	return span;
}

void span__unref(struct span *span)
{
	if (!span || --span->refs)
		return;
	resource__unref(span->resource);
	arena__release(&span->more);
	pool__put(&spans, span);
}

static bool copy_text(struct span *span, struct slice text, struct slice *ret)
{
	*ret = slice(span->text, 0);
	if (!text.n)
		return true;
	if (text.n > SPAN_TEXT_INLINE - span->text_used || utf8__valid(text) != text.n)
		return arena__text(&span->more, text, ret);
	*ret = slice(span->text + span->text_used, text.n);
	memcpy(span->text + span->text_used, text.p, text.n);
	span->text_used += text.n;
	return true;
}

struct slice span__text(struct span *span, struct slice text)
{
	struct slice copy;

	copy_text(span, text, &copy);
	return copy;
}

static struct attr *find(const struct span *span, struct slice key)
{
	for (uint32_t i = 0; i < span->attr_count; i++) {
		if (slice_eq(span->attrs[i].key, key))
			return (struct attr *)&span->attrs[i];
	}
	return NULL;
}

static void put(struct span *span, const struct attr *attr)
{
	struct attr *to = find(span, attr->key);

	if (!to && span->attr_count == SPAN_ATTRS_MAX) {
		span->attr_dropped++;
		return;
	}
	if (!to)
		to = &span->attrs[span->attr_count++];
	*to = *attr;
}

/* Over the limit, nothing is copied in vain. */
static bool has_room(struct span *span, struct slice key)
{
	if (span->attr_count < SPAN_ATTRS_MAX || find(span, key))
		return true;
	span->attr_dropped++;
	return false;
}

void span__set(struct span *span, const char *key, struct slice value)
{
	struct attr attr = { .key = slice_of(key), .type = ATTR_STRING };

	if (!has_room(span, attr.key))
		return;
	if (copy_text(span, value, &attr.s))
		put(span, &attr);
	else
		span->attr_dropped++;
}

void span__set_int(struct span *span, const char *key, int64_t value)
{
	put(span, &(struct attr){ .key = slice_of(key), .type = ATTR_INT, .i = value });
}

void span__set_bool(struct span *span, const char *key, bool value)
{
	put(span, &(struct attr){ .key = slice_of(key), .type = ATTR_BOOL, .b = value });
}

void span__set_list(struct span *span, struct slice key, const struct slice *values, uint32_t count)
{
	struct attr attr = { .type = ATTR_STRINGS, .count = count };

	if (!has_room(span, key))
		return;
	struct slice *list = arena__take(&span->more, count * sizeof(*list));
	bool ok = list && copy_text(span, key, &attr.key);

	for (uint32_t i = 0; ok && i < count; i++)
		ok = copy_text(span, values[i], &list[i]);
	if (!ok) {
		span->attr_dropped++;
		return;
	}
	attr.list = list;
	put(span, &attr);
}

const struct attr *span__get(const struct span *span, const char *key)
{
	return find(span, slice_of(key));
}

size_t span__memory(const struct span *span)
{
	return sizeof(*span) + span->more.bytes;
}
