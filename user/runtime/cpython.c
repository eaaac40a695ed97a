// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * CPython 3.8 and later. Its structures differ from release to release and build to build, so none
 * of their offsets is written down here; each is taken from the process itself:
 *
 * - the thread states, and where each stands in its thread: cpython_state.c;
 * - PyThreadState.context is what PyContext_CopyCurrent loads and tests first;
 * - where to put probes: cpython_probes.c.
 *
 * How a context is laid out has not changed since there are any; the size of it is checked.
 */
#include <errno.h>
#include <string.h>

#include "code/insn.h"
#include "code/memory.h"
#include "code/pointers.h"
#include "runtime/cpython.h"

#define CONTEXT_SIZE 0x30 /* sizeof(PyContext) */

static const char *const names[PYTHON_NAME_COUNT] = {
	[CONTEXT_TYPE] = "PyContext_Type",
	[COPY_CURRENT] = "PyContext_CopyCurrent",
	[CONTEXT_NEW] = "PyContext_New",
	[CONTEXT_COPY] = "PyContext_Copy",
	[CONTEXT_ENTER] = "PyContext_Enter",
	[RUNTIME] = "_PyRuntime",
	[INTERP_HEAD] = "PyInterpreterState_Head",
	[INTERP_NEXT] = "PyInterpreterState_Next",
	[THREAD_HEAD] = "PyInterpreterState_ThreadHead",
	[THREAD_NEXT] = "PyThreadState_Next",
};

/* --- the interpreter's image ----------------------------------------------------------------- */

/* libpython3.11.so, or the program itself; libpython3.so is a shell around the former. */
static int open_image(struct python *python)
{
	static const char *const files[] = { "libpython3.1", "libpython3.", NULL };
	int err = -ENOENT;

	for (unsigned int i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		err = image__of_process(python->pid, files[i], &python->image);
		if (err)
			continue;
		for (int n = 0; n < PYTHON_NAME_COUNT; n++)
			python->names[n] = (struct symbol_wish){ .name = names[n] };
		if (symbols__find(python->image, python->names, PYTHON_NAME_COUNT) ==
		    PYTHON_NAME_COUNT)
			return 0;
		image__free(python->image);
		python->image = NULL;
		err = -ENOENT;
	}
	if (err == -ESRCH)
		return python__refuse(python, err, "it has ended");
	return python__refuse(python, err,
			      "it has no library or program of CPython >= 3.8 that exports "
			      "PyContext_CopyCurrent and its kin");
}

/* --- the context ----------------------------------------------------------------------------- */

/*
 * PyContext_CopyCurrent() begins with "if (tstate->context == NULL)", perhaps within the first
 * function that it calls: the first member of any structure that is loaded and tested.
 */
static int find_load(const struct python *python, uint64_t vaddr, uint64_t size, int depth,
		     int64_t *ret)
{
	struct insns it;
	struct insn in;
	struct operand loaded = { 0 };
	int64_t offset = 0;
	uint64_t inner = 0;
	int err = insns__begin(&it, python->image, vaddr, size);

	for (int i = 0; !err && i < 24 && insns__next(&it, &in) == 1; i++) {
		const struct operand *a = &in.operands[0], *b = &in.operands[1];

		if (in.op == INSN_CALL && depth && !inner &&
		    image__is_code(python->image, in.target))
			inner = in.target;
		if (in.op == INSN_RET || in.op == INSN_JMP)
			break;
		if (in.op == INSN_TEST && a->kind == OPERAND_REG && b->kind == OPERAND_REG &&
		    a->reg == b->reg && loaded.size == 8 && loaded.reg == a->reg) {
			*ret = offset;
			insns__end(&it);
			return 0;
		}
		loaded = (struct operand){ 0 };
		if (in.op != INSN_MOV || a->kind != OPERAND_REG || b->kind != OPERAND_MEM ||
		    b->segment || b->base > X86_R15 || b->disp <= 0 ||
		    b->disp >= PYTHON_STATE_BYTES)
			continue;
		loaded = *a;
		offset = b->disp;
	}
	insns__end(&it);
	return inner ? find_load(python, inner, 64, depth - 1, ret) : -ENOENT;
}

/* Every context that a thread has now is one by its type; *seen: at least one has one. */
static bool all_contexts(const struct python *python, int64_t offset, bool *seen)
{
	uint64_t type = python__symbol(python, CONTEXT_TYPE)->vaddr + python->image->bias, context,
		 of;

	*seen = false;
	for (unsigned int i = 0; i < python->count; i++) {
		if (memory__word(python->pid, python->states[i] + (uint64_t)offset, &context))
			return false;
		if (!context)
			continue;
		if (memory__word(python->pid, context + 8, &of) || of != type)
			return false;
		*seen = true;
	}
	return true;
}

static int find_context(struct python *python)
{
	const struct symbol *copy = python__symbol(python, COPY_CURRENT);
	struct recipe *recipe = &python->setup->recipe;
	uint64_t size = 0;
	int64_t offset = 0;
	bool seen;

	if (pointers__read(python->image,
			   python__symbol(python, CONTEXT_TYPE)->vaddr + PYTHON_TYPE_BASICSIZE,
			   &size, 1) ||
	    size != CONTEXT_SIZE)
		return python__refuse(python, -ENOTSUP, "its contexts are not as known");
	/* calls that come before it (__tls_get_addr) go by the linkage table */
	if (find_load(python, copy->vaddr, copy->size, 1, &offset) == 0) {
		/* its threads run on while they are read: another look may find them whole */
		if (!all_contexts(python, offset, &seen))
			return python__refuse(python, -EAGAIN,
					      "PyContext_CopyCurrent does not begin as known");
	} else {
		for (offset = 8; offset < PYTHON_STATE_BYTES; offset += 8) {
			if (all_contexts(python, offset, &seen) && seen)
				break;
		}
		if (offset == PYTHON_STATE_BYTES)
			return python__refuse(
				python, -EAGAIN,
				"PyContext_CopyCurrent does not begin as known, and no thread "
				"has a context yet");
	}
	recipe->words[CPYTHON_STATE_CONTEXT] = (uint64_t)offset;
	recipe->words[CPYTHON_CONTEXT_TYPE] =
		python__symbol(python, CONTEXT_TYPE)->vaddr + python->image->bias;
	return 0;
}

static int cpython__prepare(const struct process *process, struct runtime_setup *ret,
			    struct buf *why)
{
	struct python python = { .pid = process->pid, .setup = ret, .why = why };
	char cookie[24];
	uint64_t threaded;
	int err = open_image(&python);

	if (!err)
		err = runtime_setup__keep(ret, python.image);
	if (err)
		return err;
	ret->recipe.kind = UNITS_CPYTHON;
	/* since 3.13: _Py_DebugOffsets: cookie, version, free_threaded */
	if (memory__read(python.pid, python__symbol(&python, RUNTIME)->vaddr + python.image->bias,
			 cookie, sizeof(cookie)) == 0 &&
	    !memcmp(cookie, "xdebugpy", 8)) {
		memcpy(&threaded, cookie + 16, sizeof(threaded));
		if (threaded)
			err = python__refuse(&python, -ENOTSUP, "it is a free-threaded build");
	}
	if (!err)
		err = python__find_threads(&python);
	if (!err)
		err = find_context(&python);
	return err ? err : python__add_probes(&python);
}

const struct runtime_module cpython_module = { "cpython", cpython__prepare };
