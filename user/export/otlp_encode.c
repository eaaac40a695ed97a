// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * A batch as the bytes of an ExportTraceServiceRequest.
 *
 * protobuf-c packs a tree of C structs. Building that tree for a whole batch would touch a
 * megabyte, and its size pass costs as much as the packing: so each span is packed on its own, from
 * one scratch tree that stays in the cache, into room that is reckoned from above, and the
 * few envelopes around the spans are framed here. Nothing is allocated per attribute.
 */
#include <errno.h>

#include "export.h"
#include "export/group.h"
#include "resource.h"
#include "trace.pb-c.h"

#define ATTRS_MAX 128

_Static_assert(SPAN_ATTRS_MAX <= ATTRS_MAX && RESOURCE_ATTRS_MAX <= ATTRS_MAX &&
		       SCOPE_ATTRS_MAX <= ATTRS_MAX,
	       "scratch holds the attributes of a span, a resource or the scope");

/* Upper bounds of what a field adds beside its text: a tag of up to two bytes and a length or
 * number of up to ten. KeyValue{key, AnyValue{value}} nests three of them, a list one more. */
#define FIELD_ROOM 12
#define ATTR_ROOM  (5 * FIELD_ROOM)
#define SPAN_ROOM  (20 * FIELD_ROOM + 16 + 8 + 8)

struct scratch {
	Otlp__KeyValue pairs[ATTRS_MAX];
	Otlp__AnyValue values[ATTRS_MAX];
	Otlp__KeyValue *pair_list[ATTRS_MAX];
	struct arena lists; /* elements of string lists */
};

static ProtobufCBinaryData text(struct slice s)
{
	return (ProtobufCBinaryData){ .len = s.n, .data = (uint8_t *)(uintptr_t)s.p };
}

static ProtobufCBinaryData id(const uint8_t *p, size_t n)
{
	return (ProtobufCBinaryData){ .len = n, .data = (uint8_t *)(uintptr_t)p };
}

/* Adds to *room what the list may take. */
static int build_list(struct scratch *scratch, const struct attr *attr, Otlp__AnyValue *value,
		      size_t *room)
{
	Otlp__ArrayValue *array = arena__take(&scratch->lists, sizeof(*array));
	Otlp__AnyValue *items = arena__take(&scratch->lists, attr->count * sizeof(*items));
	Otlp__AnyValue **list = arena__take(&scratch->lists, attr->count * sizeof(*list));

	if (!array || !items || !list)
		return -ENOMEM;
	otlp__array_value__init(array);
	array->n_values = attr->count;
	array->values = list;
	for (uint32_t i = 0; i < attr->count; i++) {
		otlp__any_value__init(&items[i]);
		items[i].value_case = OTLP__ANY_VALUE__VALUE_STRING_VALUE;
		items[i].string_value = text(attr->list[i]);
		list[i] = &items[i];
		*room += attr->list[i].n + ATTR_ROOM;
	}
	value->value_case = OTLP__ANY_VALUE__VALUE_ARRAY_VALUE;
	value->array_value = array;
	return 0;
}

static int build_value(struct scratch *scratch, const struct attr *attr, Otlp__AnyValue *value,
		       size_t *room)
{
	otlp__any_value__init(value);
	switch (attr->type) {
	case ATTR_STRING:
		value->value_case = OTLP__ANY_VALUE__VALUE_STRING_VALUE;
		value->string_value = text(attr->s);
		*room += attr->s.n;
		break;
	case ATTR_INT:
		value->value_case = OTLP__ANY_VALUE__VALUE_INT_VALUE;
		value->int_value = attr->i;
		break;
	case ATTR_BOOL:
		value->value_case = OTLP__ANY_VALUE__VALUE_BOOL_VALUE;
		value->bool_value = attr->b;
		break;
	case ATTR_DOUBLE:
		value->value_case = OTLP__ANY_VALUE__VALUE_DOUBLE_VALUE;
		value->double_value = attr->d;
		break;
	case ATTR_STRINGS:
		return build_list(scratch, attr, value, room);
	}
	return 0;
}

static int build_attrs(struct scratch *scratch, const struct attr *attrs, uint32_t count,
		       size_t *room)
{
	arena__clear(&scratch->lists);
	for (uint32_t i = 0; i < count; i++) {
		Otlp__KeyValue *pair = &scratch->pairs[i];
		int err = build_value(scratch, &attrs[i], &scratch->values[i], room);

		if (err)
			return err;
		otlp__key_value__init(pair);
		pair->key = text(attrs[i].key);
		pair->value = &scratch->values[i];
		scratch->pair_list[i] = pair;
		*room += attrs[i].key.n + ATTR_ROOM;
	}
	return 0;
}

static size_t put_varint(uint8_t *to, uint64_t value)
{
	size_t n = 0;

	for (; value >= 0x80; value >>= 7)
		to[n++] = (uint8_t)value | 0x80;
	to[n++] = (uint8_t)value;
	return n;
}

static void put_bytes(struct buf *out, uint32_t field, struct slice bytes)
{
	uint8_t head[1 + 10] = { (uint8_t)(field << 3 | 2) };

	buf__append(out, head, 1 + put_varint(head + 1, bytes.n));
	buf__append(out, bytes.p, bytes.n);
}

/* An envelope's length is known at its end. Room for a length of 16 KiB to 2 MiB is kept, what a
 * batch has; only small ones, where it costs nothing, are moved. */
#define ENVELOPE_HEAD 4

static size_t open_envelope(struct buf *out)
{
	size_t start = out->n;

	buf__append(out, "\0\0\0", ENVELOPE_HEAD);
	return start;
}

static void close_envelope(struct buf *out, size_t start, uint32_t field)
{
	uint8_t head[1 + 10] = { (uint8_t)(field << 3 | 2) };

	if (!buf__reserve(out, sizeof(head)))
		return;
	char *p = out->p + start;
	size_t n = out->n - start - ENVELOPE_HEAD;
	size_t head_n = 1 + put_varint(head + 1, n);

	if (head_n != ENVELOPE_HEAD)
		memmove(p + head_n, p + ENVELOPE_HEAD, n);
	memcpy(p, head, head_n);
	out->n = start + head_n + n;
}

/* Packs a message that takes at most `room` bytes behind its own head. */
static void put_message(struct buf *out, uint32_t field, const ProtobufCMessage *message,
			size_t room)
{
	uint8_t head[1 + 10] = { (uint8_t)(field << 3 | 2) };
	/* Most lengths have as many digits as their bound; the others are moved down. */
	size_t guess = 1 + put_varint(head + 1, room / 2);
	uint8_t *to = buf__reserve(out, sizeof(head) + room);

	if (!to)
		return;
	size_t n = protobuf_c_message_pack(message, to + guess);
	size_t head_n = 1 + put_varint(head + 1, n);

	if (head_n != guess)
		memmove(to + head_n, to + guess, n);
	memcpy(to, head, head_n);
	out->n += head_n + n;
}

static int put_span(struct buf *out, const struct span *span, struct scratch *scratch)
{
	Otlp__Span message = OTLP__SPAN__INIT;
	Otlp__Status status = OTLP__STATUS__INIT;
	size_t room = SPAN_ROOM + span->name.n + span->trace_state.n + span->status_message.n;
	int err = build_attrs(scratch, span->attrs, span->attr_count, &room);

	if (err)
		return err;
	message.trace_id = id(span->trace_id, sizeof(span->trace_id));
	message.span_id = id(span->span_id, sizeof(span->span_id));
	if (span->has_parent)
		message.parent_span_id = id(span->parent_id, sizeof(span->parent_id));
	message.trace_state = text(span->trace_state);
	message.name = text(span->name);
	message.kind = span->kind;
	message.start_time_unix_nano = span->start_ns;
	message.end_time_unix_nano = span->end_ns;
	message.n_attributes = span->attr_count;
	message.attributes = scratch->pair_list;
	message.dropped_attributes_count = span->attr_dropped;
	message.flags = span_flags(span);
	if (span->status != STATUS_UNSET) {
		status.code = span->status;
		if (span->status == STATUS_ERROR)
			status.message = text(span->status_message);
		message.status = &status;
	}
	put_message(out, 2, &message.base, room);
	return 0;
}

static int put_resource(struct buf *out, const struct resource *resource, struct scratch *scratch)
{
	Otlp__Resource message = OTLP__RESOURCE__INIT;
	size_t room = FIELD_ROOM;
	int err;

	if (!resource)
		return 0;
	err = build_attrs(scratch, resource->attrs, resource->count, &room);
	if (err)
		return err;
	message.n_attributes = resource->count;
	message.attributes = scratch->pair_list;
	put_message(out, 1, &message.base, room);
	return 0;
}

static int put_scope(struct buf *out, const struct stats *stats, const struct resource *resource,
		     struct scratch *scratch)
{
	Otlp__InstrumentationScope scope = OTLP__INSTRUMENTATION_SCOPE__INIT;
	struct scope_attrs attrs;
	size_t room = 4 * FIELD_ROOM + sizeof(SCOPE_NAME) + sizeof(SPANPROBE_VERSION);

	scope_attrs__make(stats, resource, &attrs);
	int err = build_attrs(scratch, attrs.attrs, attrs.count, &room);

	if (err)
		return err;
	scope.name = text(SLICE(SCOPE_NAME));
	scope.version = text(SLICE(SPANPROBE_VERSION));
	scope.n_attributes = attrs.count;
	scope.attributes = scratch->pair_list;
	put_message(out, 1, &scope.base, room);
	return 0;
}

static int put_group(struct buf *out, const struct span_groups *groups,
		     const struct span_group *group, const struct stats *stats,
		     struct scratch *scratch)
{
	size_t outer = open_envelope(out), inner;
	int err = put_resource(out, group->resource, scratch);

	inner = open_envelope(out);
	if (!err)
		err = put_scope(out, stats, group->resource, scratch);
	for (uint32_t i = 0; !err && i < group->count; i++)
		err = put_span(out, span_groups__span(groups, group, i), scratch);
	put_bytes(out, 3, SLICE(SCHEMA_URL));
	close_envelope(out, inner, 2);
	put_bytes(out, 3, SLICE(SCHEMA_URL));
	close_envelope(out, outer, 1);
	return err ? err : out->failed ? -ENOMEM : 0;
}

int otlp_encode(struct span *const *spans, uint32_t count, const struct stats *stats,
		struct buf *out)
{
	struct scratch scratch; /* 20 KB: only the used part is ever touched */
	struct arena arena = { 0 };
	struct span_groups groups;

	scratch.lists = (struct arena){ 0 };
	int err = span_groups__make(spans, count, &arena, &groups);

	for (uint32_t i = 0; !err && i < groups.count; i++)
		err = put_group(out, &groups, &groups.groups[i], stats, &scratch);
	arena__release(&scratch.lists);
	arena__release(&arena);
	return err;
}
