// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Frames must be the same whole and cut in two; parameters lie within the head. The first byte of the
 * input chooses the direction, the second where it is cut. */
#include <assert.h>
#include <stdlib.h>

#include "protocols/fastcgi.h"

static void look(struct slice head)
{
	struct fastcgi_pairs pairs = fastcgi_pairs__of(head);
	struct slice name, value;
	size_t n = 0;

	while (fastcgi_pairs__next(&pairs, &name, &value)) {
		assert(name.p >= head.p && value.p + value.n <= head.p + head.n);
		assert(++n <= head.n);
	}
}

static uint64_t run(struct slice all, size_t cut, bool request)
{
	_Alignas(8) uint8_t state[PROTOCOL_STATE_MAX] = { 0 }, facts[PROTOCOL_FACTS_MAX] = { 0 };
	uint64_t hash = 0;
	size_t at = 0;

	for (size_t end = cut; at < end;) {
		/* an exact copy: the sanitizer sees every read beyond */
		char *copy = memcpy(malloc(end - at), all.p + at, end - at);
		struct frame f;
		enum frame_status status =
			fastcgi_protocol.frame(slice(copy, end - at), request, state, facts, &f);

		if (status == FRAME_OK && f.first)
			look(slice(copy, f.head));
		free(copy);
		if (status == FRAME_BAD)
			return hash * 31 + 1;
		if (status == FRAME_MORE && end == all.n)
			return hash * 31 + 2;
		if (status == FRAME_MORE) {
			end = all.n;
			continue;
		}
		assert(f.head > 0 && f.head <= end - at);
		hash = (hash * 31 + f.head) * 31 + f.body + f.last;
		if (f.body > all.n - at - f.head)
			break;
		at += f.head + f.body;
		end = at >= end ? all.n : end;
	}
	return hash;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice all = slice((const char *)data + 2, size - 2);
	enum message_type type;

	if (size < 3)
		return 0;
	fastcgi_protocol.sniff(all, &type);
	assert(run(all, all.n, data[0] & 1) == run(all, 1 + data[1] % all.n, data[0] & 1));
	return 0;
}
