// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The PyThreadStates of a process, and the way from a thread to its own. The functions that walk them
 * are exported and made of a few instructions, which are carried out here, on the process's memory.
 * PyThreadState.thread_id is its member that points to a thread's block of the C library, which begins
 * with its own address; there stands, at the same distance in every thread, the pointer back.
 */
#include <errno.h>

#include "code/insn.h"
#include "code/memory.h"
#include "runtime/cpython.h"

#define BLOCK_BYTES 4096 /* of a thread's block */
#define WALK_INSNS  8

/* Where an operand in memory is, by the registers that are known. */
static bool address_of(const struct python *python, const struct operand *operand,
		       const uint64_t *regs, uint32_t known, uint64_t *ret)
{
	if (operand->kind != OPERAND_MEM || operand->segment || operand->index != X86_NONE)
		return false;
	if (operand->base == X86_RIP || operand->base == X86_NONE) {
		*ret = operand->vaddr + python->image->bias;
		return true;
	}
	if (operand->base > X86_R15 || !(known & X86_BIT(operand->base)))
		return false;
	*ret = regs[operand->base] + (uint64_t)operand->disp;
	return true;
}

/* What one of the functions that only load and return answers, for the argument. */
static int walk(const struct python *python, int name, uint64_t argument, uint64_t *ret)
{
	const struct symbol *symbol = python__symbol(python, name);
	uint64_t regs[16] = { [X86_RDI] = argument }, at;
	uint32_t known = X86_BIT(X86_RDI);
	struct insns it;
	struct insn in;
	int err = insns__begin(&it, python->image, symbol->vaddr, symbol->size);

	for (int i = 0; !err && i < WALK_INSNS; i++) {
		const struct operand *to = &in.operands[0], *from = &in.operands[1];

		err = insns__next(&it, &in) == 1 ? 0 : -ENOEXEC;
		if (err || in.op == INSN_RET)
			break;
		if (in.op == INSN_NOP)
			continue;
		if ((in.op != INSN_MOV && in.op != INSN_LEA) || to->kind != OPERAND_REG ||
		    to->size != 8 || to->reg > X86_R15 ||
		    !address_of(python, from, regs, known, &at))
			err = -ENOEXEC;
		else if (in.op == INSN_LEA)
			regs[to->reg] = at;
		else
			err = memory__word(python->pid, at, &regs[to->reg]);
		known |= err ? 0 : X86_BIT(to->reg);
	}
	if (!err && (in.op != INSN_RET || !(known & X86_BIT(X86_RAX))))
		err = -ENOEXEC;
	insns__end(&it);
	*ret = regs[X86_RAX];
	return err;
}

static int find_states(struct python *python)
{
	uint64_t interpreter = 0, other = 0, state = 0;
	int err = walk(python, INTERP_HEAD, 0, &interpreter);

	if (!err && !interpreter)
		return python__refuse(python, -EAGAIN, "its interpreter has not begun");
	if (!err)
		err = walk(python, INTERP_NEXT, interpreter, &other);
	if (!err && other)
		return python__refuse(python, -ENOTSUP, "it has several interpreters");
	if (!err)
		err = walk(python, THREAD_HEAD, interpreter, &state);
	while (!err && state && python->count < PYTHON_STATES_MAX) {
		python->states[python->count++] = state;
		/* a thread may end meanwhile: what is known by now is good */
		if (walk(python, THREAD_NEXT, state, &state))
			state = 0;
	}
	if (err == -ENOEXEC)
		return python__refuse(python, err,
				      "the functions that list its threads are not as known");
	if (err)
		return python__refuse(python, err, "its memory cannot be read");
	return python->count ? 0 :
			       python__refuse(python, -EAGAIN, "its interpreter has no thread yet");
}

/* A block of the C library begins with its own address: glibc has it in the third word, too. */
static bool is_block(const struct python *python, uint64_t address)
{
	uint64_t self;

	return address && !(address % 8) && memory__word(python->pid, address, &self) == 0 &&
	       self == address;
}

/* Threads that begin or end have a state that is not whole: most must be. */
static bool is_most(unsigned int n, const struct python *python)
{
	return n && 2 * n > python->count;
}

/* Where the state's address stands in its block, in most the same; those of other states are 0. */
static int find_slot(const struct python *python, const uint64_t *blocks, int64_t *ret)
{
	for (int64_t at = 0; at < BLOCK_BYTES; at += 8) {
		unsigned int n = 0;
		uint64_t word;

		for (unsigned int i = 0; i < python->count; i++)
			n += blocks[i] &&
			     memory__word(python->pid, blocks[i] + (uint64_t)at, &word) == 0 &&
			     word == python->states[i];
		if (!is_most(n, python))
			continue;
		*ret = at;
		return 0;
	}
	return -ENOENT;
}

/* The member of a thread state that names the thread's block, and the slot there that names it. */
static int find_both(const struct python *python, int64_t *id, int64_t *slot)
{
	uint64_t blocks[PYTHON_STATES_MAX];

	for (*id = 8; *id < PYTHON_STATE_BYTES; *id += 8) {
		unsigned int n = 0;

		for (unsigned int i = 0; i < python->count; i++) {
			if (memory__word(python->pid, python->states[i] + (uint64_t)*id,
					 &blocks[i]) ||
			    !is_block(python, blocks[i]))
				blocks[i] = 0;
			n += blocks[i] != 0;
		}
		if (is_most(n, python) && find_slot(python, blocks, slot) == 0)
			return 0;
	}
	return -ENOENT;
}

int python__find_threads(struct python *python)
{
	int64_t id = 0, slot = 0;
	int err = find_states(python);

	if (err)
		return err;
	if (find_both(python, &id, &slot))
		return python__refuse(
			python, -EAGAIN,
			"its thread states do not stand in their threads' blocks (a C "
			"library other than glibc?)");
	python->setup->recipe.words[CPYTHON_STATE_THREAD] = (uint64_t)id;
	python->setup->recipe.words[CPYTHON_FS_STATE] = (uint64_t)slot;
	return 0;
}
