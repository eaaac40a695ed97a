// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "lane.h"

#include "protocols/preface.h"

#define FAILS_MAX	3    /* places without a message, in both directions, from the first byte */
#define FAILS_MIDSTREAM 8    /* ... when the first place may be the middle of one */
#define FAILS_ONE_SIDED 1024 /* ... while the other direction is silent */

struct work lane__work(struct decode *decode, struct conn *conn, enum direction dir)
{
	struct decoder *decoder = conn->decoder;

	return (struct work){ .decode = decode,
			      .conn = conn,
			      .decoder = decoder,
			      .lane = &decoder->lane[dir],
			      .flow = conn->flow[dir],
			      .dir = dir,
			      .request = dir == decoder->request_dir };
}

/* --- begin and end of messages ------------------------------------------------------------- */

/* end: position after its last byte */
static void finish(const struct work *work, uint64_t end, uint32_t flags)
{
	struct message *message = work->lane->message;

	work->lane->message = NULL;
	message->flags |= flags;
	if (end < message->position)
		end = message->position;
	message->wire_bytes = end - message->position;
	message->last = flow__stamp(work->flow, end ? end - 1 : 0);
	work->decode->next.end(work->decode->next.ctx, work->conn, message);
	capture__message(&work->decoder->capture, work->dir, work->lane->wanted_all,
			 message->wire_bytes);
	pool__put(&work->decode->messages, message);
}

/* A message whose end cannot be found is over by what else has happened. */
static void finish_lost(const struct work *work, uint64_t end)
{
	if (work->lane->phase != PHASE_LOST)
		return;
	if (work->lane->message)
		finish(work, end, MESSAGE_INCOMPLETE);
	work->lane->phase = PHASE_SYNC;
	work->lane->after_gap = true;
}

static void count_skipped(const struct work *work)
{
	bool midstream = work->conn->tuple.flags & CONN_MIDSTREAM;

	work->decode->stats->lost[midstream && !work->lane->seen ? LOSS_MIDSTREAM_SKIPPED :
								   LOSS_RESYNC_SKIPPED] +=
		work->lane->skipped;
	work->lane->skipped = 0;
}

static bool begin(const struct work *work, bool oneway)
{
	struct decode *decode = work->decode;
	struct lane *lane = work->lane;
	struct work other = lane__work(decode, work->conn, !work->dir);
	struct message *message = pool__get(&decode->messages);

	if (!message)
		return false;
	finish_lost(work, flow__position(work->flow));
	if (!oneway)
		finish_lost(&other, flow__known_end(other.flow));
	*message = (struct message){ .protocol = work->decoder->protocol,
				     .type = oneway	   ? MESSAGE_ONEWAY :
					     work->request ? MESSAGE_REQUEST :
							     MESSAGE_RESPONSE,
				     .dir = work->dir,
				     .position = flow__position(work->flow) };
	message->first = flow__stamp(work->flow, message->position);
	if (work->conn->tuple.flags & CONN_MIDSTREAM)
		message->flags |= MESSAGE_MIDSTREAM;
	if (lane->after_gap)
		message->flags |= MESSAGE_AFTER_GAP;
	count_skipped(work);
	lane->after_gap = false;
	lane->seen = true;
	lane->head_done = false;
	lane->wanted_all = false;
	lane->message = message;
	lane->phase = PHASE_HEAD;
	decode->next.begin(decode->next.ctx, work->conn, message);
	return true;
}

void lane__abandon(const struct work *work, const struct stamp *at)
{
	for (int dir = 0; dir < DIR_COUNT; dir++) {
		struct work each = lane__work(work->decode, work->conn, dir);

		if (each.lane->message)
			finish(&each, flow__known_end(each.flow), MESSAGE_INCOMPLETE | MESSAGE_CUT);
		each.lane->phase = PHASE_SYNC;
	}
	if (work->decoder->protocol)
		work->decode->next.gone(work->decode->next.ctx, work->conn, at, work->conn->error);
}

/* The connection is none of ours (any more). */
static void mute(const struct work *work, const struct stamp *at)
{
	lane__abandon(work, at);
	work->decoder->muted = true;
	flow__mute(work->conn->flow[DIR_IN]);
	flow__mute(work->conn->flow[DIR_OUT]);
	capture__nothing(&work->decoder->capture);
}

void lane__close(const struct work *work)
{
	uint64_t bytes = 0;

	for (int dir = 0; dir < DIR_COUNT; dir++) {
		struct work each = lane__work(work->decode, work->conn, dir);
		uint64_t at = flow__position(each.flow), known = flow__known_end(each.flow);

		if (!each.lane->message && known > at)
			each.lane->skipped += known - at;
		if (work->decoder->protocol || work->conn->tuple.flags & CONN_MIDSTREAM)
			count_skipped(&each);
		bytes += known;
	}
	if (bytes && !work->decoder->protocol && !(work->conn->tuple.flags & CONN_MIDSTREAM))
		work->decode->stats->lost[LOSS_UNKNOWN_PROTOCOL]++;
}

/* --- where messages begin ------------------------------------------------------------------ */

static struct stamp newest_stamp(const struct work *work)
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
static void skip_to_call(const struct work *work)
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

static bool hopeless(const struct work *work)
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
	skip_to_call(work);
	if (hopeless(work)) {
		struct stamp at = newest_stamp(work);

		work->decode->stats->lost[LOSS_UNKNOWN_PROTOCOL]++;
		mute(work, &at);
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

/* false: nothing more can be done with what has come */
static bool find_start(struct work *work)
{
	struct lane *lane = work->lane;
	uint64_t at = flow__position(work->flow), gap = flow__gap(work->flow);
	const struct protocol *protocol = NULL;
	enum message_type type = MESSAGE_REQUEST;
	enum confidence confidence;
	struct slice bytes;
	bool cut;

	if (gap) {
		pass_over(work, gap);
		lane->after_gap = true;
		if (lane->phase == PHASE_START)
			lane->phase = PHASE_SYNC;
		return true;
	}
	bytes = flow__peek(work->flow);
	if (!bytes.n)
		return false;
	if (lane->phase != PHASE_START &&
	    (!flow__at_call_start(work->flow) || better_call(work, bytes))) {
		skip_to_call(work);
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
		return begin(work, oneway == SNIFF_SURE);
	}
	if (confidence != SNIFF_NO && !cut)
		return false;
	fail(work);
	return true;
}

/* --- frames -------------------------------------------------------------------------------- */

/* Bytes of the framing are missing or make no sense. */
static void lose(const struct work *work)
{
	struct decoder *decoder = work->decoder;

	if (decoder->protocol->resync)
		decoder->protocol->resync(decoder->state, work->request);
	work->lane->message->flags |= MESSAGE_INCOMPLETE;
	work->lane->phase = PHASE_LOST;
	work->lane->after_gap = true;
	work->lane->looked = 0;
	if (!work->lane->head_done)
		capture__longer_heads(&decoder->capture);
	else if (work->lane->wanted_all || decoder->capture.base == CAPTURE_ALL)
		capture__lost(&decoder->capture, work->dir);
	skip_to_call(work);
}

static void malformed(const struct work *work)
{
	struct decoder *decoder = work->decoder;
	struct stamp at = newest_stamp(work);

	work->decode->stats->lost[LOSS_MALFORMED]++;
	work->lane->fails++;
	if (decoder->proven) {
		lose(work);
	} else { /* it was not this protocol */
		lane__abandon(work, &at);
		skip_to_call(work);
		decoder->protocol = NULL;
		memset(decoder->state, 0, sizeof(decoder->state));
	}
	if (hopeless(work)) {
		work->decode->stats->lost[LOSS_UNKNOWN_PROTOCOL]++;
		mute(work, &at);
	}
}

static uint64_t sum(uint64_t a, uint64_t b)
{
	return a <= UINT64_MAX - b ? a + b : UINT64_MAX;
}

static void take_frame(const struct work *work, const struct frame *frame, const char *bytes)
{
	struct lane *lane = work->lane;
	struct message *message = lane->message;

	lane->frame = *frame;
	lane->fails = 0;
	work->decoder->proven = true;
	message->flags |= frame->flags;
	message->body_bytes = sum(message->body_bytes, frame->payload);
	if (frame->first && !lane->head_done) {
		lane->head_done = true;
		message->type = frame->type;
		message->key = frame->key;
		capture__head(&work->decoder->capture, work->dir, frame->head);
		message->head = slice(bytes, frame->head);
		work->decode->next.head(work->decode->next.ctx, work->conn, message);
		message->head = slice(NULL, 0);
	}
	if (frame->wants_all && !frame->last)
		lane->wanted_all = true;
	flow__skip(work->flow, frame->head);
	lane->body_start = flow__position(work->flow);
	lane->body_end = sum(lane->body_start, frame->body);
	flow__skip(work->flow, frame->body);
	lane->phase = PHASE_BODY;
	capture__frame(&work->decoder->capture, work->dir, frame, message->position, lane->body_end,
		       flow__known_end(work->flow), flow__call_end(work->flow));
}

static bool parse_head(const struct work *work)
{
	struct decoder *decoder = work->decoder;
	struct slice bytes = flow__peek(work->flow);
	uint64_t at = flow__position(work->flow), known = flow__known_end(work->flow);
	bool cut = at + bytes.n < known;
	struct frame frame = { .type = work->lane->message->type };
	enum frame_status status = FRAME_MORE;

	if (!bytes.n && !cut)
		return false;
	if (bytes.n)
		status = decoder->protocol->frame(bytes, work->request, decoder->state,
						  work->lane->message->facts, &frame);
	if (status == FRAME_OK && frame.head <= bytes.n &&
	    (frame.head || frame.body || frame.last)) {
		take_frame(work, &frame, bytes.p);
		return true;
	}
	if (status != FRAME_MORE) {
		malformed(work);
		return true;
	}
	if (!cut) {
		if (!work->lane->head_done)
			capture__head(&decoder->capture, work->dir, bytes.n);
		return false;
	}
	flow__skip(work->flow, bytes.n);
	work->decode->stats->lost[LOSS_STREAM_GAP] += flow__gap(work->flow);
	lose(work);
	return true;
}

static bool pass_body(const struct work *work)
{
	struct lane *lane = work->lane;

	if (lane->body_end == UINT64_MAX || flow__known_end(work->flow) < lane->body_end)
		return false;
	if (!lane->frame.last) {
		lane->phase = PHASE_HEAD;
		return true;
	}
	lane->phase = PHASE_START;
	finish(work, lane->body_end, 0);
	if (lane->frame.leaves) {
		struct stamp at = flow__stamp(work->flow, lane->body_end ? lane->body_end - 1 : 0);

		mute(work, &at);
	}
	return true;
}

void lane__advance(struct decode *decode, struct conn *conn, enum direction dir)
{
	struct work work = lane__work(decode, conn, dir);
	bool more = true;

	while (more && !work.decoder->muted) {
		switch (work.lane->phase) {
		case PHASE_HEAD:
			more = parse_head(&work);
			break;
		case PHASE_BODY:
			more = pass_body(&work);
			break;
		default:
			more = find_start(&work);
		}
	}
}

/* --- ends -------------------------------------------------------------------------------- */

/* Is a body that lasts to the end of its direction whole? An end is its sender's doing. */
static bool whole(const struct work *work, uint32_t error)
{
	const struct protocol *protocol = work->decoder->protocol;

	return !error && protocol->ends_at_close &&
	       protocol->ends_at_close(work->decoder->state, work->request) &&
	       (work->dir == DIR_OUT || work->conn->shut[DIR_IN]);
}

void lane__end(const struct work *work, uint32_t error)
{
	struct message *message = work->lane->message;
	uint64_t known = flow__known_end(work->flow);
	uint32_t flags = MESSAGE_CUT;

	if (!message)
		return;
	if (work->lane->phase == PHASE_LOST) {
		flags = error ? MESSAGE_CUT | MESSAGE_INCOMPLETE : MESSAGE_INCOMPLETE;
	} else if (work->lane->phase == PHASE_BODY && work->lane->frame.body == FRAME_UNTIL_CLOSE) {
		message->body_bytes = sum(message->body_bytes, known - work->lane->body_start);
		if (whole(work, error))
			flags = 0;
	} else if (work->lane->phase == PHASE_BODY) {
		uint64_t missing = work->lane->body_end - known;

		message->body_bytes -=
			missing < work->lane->frame.payload ? missing : work->lane->frame.payload;
	}
	work->lane->phase = PHASE_SYNC;
	finish(work, known, flags);
}
