// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Frames must be the same whole and cut in two. The first byte of the input chooses direction and
 * method of the request, the second where it is cut. */
#include <assert.h>
#include <stdlib.h>

#include "protocols/http1.c"
#include "protocols/http1_head.c"

void http1__describe(const struct exchange *exchange, const struct describe_opts *opts,
		     struct span *span)
{
}

static uint64_t run(struct slice all, size_t cut, unsigned int kind)
{
	_Alignas(8) uint8_t state[PROTOCOL_STATE_MAX] = { 0 }, facts[PROTOCOL_FACTS_MAX] = { 0 };
	bool request = kind & 1;
	uint64_t hash = 0;
	size_t at = 0;

	open_push((struct http1_state *)state, kind >> 1 & 3);
	for (size_t end = cut; at < end;) {
		/* an exact copy: the sanitizer sees every read beyond */
		char *copy = memcpy(malloc(end - at), all.p + at, end - at);
		struct slice bytes = slice(copy, end - at);
		struct frame f;
		enum frame_status status = http1_protocol.frame(bytes, request, state, facts, &f);

		free(copy);
		if (status == FRAME_BAD)
			return hash * 31 + 1;
		if (status == FRAME_MORE && end == all.n)
			return hash * 31 + 2;
		if (status == FRAME_MORE) {
			end = all.n;
			continue;
		}
		assert(f.head > 0 && f.head <= bytes.n);
		hash = (hash * 31 + f.head) * 31 + f.body + f.last + f.flags;
		if (f.leaves || f.body > all.n - at - f.head)
			break;
		at += f.head + f.body;
		end = at >= end ? all.n : end;
	}
	return hash;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice all = slice(data + 2, size - 2);
	enum message_type type;

	if (size < 3)
		return 0;
	http1_protocol.sniff(all, &type);
	assert(run(all, all.n, data[0]) == run(all, 1 + data[1] % all.n, data[0]));
	return 0;
}
