// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* The exporter against a scripted receiver on a loopback port: every class of outcome. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define OTLP_SINK_AS_UNIT
#include "../../tools/otlp_sink.c"

#include "base/clock.h"
#include "export.h"
#include "export/url.h"
#include "resource.h"

struct rig {
	struct sink *sink;
	struct stats stats;
	struct exporter exporter;
	struct span *spans[3];
	char url[64];
};

static struct rig rig;

static struct sink *start_sink(const char *script)
{
	/* never freed: the thread of a connection may still hold it */
	static struct sink sinks[64];
	static int used;
	struct sink *sink = &sinks[used++];

	assert_true(used <= 64);
	assert_int_equal(sink__start(sink, 0, script, NULL), 0);
	return sink;
}

static void rig_up(const char *script, struct otlp_opts opts)
{
	struct buf why = { 0 };

	rig = (struct rig){ .sink = start_sink(script) };
	snprintf(rig.url, sizeof(rig.url), "http://127.0.0.1:%u", rig.sink->port);
	if (!opts.url)
		opts.url = rig.url;
	for (int i = 0; i < 3; i++) {
		rig.spans[i] = span__new(NULL);
		rig.spans[i]->trace_id[0] = rig.spans[i]->span_id[0] = (uint8_t)(i + 1);
		rig.spans[i]->name = SLICE("GET");
	}
	assert_int_equal(otlp_http__new(&opts, &rig.stats, &rig.exporter, &why), 0);
}

static void rig_down(void)
{
	rig.exporter.free(rig.exporter.self);
	for (int i = 0; i < 3; i++)
		span__unref(rig.spans[i]);
	shutdown(rig.sink->fd, SHUT_RDWR);
	pthread_join(rig.sink->thread, NULL);
	close(rig.sink->fd);
	pthread_mutex_lock(&rig.sink->lock);
	buf__release(&rig.sink->head);
	buf__release(&rig.sink->body);
	pthread_mutex_unlock(&rig.sink->lock);
}

static struct export_result wait_for_answer(void)
{
	uint64_t end_ns = clock__monotonic_ns() + 10 * NSEC_PER_SEC;

	for (;;) {
		uint64_t now_ns = clock__monotonic_ns();
		struct export_result result = rig.exporter.poll(rig.exporter.self, now_ns);

		if (result.verdict != EXPORT_PENDING)
			return result;
		assert_true(now_ns < end_ns);
		usleep(200);
	}
}

static struct export_result post(bool again)
{
	assert_int_equal(rig.exporter.send(rig.exporter.self, rig.spans, 3, again), 0);
	return wait_for_answer();
}

static void spans_arrive_over_one_connection(void **state)
{
	rig_up("200", (struct otlp_opts){ .headers = "x-tenant=a%2Cb,empty=" });
	for (int i = 0; i < 3; i++)
		assert_int_equal(post(false).verdict, EXPORT_DONE);
	pthread_mutex_lock(&rig.sink->lock);
	assert_int_equal(rig.sink->connections, 1);
	assert_int_equal(rig.sink->requests, 3);
	assert_int_equal(rig.sink->spans, 9);
	const char *head = rig.sink->head.p;

	assert_true(strncmp(head, "POST /v1/traces HTTP/1.1\r\n", 26) == 0);
	assert_non_null(strstr(head, "Content-Type: application/x-protobuf\r\n"));
	assert_non_null(strstr(head, "User-Agent: spanprobe/"));
	assert_non_null(strstr(head, " OTel-OTLP-Exporter-C/"));
	assert_non_null(strstr(head, "x-tenant: a,b\r\n"));
	assert_non_null(strstr(head, "empty:\r\n"));
	assert_null(strstr(head, "Expect:"));
	assert_null(strstr(head, "Content-Encoding"));
	pthread_mutex_unlock(&rig.sink->lock);
	rig_down();
}

static void gzip_arrives_whole(void **state)
{
	rig_up("200", (struct otlp_opts){ .gzip = true });
	assert_int_equal(post(false).verdict, EXPORT_DONE);
	assert_int_equal(rig.sink->spans, 3);
	assert_non_null(strstr(rig.sink->head.p, "Content-Encoding: gzip\r\n"));
	rig_down();
}

static void outcomes(void **state)
{
	static const struct {
		const char *answer;
		enum export_verdict verdict;
	} cases[] = {
		{ "200", EXPORT_DONE },	    { "202", EXPORT_DONE },	 { "gzip", EXPORT_DONE },
		{ "chunked", EXPORT_DONE }, { "cut", EXPORT_DONE },	 { "once", EXPORT_DONE },
		{ "400", EXPORT_DROP },	    { "401", EXPORT_DROP },	 { "404", EXPORT_DROP },
		{ "408", EXPORT_DROP },	    { "413", EXPORT_DROP },	 { "429", EXPORT_RETRY },
		{ "500", EXPORT_DROP },	    { "501", EXPORT_DROP },	 { "502", EXPORT_RETRY },
		{ "503", EXPORT_RETRY },    { "504", EXPORT_RETRY },	 { "close", EXPORT_RETRY },
		{ "huge", EXPORT_DROP },    { "redirect", EXPORT_DROP },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		rig_up(cases[i].answer, (struct otlp_opts){ 0 });
		struct export_result result = post(false);

		if (result.verdict != cases[i].verdict)
			fail_msg("%s: %d (%s)", cases[i].answer, result.verdict, result.message);
		assert_false(result.unreachable);
		assert_int_equal(result.rejected, 0);
		assert_int_equal(result.message[0] == '\0', cases[i].verdict == EXPORT_DONE);
		assert_int_equal(rig.sink->requests, 1);
		rig_down();
	}
}

static void partial_success_is_told(void **state)
{
	rig_up("partial=2,partial=-5,partial=0", (struct otlp_opts){ 0 });
	struct export_result result = post(false);

	assert_int_equal(result.verdict, EXPORT_DONE);
	assert_int_equal(result.rejected, 2);
	assert_string_equal(result.message, "too old [m"); /* no escape reaches a terminal */
	assert_int_equal(post(false).rejected, 0);
	result = post(false);
	assert_int_equal(result.rejected, 0);
	assert_string_equal(result.message, "too old [m");
	rig_down();
}

static void refusals_are_told(void **state)
{
	rig_up("status=bad span,400", (struct otlp_opts){ 0 });
	assert_string_equal(post(false).message, "HTTP status 400: bad span");
	assert_string_equal(post(false).message, "HTTP status 400");
	rig_down();
}

static void retry_after_is_read(void **state)
{
	rig_up("429@2,503@100000,429+5,429-5,503,429@-3", (struct otlp_opts){ 0 });
	assert_int_equal(post(false).retry_after_ns, 2 * NSEC_PER_SEC);
	assert_int_equal(post(true).retry_after_ns, 60 * NSEC_PER_SEC);
	uint64_t date_ns = post(true).retry_after_ns;

	assert_true(date_ns >= 3 * NSEC_PER_SEC && date_ns <= 5 * NSEC_PER_SEC);
	assert_int_equal(post(true).retry_after_ns, 0);
	assert_int_equal(post(true).retry_after_ns, 0);
	assert_int_equal(post(true).retry_after_ns, 0);
	rig_down();
}

static void retry_sends_the_same_bytes(void **state)
{
	struct buf first = { 0 };

	rig_up("503,200", (struct otlp_opts){ 0 });
	assert_int_equal(post(false).verdict, EXPORT_RETRY);
	buf__append(&first, rig.sink->body.p, rig.sink->body.n);
	rig.stats.lost[0] = 7; /* would change the scope */
	assert_int_equal(post(true).verdict, EXPORT_DONE);
	assert_int_equal(rig.sink->body.n, first.n);
	assert_memory_equal(rig.sink->body.p, first.p, first.n);
	buf__release(&first);
	rig_down();
}

static void closed_idle_connection_is_no_failure(void **state)
{
	rig_up("once,once,200", (struct otlp_opts){ 0 });
	for (int i = 0; i < 3; i++) {
		assert_int_equal(post(false).verdict, EXPORT_DONE);
		usleep(20000);
	}
	assert_int_equal(rig.sink->connections, 3);
	rig_down();
}

static void nobody_there(void **state)
{
	/* a port that was free a moment ago */
	rig_up("200", (struct otlp_opts){ 0 });
	rig_down();
	char url[64];

	snprintf(url, sizeof(url), "http://localhost:%u", rig.sink->port);
	rig_up("200", (struct otlp_opts){ .url = url });
	struct export_result result = post(false);

	assert_int_equal(result.verdict, EXPORT_RETRY);
	assert_true(result.unreachable);
	assert_string_equal(result.message, "Connection refused");
	rig_down();
	rig_up("200", (struct otlp_opts){ .url = "http://no-such-host.invalid" });
	assert_true(post(false).unreachable);
	rig_down();
}

static void a_proxy_is_not_asked_for_loopback(void **state)
{
	setenv("http_proxy", "http://127.0.0.1:1", 1);
	setenv("ALL_PROXY", "http://127.0.0.1:1", 1);
	rig_up("200", (struct otlp_opts){ 0 });
	assert_int_equal(post(false).verdict, EXPORT_DONE);
	rig_down();
	unsetenv("http_proxy");
	unsetenv("ALL_PROXY");
}

static void not_http_is_dropped_or_retried(void **state)
{
	/* TLS spoken to a plain server: nobody there who understands us */
	struct sink *plain = start_sink("200");
	char url[64];

	snprintf(url, sizeof(url), "https://127.0.0.1:%u", plain->port);
	rig_up("200", (struct otlp_opts){ .url = url });
	struct export_result result = post(false);

	assert_int_equal(result.verdict, EXPORT_RETRY);
	assert_true(result.unreachable);
	rig_down();
	shutdown(plain->fd, SHUT_RDWR);
	pthread_join(plain->thread, NULL);
	close(plain->fd);
}

static void slow_answer_is_pending_and_can_be_cancelled(void **state)
{
	rig_up("slow=300,200", (struct otlp_opts){ .timeout_ms = 50 });
	assert_int_equal(rig.exporter.timeout_ns, 50 * NSEC_PER_MSEC);
	uint64_t begin_ns = clock__monotonic_ns();

	rig.exporter.send(rig.exporter.self, rig.spans, 3, false);
	for (int i = 0; i < 20; i++) {
		struct export_result result = rig.exporter.poll(rig.exporter.self, 0);

		assert_int_equal(result.verdict, EXPORT_PENDING);
	}
	assert_true(clock__monotonic_ns() - begin_ns < 200 * NSEC_PER_MSEC); /* never waits */
	rig.exporter.cancel(rig.exporter.self);
	assert_int_equal(post(false).verdict, EXPORT_DONE);
	rig_down();
}

static void requests_are_bounded(void **state)
{
	rig_up("200", (struct otlp_opts){ .request_bytes_max = 200 });
	assert_int_equal(rig.exporter.send(rig.exporter.self, rig.spans, 3, false), -E2BIG);
	assert_int_equal(rig.exporter.send(rig.exporter.self, rig.spans, 1, false), 0);
	assert_int_equal(wait_for_answer().verdict, EXPORT_DONE);
	assert_int_equal(rig.sink->requests, 1);
	rig_down();
}

static void urls_follow_the_rules(void **state)
{
	static const struct {
		const char *text;
		bool verbatim;
		const char *url, *where; /* NULL: refused */
		bool loopback;
	} cases[] = {
		{ "http://localhost:4318", false, "http://localhost:4318/v1/traces",
		  "http://localhost:4318", true },
		{ "http://localhost:4318/", false, "http://localhost:4318/v1/traces",
		  "http://localhost:4318", true },
		{ "http://c/base", false, "http://c/base/v1/traces", "http://c", false },
		{ "https://c/base/", false, "https://c/base/v1/traces", "https://c", false },
		{ "http://c", true, "http://c/", "http://c", false },
		{ "http://c/mine", true, "http://c/mine", "http://c", false },
		{ "http://u:secret@c:1/", false, "http://u:secret@c:1/v1/traces", "http://c:1",
		  false },
		{ "http://[::1]:4318", false, "http://[::1]:4318/v1/traces", "http://[::1]:4318",
		  true },
		{ "http://127.0.0.2", false, "http://127.0.0.2/v1/traces", "http://127.0.0.2",
		  true },
		{ "http://127.example.org", true, "http://127.example.org/",
		  "http://127.example.org", false },
		{ "localhost:4318", false, NULL, NULL, false },
		{ "collector", false, NULL, NULL, false },
		{ "ftp://c/x", false, NULL, NULL, false },
		{ "http://", false, NULL, NULL, false },
		{ "http://a b", false, NULL, NULL, false },
		{ "", false, NULL, NULL, false },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct otlp_url url = { 0 };
		struct buf why = { 0 };
		int err = otlp_url__parse(cases[i].text, cases[i].verbatim, &url, &why);

		assert_int_equal(err, cases[i].url ? 0 : -EINVAL);
		assert_int_equal(why.n == 0, !err);
		if (!err) {
			assert_string_equal(url.url, cases[i].url);
			assert_string_equal(url.where, cases[i].where);
			assert_int_equal(url.loopback, cases[i].loopback);
		}
		otlp_url__release(&url);
		buf__release(&why);
	}
}

static void bad_settings_are_told(void **state)
{
	static const struct {
		struct otlp_opts opts;
		const char *word;
	} cases[] = {
		{ { .url = "localhost:4318" }, "otlp=http://localhost:4318" },
		{ { .url = "http://c", .headers = "a" }, "name=value" },
		{ { .url = "http://c", .headers = "a=b%0d%0ac: d" }, "control" },
		{ { .url = "http://c", .headers = "a b=c" }, "name=value" },
		{ { .url = "https://c", .ca_file = "/no/such.pem" }, "/no/such.pem" },
		{ { .url = "https://c", .client_key = "/no/such.key" }, "client key" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct exporter exporter;
		struct buf why = { 0 };

		assert_true(otlp_http__new(&cases[i].opts, NULL, &exporter, &why) < 0);
		buf__append(&why, "", 1);
		assert_non_null(strstr(why.p, cases[i].word));
		buf__release(&why);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(spans_arrive_over_one_connection),
		cmocka_unit_test(gzip_arrives_whole),
		cmocka_unit_test(outcomes),
		cmocka_unit_test(partial_success_is_told),
		cmocka_unit_test(refusals_are_told),
		cmocka_unit_test(retry_after_is_read),
		cmocka_unit_test(retry_sends_the_same_bytes),
		cmocka_unit_test(closed_idle_connection_is_no_failure),
		cmocka_unit_test(nobody_there),
		cmocka_unit_test(a_proxy_is_not_asked_for_loopback),
		cmocka_unit_test(not_http_is_dropped_or_retried),
		cmocka_unit_test(slow_answer_is_pending_and_can_be_cancelled),
		cmocka_unit_test(requests_are_bounded),
		cmocka_unit_test(urls_follow_the_rules),
		cmocka_unit_test(bad_settings_are_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
