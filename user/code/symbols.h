/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Names of an image's functions and data: .symtab, .dynsym, and the symbols that Fedora and its kin
 * keep in .gnu_debugdata. Each table is passed once, in pieces; only the names of one table are in
 * memory at a time.
 */
#ifndef SPANPROBE_CODE_SYMBOLS_H
#define SPANPROBE_CODE_SYMBOLS_H

#include "code/image.h"

/* SYMBOL_IFUNC: not the function, but what chooses it at load time. */
enum symbol_kind { SYMBOL_OTHER, SYMBOL_CODE, SYMBOL_DATA, SYMBOL_TLS, SYMBOL_IFUNC };

struct symbol {
	uint64_t vaddr; /* of SYMBOL_TLS: within the block of the module */
	uint64_t size;
	enum symbol_kind kind;
	bool global; /* or weak */
	bool old;    /* a version of the name that new programs are not linked to */
};

struct symbol_wish {
	const char *name;
	struct symbol symbol; /* valid when found */
	bool found;
};

#define SYMBOL_WISHES_MAX 256

/*
 * Looks the names up, all in one pass; a name in several tables is taken from the first of the
 * three, one that is there twice (static functions) from its first place; an old version
 * is found where there is no other. Returns how many
 * were found, or negative errno (-EBADMSG: the tables are malformed).
 */
int symbols__find(const struct image *image, struct symbol_wish *wishes, size_t count);
/* The same over another list of names: grant is a symbols_visit, end counts and frees. */
struct symbol_wishes;
int symbol_wishes__new(struct symbol_wish *wishes, size_t count, struct symbol_wishes **ret);
bool symbol_wishes__grant(void *ctx, struct slice name, const struct symbol *symbol);
int symbol_wishes__end(struct symbol_wishes *all);

/* One name; -ENOENT: there is none such. */
int symbols__get(const struct image *image, const char *name, struct symbol *ret);
/* The first of the names, NULL-terminated, that there is: its index, or -ENOENT. */
int symbols__first(const struct image *image, const char *const *names, struct symbol *ret);

/*
 * Every defined symbol whose name matches: pattern may hold '*' (any run of characters), NULL is
 * all. The same one may come twice, from two tables. The visit returns false to stop. 0 or negative errno.
 */
typedef bool (*symbols_visit)(void *ctx, struct slice name, const struct symbol *symbol);
int symbols__each(const struct image *image, const char *pattern, symbols_visit visit, void *ctx);

/* The function that has vaddr in it, cut at size; -ENOENT: in none that has a name. */
int symbols__at(const struct image *image, uint64_t vaddr, char *name, size_t size,
		struct symbol *ret);

/*
 * Where a thread-local variable of the program is, relative to fs:0 (negative). -ENOTSUP for a
 * library, whose block is where its loader puts it.
 */
int symbols__tls_offset(const struct image *image, const struct symbol *symbol, int64_t *ret);

#endif
