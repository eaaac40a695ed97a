// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Java: threads, and who unparks whom. A thread that has read a request and has not answered it
 * works for that one (threads.c); a thread without one works for somebody else, or for nobody, and
 * its call is held until the result shows for whom:
 *
 *     who has read the answer to a call and then unparks a thread that waits for a result (a future
 *     of java.util.concurrent) since before that answer came, and that has an open request since
 *     before the call began, has worked for that request.
 *
 * The answer may be read by another thread than the one that completes the future: the selector of
 * java.net.http hands it to a worker through a SynchronousQueue, and an unpark of a thread that
 * waits in one is that hand-over, one to one. It goes unseen when the worker spins instead of
 * waiting; then a worker may complete the future of another answer than the one it was handed last,
 * so nothing is concluded as long as a selector has an answer that it has not handed to anybody.
 *
 * What queues hand over is not looked at: busy workers take tasks with no unpark at all, and idle
 * ones wake each other.
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
	if (request->runtime_unit != JAVA_UNIT_THREAD) /* virtual threads take turns on it */
		return verdict_root(ROOT_WHY_RUNTIME);
	if (thread && thread->unsure)
		return verdict_root(ROOT_WHY_DOUBT);
	/* sockets that never block: either an event loop, or a worker of a pool that such a loop
	 * has woken */
	if (request->looped && !(thread && thread->worker))
		return verdict_root(ROOT_WHY_LOOP);
	return verdict;
}

static void java__request(struct unit *unit, struct request *request, const struct stamp *at)
{
	struct java *java = java__of(unit->group);
	struct jthread *thread = java ? jthread__get(unit->group, unit->tid) : NULL;

	if (!thread)
		return;
	thread->parked = false;
	if (unit->open == 1)
		thread->unsure = false;
	jthread__set_result(unit->group, thread, NULL, 0);
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
	struct java *java = java__of(group);
	struct jthread *thread = java ? jthread__get(group, unit->tid) : NULL;
	struct verdict verdict = own_request(unit, thread);

	if (!thread)
		return verdict;
	thread->parked = false;
	jthread__set_result(group, thread, NULL, 0);
	if (verdict.request && site->connecting)
		verdict.by = PARENT_BY_CONNECT;
	if (verdict.request || verdict.why != ROOT_WHY_NO_REQUEST || !java->parks)
		return verdict;
	hold__unref(group->units, thread->call);
	thread->call = hold__new();
	if (thread->call) {
		thread->call->begun_ns = site->at->ns;
		verdict = (struct verdict){ .why = ROOT_WHY_EXPIRED, .hold = thread->call };
	}
	return verdict;
}

static void java__response(struct unit *unit, struct request *owner, const struct call_site *site)
{
	struct group *group = unit->group;
	struct java *java = java__of(group);
	struct jthread *thread = java ? jthread__get(group, unit->tid) : NULL;

	if (!thread)
		return;
	thread->parked = false;
	if (site->at->ns <= thread->unpark_ns)
		return; /* known late: it has gone on since */
	if (thread->selector && thread->result && thread->result_read &&
	    thread->result != site->hold)
		java->spun_ns = site->at->ns;
	jthread__set_result(group, thread, site->complete ? site->hold : NULL, site->at->ns);
	thread->result_read = true;
	thread->result_since_ns = site->at->ns;
}

/* --- parks ---------------------------------------------------------------------------------------- */

/* Deeper on its stack than this a thread does not wait for its pool's next task. */
#define HOME_DEPTH 8192

static void go_idle(struct group *group, struct jthread *thread, const struct event_unit *park)
{
	struct units *units = group->units;
	struct unit *unit = group__unit(group, thread->tid);
	bool shallow = park->other_tid <= HOME_DEPTH;

	jthread__set_result(group, thread, NULL, 0);
	if (!unit || !unit->open) {
		if (shallow) {
			thread->home = park->other_unit;
			thread->worker = true;
		}
		if (unit)
			unit__turn(units, unit, TURN_NONE, NULL);
	} else if (shallow && thread->home && thread->home == park->other_unit) {
		/* back in its pool without an answer: others will give that */
		if (unit->open == 1 && unit->cur && unit->cur->unit == unit)
			request__move(unit->cur, NULL);
		unit__turn(units, unit, TURN_NONE, NULL);
	} else if (shallow && !thread->home) {
		thread->unsure = true;
	}
}

static void on_park(struct group *group, struct java *java, const struct event_unit *park)
{
	struct jthread *thread = jthread__get(group, park->event.tid);

	java->parks = true;
	if (!thread)
		return;
	thread->blocker = java__blocker(java, park->arg);
	thread->parked = true;
	thread->park_ns = park->event.time_ns;
	if (thread->blocker != BLOCKER_IDLE && thread->blocker != BLOCKER_EXCHANGE)
		return;
	if (thread->blocker == BLOCKER_EXCHANGE && thread->handed) /* it will not sleep */
		thread->parked = false;
	else
		go_idle(group, thread, park);
	thread->handed = false;
}

/* A worker has been handed an answer; since then another one may have come to it unseen. */
static bool may_be_anothers(const struct java *java, const struct jthread *waker)
{
	const struct jthread *other;

	if (waker->result_read)
		return false;
	if (java->spun_ns > waker->result_since_ns)
		return true;
	for (other = java->threads; other; other = other->hh.next) {
		if (other != waker && other->selector && other->result && other->result_read &&
		    other->result_since_ns > waker->result_since_ns)
			return true;
	}
	return false;
}

/* The waker has completed what the woken one waits for. */
static void give_result(struct group *group, struct jthread *waker, const struct jthread *woken)
{
	struct unit *unit = group__unit(group, woken->tid);
	struct verdict verdict = unit ? own_request(unit, woken) : verdict_root(ROOT_WHY_DOUBT);
	struct hold *call = waker->result;

	if (verdict.request && !call->settled && woken->park_ns < waker->result_ns &&
	    verdict.request->read_ns < call->begun_ns && !may_be_anothers(group->state, waker)) {
		verdict.by = PARENT_BY_PARK;
		hold__settle(group->units, call, verdict);
	}
	jthread__set_result(group, waker, NULL, 0);
}

static void hand_over(struct group *group, struct jthread *waker, struct jthread *woken,
		      uint64_t now_ns)
{
	jthread__set_result(group, woken, waker->result, waker->result_ns);
	woken->result_since_ns = waker->result_read ? now_ns : waker->result_since_ns;
	woken->result_read = false;
	jthread__set_result(group, waker, NULL, 0);
}

static void on_unpark(struct group *group, const struct event_unit *unpark)
{
	struct jthread *waker = jthread__get(group, unpark->event.tid);
	struct jthread *woken = unpark->other_tid ? jthread__get(group, unpark->other_tid) : NULL;
	const struct unit *unit;

	if (!waker)
		return;
	waker->parked = false;
	waker->unpark_ns = unpark->event.time_ns;
	if (!woken || woken == waker) {
		if (waker->selector)
			jthread__set_result(group, waker, NULL, 0);
		return;
	}
	if (woken->blocker == BLOCKER_EXCHANGE) {
		unit = group__unit(group, woken->tid);
		if (unit && unit->open) /* in the middle of a request: no pool's worker */
			return;
		if (waker->result && waker->result_read)
			waker->selector = true;
		hand_over(group, waker, woken, unpark->event.time_ns);
		woken->handed = !woken->parked;
	} else if (woken->parked && woken->blocker == BLOCKER_RESULT && waker->result) {
		give_result(group, waker, woken);
	}
	woken->parked = false;
}

/* A thread is made for a task: the first one of a pool's new worker, or its only one. */
static void on_create(struct group *group, struct java *java, const struct event_unit *create)
{
	struct jthread *maker, *made;

	jthread__drop(group, create->other_tid);
	maker = jthread__find(java, create->event.tid);
	if (!maker || !maker->result)
		return;
	made = jthread__get(group, create->other_tid);
	if (made)
		hand_over(group, maker, made, create->event.time_ns);
}

static void java__event(struct group *group, const struct event_unit *event)
{
	struct java *java = java__of(group);

	if (!java)
		return;
	switch (event->change) {
	case UNIT_PARK:
		on_park(group, java, event);
		break;
	case UNIT_UNPARK:
		on_unpark(group, event);
		break;
	case UNIT_GC:
		java__moved(java);
		break;
	case UNIT_CREATE:
		on_create(group, java, event);
		break;
	case UNIT_EXIT:
		jthread__drop(group, event->event.tid);
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
