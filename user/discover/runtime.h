/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Which runtime a process is written for, and which version of it where that is cheap to know. */
#ifndef SPANPROBE_DISCOVER_RUNTIME_H
#define SPANPROBE_DISCOVER_RUNTIME_H

#include "discover/facts.h"

enum runtime runtime__detect(const struct facts *facts);
const char *runtime__product(enum runtime runtime); /* process.runtime.name, or NULL */
/* process.runtime.version appended to out; nothing when it is not known */
void runtime__version(const struct facts *facts, enum runtime runtime, struct buf *out);

#endif
