// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Most messages come whole in one event and are read at once: their bytes are looked at where the
 * event lies and never copied. Only what is left when the event ends moves to a buffer, which is
 * given back as soon as it is empty, so that idle connections hold no bytes.
 *
 * Positions only grow. What comes again, or late, is not put in: it is counted, and the place of
 * bytes that never came in time stays a gap.
 */
#include "flow.h"

#include <stdlib.h>

#include <utlist.h>

#define BUF_FIRST 512

void flow__init(struct flow *flow, struct flow_store *store, struct conn *conn, enum direction dir)
{
	*flow = (struct flow){ .store = store,
			       .conn = conn,
			       .dir = dir,
			       .segs = flow->seg_inline,
			       .seg_cap = SEGS_INLINE };
}

/* --- memory ------------------------------------------------------------------------------- */

static void list_if_holding(struct flow *flow, bool touched)
{
	bool holds = flow->cap || flow->segs != flow->seg_inline;

	if (flow->listed && (touched || !holds)) {
		DL_DELETE(flow->store->idlest, flow);
		flow->listed = false;
	}
	if (holds && !flow->listed) {
		DL_APPEND(flow->store->idlest, flow);
		flow->listed = true;
	}
}

static void free_buf(struct flow *flow)
{
	free(flow->buf);
	flow->store->bytes -= flow->cap;
	flow->buf = NULL;
	flow->cap = 0;
}

static void shrink_segs(struct flow *flow)
{
	if (flow->segs == flow->seg_inline || flow->seg_count > SEGS_INLINE)
		return;
	memcpy(flow->seg_inline, flow->segs, flow->seg_count * sizeof(struct seg));
	free(flow->segs);
	flow->store->bytes -= flow->seg_cap * sizeof(struct seg);
	flow->segs = flow->seg_inline;
	flow->seg_cap = SEGS_INLINE;
}

static bool grow_segs(struct flow *flow)
{
	uint32_t cap = flow->seg_cap < 8 ? 8 : flow->seg_cap * 2;
	bool inlined = flow->segs == flow->seg_inline;
	struct seg *segs;

	if (flow->seg_cap >= SEGS_MAX)
		return false;
	segs = realloc(inlined ? NULL : flow->segs, cap * sizeof(*segs));
	if (!segs)
		return false;
	if (inlined)
		memcpy(segs, flow->seg_inline, sizeof(flow->seg_inline));
	flow->store->bytes += (cap - (inlined ? 0 : flow->seg_cap)) * sizeof(*segs);
	flow->segs = segs;
	flow->seg_cap = cap;
	return true;
}

/* Room for n more bytes behind the held ones, which move to the front when that makes it. */
static char *buf_room(struct flow *flow, size_t n)
{
	size_t need = flow->held + n, cap = flow->cap ? flow->cap : BUF_FIRST;
	char *buf;

	while (cap < need)
		cap *= 2;
	if (cap == flow->cap) {
		if (flow->view + need > flow->buf + cap) {
			memmove(flow->buf, flow->view, flow->held);
			flow->view = flow->buf;
		}
		return flow->buf + (flow->view - flow->buf) + flow->held;
	}
	buf = malloc(cap);
	if (!buf)
		return NULL;
	if (flow->held)
		memcpy(buf, flow->view, flow->held);
	free_buf(flow);
	flow->buf = buf;
	flow->view = buf;
	flow->cap = cap;
	flow->store->bytes += cap;
	return buf + flow->held;
}

/* All held bytes become a gap. */
static void drop_held(struct flow *flow)
{
	for (uint32_t i = 0; i < flow->seg_count; i++)
		flow->segs[i].held = false;
	if (flow->seg_count > SEGS_INLINE) { /* one gap is as good as many */
		flow->segs[0].end = flow->segs[flow->seg_count - 1].end;
		flow->segs[0].stamp = flow->segs[flow->seg_count - 1].stamp;
		flow->seg_count = 1;
	}
	flow->held = 0;
	flow->view = NULL;
	free_buf(flow);
	shrink_segs(flow);
	list_if_holding(flow, false);
}

void flow__release(struct flow *flow)
{
	flow->seg_count = 0;
	drop_held(flow);
}

void flow__settle(struct flow *flow)
{
	struct flow_store *store = flow->store;

	if (flow->held && !flow->cap) { /* borrowed */
		const char *bytes = flow->view;
		size_t n = flow->held;
		char *to;

		flow->held = 0;
		to = buf_room(flow, n);
		flow->held = n;
		if (to) {
			memcpy(to, bytes, n);
		} else {
			store->stats->lost[LOSS_STREAM_EVICTED] += n;
			drop_held(flow);
		}
	}
	list_if_holding(flow, true);
	while (store->bytes > store->bytes_max && store->idlest && store->idlest != flow) {
		struct flow *idlest = store->idlest;

		store->stats->lost[LOSS_STREAM_EVICTED] += idlest->held;
		drop_held(idlest);
	}
}

/* --- segments ----------------------------------------------------------------------------- */

/* Those wholly before the read position go; the one that ends there stays, for its stamp. */
static void drop_passed(struct flow *flow)
{
	uint32_t n = 0;

	while (n + 1 < flow->seg_count && flow->segs[n].end < flow->read)
		n++;
	if (!n)
		return;
	flow->seg_count -= n;
	memmove(flow->segs, flow->segs + n, flow->seg_count * sizeof(struct seg));
	shrink_segs(flow);
}

/* The last segment takes in [its end, end): stamps within it become those of its last byte. */
static void extend_last(struct flow *flow, uint64_t end, const struct stamp *stamp)
{
	flow->segs[flow->seg_count - 1].end = end;
	flow->segs[flow->seg_count - 1].stamp = *stamp;
	flow->known = end;
}

/* false: there is no room for a held segment and its bytes must be dropped. */
static bool add_seg(struct flow *flow, uint64_t end, const struct stamp *stamp, bool held,
		    bool call)
{
	bool any;
	struct seg *last;

	if (flow->muted)
		flow->read = end;
	drop_passed(flow);
	any = flow->seg_count;
	last = &flow->segs[any ? flow->seg_count - 1 : 0];
	if (any && last->held == held && !call && last->stamp.ns == stamp->ns &&
	    last->stamp.tid == stamp->tid) {
		extend_last(flow, end, stamp);
		return true;
	}
	if (flow->seg_count == flow->seg_cap && !grow_segs(flow)) {
		if (last->held && !held) { /* the held bytes before a gap are given up for it */
			size_t n =
				last->end - (last->start > flow->read ? last->start : flow->read);

			flow->held -= n;
			flow->store->stats->lost[LOSS_STREAM_OVERFLOW] += n;
			last->held = false;
			if (!flow->held) {
				flow->view = NULL;
				free_buf(flow);
			}
		}
		extend_last(flow, end, stamp);
		return last->held == held;
	}
	flow->segs[flow->seg_count++] = (struct seg){
		.start = flow->known, .end = end, .stamp = *stamp, .held = held, .call = call
	};
	flow->known = end;
	return true;
}

bool flow__pass(struct flow *flow, uint64_t position, const struct stamp *stamp, bool call)
{
	if (position <= flow->known)
		return false;
	add_seg(flow, position, stamp, false, call);
	return true;
}

void flow__append(struct flow *flow, uint64_t start, struct slice bytes, const struct stamp *stamp,
		  bool call)
{
	uint64_t end = start + bytes.n;
	bool keep = !flow->muted && end > flow->read;
	char *to = NULL;

	if (start < flow->known) { /* again, or late: the first to come is believed */
		flow->store->stats->lost[LOSS_EVENT_LATE]++;
		if (end <= flow->known)
			return;
		bytes = slice_from(bytes, flow->known - start);
		start = flow->known;
		call = false;
	}
	flow__pass(flow, start, stamp, false);
	if (!bytes.n)
		return;
	if (!keep) {
		add_seg(flow, end, stamp, false, call);
		return;
	}
	if (flow->read > start)
		bytes = slice_from(bytes, flow->read - start);
	if (flow->held) {
		to = flow->held + bytes.n <= FLOW_BYTES_MAX ? buf_room(flow, bytes.n) : NULL;
		if (!to) {
			flow->store->stats->lost[LOSS_STREAM_OVERFLOW] += bytes.n;
			add_seg(flow, end, stamp, false, call);
			return;
		}
	}
	if (!add_seg(flow, end, stamp, true, call)) {
		flow->store->stats->lost[LOSS_STREAM_OVERFLOW] += bytes.n;
		return;
	}
	if (to)
		memcpy(to, bytes.p, bytes.n);
	else
		flow->view = bytes.p;
	flow->held += bytes.n;
}

/* --- what decode does ---------------------------------------------------------------------- */

struct slice flow__peek(const struct flow *flow)
{
	uint64_t at = flow->read;

	for (uint32_t i = 0; i < flow->seg_count; i++) {
		const struct seg *seg = &flow->segs[i];

		if (seg->end <= at)
			continue;
		if (!seg->held)
			break;
		at = seg->end;
	}
	return slice(flow->view, at - flow->read);
}

uint64_t flow__position(const struct flow *flow)
{
	return flow->read;
}

uint64_t flow__known_end(const struct flow *flow)
{
	return flow->known;
}

uint64_t flow__call_end(const struct flow *flow)
{
	return flow->call_end > flow->known ? flow->call_end : flow->known;
}

uint64_t flow__gap(const struct flow *flow)
{
	uint64_t at = flow->read;

	for (uint32_t i = 0; i < flow->seg_count; i++) {
		const struct seg *seg = &flow->segs[i];

		if (seg->end <= at)
			continue;
		if (seg->held)
			break;
		at = seg->end;
	}
	return at - flow->read;
}

void flow__skip(struct flow *flow, uint64_t n)
{
	uint64_t to = n <= UINT64_MAX - flow->read ? flow->read + n : UINT64_MAX;
	size_t passed = 0;

	for (uint32_t i = 0; i < flow->seg_count; i++) {
		const struct seg *seg = &flow->segs[i];
		uint64_t start = seg->start > flow->read ? seg->start : flow->read;
		uint64_t end = seg->end < to ? seg->end : to;

		if (seg->held && start < end)
			passed += end - start;
	}
	flow->read = to;
	flow->held -= passed;
	flow->view = flow->held ? flow->view + passed : NULL;
	if (!flow->held && flow->cap)
		free_buf(flow);
	drop_passed(flow);
	list_if_holding(flow, false);
}

struct stamp flow__stamp(const struct flow *flow, uint64_t position)
{
	if (!flow->seg_count)
		return (struct stamp){ 0 };
	for (uint32_t i = 0; i < flow->seg_count; i++)
		if (position < flow->segs[i].end)
			return flow->segs[i].stamp;
	return flow->segs[flow->seg_count - 1].stamp;
}

uint64_t flow__next_call(const struct flow *flow)
{
	for (uint32_t i = 0; i < flow->seg_count; i++)
		if (flow->segs[i].call && flow->segs[i].held && flow->segs[i].start > flow->read)
			return flow->segs[i].start;
	return UINT64_MAX;
}

bool flow__at_call_start(const struct flow *flow)
{
	if (flow->read >= flow->known)
		return flow->read == flow->known && flow->call_end <= flow->known;
	for (uint32_t i = 0; i < flow->seg_count; i++)
		if (flow->segs[i].start == flow->read)
			return flow->segs[i].call;
	return false;
}

void flow__mute(struct flow *flow)
{
	flow->muted = true;
	drop_held(flow);
}
