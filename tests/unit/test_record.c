// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "event.h"
#include "record.h"

#define EVENTS 3

static char path[] = "/tmp/test_record.XXXXXX";

static struct event_task task(uint32_t pid)
{
	return (struct event_task){
		.event = { .size = sizeof(struct event_task),
			   .kind = EVENT_TASK,
			   .time_ns = 1000 + pid,
			   .pid = pid,
			   .tid = pid },
		.change = TASK_EXIT,
		.comm = "worker",
	};
}

static struct resource *named(const char *name)
{
	struct resource *resource = resource__new();

	assert_non_null(resource);
	assert_int_equal(resource__set(resource, "service.name", slice_of(name)), 0);
	return resource;
}

/* A header, a process, events with a clock between them. Returns how many bytes. */
static size_t write_recording(void)
{
	struct resource *host = named("host"), *shop = named("shop");
	struct process *process = process__new(42, 77, RUNTIME_PYTHON, shop);
	struct record_header header = { .seed = 7, .wall_offset_ns = -5, .host = host };
	struct recorder *recorder;
	struct buf why = { 0 };

	strcpy(path + sizeof(path) - 7, "XXXXXX");
	close(mkstemp(path));
	assert_int_equal(recorder__new(path, &header, &recorder, &why), 0);
	assert_int_equal(recorder__process(recorder, process), 0);
	for (uint32_t i = 0; i < EVENTS; i++) {
		struct event_task event = task(i + 1);

		assert_int_equal(recorder__event(recorder, &event, sizeof(event)), 0);
		assert_int_equal(recorder__clock(recorder, i), 0);
	}
	assert_int_equal(recorder__close(recorder), 0);
	process__unref(process);
	resource__unref(host);
	resource__unref(shop);

	FILE *file = fopen(path, "re");

	fseek(file, 0, SEEK_END);
	long n = ftell(file);

	fclose(file);
	return (size_t)n;
}

static void patch(long offset, const void *p, size_t n)
{
	FILE *file = fopen(path, "r+e");

	fseek(file, offset, SEEK_SET);
	assert_int_equal(fwrite(p, 1, n, file), n);
	fclose(file);
}

struct seen {
	uint32_t events, processes, clocks;
	int64_t offset;
};

static void on_event(void *ctx, const void *record, size_t size)
{
	struct seen *seen = ctx;
	struct event_task expected = task(++seen->events);

	assert_int_equal(size, sizeof(expected));
	assert_memory_equal(record, &expected, sizeof(expected));
}

static void on_process(void *ctx, struct process *process)
{
	((struct seen *)ctx)->processes++;
	assert_int_equal(process->pid, 42);
	assert_int_equal(process->start_ticks, 77);
	assert_int_equal(process->runtime, RUNTIME_PYTHON);
	assert_true(slice_eq(resource__service_name(process->resource), SLICE("shop")));
}

static void on_clock(void *ctx, int64_t wall_offset_ns)
{
	((struct seen *)ctx)->clocks++;
	((struct seen *)ctx)->offset = wall_offset_ns;
}

static int replay(struct seen *seen, struct buf *why)
{
	struct replay_sink sink = { on_event, on_process, on_clock, seen };
	struct record_header header;
	struct replayer *replayer;
	int err = replayer__new(path, &header, &replayer, why);

	memset(seen, 0, sizeof(*seen));
	if (err)
		return err;
	assert_int_equal(header.seed, 7);
	assert_int_equal(header.wall_offset_ns, -5);
	assert_true(slice_eq(resource__service_name(header.host), SLICE("host")));
	err = replayer__run(replayer, sink, why);
	assert_int_equal(replayer__events(replayer), seen->events);
	resource__unref(header.host);
	replayer__free(replayer);
	return err;
}

static void test_round_trip(void **state)
{
	struct seen seen;
	struct buf why = { 0 };

	write_recording();
	assert_int_equal(replay(&seen, &why), 0);
	assert_int_equal(seen.events, EVENTS);
	assert_int_equal(seen.processes, 1);
	assert_int_equal(seen.clocks, EVENTS);
	assert_int_equal(seen.offset, EVENTS - 1);
	assert_int_equal(why.n, 0);
	unlink(path);
}

/* Whatever the length: the good events are handed over, and the number of them is said. */
static void test_cut_anywhere(void **state)
{
	size_t whole = write_recording();
	uint32_t most = 0;

	for (size_t n = whole - 1; n > 0; n--) {
		struct buf why = { 0 };
		struct seen seen;
		char count[32];

		assert_int_equal(truncate(path, (off_t)n), 0);
		assert_int_equal(replay(&seen, &why), -EBADMSG);
		buf__append(&why, "", 1);
		snprintf(count, sizeof(count), "%u good events", seen.events);
		assert_non_null(strstr(why.p, count));
		if (seen.events > most)
			most = seen.events;
		buf__release(&why);
	}
	assert_int_equal(most, EVENTS);
	unlink(path);
}

static void refused(int expected, const char *reason)
{
	struct buf why = { 0 };
	struct seen seen;

	assert_int_equal(replay(&seen, &why), expected);
	buf__append(&why, "", 1);
	if (!strstr(why.p, reason))
		fail_msg("'%s' does not contain '%s'", why.p, reason);
	buf__release(&why);
}

static void test_not_ours(void **state)
{
	uint32_t version = RECORD_VERSION + 1;
	size_t whole = write_recording();

	patch(8, &version, sizeof(version));
	refused(-EPROTO, "version 2");
	patch(0, "GIF89a", 6);
	refused(-EBADMSG, "not a recording");
	unlink(path);
	refused(-ENOENT, "No such file");

	/* an END that counts otherwise, and bytes after it */
	uint64_t count = EVENTS + 1;

	write_recording();
	patch((long)whole - 8, &count, sizeof(count));
	refused(-EBADMSG, "broken after 3 good events");
	unlink(path);
	write_recording();
	patch((long)whole, "x", 1);
	refused(-EBADMSG, "broken after 3 good events");
	unlink(path);
}

static void count_event(void *ctx, const void *record, size_t size)
{
	((struct seen *)ctx)->events++;
}

/* Every byte wrong once: never a crash, never more events than were written. */
static void test_flipped_bytes(void **state)
{
	struct record_header header;
	struct replayer *replayer;
	size_t whole = write_recording();
	FILE *file = fopen(path, "re");
	unsigned char *bytes = malloc(whole);

	assert_int_equal(fread(bytes, 1, whole, file), whole);
	fclose(file);
	for (size_t i = 0; i < whole; i++) {
		unsigned char wrong = bytes[i] ^ 0x81;
		struct buf why = { 0 };
		struct seen seen = { 0 };
		struct replay_sink sink = { count_event, NULL, on_clock, &seen };

		patch((long)i, &wrong, 1);
		if (replayer__new(path, &header, &replayer, &why) == 0) {
			replayer__run(replayer, sink, &why);
			assert_in_range(seen.events, 0, EVENTS);
			resource__unref(header.host);
			replayer__free(replayer);
		}
		patch((long)i, &bytes[i], 1);
		buf__release(&why);
	}
	free(bytes);
	unlink(path);
}

static void test_full_disk(void **state)
{
	struct resource *host = named("host");
	struct record_header header = { .host = host };
	struct recorder *recorder;
	struct buf why = { 0 };
	struct event_task event = task(1);
	int err = 0;

	assert_int_equal(recorder__new("/nonexistent/x", &header, &recorder, &why), -ENOENT);
	buf__release(&why);
	assert_int_equal(recorder__new("/dev/full", &header, &recorder, &why), 0);
	for (int i = 0; i < 100000 && !err; i++)
		err = recorder__event(recorder, &event, sizeof(event));
	assert_int_equal(err, -ENOSPC);
	assert_int_equal(recorder__close(recorder), -ENOSPC);
	resource__unref(host);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip), cmocka_unit_test(test_cut_anywhere),
		cmocka_unit_test(test_not_ours),   cmocka_unit_test(test_flipped_bytes),
		cmocka_unit_test(test_full_disk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
