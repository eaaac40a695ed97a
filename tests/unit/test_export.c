// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* The queue: batches, bounds, retries and the end, with exporters that do as they are told. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/log.h"
#include "export.h"

#define MS NSEC_PER_MSEC
#define S  NSEC_PER_SEC

struct fake {
	struct export_result answer; /* to every poll */
	int send_error;
	uint32_t size_max; /* spans it takes at once; 0: any */
	uint32_t sends, retries, cancels, polls, last_count;
	uint32_t taken;
	bool freed;
};

static int fake_send(void *self, struct span *const *spans, uint32_t count, bool again)
{
	struct fake *fake = self;

	if (fake->size_max && count > fake->size_max)
		return -E2BIG;
	fake->sends++;
	fake->retries += again;
	fake->last_count = count;
	for (uint32_t i = 0; i < count; i++)
		assert_true(spans[i]->refs > 0);
	return fake->send_error;
}

static struct export_result fake_poll(void *self, uint64_t now_ns)
{
	struct fake *fake = self;

	fake->polls++;
	if (fake->answer.verdict == EXPORT_DONE)
		fake->taken += fake->last_count;
	return fake->answer;
}

static void fake_cancel(void *self)
{
	((struct fake *)self)->cancels++;
}

static void fake_free(void *self)
{
	((struct fake *)self)->freed = true;
}

static struct stats stats;

static struct exporter fake_exporter(struct fake *fake, uint64_t timeout_ns)
{
	return (struct exporter){
		.name = "fake",
		.where = "http://fake:1",
		.timeout_ns = timeout_ns,
		.self = fake,
		.send = fake_send,
		.poll = fake_poll,
		.cancel = fake_cancel,
		.free = fake_free,
	};
}

static struct export *make(struct export_opts opts, struct fake *fake)
{
	stats = (struct stats){ 0 };
	opts.stats = &stats;
	struct export *export = export__new(&opts);
	struct exporter exporter = fake_exporter(fake, 10 * S);

	assert_int_equal(export__adopt(export, &exporter), 0);
	return export;
}

static void push(struct export *export, int n)
{
	struct span_sink sink = export__sink(export);

	for (int i = 0; i < n; i++) {
		struct span *span = span__new(NULL);

		sink.push(sink.ctx, span);
		span__unref(span);
	}
}

/* Standard error of `run`, as text */
static char said[8192];

static void hear(void (*run)(void *), void *arg)
{
	int pipe_fds[2], saved = dup(2);

	assert_int_equal(pipe2(pipe_fds, O_NONBLOCK), 0);
	fflush(stderr);
	dup2(pipe_fds[1], 2);
	run(arg);
	fflush(stderr);
	dup2(saved, 2);
	close(saved);
	close(pipe_fds[1]);
	ssize_t n = read(pipe_fds[0], said, sizeof(said) - 1);

	said[n > 0 ? n : 0] = '\0';
	close(pipe_fds[0]);
}

static int lines(void)
{
	int n = 0;

	for (const char *p = said; (p = strchr(p, '\n')); p++)
		n++;
	return n;
}

static void a_full_batch_goes_at_once_the_rest_after_the_delay(void **state)
{
	struct fake fake = { .answer = { .verdict = EXPORT_DONE } };
	struct export *export = make((struct export_opts){ .batch_spans = 10 }, &fake);

	push(export, 25);
	export__tick(export, 100 * S);
	assert_int_equal(fake.sends, 2);
	assert_int_equal(stats.spans_exported, 20);
	export__tick(export, 100 * S + 999 * MS);
	assert_int_equal(fake.sends, 2);
	assert_int_equal(export__idle_ns(export, 100 * S + 999 * MS), 1 * MS);
	export__tick(export, 101 * S);
	assert_int_equal(fake.sends, 3);
	assert_int_equal(fake.last_count, 5);
	assert_int_equal(stats.spans_exported, 25);
	export__free(export);
	assert_true(fake.freed);
}

static void one_send_at_a_time(void **state)
{
	struct fake fake = { .answer = { .verdict = EXPORT_PENDING } };
	struct export *export = make((struct export_opts){ .batch_spans = 10 }, &fake);

	push(export, 40);
	for (uint64_t t = 0; t < 5; t++)
		export__tick(export, S + t * MS);
	assert_int_equal(fake.sends, 1);
	assert_true(export__idle_ns(export, S + 5 * MS) > 0);
	assert_true(export__idle_ns(export, S + 5 * MS) <= 5 * MS);
	fake.answer.verdict = EXPORT_DONE;
	export__tick(export, S + 6 * MS);
	assert_int_equal(fake.sends, 4);
	assert_int_equal(stats.spans_exported, 40);
	export__free(export);
}

static void a_slow_one_holds_up_no_other(void **state)
{
	struct fake slow = { .answer = { .verdict = EXPORT_PENDING } };
	struct fake fast = { .answer = { .verdict = EXPORT_DONE } };
	struct export *export =
		make((struct export_opts){ .batch_spans = 10, .queue_spans = 20 }, &slow);
	struct exporter exporter = fake_exporter(&fast, 0);

	export__adopt(export, &exporter);
	log_level = LOG_ERROR;
	for (uint64_t t = 0; t < 10; t++) {
		push(export, 10);
		export__tick(export, S + t * MS);
	}
	assert_int_equal(fast.taken, 100);
	assert_int_equal(stats.spans_exported, 100);
	assert_int_equal(stats.lost[LOSS_QUEUE_FULL], 80); /* by the slow one */
	slow.answer.verdict = EXPORT_DONE;
	export__tick(export, 2 * S);
	assert_int_equal(slow.taken, 20);
	assert_int_equal(stats.spans_exported, 100); /* once per span */
	log_level = LOG_INFO;
	export__free(export);
}

static void the_queue_is_bounded_in_bytes(void **state)
{
	struct fake fake = { .answer = { .verdict = EXPORT_PENDING } };
	struct export *export =
		make((struct export_opts){ .queue_bytes = 5 * sizeof(struct span) }, &fake);

	log_level = LOG_ERROR;
	push(export, 7);
	assert_int_equal(stats.lost[LOSS_QUEUE_FULL], 2);
	log_level = LOG_INFO;
	fake.answer.verdict = EXPORT_DONE;
	export__tick(export, S);
	export__tick(export, 3 * S);
	assert_int_equal(fake.taken, 5);
	push(export, 5); /* the bytes are given back */
	assert_int_equal(stats.lost[LOSS_QUEUE_FULL], 2);
	export__tick(export, 4 * S);
	export__tick(export, 6 * S);
	assert_int_equal(fake.taken, 10);
	export__free(export);
}

static void retries_back_off_with_jitter_until_the_timeout(void **state)
{
	uint64_t firsts[20];
	bool differ = false;

	log_level = LOG_ERROR;
	for (uint64_t seed = 0; seed < 20; seed++) {
		struct fake fake = { .answer = { .verdict = EXPORT_RETRY } };
		struct export *export =
			make((struct export_opts){ .batch_spans = 1, .seed = seed }, &fake);
		uint64_t t = S;

		push(export, 1);
		export__tick(export, t);
		firsts[seed] = export__idle_ns(export, t);
		/* 1 s, half of it to either side */
		assert_true(firsts[seed] >= 500 * MS && firsts[seed] < 1500 * MS);
		differ |= firsts[seed] != firsts[0];
		while (!stats.lost[LOSS_EXPORT_FAILED]) {
			assert_int_equal(fake.sends, fake.retries + 1);
			export__tick(export, t += MS);
			assert_true(t < 12 * S);
		}
		assert_in_range(fake.sends, 4, 15);
		assert_in_range(t, 2 * S, 11 * S);
		assert_int_equal(stats.lost[LOSS_EXPORT_FAILED], 1);
		assert_int_equal(stats.spans_exported, 0);
		export__free(export);
	}
	log_level = LOG_INFO;
	assert_true(differ);
}

static void retry_after_is_kept(void **state)
{
	struct fake fake = { .answer = { .verdict = EXPORT_RETRY, .retry_after_ns = 3 * S } };
	struct export *export = make((struct export_opts){ .batch_spans = 1 }, &fake);

	log_level = LOG_ERROR;
	push(export, 1);
	export__tick(export, S);
	export__tick(export, 4 * S - 1);
	assert_int_equal(fake.sends, 1);
	fake.answer.retry_after_ns = 60 * S; /* beyond the batch's time: it is lost... */
	export__tick(export, 4 * S);
	assert_int_equal(fake.sends, 2);
	assert_int_equal(stats.lost[LOSS_EXPORT_FAILED], 1);
	push(export, 1); /* ...and the next one waits as asked */
	fake.answer.verdict = EXPORT_DONE;
	export__tick(export, 63 * S);
	assert_int_equal(fake.sends, 2);
	export__tick(export, 64 * S);
	assert_int_equal(fake.taken, 1);
	log_level = LOG_INFO;
	export__free(export);
}

static void no_answer_ends_at_the_timeout(void **state)
{
	struct fake fake = { .answer = { .verdict = EXPORT_PENDING } };
	struct export *export = make((struct export_opts){ .batch_spans = 1 }, &fake);

	log_level = LOG_ERROR;
	push(export, 1);
	export__tick(export, S);
	export__tick(export, 11 * S - 1);
	assert_int_equal(fake.cancels, 0);
	export__tick(export, 11 * S);
	assert_int_equal(fake.cancels, 1);
	assert_int_equal(stats.lost[LOSS_EXPORT_FAILED], 1);
	log_level = LOG_INFO;
	export__free(export);
}

static void a_batch_too_big_is_split(void **state)
{
	struct fake fake = { .answer = { .verdict = EXPORT_DONE }, .size_max = 3 };
	struct export *export = make((struct export_opts){ .batch_spans = 16 }, &fake);

	push(export, 16);
	for (uint64_t t = 1; t < 20; t++)
		export__tick(export, t * S);
	assert_int_equal(fake.taken, 16);
	assert_int_equal(stats.lost[LOSS_EXPORT_TOO_BIG], 0);
	export__free(export);

	struct fake tiny = { .send_error = -E2BIG };

	export = make((struct export_opts){ .batch_spans = 4 }, &tiny);
	log_level = LOG_ERROR;
	push(export, 4);
	for (uint64_t t = 1; t < 20; t++)
		export__tick(export, t * S);
	assert_int_equal(stats.lost[LOSS_EXPORT_TOO_BIG], 4);
	log_level = LOG_INFO;
	export__free(export);
}

static void partial_success_is_counted(void **state)
{
	struct fake fake = { .answer = { .verdict = EXPORT_DONE, .rejected = 3 } };
	struct export *export = make((struct export_opts){ .batch_spans = 10 }, &fake);

	log_level = LOG_ERROR;
	push(export, 10);
	export__tick(export, S);
	assert_int_equal(stats.spans_exported, 7);
	assert_int_equal(stats.lost[LOSS_EXPORT_REJECTED], 3);
	assert_int_equal(fake.sends, 1);
	fake.answer.rejected = UINT32_MAX; /* more than there were */
	push(export, 10);
	export__tick(export, 2 * S);
	assert_int_equal(stats.spans_exported, 7);
	assert_int_equal(stats.lost[LOSS_EXPORT_REJECTED], 13);
	log_level = LOG_INFO;
	export__free(export);
}

/* --- nobody there: told once, kept on trying, told what was lost ---------------------------------- */

struct scene {
	struct export *export;
	struct fake *fake;
};

static void an_hour_alone(void *arg)
{
	struct scene *scene = arg;

	for (uint64_t t = 1; t < 3600; t++) {
		if (t % 10 == 0)
			push(scene->export, 1);
		export__tick(scene->export, t * S);
	}
}

static void back_again(void *arg)
{
	struct scene *scene = arg;

	scene->fake->answer = (struct export_result){ .verdict = EXPORT_DONE };
	for (uint64_t t = 3600; t < 3700; t++)
		export__tick(scene->export, t * S);
}

static void an_unreachable_one_is_told_once(void **state)
{
	struct fake fake = { .answer = { .verdict = EXPORT_RETRY,
					 .unreachable = true,
					 .message = "Connection refused" } };
	struct export *export =
		make((struct export_opts){ .batch_spans = 10, .queue_spans = 100 }, &fake);
	struct scene scene = { export, &fake };

	hear(an_hour_alone, &scene);
	assert_int_equal(lines(), 1);
	assert_non_null(strstr(said, "cannot reach http://fake:1: Connection refused; spans are "
				     "kept (up to 100)"));
	assert_true(fake.sends > 600); /* at least every 7.5 s */
	assert_int_equal(stats.lost[LOSS_EXPORT_FAILED], 0);
	assert_int_equal(stats.lost[LOSS_QUEUE_FULL], 259);
	hear(back_again, &scene);
	assert_int_equal(lines(), 1);
	assert_non_null(strstr(said, "http://fake:1 takes spans again; 259 were dropped"));
	assert_int_equal(stats.spans_exported, 100);
	export__free(export);
}

static void flapping(void *arg)
{
	struct scene *scene = arg;

	for (uint64_t t = 0; t < 2000; t++) {
		scene->fake->answer.verdict = t % 2 ? EXPORT_DONE : EXPORT_DROP;
		push(scene->export, 1);
		export__tick(scene->export, S + t * 100 * MS); /* 200 s */
	}
}

static void flapping_does_not_fill_the_log(void **state)
{
	struct fake fake = { .answer = { .verdict = EXPORT_DROP } };
	struct export *export = make((struct export_opts){ .batch_spans = 1 }, &fake);
	struct scene scene = { export, &fake };

	hear(flapping, &scene);
	assert_in_range(lines(), 2, 10);
	assert_int_equal(stats.lost[LOSS_EXPORT_FAILED], 1000);
	export__free(export);
}

/* --- the end ------------------------------------------------------------------------------------------ */

static void flush_sends_all(void **state)
{
	struct fake fake = { .answer = { .verdict = EXPORT_DONE } };
	struct export *export = make((struct export_opts){ .batch_spans = 10 }, &fake);

	push(export, 25);
	export__flush(export, clock__monotonic_ns() + S);
	assert_int_equal(fake.taken, 25);
	assert_int_equal(stats.lost[LOSS_EXPORT_SHUTDOWN], 0);
	export__free(export);
}

static void flush_ends_in_time(void **state)
{
	struct fake fake = { .answer = { .verdict = EXPORT_PENDING } };
	struct export *export = make((struct export_opts){ .batch_spans = 10 }, &fake);
	uint64_t begin_ns = clock__monotonic_ns();

	log_level = LOG_ERROR;
	push(export, 25);
	export__flush(export, begin_ns + 50 * MS);
	assert_in_range(clock__monotonic_ns() - begin_ns, 50 * MS, 500 * MS);
	assert_int_equal(stats.lost[LOSS_EXPORT_SHUTDOWN], 25);
	assert_int_equal(fake.cancels, 1);
	log_level = LOG_INFO;
	export__free(export);
}

static void flush_does_not_wait_for_nobody(void **state)
{
	struct fake fake = { .answer = { .verdict = EXPORT_RETRY, .unreachable = true } };
	struct export *export = make((struct export_opts){ .batch_spans = 10 }, &fake);
	uint64_t begin_ns = clock__monotonic_ns();

	log_level = LOG_ERROR;
	push(export, 25);
	export__tick(export, begin_ns);
	assert_int_equal(fake.sends, 1);
	export__flush(export, begin_ns + 5 * S);
	assert_true(clock__monotonic_ns() - begin_ns < S);
	assert_int_equal(fake.sends, 2);
	assert_int_equal(stats.lost[LOSS_EXPORT_SHUTDOWN], 25);
	log_level = LOG_INFO;
	export__free(export);
}

/* --- by name -------------------------------------------------------------------------------------------- */

static void names_are_known(void **state)
{
	static const struct {
		const char *spec, *word; /* NULL: taken */
	} cases[] = {
		{ "otlp", NULL },
		{ "otlp=http://localhost:4318", NULL },
		{ "none", NULL },
		{ "file=/dev/null", NULL },
		{ "otlp=localhost:4318", "http://" },
		{ "file", "file=" },
		{ "file=", "file=" },
		{ "file=/no/such/dir/x", "No such file" },
		{ "jaeger", "otlp=URL" },
		{ "none=1", "no value" },
		{ "", "otlp=URL" },
	};
	struct export *export = export__new(&(struct export_opts){ .stats = &stats });

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buf why = { 0 };
		int err = export__add(export, cases[i].spec, &why);

		buf__append(&why, "", 1);
		if (!cases[i].word != !err)
			fail_msg("%s: %d %s", cases[i].spec, err, why.p);
		if (err)
			assert_non_null(strstr(why.p, cases[i].word));
		buf__release(&why);
	}
	export__free(export);
	export__free(NULL);
}

static void a_file_gets_lines(void **state)
{
	char path[] = "/tmp/test_export_XXXXXX", spec[64], text[4096] = "";
	int fd = mkstemp(path);
	struct buf why = { 0 };
	struct export *export =
		export__new(&(struct export_opts){ .stats = &stats, .batch_spans = 2 });

	assert_int_equal(write(fd, "before\n", 7), 7);
	snprintf(spec, sizeof(spec), "file=%s", path);
	assert_int_equal(export__add(export, spec, &why), 0);
	push(export, 3);
	export__flush(export, clock__monotonic_ns() + S);
	export__free(export);
	assert_true(pread(fd, text, sizeof(text) - 1, 0) > 0);
	assert_true(strncmp(text, "before\n{\"resourceSpans\":[", 25) == 0);
	int n = 0;

	for (const char *p = text; (p = strchr(p, '\n')); p++)
		n++;
	assert_int_equal(n, 3);
	close(fd);
	unlink(path);
}

static void a_full_disk_is_counted(void **state)
{
	struct buf why = { 0 };
	struct export *export =
		export__new(&(struct export_opts){ .stats = &stats, .batch_spans = 2 });

	stats = (struct stats){ 0 };
	log_level = LOG_ERROR;
	assert_int_equal(export__add(export, "file=/dev/full", &why), 0);
	push(export, 4);
	export__flush(export, clock__monotonic_ns() + S);
	assert_int_equal(stats.lost[LOSS_EXPORT_FAILED], 4);
	assert_int_equal(stats.spans_exported, 0);
	log_level = LOG_INFO;
	export__free(export);
}

/* A reader that does not read, then one that went away */
static void a_stuck_pipe_blocks_nothing(void **state)
{
	char path[] = "/tmp/test_export_XXXXXX", spec[64];
	struct buf why = { 0 };
	struct export *export =
		export__new(&(struct export_opts){ .stats = &stats, .batch_spans = 500 });

	assert_non_null(mkdtemp(path));
	snprintf(spec, sizeof(spec), "file=%s/fifo", path);
	assert_int_equal(mkfifo(spec + 5, 0600), 0);
	int reader = open(spec + 5, O_RDONLY | O_NONBLOCK);

	stats = (struct stats){ 0 };
	log_level = LOG_ERROR;
	assert_int_equal(export__add(export, spec, &why), 0);
	push(export, 1000);
	export__tick(export, S);
	export__tick(export, 2 * S);
	assert_int_equal(stats.spans_exported, 0);
	close(reader);
	export__tick(export, 3 * S); /* EPIPE, and we live */
	assert_int_equal(stats.lost[LOSS_EXPORT_FAILED], 1000);
	export__free(export);
	log_level = LOG_INFO;
	unlink(spec + 5);
	rmdir(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_full_batch_goes_at_once_the_rest_after_the_delay),
		cmocka_unit_test(one_send_at_a_time),
		cmocka_unit_test(a_slow_one_holds_up_no_other),
		cmocka_unit_test(the_queue_is_bounded_in_bytes),
		cmocka_unit_test(retries_back_off_with_jitter_until_the_timeout),
		cmocka_unit_test(retry_after_is_kept),
		cmocka_unit_test(no_answer_ends_at_the_timeout),
		cmocka_unit_test(a_batch_too_big_is_split),
		cmocka_unit_test(partial_success_is_counted),
		cmocka_unit_test(an_unreachable_one_is_told_once),
		cmocka_unit_test(flapping_does_not_fill_the_log),
		cmocka_unit_test(flush_sends_all),
		cmocka_unit_test(flush_ends_in_time),
		cmocka_unit_test(flush_does_not_wait_for_nobody),
		cmocka_unit_test(names_are_known),
		cmocka_unit_test(a_file_gets_lines),
		cmocka_unit_test(a_full_disk_is_counted),
		cmocka_unit_test(a_stuck_pipe_blocks_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
