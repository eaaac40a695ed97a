// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Where CPython and its libraries tell what becomes of contexts, work and connections. */
#include <errno.h>
#include <string.h>

#include "code/insn.h"
#include "code/pointers.h"
#include "code/site.h"
#include "runtime/cpython.h"

/* PyMethodDef */
#define METHOD_WORDS	 4 /* name, function, flags, doc */
#define METHODS_MAX	 32
#define METHOD_FLAGS_MAX 0x3ff
#define MATCHES_MAX	 64 /* of a name in a file */

int python__add_probe(struct python *python, const struct image *image, const char *program,
		      uint64_t vaddr, bool at_return)
{
	struct site site = { 0 };
	struct uprobe *probe;
	/* where a function returns to is read at its entry */
	int err = at_return ? image__offset_of(image, vaddr, &site.offset) :
			      site__entry(image, vaddr, 0, SITE_ARGS | SITE_ANY_STACK, &site);

	if (err)
		return err;
	for (unsigned int i = 0; i < python->setup->count; i++) { /* two names of one function */
		probe = &python->setup->probes[i];
		if (probe->offset == site.offset && probe->at_return == at_return &&
		    !strcmp(probe->path, image->path))
			return 0;
	}
	probe = runtime_setup__probe(python->setup, program, image, site.offset);
	if (!probe)
		return -E2BIG;
	probe->at_return = at_return;
	return 0;
}

/* The function of a method, by its name, in a table of them (vaddr of the first). */
static uint64_t method_of(const struct image *image, uint64_t table, const char *name)
{
	uint64_t words[METHOD_WORDS];
	char text[32];

	for (int i = 0; table && i < METHODS_MAX; i++) {
		if (pointers__read(image, table + 8ull * METHOD_WORDS * i, words, METHOD_WORDS) ||
		    !words[0])
			break;
		if (image__read_at(image, words[0], text, strlen(name) + 1) == 0 &&
		    !memcmp(text, name, strlen(name) + 1) && image__is_code(image, words[1]))
			return words[1];
	}
	return 0;
}

static int add_context_probes(struct python *python)
{
	const struct image *image = python->image;
	uint64_t type = python__symbol(python, CONTEXT_TYPE)->vaddr, made = 0, methods = 0, copied;
	int err = pointers__read(image, type + PYTHON_TYPE_NEW, &made, 1);

	if (!err)
		err = pointers__read(image, type + PYTHON_TYPE_METHODS, &methods, 1);
	copied = err ? 0 : method_of(image, methods, "copy");
	if (err || !image__is_code(image, made) || !copied)
		return python__refuse(python, -ENOTSUP, "the type of its contexts is not as known");
	const struct {
		const char *program;
		uint64_t vaddr;
	} at[] = {
		{ "cpython__copied", python__symbol(python, COPY_CURRENT)->vaddr },
		{ "cpython__made", python__symbol(python, CONTEXT_NEW)->vaddr },
		{ "cpython__made", python__symbol(python, CONTEXT_COPY)->vaddr },
		{ "cpython__made", made },
		{ "cpython__made", copied },
	};

	for (unsigned int i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
		err = python__add_probe(python, image, at[i].program, at[i].vaddr, true);
		if (err)
			return python__refuse(python, err, "there is no place for its probes");
	}
	return 0;
}

/* The table of SimpleQueue's methods is the one that knows get_nowait. */
static uint64_t queue_methods(const struct image *image)
{
	static const char last[] = "get_nowait";
	uint64_t text = 0, places[8], words[METHOD_WORDS];

	for (int match = 0; match < MATCHES_MAX; match++, text++) {
		if (pointers__bytes(image, slice(last, sizeof(last)), 1, &text))
			break;
		int n = pointers__to(image, text, places, 8);

		for (int i = 0; i < n; i++) {
			/* get stands before it */
			uint64_t table = places[i] - 8 * METHOD_WORDS;

			if (method_of(image, table, "get") && method_of(image, table, "put") &&
			    pointers__read(image, table, words, METHOD_WORDS) == 0)
				return table;
		}
	}
	return 0;
}

/*
 * _queue.SimpleQueue, through which thread pools get their work: a library of its own, or part of
 * the interpreter.
 */
static void add_queue_probes(struct python *python)
{
	static const struct {
		const char *method, *program;
		bool at_return;
	} at[] = {
		{ "put", "cpython__put", false },
		{ "put_nowait", "cpython__put", false },
		{ "get", "cpython__got", true },
		{ "get_nowait", "cpython__got", true },
	};
	struct image *own = NULL;
	const struct image *image = python->image;
	unsigned int before = python->setup->count;
	uint64_t table = 0;

	if (image__of_process(python->pid, "_queue.", &own) == 0 &&
	    runtime_setup__keep(python->setup, own) == 0)
		image = own;
	table = queue_methods(image);
	for (unsigned int i = 0; table && i < sizeof(at) / sizeof(at[0]); i++) {
		uint64_t vaddr = method_of(image, table, at[i].method);

		if (!vaddr ||
		    python__add_probe(python, image, at[i].program, vaddr, at[i].at_return))
			table = 0;
	}
	if (table)
		python->setup->recipe.flags |= RECIPE_QUEUES;
	else
		python->setup->count = before;
	python->setup->more |= !table && image == python->image;
}

/* The C library's, which all accept with. */
static int add_accept_probes(struct python *python)
{
	struct symbol_wish wishes[] = { { .name = "accept4" }, { .name = "accept" } };
	struct image *libc = NULL;
	int err = image__of_process(python->pid, "libc.so.6", &libc);

	if (!err)
		err = runtime_setup__keep(python->setup, libc);
	if (!err)
		err = symbols__find(libc, wishes, 2) == 2 ? 0 : -ENOENT;
	for (int i = 0; i < 2 && !err; i++)
		err = python__add_probe(python, libc, "cpython__accepted", wishes[i].symbol.vaddr,
					true);
	return err ? python__refuse(python, err, "its C library has no accept()") : 0;
}

/* Probes of every function that is called so in a table of methods. */
static int add_method_probes(struct python *python, const struct image *image, const char *method,
			     const char *program)
{
	uint64_t text = 0, places[16], words[METHOD_WORDS];
	int added = 0;

	for (int match = 0; match < MATCHES_MAX; match++, text++) {
		if (pointers__bytes(image, slice(method, strlen(method) + 1), 1, &text))
			break;
		int n = pointers__to(image, text, places, 16);

		for (int i = 0; i < n; i++) {
			if (pointers__read(image, places[i], words, METHOD_WORDS) ||
			    !image__is_code(image, words[1]) || words[2] > METHOD_FLAGS_MAX ||
			    python__add_probe(python, image, program, words[1], false))
				continue;
			added++;
		}
	}
	return added;
}

/* PyContext_Enter() increases the word behind PyThreadState.context, perhaps where it jumps to. */
static bool counts_entries(const struct python *python, uint64_t vaddr, uint64_t size, int depth)
{
	int64_t at = (int64_t)python->setup->recipe.words[CPYTHON_STATE_CONTEXT] + 8;
	uint64_t next = 0;
	bool found = false;
	struct insns it;
	struct insn in;

	if (insns__begin(&it, python->image, vaddr, size) == 0) {
		for (int i = 0; !found && !next && i < 48 && insns__next(&it, &in) == 1; i++) {
			const struct operand *to = &in.operands[0];

			found = (in.op == INSN_ADD || in.op == INSN_INC) &&
				to->kind == OPERAND_MEM && to->size == 8 && to->disp == at &&
				!to->segment && to->base <= X86_R15;
			if (in.op == INSN_JMP && in.target && depth)
				next = in.target;
		}
	}
	insns__end(&it);
	return found || (next && counts_entries(python, next, 128, depth - 1));
}

/*
 * uvloop reads outside of contexts, and enters one for what is to be done with it; and it sends what
 * was written later, when it has come through all that is ready.
 */
static void add_loop_probes(struct python *python)
{
	const struct symbol *enter = python__symbol(python, CONTEXT_ENTER);
	struct runtime_setup *setup = python->setup;
	struct image *loop = NULL;
	unsigned int before = setup->count;

	if (image__of_process(python->pid, "loop.cpython-3", &loop) != 0) {
		setup->more = true;
		return;
	}
	if (runtime_setup__keep(setup, loop) == 0 &&
	    counts_entries(python, enter->vaddr, enter->size, 1) &&
	    add_method_probes(python, loop, "write", "cpython__writes") &&
	    add_method_probes(python, loop, "writelines", "cpython__writes"))
		setup->recipe.words[CPYTHON_LOOP] = 1;
	else
		setup->count = before;
}

int python__add_probes(struct python *python)
{
	int err = add_context_probes(python);

	if (!err)
		err = add_accept_probes(python);
	if (err)
		return err;
	add_queue_probes(python);
	add_loop_probes(python);
	python__find_greenlets(python);
	return 0;
}
