// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "code/symbols.h"

#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <uthash.h>

#include "code/debugdata.h"

#define STRINGS_MAX   (128u << 20)
#define SYMBOLS_MAX   (8u << 20)
#define CHUNK_SYMBOLS 2048
#define OLD_VERSION   0x8000
#define NAME_LEN_MAX  65536
/* Names share bytes with others only when they end alike: a table that says much more is made to
 * keep its reader busy. */
#define SHARED_TIMES 8

static enum symbol_kind kind_of(unsigned char info)
{
	switch (ELF64_ST_TYPE(info)) {
	case STT_FUNC:
		return SYMBOL_CODE;
	case STT_OBJECT:
	case STT_COMMON:
		return SYMBOL_DATA;
	case STT_TLS:
		return SYMBOL_TLS;
	case STT_GNU_IFUNC:
		return SYMBOL_IFUNC;
	default:
		return SYMBOL_OTHER;
	}
}

struct strings {
	char *p;
	uint64_t n, budget; /* bytes of names that may still be given */
};

/* 1: enough, 0, or -EBADMSG */
static int give(const Elf64_Sym *sym, bool old, struct strings *strings, symbols_visit each,
		void *ctx)
{
	unsigned char type = ELF64_ST_TYPE(sym->st_info);

	if (sym->st_shndx == SHN_UNDEF || type == STT_SECTION || type == STT_FILE ||
	    sym->st_name == 0 || sym->st_name >= strings->n)
		return 0;
	const char *name = strings->p + sym->st_name;
	size_t most = strings->n - sym->st_name;
	size_t n = strnlen(name, most < NAME_LEN_MAX ? most : NAME_LEN_MAX);
	struct symbol symbol = {
		.vaddr = sym->st_value,
		.size = sym->st_size,
		.kind = kind_of(sym->st_info),
		.global = ELF64_ST_BIND(sym->st_info) != STB_LOCAL,
		.old = old,
	};

	if (n > strings->budget)
		return -EBADMSG;
	strings->budget -= n;
	return !each(ctx, slice(name, n), &symbol);
}

/* One number per symbol of the dynamic table; NULL: the names have no versions. */
static uint16_t *load_versions(const struct image *image, const struct image_section *table,
			       uint64_t count)
{
	void *versions = NULL;

	for (uint32_t i = 0; i < image->section_count; i++) {
		const struct image_section *s = &image->sections[i];

		if (s->type != SHT_GNU_versym || s->size / sizeof(uint16_t) < count ||
		    s->link >= image->section_count || &image->sections[s->link] != table)
			continue;
		if (image__load(image, s->offset, count * sizeof(uint16_t),
				SYMBOLS_MAX * sizeof(uint16_t), &versions) == 0)
			break;
	}
	return versions;
}

static int open_strings(const struct image *image, uint32_t link, struct strings *ret)
{
	const struct image_section *names =
		link < image->section_count ? &image->sections[link] : NULL;
	void *bytes = NULL;

	if (!names || names->type != SHT_STRTAB || names->size == 0)
		return -EBADMSG;
	int err = image__load(image, names->offset, names->size, STRINGS_MAX, &bytes);

	*ret = (struct strings){ bytes, names->size, SHARED_TIMES * names->size };
	return err;
}

/* 1: enough, 0: to the end, or negative errno */
static int each_in_table(const struct image *image, const struct image_section *table,
			 symbols_visit each, void *ctx)
{
	uint64_t count = table->size / sizeof(Elf64_Sym), done = 0;
	struct strings strings = { 0 };
	uint16_t *versions = NULL;
	Elf64_Sym *chunk = NULL;

	if (table->entsize != sizeof(Elf64_Sym))
		return -EBADMSG;
	if (count > SYMBOLS_MAX)
		return -E2BIG;
	int err = open_strings(image, table->link, &strings);

	if (!err && !(chunk = malloc(CHUNK_SYMBOLS * sizeof(*chunk))))
		err = -ENOMEM;
	if (!err && table->type == SHT_DYNSYM)
		versions = load_versions(image, table, count);
	while (!err && done < count) {
		size_t n = count - done < CHUNK_SYMBOLS ? count - done : CHUNK_SYMBOLS;

		err = image__read(image, table->offset + done * sizeof(*chunk), chunk,
				  n * sizeof(*chunk));
		for (size_t i = 0; !err && i < n; i++)
			err = give(&chunk[i], versions && versions[done + i] & OLD_VERSION,
				   &strings, each, ctx);
		done += n;
	}
	free(versions);
	free(chunk);
	free(strings.p);
	return err;
}

/* The first table of its type: there is one at most. */
static int each_of_type(const struct image *image, uint32_t type, symbols_visit each, void *ctx)
{
	for (uint32_t i = 0; i < image->section_count; i++) {
		if (image->sections[i].type == type)
			return each_in_table(image, &image->sections[i], each, ctx);
	}
	return 0;
}

/* Damage in one table does not hide the other ones; it is told when nothing was found. */
static int each_of_all(const struct image *image, symbols_visit each, void *ctx)
{
	struct image *inner = NULL;

	if (!image->x86_64)
		return -ENOTSUP;
	int full = each_of_type(image, SHT_SYMTAB, each, ctx);

	if (full > 0)
		return full;
	int dynamic = each_of_type(image, SHT_DYNSYM, each, ctx);

	if (dynamic > 0)
		return dynamic;
	int mini = debugdata__open(image, &inner);

	if (!mini) {
		mini = inner->x86_64 ? each_of_type(inner, SHT_SYMTAB, each, ctx) : -EBADMSG;
		image__free(inner);
	} else if (mini == -ENOENT) {
		mini = 0;
	}
	return full ? full : dynamic ? dynamic : mini;
}

/* --- by name ------------------------------------------------------------------------------ */

struct wish_node {
	struct symbol_wish *wish;
	UT_hash_handle hh;
};

struct symbol_wishes {
	struct symbol_wish *wishes;
	size_t count, open;
	uint64_t lengths[4]; /* bit set: names of that length are wanted (255: that or longer) */
	struct wish_node *by_name;
	struct wish_node nodes[];
};

static size_t length_class(size_t n)
{
	return n < 255 ? n : 255;
}

int symbol_wishes__new(struct symbol_wish *wishes, size_t count, struct symbol_wishes **ret)
{
	struct symbol_wishes *all;
	struct wish_node *same;

	if (count > SYMBOL_WISHES_MAX)
		return -E2BIG;
	all = calloc(1, sizeof(*all) + count * sizeof(*all->nodes));
	if (!all)
		return -ENOMEM;
	all->wishes = wishes;
	all->count = count;
	for (size_t i = 0; i < count; i++) {
		size_t n = strlen(wishes[i].name), length = length_class(n);

		wishes[i].found = false;
		HASH_FIND(hh, all->by_name, wishes[i].name, n, same);
		if (same)
			continue;
		all->nodes[i].wish = &wishes[i];
		HASH_ADD_KEYPTR(hh, all->by_name, wishes[i].name, n, &all->nodes[i]);
		all->lengths[length / 64] |= 1ull << (length % 64);
		all->open++;
	}
	*ret = all;
	return 0;
}

bool symbol_wishes__grant(void *ctx, struct slice name, const struct symbol *symbol)
{
	struct symbol_wishes *all = ctx;
	size_t length = length_class(name.n);
	struct wish_node *node;

	if (all->open == 0)
		return false;
	if (!(all->lengths[length / 64] >> (length % 64) & 1))
		return true;
	HASH_FIND(hh, all->by_name, name.p, name.n, node);
	if (!node || (node->wish->found && (symbol->old || !node->wish->symbol.old)))
		return true;
	node->wish->symbol = *symbol;
	node->wish->found = true;
	if (!symbol->old)
		all->open--;
	return all->open > 0;
}

int symbol_wishes__end(struct symbol_wishes *all)
{
	struct wish_node *same;
	int found = 0;

	for (size_t i = 0; i < all->count; i++) {
		struct symbol_wish *wish = &all->wishes[i];

		HASH_FIND(hh, all->by_name, wish->name, strlen(wish->name), same);
		if (same && same->wish != wish) { /* asked for twice */
			wish->found = same->wish->found;
			wish->symbol = same->wish->symbol;
		}
		found += wish->found;
	}
	HASH_CLEAR(hh, all->by_name);
	free(all);
	return found;
}

int symbols__find(const struct image *image, struct symbol_wish *wishes, size_t count)
{
	struct symbol_wishes *all;
	int err = symbol_wishes__new(wishes, count, &all);

	if (err)
		return err;
	if (all->open)
		err = each_of_all(image, symbol_wishes__grant, all);
	int found = symbol_wishes__end(all);

	return err < 0 && !found ? err : found;
}

int symbols__get(const struct image *image, const char *name, struct symbol *ret)
{
	struct symbol_wish wish = { .name = name };
	int n = symbols__find(image, &wish, 1);

	if (n <= 0)
		return n ? n : -ENOENT;
	*ret = wish.symbol;
	return 0;
}

int symbols__first(const struct image *image, const char *const *names, struct symbol *ret)
{
	struct symbol_wish wishes[SYMBOL_WISHES_MAX];
	size_t count = 0;

	while (count < SYMBOL_WISHES_MAX && names[count]) {
		wishes[count].name = names[count];
		count++;
	}
	int n = symbols__find(image, wishes, count);

	for (size_t i = 0; n > 0 && i < count; i++) {
		if (wishes[i].found) {
			*ret = wishes[i].symbol;
			return (int)i;
		}
	}
	return n < 0 ? n : -ENOENT;
}

/* --- by pattern --------------------------------------------------------------------------- */

struct matching {
	const char *pattern;
	symbols_visit visit;
	void *ctx;
};

/* Linear but for the last '*', which is tried again further on. */
static bool matches(const char *pattern, struct slice name)
{
	const char *star = NULL;
	size_t at = 0, again = 0;

	while (at < name.n) {
		if (*pattern == '*') {
			star = ++pattern;
			again = at;
		} else if (*pattern == name.p[at]) {
			pattern++;
			at++;
		} else if (star) {
			pattern = star;
			at = ++again;
		} else {
			return false;
		}
	}
	while (*pattern == '*')
		pattern++;
	return *pattern == '\0';
}

static bool visit_matching(void *ctx, struct slice name, const struct symbol *symbol)
{
	const struct matching *matching = ctx;

	if (matching->pattern && !matches(matching->pattern, name))
		return true;
	return matching->visit(matching->ctx, name, symbol);
}

int symbols__each(const struct image *image, const char *pattern, symbols_visit visit, void *ctx)
{
	struct matching matching = { pattern, visit, ctx };
	int err = each_of_all(image, visit_matching, &matching);

	return err < 0 ? err : 0;
}

/* --- by address --------------------------------------------------------------------------- */

struct at {
	uint64_t vaddr;
	char *name;
	size_t size;
	struct symbol *symbol;
	bool found;
};

static bool visit_at(void *ctx, struct slice name, const struct symbol *symbol)
{
	struct at *at = ctx;
	size_t n = name.n < at->size ? name.n : at->size - 1;

	if ((symbol->kind != SYMBOL_CODE && symbol->kind != SYMBOL_IFUNC) ||
	    at->vaddr < symbol->vaddr || at->vaddr - symbol->vaddr >= symbol->size)
		return true;
	memcpy(at->name, name.p, n);
	at->name[n] = '\0';
	*at->symbol = *symbol;
	at->found = true;
	return false;
}

int symbols__at(const struct image *image, uint64_t vaddr, char *name, size_t size,
		struct symbol *ret)
{
	struct at at = { vaddr, name, size, ret, false };

	if (size == 0)
		return -EINVAL;
	int err = each_of_all(image, visit_at, &at);

	return at.found ? 0 : err < 0 ? err : -ENOENT;
}

/* --- thread-local ------------------------------------------------------------------------- */

int symbols__tls_offset(const struct image *image, const struct symbol *symbol, int64_t *ret)
{
	if (symbol->kind != SYMBOL_TLS)
		return -EINVAL;
	if (image->type != ET_EXEC && !image->main)
		return -ENOTSUP;
	for (uint32_t i = 0; i < image->segment_count; i++) {
		const struct image_segment *s = &image->segments[i];
		uint64_t align = s->align ? s->align : 1;

		if (s->type != PT_TLS)
			continue;
		if (align & (align - 1) || symbol->vaddr >= s->memsz)
			return -EBADMSG;
		/* the block ends at fs:0, but for what its own alignment asks for */
		uint64_t pad = (0 - s->vaddr - s->memsz) & (align - 1);

		*ret = (int64_t)(symbol->vaddr - s->memsz - pad);
		return 0;
	}
	return -EBADMSG;
}
