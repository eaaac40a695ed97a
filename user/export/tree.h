/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* A trace as a tree of lines with time bars. Pure: spans in, text out. */
#ifndef SPANPROBE_EXPORT_TREE_H
#define SPANPROBE_EXPORT_TREE_H

#include "base/buf.h"
#include "span.h"

#define TREE_ROWS_MAX 500 /* lines of one trace */

struct tree_style {
	uint32_t width; /* columns of the terminal */
	bool color;
	bool utf8; /* else ASCII only */
};

/* All spans of one trace, any order; each at most once in the output, cycles or not. 0 or
 * -ENOMEM. */
int tree__print(struct span *const *spans, uint32_t count, const struct tree_style *style,
		struct buf *out);
/* Whether every parent that is on this host is among the spans */
bool tree__is_whole(struct span *const *spans, uint32_t count);

#endif
