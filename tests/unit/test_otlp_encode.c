// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* What is encoded, read back by a reader of raw protobuf that knows no message. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "export.h"
#include "process.h"
#include "resource.h"
#include "tally.h"
#include "trace.pb-c.h"

/* --- the reader: a field is found by number and occurrence ------------------------------------- */

struct field {
	uint32_t number, wire;
	uint64_t value;	    /* wire 0, 1, 5 */
	struct slice bytes; /* wire 2 */
};

static uint64_t varint(struct slice *from)
{
	uint64_t value = 0;

	for (int shift = 0;; shift += 7) {
		assert_true(from->n && shift < 70);
		uint8_t c = (uint8_t)from->p[0];

		*from = slice_from(*from, 1);
		value |= (uint64_t)(c & 0x7f) << shift;
		if (!(c & 0x80))
			return value;
	}
}

static bool next(struct slice *from, struct field *ret)
{
	if (!from->n)
		return false;
	uint64_t tag = varint(from);
	size_t n = 0;

	*ret = (struct field){ .number = (uint32_t)(tag >> 3), .wire = tag & 7 };
	switch (ret->wire) {
	case 0:
		ret->value = varint(from);
		return true;
	case 1:
		n = 8;
		break;
	case 5:
		n = 4;
		break;
	case 2:
		n = varint(from);
		break;
	default:
		fail_msg("wire type %u", ret->wire);
	}
	assert_true(from->n >= n);
	ret->bytes = slice(from->p, n);
	if (ret->wire != 2)
		memcpy(&ret->value, from->p, n);
	*from = slice_from(*from, n);
	return true;
}

static uint32_t count(struct slice message, uint32_t number)
{
	struct field field;
	uint32_t n = 0;

	while (next(&message, &field))
		n += field.number == number;
	return n;
}

static struct field get(struct slice message, uint32_t number, uint32_t nth)
{
	struct field field;

	while (next(&message, &field)) {
		if (field.number == number && nth-- == 0)
			return field;
	}
	fail_msg("field %u is missing", number);
	return field;
}

static struct slice sub(struct slice message, uint32_t number, uint32_t nth)
{
	struct field field = get(message, number, nth);

	assert_int_equal(field.wire, 2);
	return field.bytes;
}

static void assert_text(struct slice s, const char *text)
{
	assert_int_equal(s.n, strlen(text));
	assert_memory_equal(s.p, text, s.n);
}

/* the AnyValue of a key in field `number` */
static struct slice value_of(struct slice message, uint32_t number, const char *key)
{
	for (uint32_t i = 0; i < count(message, number); i++) {
		struct slice pair = sub(message, number, i);

		if (slice_eq(sub(pair, 1, 0), slice_of(key)))
			return sub(pair, 2, 0);
	}
	fail_msg("no attribute %s", key);
	return slice(NULL, 0);
}

/* --- what is sent ---------------------------------------------------------------------------------- */

static struct span *make_span(struct resource *resource, uint8_t n)
{
	struct span *span = span__new(resource);

	memset(span->trace_id, 0xa0 + n, sizeof(span->trace_id));
	memset(span->span_id, 0xb0 + n, sizeof(span->span_id));
	span->kind = SPAN_SERVER;
	span->start_ns = 1544712660000000000ull + n;
	span->end_ns = 1544712661000000000ull + n;
	span->name = span__text(span, SLICE("GET"));
	return span;
}

static struct buf encoded;

static struct slice encode(struct span *const *spans, uint32_t n, const struct stats *stats)
{
	buf__clear(&encoded);
	assert_int_equal(otlp_encode(spans, n, stats, &encoded), 0);
	return slice(encoded.p, encoded.n);
}

static struct span *make_full_span(struct resource *resource)
{
	struct span *span = make_span(resource, 1);
	struct slice list[] = { SLICE("a"), SLICE("") };

	memset(span->parent_id, 0xc1, sizeof(span->parent_id));
	span->has_parent = span->remote_parent = true;
	span->trace_flags = 0x03;
	span->kind = SPAN_CLIENT;
	span->status = STATUS_ERROR;
	span->status_message = span__text(span, SLICE("boom"));
	span->trace_state = span__text(span, SLICE("v=1"));
	span->attr_dropped = 5;
	span__set(span, "s", slice("nul\0l", 5));
	span__set(span, "empty", SLICE(""));
	span__set_int(span, "minus", -2);
	span__set_int(span, "zero", 0);
	span__set_bool(span, "no", false);
	span__set_bool(span, "yes", true);
	span__set_list(span, SLICE("list"), list, 2);
	span__set_list(span, SLICE("none"), NULL, 0);
	return span;
}

static void every_field_has_its_number(void **state)
{
	struct resource *resource = resource__new();
	struct stats stats = { 0 };

	resource__set(resource, "service.name", SLICE("shop"));
	resource__set_int(resource, "process.pid", 7);
	stats.lost[LOSS_QUEUE_FULL] = 300;
	struct span *span = make_full_span(resource);
	struct slice request = encode(&span, 1, &stats);

	assert_int_equal(count(request, 1), 1);
	struct slice group = sub(request, 1, 0), scope_spans = sub(group, 2, 0);
	struct slice scope = sub(scope_spans, 1, 0), s = sub(scope_spans, 2, 0);

	assert_text(sub(value_of(sub(group, 1, 0), 1, "service.name"), 1, 0), "shop");
	assert_int_equal(get(value_of(sub(group, 1, 0), 1, "process.pid"), 3, 0).value, 7);
	assert_text(sub(group, 3, 0), "https://opentelemetry.io/schemas/1.44.0");
	assert_text(sub(scope_spans, 3, 0), "https://opentelemetry.io/schemas/1.44.0");
	assert_text(sub(scope, 1, 0), "spanprobe");
	assert_text(sub(scope, 2, 0), SPANPROBE_VERSION);
	assert_int_equal(count(scope, 3), 1);
	assert_int_equal(get(value_of(scope, 3, "spanprobe.lost.export.queue_full"), 3, 0).value,
			 300);

	assert_int_equal(sub(s, 1, 0).n, 16);
	assert_memory_equal(sub(s, 1, 0).p, span->trace_id, 16);
	assert_int_equal(sub(s, 2, 0).n, 8);
	assert_memory_equal(sub(s, 2, 0).p, span->span_id, 8);
	assert_text(sub(s, 3, 0), "v=1");
	assert_memory_equal(sub(s, 4, 0).p, span->parent_id, 8);
	assert_text(sub(s, 5, 0), "GET");
	assert_int_equal(get(s, 6, 0).value, 3);
	assert_int_equal(get(s, 7, 0).wire, 1);
	assert_int_equal(get(s, 7, 0).value, span->start_ns);
	assert_int_equal(get(s, 8, 0).value, span->end_ns);
	assert_int_equal(get(s, 10, 0).value, 5);
	assert_text(sub(sub(s, 15, 0), 2, 0), "boom");
	assert_int_equal(get(sub(s, 15, 0), 3, 0).value, 2);
	assert_int_equal(get(s, 16, 0).wire, 5);
	assert_int_equal(get(s, 16, 0).value, 0x303);

	assert_int_equal(count(s, 9), 8);
	assert_int_equal(sub(value_of(s, 9, "s"), 1, 0).n, 5);
	assert_int_equal(sub(value_of(s, 9, "empty"), 1, 0).n, 0);
	assert_int_equal((int64_t)get(value_of(s, 9, "minus"), 3, 0).value, -2);
	assert_int_equal(get(value_of(s, 9, "zero"), 3, 0).value, 0);
	assert_int_equal(get(value_of(s, 9, "no"), 2, 0).value, 0);
	assert_int_equal(get(value_of(s, 9, "yes"), 2, 0).value, 1);
	struct slice array = sub(value_of(s, 9, "list"), 5, 0);

	assert_int_equal(count(array, 1), 2);
	assert_text(sub(sub(array, 1, 0), 1, 0), "a");
	assert_text(sub(sub(array, 1, 1), 1, 0), "");
	assert_int_equal(count(sub(value_of(s, 9, "none"), 5, 0), 1), 0);
	span__unref(span);
	resource__unref(resource);
}

static void a_root_span_is_bare(void **state)
{
	struct span *span = make_span(NULL, 1);
	struct slice request = encode(&span, 1, NULL);
	struct slice group = sub(request, 1, 0), s = sub(sub(group, 2, 0), 2, 0);

	assert_int_equal(count(group, 1), 0);
	assert_int_equal(count(sub(sub(group, 2, 0), 1, 0), 3), 0);
	assert_int_equal(count(s, 4), 0);  /* an empty parent, not eight zero bytes */
	assert_int_equal(count(s, 15), 0); /* unset */
	assert_int_equal(get(s, 16, 0).value, 0x100);
	span->has_parent = true;
	request = encode(&span, 1, NULL);
	s = sub(sub(sub(request, 1, 0), 2, 0), 2, 0);
	assert_int_equal(get(s, 16, 0).value, 0x100); /* a parent on this host */
	span__unref(span);
}

static void spans_are_grouped_by_resource(void **state)
{
	struct resource *a = resource__new(), *b = resource__new();
	struct span *spans[5];
	struct resource *of[5] = { b, a, b, NULL, a };

	resource__set(a, "service.name", SLICE("a"));
	resource__set(b, "service.name", SLICE("b"));
	for (uint8_t i = 0; i < 5; i++)
		spans[i] = make_span(of[i], i);
	struct slice request = encode(spans, 5, NULL);
	static const struct {
		uint32_t count;
		uint8_t ids[2];
	} want[] = { { 2, { 0xb0, 0xb2 } }, { 2, { 0xb1, 0xb4 } }, { 1, { 0xb3 } } };

	assert_int_equal(count(request, 1), 3);
	for (uint32_t i = 0; i < 3; i++) {
		struct slice scope_spans = sub(sub(request, 1, i), 2, 0);

		assert_int_equal(count(scope_spans, 2), want[i].count);
		for (uint32_t j = 0; j < want[i].count; j++)
			assert_int_equal((uint8_t)sub(sub(scope_spans, 2, j), 2, 0).p[0],
					 want[i].ids[j]);
	}
	for (int i = 0; i < 5; i++)
		span__unref(spans[i]);
	resource__unref(a);
	resource__unref(b);
}

/* Lengths around each step of a varint: the room is reckoned, not measured. */
static void any_size_is_framed(void **state)
{
	char *big = malloc(300000);

	memset(big, 'x', 300000);
	for (size_t n = 1; n < 300000; n = n < 400 ? n + 1 : n * 2 + 1) {
		struct span *span = make_span(NULL, 1);
		struct slice list[] = { slice(big, n), slice(big, n / 2) };

		span->name = span__text(span, slice(big, n));
		span__set(span, "k", slice(big, n));
		span__set_list(span, SLICE("l"), list, 2);
		struct slice request = encode(&span, 1, NULL);
		struct slice s = sub(sub(sub(request, 1, 0), 2, 0), 2, 0);

		assert_int_equal(sub(s, 5, 0).n, n);
		assert_int_equal(sub(value_of(s, 9, "k"), 1, 0).n, n);
		Otlp__ExportTraceServiceRequest *back = otlp__export_trace_service_request__unpack(
			NULL, request.n, (const uint8_t *)request.p);

		assert_non_null(back);
		otlp__export_trace_service_request__free_unpacked(back, NULL);
		span__unref(span);
	}
	free(big);
}

static void a_full_span_and_scope_fit(void **state)
{
	struct resource *resource = resource__new();
	struct process *process = process__new(1, 1, RUNTIME_NATIVE, resource);
	struct stats stats = { .tally = tally__new() };
	struct span *span = make_span(resource, 1);
	static char keys[RESOURCE_ATTRS_MAX][16];

	for (int i = 0; i < LOSS_COUNT; i++)
		stats.lost[i] = UINT64_MAX;
	for (int i = 1; i < PARENT_BY_COUNT; i++)
		tally__count(stats.tally, process, true, (enum parent_by)i, ROOT_WHY_ENTRY);
	for (int i = 0; i < ROOT_WHY_COUNT; i++)
		tally__count(stats.tally, process, false, PARENT_BY_NONE, (enum root_why)i);
	for (int i = 0; i < RESOURCE_ATTRS_MAX; i++) {
		snprintf(keys[i], sizeof(keys[i]), "k%d", i);
		resource__set_int(resource, keys[i], INT64_MIN);
		span__set_int(span, keys[i], INT64_MIN);
	}
	struct slice request = encode(&span, 1, &stats);
	struct slice group = sub(request, 1, 0), scope_spans = sub(group, 2, 0);

	assert_int_equal(count(sub(group, 1, 0), 1), RESOURCE_ATTRS_MAX);
	assert_int_equal(count(sub(scope_spans, 1, 0), 3),
			 LOSS_COUNT + PARENT_BY_COUNT - 1 + ROOT_WHY_COUNT);
	assert_int_equal(count(sub(scope_spans, 2, 0), 9), SPAN_ATTRS_MAX);
	assert_int_equal(get(sub(scope_spans, 2, 0), 10, 0).value,
			 RESOURCE_ATTRS_MAX - SPAN_ATTRS_MAX);
	span__unref(span);
	tally__free(stats.tally);
	process__unref(process);
	resource__unref(resource);
}

static void json_is_as_the_protocol_says(void **state)
{
	struct resource *resource = resource__new();
	struct stats stats = { 0 };
	struct span *span = make_full_span(resource), *bare = make_span(NULL, 2);
	struct span *spans[] = { span, bare };
	struct buf out = { 0 };

	resource__set(resource, "service.name", SLICE("sh\"op\n\x01\xc3\xbc\x7f"));
	stats.lost[LOSS_RING_DATA] = 1;
	assert_int_equal(otlp_json(spans, 2, &stats, &out), 0);
	static const char want[] =
		"{\"resourceSpans\":[{\"resource\":{\"attributes\":[{\"key\":\"service.name\","
		"\"value\":{\"stringValue\":\"sh\\\"op\\n\\u0001\xc3\xbc\\u007f\"}}]},"
		"\"scopeSpans\":[{\"scope\":{\"name\":\"spanprobe\",\"version\":\"" SPANPROBE_VERSION
		"\",\"attributes\":[{\"key\":\"spanprobe.lost.ring.data\",\"value\":"
		"{\"intValue\":\"1\"}}]},\"spans\":[{\"traceId\":\"a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1\","
		"\"spanId\":\"b1b1b1b1b1b1b1b1\",\"traceState\":\"v=1\","
		"\"parentSpanId\":\"c1c1c1c1c1c1c1c1\",\"flags\":771,\"name\":\"GET\",\"kind\":3,"
		"\"startTimeUnixNano\":\"1544712660000000001\","
		"\"endTimeUnixNano\":\"1544712661000000001\",\"attributes\":["
		"{\"key\":\"s\",\"value\":{\"stringValue\":\"nul\\u0000l\"}},"
		"{\"key\":\"empty\",\"value\":{\"stringValue\":\"\"}},"
		"{\"key\":\"minus\",\"value\":{\"intValue\":\"-2\"}},"
		"{\"key\":\"zero\",\"value\":{\"intValue\":\"0\"}},"
		"{\"key\":\"no\",\"value\":{\"boolValue\":false}},"
		"{\"key\":\"yes\",\"value\":{\"boolValue\":true}},"
		"{\"key\":\"list\",\"value\":{\"arrayValue\":{\"values\":["
		"{\"stringValue\":\"a\"},{\"stringValue\":\"\"}]}}},"
		"{\"key\":\"none\",\"value\":{\"arrayValue\":{\"values\":[]}}}],"
		"\"droppedAttributesCount\":5,\"status\":{\"message\":\"boom\",\"code\":2}}],"
		"\"schemaUrl\":\"https://opentelemetry.io/schemas/1.44.0\"}],"
		"\"schemaUrl\":\"https://opentelemetry.io/schemas/1.44.0\"},"
		"{\"scopeSpans\":[{\"scope\":{\"name\":\"spanprobe\",\"version\":\"" SPANPROBE_VERSION
		"\",\"attributes\":[{\"key\":\"spanprobe.lost.ring.data\",\"value\":"
		"{\"intValue\":\"1\"}}]},\"spans\":[{\"traceId\":\"a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2\","
		"\"spanId\":\"b2b2b2b2b2b2b2b2\",\"flags\":256,\"name\":\"GET\",\"kind\":2,"
		"\"startTimeUnixNano\":\"1544712660000000002\","
		"\"endTimeUnixNano\":\"1544712661000000002\",\"attributes\":[]}],"
		"\"schemaUrl\":\"https://opentelemetry.io/schemas/1.44.0\"}],"
		"\"schemaUrl\":\"https://opentelemetry.io/schemas/1.44.0\"}]}\n";

	buf__append(&out, "", 1);
	assert_string_equal(out.p, want);
	buf__clear(&out);
	assert_int_equal(otlp_json(spans, 0, &stats, &out), 0);
	assert_int_equal(out.n, 0); /* no empty envelope */
	buf__release(&out);
	span__unref(span);
	span__unref(bare);
	resource__unref(resource);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_field_has_its_number),
		cmocka_unit_test(a_root_span_is_bare),
		cmocka_unit_test(spans_are_grouped_by_resource),
		cmocka_unit_test(any_size_is_framed),
		cmocka_unit_test(a_full_span_and_scope_fit),
		cmocka_unit_test(json_is_as_the_protocol_says),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	buf__release(&encoded);
	return failed;
}
