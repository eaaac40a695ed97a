// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Java: threads, and who unparks whom. A thread that has read a request and has not answered it
 * works for that one (threads.c); a thread without one works for somebody else, or for nobody, and
 * its call is held until it shows for whom:
 *
 *     a task that unparks a thread which waits for a result (a future of java.util.concurrent) has
 *     completed that; when it has completed the futures of one request only by the time it ends,
 *     all its calls were made for that request.
 *
 * Where a task ends is told by the pool's own count (java.h). Without that nothing is concluded: a
 * worker takes the next task without any sign of it, and that one may complete a future, too.
 * What the queue of a pool hands over is not looked at either: busy workers take tasks with no
 * unpark at all, and idle ones wake each other.
 *
 * The answer may be read by another thread than the one that completes the future: the selector of
 * java.net.http hands it to a worker through a SynchronousQueue. An unpark of a thread that waits in
 * one is that hand-over, one to one; it is for the worker's next task.
 */
#include "attribute/java.h"

#include <stdlib.h>
#include <string.h>

#include <utlist.h>

static struct java *java__of(struct group *group)
{
	if (!group->state)
		group->state = calloc(1, sizeof(struct java));
	return group->state;
}

/* --- requests ----------------------------------------------------------------------------------- */

/* The request that the thread itself has read and works on. */
static struct verdict own_request(struct unit *unit, const struct jthread *thread)
{
	struct verdict verdict = unit__alone(unit);
	const struct request *request = verdict.request;

	if (!request)
		return verdict;
	if ((request->runtime_unit & 3) != JAVA_UNIT_THREAD) /* virtual threads take turns on it */
		return verdict_root(ROOT_WHY_RUNTIME);
	if (thread && thread->unsure)
		return verdict_root(ROOT_WHY_DOUBT);
	/* sockets that never block: either an event loop, or a worker of a pool that such a loop
	 * has woken */
	if (request->looped && !(thread && thread->worker))
		return verdict_root(ROOT_WHY_LOOP);
	return verdict;
}

/* The thread has gone from its request without an answer: others will give that. */
static void leave_request(struct group *group, struct unit *unit)
{
	if (unit->open == 1 && unit->cur && unit->cur->unit == unit)
		request__move(unit->cur, NULL);
	unit__turn(group->units, unit, TURN_NONE, NULL);
}

/* The thread does something while its unit is that one; NULL: without memory. */
static struct jthread *jthread__at(struct group *group, uint32_t tid, uint64_t unit_now,
				   uint64_t ns)
{
	struct jthread *thread = java__of(group) ? jthread__get(group, tid) : NULL;
	struct unit *unit;

	if (!thread || ns < thread->seen_ns)
		return thread; /* known late */
	thread->seen_ns = ns;
	if (unit_now == thread->task.unit || (!junit__has_task(unit_now) && thread->task.unit))
		return thread;
	if (junit__has_task(thread->task.unit)) {
		jtask__end(group, &thread->task);
		unit = group__unit(group, tid);
		if (unit && unit->open && unit->cur && unit->cur->runtime_unit == thread->task.unit)
			leave_request(group, unit);
	} else if (unit_now >> JAVA_UNIT_TASK_SHIFT > 1) {
		jtask__clear(group, &thread->task); /* not what it was made for */
	}
	jthread__set_result(group, thread, NULL);
	thread->task.unit = unit_now;
	thread->task.whole &= !junit__has_task(unit_now);
	return thread;
}

static void java__request(struct unit *unit, struct request *request, const struct stamp *at)
{
	struct jthread *thread = jthread__at(unit->group, unit->tid, at->unit, at->ns);

	if (!thread)
		return;
	thread->parked = false;
	if (unit->open == 1)
		thread->unsure = false;
	jthread__set_result(unit->group, thread, NULL);
}

/* Whoever answers what another thread has read: requests move between threads, and what a thread
 * has read last proves nothing. */
static void java__answered(struct unit *unit, struct request *request, const struct stamp *at)
{
	if (request->unit && request->unit != unit)
		unit->group->migrating = true;
}

static struct verdict java__who(struct unit *unit, const struct call_site *site)
{
	struct group *group = unit->group;
	struct jthread *thread = jthread__at(group, unit->tid, site->at->unit, site->at->ns);
	struct verdict verdict = own_request(unit, thread);

	if (!thread)
		return verdict;
	thread->parked = false;
	jthread__set_result(group, thread, NULL);
	if (verdict.request && site->connecting)
		verdict.by = PARENT_BY_CONNECT;
	if (verdict.request || verdict.why != ROOT_WHY_NO_REQUEST || !java__of(group)->parks)
		return verdict;
	hold__unref(group->units, thread->call);
	thread->call = hold__new();
	if (!thread->call)
		return verdict;
	thread->call->begun_ns = site->at->ns;
	if (!site->connecting && jtask__known(&thread->task) &&
	    (site->at->unit == thread->task.unit || thread->task.whole))
		jtask__add(group, &thread->task, thread->call);
	return (struct verdict){ .why = ROOT_WHY_EXPIRED, .hold = thread->call };
}

static void java__response(struct unit *unit, struct request *owner, const struct call_site *site)
{
	struct group *group = unit->group;
	struct jthread *thread = jthread__at(group, unit->tid, site->at->unit, site->at->ns);

	if (!thread)
		return;
	thread->parked = false;
	if (site->at->ns <= thread->unpark_ns)
		return; /* known late: it has gone on since */
	/* in a pool's task it is the task's own call, or nothing that we know of */
	jthread__set_result(group, thread,
			    site->complete && !junit__has_task(thread->task.unit) ? site->hold :
										    NULL);
}

/* --- parks ---------------------------------------------------------------------------------------- */

/* Deeper on its stack than this a thread does not wait for its pool's next task. */
#define HOME_DEPTH 8192

static void go_idle(struct group *group, struct jthread *thread, const struct event_unit *park)
{
	struct unit *unit = group__unit(group, thread->tid);
	bool shallow = park->other_tid <= HOME_DEPTH;

	jthread__set_result(group, thread, NULL);
	if (!junit__has_task(thread->task.unit)) { /* a pool of another kind, as it seems */
		jtask__clear(group, &thread->task);
		thread->task.whole = false;
	}
	if (!unit || !unit->open) {
		if (shallow) {
			thread->home = park->other_unit;
			thread->worker = true;
		}
		if (unit)
			unit__turn(group->units, unit, TURN_NONE, NULL);
	} else if (junit__has_task(thread->task.unit) || !shallow) {
		return; /* it waits for something in the middle of its task */
	} else if (thread->home && thread->home == park->other_unit) {
		leave_request(group, unit);
	} else if (!thread->home) {
		thread->unsure = true;
	}
}

static void on_park(struct group *group, const struct event_unit *park)
{
	struct jthread *thread =
		jthread__at(group, park->event.tid, park->event.unit, park->event.time_ns);
	struct java *java = group->state;

	if (!thread)
		return;
	java->parks = true;
	thread->blocker = java__blocker(java, park->arg);
	thread->parked = true;
	if (thread->blocker == BLOCKER_IDLE || thread->blocker == BLOCKER_EXCHANGE)
		go_idle(group, thread, park);
}

/* The waker's task has completed what the woken one waits for. */
static void complete(struct group *group, struct jthread *waker, const struct jthread *woken)
{
	struct unit *unit = group__unit(group, woken->tid);
	struct verdict verdict =
		unit ? own_request(unit, woken) : verdict_root(ROOT_WHY_NO_REQUEST);

	if (!jtask__known(&waker->task))
		return;
	if (verdict.request || junit__has_task(woken->task.unit))
		jtask__claim(group, &waker->task, verdict.request, woken);
	else
		waker->task.several = true; /* for somebody whom we do not know */
}

/* The woken thread gets what the waker has in hand, for its next task: its count is that one's. */
static void hand_over(struct group *group, struct jthread *waker, struct jthread *woken,
		      const struct event_unit *unpark)
{
	struct hold *call = waker->result;

	if (junit__has_task(unpark->other_unit) &&
	    jthread__at(group, woken->tid, unpark->other_unit, unpark->event.time_ns) == woken &&
	    woken->task.unit == unpark->other_unit) {
		jtask__add(group, &woken->task, call);
		jthread__set_result(group, woken, call);
	}
	jthread__set_result(group, waker, NULL);
}

static void on_unpark(struct group *group, const struct event_unit *unpark)
{
	struct jthread *waker =
		jthread__at(group, unpark->event.tid, unpark->event.unit, unpark->event.time_ns);
	struct jthread *woken = unpark->other_tid ? jthread__get(group, unpark->other_tid) : NULL;
	const struct unit *unit;

	if (!waker)
		return;
	waker->parked = false;
	waker->unpark_ns = unpark->event.time_ns;
	if (!woken || woken == waker)
		return;
	if (woken->blocker == BLOCKER_EXCHANGE) {
		unit = group__unit(group, woken->tid);
		/* Else it waits in the middle of a request; or has not parked (yet), and may as well
		 * be about to wait for a lock that the waker gives back: then who has what now? */
		if (woken->parked && (!unit || !unit->open))
			hand_over(group, waker, woken, unpark);
		else if (!woken->parked)
			jthread__set_result(group, waker, NULL);
	} else if (woken->parked && woken->blocker == BLOCKER_RESULT) {
		complete(group, waker, woken);
	}
	woken->parked = false;
}

/* A thread is made for a task: the first one of a pool's new worker, or its only one. */
static void on_create(struct group *group, const struct event_unit *create)
{
	struct jthread *maker, *made;

	jthread__drop(group, create->other_tid);
	made = jthread__get(group, create->other_tid);
	maker = jthread__find(group->state, create->event.tid);
	if (!made)
		return;
	made->task.whole = true;
	if (!maker)
		return;
	if (maker->result) {
		jtask__add(group, &made->task, maker->result);
		jthread__set_result(group, maker, NULL);
	}
}

static void on_end(struct group *group, const struct event_unit *exit)
{
	struct jthread *thread = jthread__find(group->state, exit->event.tid);

	if (thread && jtask__known(&thread->task))
		jtask__end(group, &thread->task);
	jthread__drop(group, exit->event.tid);
}

static void java__event(struct group *group, const struct event_unit *event)
{
	if (!java__of(group))
		return;
	switch (event->change) {
	case UNIT_PARK:
		on_park(group, event);
		break;
	case UNIT_UNPARK:
		on_unpark(group, event);
		break;
	case UNIT_GC:
		java__moved(group->state);
		break;
	case UNIT_CREATE:
		on_create(group, event);
		break;
	case UNIT_EXIT:
		on_end(group, event);
		break;
	}
}

static void java__named(struct group *group, const struct event_name *event)
{
	struct java *java = java__of(group);

	if (java)
		java__name_class(java, event->key, event->text);
}

const struct unit_rules java_rules = {
	.name = "java",
	.moves_freely = true, /* the selector of an HTTP client reads all answers */
	.request = java__request,
	.answered = java__answered,
	.who = java__who,
	.response = java__response,
	.event = java__event,
	.named = java__named,
	.distrust = java__distrust,
	.release = java__release,
};
