// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* What a head says: the parts of its start line and its fields, against a guard page. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/buf.h"
#include "protocols/http1.h"

#define GUARDED (128u << 10)

static char *guard;

static int setup(void **state)
{
	char *p = mmap(NULL, GUARDED + (size_t)getpagesize(), PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED || mprotect(p + GUARDED, (size_t)getpagesize(), PROT_NONE))
		return -1;
	guard = p + GUARDED;
	return 0;
}

static bool parse(struct slice head, bool request, struct message *ret)
{
	*ret = (struct message){ .head = slice(guard - head.n, head.n) };
	memcpy(guard - head.n, head.p, head.n);
	return http1_head__parse(ret->head, request, (struct http1_facts *)ret->facts);
}

static const struct http1_facts *facts(const struct message *message)
{
	return (const struct http1_facts *)message->facts;
}

static void expect_ref(const struct message *message, struct http1_ref ref, const char *want)
{
	struct slice got = http1__ref(message->head, ref);

	if (!slice_eq(got, slice_of(want)))
		fail_msg("\"%.*s\", not \"%s\"", (int)got.n, got.p, want);
}

static void expect_field(const struct message *message, const char *name, unsigned int n,
			 const char *want)
{
	struct slice got;
	bool found = http1_head__header(message, slice_of(name), n, &got);

	if (found != (want != NULL) || (found && !slice_eq(got, slice_of(want))))
		fail_msg("%s %u: \"%.*s\"", name, n, found ? (int)got.n : 6,
			 found ? got.p : "absent");
}

static void start_lines(void **state)
{
	struct message m;

	assert_true(parse(SLICE("\r\nGET  /a b \tHTTP/1.0\t\r\n\r\n"), true, &m) == false);
	assert_true(parse(SLICE("\r\nGET  /a b  HTTP/1.0\t\r\n\r\n"), true, &m));
	expect_ref(&m, facts(&m)->method, "GET");
	expect_ref(&m, facts(&m)->target, "/a b");
	assert_int_equal(facts(&m)->minor, 0);
	assert_int_equal(facts(&m)->method_id, HTTP1_METHOD_OTHER);
	assert_true(parse(SLICE("HEAD / HTTP/1.1\n\n"), true, &m));
	assert_int_equal(facts(&m)->method_id, HTTP1_METHOD_HEAD);
	assert_int_equal(facts(&m)->minor, 1);
	assert_true(parse(SLICE("CONNECT a:1 HTTP/1.1\n\n"), true, &m));
	assert_int_equal(facts(&m)->method_id, HTTP1_METHOD_CONNECT);
	assert_true(parse(SLICE("HTTP/1.1 404 Not Found\r\n\r\n"), false, &m));
	assert_int_equal(facts(&m)->status, 404);
	/* 32 characters of method, and one more */
	assert_true(parse(SLICE("ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEF / HTTP/1.1\n\n"), true, &m));
	assert_false(parse(SLICE("ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFG / HTTP/1.1\n\n"), true, &m));
	/* NUL anywhere */
	assert_false(parse(SLICE("GET /\0 HTTP/1.1\r\n\r\n"), true, &m));
	assert_false(parse(SLICE("GET / HTTP/1.1\r\nA: \0\r\n\r\n"), true, &m));
	assert_false(parse(SLICE("HTTP/1.1 200 \0\r\n\r\n"), false, &m));
	assert_false(parse(SLICE(""), true, &m));
}

static void fields(void **state)
{
	struct message m;

	assert_true(parse(SLICE("GET / HTTP/1.1\r\n"
				"HOST:  shop:80 \t\r\n"
				"X-Empty:\r\n"
				"x-list: a\r\n"
				"X-List:b, c\r\n"
				"X-LIST: \xff\r\n"
				"User_Agent: no\r\n"
				"Cr: a\rb\r\n"
				"Host: second\r\n"
				"\r\n"
				"After: the end\r\n\r\n"),
			  true, &m));
	expect_field(&m, "host", 0, "shop:80");
	expect_field(&m, "host", 1, "second");
	expect_field(&m, "host", 2, NULL);
	expect_field(&m, "x-empty", 0, "");
	expect_field(&m, "x-list", 0, "a");
	expect_field(&m, "x-list", 1, "b, c");
	expect_field(&m, "x-list", 2, "\xff");
	expect_field(&m, "x-list", 3, NULL);
	expect_field(&m, "user-agent", 0, NULL);
	expect_field(&m, "user_agent", 0, "no");
	expect_field(&m, "cr", 0, "a\rb");
	expect_field(&m, "after", 0, NULL);
	expect_field(&m, "x-lis", 0, NULL);
	expect_field(&m, "", 0, NULL);
	assert_true(facts(&m)->repeated == 1u << HTTP1_HOST);
	m.head = slice(NULL, 0); /* a head that found no memory */
	expect_field(&m, "host", 0, NULL);
	expect_field(&m, "x-list", 0, NULL);
}

/* Each name of the list is found by the fast way, in any case, and by no other name. */
static void every_known_field(void **state)
{
	static const char *const names[] = {
#define HTTP1_FIELD(id, name) name,
		HTTP1_FIELD_LIST(HTTP1_FIELD)
#undef HTTP1_FIELD
	};
	struct message m;

	for (int i = 0; i < HTTP1_FIELD_COUNT; i++) {
		char text[128];
		int n = snprintf(text, sizeof(text), "GET / HTTP/1.1\r\n%s: 12\r\n\r\n", names[i]);

		for (int upper = 0; upper < 2; upper++) {
			for (int k = 16; upper && text[k] != ':'; k++)
				if (text[k] >= 'a' && text[k] <= 'z')
					text[k] = (char)(text[k] - 32);
			assert_true(parse(slice(text, (size_t)n), true, &m));
			assert_int_equal(facts(&m)->present, 1u << i);
			expect_ref(&m, facts(&m)->field[i], "12");
			for (int k = 0; k < HTTP1_FIELD_COUNT; k++)
				expect_field(&m, names[k], 0, k == i ? "12" : NULL);
		}
		text[16] = '*';
		assert_true(parse(slice(text, (size_t)n), true, &m));
		assert_int_equal(facts(&m)->present, 0);
	}
}

/* The last byte of a head of the full 64 KiB is still within a 16-bit offset. */
static void a_field_at_the_end_of_64k(void **state)
{
	static const char tail[] = "\r\nb3: 0\r\nX-Z: z\r\n\r\n";
	struct buf head = { 0 };
	struct message m;

	buf__puts(&head, "GET / HTTP/1.1\r\nA: ");
	while (head.n + sizeof(tail) - 1 < HTTP1_HEAD_MAX)
		buf__puts(&head, "x");
	buf__puts(&head, tail);
	assert_int_equal(head.n, HTTP1_HEAD_MAX);
	assert_true(parse(slice(head.p, head.n), true, &m));
	expect_field(&m, "b3", 0, "0");
	expect_field(&m, "x-z", 0, "z");
	buf__release(&head);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(start_lines),
		cmocka_unit_test(fields),
		cmocka_unit_test(every_known_field),
		cmocka_unit_test(a_field_at_the_end_of_64k),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
