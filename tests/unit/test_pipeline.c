// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* The wires: from records to spans, in any order that a ring may give, and the same every time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "pipeline.h"
#include "process.h"
#include "resource.h"

#define T0   (1000 * NSEC_PER_SEC)
#define WALL (-T0 + 5 * NSEC_PER_SEC)
#define PID  42

struct bench {
	struct stats stats;
	struct processes *processes;
	struct resource *host;
	struct pipeline *pipeline;
	struct span *spans[8];
	uint32_t count;
	uint32_t tapped;
};

static void on_span(void *ctx, struct span *span)
{
	struct bench *b = ctx;

	assert_in_range(b->count, 0, 7);
	b->spans[b->count++] = span__ref(span);
}

static void on_tap(void *ctx, const struct event *event)
{
	((struct bench *)ctx)->tapped++;
}

static void no_policy(void *ctx, const struct capture_policy *policy)
{
}

static void bench_new(struct bench *b, bool ordered)
{
	memset(b, 0, sizeof(*b));
	b->processes = processes__new();
	b->host = resource__new();
	resource__set(b->host, "service.name", SLICE("host"));

	struct resource *shop = resource__new();

	resource__set(shop, "service.name", SLICE("shop"));
	struct process *process = process__new(PID, 1, RUNTIME_NATIVE, shop);

	assert_int_equal(processes__add(b->processes, process), 0);
	process__unref(process);
	resource__unref(shop);
	struct pipeline_opts opts = {
		.stats = &b->stats,
		.processes = b->processes,
		.fallback = b->host,
		.policy = { no_policy, NULL },
		.sampler = { .parent_based = true, .root = SAMPLER_ALWAYS_ON },
		.ordered = ordered,
		.seeded = true,
		.seed = 9,
		.wall_offset_ns = (int64_t)WALL,
		.next = { on_span, b },
		.tap = { on_tap, b },
	};

	b->pipeline = pipeline__new(&opts);
	assert_non_null(b->pipeline);
}

static void bench_free(struct bench *b)
{
	for (uint32_t i = 0; i < b->count; i++)
		span__unref(b->spans[i]);
	pipeline__free(b->pipeline);
	processes__free(b->processes);
	resource__unref(b->host);
}

static struct event head(uint8_t kind, uint32_t size, uint64_t time_ns)
{
	return (struct event){
		.size = size, .kind = kind, .time_ns = T0 + time_ns, .pid = PID, .tid = PID
	};
}

static struct conn_tuple tuple(enum conn_role role)
{
	return (struct conn_tuple){ .netns_cookie = 1,
				    .sock = 0x1000,
				    .local_port = 80,
				    .peer_port = 5000,
				    .local_addr = { 127, 0, 0, 1 },
				    .peer_addr = { 127, 0, 0, 1 },
				    .family = FAMILY_INET,
				    .role = (uint8_t)role };
}

static int push_open(struct bench *b, uint8_t kind, uint64_t time_ns, enum conn_role role)
{
	struct event_conn_open open = { head(kind, sizeof(open), time_ns), 1, tuple(role) };

	return pipeline__push(b->pipeline, &open, sizeof(open));
}

static int push_data(struct bench *b, uint64_t time_ns, enum direction dir, uint64_t position,
		     const char *text)
{
	_Alignas(8) char record[1024] = { 0 };
	struct event_data *data = (void *)record;
	uint32_t n = (uint32_t)strlen(text);
	uint32_t size = (uint32_t)(sizeof(*data) + (n + 7) / 8 * 8);

	*data = (struct event_data){ .event = head(EVENT_DATA, size, time_ns),
				     .conn = 1,
				     .position = position,
				     .length = n,
				     .captured = n,
				     .dir = (uint8_t)dir };
	memcpy(data->bytes, text, n);
	return pipeline__push(b->pipeline, record, size);
}

static int push_close(struct bench *b, uint64_t time_ns, uint64_t in, uint64_t out, bool connected,
		      uint32_t error)
{
	struct event_conn_close close = { .event = head(EVENT_CONN_CLOSE, sizeof(close), time_ns),
					  .conn = 1,
					  .position = { in, out },
					  .error = error,
					  .connected = connected };

	return pipeline__push(b->pipeline, &close, sizeof(close));
}

static const char request[] = "GET /cart HTTP/1.1\r\nHost: shop\r\n\r\n";
static const char response[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

static void check_served(const struct bench *b)
{
	assert_int_equal(b->count, 1);
	const struct span *span = b->spans[0];

	assert_int_equal(span->kind, SPAN_SERVER);
	assert_true(slice_eq(resource__service_name(span->resource), SLICE("shop")));
	assert_int_equal(span->start_ns, 5 * NSEC_PER_SEC + 2000);
	assert_int_equal(span->end_ns, 5 * NSEC_PER_SEC + 3000);
	assert_int_equal(span__get(span, "http.response.status_code")->i, 200);
	assert_true(slice_eq(span__get(span, "url.path")->s, SLICE("/cart")));
	assert_int_equal(b->stats.requests_served, 1);
}

static void test_ordered(void **state)
{
	uint8_t first_id[8];

	for (int run = 0; run < 2; run++) {
		struct bench b;

		bench_new(&b, true);
		assert_int_equal(push_open(&b, EVENT_CONN_OPEN, 1000, ROLE_SERVER), 0);
		assert_int_equal(push_data(&b, 2000, DIR_IN, 0, request), 0);
		assert_int_equal(push_data(&b, 3000, DIR_OUT, 0, response), 0);
		pipeline__tick(b.pipeline, T0 + NSEC_PER_SEC);
		check_served(&b);
		assert_int_equal(b.tapped, 3);
		assert_int_equal(b.stats.events, 3);
		if (run == 0)
			memcpy(first_id, b.spans[0]->span_id, 8);
		else /* seeded ids come again */
			assert_memory_equal(first_id, b.spans[0]->span_id, 8);
		bench_free(&b);
	}
}

/* Live, another CPU's record may come first; within the window that does not matter. */
static void test_unordered(void **state)
{
	struct bench b;

	bench_new(&b, false);
	push_data(&b, 3000, DIR_OUT, 0, response);
	push_data(&b, 2000, DIR_IN, 0, request);
	push_open(&b, EVENT_CONN_OPEN, 1000, ROLE_SERVER);
	assert_int_equal(b.tapped, 0);
	pipeline__tick(b.pipeline, T0 + NSEC_PER_SEC);
	assert_int_equal(b.tapped, 3);
	pipeline__tick(b.pipeline, T0 + 2 * NSEC_PER_SEC);
	check_served(&b);
	bench_free(&b);
}

static void test_flush_lets_all_go(void **state)
{
	struct bench b;

	bench_new(&b, false);
	push_open(&b, EVENT_CONN_OPEN, 1000, ROLE_SERVER);
	push_data(&b, 2000, DIR_IN, 0, request);
	push_data(&b, 3000, DIR_OUT, 0, response);
	pipeline__flush(b.pipeline, T0 + 4000);
	check_served(&b);
	bench_free(&b);
}

static void test_clock_moves_spans(void **state)
{
	struct bench b;

	bench_new(&b, true);
	pipeline__set_wall_offset(b.pipeline, (int64_t)WALL + 7);
	push_open(&b, EVENT_CONN_OPEN, 1000, ROLE_SERVER);
	push_data(&b, 2000, DIR_IN, 0, request);
	push_data(&b, 3000, DIR_OUT, 0, response);
	pipeline__flush(b.pipeline, T0 + 4000);
	assert_int_equal(b.count, 1);
	assert_int_equal(b.spans[0]->start_ns, 5 * NSEC_PER_SEC + 2007);
	bench_free(&b);
}

static void test_failed_connect(void **state)
{
	struct bench b;

	bench_new(&b, true);
	push_open(&b, EVENT_CONNECT, 1000, ROLE_CLIENT);
	push_close(&b, 2000, 0, 0, false, ECONNREFUSED);
	pipeline__flush(b.pipeline, T0 + 3000);
	assert_int_equal(b.count, 1);
	assert_int_equal(b.spans[0]->kind, SPAN_CLIENT);
	assert_true(slice_eq(span__get(b.spans[0], "error.type")->s, SLICE("ECONNREFUSED")));
	bench_free(&b);
}

/* A connect that worked and a close without a byte are not worth a span. */
static void test_idle_connection(void **state)
{
	struct bench b;

	bench_new(&b, true);
	push_open(&b, EVENT_CONNECT, 1000, ROLE_CLIENT);
	push_open(&b, EVENT_CONN_OPEN, 1500, ROLE_CLIENT);
	push_close(&b, 2000, 0, 0, true, 0);
	pipeline__flush(b.pipeline, T0 + 3000);
	assert_int_equal(b.count, 0);
	bench_free(&b);
}

static void test_bad_records(void **state)
{
	for (int ordered = 0; ordered < 2; ordered++) {
		struct event event = head(EVENT_KIND_COUNT, sizeof(event), 1);
		struct bench b;

		bench_new(&b, ordered);
		assert_int_equal(pipeline__push(b.pipeline, &event, sizeof(event)), -EBADMSG);
		assert_int_equal(pipeline__push(b.pipeline, &event, 3), -EBADMSG);
		event = head(EVENT_DATA, sizeof(event), 1);
		assert_int_equal(pipeline__push(b.pipeline, &event, sizeof(event)), -EBADMSG);
		struct event_listen late = { .event = head(EVENT_LISTEN, sizeof(late), 1) };

		late.event.time_ns = UINT64_MAX - 5;
		assert_int_equal(pipeline__push(b.pipeline, &late, sizeof(late)), -EBADMSG);
		assert_int_equal(b.stats.lost[LOSS_EVENT_BAD], 4);
		assert_int_equal(b.tapped, 0);
		pipeline__flush(b.pipeline, T0);
		bench_free(&b);
	}
	pipeline__free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ordered),		  cmocka_unit_test(test_unordered),
		cmocka_unit_test(test_flush_lets_all_go), cmocka_unit_test(test_clock_moves_spans),
		cmocka_unit_test(test_failed_connect),	  cmocka_unit_test(test_idle_connection),
		cmocka_unit_test(test_bad_records),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
