// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Where a lane's messages begin, and which protocol they are of. */
#include "lane.h"
#include "protocols/preface.h"

#define FAILS_MAX	3    /* places without a message, in both directions, from the first byte */
#define FAILS_MIDSTREAM 8    /* ... when the first place may be the middle of one */
#define FAILS_ONE_SIDED 1024 /* ... while the other direction is silent */

struct stamp lane__newest_stamp(const struct work *work)
{
	return flow__stamp(work->flow, UINT64_MAX);
}

/* n bytes between messages cannot be read. */
static void pass_over(const struct work *work, uint64_t n)
{
	struct stamp last;

	flow__skip(work->flow, n);
	if (!n || !work->decoder->protocol || work->lane->message)
		return;
	last = flow__stamp(work->flow, flow__position(work->flow) - 1);
	work->decode->next.unread(work->decode->next.ctx, work->conn, work->dir, &last);
}

/* Passes over what is no message, to the next call that may begin with one. */
void lane__skip_to_call(const struct work *work)
{
	uint64_t at = flow__position(work->flow);
	uint64_t to = flow__next_call(work->flow);

	if (to == UINT64_MAX)
		to = flow__known_end(work->flow);
	pass_over(work, to - at);
	work->lane->skipped += to - at;
	work->lane->looked += to - at;
	work->lane->after_gap = true;
	if (work->lane->phase == PHASE_START)
		work->lane->phase = PHASE_SYNC;
}

bool lane__hopeless(const struct work *work)
{
	const struct lane *in = &work->decoder->lane[DIR_IN], *out = &work->decoder->lane[DIR_OUT];
	bool midstream = work->conn->tuple.flags & CONN_MIDSTREAM;
	uint32_t max = midstream ? FAILS_MIDSTREAM : FAILS_MAX;

	if (in->fails >= FAILS_ONE_SIDED || out->fails >= FAILS_ONE_SIDED)
		return true;
	if (work->decoder->proven)
		return false;
	return (in->fails >= max && out->fails >= max) ||
	       (in->looked >= UNKNOWN_BYTES_MAX && out->looked >= UNKNOWN_BYTES_MAX);
}

/* No message begins here. */
static void fail(const struct work *work)
{
	if (work->lane->phase == PHASE_START && work->decoder->proven)
		work->decode->stats->lost[LOSS_MALFORMED]++;
	if (work->lane->phase != PHASE_LOST)
		work->lane->fails++;
	lane__skip_to_call(work);
	if (lane__hopeless(work)) {
		struct stamp at = lane__newest_stamp(work);

		work->decode->stats->lost[LOSS_UNKNOWN_PROTOCOL]++;
		lane__mute(work, &at);
	}
}

/* Of bytes that either side may have sent: who did? Requests, when nobody knows. */
static bool request_by_role(const struct work *work)
{
	enum conn_role role = work->conn->tuple.role;

	if (work->decoder->protocol)
		return work->request;
	return role == ROLE_UNKNOWN || (role == ROLE_SERVER) == (work->dir == DIR_IN);
}

/* The best guess of all protocols, or of the one that is known. */
static enum confidence sniff(const struct work *work, struct slice bytes,
			     const struct protocol **ret_protocol, enum message_type *ret_type)
{
	const struct protocol *known = work->decoder->protocol;
	enum confidence best = SNIFF_NO;

	for (const struct protocol *const *each = protocols; *each; each++) {
		const struct protocol *protocol = known ? known : *each;
		enum message_type type = MESSAGE_REQUEST;
		enum confidence confidence = protocol->sniff(bytes, &type);

		if (!known && confidence > SNIFF_MORE && confidence < SNIFF_LIKELY)
			confidence = SNIFF_NO;
		if (confidence > best) {
			best = confidence;
			*ret_protocol = protocol;
			*ret_type = type;
		}
		if (known)
			break;
	}
	if (best > SNIFF_MORE && *ret_type == MESSAGE_EITHER)
		*ret_type = request_by_role(work) ? MESSAGE_REQUEST : MESSAGE_RESPONSE;
	/* each direction of a known protocol has its own kind of message */
	if (known && best > SNIFF_MORE && (*ret_type == MESSAGE_REQUEST) != work->request)
		return SNIFF_NO;
	return best;
}

static void learn(struct work *work, const struct protocol *protocol, enum message_type type)
{
	struct decoder *decoder = work->decoder;
	struct conn *conn = work->conn;

	decoder->protocol = protocol;
	if (protocol->remembers)
		*(struct notes **)decoder->state = notes__new(&work->decode->notes);
	capture__known(&decoder->capture, protocol->capture);
	decoder->request_dir = type == MESSAGE_REQUEST ? work->dir : !work->dir;
	work->request = work->dir == decoder->request_dir;
	if (conn->tuple.role == ROLE_UNKNOWN) {
		conn->tuple.role = decoder->request_dir == DIR_IN ? ROLE_SERVER : ROLE_CLIENT;
		capture__learned(&decoder->capture, conn->tuple.role);
	}
}

/*
 * What stands at the read position may be the rest of something that merely looks like the front
 * of a message: a later call that certainly begins with one is the better place.
 */
static bool better_call(const struct work *work, struct slice bytes)
{
	uint64_t n = flow__next_call(work->flow) - flow__position(work->flow);
	const struct protocol *protocol;
	enum message_type type;

	return n < bytes.n && sniff(work, slice_from(bytes, n), &protocol, &type) == SNIFF_SURE;
}

/* How sure must one be that a message begins here? */
static enum confidence enough(const struct work *work, size_t n)
{
	bool proven = work->decoder->proven;

	if (work->lane->phase == PHASE_LOST)
		return SNIFF_SURE;
	if (proven)
		return work->lane->phase == PHASE_START ? SNIFF_NEXT : SNIFF_FAIR;
	return n >= UNKNOWN_BYTES_MAX ? SNIFF_LIKELY : SNIFF_SURE;
}

/* Neither can end the other one any more: what certainly looks like a request is the next one. */
static bool both_lost(const struct work *work, struct slice bytes)
{
	const struct lane *other = &work->decoder->lane[!work->dir];
	const struct protocol *protocol;
	enum message_type type;

	return work->request && other->phase == PHASE_LOST && other->message &&
	       flow__at_call_start(work->flow) &&
	       sniff(work, bytes, &protocol, &type) == SNIFF_SURE;
}

/*
 * The framing of a message was lost, but its end may be told from the last bytes of a call. No
 * other one is looked for: its parts may look like the front of one. The end may be spread over two
 * calls, so the last bytes stay. false: nothing more can be done with what has come
 */
static bool find_end(const struct work *work, struct slice bytes)
{
	const struct protocol *protocol = work->decoder->protocol;
	struct lane *lane = work->lane;
	uint64_t end = flow__position(work->flow) + bytes.n;
	enum tail tail = TAIL_NO;
	size_t rest = 0;

	if (both_lost(work, bytes)) {
		struct work other = lane__work(work->decode, work->conn, !work->dir);

		lane__finish_lost(&other, flow__known_end(other.flow));
		lane__finish_lost(work, flow__position(work->flow));
		return true;
	}
	if (end == flow__call_end(work->flow))
		tail = protocol->tail(bytes, work->request, work->decoder->state,
				      lane->message->facts);
	if (tail == TAIL_NO) {
		if (end == flow__known_end(work->flow))
			rest = bytes.n < TAIL_BYTES ? bytes.n : TAIL_BYTES;
		flow__skip(work->flow, bytes.n - rest);
		lane->skipped += bytes.n - rest;
		return !rest;
	}
	if (tail == TAIL_WHOLE) {
		lane->message->flags &= ~(uint32_t)MESSAGE_INCOMPLETE;
		lane->skipped = 0;
	}
	flow__skip(work->flow, bytes.n);
	lane->phase = PHASE_START;
	lane->after_gap = false;
	lane__finish(work, end, 0);
	return true;
}

/* false: nothing more can be done with what has come */
bool lane__find_start(struct work *work)
{
	struct lane *lane = work->lane;
	uint64_t at = flow__position(work->flow), gap = flow__gap(work->flow);
	const struct protocol *protocol = NULL;
	enum message_type type = MESSAGE_REQUEST;
	enum confidence confidence;
	struct slice bytes;
	bool cut;

	if (gap) {
		if (lane->phase == PHASE_LOST && work->decoder->protocol->tail)
			lane->skipped += gap;
		pass_over(work, gap);
		lane->after_gap = true;
		if (lane->phase == PHASE_START)
			lane->phase = PHASE_SYNC;
		return true;
	}
	bytes = flow__peek(work->flow);
	if (!bytes.n)
		return false;
	if (lane->phase == PHASE_LOST && lane->message && work->decoder->protocol->tail)
		return find_end(work, bytes);
	if (lane->phase != PHASE_START &&
	    (!flow__at_call_start(work->flow) || better_call(work, bytes))) {
		lane__skip_to_call(work);
		return true;
	}
	cut = at + bytes.n < flow__known_end(work->flow); /* a gap follows: they will not grow */
	if (lane->phase == PHASE_START && at == 0) {
		bool more;
		size_t preface = preface__length(bytes, &more);

		flow__skip(work->flow, preface);
		if (preface || (more && !cut))
			return preface;
	}
	confidence = sniff(work, bytes, &protocol, &type);
	if (confidence >= enough(work, bytes.n)) {
		enum confidence oneway = SNIFF_NO;

		if (!work->decoder->protocol)
			learn(work, protocol, type);
		protocol = work->decoder->protocol;
		if (protocol->oneway)
			oneway = protocol->oneway(bytes, work->request, work->decoder->state);
		if (oneway == SNIFF_MORE && !cut)
			return false;
		return lane__begin(work, oneway == SNIFF_SURE);
	}
	if (confidence != SNIFF_NO && !cut)
		return false;
	fail(work);
	return true;
}
