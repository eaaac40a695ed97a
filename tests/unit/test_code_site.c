// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <cmocka.h>

#include "code/site.h"
#include "code/symbols.h"
#include "code_files.h"

struct shape {
	const char *what;
	const char *code; /* hex */
	uint32_t keep;
	int moved; /* -1: not emulated */
};

#define RDI X86_BIT(X86_RDI)

/* Assembled by hand (checked with objdump). */
static const struct shape shapes[] = {
	{ "push rbp", "554889e5c3", SITE_ARGS, 0 },
	{ "push r15", "4157c3", SITE_ARGS, 0 },
	{ "endbr64; push rbx", "f30f1efa53c3", SITE_ARGS, 4 },
	{ "cmp byte [rip+x], 0; je", "803d010000000074 0131c0c3", SITE_ARGS, 7 },
	{ "mov rax, rdi; push rbx", "4889f853c3", SITE_ARGS, 3 },
	{ "mov rdi, rsi; push rbx", "4889f753c3", SITE_ARGS, -1 },
	{ "mov rdi, rsi; push rbx, rdi is not wanted", "4889f753c3", X86_BIT(X86_RSI), 3 },
	{ "xor edi, edi changes rdi", "31ff53c3", SITE_ARGS, -1 },
	{ "mov dil, 1 changes rdi", "40b70153c3", SITE_ARGS, -1 },
	{ "sub rsp, 8; push rbx", "4883ec0853c3", SITE_ARGS, -1 },
	{ "sub rsp, 8; push rbx, any stack", "4883ec0853c3", SITE_ARGS | SITE_ANY_STACK, 4 },
	{ "lea rsp, [rsp-8]; push rbx", "488d6424f853c3", SITE_ARGS, -1 },
	{ "pop rax; push rax", "5850c3", SITE_ARGS, -1 },
	{ "ret; push", "c353", SITE_ARGS, -1 },
	{ "jmp rax; push", "ffe053", SITE_ARGS, -1 },
	{ "jmp rel", "eb0090c3", SITE_ARGS, 0 },
	{ "call rel", "e800000000c3", SITE_ARGS, 0 },
	{ "endbr64; jmp rel (a thunk)", "f30f1efae900000000", SITE_ARGS, 4 },
	{ "nop", "90c3", SITE_ARGS, 0 },
	{ "2-byte nop; push", "669053c3", SITE_ARGS, 2 },
	{ "nop5; push", "0f1f44000053c3", SITE_ARGS, 5 },
	{ "xchg rax, r8 is no nop; push", "499053c3", SITE_ARGS, -1 },
	{ "xchg rax, r8; push, r8 not wanted", "499053c3", RDI, 2 },
	{ "push imm is not emulated", "6a0153c3", SITE_ARGS, -1 },
	{ "push [rax] is not emulated", "ff30c3", SITE_ARGS, -1 },
	{ "mul writes rdx", "48f7e653c3", SITE_ARGS, -1 },
	{ "syscall writes rcx", "0f0553c3", X86_BIT(X86_RCX), -1 },
	{ "syscall ends it at all", "0f0553c3", RDI, -1 },
	{ "int3; push", "cc53", SITE_ARGS, -1 },
	{ "ud2; push", "0f0b53", SITE_ARGS, -1 },
	{ "jrcxz is not emulated", "e30053c3", RDI, -1 },
	{ "loop is not emulated", "e2fe53c3", RDI, -1 },
	/* 0: mov eax,1; 5: push rbx; 6: dec eax; 8: jne 5: the push is passed more than once */
	{ "a loop onto the push", "b80100000053ffc875fbc3", SITE_ARGS, -1 },
	{ "the same behind a move", "4889f853ffc8 75fb c3", SITE_ARGS, -1 },
	{ "a jump into the middle", "4889f8 4889f8 53 ffc8 75f8 c3", SITE_ARGS, -1 },
	{ "a jump to the entry itself", "4889f853ffc875f7c3", SITE_ARGS, 3 },
	{ "bytes that are no code, behind", "4889f853c306", SITE_ARGS, -1 },
	/* Go: cmp rsp,[r14+16]; jbe 14; push rbp; ...; ret; call morestack; jmp 0 */
	{ "Go's stack check is passed", "493b6610 7608 55 4889e5 5d c3 90 90 e800000000 ebeb",
	  SITE_GO_ARGS, 6 },
	{ "a check that does not come back", "493b6610 7608 55 4889e5 5d c3 90 90 e800000000 c3",
	  SITE_GO_ARGS, 4 },
	{ "Go before 1.21: no push behind the check",
	  "493b6610 7608 4883ec08 4883c408 c3 e800000000 ebe9", SITE_GO_ARGS, 4 },
};

static size_t unhex(const char *text, uint8_t *ret)
{
	size_t n = 0;
	unsigned int byte;

	for (; *text; text++) {
		if (*text == ' ')
			continue;
		assert_int_equal(sscanf(text, "%2x", &byte), 1);
		ret[n++] = (uint8_t)byte;
		text++;
	}
	return n;
}

static void by_hand(void **state)
{
	for (size_t i = 0; i < sizeof(shapes) / sizeof(*shapes); i++) {
		const struct shape *shape = &shapes[i];
		uint8_t code[128];
		size_t n = unhex(shape->code, code);
		struct site site;
		int err = site__choose(code, n, 0x1000, shape->keep, &site);
		int moved = err ? err : site.emulated ? site.moved : -1;

		if (moved != shape->moved)
			fail_msg("%s: %d instead of %d (%s)", shape->what, moved, shape->moved,
				 site.text);
		assert_int_equal(site.offset, site.moved);
		assert_int_equal(site.vaddr, 0x1000 + site.moved);
	}
}

/* --- against objdump ------------------------------------------------------------------------- */

#define LINES_MAX 600000

struct line {
	uint64_t vaddr;
	char text[48]; /* AT&T: "mov    %rdi,%rax" */
};

struct listing {
	struct line *lines; /* by address */
	size_t n;
	const struct image *image;
	size_t moved, emulated, entry;
};

static void read_listing(const char *path, struct listing *ret)
{
	char text[512];
	FILE *dump = output_of("objdump -d -w --no-show-raw-insn %s", path);

	assert_non_null(dump);
	ret->lines = calloc(LINES_MAX, sizeof(*ret->lines));
	assert_non_null(ret->lines);
	while (ret->n < LINES_MAX && fgets(text, sizeof(text), dump)) {
		struct line *line = &ret->lines[ret->n];
		unsigned long at;

		if (sscanf(text, " %lx:\t%47[^\n]", &at, line->text) == 2) {
			line->vaddr = at;
			ret->n++;
		}
	}
	assert_int_equal(pclose(dump), 0);
	assert_true(ret->n < LINES_MAX);
}

static const struct line *line_at(const struct listing *listing, uint64_t vaddr)
{
	size_t low = 0, high = listing->n;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (listing->lines[middle].vaddr < vaddr)
			low = middle + 1;
		else
			high = middle;
	}
	return low < listing->n && listing->lines[low].vaddr == vaddr ? &listing->lines[low] : NULL;
}

/* By the text alone; direct jumps and calls have a plain number, others a star. */
static bool reads_as_emulated(const char *text)
{
	char word[16] = "", operand[32] = "";

	sscanf(text, "%15s %31s", word, operand);
	if (strcmp(word, "push") == 0)
		return operand[0] == '%' && strcmp(operand, "%fs") && strcmp(operand, "%gs");
	if (strcmp(word, "nop") == 0)
		return operand[0] == '\0';
	if (strcmp(word, "call") != 0 && (word[0] != 'j' || strstr(word, "cxz")))
		return false;
	return strspn(operand, "0123456789abcdef") > 0;
}

/* Does it write an argument, or move the stack? The destination is the last operand. */
static bool reads_as_change(const char *text)
{
	static const char *const kept[] = { "%rdi", "%edi", "%di",  "%dil", "%rsi", "%esi", "%si",
					    "%sil", "%rdx", "%edx", "%dx",  "%dl",  "%rcx", "%ecx",
					    "%cx",  "%cl",  "%r8",  "%r8d", "%r9",  "%r9d", "%rsp" };
	const char *last = strrchr(text, ',');
	char word[16];

	sscanf(text, "%15s", word);
	if (strncmp(word, "cmp", 3) == 0 || strncmp(word, "test", 4) == 0 || word[0] == 'j' ||
	    strncmp(word, "nop", 3) == 0)
		return false;
	if (!last)
		last = strrchr(text, ' ');
	for (size_t i = 0; last && i < sizeof(kept) / sizeof(*kept); i++) {
		size_t n = strlen(kept[i]);

		if (strncmp(last + 1, kept[i], n) == 0 && strchr(" \n", last[1 + n]))
			return true;
	}
	return strncmp(word, "pop", 3) == 0 || strcmp(word, "leave") == 0;
}

static bool check_function(void *ctx, struct slice name, const struct symbol *symbol)
{
	struct listing *listing = ctx;
	struct site site;
	const struct line *line;

	if (symbol->kind != SYMBOL_CODE || symbol->size == 0)
		return true;
	assert_int_equal(site__entry(listing->image, symbol->vaddr, symbol->size, SITE_ARGS, &site),
			 0);
	line = line_at(listing, site.vaddr);
	if (!line || reads_as_emulated(line->text) != site.emulated)
		fail_msg("%.*s+%d: '%s', '%s'", (int)name.n, name.p, site.moved, site.text,
			 line ? line->text : "");
	for (line = line_at(listing, symbol->vaddr); line && line->vaddr < site.vaddr; line++) {
		if (reads_as_change(line->text))
			fail_msg("%.*s+%d: '%s' lies before", (int)name.n, name.p, site.moved,
				 line->text);
	}
	listing->moved += site.moved != 0;
	listing->emulated += site.emulated;
	listing->entry += !site.emulated;
	return true;
}

static void all_of(const char *path, size_t at_least)
{
	struct listing listing = { 0 };
	struct image *image;

	if (!path) {
		print_message("not on this machine\n");
		skip();
	}
	assert_int_equal(image__of_path(path, &image), 0);
	listing.image = image;
	read_listing(path, &listing);
	assert_int_equal(symbols__each(image, NULL, check_function, &listing), 0);
	print_message("%zu sites are emulated, %zu of them moved; %zu are single-stepped\n",
		      listing.emulated, listing.moved, listing.entry);
	assert_true(listing.moved > at_least && listing.entry > 0);
	free(listing.lines);
	image__free(image);
}

static void all_of_libc(void **state)
{
	all_of(loaded_file((void *)gnu_get_libc_version), 200);
}

static void all_of_libstdcxx(void **state)
{
	all_of(code_file("/usr/lib/x86_64-linux-gnu/libstdc++.so.6"), 200);
}

/* Their entries are compares, single-stepped; the jumps behind those were measured. */
static void libc_wrappers(void **state)
{
	static const char *const names[] = { "read",	"write",  "readv",   "writev", "sendmsg",
					     "recvmsg", "accept", "close",   "send",   "recv",
					     "connect", "sendto", "recvfrom" };
	const char *path = loaded_file((void *)gnu_get_libc_version);
	struct image *image;

	assert_non_null(path);
	assert_int_equal(image__of_path(path, &image), 0);
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		struct symbol symbol;
		struct site site;

		assert_int_equal(symbols__get(image, names[i], &symbol), 0);
		assert_int_equal(site__entry(image, symbol.vaddr, symbol.size,
					     X86_BIT(X86_RDI) | X86_BIT(X86_RSI) | X86_BIT(X86_RDX),
					     &site),
				 0);
		if (!site.emulated || site.moved > 16)
			fail_msg("%s+%d: '%s'", names[i], site.moved, site.text);
	}
	image__free(image);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(by_hand),
		cmocka_unit_test(libc_wrappers),
		cmocka_unit_test(all_of_libc),
		cmocka_unit_test(all_of_libstdcxx),
	};

	return cmocka_run_group_tests_name("code_site", tests, NULL, NULL);
}
