/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* "k=v,k=v" with percent-decoding, the form of OTEL_RESOURCE_ATTRIBUTES and of header lists. */
#ifndef SPANPROBE_PAIRS_H
#define SPANPROBE_PAIRS_H

#include "buf.h"

/* Takes the next pair from *rest; key and value point into scratch until the next call. 1, 0 at
 * the end, -EINVAL for a pair without key or "=", or with a malformed escape, -ENOMEM. */
int pairs__next(struct slice *rest, struct buf *scratch, struct slice *ret_key,
		struct slice *ret_value);

#endif
