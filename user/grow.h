/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * grow: once a ring was found more than a quarter full, larger ones take the place of all, while the
 * programs write. An agent that is hardly used stays as small as it began.
 */
#ifndef SPANPROBE_GROW_H
#define SPANPROBE_GROW_H

#include "ring.h"

struct grow;

/* outer_fd: the array of maps that the programs find their `count` rings in; bytes: of each of the
 * larger ones. Both are borrowed. NULL: no memory. */
struct grow *grow__new(struct rings *rings, int outer_fd, uint32_t count, uint32_t bytes);
/* After a drain; never waits. */
void grow__tick(struct grow *grow);
void grow__free(struct grow *grow); /* NULL is allowed */

#endif
