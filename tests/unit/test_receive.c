// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "receive.h"

#define MS 1000000ull

struct seen {
	uint64_t times[4096];
	uint64_t conns[4096];
	size_t count;
};

static void see(void *ctx, const struct event *event)
{
	struct seen *seen = ctx;

	assert_true(event__valid(event, event->size));
	seen->times[seen->count % 4096] = event->time_ns;
	seen->conns[seen->count++ % 4096] = ((const struct event_shut *)event)->conn;
}

static struct event_shut shut_at(uint64_t time_ns, uint64_t conn)
{
	return (struct event_shut){ .event = { .size = sizeof(struct event_shut),
					       .kind = EVENT_SHUT,
					       .time_ns = time_ns },
				    .conn = conn };
}

static void push(struct receive *receive, uint64_t time_ns, uint64_t conn)
{
	struct event_shut shut = shut_at(time_ns, conn);

	assert_int_equal(receive__push(receive, &shut, sizeof(shut)), 0);
}

static void one_more(void *ctx)
{
	push(*(struct receive **)ctx, 11 * MS, 7);
}

/* While a pile is let go the rings are read again: what comes then takes its place among the rest. */
static void source_is_asked_meanwhile(void **state)
{
	struct stats stats = { 0 };
	struct seen *seen = calloc(1, sizeof(*seen));
	struct receive *receive = NULL;
	struct receive_opts opts = { .stats = &stats, .source = { one_more, &receive } };
	unsigned int most = (128u << 10) / sizeof(struct event_shut); /* bytes between two times */

	receive = receive__new(&opts, (struct event_sink){ see, seen });
	for (unsigned int i = 0; i < most - 1; i++)
		push(receive, 10 * MS, 1);
	receive__tick(receive, 20 * MS);
	assert_int_equal(seen->count, most - 1);
	push(receive, 10 * MS, 1);
	push(receive, 10 * MS, 1);
	push(receive, 12 * MS, 1);
	receive__tick(receive, 20 * MS);
	assert_int_equal(seen->count, most + 3);
	assert_int_equal(seen->conns[most + 1], 7);
	receive__free(receive);
	free(seen);
}

static void order_is_restored(void **state)
{
	struct stats stats = { 0 };
	struct seen *seen = calloc(1, sizeof(*seen));
	struct receive_opts opts = { .stats = &stats };
	struct receive *receive = receive__new(&opts, (struct event_sink){ see, seen });
	uint64_t sum = 0;

	for (uint64_t ring = 0; ring < 4; ring++) /* one ring's batch after the other */
		for (uint64_t i = 0; i < 500; i++)
			push(receive, 10 * MS + i * 1000 + ring % 2, ring + 1);
	receive__tick(receive, 10 * MS);
	assert_int_equal(seen->count, 0);
	receive__tick(receive, 12 * MS); /* the window has passed for one time only */
	assert_int_equal(seen->count, 2);
	receive__tick(receive, 20 * MS);
	assert_int_equal(seen->count, 2000);
	for (size_t i = 0; i < 2000; i++) {
		sum += seen->conns[i];
		if (!i)
			continue;
		assert_true(seen->times[i - 1] <= seen->times[i]);
		if (seen->times[i - 1] == seen->times[i]) /* then as they came */
			assert_true(seen->conns[i - 1] <= seen->conns[i]);
	}
	assert_int_equal(sum, 500 * (1 + 2 + 3 + 4));
	assert_int_equal(stats.events, 2000);
	assert_int_equal(stats.lost[LOSS_EVENT_LATE], 0);

	push(receive, 5 * MS, 9); /* at once, and counted */
	assert_int_equal(seen->count, 2001);
	assert_int_equal(stats.lost[LOSS_EVENT_LATE], 1);
	push(receive, 30 * MS, 9);
	receive__flush(receive);
	assert_int_equal(seen->count, 2002);
	push(receive, 40 * MS, 9); /* freed while held */
	receive__free(receive);
	free(seen);
}

static void memory_is_bounded(void **state)
{
	struct stats stats = { 0 };
	struct seen *seen = calloc(1, sizeof(*seen));
	struct receive_opts opts = { .stats = &stats };
	struct receive *receive = receive__new(&opts, (struct event_sink){ see, seen });
	size_t n = RECEIVE_BYTES_MAX / sizeof(struct event_shut) + 20000;

	for (size_t i = 0; i < n; i++)
		push(receive, 10 * MS + i, 1);
	assert_true(seen->count > 10000); /* the oldest were let go before any tick */
	assert_true(seen->count < n);
	assert_int_equal(seen->times[(seen->count - 1) % 4096], 10 * MS + seen->count - 1);
	receive__flush(receive);
	assert_int_equal(seen->count, n);
	receive__free(receive);
	free(seen);
}

static bool valid(const void *record, size_t size)
{
	/* exact size, so that a look past the end is found */
	void *copy = malloc(size);
	bool ok;

	memcpy(copy, record, size);
	ok = event__valid(copy, size);
	free(copy);
	return ok;
}

static void records_are_checked(void **state)
{
	struct {
		struct event_data data;
		char bytes[64];
	} data = { .data = { .event = { .size = 128, .kind = EVENT_DATA },
			     .conn = 1,
			     .length = 100,
			     .offset = 36,
			     .captured = 64 } };
	struct event_shut shut = shut_at(1, 1);
	struct event_conn_open open = { .event = { .size = sizeof(open), .kind = EVENT_CONN_OPEN },
					.conn = 1,
					.tuple = { .family = FAMILY_INET } };
	struct event_task task = { .event = { .size = sizeof(task), .kind = EVENT_TASK },
				   .change = TASK_EXIT };
	struct event_mark mark = { .event = { .size = sizeof(mark), .kind = EVENT_MARK },
				   .conn = 1 };
	struct event_conn_close close = {
		.event = { .size = sizeof(close), .kind = EVENT_CONN_CLOSE }, .conn = 1
	};

	assert_true(valid(&data, 128));
	assert_false(valid(&data, 127)); /* the ring has less than it says */
	assert_false(valid(&data, 31));
	assert_false(valid(&data, 0));

#define REFUSED(record, field, value)                                                              \
	do {                                                                                       \
		typeof(record) bad_ = record;                                                      \
		bad_.field = value;                                                                \
		assert_false(valid(&bad_, sizeof(bad_)));                                          \
	} while (0)

	REFUSED(data, data.captured, 65);
	REFUSED(data, data.offset, 37);
	REFUSED(data, data.offset, UINT32_MAX);
	REFUSED(data, data.dir, 2);
	REFUSED(data, data.conn, 0);
	REFUSED(data, data.position, 1ull << 63);
	REFUSED(data, data.event.size, 124);
	REFUSED(data, data.event.size, 56);
	REFUSED(data, data.event.size, UINT32_MAX - 7);
	REFUSED(data, data.event.kind, 0);
	REFUSED(data, data.event.kind, EVENT_KIND_COUNT);
	REFUSED(data, data.event.kind, EVENT_MARK); /* another kind's size */
	assert_true(valid(&shut, sizeof(shut)));
	REFUSED(shut, dir, 2);
	REFUSED(shut, conn, 0);
	REFUSED(shut, event.time_ns, 1ull << 63); /* sums with it would overflow */
	assert_true(valid(&mark, sizeof(mark)));
	REFUSED(mark, last_ns, 1ull << 63);
	assert_true(valid(&close, sizeof(close)));
	REFUSED(close, last_ns[DIR_OUT], 1ull << 63);
	assert_true(valid(&open, sizeof(open)));
	REFUSED(open, tuple.family, 99);
	REFUSED(open, tuple.role, 3);
	REFUSED(open, conn, 0);
	assert_true(valid(&task, sizeof(task)));
	REFUSED(task, change, 0);
	REFUSED(task, change, TASK_EXIT + 1);
}

static void bad_records_are_counted(void **state)
{
	struct stats stats = { 0 };
	struct seen *seen = calloc(1, sizeof(*seen));
	struct receive_opts opts = { .stats = &stats };
	struct receive *receive = receive__new(&opts, (struct event_sink){ see, seen });
	uint32_t seed = 7;

	for (int i = 0; i < 20000; i++) {
		uint64_t noise[24];

		for (size_t j = 0; j < 24; j++) {
			seed = seed * 1664525 + 1013904223;
			noise[j] = (uint64_t)seed << 32 | (seed >> 8);
		}
		((struct event *)noise)->size = seed % 25 * 8;
		((struct event *)noise)->kind = (uint8_t)(seed >> 12) % EVENT_KIND_COUNT;
		receive__push(receive, noise, sizeof(noise));
	}
	receive__flush(receive);
	assert_int_equal(stats.events + stats.lost[LOSS_EVENT_BAD], 20000);
	assert_int_equal(seen->count, stats.events);
	receive__free(receive);
	free(seen);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(source_is_asked_meanwhile), cmocka_unit_test(order_is_restored),
		cmocka_unit_test(memory_is_bounded),	     cmocka_unit_test(records_are_checked),
		cmocka_unit_test(bad_records_are_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
