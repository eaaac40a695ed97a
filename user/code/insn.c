// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "code/insn.h"

#include <Zydis/Zydis.h>
#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static const struct {
	uint16_t mnemonic;
	uint8_t op;
} ops[] = {
	{ ZYDIS_MNEMONIC_MOV, INSN_MOV },	  { ZYDIS_MNEMONIC_MOVZX, INSN_MOV },
	{ ZYDIS_MNEMONIC_MOVSX, INSN_MOV },	  { ZYDIS_MNEMONIC_MOVSXD, INSN_MOV },
	{ ZYDIS_MNEMONIC_MOVAPS, INSN_MOV },	  { ZYDIS_MNEMONIC_MOVAPD, INSN_MOV },
	{ ZYDIS_MNEMONIC_MOVUPS, INSN_MOV },	  { ZYDIS_MNEMONIC_MOVUPD, INSN_MOV },
	{ ZYDIS_MNEMONIC_MOVDQA, INSN_MOV },	  { ZYDIS_MNEMONIC_MOVDQU, INSN_MOV },
	{ ZYDIS_MNEMONIC_MOVD, INSN_MOV },	  { ZYDIS_MNEMONIC_MOVQ, INSN_MOV },
	{ ZYDIS_MNEMONIC_MOVSS, INSN_MOV },	  { ZYDIS_MNEMONIC_MOVSD, INSN_MOV },
	{ ZYDIS_MNEMONIC_MOVHPS, INSN_MOV },	  { ZYDIS_MNEMONIC_MOVLPS, INSN_MOV },
	{ ZYDIS_MNEMONIC_MOVHPD, INSN_MOV },	  { ZYDIS_MNEMONIC_MOVLPD, INSN_MOV },
	{ ZYDIS_MNEMONIC_VMOVAPS, INSN_MOV },	  { ZYDIS_MNEMONIC_VMOVAPD, INSN_MOV },
	{ ZYDIS_MNEMONIC_VMOVUPS, INSN_MOV },	  { ZYDIS_MNEMONIC_VMOVUPD, INSN_MOV },
	{ ZYDIS_MNEMONIC_VMOVDQA, INSN_MOV },	  { ZYDIS_MNEMONIC_VMOVDQU, INSN_MOV },
	{ ZYDIS_MNEMONIC_VMOVD, INSN_MOV },	  { ZYDIS_MNEMONIC_VMOVQ, INSN_MOV },
	{ ZYDIS_MNEMONIC_VMOVSS, INSN_MOV },	  { ZYDIS_MNEMONIC_VMOVSD, INSN_MOV },
	{ ZYDIS_MNEMONIC_LEA, INSN_LEA },	  { ZYDIS_MNEMONIC_CMP, INSN_CMP },
	{ ZYDIS_MNEMONIC_TEST, INSN_TEST },	  { ZYDIS_MNEMONIC_ADD, INSN_ADD },
	{ ZYDIS_MNEMONIC_SUB, INSN_SUB },	  { ZYDIS_MNEMONIC_AND, INSN_AND },
	{ ZYDIS_MNEMONIC_OR, INSN_OR },		  { ZYDIS_MNEMONIC_XOR, INSN_XOR },
	{ ZYDIS_MNEMONIC_SHL, INSN_SHL },	  { ZYDIS_MNEMONIC_SHR, INSN_SHR },
	{ ZYDIS_MNEMONIC_IMUL, INSN_IMUL },	  { ZYDIS_MNEMONIC_INC, INSN_INC },
	{ ZYDIS_MNEMONIC_DEC, INSN_DEC },	  { ZYDIS_MNEMONIC_XCHG, INSN_XCHG },
	{ ZYDIS_MNEMONIC_XADD, INSN_XCHG },	  { ZYDIS_MNEMONIC_CMPXCHG, INSN_XCHG },
	{ ZYDIS_MNEMONIC_CMPXCHG16B, INSN_XCHG }, { ZYDIS_MNEMONIC_PUSH, INSN_PUSH },
	{ ZYDIS_MNEMONIC_POP, INSN_POP },	  { ZYDIS_MNEMONIC_CALL, INSN_CALL },
	{ ZYDIS_MNEMONIC_JMP, INSN_JMP },	  { ZYDIS_MNEMONIC_RET, INSN_RET },
	{ ZYDIS_MNEMONIC_NOP, INSN_NOP },	  { ZYDIS_MNEMONIC_ENDBR64, INSN_NOP },
	{ ZYDIS_MNEMONIC_PAUSE, INSN_NOP },	  { ZYDIS_MNEMONIC_INT3, INSN_TRAP },
	{ ZYDIS_MNEMONIC_INT, INSN_TRAP },	  { ZYDIS_MNEMONIC_INT1, INSN_TRAP },
	{ ZYDIS_MNEMONIC_UD0, INSN_TRAP },	  { ZYDIS_MNEMONIC_UD1, INSN_TRAP },
	{ ZYDIS_MNEMONIC_UD2, INSN_TRAP },	  { ZYDIS_MNEMONIC_HLT, INSN_TRAP },
	{ ZYDIS_MNEMONIC_SYSCALL, INSN_TRAP },	  { ZYDIS_MNEMONIC_SYSENTER, INSN_TRAP },
	{ ZYDIS_MNEMONIC_IRETQ, INSN_TRAP },	  { ZYDIS_MNEMONIC_XABORT, INSN_TRAP },
};

static enum insn_op op_of(const ZydisDecodedInstruction *in)
{
	if (in->meta.category == ZYDIS_CATEGORY_COND_BR)
		return INSN_JCC;
	for (size_t i = 0; i < sizeof(ops) / sizeof(*ops); i++) {
		if (ops[i].mnemonic == in->mnemonic)
			return ops[i].op;
	}
	return INSN_OTHER;
}

static enum x86_reg reg_of(ZydisRegister reg)
{
	if (reg == ZYDIS_REGISTER_NONE)
		return X86_NONE;
	if (reg == ZYDIS_REGISTER_RIP || reg == ZYDIS_REGISTER_EIP)
		return X86_RIP;
	ZydisRegister whole = ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, reg);
	ZyanI8 id = ZydisRegisterGetId(whole);

	switch (ZydisRegisterGetClass(whole)) {
	case ZYDIS_REGCLASS_GPR64:
		return id >= 0 && id < 16 ? (enum x86_reg)id : X86_OTHER;
	case ZYDIS_REGCLASS_XMM:
	case ZYDIS_REGCLASS_YMM:
	case ZYDIS_REGCLASS_ZMM:
		return id >= 0 && id < 32 ? (enum x86_reg)(X86_XMM0 + id) : X86_OTHER;
	default:
		return X86_OTHER;
	}
}

static enum segment segment_of(ZydisRegister reg)
{
	return reg == ZYDIS_REGISTER_FS ? SEGMENT_FS :
	       reg == ZYDIS_REGISTER_GS ? SEGMENT_GS :
					  SEGMENT_NONE;
}

static void fill_memory(const ZydisDecodedOperandMem *from, uint64_t next, struct operand *to)
{
	to->kind = OPERAND_MEM;
	to->segment = segment_of(from->segment);
	to->base = reg_of(from->base);
	to->index = reg_of(from->index);
	to->scale = from->scale;
	to->disp = from->disp.value;
	if (to->base == X86_RIP)
		to->vaddr = next + (uint64_t)to->disp;
	else if (to->base == X86_NONE && to->index == X86_NONE && to->segment == SEGMENT_NONE)
		to->vaddr = (uint64_t)to->disp;
}

static void fill_operand(const ZydisDecodedOperand *from, uint64_t next, struct operand *to)
{
	*to = (struct operand){ .reg = X86_NONE, .base = X86_NONE, .index = X86_NONE };
	to->size = (uint8_t)(from->size / 8);
	to->read = (from->actions & ZYDIS_OPERAND_ACTION_MASK_READ) != 0;
	to->written = (from->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) != 0;
	switch (from->type) {
	case ZYDIS_OPERAND_TYPE_REGISTER:
		to->kind = OPERAND_REG;
		to->reg = reg_of(from->reg.value);
		break;
	case ZYDIS_OPERAND_TYPE_MEMORY:
		fill_memory(&from->mem, next, to);
		break;
	case ZYDIS_OPERAND_TYPE_IMMEDIATE:
		to->kind = OPERAND_IMM;
		to->imm = from->imm.value.s;
		break;
	default:
		break;
	}
}

/*
 * As arch/x86/kernel/uprobes.c has done for long: direct jumps and calls, conditional jumps, the
 * one-byte nop, push of a register. No prefix but the one that names r8 to r15: with others some
 * kernels refuse the probe.
 */
static bool emulated(const ZydisDecodedInstruction *in, const uint8_t *bytes)
{
	if (in->length == 2 && bytes[0] == 0x41 && (bytes[1] & 0xf8) == 0x50)
		return true;
	if (in->raw.prefix_count)
		return false;
	switch (bytes[0]) {
	case 0xeb:
	case 0xe9:
	case 0xe8:
	case 0x90:
		return true;
	case 0x0f:
		return (bytes[1] & 0xf0) == 0x80;
	default:
		return (bytes[0] & 0xf8) == 0x50 || (bytes[0] & 0xf0) == 0x70;
	}
}

static bool decode(const void *bytes, size_t n, ZydisDecodedInstruction *in,
		   ZydisDecodedOperand *operands)
{
	static ZydisDecoder decoder;
	static bool ready;

	if (!ready) {
		ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
		ready = true;
	}
	return ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, bytes, n, in, operands));
}

int insn__decode(const void *bytes, size_t n, uint64_t vaddr, struct insn *ret)
{
	ZydisDecodedInstruction in;
	ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];

	if (n == 0 || !decode(bytes, n, &in, operands))
		return -EILSEQ;
	*ret = (struct insn){ .vaddr = vaddr, .length = in.length, .op = op_of(&in) };
	for (uint8_t i = 0; i < in.operand_count; i++) {
		const ZydisDecodedOperand *from = &operands[i];
		enum x86_reg reg = from->type == ZYDIS_OPERAND_TYPE_REGISTER ?
					   reg_of(from->reg.value) :
					   X86_NONE;

		if (reg < X86_NONE && (from->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE))
			ret->writes |= (uint16_t)X86_BIT(reg);
		if (from->visibility == ZYDIS_OPERAND_VISIBILITY_HIDDEN)
			continue;
		if (from->type == ZYDIS_OPERAND_TYPE_IMMEDIATE && from->imm.is_relative)
			ret->target = vaddr + in.length + from->imm.value.u;
		if (ret->count < INSN_OPERANDS)
			fill_operand(from, vaddr + in.length, &ret->operands[ret->count++]);
	}
	ret->emulated = emulated(&in, bytes);
	return 0;
}

void insn__text(const void *bytes, size_t n, uint64_t vaddr, char *ret, size_t size)
{
	static ZydisFormatter formatter;
	static bool ready;
	ZydisDecodedInstruction in;
	ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
	char text[256];

	if (!ready) {
		ZydisFormatterInit(&formatter, ZYDIS_FORMATTER_STYLE_INTEL);
		ready = true;
	}
	if (n == 0 || !decode(bytes, n, &in, operands) ||
	    !ZYAN_SUCCESS(ZydisFormatterFormatInstruction(&formatter, &in, operands,
							  in.operand_count_visible, text,
							  sizeof(text), vaddr, NULL)))
		snprintf(text, sizeof(text), "?");
	snprintf(ret, size, "%s", text);
}

int insns__begin(struct insns *it, const struct image *image, uint64_t vaddr, uint64_t size)
{
	void *code = NULL;
	uint64_t offset;

	*it = (struct insns){ .vaddr = vaddr, .end = vaddr, .start = vaddr };
	if (!image->x86_64)
		return -ENOTSUP;
	int err = image__offset_of(image, vaddr, &offset);

	if (!err && !image__is_code(image, vaddr))
		err = -ERANGE;
	if (!err)
		err = image__load(image, offset, size, INSNS_BYTES_MAX, &code);
	if (err)
		return err;
	it->code = code;
	it->end = vaddr + size;
	return 0;
}

int insns__next(struct insns *it, struct insn *ret)
{
	if (it->vaddr == it->end)
		return 0;
	int err = insn__decode(it->code + (it->vaddr - it->start), it->end - it->vaddr, it->vaddr,
			       ret);

	if (err)
		return err;
	it->vaddr += ret->length;
	return 1;
}

void insns__end(struct insns *it)
{
	free(it->code);
	it->code = NULL;
	it->end = it->vaddr;
}
