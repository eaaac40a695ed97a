/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Everything that code/ does with a file, over bytes that may be anything: what comes back keeps
 * its promises, and it comes back. For tests and for the fuzzer. */
#ifndef SPANPROBE_TESTS_CODE_ALL_H
#define SPANPROBE_TESTS_CODE_ALL_H

#include <assert.h>
#include <string.h>

#include "code/golang.h"
#include "code/pointers.h"
#include "code/site.h"
#include "code/usdt.h"

struct code_all {
	const struct image *image;
	unsigned int seen; /* symbols; the first few are looked at closely */
};

static inline void code_all__function(const struct image *image, const struct symbol *symbol)
{
	struct site site;
	struct insns it;
	struct insn in;

	if (site__entry(image, symbol->vaddr, symbol->size, SITE_ARGS, &site) == 0) {
		assert(site.offset < image->size);
		assert(site.moved < 48 && site.vaddr == symbol->vaddr + site.moved);
		assert(site.emulated || site.moved == 0);
		assert(memchr(site.text, '\0', sizeof(site.text)));
	}
	if (insns__begin(&it, image, symbol->vaddr, symbol->size) == 0) {
		while (insns__next(&it, &in) > 0)
			assert(in.length > 0 && in.vaddr + in.length <= it.end);
	}
	insns__end(&it);
}

static inline bool code_all__symbol(void *ctx, struct slice name, const struct symbol *symbol)
{
	struct code_all *all = ctx;
	char text[64];
	struct symbol at;
	int64_t offset;

	assert(name.n <= all->image->size + (64u << 20));
	if (all->seen++ >= 4)
		return true;
	code_all__function(all->image, symbol);
	symbols__tls_offset(all->image, symbol, &offset);
	if (symbols__at(all->image, symbol->vaddr, text, sizeof(text), &at) == 0)
		assert(symbol->vaddr - at.vaddr < at.size);
	return true;
}

static inline bool code_all__probe(void *ctx, const struct usdt_probe *probe)
{
	const struct code_all *all = ctx;

	assert(probe->count <= USDT_ARGS && probe->offset < all->image->size);
	for (uint8_t i = 0; i < probe->count; i++) {
		assert(probe->args[i].kind <= USDT_CONST && probe->args[i].size <= 64);
		assert(probe->args[i].kind != USDT_REG || probe->args[i].reg != X86_NONE);
	}
	return true;
}

static inline void code_all__go(const struct image *image)
{
	struct code_all all = { image, 0 };
	struct symbol_wish wishes[2] = { { .name = "main.third" }, { .name = "no.such" } };
	struct golang go;
	struct symbol symbol;
	char text[32];

	golang__version(image, text, sizeof(text));
	if (golang__open(image, &go) != 0)
		return;
	golang__each(&go, code_all__symbol, &all);
	if (golang__find(&go, wishes, 2) > 0 && wishes[0].found)
		code_all__function(image, &wishes[0].symbol);
	for (uint64_t at = go.text; at < go.text + 64; at += 8) {
		if (golang__at(&go, at, text, sizeof(text), &symbol) == 0)
			assert(memchr(text, '\0', sizeof(text)));
	}
}

static inline void code_all(struct slice bytes)
{
	struct code_all all;
	struct symbol_wish wishes[2] = { { .name = "second" }, { .name = "" } };
	uint64_t places[4], words[8], at = 0;
	struct image *image;
	char byte;

	if (image__of_memory(bytes, &image) != 0)
		return;
	all = (struct code_all){ image, 0 };
	symbols__each(image, "*C1*", code_all__symbol, &all);
	symbols__each(image, NULL, code_all__symbol, &all);
	symbols__find(image, wishes, 2);
	usdt__each(image, code_all__probe, &all);
	code_all__go(image);
	pointers__to(image, image->entry, places, 4);
	pointers__read(image, image->entry, words, 8);
	if (pointers__bytes(image, SLICE("go1."), 1, &at) == 0)
		image__read_at(image, at, &byte, 1); /* segments may overlap: any byte */
	image__free(image);
}

#endif
