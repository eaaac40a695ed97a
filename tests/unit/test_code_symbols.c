// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Against nm and readelf of this machine, on its own files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <cmocka.h>

#include "code/symbols.h"
#include "code_files.h"

#define SAMPLE 180

struct sample {
	char name[512];
	uint64_t vaddr, size;
	char type;
};

static bool read_line(FILE *nm, struct sample *ret)
{
	char line[8192];

	while (fgets(line, sizeof(line), nm)) {
		unsigned long vaddr, size;

		/* a name may hold blanks only in files of other languages */
		if (sscanf(line, "%lx %lx %c %511s", &vaddr, &size, &ret->type, ret->name) == 4 &&
		    strlen(ret->name) < 510) {
			ret->vaddr = vaddr;
			ret->size = size;
			return true;
		}
	}
	return false;
}

/* Names that are there once only: evenly over the whole table. */
static size_t take_sample(const char *path, const char *options, struct sample *samples)
{
	char command[256];
	struct sample line;
	size_t lines = 0, n = 0, step, i = 0;

	/* without sizes: marks; with one '@': an older version of a name that has a newer one */
	snprintf(command, sizeof(command),
		 "nm %s -S --defined-only %%s 2>/dev/null | "
		 "awk 'NF == 4 && $4 !~ /[^@]@[^@]/ { sub(/@@.*/, \"\", $4); n[$4]++; l[$4] = $0 } "
		 "END { for (x in n) if (n[x] == 1) print l[x] }' | sort",
		 options);
	FILE *nm = output_of(command, path);

	assert_non_null(nm);
	while (read_line(nm, &line))
		lines++;
	pclose(nm);
	if (lines == 0)
		return 0;
	step = lines / SAMPLE + 1;
	nm = output_of(command, path);
	assert_non_null(nm);
	while (read_line(nm, &line) && n < SAMPLE) {
		if (i++ % step == 0)
			samples[n++] = line;
	}
	pclose(nm);
	return n;
}

static void compare(const char *path, const char *options, size_t at_least)
{
	static struct sample samples[SAMPLE];
	struct symbol_wish wishes[SAMPLE + 1] = { 0 };
	struct image *image;
	size_t n;

	if (!path) {
		print_message("not on this machine\n");
		skip();
	}
	n = take_sample(path, options, samples);
	assert_true(n >= at_least);
	for (size_t i = 0; i < n; i++)
		wishes[i].name = samples[i].name;
	wishes[n].name = "no such symbol at all";
	assert_int_equal(image__of_path(path, &image), 0);
	assert_int_equal(symbols__find(image, wishes, n + 1), n);
	for (size_t i = 0; i < n; i++) {
		if (!wishes[i].found || wishes[i].symbol.vaddr != samples[i].vaddr ||
		    wishes[i].symbol.size != samples[i].size)
			fail_msg("%s: %lx %lx instead of %lx %lx", samples[i].name,
				 wishes[i].symbol.vaddr, wishes[i].symbol.size, samples[i].vaddr,
				 samples[i].size);
	}
	assert_false(wishes[n].found);
	image__free(image);
}

static void libc_dynamic(void **state)
{
	compare(loaded_file((void *)gnu_get_libc_version), "-D", 100);
}

static void node_full(void **state)
{
	compare(node_file(), "", 100);
}

static void jvm_dynamic(void **state)
{
	compare(jvm_file(), "-D", 100);
}

static void this_program(void **state)
{
	compare(code_file("/proc/self/exe"), "", 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(libc_dynamic),
		cmocka_unit_test(node_full),
		cmocka_unit_test(jvm_dynamic),
		cmocka_unit_test(this_program),
	};

	return cmocka_run_group_tests_name("code_symbols", tests, NULL, NULL);
}
