// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "attribute/node_turns.h"

#include <stdlib.h>
#include <string.h>

#define TURNS_FIRST 64u
#define TURNS_MAX   4096u

struct node_thread *node_thread__new(struct units *units, uint32_t tid)
{
	struct node_thread *thread = calloc(1, sizeof(*thread));

	if (!thread)
		return NULL;
	thread->streams = calloc(NODE_STREAMS, sizeof(*thread->streams));
	if (!thread->streams) {
		free(thread);
		return NULL;
	}
	thread->tid = tid;
	thread->units = units;
	return thread;
}

/* Whoever acts in it acts for nobody from now on. */
static void turn__clear(struct units *units, struct node_turn *turn)
{
	request__unref(units, turn->request);
	hold__unref(units, turn->hold);
	turn->request = NULL;
	turn->hold = NULL;
}

static void clear(struct node_thread *thread)
{
	while (thread->count)
		turn__clear(thread->units, &thread->turns[--thread->count]);
	thread->read_ns = 0;
	memset(thread->streams, 0, NODE_STREAMS * sizeof(*thread->streams));
}

void node_thread__free(struct node_thread *thread)
{
	clear(thread);
	free(thread->turns);
	free(thread->streams);
	free(thread);
}

/* --- the list of turns ----------------------------------------------------------------------- */

static bool may_matter(const struct node_turn *turn)
{
	const struct request *request = turn->request;

	if (turn->hold && !turn->hold->settled)
		return true;
	if (turn->hold)
		request = turn->hold->verdict.request;
	return request && request->open;
}

/* Turns whose request is answered become one where they follow each other. */
static void compact(struct node_thread *thread)
{
	struct node_turn *turns = thread->turns;
	uint32_t kept = 0;

	for (uint32_t i = 0; i < thread->count; i++) {
		struct node_turn *before = kept ? &turns[kept - 1] : NULL;
		bool matters = may_matter(&turns[i]) || i + 1 == thread->count;

		if (!matters && before && !may_matter(before)) {
			turn__clear(thread->units, &turns[i]);
			continue;
		}
		turns[kept++] = turns[i];
	}
	thread->count = kept;
}

static void drop_oldest(struct node_thread *thread, uint32_t n)
{
	if (!n)
		return;
	for (uint32_t i = 0; i < n; i++)
		turn__clear(thread->units, &thread->turns[i]);
	thread->count -= n;
	memmove(thread->turns, thread->turns + n, thread->count * sizeof(*thread->turns));
}

static bool make_room(struct node_thread *thread)
{
	uint32_t room = thread->room ? 2 * thread->room : TURNS_FIRST;
	struct node_turn *turns;

	if (thread->count < thread->room)
		return true;
	if (thread->room)
		compact(thread);
	if (thread->count < thread->room / 2)
		return true;
	turns = room <= TURNS_MAX ? realloc(thread->turns, room * sizeof(*turns)) : NULL;
	if (turns) {
		thread->turns = turns;
		thread->room = room;
		return true;
	}
	if (thread->count)
		drop_oldest(thread, thread->count / 2);
	return thread->count < thread->room;
}

static struct node_turn *begin(struct node_thread *thread, const struct node_ids *ids)
{
	struct node_turn *last = node_thread__now(thread);

	thread->read_ns = 0;
	if (last && last->from == ids->counter) { /* nothing was made in the last one */
		turn__clear(thread->units, last);
	} else if (make_room(thread)) {
		last = &thread->turns[thread->count++];
	} else {
		clear(thread);
		return NULL;
	}
	*last = (struct node_turn){ .number = ++thread->begun,
				    .ns = ids->ns,
				    .from = ids->counter };
	return last;
}

struct node_turn *node_thread__now(const struct node_thread *thread)
{
	return thread->count ? &thread->turns[thread->count - 1] : NULL;
}

/* The turn that made it; NULL: it is older than all of them. */
static struct node_turn *made_by(const struct node_thread *thread, uint64_t id)
{
	uint32_t low = 0, high = thread->count;

	while (low < high) {
		uint32_t middle = (low + high) / 2;

		if (thread->turns[middle].from < id)
			low = middle + 1;
		else
			high = middle;
	}
	return low ? &thread->turns[low - 1] : NULL;
}

/* --- events ---------------------------------------------------------------------------------- */

/* The ids of an event, if they can be; a counter that goes back is that of another environment, in
 * which nothing of this one holds. */
static bool take_ids(struct node_thread *thread, const struct event_unit *event,
		     struct node_ids *ret)
{
	*ret = (struct node_ids){ .ns = event->event.time_ns,
				  .execution = event->event.unit - 1,
				  .trigger = event->other_unit,
				  .counter = event->arg };
	if (ret->execution > ret->counter || ret->trigger > ret->counter)
		return false;
	if (ret->counter < thread->counter)
		clear(thread);
	thread->counter = ret->counter;
	return true;
}

bool node_thread__at(struct node_thread *thread, const struct event_unit *at)
{
	struct node_ids ids;

	if (!take_ids(thread, at, &ids))
		return false;
	thread->ids[thread->next_ids++ % NODE_IDS_KEPT] = ids;
	/* the loop reads before any callback; what a callback reads begins nothing */
	if (!at->other_tid || ids.execution || !begin(thread, &ids))
		return false;
	thread->read_ns = ids.ns;
	return true;
}

/*
 * Callbacks of streams, servers and parsers come again and again: for whom they were made says nothing
 * of one that comes later. One whose place was taken by a younger one counts as such.
 */
static bool is_stream(const struct node_thread *thread, uint64_t id)
{
	return thread->streams[id % NODE_STREAMS] >= id;
}

static void note_stream(struct node_thread *thread, uint64_t id)
{
	uint64_t *place = &thread->streams[id % NODE_STREAMS];

	if (*place < id)
		*place = id;
}

/*
 * The first callback behind a read is that of the read; more of the same id are, too. Another one
 * begins a turn: that of the turn that made it, the first time (a file, a name, a connection set
 * up), else nobody's. Timers and immediates come under id 0.
 */
bool node_thread__scope(struct node_thread *thread, const struct event_unit *scope)
{
	struct node_turn *now, *maker, from = { 0 };
	struct node_ids ids;
	uint64_t id;

	if (!take_ids(thread, scope, &ids))
		return false;
	id = ids.execution;
	now = node_thread__now(thread);
	if (now && id && thread->read_ns && !now->scope) {
		now->scope = scope->event.unit;
		note_stream(thread, id);
		return false;
	}
	if (now && id && now->scope == scope->event.unit)
		return false;
	maker = id && !is_stream(thread, id) ? made_by(thread, id) : NULL;
	if (maker) {
		note_stream(thread, id);
		from = *maker;
		request__ref(from.request);
		hold__ref(from.hold);
	}
	now = begin(thread, &ids);
	if (!now) {
		turn__clear(thread->units, &from);
		return false;
	}
	now->scope = scope->event.unit;
	now->request = from.request;
	now->hold = from.hold;
	now->cause = from.cause;
	now->conn = from.conn;
	return true;
}

void node_thread__read(struct node_thread *thread, uint64_t ns, enum node_cause cause,
		       struct request *request, struct hold *hold, uint64_t conn)
{
	struct node_turn *now = node_thread__now(thread);

	if (!now || !thread->read_ns || thread->read_ns != ns || now->mixed)
		return;
	if (now->cause == NODE_OTHER) {
		now->cause = cause;
		now->conn = conn;
		now->request = request__ref(request);
		now->hold = request ? NULL : hold__ref(hold);
	} else if (now->request != request || (!request && now->hold != hold)) {
		turn__clear(thread->units, now);
		now->cause = NODE_OTHER;
		now->mixed = true;
	}
}

/* --- questions ------------------------------------------------------------------------------- */

const struct node_ids *node_thread__ids(const struct node_thread *thread, uint64_t ns)
{
	for (uint32_t i = 1; i <= NODE_IDS_KEPT; i++) {
		const struct node_ids *ids = &thread->ids[(thread->next_ids - i) % NODE_IDS_KEPT];

		if (ids->ns == ns && ns)
			return ids;
	}
	return NULL;
}

/*
 * Id 0 is the turn itself, between its callbacks; so is the id of its callback. Other ids were made by
 * a turn, and what made them had an id, too, that they name as their trigger: when another turn
 * made that one, the work is that other turn's, which waited for this one (a queue of sockets).
 */
struct node_turn *node_thread__find(const struct node_thread *thread, const struct node_ids *ids,
				    enum node_how *ret_how)
{
	struct node_turn *turn = node_thread__now(thread), *maker;

	*ret_how = NODE_DIRECT;
	if (turn && ids->execution && ids->execution + 1 != turn->scope) {
		turn = made_by(thread, ids->execution);
		if (turn && ids->trigger && ids->trigger + 1 != turn->scope) {
			maker = made_by(thread, ids->trigger);
			*ret_how = maker == turn ? NODE_ASIDE : NODE_TRIGGER;
			turn = maker;
		}
	}
	if (!turn)
		*ret_how = NODE_NOT;
	return turn;
}
