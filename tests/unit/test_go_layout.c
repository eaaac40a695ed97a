// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Where Go's runtime keeps its fields: the table of releases, and the debug information of a program
 * that is at hand (the Go workload, where it was built). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "code/golang.h"
#include "runtime/go_layout.h"

#define PROGRAM "build/tests/live/goserver"

static void releases(void **state)
{
	struct go_layout layout, newer;

	assert_int_equal(go_layout__of_release("1.18", &layout), 1);
	assert_int_equal(layout.g_goid, 152);
	assert_int_equal(layout.g_m, 48);
	assert_int_equal(go_layout__of_release("1.23.4", &newer), 1);
	assert_int_equal(newer.g_goid, 160); /* what 1.23 has put in front of it */
	assert_int_equal(go_layout__of_release("1.23.3", &layout), 0);
	assert_memory_equal(&layout, &newer, sizeof(layout));
	assert_int_equal(go_layout__of_release("1.25rc1", &layout), 0);
	assert_int_equal(go_layout__of_release("1.99.1", &newer), 0);
	assert_int_equal(go_layout__of_release("1.26.8", &layout), 1);
	assert_memory_equal(&layout, &newer, sizeof(layout));
}

static void what_is_no_release(void **state)
{
	static const char *const none[] = { "",	     "1",   "1.17.13", "1.4294967297.1",
					    "2.1",   "0.1", "devel",   "devel 1.23",
					    "1.-3",  ".",   "go1.20",  "1.x.1",
					    "1.1000" };
	struct go_layout layout;

	for (size_t i = 0; i < sizeof(none) / sizeof(*none); i++)
		assert_int_equal(go_layout__of_release(none[i], &layout), -2 /* ENOENT */);
}

/* The debug information says what the table does, which was made of another program. */
static void debug_information(void **state)
{
	struct go_layout by_dwarf, by_release;
	struct image *image;
	char version[32];

	if (image__of_path(PROGRAM, &image) != 0)
		skip();
	assert_int_equal(go_layout__of_dwarf(image, &by_dwarf), 0);
	assert_int_equal(golang__version(image, version, sizeof(version)), 0);
	if (go_layout__of_release(version, &by_release) == 1)
		assert_memory_equal(&by_dwarf, &by_release, sizeof(by_dwarf));
	image__free(image);
}

static void copy(const char *from, const char *to, size_t cut, uint32_t damage)
{
	FILE *in = fopen(from, "rb"), *out = fopen(to, "wb");
	static uint8_t bytes[1 << 16];
	size_t at = 0, n;

	assert_non_null(in);
	assert_non_null(out);
	while (at < cut && (n = fread(bytes, 1, sizeof(bytes), in)) > 0) {
		if (n > cut - at)
			n = cut - at;
		for (size_t i = 0; damage && i < n; i++)
			if ((at + i) * 2654435761u % damage == 0 && at + i > 4096)
				bytes[i] ^= (uint8_t)(0x5a + i);
		assert_int_equal(fwrite(bytes, 1, n, out), n);
		at += n;
	}
	fclose(in);
	fclose(out);
}

static void damaged_information(void **state)
{
	char path[] = "/tmp/test_go_layout.XXXXXX";
	struct go_layout layout;
	struct image *image;
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	close(fd);
	if (access(PROGRAM, R_OK) != 0) {
		unlink(path);
		skip();
	}
	for (unsigned int i = 0; i < 12; i++) {
		if (i < 6)
			copy(PROGRAM, path, 1000000 + 1500000ul * i, 0);
		else
			copy(PROGRAM, path, SIZE_MAX, 1009u * (i - 5) * (i - 5));
		if (image__of_path(path, &image) != 0)
			continue;
		/* any answer will do, when it is one: what it says is checked against memory */
		assert_true(go_layout__of_dwarf(image, &layout) <= 0);
		image__free(image);
	}
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(releases),
		cmocka_unit_test(what_is_no_release),
		cmocka_unit_test(debug_information),
		cmocka_unit_test(damaged_information),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
