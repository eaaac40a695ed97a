// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/clock.h"
#include "export/cell.h"
#include "export/console.h"
#include "export/tree.h"
#include "resource.h"

#define US NSEC_PER_USEC
#define MS NSEC_PER_MSEC
#define S  NSEC_PER_SEC
#define T0 1795555737001000000ull

static struct resource *front, *back;

static struct span *make(uint8_t trace, uint8_t id, uint8_t parent, struct resource *resource,
			 enum span_kind kind, uint64_t start_us, uint64_t end_us)
{
	struct span *span = span__new(resource);

	span->trace_id[15] = trace;
	span->span_id[7] = id;
	span->has_parent = parent != 0;
	span->parent_id[7] = parent;
	span->kind = kind;
	span->start_ns = T0 + start_us * US;
	span->end_ns = T0 + end_us * US;
	span->name = SLICE("GET");
	span__set_int(span, "http.response.status_code", 200);
	return span;
}

static const char *render(struct span *const *spans, uint32_t count, uint32_t width, bool color,
			  bool utf8)
{
	static struct buf out;
	struct tree_style style = { .width = width, .color = color, .utf8 = utf8 };

	buf__release(&out);
	assert_int_equal(tree__print(spans, count, &style, &out), 0);
	buf__append(&out, "", 1);
	return out.p;
}

static void drop(struct span **spans, uint32_t count)
{
	while (count--)
		span__unref(spans[count]);
}

/* front serves /shop, calls back twice, of which one fails to connect */
static uint32_t make_shop(struct span **spans)
{
	spans[0] = make(1, 3, 2, back, SPAN_SERVER, 2000, 9800);
	span__set(spans[0], "url.path", SLICE("/items"));
	spans[1] = make(1, 2, 1, front, SPAN_CLIENT, 1500, 10100);
	span__set(spans[1], "url.full", SLICE("http://back:8080/items"));
	spans[2] = make(1, 4, 1, front, SPAN_CLIENT, 10500, 10600);
	spans[2]->name = SLICE("socket connect");
	spans[2]->status = STATUS_ERROR;
	spans[2]->attr_count = 0;
	span__set(spans[2], "error.type", SLICE("ECONNREFUSED"));
	span__set(spans[2], "server.address", SLICE("10.0.0.7"));
	span__set_int(spans[2], "server.port", 5432);
	spans[3] = make(1, 1, 0, front, SPAN_SERVER, 0, 12400);
	span__set(spans[3], "url.path", SLICE("/shop"));
	return 4;
}

static void a_trace_is_a_tree_with_bars(void **state)
{
	struct span *spans[4];
	uint32_t n = make_shop(spans);

	assert_string_equal(
		render(spans, n, 100, false, true),
		"trace 00000000000000000000000000000001  4 spans  12.4 ms\n"
		"front       GET /shop                              200  12.4 ms  "
		"███████████████████████████████████\n"
		"├─ front    GET back:8080/items                    200  8.60 ms      "
		"├───────────────────────┤\n"
		"│  ╰▶ back  GET /items                             200  7.80 ms        "
		"██████████████████████\n"
		"└─ front    socket connect 10.0.0.7:5432  ECONNREFUSED   100 µs"
		"                                │\n"
		"\n");
	drop(spans, n);
}

static void ascii_when_the_locale_has_no_more(void **state)
{
	struct span *spans[4];
	uint32_t n = make_shop(spans);

	span__set(spans[0], "url.path", SLICE("/gr\xc3\xbc\xc3\x9f"));
	const char *text = render(spans, n, 80, false, false);

	for (const char *p = text; *p; p++)
		assert_true(*p > 0);
	assert_non_null(strstr(text, "|- front    GET back:8080/items"));
	assert_non_null(strstr(text, "|  `> back  GET /gr??"));
	assert_non_null(strstr(text, "100 us"));
	assert_non_null(strstr(text, "  |---"));
	assert_non_null(strstr(text, "  ####"));
	drop(spans, n);
}

static void lines_keep_to_the_width(void **state)
{
	struct span *spans[4];
	uint32_t n = make_shop(spans);
	char path[2000];

	memset(path, 'p', sizeof(path));
	span__set(spans[3], "url.path", slice(path, sizeof(path)));
	for (uint32_t width = 60; width < 200; width += 7) {
		const char *text = render(spans, n, width, false, true);

		text = strchr(text, '\n') + 1;
		while (*text != '\n') {
			size_t length = strcspn(text, "\n");

			assert_true(cell__width(slice(text, length), true) <= width);
			text += length + 1;
		}
	}
	drop(spans, n);
}

static void colour_only_by_style(void **state)
{
	struct span *spans[4];
	uint32_t n = make_shop(spans);

	assert_null(strchr(render(spans, n, 100, false, true), '\x1b'));
	const char *text = render(spans, n, 100, true, true);

	assert_non_null(strstr(text, "\x1b[31mECONNREFUSED\x1b[0m"));
	assert_null(strstr(text, "\x1b[31m         200"));
	drop(spans, n);
}

static void strangers_cannot_steer_the_terminal(void **state)
{
	struct span *span = make(1, 1, 0, front, SPAN_SERVER, 0, 1000);
	/* escape, C1 control, line break, right-to-left override, zero width, and a wide one */
	span__set(span, "url.path",
		  SLICE("/\x1b[2J\xc2\x9b\n\xe2\x80\xae\xe2\x80\x8b\xe4\xb8\xad!"));
	const char *text = render(&span, 1, 100, false, true);

	assert_non_null(strstr(text, "GET /?[2J????\xe4\xb8\xad!"));
	span__unref(span);
}

static void broken_families_are_shown_once(void **state)
{
	enum { N = 6 };
	struct span *spans[N] = {
		make(1, 1, 2, front, SPAN_CLIENT, 0, 100), /* a cycle of three */
		make(1, 2, 3, front, SPAN_CLIENT, 1, 100),
		make(1, 3, 1, front, SPAN_CLIENT, 2, 100),
		make(1, 4, 4, front, SPAN_CLIENT, 3, 100),  /* its own parent */
		make(1, 5, 99, front, SPAN_CLIENT, 4, 100), /* parent not here */
		make(1, 6, 3, front, SPAN_CLIENT, 5, 5),    /* below the cycle, of no length */
	};

	for (int i = 0; i < N; i++) {
		static const char *const paths[N] = { "a", "b", "c", "d", "e", "f" };

		spans[i]->name = slice_of(paths[i]);
	}
	const char *text = render(spans, N, 80, false, true);
	int lines = 0;

	for (const char *p = text; (p = strchr(p, '\n')); p++)
		lines++;
	assert_int_equal(lines, 1 + N + 1);
	drop(spans, N);
}

static void depth_and_size_are_bounded(void **state)
{
	enum { N = 600 };
	static struct span *spans[N];

	for (uint32_t i = 0; i < N; i++) {
		spans[i] = make(1, 0, 0, front, SPAN_CLIENT, i, 2 * N - i);
		spans[i]->span_id[0] = (uint8_t)(i + 1);
		spans[i]->span_id[1] = (uint8_t)((i + 1) >> 8);
		spans[i]->has_parent = i > 0;
		spans[i]->parent_id[0] = (uint8_t)i;
		spans[i]->parent_id[1] = (uint8_t)(i >> 8);
	}
	const char *text = render(spans, N, 80, false, true);

	assert_non_null(strstr(text, "... and 100 spans more\n"));
	assert_true(strlen(text) < N * 400);
	drop(spans, N);
}

static void durations_have_three_digits(void **state)
{
	static const struct {
		uint64_t ns;
		const char *text;
	} cases[] = {
		{ 0, "0 ns" },		 { 999, "999 ns" },	  { 1000, "1.00 us" },
		{ 12345, "12.3 us" },	 { 999499, "999 us" },	  { 999500, "1.00 ms" },
		{ 9994000, "9.99 ms" },	 { 9996000, "10.0 ms" },  { 99960000, "100 ms" },
		{ 999499999, "999 ms" }, { 999500000, "1.00 s" }, { 123456789012, "123 s" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buf out = { 0 };

		cell__duration(&out, cases[i].ns, false);
		buf__append(&out, "", 1);
		assert_string_equal(out.p, cases[i].text);
		buf__release(&out);
	}
}

static void status_is_what_matters(void **state)
{
	struct span *span = make(1, 1, 0, front, SPAN_SERVER, 0, 1);
	struct buf out = { 0 };

	span__set_int(span, "http.response.status_code", 503);
	span__set(span, "error.type", SLICE("503"));
	cell__status(&out, span, true);
	assert_int_equal(out.n, 3);
	span__set(span, "error.type", SLICE("ECONNRESET"));
	buf__clear(&out);
	cell__status(&out, span, true);
	assert_memory_equal(out.p, "ECONNRESET", 10);
	span->attr_count = 0;
	buf__clear(&out);
	cell__status(&out, span, true);
	assert_int_equal(out.n, 0);
	buf__release(&out);
	span__unref(span);
}

/* --- gathering ------------------------------------------------------------------------------------ */

static char path[] = "/tmp/test_console_XXXXXX";
static struct stats stats;
static struct exporter console;

static void open_console(void)
{
	struct console_style style = { .width = 80 };
	int fd = open(path, O_RDWR | O_TRUNC);

	close(fd);
	assert_int_equal(console__open(path, &style, &stats, &console), 0);
}

static void send(struct span *span)
{
	console.send(console.self, &span, 1, false);
	assert_int_equal(console.poll(console.self, 0).verdict, EXPORT_DONE);
	span__unref(span);
}

static int traces_printed(void)
{
	static char text[1 << 20];
	FILE *f = fopen(path, "r");
	int n = 0;

	text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
	fclose(f);
	for (const char *p = text; (p = strstr(p, "trace 0")); p++)
		n++;
	return n;
}

static void a_whole_trace_is_printed_when_quiet(void **state)
{
	open_console();
	send(make(1, 1, 0, front, SPAN_SERVER, 0, 100));
	assert_true(console.tick(console.self, S, false));
	console.tick(console.self, S + 399 * MS, false);
	assert_int_equal(traces_printed(), 0);
	assert_false(console.tick(console.self, S + 400 * MS, false));
	assert_int_equal(traces_printed(), 1);
	console.free(console.self);
}

static void a_missing_parent_is_waited_for(void **state)
{
	open_console();
	send(make(1, 2, 1, front, SPAN_CLIENT, 0, 100));
	console.tick(console.self, S, false);
	console.tick(console.self, 3 * S, false);
	assert_int_equal(traces_printed(), 0);
	send(make(1, 1, 0, front, SPAN_SERVER, 0, 100));
	console.tick(console.self, 4 * S, false);
	console.tick(console.self, 4 * S + 400 * MS, false);
	assert_int_equal(traces_printed(), 1);
	/* in vain */
	send(make(2, 2, 1, front, SPAN_CLIENT, 0, 100));
	console.tick(console.self, 10 * S, false);
	console.tick(console.self, 15 * S, false);
	assert_int_equal(traces_printed(), 2);
	/* a trace that never rests */
	for (uint64_t t = 20; t < 60; t++) {
		send(make(3, (uint8_t)t, 1, front, SPAN_CLIENT, 0, 100));
		console.tick(console.self, t * S, false);
		console.tick(console.self, t * S + MS, false);
	}
	assert_int_equal(traces_printed(), 3);
	console.free(console.self);
}

static void what_is_held_is_bounded(void **state)
{
	open_console();
	for (int i = 0; i < 1000; i++) {
		struct span *span = make(1, 1, 0, front, SPAN_SERVER, 0, 100);

		span->trace_id[1] = (uint8_t)i;
		span->trace_id[2] = (uint8_t)(i >> 8);
		send(span);
	}
	console.tick(console.self, S, false);
	assert_int_equal(traces_printed(), 1000 - 512);
	assert_false(console.tick(console.self, S, true)); /* the end: nothing is held back */
	assert_int_equal(traces_printed(), 1000);
	assert_int_equal(stats.lost[LOSS_EXPORT_FAILED], 0);
	console.free(console.self);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_trace_is_a_tree_with_bars),
		cmocka_unit_test(ascii_when_the_locale_has_no_more),
		cmocka_unit_test(lines_keep_to_the_width),
		cmocka_unit_test(colour_only_by_style),
		cmocka_unit_test(strangers_cannot_steer_the_terminal),
		cmocka_unit_test(broken_families_are_shown_once),
		cmocka_unit_test(depth_and_size_are_bounded),
		cmocka_unit_test(durations_have_three_digits),
		cmocka_unit_test(status_is_what_matters),
		cmocka_unit_test(a_whole_trace_is_printed_when_quiet),
		cmocka_unit_test(a_missing_parent_is_waited_for),
		cmocka_unit_test(what_is_held_is_bounded),
	};

	front = resource__new();
	back = resource__new();
	resource__set(front, "service.name", SLICE("front"));
	resource__set(back, "service.name", SLICE("back"));
	close(mkstemp(path));
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	unlink(path);
	resource__unref(front);
	resource__unref(back);
	render(NULL, 0, 80, false, false);
	return failed;
}
