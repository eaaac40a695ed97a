// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Files that are cut off, damaged, or made to keep their reader busy. Real ones, and one made by hand
 * that has a little of everything, whose every prefix and every byte is tried.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <lzma.h>
#include <time.h>
#include <cmocka.h>

#include "code_all.h"
#include "code_elf.h"
#include "code_files.h"
#include "discover/elf.h"

static struct made made;

/* A copy whose end ASan watches. */
static void try_bytes(const char *bytes, size_t n)
{
	char *copy = malloc(n ? n : 1);

	memcpy(copy, bytes, n);
	code_all(slice(copy, n));
	free(copy);
}

static struct slice packed(const void *bytes, size_t n)
{
	static uint8_t out[1 << 16];
	size_t out_n = 0;

	assert_int_equal(lzma_easy_buffer_encode(1, LZMA_CHECK_CRC32, NULL, bytes, n, out, &out_n,
						 sizeof(out)),
			 LZMA_OK);
	return slice(out, out_n);
}

/* The hidden file of another program in it. */
static void make_all(uint32_t magic)
{
	static struct made inner;

	made__all(&inner, magic, slice(NULL, 0));
	made__all(&made, magic, packed(inner.bytes, inner.n));
}

static struct image *open_made(void)
{
	struct image *image;

	assert_int_equal(image__of_memory(slice(made.bytes, made.n), &image), 0);
	return image;
}

/* --- what is there is found ---------------------------------------------------------------------- */

static void every_layout_of_go(void **state)
{
	static const uint32_t magics[] = { 0xfffffffa, 0xfffffff0, 0xfffffff1 };
	static const char *const names[] = { "main.first", "main.(*T).second", "main.third" };

	for (size_t i = 0; i < 3; i++) {
		struct symbol_wish wishes[3] = { { .name = names[0] },
						 { .name = names[1] },
						 { .name = names[2] } };
		struct golang go;
		struct symbol symbol;
		char name[32];

		made__all(&made, magics[i], slice(NULL, 0));
		struct image *image = open_made();

		assert_int_equal(golang__open(image, &go), 0);
		assert_int_equal(golang__find(&go, wishes, 3), 3);
		for (uint64_t j = 0; j < 3; j++) {
			assert_int_equal(wishes[j].symbol.vaddr, MADE_TEXT + 16 * j);
			assert_int_equal(wishes[j].symbol.size, 16);
			assert_int_equal(golang__at(&go, MADE_TEXT + 16 * j + 15, name,
						    sizeof(name), &symbol),
					 0);
			assert_string_equal(name, names[j]);
			assert_int_equal(symbol.vaddr, MADE_TEXT + 16 * j);
		}
		assert_int_equal(golang__at(&go, MADE_TEXT + 48, name, sizeof(name), &symbol),
				 -ENOENT);
		assert_int_equal(golang__at(&go, MADE_TEXT, name, 5, &symbol), 0);
		assert_string_equal(name, "main");
		image__free(image);
	}
	made__all(&made, 0xfffffffb, slice(NULL, 0)); /* of Go 1.2 to 1.15 */
	struct image *image = open_made();
	struct golang go;

	assert_int_equal(golang__open(image, &go), -EBADMSG);
	image__free(image);
}

static void hidden_symbols(void **state)
{
	struct image *image;
	struct symbol symbol;

	make_all(0xfffffff1);
	image = open_made();
	/* the outer table is what is looked at first; without it the inner one */
	assert_int_equal(symbols__get(image, "second", &symbol), 0);
	image->sections[7].type = SHT_PROGBITS;
	assert_int_equal(symbols__get(image, "second", &symbol), 0);
	assert_int_equal(symbol.vaddr, MADE_TEXT + 16);
	assert_int_equal(symbol.size, 16);
	image->sections[8].size -= 9;
	assert_int_equal(symbols__get(image, "second", &symbol), -EBADMSG);
	image__free(image);
}

static bool count_names(void *ctx, struct slice name, const struct symbol *symbol)
{
	++*(int *)ctx;
	return true;
}

static int count_matching(const struct image *image, const char *pattern)
{
	int n = 0;

	assert_int_equal(symbols__each(image, pattern, count_names, &n), 0);
	return n;
}

static void patterns(void **state)
{
	struct image *image;
	struct symbol symbol;

	made__all(&made, 0xfffffff1, slice(NULL, 0));
	image = open_made();
	assert_int_equal(count_matching(image, NULL), 3);
	assert_int_equal(count_matching(image, "*"), 3);
	assert_int_equal(count_matching(image, "_ZN4node3FooC1E*"), 1);
	assert_int_equal(count_matching(image, "_ZN4node3FooC2E*"), 0);
	assert_int_equal(count_matching(image, "*o*"), 2);
	assert_int_equal(count_matching(image, "*n*o*"), 1);
	assert_int_equal(count_matching(image, "*d"), 1);
	assert_int_equal(count_matching(image, "f*t"), 1);
	assert_int_equal(count_matching(image, "f*st*"), 1);
	assert_int_equal(count_matching(image, "firs"), 0);
	assert_int_equal(count_matching(image, "first*first"), 0);
	assert_int_equal(count_matching(image, ""), 0);
	assert_int_equal(symbols__first(image,
					(const char *const[]){ "x", "second", "first", NULL },
					&symbol),
			 1);
	assert_int_equal(symbol.vaddr, MADE_TEXT + 16);
	assert_false(symbol.global);
	assert_int_equal(symbols__first(image, (const char *const[]){ "x", NULL }, &symbol),
			 -ENOENT);
	char name[4];

	assert_int_equal(symbols__at(image, MADE_TEXT + 31, name, sizeof(name), &symbol), 0);
	assert_string_equal(name, "sec");
	assert_int_equal(symbols__at(image, MADE_TEXT + 32, name, sizeof(name), &symbol), -ENOENT);
	image__free(image);
}

static void own_pointers(void **state)
{
	uint64_t places[4], words[2], at = 0;
	struct image *image;

	made__all(&made, 0xfffffff1, slice(NULL, 0));
	image = open_made();
	assert_int_equal(pointers__to(image, MADE_TEXT, places, 4), 2);
	assert_int_equal(places[0], MADE_DATA + 0x100 + 20 * 8);
	assert_int_equal(places[1], MADE_DATA + 0x100 + 22 * 8);
	assert_int_equal(pointers__to(image, MADE_TEXT, places, 1), 1);
	assert_int_equal(pointers__to(image, MADE_TEXT + 1, places, 4), 0);
	assert_int_equal(pointers__read(image, MADE_DATA + 0x100, words, 2), 0);
	assert_int_equal(words[0], MADE_TABLE);
	assert_int_equal(pointers__read(image, MADE_DATA + 0x100 + 22 * 8, words, 2), -ERANGE);
	assert_int_equal(pointers__bytes(image, SLICE("main.third\0"), 1, &at), 0);
	assert_true(at > MADE_TABLE && at < MADE_DATA);
	assert_int_equal(pointers__bytes(image, SLICE("main.fourth"), 1, &at), -ENOENT);
	assert_int_equal(pointers__bytes(image, SLICE(""), 1, &at), -EINVAL);
	image__free(image);
}

/* --- damage ---------------------------------------------------------------------------------------- */

static void every_prefix(void **state)
{
	make_all(0xfffffff1);
	for (size_t n = 0; n <= made.n; n++)
		try_bytes(made.bytes, n);
}

static void every_byte(void **state)
{
	static const unsigned char values[] = { 0, 0x7f, 0xff };

	made__all(&made, 0xfffffff0, slice(NULL, 0));
	for (size_t i = 0; i < made.n; i++) {
		char kept = made.bytes[i];

		for (size_t j = 0; j < sizeof(values); j++) {
			made.bytes[i] = (char)values[j];
			try_bytes(made.bytes, made.n);
		}
		made.bytes[i] = kept;
	}
}

static void cut_files(const char *path, size_t steps)
{
	size_t n;

	if (!path)
		return;
	char *bytes = bytes_of(path, &n);

	/* most of what is read stands at the beginning and at the end */
	for (size_t i = 0; i <= steps; i++) {
		code_all(slice(bytes, n / steps * i));
		code_all(slice(bytes, 64 + 61 * i));
		code_all(slice(bytes, n - 61 * i));
	}
	free(bytes);
}

static void real_files_cut_off(void **state)
{
	cut_files(loaded_file((void *)gnu_get_libc_version), 40);
	cut_files(code_file("/bin/true"), 200);
	cut_files(node_file(), 3);
	cut_files(jvm_file(), 3);
	cut_files(code_file("/usr/local/go/bin/gofmt"), 4);
}

static void real_file_damaged(void **state)
{
	const char *path = code_file("/bin/true");
	size_t n;

	assert_non_null(path);
	char *bytes = bytes_of(path, &n), *copy = malloc(n);

	assert_non_null(copy);
	srand(4);
	for (int i = 0; i < 400; i++) {
		memcpy(copy, bytes, n);
		for (int j = 0; j < 8; j++) {
			/* headers, and the section headers at the end */
			size_t at = j % 2 ? (size_t)rand() % 1024 : n - 1 - (size_t)rand() % 2048;

			copy[at] = (char)rand();
		}
		code_all(slice(copy, n));
	}
	free(copy);
	free(bytes);
}

/* --- work without end -------------------------------------------------------------------------------- */

static void packed_bomb(void **state)
{
	static char zeros[1 << 20];
	struct image *image;
	struct symbol symbol;

	/* 1 MiB that packs to 300 bytes, 100 times over: more than is unpacked */
	struct slice one = packed(zeros, sizeof(zeros));
	static char many[1 << 15];
	size_t n = 0;

	while (n + one.n <= sizeof(many)) {
		memcpy(many + n, one.p, one.n);
		n += one.n;
	}
	struct made_part parts[] = { { ".gnu_debugdata", SHT_PROGBITS, 0, 0, slice(many, n), 0,
				       0 } };

	made__build(&made, parts, 1);
	image = open_made();
	assert_true(symbols__get(image, "x", &symbol) < 0);
	image__free(image);
}

/* A thousand symbols that all name the same 32 KiB. */
static void shared_names(void **state)
{
	static char strings[1 << 15];
	static Elf64_Sym symbols[1200];
	int n = 0;

	memset(strings, 'x', sizeof(strings));
	strings[sizeof(strings) - 1] = '\0';
	for (size_t i = 0; i < 1200; i++)
		symbols[i] = (Elf64_Sym){ .st_name = 1, .st_info = STT_FUNC, .st_shndx = 1 };
	struct made_part parts[] = {
		{ ".strtab", SHT_STRTAB, 0, 0, slice(strings, sizeof(strings)), 0, 0 },
		{ ".symtab", SHT_SYMTAB, 0, 0, slice(symbols, sizeof(symbols)), 1,
		  sizeof(Elf64_Sym) },
	};

	made__build(&made, parts, 2);
	struct image *image = open_made();

	assert_int_equal(symbols__each(image, NULL, count_names, &n), -EBADMSG);
	assert_true(n < 16);
	image__free(image);
}

static void facts_survive(void **state)
{
	struct elf_facts facts;
	FILE *file = tmpfile();

	assert_non_null(file);
	make_all(0xfffffff1);
	for (size_t n = 0; n <= made.n; n += n < 2000 ? 13 : 301) {
		assert_int_equal(ftruncate(fileno(file), 0), 0);
		assert_int_equal(pwrite(fileno(file), made.bytes, n, 0), n);
		assert_int_equal(elf_facts__read(fileno(file), &facts), 0);
	}
	assert_int_equal(pwrite(fileno(file), made.bytes, made.n, 0), made.n);
	assert_int_equal(elf_facts__read(fileno(file), &facts), 0);
	assert_true(facts.is_go);
	assert_string_equal(facts.go_version, "1.22.1");
	fclose(file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_layout_of_go), cmocka_unit_test(hidden_symbols),
		cmocka_unit_test(patterns),	      cmocka_unit_test(own_pointers),
		cmocka_unit_test(every_prefix),	      cmocka_unit_test(every_byte),
		cmocka_unit_test(real_files_cut_off), cmocka_unit_test(real_file_damaged),
		cmocka_unit_test(packed_bomb),	      cmocka_unit_test(shared_names),
		cmocka_unit_test(facts_survive),
	};

	return cmocka_run_group_tests_name("code_hostile", tests, NULL, NULL);
}
