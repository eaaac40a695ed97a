/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* The name of a program that an interpreter runs, from its command line. */
#ifndef SPANPROBE_DISCOVER_SCRIPT_H
#define SPANPROBE_DISCOVER_SCRIPT_H

#include "discover/facts.h"

/* Appends the name and returns true, or false when the command line tells none. */
bool script__name(const struct facts *facts, enum runtime runtime, struct buf *out);

/* Top-level "name" of a package.json, without its scope; false when there is none. */
bool package__name(struct slice json, struct buf *out);

#endif
