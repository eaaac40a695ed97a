// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Go 1.18 and later. The functions are found by the pclntab, which stripped programs have too. Where
 * the fields are that are read comes from three places that must agree: the code of
 * runtime.systemstack, which goes from the thread-local g over m to curg; the debug information, or
 * the table of releases; and the memory of the process: its first goroutine must have number 1 and
 * start in runtime.main.
 */
#include <errno.h>
#include <string.h>

#include "code/golang.h"
#include "code/insn.h"
#include "code/memory.h"
#include "code/site.h"
#include "runtime/go_layout.h"
#include "runtime/module.h"

enum function { NEWPROC, READY, RUNQPUT, SYSTEMSTACK, ALLGADD, ROUND_TRIP, FUNCTIONS };

static const char *const names[FUNCTIONS] = {
	[NEWPROC] = "runtime.newproc.func1", [READY] = "runtime.ready",
	[RUNQPUT] = "runtime.runqput",	     [SYSTEMSTACK] = "runtime.systemstack",
	[ALLGADD] = "runtime.allgadd",	     [ROUND_TRIP] = "net/http.(*persistConn).roundTrip",
};

struct subject {
	const struct image *image;
	struct golang go;
	struct symbol_wish functions[FUNCTIONS];
	struct go_layout layout;
	int64_t tls_g;
	struct buf *why;
};

static int fail(const struct subject *subject, int err, const char *what)
{
	buf__puts(subject->why, what);
	return err;
}

/* The next instruction of a function; also false where bytes are none. */
static bool next(struct insns *it, struct insn *in)
{
	return insns__next(it, in) == 1;
}

static int begin(const struct subject *subject, enum function function, struct insns *it)
{
	const struct symbol *symbol = &subject->functions[function].symbol;

	return insns__begin(it, subject->image, symbol->vaddr, symbol->size);
}

/* --- the way from the thread to its goroutine -------------------------------------------------- */

static bool loads_field(const struct insn *in, enum x86_reg from)
{
	return in->op == INSN_MOV && in->count == 2 && in->operands[0].kind == OPERAND_REG &&
	       in->operands[1].kind == OPERAND_MEM && in->operands[1].segment == SEGMENT_NONE &&
	       in->operands[1].base == from && in->operands[1].index == X86_NONE;
}

static bool compares_field(const struct insn *in, enum x86_reg from)
{
	return in->op == INSN_CMP && in->count == 2 && in->operands[0].kind == OPERAND_REG &&
	       in->operands[1].kind == OPERAND_MEM && in->operands[1].base == from;
}

static bool loads_g(const struct insn *in)
{
	return in->op == INSN_MOV && in->count == 2 && in->operands[0].kind == OPERAND_REG &&
	       in->operands[1].kind == OPERAND_MEM && in->operands[1].segment == SEGMENT_FS;
}

/*
 * systemstack: g from fs:[offset]; of a PIE the offset comes in a register, as a constant or, with
 * cgo, from a word of the file. Then m from g, and g is compared with m.gsignal and m.curg.
 */
struct path {
	enum x86_reg g, m;
	uint64_t offset; /* what a register was given before g was loaded */
	unsigned int compared;
};

static int take_offset(const struct subject *subject, const struct insn *in, struct path *path)
{
	const struct operand *from = &in->operands[1];

	if (in->op != INSN_MOV || in->count != 2)
		return 0;
	if (from->kind == OPERAND_IMM)
		path->offset = (uint64_t)from->imm;
	else if (from->kind == OPERAND_MEM && from->base == X86_RIP)
		return memory__word(subject->image->pid, from->vaddr + subject->image->bias,
				    &path->offset);
	return 0;
}

static int take_step(struct subject *subject, const struct insn *in, struct path *path)
{
	const struct operand *from = &in->operands[1];

	if (path->g == X86_NONE && !loads_g(in))
		return take_offset(subject, in, path);
	if (path->g == X86_NONE) {
		path->g = in->operands[0].reg;
		subject->tls_g = from->base == X86_NONE ? (int32_t)from->disp :
							  (int64_t)path->offset + from->disp;
	} else if (path->m == X86_NONE && loads_field(in, path->g)) {
		path->m = in->operands[0].reg;
		if (from->disp != subject->layout.g_m)
			return -EINVAL;
	} else if (path->m != X86_NONE && compares_field(in, path->m)) {
		path->compared++;
		if (path->compared == 2 && from->disp != subject->layout.m_curg)
			return -EINVAL;
	}
	return 0;
}

static int read_systemstack(struct subject *subject)
{
	struct path path = { .g = X86_NONE, .m = X86_NONE };
	struct insns it;
	struct insn in;
	int err = begin(subject, SYSTEMSTACK, &it);

	while (!err && path.compared < 2 && next(&it, &in))
		err = take_step(subject, &in, &path);
	insns__end(&it);
	if (!err && (path.compared < 2 || subject->tls_g >= 0 || subject->tls_g < -65536))
		err = -EINVAL;
	return err ? fail(subject, err, "runtime.systemstack is not as expected") : 0;
}

/* --- against the memory of the process --------------------------------------------------------- */

#define ADDRESSES 32

/* allgadd appends to the slice allgs: three words in a row that it names. */
static int find_allgs(struct subject *subject, uint64_t *ret)
{
	uint64_t seen[ADDRESSES];
	unsigned int count = 0;
	struct insns it;
	struct insn in;
	int err = begin(subject, ALLGADD, &it);

	while (!err && next(&it, &in)) {
		for (unsigned int i = 0; i < in.count && count < ADDRESSES; i++)
			if (in.operands[i].kind == OPERAND_MEM && in.operands[i].base == X86_RIP)
				seen[count++] = in.operands[i].vaddr;
	}
	insns__end(&it);
	for (unsigned int i = 0; !err && i < count; i++) {
		unsigned int found = 0;

		for (unsigned int j = 0; j < count; j++)
			found |= seen[j] - seen[i] == 8 ? 1 : seen[j] - seen[i] == 16 ? 2 : 0;
		if (found == 3) {
			*ret = seen[i];
			return 0;
		}
	}
	return fail(subject, err ? err : -ENOENT, "runtime.allgs is not found");
}

static int check_memory(struct subject *subject)
{
	uint32_t pid = subject->image->pid;
	uint64_t at, slice[3], g, goid, startpc;
	struct symbol symbol;
	char name[32];
	int err = find_allgs(subject, &at);

	if (err)
		return err;
	err = memory__read(pid, at + subject->image->bias, slice, sizeof(slice));
	if (err)
		return fail(subject, err, "its memory cannot be read");
	if (!slice[0] || !slice[1])
		return fail(subject, -EAGAIN, "its runtime has not begun");
	if (slice[1] > slice[2] || memory__word(pid, slice[0], &g) ||
	    memory__word(pid, g + subject->layout.g_goid, &goid) ||
	    memory__word(pid, g + subject->layout.g_startpc, &startpc))
		return fail(subject, -EINVAL, "its goroutines are not where they should be");
	if (goid != 1 ||
	    golang__at(&subject->go, startpc - subject->image->bias, name, sizeof(name), &symbol) ||
	    strcmp(name, "runtime.main") != 0)
		return fail(subject, -EINVAL, "its first goroutine is not the main one");
	return 0;
}

/* --- probes -------------------------------------------------------------------------------------- */

/* On every instruction of the function that calls runqput. */
static int probe_calls(const struct subject *subject, enum function function, const char *program,
		       struct runtime_setup *ret)
{
	uint64_t target = subject->functions[RUNQPUT].symbol.vaddr, offset;
	unsigned int before = ret->count;
	struct insns it;
	struct insn in;
	int err = begin(subject, function, &it);

	while (!err && next(&it, &in)) {
		if (in.op != INSN_CALL || in.target != target)
			continue;
		err = image__offset_of(subject->image, in.vaddr, &offset);
		if (!err && !runtime_setup__probe(ret, program, subject->image, offset))
			err = -E2BIG;
	}
	insns__end(&it);
	if (!err && ret->count == before)
		err = -ENOENT;
	return err ? fail(subject, err, "runtime.runqput is not called as expected") : 0;
}

/* Without net/http there is nothing to do. */
static int probe_round_trip(const struct subject *subject, struct runtime_setup *ret)
{
	const struct symbol_wish *wish = &subject->functions[ROUND_TRIP];
	struct site site;
	int err;

	if (!wish->found || !subject->layout.persist_conn)
		return 0;
	err = site__entry(subject->image, wish->symbol.vaddr, wish->symbol.size, SITE_GO_ARGS,
			  &site);
	if (err)
		return fail(subject, err, "net/http's code is not readable");
	ret->recipe.words[GO_PERSIST_CONN] = subject->layout.persist_conn;
	ret->recipe.words[GO_FD_SYSFD] = subject->layout.fd_sysfd;
	return runtime_setup__probe(ret, "go__round_trip", subject->image, site.offset) ? 0 :
											  -E2BIG;
}

/* --- all of it ------------------------------------------------------------------------------------ */

static int find_layout(struct subject *subject)
{
	char version[32];
	int exact = golang__version(subject->image, version, sizeof(version));

	if (exact == 0)
		exact = go_layout__of_release(version, &subject->layout);
	if (exact == 1 || go_layout__of_dwarf(subject->image, &subject->layout) == 0)
		return 0;
	return exact == 0 ? 0 : fail(subject, -ENOTSUP, "its release of Go is not known");
}

static int find_functions(struct subject *subject)
{
	int err = golang__open(subject->image, &subject->go);

	if (err)
		return fail(subject, err, "it has no table of functions of Go 1.16 or later");
	for (int i = 0; i < FUNCTIONS; i++)
		subject->functions[i].name = names[i];
	err = golang__find(&subject->go, subject->functions, FUNCTIONS);
	if (err < 0)
		return fail(subject, err, "its table of functions cannot be read");
	for (int i = 0; i < ROUND_TRIP; i++)
		if (!subject->functions[i].found)
			return fail(subject, -ENOENT, names[i]);
	return 0;
}

static void fill(const struct subject *subject, struct recipe *recipe)
{
	const struct go_layout *layout = &subject->layout;

	recipe->kind = UNITS_GO;
	recipe->words[GO_TLS_G] = (uint64_t)subject->tls_g;
	recipe->words[GO_G_M] = layout->g_m;
	recipe->words[GO_M_CURG] = layout->m_curg;
	recipe->words[GO_G_GOID] = layout->g_goid;
	recipe->words[GO_G_STARTPC] = layout->g_startpc;
	recipe->words[GO_G_WAITREASON] = layout->g_waitreason;
	recipe->words[GO_WAITS_RECEIVE] = layout->receive;
	recipe->words[GO_WAITS_SEND] = layout->send;
	recipe->words[GO_WAITS_OTHER] = layout->other;
	recipe->words[GO_WAITS_TIME] = layout->time;
}

static int go__prepare(const struct process *process, struct runtime_setup *ret, struct buf *why)
{
	struct subject subject = { .why = why };
	unsigned int before;
	struct image *image;
	int err = image__of_process(process->pid, NULL, &image);

	if (err)
		return fail(&subject, err, "its program cannot be read");
	err = runtime_setup__keep(ret, image);
	if (err)
		return err;
	subject.image = image;
	err = find_functions(&subject);
	if (!err)
		err = find_layout(&subject);
	if (!err)
		err = read_systemstack(&subject);
	if (!err)
		err = check_memory(&subject);
	if (!err)
		err = probe_calls(&subject, NEWPROC, "go__create", ret);
	if (!err)
		err = probe_round_trip(&subject, ret);
	before = ret->count;
	if (!err)
		err = probe_calls(&subject, READY, "go__ready", ret);
	/* where net/http does not tell of calls nobody can say whether wakes are needed */
	if (!err && ret->recipe.words[GO_PERSIST_CONN])
		ret->optional = ret->count - before;
	if (!err)
		fill(&subject, &ret->recipe);
	return err;
}

const struct runtime_module go_module = { "go", go__prepare };
