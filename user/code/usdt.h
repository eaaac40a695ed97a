/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Probes that a program's authors have put into it (sdt.h): a nop, and a note that says where the
 * values are that it tells.
 */
#ifndef SPANPROBE_CODE_USDT_H
#define SPANPROBE_CODE_USDT_H

#include "code/insn.h"

enum usdt_kind {
	USDT_UNKNOWN, /* written in a form that is not understood, and no other argument moves */
	USDT_REG,
	USDT_MEM, /* [base + index * scale + disp] */
	USDT_CONST,
};

struct usdt_arg {
	enum usdt_kind kind;
	uint8_t size; /* bytes */
	bool is_signed, is_float;
	enum x86_reg reg;   /* USDT_REG; USDT_MEM: the base, X86_RIP with vaddr set, or X86_NONE */
	bool high;	    /* ah, bh, ch, dh: bits 8 to 15 of reg */
	enum x86_reg index; /* X86_NONE */
	uint8_t scale;
	int64_t value; /* USDT_CONST: the value; USDT_MEM: the displacement */
};

#define USDT_ARGS 12

struct usdt_probe {
	struct slice provider, name; /* valid during the visit */
	uint64_t vaddr, offset;	     /* of the nop; offset in the file is what uprobes take */
	uint64_t semaphore;	     /* vaddr of the counter that enables it; 0: always enabled */
	uint64_t semaphore_offset;   /* in the file, as perf's ref_ctr_offset; 0 */
	uint8_t count;
	struct usdt_arg args[USDT_ARGS];
};

/* Every probe, some at several places; the visit returns false to stop. 0, also without any, or
 * negative errno. A probe that is not in the file's code is passed over. */
typedef bool (*usdt_visit)(void *ctx, const struct usdt_probe *probe);
int usdt__each(const struct image *image, usdt_visit visit, void *ctx);

/* At most max places of one probe into ret (provider and name are empty there): how many there are
 * in all, or negative errno. */
int usdt__find(const struct image *image, const char *provider, const char *name,
	       struct usdt_probe *ret, int max);

/* Pure: "8@%rax -4@-12(%rbp) 4@$5": how many of at most USDT_ARGS. */
uint8_t usdt__parse_args(struct slice text, struct usdt_arg *ret);

#endif
