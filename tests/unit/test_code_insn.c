// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* By hand, and against objdump over the functions of libc. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <elf.h>
#include <errno.h>
#include <cmocka.h>

#include "code/insn.h"
#include "code/symbols.h"
#include "code_files.h"

static size_t unhex(const char *text, uint8_t *ret)
{
	size_t n = 0;
	unsigned int byte;

	for (; *text; text += 2) {
		assert_int_equal(sscanf(text, "%2x", &byte), 1);
		ret[n++] = (uint8_t)byte;
	}
	return n;
}

static struct insn decode(const char *hex)
{
	uint8_t bytes[16];
	size_t n = unhex(hex, bytes);
	struct insn in;

	for (size_t cut = 0; cut < n; cut++) /* every prefix is no instruction */
		assert_int_equal(insn__decode(bytes, cut, 0x1000, &in), -EILSEQ);
	assert_int_equal(insn__decode(bytes, n, 0x1000, &in), 0);
	assert_int_equal(in.length, n);
	assert_int_equal(in.vaddr, 0x1000);
	return in;
}

static void moves(void **state)
{
	struct insn in = decode("488b8780040000"); /* mov rax, [rdi+0x480] */

	assert_int_equal(in.op, INSN_MOV);
	assert_int_equal(in.count, 2);
	assert_int_equal(in.operands[0].kind, OPERAND_REG);
	assert_int_equal(in.operands[0].reg, X86_RAX);
	assert_int_equal(in.operands[0].size, 8);
	assert_true(in.operands[0].written && !in.operands[0].read);
	assert_int_equal(in.operands[1].kind, OPERAND_MEM);
	assert_int_equal(in.operands[1].base, X86_RDI);
	assert_int_equal(in.operands[1].index, X86_NONE);
	assert_int_equal(in.operands[1].disp, 0x480);
	assert_int_equal(in.operands[1].segment, SEGMENT_NONE);
	assert_int_equal(in.operands[1].vaddr, 0);
	assert_true(in.operands[1].read && !in.operands[1].written);
	assert_int_equal(in.writes, X86_BIT(X86_RAX));

	in = decode("8945e8"); /* mov [rbp-0x18], eax */
	assert_int_equal(in.operands[0].base, X86_RBP);
	assert_int_equal(in.operands[0].disp, -0x18);
	assert_int_equal(in.operands[0].size, 4);
	assert_true(in.operands[0].written);
	assert_int_equal(in.operands[1].reg, X86_RAX);
	assert_int_equal(in.operands[1].size, 4);
	assert_int_equal(in.writes, 0);

	in = decode("498b4c9510"); /* mov rcx, [r13+rdx*4+0x10] */
	assert_int_equal(in.operands[1].base, X86_R13);
	assert_int_equal(in.operands[1].index, X86_RDX);
	assert_int_equal(in.operands[1].scale, 4);
	assert_int_equal(in.operands[1].disp, 0x10);

	in = decode("48b8efcdab8967452301"); /* movabs rax, 0x123456789abcdef */
	assert_int_equal(in.op, INSN_MOV);
	assert_int_equal(in.operands[1].kind, OPERAND_IMM);
	assert_int_equal(in.operands[1].imm, 0x123456789abcdef);

	in = decode("48c7c0f8ffffff"); /* mov rax, -8 */
	assert_int_equal(in.operands[1].imm, -8);

	in = decode("8ae0"); /* mov ah, al: a part of rax */
	assert_int_equal(in.operands[0].reg, X86_RAX);
	assert_int_equal(in.operands[0].size, 1);
	assert_int_equal(in.writes, X86_BIT(X86_RAX));

	in = decode("0fb64728"); /* movzx eax, byte [rdi+0x28] */
	assert_int_equal(in.op, INSN_MOV);
	assert_int_equal(in.operands[1].size, 1);
	assert_int_equal(in.operands[1].disp, 0x28);

	in = decode("f20f104128"); /* movsd xmm0, [rcx+0x28] */
	assert_int_equal(in.op, INSN_MOV);
	assert_int_equal(in.operands[0].reg, X86_XMM0);
	assert_int_equal(in.operands[1].base, X86_RCX);
	assert_int_equal(in.operands[1].size, 8);

	in = decode("c5fb114728"); /* vmovsd [rdi+0x28], xmm0 */
	assert_int_equal(in.op, INSN_MOV);
	assert_int_equal(in.operands[0].disp, 0x28);
}

static void addresses(void **state)
{
	struct insn in = decode("488d0510000000"); /* lea rax, [rip+0x10] */

	assert_int_equal(in.op, INSN_LEA);
	assert_int_equal(in.operands[1].base, X86_RIP);
	assert_int_equal(in.operands[1].vaddr, 0x1017);
	assert_int_equal(in.operands[1].disp, 0x10);

	in = decode("488b05f8ffffff"); /* mov rax, [rip-8] */
	assert_int_equal(in.operands[1].vaddr, 0xfff);

	in = decode("64488b042528000000"); /* mov rax, fs:[0x28] */
	assert_int_equal(in.operands[1].segment, SEGMENT_FS);
	assert_int_equal(in.operands[1].base, X86_NONE);
	assert_int_equal(in.operands[1].disp, 0x28);
	assert_int_equal(in.operands[1].vaddr, 0);

	in = decode("64488b0425f8ffffff"); /* mov rax, fs:[-8]: Go's g */
	assert_int_equal(in.operands[1].segment, SEGMENT_FS);
	assert_int_equal(in.operands[1].disp, -8);

	in = decode("65488b042500000000"); /* mov rax, gs:[0] */
	assert_int_equal(in.operands[1].segment, SEGMENT_GS);

	in = decode("8b042578563412"); /* mov eax, [0x12345678] */
	assert_int_equal(in.operands[1].vaddr, 0x12345678);

	in = decode("48c7050300000001000000"); /* mov qword [rip+3], 1 */
	assert_int_equal(in.operands[0].vaddr, 0x100e);
	assert_int_equal(in.operands[1].imm, 1);
}

static void flow(void **state)
{
	struct insn in = decode("e8fbffffff"); /* call to itself */

	assert_int_equal(in.op, INSN_CALL);
	assert_int_equal(in.target, 0x1000);
	assert_true(in.writes & X86_BIT(X86_RSP));
	in = decode("eb10");
	assert_int_equal(in.op, INSN_JMP);
	assert_int_equal(in.target, 0x1012);
	in = decode("0f8400010000");
	assert_int_equal(in.op, INSN_JCC);
	assert_int_equal(in.target, 0x1106);
	in = decode("ff2500100000"); /* jmp [rip+0x1000]: of a PLT */
	assert_int_equal(in.op, INSN_JMP);
	assert_int_equal(in.target, 0);
	assert_int_equal(in.operands[0].vaddr, 0x2006);
	in = decode("ffd0");
	assert_int_equal(in.op, INSN_CALL);
	assert_int_equal(in.target, 0);
	assert_int_equal(decode("c3").op, INSN_RET);
	assert_int_equal(decode("f30f1efa").op, INSN_NOP);
	assert_int_equal(decode("0f05").op, INSN_TRAP);
	assert_true(decode("0f05").writes & X86_BIT(X86_RCX));
	assert_int_equal(decode("48f7e1").writes, X86_BIT(X86_RAX) | X86_BIT(X86_RDX)); /* mul */
	in = decode("f348ab"); /* rep stosq */
	assert_true(in.writes & X86_BIT(X86_RDI) && in.writes & X86_BIT(X86_RCX));
}

static void texts(void **state)
{
	uint8_t bytes[16];
	char text[64];
	size_t n = unhex("488b8780040000", bytes);

	insn__text(bytes, n, 0, text, sizeof(text));
	assert_string_equal(text, "mov rax, [rdi+0x480]");
	insn__text(bytes, n, 0, text, 4);
	assert_string_equal(text, "mov");
	insn__text(bytes, 2, 0, text, sizeof(text));
	assert_string_equal(text, "?");
	insn__text(bytes, 0, 0, text, sizeof(text));
	assert_string_equal(text, "?");
}

/* --- the whole of a library -------------------------------------------------------------------- */

#define ADDRESSES_MAX (4u << 20)

struct listing {
	const struct image *image;
	uint8_t *begins; /* a bit per byte: an instruction begins there */
	size_t functions, insns;
};

static bool begins(const struct listing *listing, uint64_t vaddr)
{
	assert_true(vaddr < ADDRESSES_MAX);
	return listing->begins[vaddr / 8] >> (vaddr % 8) & 1;
}

static bool walk_function(void *ctx, struct slice name, const struct symbol *symbol)
{
	struct listing *listing = ctx;
	struct insns it;
	struct insn in;
	int more;

	if (symbol->kind != SYMBOL_CODE || symbol->size == 0)
		return true;
	assert_int_equal(insns__begin(&it, listing->image, symbol->vaddr, symbol->size), 0);
	while ((more = insns__next(&it, &in)) > 0) {
		if (!begins(listing, in.vaddr))
			fail_msg("%.*s: %lx", (int)name.n, name.p, in.vaddr);
		for (uint64_t at = in.vaddr + 1; at < in.vaddr + in.length; at++)
			assert_false(begins(listing, at));
		listing->insns++;
	}
	/* some functions of libc have a size that ends in the middle, or data behind */
	listing->functions += more == 0;
	insns__end(&it);
	return true;
}

static void against_objdump(void **state)
{
	const char *path = loaded_file((void *)gnu_get_libc_version);
	struct listing listing = { 0 };
	struct image *image;
	char line[512];

	assert_non_null(path);
	assert_int_equal(image__of_path(path, &image), 0);
	listing.image = image;
	listing.begins = calloc(1, ADDRESSES_MAX / 8);
	assert_non_null(listing.begins);
	FILE *dump = output_of("objdump -d -w --no-show-raw-insn %s", path);

	assert_non_null(dump);
	while (fgets(line, sizeof(line), dump)) {
		unsigned long at;

		if (sscanf(line, " %lx:\t", &at) == 1 && at < ADDRESSES_MAX && line[0] == ' ')
			listing.begins[at / 8] |= (uint8_t)(1u << (at % 8));
	}
	assert_int_equal(pclose(dump), 0);
	assert_int_equal(symbols__each(image, NULL, walk_function, &listing), 0);
	assert_true(listing.functions > 1500);
	assert_true(listing.insns > 50000);
	free(listing.begins);
	image__free(image);
}

static void bounds(void **state)
{
	struct image *image;
	struct symbol symbol;
	struct insns it;
	struct insn in;

	assert_int_equal(image__of_path("/proc/self/exe", &image), 0);
	assert_int_equal(symbols__get(image, "main", &symbol), 0);
	assert_int_equal(insns__begin(&it, image, symbol.vaddr, 0), 0);
	assert_int_equal(insns__next(&it, &in), 0);
	insns__end(&it);
	assert_int_equal(insns__begin(&it, image, symbol.vaddr, INSNS_BYTES_MAX + 1), -E2BIG);
	insns__end(&it);
	assert_int_equal(insns__begin(&it, image, UINT64_MAX, 16), -ERANGE);
	insns__end(&it);
	assert_int_equal(insns__next(&it, &in), 0);
	/* data is no code */
	assert_int_equal(symbols__get(image, "stdout", &symbol), -ENOENT);
	for (uint32_t i = 0; i < image->segment_count; i++) {
		const struct image_segment *s = &image->segments[i];

		if (s->type == PT_LOAD && !(s->flags & PF_X))
			assert_int_equal(insns__begin(&it, image, s->vaddr, 1), -ERANGE);
	}
	image__free(image);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(moves),
		cmocka_unit_test(addresses),
		cmocka_unit_test(flow),
		cmocka_unit_test(texts),
		cmocka_unit_test(against_objdump),
		cmocka_unit_test(bounds),
	};

	return cmocka_run_group_tests_name("code_insn", tests, NULL, NULL);
}
