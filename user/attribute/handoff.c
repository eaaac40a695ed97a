// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Which wake tells for whom a worker has worked? Not the one that hands the task over: idle workers
 * wake each other, busy ones take tasks with no wake at all. But when the worker W has read the
 * answer to its call and then wakes a thread H that has an open request and has slept since before
 * that answer came, then H has waited for it: the call belongs to H's request. Until then the call
 * is held; in a fan-out only the call that H waits for last is claimed, the others stay roots.
 *
 * A thread that a request's thread has made works for that request, unless a wake says otherwise (a
 * pool makes its threads within a request, and they take any task).
 *
 * Wakes that say nothing: of threads that wait with a short time-out (CPython's lock is asked for in
 * rounds of 5 ms), on addresses that are locks (whoever waits on them wakes others on them), and in
 * Ruby, whose lock looks like everything else, all but those of a thread that waits for seconds: it
 * has ended and is kept for the next one to be made, so that such a wake makes a thread.
 */
#define HASH_NONFATAL_OOM 1 /* before any header takes uthash.h in */

#include "attribute/handoff.h"

#include <stdlib.h>
#include <string.h>

#include <utlist.h>

#include "process.h"

#define WORKERS_MAX   4096 /* of a process */
#define ADDRESSES_MAX 4096
#define TASKS_MAX     32 /* calls of one activation that wait for a claim */
#define WAITERS	      8
#define WAKES_DECAY   64

/* One call (or a connect and its call) of a worker that nobody has claimed yet. */
struct task {
	struct hold *hold;
	uint32_t calls;	  /* begun */
	uint32_t pending; /* of them not answered */
	uint64_t last_ns; /* when the last answer was read */
	bool was_open;	  /* the hint was, then */
	struct task *prev, *next;
};

/* A thread that works for others. An activation goes from one hand-over to the next. */
struct worker {
	uint32_t tid;
	uint32_t from;	      /* thread that handed over; 0: not known */
	uint64_t begun_ns;    /* of the activation */
	struct request *hint; /* a reference: of that thread's request then */
	bool strong;	      /* ... which made this thread */
	bool claimed;	      /* calls of it were: it is a pool's */
	struct task *tasks;   /* oldest first; the last one is current */
	uint32_t count;
	struct worker *prev, *next; /* idlest first */
	UT_hash_handle hh;
};

/* A futex that threads were woken from. */
struct address {
	uint64_t at;
	uint32_t wakes;
	uint32_t by_waiters; /* of them by threads that have waited on it themselves */
	uint32_t waiters[WAITERS];
	uint32_t next_waiter;
	UT_hash_handle hh;
};

struct handoff {
	/* Seen for good. Where tasks end without a wake (their waiter waits for another one first), and
	 * others make no call, a wake may tell of another task than the one that made the call. */
	bool unclaimed;		/* a worker began a call though nobody had claimed its last one */
	bool callless;		/* a worker woke one who had waited, and had made no call for it */
	struct worker *workers; /* by tid */
	struct worker *idlest;
	struct address *addresses;
};

/* --- workers and their tasks ----------------------------------------------------------------- */

static void task__free(struct units *units, struct worker *worker, struct task *task)
{
	DL_DELETE(worker->tasks, task);
	worker->count--;
	hold__unref(units, task->hold);
	free(task);
}

static bool is_ruby(const struct group *group)
{
	return group->process && group->process->runtime == RUNTIME_RUBY;
}

/*
 * Nobody will claim its calls any more. They are those of the thread's maker if they are anybody's:
 * a thread that has ended was made for them. A pool's thread does not end.
 */
static void worker__end(struct group *group, struct worker *worker, bool ended)
{
	struct verdict verdict = { .request = worker->hint, .by = PARENT_BY_CREATE };
	bool made = worker->strong && (ended || is_ruby(group));

	while (worker->tasks) {
		struct hold *hold = worker->tasks->hold;

		hold__settle(group->units, hold,
			     made && worker->tasks->was_open ? verdict :
							       verdict_root(ROOT_WHY_EXPIRED));
		task__free(group->units, worker, worker->tasks);
	}
	request__unref(group->units, worker->hint);
	worker->hint = NULL;
	worker->strong = false;
	worker->from = 0;
}

static struct worker *worker__find(const struct handoff *handoff, uint32_t tid)
{
	struct worker *worker = NULL;

	if (handoff)
		HASH_FIND(hh, handoff->workers, &tid, sizeof(tid), worker);
	return worker;
}

static void worker__free(struct group *group, struct worker *worker)
{
	struct handoff *handoff = group->state;

	worker__end(group, worker, true);
	HASH_DEL(handoff->workers, worker);
	DL_DELETE(handoff->idlest, worker);
	free(worker);
}

static struct handoff *handoff__get(struct group *group)
{
	if (!group->state)
		group->state = calloc(1, sizeof(struct handoff));
	return group->state;
}

static struct worker *worker__get(struct group *group, uint32_t tid)
{
	struct handoff *handoff = handoff__get(group);
	struct worker *worker = worker__find(handoff, tid);

	if (!handoff)
		return NULL;
	if (!worker) {
		if (HASH_COUNT(handoff->workers) >= WORKERS_MAX) {
			group->units->stats->lost[LOSS_UNIT_TABLE_FULL]++;
			handoff->idlest->strong = false;
			worker__free(group, handoff->idlest);
		}
		worker = calloc(1, sizeof(*worker));
		if (!worker)
			return NULL;
		worker->tid = tid;
		HASH_ADD(hh, handoff->workers, tid, sizeof(tid), worker);
		if (!worker->hh.tbl) {
			free(worker);
			return NULL;
		}
	} else {
		DL_DELETE(handoff->idlest, worker);
	}
	DL_APPEND(handoff->idlest, worker);
	return worker;
}

static struct task *worker__task(struct group *group, struct worker *worker)
{
	struct task *task = worker->tasks ? worker->tasks->prev : NULL; /* the last one */
	struct handoff *handoff = group->state;
	struct units *units = group->units;

	/* two tasks must never share one */
	if (task && !(task->calls && !task->pending))
		return task;
	handoff->unclaimed |= task && worker->claimed;
	task = calloc(1, sizeof(*task));
	if (!task)
		return NULL;
	task->hold = hold__new();
	if (!task->hold) {
		free(task);
		return NULL;
	}
	if (worker->count >= TASKS_MAX) {
		hold__settle(units, worker->tasks->hold, verdict_root(ROOT_WHY_EXPIRED));
		task__free(units, worker, worker->tasks);
	}
	DL_APPEND(worker->tasks, task);
	worker->count++;
	return task;
}

/* --- calls ------------------------------------------------------------------------------------ */

struct verdict handoff__who(struct unit *unit, const struct call_site *site,
			    struct verdict otherwise)
{
	struct group *group = unit->group;
	struct worker *worker = worker__find(group->state, unit->tid);
	struct task *task;

	/* it has served a request itself since it was handed anything */
	if (otherwise.why == ROOT_WHY_CLOSED && (!worker || worker->begun_ns <= unit->ns))
		return otherwise;
	if (!(group->flags & RECIPE_WAKES) && !(worker && worker->strong))
		return otherwise; /* nothing would ever tell */
	worker = worker ? worker : worker__get(group, unit->tid);
	task = worker ? worker__task(group, worker) : NULL;
	if (!task)
		return otherwise;
	if (!site->connecting) {
		task->calls++;
		task->pending++;
	}
	return (struct verdict){ .why = ROOT_WHY_EXPIRED, .hold = task->hold };
}

void handoff__response(struct unit *unit, const struct call_site *site)
{
	struct worker *worker = worker__find(unit->group->state, unit->tid);
	struct task *task;

	if (!worker)
		return;
	DL_FOREACH(worker->tasks, task) {
		if (task->hold != site->hold || !task->pending)
			continue;
		task->pending--;
		task->last_ns = site->at->ns;
		task->was_open = worker->hint && worker->hint->open;
		if (worker->strong && task->was_open && is_ruby(unit->group))
			hold__set_fallback(unit->group->units, task->hold, worker->hint,
					   PARENT_BY_CREATE);
		break;
	}
}

/* --- wakes ------------------------------------------------------------------------------------ */

static bool waited_on(const struct address *address, uint32_t tid)
{
	for (int i = 0; i < WAITERS; i++)
		if (address->waiters[i] == tid)
			return true;
	return false;
}

static struct address *address__get(struct handoff *handoff, uint64_t at)
{
	struct address *address;

	HASH_FIND(hh, handoff->addresses, &at, sizeof(at), address);
	if (address)
		return address;
	if (HASH_COUNT(handoff->addresses) >= ADDRESSES_MAX) { /* the oldest one */
		address = handoff->addresses;
		HASH_DEL(handoff->addresses, address);
		free(address);
	}
	address = calloc(1, sizeof(*address));
	if (!address)
		return NULL;
	address->at = at;
	HASH_ADD(hh, handoff->addresses, at, sizeof(at), address);
	if (address->hh.tbl)
		return address;
	free(address);
	return NULL;
}

/* Notes the wake, and tells whether the address behaves like a lock. */
static bool is_lock(struct handoff *handoff, uint64_t at, uint32_t waker, uint32_t waiter)
{
	struct address *address = address__get(handoff, at);

	if (!address)
		return true;
	address->wakes++;
	address->by_waiters += waited_on(address, waker);
	if (!waited_on(address, waiter))
		address->waiters[address->next_waiter++ % WAITERS] = waiter;
	if (address->wakes >= WAKES_DECAY) {
		address->wakes /= 2;
		address->by_waiters /= 2;
	}
	return address->by_waiters >= 3 && address->by_waiters * 10 > address->wakes * 3;
}

/* Has the worker just done what the thread that it wakes has waited for? */
static bool is_result(const struct worker *worker, const struct event_unit *wake)
{
	const struct task *task = worker && worker->tasks ? worker->tasks->prev : NULL;

	return task && task->calls && !task->pending && !task->hold->settled && wake->other_unit &&
	       wake->other_unit < task->last_ns;
}

/* The results of the process tell whose calls were made, as far as it has shown. */
static bool is_telling(const struct group *group)
{
	const struct handoff *handoff = group->state;

	return is_ruby(group) || !handoff->unclaimed || !handoff->callless;
}

static void claim(struct group *group, struct worker *worker, struct request *request)
{
	struct verdict verdict = { .request = request, .by = PARENT_BY_RESULT_WAKE };
	struct task *last = worker->tasks->prev, *task;

	hold__settle(group->units, last->hold, verdict);
	worker->claimed = true;
	/* And its earlier calls, of a thread that was made for this request. Who was only handed a task for
	 * it may have found somebody else's in the queue first, whom no wake told of its end. */
	DL_FOREACH(worker->tasks, task)
		if (task != last && worker->strong && worker->hint == request && task->calls &&
		    !task->pending)
			hold__settle(group->units, task->hold, verdict);
	if (worker->hint != request) /* what made this thread says nothing of its work */
		worker->strong = false;
	worker__end(group, worker, false);
}

/* H is woken by W, without a result: it may be handed something to do. */
static void hand_over(struct group *group, const struct event_unit *wake, struct request *request)
{
	struct unit *unit = group__unit(group, wake->other_tid);
	struct worker *worker = worker__find(group->state, wake->other_tid);
	const struct task *task = worker && worker->tasks ? worker->tasks->prev : NULL;

	if ((unit && unit->open) || (task && task->pending))
		return; /* in the middle of something */
	if (worker && worker->strong && !task && !is_ruby(group))
		return; /* made for a task that it has not begun */
	worker = worker__get(group, wake->other_tid);
	if (!worker)
		return;
	worker__end(group, worker, false);
	worker->begun_ns = wake->event.time_ns;
	worker->from = wake->event.tid;
	worker->hint = request__ref(request);
	worker->strong = request && is_ruby(group);
}

/* A thread that has done what it was made for may work for others by now. */
static void doubt_maker(struct group *group, const struct event_unit *wake,
			const struct request *theirs)
{
	struct worker *worker = worker__find(group->state, wake->other_tid);

	if (worker && worker->strong && worker->tasks && theirs && theirs != worker->hint &&
	    !worker->tasks->prev->pending)
		worker__end(group, worker, false);
}

static bool says_nothing(const struct group *group, const struct event_unit *wake)
{
	uint8_t wait = wake->event.flags & (EVENT_WAIT_SHORT | EVENT_WAIT_LONG);

	if (is_ruby(group))
		return wait != EVENT_WAIT_LONG;
	return wait == EVENT_WAIT_SHORT;
}

static void on_wake(struct group *group, const struct event_unit *wake)
{
	struct handoff *handoff = handoff__get(group);
	struct unit *waker = group__unit(group, wake->event.tid);
	struct unit *woken = group__unit(group, wake->other_tid);
	struct worker *worker = worker__find(handoff, wake->event.tid);
	struct verdict theirs = woken ? unit__own(woken) : verdict_root(ROOT_WHY_NO_REQUEST);
	struct verdict ours = waker ? unit__own(waker) : verdict_root(ROOT_WHY_NO_REQUEST);

	doubt_maker(group, wake, ours.request);
	if (!handoff || wake->event.tid == wake->other_tid || says_nothing(group, wake) ||
	    is_lock(handoff, wake->arg, wake->event.tid, wake->other_tid))
		return;
	if (theirs.request && worker && !(waker && waker->open)) {
		handoff->callless |= worker->claimed && !worker->tasks;
		if (is_result(worker, wake) && is_telling(group)) {
			claim(group, worker, theirs.request);
			return;
		}
	}
	if (worker && worker->from == wake->other_tid) { /* it gives back what it was handed */
		worker__end(group, worker, false);
		return;
	}
	hand_over(group, wake, ours.request);
}

static void on_create(struct group *group, const struct event_unit *create)
{
	struct unit *maker = group__unit(group, create->event.tid);
	struct verdict verdict = maker ? unit__own(maker) : verdict_root(ROOT_WHY_NO_REQUEST);
	struct worker *worker = worker__find(group->state, create->other_tid);

	if (worker) { /* an old thread's number, whose end was not seen */
		worker->strong = false;
		worker__free(group, worker);
	}
	if (!verdict.request)
		return;
	worker = worker__get(group, create->other_tid);
	if (!worker)
		return;
	worker->begun_ns = create->event.time_ns;
	worker->from = create->event.tid;
	worker->hint = request__ref(verdict.request);
	worker->strong = true;
}

void handoff__event(struct group *group, const struct event_unit *event)
{
	struct worker *worker;

	switch (event->change) {
	case UNIT_WAKE:
		on_wake(group, event);
		break;
	case UNIT_CREATE:
		on_create(group, event);
		break;
	case UNIT_EXIT:
		worker = worker__find(group->state, event->event.tid);
		if (worker)
			worker__free(group, worker);
		break;
	}
}

void handoff__release(struct group *group)
{
	struct handoff *handoff = group->state;
	struct address *address, *next;

	if (!handoff)
		return;
	while (handoff->idlest) {
		handoff->idlest->strong = false;
		worker__free(group, handoff->idlest);
	}
	HASH_ITER(hh, handoff->addresses, address, next) {
		HASH_DEL(handoff->addresses, address);
		free(address);
	}
	free(handoff);
	group->state = NULL;
}
