// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/utf8.h"
#include "resource.h"
#include "span.h"

#define BAD "\xef\xbf\xbd"

static void assert_slice(struct slice s, const char *text)
{
	assert_int_equal(s.n, strlen(text));
	assert_memory_equal(s.p, text, s.n);
}

static void utf8_knows_good_from_bad(void **state)
{
	static const struct {
		const char *in;
		const char *clean;
	} cases[] = {
		{ "", "" },
		{ "plain text of some length", "plain text of some length" },
		{ "gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f" },
		{ "\xe2\x82\xac \xf0\x9f\x98\x80", "\xe2\x82\xac \xf0\x9f\x98\x80" },
		{ "\xf4\x8f\xbf\xbf", "\xf4\x8f\xbf\xbf" },
		{ "a\xff"
		  "b",
		  "a" BAD "b" },
		{ "\x80", BAD },
		{ "\xc0\xaf", BAD BAD },		 /* overlong */
		{ "\xe0\x80\xaf", BAD BAD BAD },	 /* overlong */
		{ "\xed\xa0\x80", BAD BAD BAD },	 /* surrogate */
		{ "\xf4\x90\x80\x80", BAD BAD BAD BAD }, /* beyond U+10FFFF */
		{ "\xe2\x82", BAD },			 /* cut: one maximal part */
		{ "\xf0\x9f\x98x", BAD "x" },
		{ "12345678\xc3", "12345678" BAD },
	};
	char out[128];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct slice in = slice_of(cases[i].in);

		assert_slice(slice(out, utf8__clean(in, out)), cases[i].clean);
		assert_int_equal(utf8__valid(in) == in.n, strcmp(cases[i].in, cases[i].clean) == 0);
	}
}

static void utf8_cuts_at_characters(void **state)
{
	struct slice s = slice_of("a\xe2\x82\xac"
				  "b");

	assert_int_equal(utf8__cut(s, 1).n, 1);
	assert_int_equal(utf8__cut(s, 2).n, 1);
	assert_int_equal(utf8__cut(s, 3).n, 1);
	assert_int_equal(utf8__cut(s, 4).n, 4);
	assert_int_equal(utf8__cut(s, 9).n, 5);
}

static void span_owns_its_text(void **state)
{
	struct span *span = span__new(NULL);
	char text[] = "value";

	span__set(span, "key", slice_of(text));
	span->name = span__text(span, slice_of(text));
	memset(text, 'x', sizeof(text) - 1);
	assert_slice(span__get(span, "key")->s, "value");
	assert_slice(span->name, "value");
	assert_null(span__get(span, "other"));
	span__unref(span);
	span__unref(NULL);
}

static void span_replaces_a_key(void **state)
{
	struct span *span = span__new(NULL);

	span__set(span, "a", SLICE("1"));
	span__set_int(span, "b", -7);
	span__set(span, "a", SLICE("2"));
	span__set_bool(span, "b", true);
	assert_int_equal(span->attr_count, 2);
	assert_slice(span__get(span, "a")->s, "2");
	assert_int_equal(span__get(span, "b")->type, ATTR_BOOL);
	assert_true(span__get(span, "b")->b);
	span__unref(span);
}

static void span_takes_long_and_broken_text(void **state)
{
	struct span *span = span__new(NULL);
	size_t before = span__memory(span);
	char *big = malloc(100000);

	memset(big, 'a', 100000);
	big[50000] = '\xff';
	span__set(span, "big", slice(big, 100000));
	span__set(span, "empty", slice(NULL, 0));
	assert_int_equal(span__get(span, "big")->s.n, 100002);
	assert_memory_equal(span__get(span, "big")->s.p + 50000, BAD, 3);
	assert_int_equal(span__get(span, "empty")->s.n, 0);
	assert_true(span__memory(span) >= before + 100002);
	for (int i = 0; i < 3; i++) /* over the inline part in small steps */
		span__text(span, slice(big, 500));
	assert_true(span->text_used <= SPAN_TEXT_INLINE);
	free(big);
	span__unref(span);
}

static void span_copies_lists(void **state)
{
	struct span *span = span__new(NULL);
	char key[] = "http.request.header.accept";
	struct slice values[] = { SLICE("a"), SLICE("b\xfe"), SLICE("") };

	span__set_list(span, slice_of(key), values, 3);
	memset(key, 'x', 4);
	span__set_list(span, SLICE("none"), NULL, 0);
	const struct attr *attr = span__get(span, "http.request.header.accept");

	assert_int_equal(attr->type, ATTR_STRINGS);
	assert_int_equal(attr->count, 3);
	assert_slice(attr->list[0], "a");
	assert_slice(attr->list[1], "b" BAD);
	assert_slice(attr->list[2], "");
	assert_int_equal(span__get(span, "none")->count, 0);
	span__unref(span);
}

static void span_counts_what_it_drops(void **state)
{
	struct span *span = span__new(NULL);
	static char keys[SPAN_ATTRS_MAX + 2][16];

	for (int i = 0; i < SPAN_ATTRS_MAX + 2; i++) {
		snprintf(keys[i], sizeof(keys[i]), "k%d", i);
		span__set(span, keys[i], SLICE("v"));
	}
	assert_int_equal(span->attr_count, SPAN_ATTRS_MAX);
	assert_int_equal(span->attr_dropped, 2);
	span__set_int(span, "new", 1);
	span__set_list(span, SLICE("list"), NULL, 0);
	assert_int_equal(span->attr_dropped, 4);
	span__set_int(span, keys[3], 1); /* a replacement still fits */
	assert_int_equal(span->attr_dropped, 4);
	assert_int_equal(span__get(span, keys[3])->i, 1);
	span__unref(span);
}

static void span_starts_empty_after_reuse(void **state)
{
	struct resource *resource = resource__new();
	struct span *span = span__new(resource);

	span__set(span, "a", SLICE("1"));
	span->has_parent = true;
	span->trace_id[0] = 1;
	assert_ptr_equal(span__ref(span), span);
	span__unref(span);
	assert_int_equal(resource->refs, 2);
	span__unref(span);
	assert_int_equal(resource->refs, 1);
	span = span__new(NULL);
	assert_int_equal(span->attr_count, 0);
	assert_int_equal(span->text_used, 0);
	assert_false(span->has_parent);
	assert_int_equal(span->trace_id[0], 0);
	assert_null(span__get(span, "a"));
	span__unref(span);
	resource__unref(resource);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(utf8_knows_good_from_bad),
		cmocka_unit_test(utf8_cuts_at_characters),
		cmocka_unit_test(span_owns_its_text),
		cmocka_unit_test(span_replaces_a_key),
		cmocka_unit_test(span_takes_long_and_broken_text),
		cmocka_unit_test(span_copies_lists),
		cmocka_unit_test(span_counts_what_it_drops),
		cmocka_unit_test(span_starts_empty_after_reuse),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
