// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Node. Every callback of its event loop enters JavaScript by AsyncHooks::push_async_context, whose
 * code tells all that is needed: where in AsyncHooks the pointers to the ids and to the fields are,
 * and a place behind the store of the new ids where the probe finds AsyncHooks in a callee-saved
 * register. pop_async_context must say the same of both pointers. Whether the ids are any is checked
 * by the kernel side at each read.
 */
#include "runtime/node.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "code/insn.h"
#include "code/symbols.h"
#include "runtime/module.h"

#define INSNS_MAX      160
#define FUNCTION_MAX   8192u
#define ID_BYTES       8 /* a double: the one that runs, the trigger, the counter */
#define HOOKS_SIZE_MAX 4096

/* What a register is known to hold. */
enum holds { HOLDS_ANYTHING, HOLDS_THIS, HOLDS_POINTER };

struct scan {
	enum holds holds[X86_NONE];
	uint64_t pointer[X86_NONE]; /* HOLDS_POINTER: from that offset of `this` */
	uint64_t fields, ids[2];    /* offsets whose target was written; 0: none yet */
};

static bool is_plain(const struct operand *op)
{
	return op->kind == OPERAND_MEM && op->segment == SEGMENT_NONE && op->base < X86_NONE &&
	       op->index == X86_NONE;
}

/* mov register, this; mov register, [this + offset] */
static void note_load(struct scan *scan, const struct insn *in)
{
	const struct operand *to = &in->operands[0], *from = &in->operands[1];
	enum holds holds = HOLDS_ANYTHING;
	uint64_t pointer = 0;
	enum x86_reg reg = to->reg;

	if (in->op == INSN_MOV && in->count == 2 && to->kind == OPERAND_REG && reg < X86_NONE &&
	    to->size == 8) {
		if (from->kind == OPERAND_REG && from->reg < X86_NONE) {
			holds = scan->holds[from->reg];
			pointer = scan->pointer[from->reg];
		} else if (is_plain(from) && scan->holds[from->base] == HOLDS_THIS &&
			   from->disp > 0 && from->disp < HOOKS_SIZE_MAX) {
			holds = HOLDS_POINTER;
			pointer = (uint64_t)from->disp;
		}
	}
	for (enum x86_reg i = 0; i < X86_NONE; i++) {
		if (in->writes & X86_BIT(i))
			scan->holds[i] = HOLDS_ANYTHING;
	}
	if (holds != HOLDS_ANYTHING) {
		scan->holds[reg] = holds;
		scan->pointer[reg] = pointer;
	}
}

/* mov [pointer], xmm; mov [pointer + 8], xmm; mov or add [pointer + stack length], ... */
static void note_store(struct scan *scan, const struct insn *in)
{
	const struct operand *to = &in->operands[0];
	const struct operand *from = &in->operands[1];
	uint64_t pointer;

	if (in->count != 2 || !is_plain(to) || !to->written ||
	    scan->holds[to->base] != HOLDS_POINTER)
		return;
	pointer = scan->pointer[to->base];
	if (to->disp == NODE_FIELD_STACK_LENGTH && to->size == 4)
		scan->fields = pointer;
	if (in->op != INSN_MOV || from->kind != OPERAND_REG || from->reg < X86_XMM0)
		return;
	if (to->disp == 0 && to->size >= ID_BYTES)
		scan->ids[0] = pointer;
	if ((to->disp == ID_BYTES && to->size == ID_BYTES) ||
	    (to->disp == 0 && to->size == 2 * ID_BYTES))
		scan->ids[1] = pointer;
}

static int this_register(const struct scan *scan)
{
	static const enum x86_reg regs[] = {
		[NODE_REG_RBX] = X86_RBX, [NODE_REG_R12] = X86_R12, [NODE_REG_R13] = X86_R13,
		[NODE_REG_R14] = X86_R14, [NODE_REG_R15] = X86_R15,
	};

	for (int i = 0; i < (int)(sizeof(regs) / sizeof(*regs)); i++) {
		if (scan->holds[regs[i]] == HOLDS_THIS)
			return i;
	}
	return -1;
}

static bool ends_line(const struct insn *in)
{
	return in->op == INSN_CALL || in->op == INSN_JMP || in->op == INSN_RET ||
	       in->op == INSN_TRAP;
}

/*
 * The usual way through the function is its straight line: rare cases jump out of it, and come back
 * with the same `this`.
 */
int node_layout__read(const void *code, size_t n, uint64_t vaddr, struct node_layout *ret)
{
	struct scan scan = { .holds[X86_RDI] = HOLDS_THIS };
	size_t at = 0;
	struct insn in;

	for (int i = 0; i < INSNS_MAX && at < n; i++, at += in.length) {
		if (insn__decode((const uint8_t *)code + at, n - at, vaddr + at, &in))
			break;
		if (scan.fields && scan.ids[0] && scan.ids[1] && in.emulated) {
			int reg = this_register(&scan);

			if (scan.ids[0] != scan.ids[1] || scan.ids[0] == scan.fields || reg < 0)
				return -ENOENT;
			*ret = (struct node_layout){ scan.fields, scan.ids[0], at,
						     (enum node_reg)reg };
			return 0;
		}
		if (ends_line(&in))
			break;
		note_store(&scan, &in);
		note_load(&scan, &in);
	}
	return -ENOENT;
}

/* --- of a process --------------------------------------------------------------------------- */

struct functions {
	struct symbol push, pop;
};

static bool begins(struct slice name, const char *with)
{
	return name.n >= strlen(with) && memcmp(name.p, with, strlen(with)) == 0;
}

/* The arguments have changed between versions, and a compiler may have put rare parts elsewhere. */
static bool visit(void *ctx, struct slice name, const struct symbol *symbol)
{
	struct functions *found = ctx;

	if (symbol->kind != SYMBOL_CODE || !symbol->size || memchr(name.p, '.', name.n))
		return true;
	if (begins(name, "_ZN4node10AsyncHooks18push_async_context"))
		found->push = *symbol;
	else if (begins(name, "_ZN4node10AsyncHooks17pop_async_context"))
		found->pop = *symbol;
	return !found->push.size || !found->pop.size;
}

static int read_function(const struct image *image, const struct symbol *symbol,
			 struct node_layout *layout)
{
	uint64_t offset;
	void *code;
	int err = image__offset_of(image, symbol->vaddr, &offset);

	if (!err)
		err = image__load(image, offset, symbol->size, FUNCTION_MAX, &code);
	if (err)
		return err;
	err = node_layout__read(code, symbol->size, symbol->vaddr, layout);
	free(code);
	return err;
}

static int find(const struct image *image, struct node_layout *ret, uint64_t *ret_offset,
		struct buf *why)
{
	struct functions found = { 0 };
	struct node_layout pop;
	int err = symbols__each(image, "_ZN4node10AsyncHooks*", visit, &found);

	if (err < 0) {
		buf__printf(why, "its symbols: %s", strerror(-err));
		return err;
	}
	if (!found.push.size || !found.pop.size) {
		buf__puts(why, "it has no symbols of node::AsyncHooks (a stripped build)");
		return -ENOENT;
	}
	if (!image->x86_64 || read_function(image, &found.push, ret) ||
	    read_function(image, &found.pop, &pop) || pop.fields != ret->fields ||
	    pop.ids != ret->ids) {
		buf__puts(why, "node::AsyncHooks of this build is not one that is known");
		return -ENOTSUP;
	}
	return image__offset_of(image, found.push.vaddr + ret->site, ret_offset);
}

/* Debian's program is small: all is in a library. */
static int open_image(uint32_t pid, struct image **ret)
{
	int err = image__of_process(pid, "libnode.so", ret);

	return err == -ENOENT ? image__of_process(pid, NULL, ret) : err;
}

static int node__prepare(const struct process *process, struct runtime_setup *ret, struct buf *why)
{
	struct node_layout layout;
	struct image *image;
	uint64_t offset;
	int err = open_image(process->pid, &image);

	if (err) {
		buf__printf(why, "its program: %s", strerror(-err));
		return err;
	}
	err = runtime_setup__keep(ret, image);
	if (!err)
		err = find(image, &layout, &offset, why);
	if (err)
		return err;
	ret->recipe.kind = UNITS_NODE;
	ret->recipe.words[NODE_HOOKS_FIELDS] = layout.fields;
	ret->recipe.words[NODE_HOOKS_IDS] = layout.ids;
	ret->recipe.words[NODE_SCOPE_THIS] = layout.this_reg;
	return runtime_setup__probe(ret, "node__scope", image, offset) ? 0 : -E2BIG;
}

const struct runtime_module node_module = { "Node", node__prepare };
