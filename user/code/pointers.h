/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Pointers that a file holds to places of its own: as plain words, or, where the loader writes them
 * (PIE, libraries), as relocations. Tables of names and functions are found by them in stripped
 * files.
 */
#ifndef SPANPROBE_CODE_POINTERS_H
#define SPANPROBE_CODE_POINTERS_H

#include "code/image.h"

#define POINTERS_WORDS_MAX 512

/* count words at vaddr, as they will be when loaded, less the bias. 0 or negative errno. */
int pointers__read(const struct image *image, uint64_t vaddr, uint64_t *words, size_t count);

/* The places, in data, of at most max words that point to target: how many, or negative errno. */
int pointers__to(const struct image *image, uint64_t target, uint64_t *places, int max);

/* Where the loaded parts of the file hold these bytes (with its NUL, for a whole text): the first
 * vaddr from *at on that is a multiple of align, into *at; -ENOENT. */
int pointers__bytes(const struct image *image, struct slice bytes, uint64_t align, uint64_t *at);

#endif
