/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Texts of a terminal's columns. They come from strangers: nothing that moves the cursor, changes
 * colours or turns the direction of writing gets through; widths are those of a terminal.
 */
#ifndef SPANPROBE_EXPORT_CELL_H
#define SPANPROBE_EXPORT_CELL_H

#include "base/buf.h"
#include "span.h"

/* Appends text with every character that is not shown as it is replaced by '?' */
void cell__clean(struct buf *out, struct slice text, bool utf8);
uint32_t cell__width(struct slice clean, bool utf8);
/* Exactly width columns: padded, or cut with a mark at the end */
void cell__put(struct buf *out, struct slice clean, uint32_t width, bool right, bool utf8);

void cell__duration(struct buf *out, uint64_t ns, bool utf8);		/* "12.4 ms" */
void cell__name(struct buf *out, const struct span *span, bool utf8);	/* "GET /shop" */
void cell__status(struct buf *out, const struct span *span, bool utf8); /* "200" */

#endif
