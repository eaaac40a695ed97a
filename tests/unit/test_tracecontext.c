// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Every row of the formats' tables: what is a context, and what is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/buf.h"
#include "tracecontext.h"

#define T    "0af7651916cd43dd8448eb211c80319c"
#define S    "b7ad6b7169203331"
#define T0   "00000000000000000000000000000000"
#define S0   "0000000000000000"
#define GOOD T "/" S "/"

/* Headers as one text, "name: value\n" each. */
static bool get(const void *ctx, struct slice name, unsigned int n, struct slice *ret_value)
{
	for (const char *p = ctx; *p;) {
		const char *end = strchr(p, '\n');
		const char *colon = strchr(p, ':');

		if (slice_ieq(slice(p, (size_t)(colon - p)), name) && !n--) {
			*ret_value = slice(colon + 2, (size_t)(end - colon) - 2);
			return true;
		}
		p = end + 1;
	}
	return false;
}

/* "trace/span/flags" with "?" for an open decision, then "/state" when there is one; or "none" */
static char *show(bool found, const struct remote_context *context, char text[1024])
{
	char *p = text;

	if (!found)
		return strcpy(text, "none");
	for (int i = 0; i < 16; i++)
		p += sprintf(p, "%02x", context->trace_id[i]);
	*p++ = '/';
	for (int i = 0; i < 8; i++)
		p += sprintf(p, "%02x", context->span_id[i]);
	p += sprintf(p, "/%02x%s", context->trace_flags, context->sampled_known ? "" : "?");
	if (context->trace_state_len)
		sprintf(p, "/%.*s", context->trace_state_len, context->trace_state);
	return text;
}

typedef bool (*parse_fn)(struct slice value, struct remote_context *ret);

static void expect(parse_fn parse, struct slice value, const char *want)
{
	/* a copy without a byte behind it: the sanitizer sees every read beyond */
	char *copy = malloc(value.n ? value.n : 1);
	struct remote_context context;
	char text[1024];

	memset(&context, 0xee, sizeof(context));
	if (value.n)
		memcpy(copy, value.p, value.n);
	show(parse(slice(copy, value.n), &context), &context, text);
	free(copy);
	if (strcmp(text, want))
		fail_msg("\"%.*s\" gives %s, not %s", (int)value.n, value.p, text, want);
	if (!strcmp(want, "none"))
		for (size_t i = 0; i < sizeof(context); i++)
			assert_int_equal(((uint8_t *)&context)[i], 0xee);
}

static void traceparents(void **state)
{
	static const struct {
		struct slice value;
		const char *want;
	} rows[] = {
		{ SLICE("00-" T "-" S "-01"), GOOD "01" },
		{ SLICE("00-" T "-" S "-00"), GOOD "00" },
		{ SLICE("00-" T "-" S "-03"), GOOD "03" },
		{ SLICE("00-" T "-" S "-ff"), GOOD "03" }, /* unknown bits are ignored */
		{ SLICE(" \t00-" T "-" S "-01\t "), GOOD "01" },
		{ SLICE("00-" T "-" S "-0"), "none" },	 /* 54 */
		{ SLICE("00-" T "-" S "-011"), "none" }, /* 56 */
		{ SLICE("00-" T "-" S "-01-"), "none" },
		{ SLICE("cc-" T "-" S "-01"), GOOD "01" },
		{ SLICE("cc-" T "-" S "-01-extra"), GOOD "01" },
		{ SLICE("cc-" T "-" S "-01."), "none" },
		{ SLICE("cc-" T "-" S "-01.extra"), "none" },
		{ SLICE("ff-" T "-" S "-01"), "none" },
		{ SLICE("FE-" T "-" S "-01"), "none" },
		{ SLICE("0g-" T "-" S "-01"), "none" },
		{ SLICE("00-0AF7651916CD43DD8448EB211C80319C-" S "-01"), "none" },
		{ SLICE("00-" T "-B7AD6B7169203331-01"), "none" },
		{ SLICE("00-" T "-" S "-0A"), "none" },
		{ SLICE("00-" T0 "-" S "-01"), "none" },
		{ SLICE("00-" T "-" S0 "-01"), "none" },
		{ SLICE("00_" T "-" S "-01"), "none" },
		{ SLICE("00-" T "_" S "-01"), "none" },
		{ SLICE("00-" T "-" S "_01"), "none" },
		{ SLICE("00-" T "-b7ad6b716920333\0-01"), "none" },
		{ SLICE("00-" T "-b7ad6b716920333\xff-01"), "none" },
		{ SLICE("00-" T " " S "-01"), "none" },
		{ SLICE("00"), "none" },
		{ SLICE(""), "none" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		expect(traceparent__parse, rows[i].value, rows[i].want);
	/* every beginning of a good one is none, and reads nothing beyond its end */
	for (size_t n = 0; n < 55; n++)
		expect(traceparent__parse, slice("00-" T "-" S "-01", n), "none");
}

static void b3s(void **state)
{
	static const struct {
		struct slice value;
		const char *want;
	} rows[] = {
		{ SLICE(T "-" S "-1"), GOOD "01" },
		{ SLICE(T "-" S "-0"), GOOD "00" },
		{ SLICE(T "-" S "-d"), GOOD "01" },
		{ SLICE(T "-" S), GOOD "00?" },
		{ SLICE(T "-" S "-1-05e3ac9a4f6e3b90"), GOOD "01" },
		{ SLICE("8448eb211c80319c-" S "-1"), "00000000000000008448eb211c80319c/" S "/01" },
		{ SLICE("0"), "none" },
		{ SLICE("1"), "none" },
		{ SLICE("d"), "none" },
		{ SLICE(T "-" S "-2"), "none" },
		{ SLICE(T "-" S "-"), "none" },
		{ SLICE(T "-" S "-1-"), "none" },
		{ SLICE(T "-" S "-1-05e3"), "none" },
		{ SLICE(T "-" S "-1-05e3ac9a4f6e3b90-"), "none" },
		{ SLICE(T), "none" },
		{ SLICE(T "-b7ad"), "none" },
		{ SLICE("448eb211c80319c-" S "-1"), "none" },
		{ SLICE(T0 "-" S "-1"), "none" },
		{ SLICE(T "-" S0 "-1"), "none" },
		{ SLICE("0AF7651916CD43DD8448EB211C80319C-" S "-1"), "none" },
		{ SLICE(""), "none" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		expect(b3__parse, rows[i].value, rows[i].want);
}

static void ubers(void **state)
{
	static const struct {
		struct slice value;
		const char *want;
	} rows[] = {
		{ SLICE(T ":" S ":0:1"), GOOD "01" },
		{ SLICE(T ":" S ":0:0"), GOOD "00" },
		{ SLICE(T ":" S ":0:3"), GOOD "01" },
		{ SLICE(T ":" S ":0:2"), GOOD "01" }, /* debug */
		{ SLICE(T ":" S ":0:8"), GOOD "00" }, /* firehose */
		{ SLICE(T ":" S "::01"), GOOD "01" },
		{ SLICE(T ":" S ":05e3ac9a4f6e3b90:1"), GOOD "01" },
		{ SLICE(T "%3A" S "%3a0%3A1"), GOOD "01" },
		{ SLICE("abc:1f:0:1"), "00000000000000000000000000000abc/000000000000001f/01" },
		{ SLICE("ABC:1F:0:1"), "00000000000000000000000000000abc/000000000000001f/01" },
		{ SLICE("0:1:0:1"), "none" },
		{ SLICE("1:0:0:1"), "none" },
		{ SLICE("1:1:0"), "none" },
		{ SLICE("1:1:0:"), "none" },
		{ SLICE("1:1:x:1"), "none" },
		{ SLICE("1:1:0:100"), "none" },
		{ SLICE("1:1:0:1:1"), "none" },
		{ SLICE("0" T ":" S ":0:1"), "none" },
		{ SLICE(T ":0" S ":0:1"), "none" },
		{ SLICE("%3"), "none" },
		{ SLICE("%3A%3A%3A"), "none" },
		{ SLICE(""), "none" },
	};
	char longest[1000];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		expect(uber__parse, rows[i].value, rows[i].want);
	memset(longest, '1', sizeof(longest));
	expect(uber__parse, slice(longest, sizeof(longest)), "none");
}

static void xrays(void **state)
{
	static const struct {
		struct slice value;
		const char *want;
	} rows[] = {
#define ROOT "Root=1-0af76519-16cd43dd8448eb211c80319c"
		{ SLICE(ROOT ";Parent=" S ";Sampled=1"), GOOD "01" },
		{ SLICE("Sampled=0;Parent=" S ";" ROOT), GOOD "00" },
		{ SLICE(ROOT "; Parent=" S "; Sampled=?"), GOOD "00?" },
		{ SLICE(ROOT ";Parent=" S), GOOD "00?" },
		{ SLICE("Self=1-67891234-12456789abcdef012345678;" ROOT ";Parent=" S
			";Sampled=1;Lineage=25:3,a87bd80c:0"),
		  GOOD "01" },
		{ SLICE(ROOT), "none" }, /* no parent span */
		{ SLICE("Parent=" S ";Sampled=1"), "none" },
		{ SLICE("Root=2-0af76519-16cd43dd8448eb211c80319c;Parent=" S), "none" },
		{ SLICE("Root=1-0af7651916cd43dd8448eb211c80319c;Parent=" S), "none" },
		{ SLICE("Root=1-0af76519-16cd43dd8448eb211c80319;Parent=" S), "none" },
		{ SLICE("Root=1-0AF76519-16cd43dd8448eb211c80319c;Parent=" S), "none" },
		{ SLICE("Root=1-00000000-000000000000000000000000;Parent=" S), "none" },
		{ SLICE(ROOT ";Parent=" S0), "none" },
		{ SLICE(ROOT ";Parent=b7ad"), "none" },
		{ SLICE(";;=;=x;"), "none" },
		{ SLICE(""), "none" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		expect(xray__parse, rows[i].value, rows[i].want);
}

static void gcps(void **state)
{
	static const struct {
		struct slice value;
		const char *want;
	} rows[] = {
		{ SLICE(T "/1;o=1"), T "/0000000000000001/01" },
		{ SLICE(T "/18446744073709551615;o=0"), T "/ffffffffffffffff/00" },
		{ SLICE(T "/13235353014750950193"), GOOD "00?" },
		{ SLICE(T "/1;o=3"), T "/0000000000000001/01" },
		{ SLICE(T "/1;o="), T "/0000000000000001/00?" },
		{ SLICE(T "/1;x=1"), T "/0000000000000001/00?" },
		{ SLICE(T "/18446744073709551616;o=1"), "none" },
		{ SLICE(T "/99999999999999999999999;o=1"), "none" },
		{ SLICE(T "/0;o=1"), "none" },
		{ SLICE(T "/;o=1"), "none" },
		{ SLICE(T), "none" },
		{ SLICE(T ";o=1"), "none" },
		{ SLICE(T "/-1"), "none" },
		{ SLICE(T "/1x"), "none" },
		{ SLICE("xaf7651916cd43dd8448eb211c80319c/1"), "none" },
		{ SLICE(T0 "/1;o=1"), "none" },
		{ SLICE("af7651916cd43dd8448eb211c80319c/1"), "none" },
		{ SLICE(""), "none" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		expect(gcp__parse, rows[i].value, rows[i].want);
}

static void expect_extract(const char *headers, const char *want)
{
	struct header_source source = { get, headers };
	struct remote_context context;
	char text[1024];

	show(tracecontext__extract(&source, &context), &context, text);
	if (strcmp(text, want))
		fail_msg("%s gives %s, not %s", headers, text, want);
}

#define TP    "traceparent: 00-" T "-" S "-01\n"
#define OTHER "11111111111111111111111111111111"

static void reading_order(void **state)
{
	expect_extract("host: a\n", "none");
	expect_extract(TP, GOOD "01");
	expect_extract("TraceParent: 00-" T "-" S "-01\n", GOOD "01");
	/* two fields are invalid, alike or not; the next form is asked */
	expect_extract(TP TP, "none");
	expect_extract(TP TP "b3: " OTHER "-" S "-1\n", OTHER "/" S "/01");
	expect_extract("b3: " OTHER "-" S "-1\n" TP, GOOD "01");
	expect_extract("traceparent: x\nb3: " T "-" S "-0\n", GOOD "00");
	/* single beats multi; a deny alone is no context */
	expect_extract("b3: " T "-" S "-0\nX-B3-TraceId: " OTHER "\nX-B3-SpanId: " S "\n",
		       GOOD "00");
	expect_extract("b3: 0\n", "none");
	expect_extract("X-B3-TraceId: " T "\nX-B3-SpanId: " S "\n", GOOD "00?");
	expect_extract("X-B3-TraceId: " T "\nX-B3-SpanId: " S "\nX-B3-Sampled: 1\n", GOOD "01");
	expect_extract("X-B3-TraceId: " T "\nX-B3-SpanId: " S "\nX-B3-Sampled: 0\n", GOOD "00");
	expect_extract("X-B3-TraceId: " T "\nX-B3-SpanId: " S "\nX-B3-Sampled: true\n", GOOD "01");
	expect_extract("X-B3-TraceId: " T "\nX-B3-SpanId: " S "\nX-B3-Sampled: false\n", GOOD "00");
	expect_extract("X-B3-TraceId: " T "\nX-B3-SpanId: " S "\nX-B3-Flags: 1\n", GOOD "01");
	expect_extract("X-B3-TraceId: " T "\nX-B3-SpanId: " S "\nX-B3-Flags: 0\nX-B3-Sampled: 0\n",
		       GOOD "00");
	expect_extract("X-B3-TraceId: 8448eb211c80319c\nX-B3-SpanId: " S "\n",
		       "00000000000000008448eb211c80319c/" S "/00?");
	expect_extract("X-B3-TraceId: " T "\n", "none");
	expect_extract("X-B3-SpanId: " S "\nX-B3-Sampled: 1\n", "none");
	expect_extract("X-Cloud-Trace-Context: " OTHER "/1\nX-Amzn-Trace-Id: " ROOT ";Parent=" S
		       "\n",
		       GOOD "00?");
	expect_extract("X-Amzn-Trace-Id: " ROOT "\nX-Cloud-Trace-Context: " OTHER "/1\n",
		       OTHER "/0000000000000001/00?");
	expect_extract("uber-trace-id: " T ":" S ":0:1\nX-Amzn-Trace-Id: x\n", GOOD "01");
}

static void states(void **state)
{
	expect_extract(TP "tracestate: a=1\n", GOOD "01/a=1");
	expect_extract(TP "tracestate: a=1 ,\t b=2 \n", GOOD "01/a=1,b=2");
	expect_extract(TP "tracestate: a=1\ntracestate: b=2,c=3\n", GOOD "01/a=1,b=2,c=3");
	expect_extract(TP "tracestate: ,, a=1,,\n", GOOD "01/a=1");
	expect_extract(TP "tracestate: a=~\n", GOOD "01/a=~");
	expect_extract(TP "tracestate: a=\x7f\n", GOOD "01");
	expect_extract(TP "tracestate: \n", GOOD "01");
	expect_extract(TP "tracestate: \ntracestate: a=1\n", GOOD "01/a=1");
	expect_extract(TP "tracestate: a=1,a=2,b=3\n", GOOD "01/a=1,b=3");
	expect_extract(TP "tracestate: foo@=1,0a_-*/@b= x y\n", GOOD "01/foo@=1,0a_-*/@b= x y");
	expect_extract(TP "tracestate: a=1,@foo=1\n", GOOD "01");
	expect_extract(TP "tracestate: a=1,foo =1\n", GOOD "01");
	expect_extract(TP "tracestate: a=1,Foo=1\n", GOOD "01");
	expect_extract(TP "tracestate: a=1,foo\n", GOOD "01");
	expect_extract(TP "tracestate: a=1,foo=\n", GOOD "01");
	expect_extract(TP "tracestate: a=1,=1\n", GOOD "01");
	expect_extract(TP "tracestate: a=1=2\n", GOOD "01");
	expect_extract(TP "tracestate: a=\x80\n", GOOD "01");
	expect_extract(TP "tracestate: a=b\tc\n", GOOD "01");
	expect_extract("tracestate: a=1\n", "none");
	expect_extract("traceparent: x\ntracestate: a=1\nb3: " T "-" S "-1\n", GOOD "01");
}

static const char *buf_text(struct buf *buf)
{
	buf__append(buf, "", 1);
	return buf->p;
}

static void state_limits(void **state)
{
	struct buf headers = { 0 };
	char text[300];

	/* 32 members are kept, 33 drop the list */
	for (int count = 32; count <= 33; count++) {
		buf__clear(&headers);
		buf__puts(&headers, TP "tracestate: ");
		for (int i = 0; i < count; i++)
			buf__printf(&headers, "k%d=v,", i);
		buf__append(&headers, "\n", 2);

		struct remote_context context;
		struct header_source source = { get, headers.p };

		assert_true(tracecontext__extract(&source, &context));
		assert_int_equal(context.trace_state_len, count == 32 ? 10 * 5 + 22 * 6 - 1 : 0);
	}
	/* keys and values of 256 and 257 characters */
	memset(text, 'x', sizeof(text));
	for (int i = 0; i < 4; i++) {
		int n = 256 + i % 2;
		struct remote_context context;
		struct header_source source;

		buf__clear(&headers);
		buf__printf(&headers, TP "tracestate: %.*s=%.*s\n", i < 2 ? n : 1, text,
			    i < 2 ? 1 : n, text);
		source = (struct header_source){ get, buf_text(&headers) };
		assert_true(tracecontext__extract(&source, &context));
		assert_int_equal(context.trace_state_len, n == 256 ? 258 : 0);
	}
	buf__release(&headers);
}

/* Members over 128 go first, then the right-most, until 512 characters are left. */
static void state_cut(void **state)
{
	struct buf headers = { 0 };
	struct remote_context context;
	struct header_source source;
	char text[300];

	memset(text, 'v', sizeof(text));
	buf__printf(&headers, TP "tracestate: a=1,long=%.*s,", 150, text);
	for (int i = 0; i < 6; i++)
		buf__printf(&headers, "k%d=%.*s,", i, 97, text);
	buf__append(&headers, "z=1\n", 5);
	source = (struct header_source){ get, headers.p };
	assert_true(tracecontext__extract(&source, &context));
	/* a=1 and five of 100: 3 + 5 * 101 = 508 */
	assert_int_equal(context.trace_state_len, 508);
	assert_memory_equal(context.trace_state, "a=1,k0=v", 8);

	/* 512 is kept whole, one more drops the last member; without long ones nothing else */
	for (int more = 0; more < 2; more++) {
		buf__clear(&headers);
		buf__puts(&headers, TP "tracestate: ");
		for (int i = 0; i < 5; i++)
			buf__printf(&headers, "k%d=%.*s,", i, 97, text);
		buf__printf(&headers, "z=%.*s\n", 5 + more, text);
		source = (struct header_source){ get, buf_text(&headers) };
		assert_true(tracecontext__extract(&source, &context));
		assert_int_equal(context.trace_state_len, more ? 504 : 512);
	}
	/* one long member is enough, exactly: 512 + 150 */
	buf__clear(&headers);
	buf__printf(&headers, TP "tracestate: l=%.*s,", 147, text);
	for (int i = 0; i < 5; i++)
		buf__printf(&headers, "k%d=%.*s,", i, 97, text);
	buf__printf(&headers, "z=%.*s\n", 5, text);
	source = (struct header_source){ get, buf_text(&headers) };
	assert_true(tracecontext__extract(&source, &context));
	assert_int_equal(context.trace_state_len, 512);
	buf__release(&headers);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(traceparents), cmocka_unit_test(b3s),
		cmocka_unit_test(ubers),	cmocka_unit_test(xrays),
		cmocka_unit_test(gcps),		cmocka_unit_test(reading_order),
		cmocka_unit_test(states),	cmocka_unit_test(state_limits),
		cmocka_unit_test(state_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
