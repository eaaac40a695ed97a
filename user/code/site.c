// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The way from the entry is a straight line: it ends at whatever may go elsewhere. What comes back
 * into it from further down (a loop that begins the function) would pass a moved probe more often than
 * the function is called, so all of the function is looked at for direct jumps into the line. Not seen
 * are jumps through a table whose target lies in the first bytes of the function.
 */
#include "code/site.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define AHEAD_BYTES  32u
#define AHEAD_INSNS  8
#define DETOUR_INSNS 64
#define FUNCTION_MAX (256u << 10)

struct function {
	const uint8_t *code;
	size_t n;
	uint64_t vaddr;
};

static int decode_at(const struct function *f, size_t at, struct insn *ret)
{
	return at < f->n ? insn__decode(f->code + at, f->n - at, f->vaddr + at, ret) : -EILSEQ;
}

static bool ends_line(const struct insn *in)
{
	switch (in->op) {
	case INSN_CALL:
	case INSN_JMP:
	case INSN_JCC:
	case INSN_RET:
	case INSN_TRAP:
		return true;
	default:
		return in->target != 0; /* xbegin */
	}
}

/*
 * Go's stack check: the conditional jump leads to a call that makes the stack larger, and from there
 * back to the entry. Whoever takes it comes this way again: the calls that get past the jump
 * are exactly the calls, while the jump itself is passed twice.
 */
static bool comes_back(const struct function *f, const struct insn *jcc)
{
	size_t at = jcc->target - f->vaddr;
	struct insn in;

	if (jcc->target <= jcc->vaddr)
		return false;
	for (int i = 0; i < DETOUR_INSNS && decode_at(f, at, &in) == 0; i++) {
		if (in.op == INSN_JMP)
			return in.target == f->vaddr;
		if (in.op == INSN_JCC || in.op == INSN_RET || in.op == INSN_TRAP)
			return false;
		at += in.length;
	}
	return false;
}

/* No direct jump of the function leads behind its entry and not behind to. */
static bool is_straight(const struct function *f, size_t to)
{
	struct insn in;

	for (size_t at = 0; at < f->n; at += in.length) {
		/* what cannot be read (data, padding) cannot be ruled out */
		if (decode_at(f, at, &in) != 0)
			return false;
		if (in.op != INSN_CALL && in.target > f->vaddr && in.target - f->vaddr <= to)
			return false;
	}
	return true;
}

static bool may_pass(const struct insn *in, uint32_t keep)
{
	uint32_t changed = in->writes;

	if (keep & SITE_ANY_STACK)
		changed &= ~SITE_ANY_STACK;
	else
		keep |= X86_BIT(X86_RSP);
	return !(changed & keep);
}

/* The distance from the entry to the first good instruction; -1: none. */
static int look_ahead(const struct function *f, uint32_t keep)
{
	size_t at = 0;
	struct insn in;
	int found = -1;

	for (int i = 0; i < AHEAD_INSNS && at < AHEAD_BYTES; i++) {
		if (decode_at(f, at, &in) != 0)
			break;
		if (in.emulated) {
			found = (int)at;
			if (in.op != INSN_JCC || !comes_back(f, &in))
				break;
		} else if (ends_line(&in) || !may_pass(&in, keep)) {
			break;
		}
		at += in.length;
	}
	return found;
}

int site__choose(const void *code, size_t n, uint64_t vaddr, uint32_t keep, struct site *ret)
{
	struct function f = { code, n, vaddr };
	struct insn in;
	int ahead;

	if (decode_at(&f, 0, &in) != 0)
		return -EILSEQ;
	*ret = (struct site){ .vaddr = vaddr, .emulated = in.emulated };
	ahead = look_ahead(&f, keep);
	if (ahead > 0 && is_straight(&f, (size_t)ahead)) {
		ret->moved = (uint8_t)ahead;
		ret->offset = (uint64_t)ahead;
		ret->vaddr += (uint64_t)ahead;
		ret->emulated = true;
	}
	insn__text(f.code + ret->moved, f.n - ret->moved, ret->vaddr, ret->text, sizeof(ret->text));
	return 0;
}

int site__entry(const struct image *image, uint64_t vaddr, uint64_t size, uint32_t keep,
		struct site *ret)
{
	bool known = size != 0 && size <= FUNCTION_MAX;
	uint8_t few[16];
	uint64_t offset;
	void *code = NULL;

	if (!image->x86_64)
		return -ENOTSUP;
	int err = image__offset_of(image, vaddr, &offset);

	if (!err && !image__is_code(image, vaddr))
		err = -ERANGE;
	if (!err && known)
		err = image__load(image, offset, size, FUNCTION_MAX, &code);
	if (!err && !known) {
		size = image->size - offset < sizeof(few) ? image->size - offset : sizeof(few);
		err = image__read(image, offset, few, size);
		/* one instruction is all that it may see */
		struct insn in;

		if (!err && insn__decode(few, size, vaddr, &in) == 0)
			size = in.length;
	}
	if (!err)
		err = site__choose(known ? code : few, size, vaddr, keep, ret);
	if (!err)
		ret->offset += offset;
	free(code);
	return err;
}
