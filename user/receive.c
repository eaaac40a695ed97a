// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Events of several rings come in batches, each ring's in order: a binary heap by (time, arrival)
 * merges them. Their bytes live in blocks that are filled front to back and reused when the last
 * event of a block has been let go; as events leave nearly in the order in which they came, a few
 * blocks serve for ever and no event costs an allocation.
 */
#include "receive.h"

#include <errno.h>
#include <stdlib.h>

#include "base/pool.h"

#define BLOCK_BYTES (64u << 10)
#define BLOCKS_KEPT 64
#define READ_EVERY  (128u << 10) /* bytes let go */
/* no record is larger: a payload class or the path of a Unix socket */
#define RECORD_MAX (sizeof(struct event_data) + DATA_BYTES_MAX)

struct block {
	uint32_t live; /* events in it */
	uint32_t used; /* bytes of it, from the front */
	_Alignas(8) char bytes[BLOCK_BYTES];
};

struct entry {
	uint64_t time_ns;
	uint64_t arrival;
	struct block *block;
	const struct event *event;
};

struct receive {
	struct stats *stats;
	struct event_sink next;
	struct receive_source source;
	uint64_t window_ns;
	uint64_t released_ns; /* time of the newest event let go */
	uint64_t arrivals;
	size_t bytes;  /* of blocks in use */
	size_t unread; /* bytes let go since the source was asked */
	struct pool blocks;
	struct block *filling;
	struct entry *heap;
	size_t count;
	size_t cap;
};

/* --- what may be looked at ---------------------------------------------------------------- */

/* Positions this far apart are nobody's: sums of them cannot overflow. */
static bool position_ok(uint64_t position)
{
	return position <= INT64_MAX;
}

/* 36 years of uptime: later times are nobody's, and sums with them cannot overflow either. */
static bool time_ok(uint64_t time_ns)
{
	return time_ns <= 1ull << 60;
}

static bool tuple_ok(const struct conn_tuple *tuple)
{
	return (tuple->family == FAMILY_INET || tuple->family == FAMILY_INET6 ||
		tuple->family == FAMILY_UNIX) &&
	       tuple->role <= ROLE_CLIENT;
}

static bool data_ok(const struct event_data *data)
{
	return data->conn && data->dir < DIR_COUNT && position_ok(data->position) &&
	       data->captured <= data->event.size - sizeof(*data) && data->offset <= data->length &&
	       data->captured <= data->length - data->offset;
}

static bool body_ok(const struct event *event)
{
	const struct event_conn_open *open = (const void *)event;
	const struct event_shut *shut = (const void *)event;
	const struct event_conn_close *close = (const void *)event;
	const struct event_mark *mark = (const void *)event;

	switch (event->kind) {
	case EVENT_CONN_OPEN:
	case EVENT_CONNECT:
		return open->conn && tuple_ok(&open->tuple);
	case EVENT_SHUT:
		return shut->conn && shut->dir < DIR_COUNT && position_ok(shut->position);
	case EVENT_CONN_CLOSE:
		return close->conn && position_ok(close->position[DIR_IN]) &&
		       position_ok(close->position[DIR_OUT]) && time_ok(close->last_ns[DIR_IN]) &&
		       time_ok(close->last_ns[DIR_OUT]);
	case EVENT_DATA:
		return data_ok((const void *)event);
	case EVENT_MARK:
		return mark->conn && mark->dir < DIR_COUNT && position_ok(mark->position) &&
		       time_ok(mark->last_ns);
	case EVENT_TASK:
		return ((const struct event_task *)event)->change - 1u < TASK_EXIT;
	case EVENT_UNIT:
		return ((const struct event_unit *)event)->change - 1u < UNIT_CHANGE_COUNT - 1u;
	case EVENT_NAME:
		return !((const struct event_name *)event)->text[NAME_BYTES - 1];
	default:
		return true;
	}
}

bool event__valid(const void *record, size_t size)
{
	/* A path or the slack of a payload class may follow the first two; a path the third. */
	static const uint16_t bodies[EVENT_KIND_COUNT] = {
		[EVENT_DATA] = sizeof(struct event_data),
		[EVENT_CONN_OPEN] = sizeof(struct event_conn_open),
		[EVENT_CONNECT] = sizeof(struct event_connect),
		[EVENT_SHUT] = sizeof(struct event_shut),
		[EVENT_CONN_CLOSE] = sizeof(struct event_conn_close),
		[EVENT_MARK] = sizeof(struct event_mark),
		[EVENT_TASK] = sizeof(struct event_task),
		[EVENT_UNIT] = sizeof(struct event_unit),
		[EVENT_LISTEN] = sizeof(struct event_listen),
		[EVENT_NAME] = sizeof(struct event_name),
	};
	const struct event *event = record;
	bool varies;

	if (size < sizeof(*event) || event->size > size || event->size % 8 ||
	    event->size > RECORD_MAX || event->kind >= EVENT_KIND_COUNT || !bodies[event->kind] ||
	    !time_ok(event->time_ns))
		return false;
	varies = event->kind == EVENT_DATA || event->kind == EVENT_CONN_OPEN ||
		 event->kind == EVENT_CONNECT;
	if (event->size < bodies[event->kind] || (!varies && event->size != bodies[event->kind]))
		return false;
	return body_ok(event);
}

/* --- the heap ----------------------------------------------------------------------------- */

static bool before(const struct entry *a, const struct entry *b)
{
	return a->time_ns < b->time_ns || (a->time_ns == b->time_ns && a->arrival < b->arrival);
}

static int heap__push(struct receive *receive, struct entry entry)
{
	struct entry *heap = receive->heap;
	size_t at = receive->count;

	if (at == receive->cap) {
		size_t cap = receive->cap ? receive->cap * 2 : 256;

		heap = realloc(heap, cap * sizeof(*heap));
		if (!heap)
			return -ENOMEM;
		receive->heap = heap;
		receive->cap = cap;
	}
	while (at && before(&entry, &heap[(at - 1) / 2])) {
		heap[at] = heap[(at - 1) / 2];
		at = (at - 1) / 2;
	}
	heap[at] = entry;
	receive->count++;
	return 0;
}

static struct entry heap__pop(struct receive *receive)
{
	struct entry *heap = receive->heap, top = heap[0];
	struct entry last = heap[--receive->count];
	size_t at = 0, child;

	while ((child = at * 2 + 1) < receive->count) {
		if (child + 1 < receive->count && before(&heap[child + 1], &heap[child]))
			child++;
		if (!before(&heap[child], &last))
			break;
		heap[at] = heap[child];
		at = child;
	}
	heap[at] = last;
	return top;
}

/* --- blocks ------------------------------------------------------------------------------- */

static void block__unref(struct receive *receive, struct block *block)
{
	if (--block->live)
		return;
	block->used = 0;
	if (block == receive->filling)
		return;
	receive->bytes -= sizeof(*block);
	pool__put(&receive->blocks, block);
}

static struct block *block__with(struct receive *receive, size_t size)
{
	struct block *block = receive->filling;

	if (block && block->used + size <= BLOCK_BYTES)
		return block;
	block = pool__get(&receive->blocks);
	if (!block)
		return NULL;
	block->live = block->used = 0;
	receive->bytes += sizeof(*block);
	receive->filling = block; /* the full one goes when its last event does */
	return block;
}

/* --- the stage ---------------------------------------------------------------------------- */

struct receive *receive__new(const struct receive_opts *opts, struct event_sink next)
{
	struct receive *receive = calloc(1, sizeof(*receive));

	if (!receive)
		return NULL;
	receive->stats = opts->stats;
	receive->next = next;
	receive->source = opts->source;
	receive->window_ns = opts->window_ns ? opts->window_ns : RECEIVE_WINDOW_NS;
	receive->blocks = (struct pool){ .size = sizeof(struct block), .keep = BLOCKS_KEPT };
	return receive;
}

static void let_go(struct receive *receive)
{
	struct entry entry = heap__pop(receive);

	receive->released_ns = entry.time_ns;
	receive->unread += entry.event->size;
	receive->next.push(receive->next.ctx, entry.event);
	block__unref(receive, entry.block);
}

int receive__push(struct receive *receive, const void *record, size_t size)
{
	const struct event *event = record;
	struct block *block;
	struct entry entry;

	if (!event__valid(record, size)) {
		receive->stats->lost[LOSS_EVENT_BAD]++;
		return -EBADMSG;
	}
	size = event->size;
	receive->stats->events++;
	receive->stats->event_bytes += size;
	if (event->time_ns < receive->released_ns) {
		receive->stats->lost[LOSS_EVENT_LATE]++;
		receive->next.push(receive->next.ctx, event);
		return 0;
	}
	block = block__with(receive, size);
	if (!block) {
		receive->stats->lost[LOSS_EVENT_NO_MEMORY]++;
		return -ENOMEM;
	}
	entry = (struct entry){ .time_ns = event->time_ns,
				.arrival = receive->arrivals++,
				.block = block,
				.event = (const void *)(block->bytes + block->used) };
	memcpy(block->bytes + block->used, event, size);
	if (heap__push(receive, entry)) {
		receive->stats->lost[LOSS_EVENT_NO_MEMORY]++;
		return -ENOMEM;
	}
	block->used += (uint32_t)size;
	block->live++;
	while (receive->bytes > RECEIVE_BYTES_MAX && receive->count)
		let_go(receive);
	return 0;
}

void receive__tick(struct receive *receive, uint64_t now_ns)
{
	uint64_t until = now_ns > receive->window_ns ? now_ns - receive->window_ns : 0;

	while (receive->count && receive->heap[0].time_ns <= until) {
		let_go(receive);
		if (receive->unread < READ_EVERY || !receive->source.read)
			continue;
		receive->unread = 0;
		receive->source.read(receive->source.ctx);
	}
}

void receive__flush(struct receive *receive)
{
	while (receive->count)
		let_go(receive);
}

void receive__free(struct receive *receive)
{
	if (!receive)
		return;
	for (size_t i = 0; i < receive->count; i++) {
		struct block *block = receive->heap[i].block;

		if (--block->live == 0 && block != receive->filling)
			free(block);
	}
	free(receive->filling);
	pool__release(&receive->blocks);
	free(receive->heap);
	free(receive);
}
