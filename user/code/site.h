/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Where in a function to put its probe. The kernel emulates few instructions (push of a register,
 * nop, direct jumps and calls) and takes a single step over all others, which costs 20 times as
 * much. So the probe moves from the entry to the first emulated instruction, as long as every call of the
 * function passes that once, with the arguments and the stack as they were at the entry.
 */
#ifndef SPANPROBE_CODE_SITE_H
#define SPANPROBE_CODE_SITE_H

#include "code/insn.h"

/* Where the calling conventions pass arguments. */
#define SITE_ARGS                                                                                  \
	(X86_BIT(X86_RDI) | X86_BIT(X86_RSI) | X86_BIT(X86_RDX) | X86_BIT(X86_RCX) |               \
	 X86_BIT(X86_R8) | X86_BIT(X86_R9))
/* Go's ABIInternal: arguments, and r14, the goroutine */
#define SITE_GO_ARGS                                                                               \
	(X86_BIT(X86_RAX) | X86_BIT(X86_RBX) | X86_BIT(X86_RCX) | X86_BIT(X86_RDI) |               \
	 X86_BIT(X86_RSI) | X86_BIT(X86_R8) | X86_BIT(X86_R9) | X86_BIT(X86_R10) |                 \
	 X86_BIT(X86_R11) | X86_BIT(X86_R14))
/* Neither stack arguments nor a return probe nor the caller's address are needed. */
#define SITE_ANY_STACK X86_BIT(X86_RSP)

struct site {
	uint64_t vaddr;	 /* of the probe */
	uint64_t offset; /* in the file: what uprobes take */
	uint8_t moved;	 /* bytes from the entry */
	bool emulated;	 /* false: single-stepped, and at the entry */
	char text[56];	 /* the instruction there */
};

/*
 * The site for a function; size 0 (unknown) keeps the entry. keep: the registers (X86_BIT) that the
 * probe reads, all of which are as at the entry, and SITE_ANY_STACK. 0, or -ERANGE when the
 * function is not in the file, -EILSEQ when it begins with no instruction, -ENOTSUP: no x86-64.
 */
int site__entry(const struct image *image, uint64_t vaddr, uint64_t size, uint32_t keep,
		struct site *ret);

/* Pure: the same within the bytes of one function; ret->offset is the distance from its start. */
int site__choose(const void *code, size_t n, uint64_t vaddr, uint32_t keep, struct site *ret);

#endif
