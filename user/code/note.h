/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Notes of an ELF file: build ids, USDT probes. Pure. */
#ifndef SPANPROBE_CODE_NOTE_H
#define SPANPROBE_CODE_NOTE_H

#include <stdint.h>

#include "base/slice.h"

struct note {
	uint32_t type;
	struct slice owner; /* without its NUL */
	struct slice desc;
};

/* Cuts the next note off the bytes of a note section or segment, whose alignment is 4 or 8 (other
 * values mean 4). False at the end, and at what is no note. */
bool note__next(struct slice *rest, uint64_t align, struct note *ret);

#endif
