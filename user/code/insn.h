/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The machine code of x86-64 as plain structs, for those who read a constant out of a function:
 * "the first load through [register + displacement] after the address of symbol X".
 */
#ifndef SPANPROBE_CODE_INSN_H
#define SPANPROBE_CODE_INSN_H

#include "code/image.h"

/* 64-bit registers by their numbers in the encoding; a narrower one is its whole one, with size. */
enum x86_reg {
	X86_RAX,
	X86_RCX,
	X86_RDX,
	X86_RBX,
	X86_RSP,
	X86_RBP,
	X86_RSI,
	X86_RDI,
	X86_R8,
	X86_R9,
	X86_R10,
	X86_R11,
	X86_R12,
	X86_R13,
	X86_R14,
	X86_R15,
	X86_NONE,
	X86_RIP,
	X86_OTHER, /* mask, segment, x87, ... */
	X86_XMM0,  /* to X86_XMM0 + 31; ymm and zmm too */
	X86_LAST = X86_XMM0 + 31,
};

#define X86_BIT(reg) (1u << (reg)) /* of X86_RAX to X86_R15 */

enum insn_op {
	INSN_OTHER,
	INSN_MOV, /* also vector moves, movzx, movsx, movabs */
	INSN_LEA,
	INSN_CMP,
	INSN_TEST,
	INSN_ADD,
	INSN_SUB,
	INSN_AND,
	INSN_OR,
	INSN_XOR,
	INSN_SHL,
	INSN_SHR,
	INSN_IMUL,
	INSN_INC,
	INSN_DEC,
	INSN_XCHG, /* also xadd, cmpxchg */
	INSN_PUSH,
	INSN_POP,
	INSN_CALL,
	INSN_JMP,
	INSN_JCC, /* conditional, loops too */
	INSN_RET,
	INSN_NOP,  /* also endbr64, pause, prefetches */
	INSN_TRAP, /* int3, ud2, hlt, syscall */
};

enum operand_kind { OPERAND_NONE, OPERAND_REG, OPERAND_MEM, OPERAND_IMM };
enum segment { SEGMENT_NONE, SEGMENT_FS, SEGMENT_GS };

struct operand {
	enum operand_kind kind;
	uint8_t size; /* bytes */
	bool read, written;
	enum x86_reg reg; /* OPERAND_REG */
	/* OPERAND_MEM: segment:[base + index * scale + disp] */
	enum segment segment;
	enum x86_reg base, index; /* X86_NONE, and base X86_RIP with vaddr set */
	uint8_t scale;
	int64_t disp;
	uint64_t vaddr; /* what [rip + disp] names; for [disp] alone the displacement; else 0 */
	int64_t imm;	/* OPERAND_IMM, sign-extended */
};

#define INSN_OPERANDS 4

struct insn {
	uint64_t vaddr;
	uint8_t length;
	enum insn_op op;
	uint8_t count;				/* operands that are written in the text */
	struct operand operands[INSN_OPERANDS]; /* destination first */
	uint64_t target;			/* of a direct call or jump; else 0 */
	uint16_t writes; /* X86_BIT of all that it changes, implicit ones too */
	bool emulated;	 /* the kernel's uprobes do it without a single step (4.17 and later) */
};

/*
 * Pure: the instruction that the bytes begin with. -EILSEQ: none, or it is cut off.
 */
int insn__decode(const void *bytes, size_t n, uint64_t vaddr, struct insn *ret);
/* The text of it in Intel's form, cut at size. */
void insn__text(const void *bytes, size_t n, uint64_t vaddr, char *ret, size_t size);

/* All instructions of vaddr .. vaddr + size, in line. */
struct insns {
	uint64_t vaddr; /* of the next one */
	uint64_t end;
	uint8_t *code; /* at start */
	uint64_t start;
};

#define INSNS_BYTES_MAX (1u << 20)

/* -E2BIG: size is more than INSNS_BYTES_MAX; -ERANGE: not in the file; -ENOTSUP: not x86-64 */
int insns__begin(struct insns *it, const struct image *image, uint64_t vaddr, uint64_t size);
/* 1, 0 at the end, -EILSEQ where bytes are no instruction (and again when called again) */
int insns__next(struct insns *it, struct insn *ret);
void insns__end(struct insns *it); /* also after a begin that failed */

#endif
