// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Programs that this machine's Go builds: their pclntab against what nm says of their symbols. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <elf.h>
#include <errno.h>
#include <cmocka.h>

#include "code/golang.h"
#include "code_files.h"

static char folder[64];

static const char source[] = "package main\n"
			     "import (\"fmt\"; \"strings\")\n"
			     "type shape struct{ n int }\n"
			     "//go:noinline\n"
			     "func (s *shape) Area(k int) int { return s.n * k }\n"
			     "//go:noinline\n"
			     "func target(a, b int) int { return a*b + len(fmt.Sprint(a)) }\n"
			     "func main() {\n"
			     "	done := make(chan int)\n"
			     "	go func() { done <- target(2, 3) }()\n"
			     "	s := &shape{<-done}\n"
			     "	fmt.Println(strings.Repeat(\"x\", s.Area(2)))\n"
			     "}\n";

__attribute__((format(printf, 1, 2))) static bool run(const char *format, ...)
{
	char command[512];
	va_list args;

	va_start(args, format);
	vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	return system(command) == 0;
}

static int build(void **state)
{
	char path[128];

	strcpy(folder, "/tmp/spanprobe-go-XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	snprintf(path, sizeof(path), "%s/m.go", folder);
	FILE *file = fopen(path, "w");

	if (!file)
		return -1;
	fputs(source, file);
	return fclose(file);
}

static int clean(void **state)
{
	run("rm -rf %s", folder);
	return 0;
}

/* With its symbols, and the same file without; false: no Go here. */
static bool make(const char *flags)
{
	if (!run("command -v go >/dev/null")) {
		print_message("no Go on this machine\n");
		return false;
	}
	assert_true(
		run("cd %s && CGO_ENABLED=0 GO111MODULE=off GOFLAGS= go build -o full %s m.go && "
		    "strip -o bare full",
		    folder, flags));
	return true;
}

static struct image *open_named(const char *name)
{
	struct image *image;
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	assert_int_equal(image__of_path(path, &image), 0);
	return image;
}

struct known {
	char name[256];
	uint64_t vaddr;
};

/* The functions of the text that nm knows, one name each. */
static size_t read_known(struct known *ret, size_t max)
{
	char path[128], line[1024];
	size_t n = 0;

	snprintf(path, sizeof(path), "%s/full", folder);
	/* an assembly function and its wrapper have one name there, NAME.abi0 and NAME here */
	FILE *nm = output_of("nm %s | awk 'tolower($2) == \"t\" && "
			     "$3 ~ /^(main|fmt|strings|runtime)\\./ { all[$3] = $0 } END { "
			     "for (n in all) if (!((n \".abi0\") in all)) print all[n] }' | sort",
			     path);

	assert_non_null(nm);
	while (n < max && fgets(line, sizeof(line), nm)) {
		unsigned long vaddr;
		char *name = strchr(line, ' ') + 3;

		/* marks of the linker, no functions */
		name[strcspn(name, "\n")] = '\0';
		if (sscanf(line, "%lx", &vaddr) != 1 || strstr(name, "text") ||
		    strstr(name, ".abi"))
			continue;
		snprintf(ret[n].name, sizeof(ret[n].name), "%s", name);
		ret[n++].vaddr = vaddr;
	}
	pclose(nm);
	return n;
}

static void compare(const struct image *image)
{
	static struct known known[4096];
	size_t n = read_known(known, 4096), missing = 0;
	struct golang go;
	char name[256];

	assert_true(n > 500);
	assert_int_equal(golang__open(image, &go), 0);
	for (size_t i = 0; i < n; i++) {
		struct symbol symbol;

		/* its first byte, and a byte further on */
		for (uint64_t at = known[i].vaddr; at < known[i].vaddr + 2; at++) {
			int err = golang__at(&go, at, name, sizeof(name), &symbol);

			if (err || symbol.vaddr != known[i].vaddr)
				fail_msg("%s: %d, %lx", known[i].name, err, symbol.vaddr);
		}
		missing += strcmp(name, known[i].name) != 0;
	}
	if (missing)
		fail_msg("%zu of %zu names differ", missing, n);
	for (size_t i = 0; i + 40 < n; i += 40) {
		struct symbol_wish wishes[41] = { 0 };

		for (size_t j = 0; j < 40; j++)
			wishes[j].name = known[i + j].name;
		wishes[40].name = "main.nothing";
		assert_int_equal(golang__find(&go, wishes, 41), 40);
		for (size_t j = 0; j < 40; j++)
			if (wishes[j].symbol.vaddr != known[i + j].vaddr)
				fail_msg("%s: %lx", wishes[j].name, wishes[j].symbol.vaddr);
	}
	assert_int_equal(golang__at(&go, go.text - 1, name, sizeof(name), &(struct symbol){ 0 }),
			 -ENOENT);
	assert_int_equal(golang__at(&go, UINT64_MAX, name, sizeof(name), &(struct symbol){ 0 }),
			 -ENOENT);
}

/* The section headers are gone too: everything is found by its bytes. */
static void compare_without_sections(const char *name)
{
	char path[128];
	struct image *image;
	size_t n;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	char *bytes = bytes_of(path, &n);
	Elf64_Ehdr *header = (Elf64_Ehdr *)bytes;

	header->e_shoff = 0;
	header->e_shnum = header->e_shstrndx = 0;
	assert_int_equal(image__of_memory(slice(bytes, n), &image), 0);
	compare(image);
	image__free(image);
	free(bytes);
}

static void compare_version(const struct image *image)
{
	char told[128] = "", got[32];
	FILE *go = popen("go version", "r");

	assert_non_null(go);
	assert_int_equal(fscanf(go, "go version go%127s", told), 1);
	pclose(go);
	assert_int_equal(golang__version(image, got, sizeof(got)), 0);
	assert_string_equal(got, told);
}

static void compare_all(const char *flags)
{
	static const char *const names[] = { "full", "bare" };

	if (!make(flags))
		skip();
	for (size_t i = 0; i < 2; i++) {
		struct image *image = open_named(names[i]);

		compare(image);
		compare_version(image);
		image__free(image);
	}
	compare_without_sections("bare");
}

static void plain(void **state)
{
	compare_all("");
}

static void pie(void **state)
{
	compare_all("-buildmode=pie");
}

static void no_go(void **state)
{
	struct image *image;
	struct golang go;
	char version[32];

	assert_int_equal(image__of_path("/proc/self/exe", &image), 0);
	assert_int_equal(golang__open(image, &go), -ENOENT);
	assert_int_equal(golang__version(image, version, sizeof(version)), -ENOENT);
	image__free(image);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain),
		cmocka_unit_test(pie),
		cmocka_unit_test(no_go),
	};

	return cmocka_run_group_tests_name("code_golang", tests, build, clean);
}
