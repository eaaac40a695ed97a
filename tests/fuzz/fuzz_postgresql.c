// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Messages must be the same whole and cut in two. The first two bytes of the input tell where the
 * client's bytes end and the server's begin, and where both are cut. */
#include <assert.h>
#include <stdlib.h>

#include "notes.c"
#include "protocols/postgresql.c"
#include "protocols/postgresql_request.c"
#include "protocols/postgresql_response.c"
#include "protocols/postgresql_sniff.c"

void pg__describe(const struct exchange *exchange, const struct describe_opts *opts,
		  struct span *span)
{
}

/* One direction; the ends of its messages are added to the hash. */
static uint64_t run(struct slice all, size_t cut, bool request, struct pg_state *state,
		    uint64_t hash)
{
	enum message_type type = MESSAGE_INTERIM;
	struct pg_facts facts = { 0 };
	size_t at = 0, end = cut < all.n ? cut : all.n;

	while (at < all.n) {
		/* an exact copy: the sanitizer sees every read beyond */
		struct slice bytes =
			slice(memcpy(malloc(end - at), all.p + at, end - at), end - at);
		struct frame f = { 0 };
		enum frame_status status = FRAME_MORE;

		if (bytes.n && type == MESSAGE_INTERIM) {
			type = oneway(bytes, request, state) == SNIFF_SURE ? MESSAGE_ONEWAY :
			       request					   ? MESSAGE_REQUEST :
									     MESSAGE_RESPONSE;
			facts = (struct pg_facts){ 0 };
		}
		f.type = type;
		if (bytes.n)
			status = frame(bytes, request, state, &facts, &f);
		if (f.keep.n)
			hash = hash * 31 + (unsigned char)f.keep.p[f.keep.n - 1];
		free((char *)bytes.p);
		if (status == FRAME_BAD)
			return hash * 31 + 1;
		if (status == FRAME_MORE && end == all.n)
			return hash * 31 + 2;
		if (status == FRAME_MORE) {
			end = all.n;
			continue;
		}
		assert(f.head <= bytes.n && (f.head || f.last) && f.type == type);
		if (f.leaves || f.body > all.n - at - f.head)
			return hash * 31 + 3;
		at += f.head + f.body;
		end = at >= end ? all.n : end;
		if (!f.last)
			continue;
		hash = (hash * 31 + at) * 31 + facts.executes + facts.returned + (uint64_t)type;
		hash = hash * 31 + facts.hash + facts.mixed;
		type = MESSAGE_INTERIM;
	}
	return hash;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct stats stats = { 0 };
	struct note_store store = { .stats = &stats, .bytes_max = 4096 };
	uint64_t hash[2] = { 0 };
	enum message_type type;

	if (size < 4)
		return 0;
	struct slice all = slice(data + 2, size - 2);
	struct slice asked = slice(all.p, all.n * data[0] / 255), told = slice_from(all, asked.n);

	pg__sniff(all, &type);
	for (int cut = 0; cut < 2; cut++) {
		struct pg_state state = { .notes = notes__new(&store) };
		struct pg_facts facts = { 0 };

		hash[cut] = run(asked, cut ? 1 + data[1] : asked.n, true, &state, 0);
		hash[cut] = run(told, cut ? 1 + data[1] : told.n, false, &state, hash[cut]);
		state.open = 1;
		tail(told, false, &state, &facts);
		tail(asked, true, &state, &facts);
		notes__free(state.notes);
		assert(store.bytes == 0);
	}
	assert(hash[0] == hash[1]);
	return 0;
}
