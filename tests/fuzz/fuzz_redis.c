// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Messages must be the same whole and cut in two. The first two bytes of the input tell where the
 * client's bytes end and the server's begin, and where both are cut. */
#include <assert.h>
#include <stdlib.h>

#include "base/buf.c"
#include "protocols/redis.c"
#include "protocols/redis_resp.c"
#include "protocols/redis_sniff.c"
#include "protocols/redis_text.c"

void redis__describe(const struct exchange *exchange, const struct describe_opts *opts,
		     struct span *span)
{
}

static void text(struct slice bytes)
{
	struct redis_command command;
	struct buf out = { 0 };

	if (redis_command__parse(bytes, &command) == FRAME_OK)
		redis__text(&command, &out);
	assert(out.n < 2 * REDIS_TEXT_MAX);
	redis__procedure(&command);
	buf__release(&out);
}

/* One direction; the ends of its messages are added to the hash. */
static uint64_t run(struct slice all, size_t cut, bool request, void *state, uint64_t hash)
{
	enum message_type type = MESSAGE_INTERIM;
	struct redis_facts facts = { 0 };
	size_t at = 0, end = cut < all.n ? cut : all.n;

	while (at < all.n) {
		/* an exact copy: the sanitizer sees every read beyond */
		struct slice bytes =
			slice(memcpy(malloc(end - at), all.p + at, end - at), end - at);
		struct frame f = { 0 };
		enum frame_status status = FRAME_MORE;
		bool begins = type == MESSAGE_INTERIM;

		if (bytes.n && begins) {
			facts = (struct redis_facts){ 0 };
			enum confidence oneway = redis_protocol.oneway(bytes, request, state);

			type = oneway == SNIFF_SURE ? MESSAGE_ONEWAY :
			       oneway == SNIFF_MORE ? MESSAGE_INTERIM :
			       request		    ? MESSAGE_REQUEST :
						      MESSAGE_RESPONSE;
		}
		f.type = type;
		if (bytes.n && type != MESSAGE_INTERIM)
			status = redis_protocol.frame(bytes, request, state, &facts, &f);
		if (status == FRAME_OK && begins && request)
			text(bytes);
		free((char *)bytes.p);
		if (status == FRAME_BAD)
			return hash * 31 + 1;
		if (status == FRAME_MORE && end == all.n)
			return hash * 31 + 2;
		if (status == FRAME_MORE) {
			end = all.n;
			continue;
		}
		assert(f.head > 0 && f.head <= bytes.n && f.type == type);
		if (f.leaves || f.body > all.n - at - f.head)
			return hash * 31 + 3;
		at += f.head + f.body;
		end = at >= end ? all.n : end;
		if (!f.last)
			continue;
		hash = (hash * 31 + at) * 31 + facts.error_n + facts.commands + (uint64_t)type;
		type = MESSAGE_INTERIM;
	}
	return hash;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint64_t hash[2] = { 0 };
	enum message_type type;

	if (size < 4)
		return 0;
	struct slice all = slice(data + 2, size - 2);
	struct slice asked = slice(all.p, all.n * data[0] / 255), told = slice_from(all, asked.n);

	redis_protocol.sniff(all, &type);
	for (int cut = 0; cut < 2; cut++) {
		_Alignas(8) uint8_t state[PROTOCOL_STATE_MAX] = { 0 };

		hash[cut] = run(asked, cut ? 1 + data[1] : asked.n, true, state, 0);
		hash[cut] = run(told, cut ? 1 + data[1] : told.n, false, state, hash[cut]);
	}
	assert(hash[0] == hash[1]);
	return 0;
}
