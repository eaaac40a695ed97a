// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/buf.h"
#include "resource.h"

static void assert_text(const struct resource *resource, const char *key, const char *text)
{
	const struct attr *attr = resource__get(resource, key);

	assert_non_null(attr);
	assert_int_equal(attr->type, ATTR_STRING);
	assert_int_equal(attr->s.n, strlen(text));
	assert_memory_equal(attr->s.p, text, attr->s.n);
}

static void sets_and_replaces(void **state)
{
	struct resource *resource = resource__new();
	char key[] = "service.name", value[] = "shop\xff";

	assert_int_equal(resource__service_name(resource).n, strlen("unknown_service"));
	assert_int_equal(resource__service_name(NULL).n, strlen("unknown_service"));
	assert_int_equal(resource__set(resource, key, slice_of(value)), 0);
	memset(key, 'x', 3);
	memset(value, 'x', 3);
	assert_text(resource, "service.name", "shop\xef\xbf\xbd");
	assert_int_equal(resource__set(resource, "service.name", SLICE("other")), 0);
	assert_int_equal(resource__set_int(resource, "process.pid", 42), 0);
	assert_int_equal(resource->count, 2);
	assert_text(resource, "service.name", "other");
	assert_int_equal(resource__service_name(resource).n, 5);
	assert_int_equal(resource__get(resource, "process.pid")->i, 42);
	resource__unref(resource);
	resource__unref(NULL);
}

static void is_bounded(void **state)
{
	struct resource *resource = resource__new();
	char key[16];

	for (int i = 0; i < RESOURCE_ATTRS_MAX; i++) {
		snprintf(key, sizeof(key), "k%d", i);
		assert_int_equal(resource__set_int(resource, key, i), 0);
	}
	assert_int_equal(resource__set_int(resource, "more", 1), -E2BIG);
	assert_int_equal(resource__set_int(resource, "k3", 1), 0);
	assert_int_equal(resource->count, RESOURCE_ATTRS_MAX);
	resource__unref(resource);
}

static void reads_pairs(void **state)
{
	struct resource *resource = resource__new();

	assert_int_equal(resource__set_pairs(resource, SLICE(" a = 1 ,b=x%2Cy%3dz,c=,,d=e=f,")), 0);
	assert_int_equal(resource->count, 4);
	assert_text(resource, "a", "1");
	assert_text(resource, "b", "x,y=z");
	assert_text(resource, "c", "");
	assert_text(resource, "d", "e=f");
	assert_int_equal(resource__set_pairs(resource, SLICE("")), 0);
	assert_int_equal(resource__set_pairs(resource, SLICE(" , ")), 0);
	resource__unref(resource);
}

static void refuses_all_of_bad_pairs(void **state)
{
	static const char *const bad[] = { "a=1,b",	"a=1,=2",   "a=1,b=%", "a=1,b=%4",
					   "a=1,b=%zz", "a=1,%4=b", "a" };
	struct resource *resource = resource__new();

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(resource__set_pairs(resource, slice_of(bad[i])), -EINVAL);
		assert_int_equal(resource->count, 0);
	}
	resource__unref(resource);
}

static void survives_its_byte_form(void **state)
{
	struct resource *resource = resource__new(), *back;
	struct slice args[] = { SLICE("python3"), SLICE(""), SLICE("app.py") };
	struct buf bytes = { 0 }, again = { 0 };

	resource__set(resource, "service.name", SLICE("front"));
	resource__set_int(resource, "process.pid", -1);
	resource__set_list(resource, "process.command_args", args, 3);
	resource__set_list(resource, "empty", NULL, 0);
	resource__encode(resource, &bytes);
	back = resource__decode(slice(bytes.p, bytes.n));
	assert_non_null(back);
	assert_int_equal(back->count, 4);
	assert_text(back, "service.name", "front");
	assert_int_equal(resource__get(back, "process.pid")->i, -1);
	assert_int_equal(resource__get(back, "process.command_args")->count, 3);
	resource__encode(back, &again);
	assert_int_equal(again.n, bytes.n);
	assert_memory_equal(again.p, bytes.p, bytes.n);
	resource__unref(back);

	/* cut anywhere but between two attributes: refused, never read beyond the end */
	int whole = 0;

	for (size_t n = 0; n < bytes.n; n++) {
		char *copy = malloc(n ? n : 1);

		memcpy(copy, bytes.p, n);
		back = resource__decode(slice(copy, n));
		whole += back != NULL;
		resource__unref(back);
		free(copy);
	}
	assert_int_equal(whole, 4);
	buf__release(&bytes);
	buf__release(&again);
	resource__unref(resource);
}

static void refuses_wild_bytes(void **state)
{
	static const unsigned char huge[] = { 4, 0, 0, 0, 1, 0, 0, 0, 'k', 0xff, 0xff, 0xff, 0xff };
	unsigned char noise[64];

	assert_null(resource__decode(slice(huge, sizeof(huge))));
	srand(1);
	for (int i = 0; i < 20000; i++) {
		size_t n = (size_t)rand() % sizeof(noise);

		for (size_t j = 0; j < n; j++)
			noise[j] = (unsigned char)(rand() % 7);
		resource__unref(resource__decode(slice(noise, n)));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sets_and_replaces),
		cmocka_unit_test(is_bounded),
		cmocka_unit_test(reads_pairs),
		cmocka_unit_test(refuses_all_of_bad_pairs),
		cmocka_unit_test(survives_its_byte_form),
		cmocka_unit_test(refuses_wild_bytes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
