/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Output to a file, pipe or terminal that never waits for a slow reader. */
#ifndef SPANPROBE_EXPORT_OUT_H
#define SPANPROBE_EXPORT_OUT_H

#include "base/buf.h"

struct out {
	int fd;
	bool owned; /* close it at the end */
	bool waits; /* a write may block: not a regular file */
	bool cut;   /* the last text was written in part: the next begins on a new line */
	size_t at;  /* written part of pending */
	struct buf pending;
};

/* path "-": standard output; else appended to, made if missing. 0 or negative errno. */
int out__open(const char *path, struct out *ret);
void out__begin(struct out *out); /* before text is appended to an empty pending */
/* Writes what the other side takes now. 0: nothing is left; -EAGAIN: some is; another negative
 * errno: the rest was thrown away. */
int out__push(struct out *out);
void out__release(struct out *out);

#endif
