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

/* objdump's word for the instruction at an address, "": no instruction begins there. */
static void mnemonic_at(const char *path, const struct symbol *symbol, uint64_t vaddr, char *ret)
{
	char command[256], line[512];

	snprintf(command, sizeof(command),
		 "objdump -d --no-show-raw-insn --start-address=%#lx --stop-address=%#lx %%s",
		 symbol->vaddr, symbol->vaddr + symbol->size);
	FILE *dump = output_of(command, path);

	assert_non_null(dump);
	ret[0] = '\0';
	while (fgets(line, sizeof(line), dump)) {
		unsigned long at;
		char word[32];

		if (sscanf(line, " %lx: %31s", &at, word) == 2 && at == vaddr)
			strcpy(ret, word);
	}
	pclose(dump);
}

/* The 13 wrappers of libc whose entry and first good site were measured by hand. */
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
		char word[32];

		assert_int_equal(symbols__get(image, names[i], &symbol), 0);
		assert_int_equal(site__entry(image, symbol.vaddr, symbol.size,
					     X86_BIT(X86_RDI) | X86_BIT(X86_RSI) | X86_BIT(X86_RDX),
					     &site),
				 0);
		mnemonic_at(path, &symbol, site.vaddr, word);
		if (!site.emulated || (word[0] != 'j' && strcmp(word, "push") != 0))
			fail_msg("%s+%d: '%s' ('%s')", names[i], site.moved, site.text, word);
	}
	image__free(image);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(by_hand),
		cmocka_unit_test(libc_wrappers),
	};

	return cmocka_run_group_tests_name("code_site", tests, NULL, NULL);
}
