// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "code/usdt.h"

#include <elf.h>
#include <errno.h>
#include <stdlib.h>

#include "code/note.h"
#include "discover/proc.h"

#define NOTES_MAX  (8u << 20)
#define STAPSDT_V3 3

/* --- arguments ------------------------------------------------------------------------------ */

static const struct {
	const char *stem; /* "ax" of al, ah, ax, eax, rax */
	enum x86_reg reg;
} legacy[] = {
	{ "ax", X86_RAX }, { "bx", X86_RBX }, { "cx", X86_RCX }, { "dx", X86_RDX },
	{ "si", X86_RSI }, { "di", X86_RDI }, { "bp", X86_RBP }, { "sp", X86_RSP },
};

static bool is_stem(struct slice text, const char *stem)
{
	return text.n == 2 && memcmp(text.p, stem, 2) == 0;
}

/* "rax", "eax", "ax", "al", "ah", "sil" */
static bool legacy_register(struct slice text, enum x86_reg *ret, bool *high)
{
	for (size_t i = 0; i < sizeof(legacy) / sizeof(*legacy); i++) {
		const char *stem = legacy[i].stem;
		bool letter = i < 4; /* al and ah, but sil */
		struct slice body = text;

		if (body.n == 3 && (body.p[0] == 'r' || body.p[0] == 'e'))
			body = slice_from(body, 1);
		else if (!letter && body.n == 3 && body.p[2] == 'l')
			body.n = 2;
		else if (letter && body.n == 2 && body.p[0] == stem[0] &&
			 (body.p[1] == 'l' || body.p[1] == 'h')) {
			*high = body.p[1] == 'h';
			*ret = legacy[i].reg;
			return true;
		}
		if (is_stem(body, stem)) {
			*ret = legacy[i].reg;
			return true;
		}
	}
	return false;
}

/* "%r10d", "%eax", "%xmm3", "%rip" */
static bool parse_register(struct slice text, enum x86_reg *ret, bool *high)
{
	uint64_t number;

	*high = false;
	if (text.n < 3 || text.p[0] != '%')
		return false;
	text = slice_from(text, 1);
	if (slice_eq(text, SLICE("rip"))) {
		*ret = X86_RIP;
		return true;
	}
	if (slice_starts(text, SLICE("xmm")) && proc__number(slice_from(text, 3), &number) &&
	    number < 32) {
		*ret = (enum x86_reg)(X86_XMM0 + number);
		return true;
	}
	if (legacy_register(text, ret, high))
		return true;
	if (text.p[0] != 'r')
		return false;
	text = slice_from(text, 1);
	if (text.n && strchr("dwb", text.p[text.n - 1]))
		text.n--;
	if (!proc__number(text, &number) || number < 8 || number > 15)
		return false;
	*ret = (enum x86_reg)(X86_R8 + (number - 8));
	return true;
}

/* Decimal with a sign, or 0x; all of the text. */
static bool parse_number(struct slice text, int64_t *ret)
{
	bool negative = text.n && text.p[0] == '-';
	uint64_t value = 0;

	if (text.n && (text.p[0] == '-' || text.p[0] == '+'))
		text = slice_from(text, 1);
	if (slice_starts(text, SLICE("0x"))) {
		text = slice_from(text, 2);
		if (text.n == 0 || text.n > 16)
			return false;
		for (size_t i = 0; i < text.n; i++) {
			static const char digits[] = "0123456789abcdef";
			const char *digit = memchr(digits, text.p[i] | 0x20, 16);

			if (!digit)
				return false;
			value = value << 4 | (uint64_t)(digit - digits);
		}
	} else if (!proc__number(text, &value)) {
		return false;
	}
	*ret = (int64_t)(negative ? 0 - value : value);
	return true;
}

/* "-8(%rbp)", "(%rax,%rbx,8)", "16(,%rcx,4)", "4096(%rip)"; displacements with symbols are not
 * understood ("sym+4(%rip)": only an assembler knew). */
static bool parse_memory(struct slice text, struct usdt_arg *arg)
{
	const char *open = memchr(text.p, '(', text.n);
	struct slice inner, part;
	int64_t scale = 1;
	bool high;

	if (!open || text.p[text.n - 1] != ')')
		return false;
	struct slice disp = slice(text.p, (size_t)(open - text.p));

	inner = slice_from(text, disp.n + 1);
	inner.n--;
	if (disp.n && !parse_number(disp, &arg->value))
		return false;
	if (!proc__cut(&inner, ',', &part))
		return false;
	arg->reg = X86_NONE;
	if (part.n && (!parse_register(part, &arg->reg, &high) || high))
		return false;
	if (proc__cut(&inner, ',', &part) && !parse_register(part, &arg->index, &high))
		return false;
	if (inner.n && (!parse_number(inner, &scale) || scale < 1 || scale > 8))
		return false;
	if (arg->reg == X86_NONE && arg->index == X86_NONE)
		return false;
	arg->scale = (uint8_t)scale;
	arg->kind = USDT_MEM;
	return true;
}

/* "-4@$12": signed, four bytes, a constant. "8f@%xmm0" is a double. */
static void parse_arg(struct slice text, struct usdt_arg *ret)
{
	struct usdt_arg arg = { .reg = X86_NONE, .index = X86_NONE };
	struct slice size;
	uint64_t bytes;

	*ret = arg;
	if (!memchr(text.p, '@', text.n) || !proc__cut(&text, '@', &size) || text.n == 0)
		return;
	if (size.n && size.p[0] == '-') {
		arg.is_signed = true;
		size = slice_from(size, 1);
	}
	if (size.n && size.p[size.n - 1] == 'f') {
		arg.is_float = true;
		size.n--;
	}
	if (!proc__number(size, &bytes) || bytes == 0 || bytes > 64)
		return;
	arg.size = (uint8_t)bytes;
	if (text.p[0] == '$') {
		if (!parse_number(slice_from(text, 1), &arg.value))
			return;
		arg.kind = USDT_CONST;
	} else if (text.p[0] == '%' && parse_register(text, &arg.reg, &arg.high)) {
		if (arg.reg == X86_RIP)
			return;
		arg.kind = USDT_REG;
	} else if (!parse_memory(text, &arg)) {
		return;
	}
	*ret = arg;
}

uint8_t usdt__parse_args(struct slice text, struct usdt_arg *ret)
{
	struct slice word;
	uint8_t n = 0;

	while (n < USDT_ARGS && proc__cut(&text, ' ', &word)) {
		if (word.n)
			parse_arg(word, &ret[n++]);
	}
	return n;
}

/* --- notes ---------------------------------------------------------------------------------- */

static bool cut_text(struct slice *rest, struct slice *ret)
{
	return memchr(rest->p, '\0', rest->n) && proc__cut(rest, '\0', ret);
}

/* Addresses are those of the linker; prelink moves the file, and with it its marker section. */
static bool read_probe(const struct image *image, struct slice desc, const uint64_t *base,
		       struct usdt_probe *ret)
{
	uint64_t addresses[3]; /* nop, marker section, semaphore */
	struct slice args;

	*ret = (struct usdt_probe){ 0 };
	if (desc.n <= sizeof(addresses))
		return false;
	memcpy(addresses, desc.p, sizeof(addresses));
	desc = slice_from(desc, sizeof(addresses));
	if (!cut_text(&desc, &ret->provider) || !desc.n || !cut_text(&desc, &ret->name) || !desc.n)
		return false;
	args = slice(desc.p, strnlen(desc.p, desc.n));
	uint64_t moved = base && addresses[1] ? *base - addresses[1] : 0;

	ret->vaddr = addresses[0] + moved;
	if (!image__is_code(image, ret->vaddr) ||
	    image__offset_of(image, ret->vaddr, &ret->offset) != 0)
		return false;
	if (addresses[2]) {
		ret->semaphore = addresses[2] + moved;
		if (image__offset_of(image, ret->semaphore, &ret->semaphore_offset) != 0)
			return false;
	}
	ret->count = usdt__parse_args(args, ret->args);
	return true;
}

int usdt__each(const struct image *image, usdt_visit visit, void *ctx)
{
	const struct image_section *section = image__section(image, ".note.stapsdt");
	const struct image_section *base = image__section(image, ".stapsdt.base");
	struct usdt_probe probe;
	struct note note;
	void *bytes;

	if (!image->x86_64)
		return -ENOTSUP;
	if (!section || section->type != SHT_NOTE)
		return 0;
	int err = image__load(image, section->offset, section->size, NOTES_MAX, &bytes);

	if (err)
		return err;
	for (struct slice rest = slice(bytes, bytes ? section->size : 0);
	     note__next(&rest, 4, &note);) {
		if (note.type != STAPSDT_V3 || !slice_eq(note.owner, SLICE("stapsdt")) ||
		    !read_probe(image, note.desc, base ? &base->vaddr : NULL, &probe))
			continue;
		if (!visit(ctx, &probe))
			break;
	}
	free(bytes);
	return 0;
}

struct finding {
	struct slice provider, name;
	struct usdt_probe *to;
	int max, n;
};

static bool keep_matching(void *ctx, const struct usdt_probe *probe)
{
	struct finding *finding = ctx;

	if (!slice_eq(probe->provider, finding->provider) || !slice_eq(probe->name, finding->name))
		return true;
	if (finding->n < finding->max) {
		finding->to[finding->n] = *probe;
		finding->to[finding->n].provider = finding->to[finding->n].name = slice(NULL, 0);
	}
	finding->n++;
	return true;
}

int usdt__find(const struct image *image, const char *provider, const char *name,
	       struct usdt_probe *ret, int max)
{
	struct finding finding = { slice_of(provider), slice_of(name), ret, max, 0 };
	int err = usdt__each(image, keep_matching, &finding);

	return err ? err : finding.n;
}
