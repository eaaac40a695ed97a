// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "lane.h"

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
static void end_message(const struct work *work, uint64_t end, uint32_t flags)
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
void lane__finish_lost(const struct work *work, uint64_t end)
{
	if (work->lane->phase != PHASE_LOST)
		return;
	if (work->lane->message)
		end_message(work, end, MESSAGE_INCOMPLETE);
	work->lane->phase = PHASE_SYNC;
	work->lane->after_gap = true;
}

void lane__finish(const struct work *work, uint64_t end, uint32_t flags)
{
	struct message *message = work->lane->message;
	bool answered = message->type == MESSAGE_RESPONSE && message->protocol->tail &&
			!(flags & MESSAGE_CUT);
	struct work other = lane__work(work->decode, work->conn, !work->dir);

	end_message(work, end, flags);
	if (answered) /* then what was asked is over, too */
		lane__finish_lost(&other, flow__known_end(other.flow));
}

static void count_skipped(const struct work *work)
{
	bool midstream = work->conn->tuple.flags & CONN_MIDSTREAM;

	work->decode->stats->lost[midstream && !work->lane->seen ? LOSS_MIDSTREAM_SKIPPED :
								   LOSS_RESYNC_SKIPPED] +=
		work->lane->skipped;
	work->lane->skipped = 0;
}

bool lane__begin(const struct work *work, bool oneway)
{
	struct decode *decode = work->decode;
	struct lane *lane = work->lane;
	struct work other = lane__work(decode, work->conn, !work->dir);
	struct message *message = pool__get(&decode->messages);

	if (!message)
		return false;
	lane__finish_lost(work, flow__position(work->flow));
	/* where ends can be told, a request may go on while it is answered */
	if (!oneway && (work->request || !work->decoder->protocol->tail))
		lane__finish_lost(&other, flow__known_end(other.flow));
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
			lane__finish(&each, flow__known_end(each.flow),
				     MESSAGE_INCOMPLETE | MESSAGE_CUT);
		each.lane->phase = PHASE_SYNC;
	}
	if (work->decoder->protocol)
		work->decode->next.gone(work->decode->next.ctx, work->conn, at, work->conn->error);
}

/* The connection is none of ours (any more). */
void lane__mute(const struct work *work, const struct stamp *at)
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
}

static void malformed(const struct work *work)
{
	struct decoder *decoder = work->decoder;
	struct stamp at = lane__newest_stamp(work);

	work->decode->stats->lost[LOSS_MALFORMED]++;
	work->lane->fails++;
	if (decoder->proven) {
		lose(work);
		lane__skip_to_call(work);
	} else { /* it was not this protocol */
		lane__abandon(work, &at);
		lane__skip_to_call(work);
		lane__forget(decoder);
	}
	if (lane__hopeless(work)) {
		work->decode->stats->lost[LOSS_UNKNOWN_PROTOCOL]++;
		lane__mute(work, &at);
	}
}

void lane__forget(struct decoder *decoder)
{
	if (decoder->protocol && decoder->protocol->remembers)
		notes__free(*(struct notes **)decoder->state);
	decoder->protocol = NULL;
	memset(decoder->state, 0, sizeof(decoder->state));
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
		message->head = frame->keep.p ? frame->keep : slice(bytes, frame->head);
		work->decode->next.head(work->decode->next.ctx, work->conn, message);
		message->head = slice(NULL, 0);
	} else if (frame->keep.p && !frame->first) { /* a better one */
		message->head = frame->keep;
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
	if (!decoder->protocol->tail) /* its end may still tell all that matters */
		work->decode->stats->lost[LOSS_STREAM_GAP] += flow__gap(work->flow);
	lose(work);
	if (!decoder->protocol->tail) /* or what is there may be the message's end */
		lane__skip_to_call(work);
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
	lane__finish(work, lane->body_end, 0);
	if (lane->frame.leaves) {
		struct stamp at = flow__stamp(work->flow, lane->body_end ? lane->body_end - 1 : 0);

		lane__mute(work, &at);
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
			more = lane__find_start(&work);
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
	lane__finish(work, known, flags);
}
