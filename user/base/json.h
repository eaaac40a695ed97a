/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Writing JSON, piece by piece; the caller keeps the structure. */
#ifndef SPANPROBE_JSON_H
#define SPANPROBE_JSON_H

#include "buf.h"

/* A quoted string; control characters, quotes and backslashes are escaped. s must be UTF-8. */
void json__string(struct buf *out, struct slice s);
void json__hex(struct buf *out, const uint8_t *bytes, size_t n); /* quoted, lower case */

#endif
