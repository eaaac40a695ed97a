/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* The resource of a process: who made a span. Built once per process, shared by its spans. */
#ifndef SPANPROBE_RESOURCE_H
#define SPANPROBE_RESOURCE_H

#include "attr.h"
#include "base/arena.h"

#define RESOURCE_ATTRS_MAX 64

struct resource {
	uint32_t refs;
	uint32_t count;
	struct attr attrs[RESOURCE_ATTRS_MAX]; /* strings, ints and string lists; owned text */
	struct arena text;
};

struct resource *resource__new(void); /* one reference, no attributes */
/* likewise, with all attributes but those in `without`, ended by NULL; NULL: no memory */
struct resource *resource__copy(const struct resource *from, const char *const *without);
struct resource *resource__ref(struct resource *resource);
void resource__unref(struct resource *resource); /* NULL is allowed */

/* Key and value are copied; an existing key is replaced; invalid UTF-8 becomes U+FFFD.
 * 0, -ENOMEM, or -E2BIG beyond RESOURCE_ATTRS_MAX. */
int resource__set(struct resource *resource, const char *key, struct slice value);
int resource__set_int(struct resource *resource, const char *key, int64_t value);
int resource__set_list(struct resource *resource, const char *key, const struct slice *values,
		       uint32_t count);
/* "k=v,k=v" with percent-decoding (OTEL_RESOURCE_ATTRIBUTES); -EINVAL leaves it untouched */
int resource__set_pairs(struct resource *resource, struct slice pairs);
const struct attr *resource__get(const struct resource *resource, const char *key);
struct slice resource__service_name(const struct resource *resource); /* never empty */

struct buf;
/* For recordings: a byte form and back. decode: a resource, or NULL for malformed bytes. */
void resource__encode(const struct resource *resource, struct buf *out);
struct resource *resource__decode(struct slice bytes);

#endif
