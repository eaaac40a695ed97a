/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* A growing run of bytes that owns its memory. Zero-initialised is empty and valid. */
#ifndef SPANPROBE_BUF_H
#define SPANPROBE_BUF_H

#include <stdint.h>

#include "slice.h"

struct buf {
	char *p;
	size_t n;
	size_t cap;
	bool failed; /* an append found no memory; it and all later ones did nothing */
};

void buf__append(struct buf *buf, const void *p, size_t n);
void buf__puts(struct buf *buf, const char *text);
void buf__printf(struct buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* room for n bytes at the end, not counted in buf->n yet; NULL without memory */
void *buf__reserve(struct buf *buf, size_t n);
void buf__clear(struct buf *buf);   /* keeps the memory */
void buf__release(struct buf *buf); /* gives the memory back; buf is empty and valid */

#endif
