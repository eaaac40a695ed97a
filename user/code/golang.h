/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Functions of a Go program by its pclntab, which stripped programs have too: Go 1.16 and later.
 * Names are the linker's: "runtime.runqput", "net/http.(*Transport).RoundTrip"; a dot in the last
 * part of an import path is "%2e".
 */
#ifndef SPANPROBE_CODE_GOLANG_H
#define SPANPROBE_CODE_GOLANG_H

#include "code/symbols.h"

struct golang {
	const struct image *image; /* borrowed */
	uint64_t offset, size;	   /* of the table in the file; all offsets below are from there */
	uint64_t names, functions;
	uint64_t text;	/* vaddr that entries count from */
	uint32_t count; /* functions */
	uint8_t field;	/* bytes of a number in the list of functions */
};

/* -ENOENT: no Go program, or one before 1.16; -EBADMSG: a table that is not understood. */
int golang__open(const struct image *image, struct golang *ret);

/* As symbols__find; size is up to the next function. An assembly function and its wrapper have the
 * same name: the first in the text is found. */
int golang__find(const struct golang *go, struct symbol_wish *wishes, size_t count);
/* The function that vaddr is in (its entry is symbol->vaddr); name cut at size. -ENOENT: none. */
int golang__at(const struct golang *go, uint64_t vaddr, char *name, size_t size,
	       struct symbol *ret);
/* All functions in the order of their entries, as symbols__each. */
int golang__each(const struct golang *go, symbols_visit visit, void *ctx);

/* "1.22.1" ("1.26.8 X:boringcrypto" is cut at the blank), from the build information. -ENOENT: it
 * has none: no Go program, or one whose information was removed; -EBADMSG: it is not understood. */
int golang__version(const struct image *image, char *ret, size_t size);

#endif
