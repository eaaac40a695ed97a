/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What may not leave the machine in a URL: user names and passwords, values of secret query keys. */
#ifndef SPANPROBE_REDACT_H
#define SPANPROBE_REDACT_H

#include <stdint.h>

#include "base/slice.h"

/* Text that is cut at the end of its room, never written beyond. */
struct text {
	char *p;
	size_t n;
	size_t room;
};

void text__add(struct text *text, struct slice s);

/* Keys are compared as they are and percent-decoded. keys == NULL: the default list, of docs/protocols.md;
 * no keys at all: nothing is redacted. */
struct redact_keys {
	const struct slice *keys;
	uint32_t count;
};

/* "a=1&sig=x" -> "a=1&sig=REDACTED" */
void redact__query(struct text *out, struct slice query, struct redact_keys keys);
/* "user:secret@host:80" -> "REDACTED:REDACTED@host:80" */
void redact__authority(struct text *out, struct slice authority);
/* A path with or without query and fragment. */
void redact__target(struct text *out, struct slice target, struct redact_keys keys);

#endif
