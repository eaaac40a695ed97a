// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * A batch as one JSON line, a TracesData: ids in hex, 64-bit numbers as strings, enums as
 * numbers, fields that have their default value left out.
 */
#include <errno.h>
#include <inttypes.h>
#include <math.h>

#include "base/json.h"
#include "export.h"
#include "export/group.h"
#include "resource.h"

#define TEXT(out, literal) buf__append(out, literal, sizeof(literal) - 1)

static void put_u64(struct buf *out, uint64_t value)
{
	char digits[20];
	size_t at = sizeof(digits);

	do {
		digits[--at] = (char)('0' + value % 10);
		value /= 10;
	} while (value);
	buf__append(out, digits + at, sizeof(digits) - at);
}

static void put_i64(struct buf *out, int64_t value)
{
	if (value < 0)
		TEXT(out, "-");
	put_u64(out, value < 0 ? -(uint64_t)value : (uint64_t)value);
}

static void put_double(struct buf *out, double value)
{
	if (isnan(value))
		TEXT(out, "\"NaN\"");
	else if (isinf(value))
		buf__puts(out, value > 0 ? "\"Infinity\"" : "\"-Infinity\"");
	else
		buf__printf(out, "%.17g", value);
}

static void put_value(struct buf *out, const struct attr *attr)
{
	switch (attr->type) {
	case ATTR_STRING:
		TEXT(out, "{\"stringValue\":");
		json__string(out, attr->s);
		TEXT(out, "}");
		break;
	case ATTR_INT:
		TEXT(out, "{\"intValue\":\"");
		put_i64(out, attr->i);
		TEXT(out, "\"}");
		break;
	case ATTR_BOOL:
		buf__puts(out, attr->b ? "{\"boolValue\":true}" : "{\"boolValue\":false}");
		break;
	case ATTR_DOUBLE:
		TEXT(out, "{\"doubleValue\":");
		put_double(out, attr->d);
		TEXT(out, "}");
		break;
	case ATTR_STRINGS:
		TEXT(out, "{\"arrayValue\":{\"values\":[");
		for (uint32_t i = 0; i < attr->count; i++) {
			buf__puts(out, i ? ",{\"stringValue\":" : "{\"stringValue\":");
			json__string(out, attr->list[i]);
			TEXT(out, "}");
		}
		TEXT(out, "]}}");
		break;
	}
}

static void put_attrs(struct buf *out, const struct attr *attrs, uint32_t count)
{
	TEXT(out, "\"attributes\":[");
	for (uint32_t i = 0; i < count; i++) {
		buf__puts(out, i ? ",{\"key\":" : "{\"key\":");
		json__string(out, attrs[i].key);
		TEXT(out, ",\"value\":");
		put_value(out, &attrs[i]);
		TEXT(out, "}");
	}
	TEXT(out, "]");
}

static void put_status(struct buf *out, const struct span *span)
{
	if (span->status == STATUS_UNSET)
		return;
	TEXT(out, ",\"status\":{");
	if (span->status == STATUS_ERROR && span->status_message.n) {
		TEXT(out, "\"message\":");
		json__string(out, span->status_message);
		TEXT(out, ",");
	}
	TEXT(out, "\"code\":");
	put_u64(out, span->status);
	TEXT(out, "}");
}

static void put_span(struct buf *out, const struct span *span)
{
	TEXT(out, "{\"traceId\":");
	json__hex(out, span->trace_id, sizeof(span->trace_id));
	TEXT(out, ",\"spanId\":");
	json__hex(out, span->span_id, sizeof(span->span_id));
	if (span->trace_state.n) {
		TEXT(out, ",\"traceState\":");
		json__string(out, span->trace_state);
	}
	if (span->has_parent) {
		TEXT(out, ",\"parentSpanId\":");
		json__hex(out, span->parent_id, sizeof(span->parent_id));
	}
	TEXT(out, ",\"flags\":");
	put_u64(out, span_flags(span));
	TEXT(out, ",\"name\":");
	json__string(out, span->name);
	TEXT(out, ",\"kind\":");
	put_u64(out, span->kind);
	TEXT(out, ",\"startTimeUnixNano\":\"");
	put_u64(out, span->start_ns);
	TEXT(out, "\",\"endTimeUnixNano\":\"");
	put_u64(out, span->end_ns);
	TEXT(out, "\",");
	put_attrs(out, span->attrs, span->attr_count);
	if (span->attr_dropped) {
		TEXT(out, ",\"droppedAttributesCount\":");
		put_u64(out, span->attr_dropped);
	}
	put_status(out, span);
	TEXT(out, "}");
}

static void put_group(struct buf *out, const struct span_groups *groups,
		      const struct span_group *group, const struct stats *stats)
{
	struct scope_attrs scope;

	scope_attrs__make(stats, group->resource, &scope);
	TEXT(out, "{");
	if (group->resource) {
		TEXT(out, "\"resource\":{");
		put_attrs(out, group->resource->attrs, group->resource->count);
		TEXT(out, "},");
	}
	TEXT(out, "\"scopeSpans\":[{\"scope\":{\"name\":\"" SCOPE_NAME
		  "\",\"version\":\"" SPANPROBE_VERSION "\"");
	if (scope.count) {
		TEXT(out, ",");
		put_attrs(out, scope.attrs, scope.count);
	}
	TEXT(out, "},\"spans\":[");
	for (uint32_t i = 0; i < group->count; i++) {
		if (i)
			TEXT(out, ",");
		put_span(out, span_groups__span(groups, group, i));
	}
	TEXT(out, "],\"schemaUrl\":\"" SCHEMA_URL "\"}],\"schemaUrl\":\"" SCHEMA_URL "\"}");
}

int otlp_json(struct span *const *spans, uint32_t count, const struct stats *stats, struct buf *out)
{
	struct arena arena = { 0 };
	struct span_groups groups;
	int err = span_groups__make(spans, count, &arena, &groups);

	if (!err && groups.count) {
		TEXT(out, "{\"resourceSpans\":[");
		for (uint32_t i = 0; i < groups.count; i++) {
			if (i)
				TEXT(out, ",");
			put_group(out, &groups, &groups.groups[i], stats);
		}
		TEXT(out, "]}\n");
	}
	arena__release(&arena);
	return err ? err : out->failed ? -ENOMEM : 0;
}
