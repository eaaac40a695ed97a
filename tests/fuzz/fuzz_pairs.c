// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* OTEL_RESOURCE_ATTRIBUTES of any process, and the byte form of a resource: what has been read
 * once is read again from what it is written as. */
#include <assert.h>

#include "base/buf.h"
#include "resource.h"

static void again(const struct resource *resource)
{
	struct buf out = { 0 }, out2 = { 0 };
	struct resource *copy;

	resource__encode(resource, &out);
	copy = resource__decode(slice(out.p, out.n));
	assert(copy);
	resource__encode(copy, &out2);
	assert(out.n == out2.n && (!out.n || !memcmp(out.p, out2.p, out.n)));
	buf__release(&out);
	buf__release(&out2);
	resource__unref(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice bytes = slice((const char *)data, size);
	struct resource *decoded = resource__decode(bytes), *set = resource__new();

	if (decoded)
		again(decoded);
	if (!resource__set_pairs(set, bytes))
		again(set);
	assert(resource__service_name(set).n);
	resource__unref(decoded);
	resource__unref(set);
	return 0;
}
