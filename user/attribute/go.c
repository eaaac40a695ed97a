// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Go: whose call is it?
 *
 * - A goroutine that reads a request works for it until the answer begins; what it creates
 *   meanwhile inherits the request.
 * - net/http has requests written by a goroutine of the connection. The caller is known from
 *   where it hands the request over (UNIT_PUT): the next call on that connection is for what the
 *   caller works for. Which goroutine writes, who has dialled, and who else wakes it say nothing.
 * - Others write themselves. But one that was created by a goroutine which had dialled often works
 *   for that connection and with that for anybody: there its calls are nobody's.
 * - A goroutine without a request (of a pool, older than the agent) may work for others: its call is held
 *   until the one that waits for its result is woken by it and claims the call. A timer's call
 *   is nobody's.
 *
 * Timers run where no goroutine does: what they create and wake has no one behind it.
 */
#include "attribute/goroutine.h"

#include <stddef.h>

#include <utlist.h>

static bool is_goroutine(uint64_t id)
{
	return id && !(id & GO_OUTSIDE);
}

/* --- requests -------------------------------------------------------------------------------- */

/*
 * The last bytes of a request are read by another goroutine than the first ones. In net/http a
 * helper, made by the one that serves, waits for the first byte; the body may be read by whoever
 * sends it on, who does not serve the request.
 */
static bool takes_over(struct goroutines *all, const struct goroutine *g,
		       const struct request *request)
{
	const struct goroutine *first = goroutine__find(all, request->first_unit);

	if (first && first->creator)
		return first->creator == g->id;
	return g->conns[0] == request->conn_id;
}

/* A loop over many connections shows when it comes back to one. */
static bool takes_turns(const struct goroutine *g, const struct request *request)
{
	if (!g->serves || !g->request || g->conns[0] == request->conn_id)
		return false;
	return g->request->open || g->conns[1] == request->conn_id;
}

static void go__request(struct unit *unit, struct request *request, const struct stamp *at)
{
	struct goroutines *all = goroutines__of(unit->group);
	struct goroutine *g;
	bool taken;

	if (!all || !is_goroutine(at->unit))
		return;
	g = goroutine__get(all, at->unit);
	if (!g || g->mixed || g->request == request)
		return;
	taken = at->unit == request->first_unit || takes_over(all, g, request);
	if (taken && takes_turns(g, request)) {
		g->mixed = true;
		goroutine__set_request(all, g, NULL);
		return;
	}
	if (g->conns[0] != request->conn_id) {
		g->conns[1] = g->conns[0];
		g->conns[0] = request->conn_id;
	}
	if (!taken)
		return;
	/* it is still at an older one of the connection */
	if (request->queued && g->serves && g->request && g->request->conn_id == request->conn_id)
		return;
	g->serves = true;
	goroutine__set_request(all, g, request);
}

/* --- calls ----------------------------------------------------------------------------------- */

static struct verdict verdict_of(struct request *request)
{
	if (request->open)
		return (struct verdict){ .request = request, .by = PARENT_BY_GOROUTINE };
	return verdict_root(request->stale ? ROOT_WHY_DOUBT : ROOT_WHY_CLOSED);
}

static struct verdict acts_for(struct goroutines *all, struct goroutine *g, uint64_t now_ns)
{
	struct request *request = goroutine__request(all, g);
	struct verdict verdict;

	if (g->mixed)
		return verdict_root(ROOT_WHY_DOUBT);
	if (request && (g->serves || request->open))
		return verdict_of(request);
	if (g->timed)
		return verdict_root(ROOT_WHY_NO_REQUEST);
	verdict = verdict_root(ROOT_WHY_EXPIRED);
	verdict.hold = goroutine__wait(all, g, now_ns);
	return verdict;
}

static struct verdict go__who(struct unit *unit, const struct call_site *site)
{
	struct goroutines *all = goroutines__of(unit->group);
	const struct verdict *given;
	struct verdict verdict;
	struct goroutine *g;
	struct work *work;

	if (!all)
		return verdict_root(ROOT_WHY_UNIT);
	given = gift__take(all, site->conn_id);
	if (given) {
		work = given->hold ? work__of(all, given->hold) : NULL;
		if (work)
			work->called = true;
		return given->request ? verdict_of(given->request) : *given;
	}
	if (!is_goroutine(site->at->unit))
		return verdict_root(site->at->unit ? ROOT_WHY_NO_REQUEST : ROOT_WHY_UNIT);
	g = goroutine__get(all, site->at->unit);
	if (!g)
		return verdict_root(ROOT_WHY_UNIT);
	if (g->after_dial && gift__may_be_of(all, site->conn_id, g->creator))
		return verdict_root(ROOT_WHY_DOUBT);
	verdict = acts_for(all, g, site->at->ns);
	work = verdict.hold ? work__of(all, verdict.hold) : NULL;
	if (work)
		work->direct = work->called = true;
	return verdict;
}

static void go__connect(struct unit *unit, const struct call_site *site)
{
	struct goroutines *all = goroutines__of(unit->group);
	struct goroutine *g = NULL;

	if (all && is_goroutine(site->at->unit))
		g = goroutine__get(all, site->at->unit);
	if (g)
		gift__dialled(all, site->conn_id, g);
	/* several addresses are dialled by goroutines of their own: their creator has dialled */
	for (int i = 0; g && i < 2; i++) {
		g->dialled = true;
		g = g->creator ? goroutine__find(all, g->creator) : NULL;
	}
}

static void go__response(struct unit *unit, struct request *owner, const struct call_site *site)
{
	struct work *work =
		site->hold && unit->group->state ? work__of(unit->group->state, site->hold) : NULL;

	if (work && (!work->direct || site->at->unit == work->of->id))
		work->answered = true;
}

/* --- what the probes tell -------------------------------------------------------------------- */

static void on_create(struct goroutines *all, const struct event_unit *event)
{
	struct goroutine *creator = goroutine__find(all, event->event.unit), *g;
	struct request *request;

	if (!creator || creator->mixed || !is_goroutine(event->other_unit))
		return;
	g = goroutine__get(all, event->other_unit);
	if (!g || g->creator || g->serves)
		return;
	/* making it may have cost the creator its place */
	creator = goroutine__find(all, event->event.unit);
	if (!creator)
		return;
	request = goroutine__request(all, creator);
	g->creator = creator->id;
	g->after_dial = creator->dialled;
	if (request && request->open)
		goroutine__set_request(all, g, request);
}

static void on_handover(struct goroutines *all, const struct event_unit *event)
{
	struct goroutine *g = goroutine__get(all, event->event.unit);

	if (!g)
		return;
	/* a pool may make its goroutines within a request, and in a channel receive they get any work */
	if (!g->serves && event->other_unit == GO_WAIT_RECEIVE)
		goroutine__set_request(all, g, NULL);
	gift__put(all, event->arg, acts_for(all, g, event->event.time_ns));
}

/* Who has several calls under way works for several. */
static bool is_at_another(const struct goroutine *w, const struct work *last)
{
	const struct work *work;

	DL_FOREACH(w->works, work)
		if (work != last && work->called && !work->answered)
			return true;
	return false;
}

/* It has got what it has waited for from w, whose last call that may be. */
static void claim(struct goroutines *all, struct goroutine *w, struct request *request)
{
	struct verdict verdict = { .request = request, .by = PARENT_BY_RESULT_WAKE };
	struct work *last = w->works ? w->works->prev : NULL;
	bool handed = w->from == request;

	if (!last || !last->answered || request->read_ns > last->begun_ns || is_at_another(w, last))
		return;
	work__settle(all, last, !w->from || handed ? verdict : verdict_root(ROOT_WHY_DOUBT));
	/* what it has called before for the same piece of work */
	while (handed && w->works)
		work__settle(all, w->works,
			     w->works->answered ? verdict : verdict_root(ROOT_WHY_DOUBT));
	goroutine__begin(all, w, NULL);
}

/* The open request that it works for; NULL: none. */
static struct request *serves_now(struct goroutines *all, struct goroutine *g)
{
	struct request *request = g ? goroutine__request(all, g) : NULL;

	return request && request->open ? request : NULL;
}

/* It opens or has connections: whom it wakes, and who wakes it, has to do with those. */
static bool is_pump(const struct goroutine *g)
{
	return g->after_dial || (g->dialled && !g->serves);
}

/* It may work for others. */
static bool is_free(struct goroutines *all, struct goroutine *g)
{
	return g && !g->serves && !serves_now(all, g);
}

/*
 * A result goes from who has made a call to who waits for it: the waiter is woken from its receive, or
 * it receives and wakes the other one from its send. Work goes the other way.
 */
static void on_wake(struct goroutines *all, const struct event_unit *event)
{
	struct goroutine *waker = goroutine__find(all, event->event.unit);
	struct goroutine *woken = goroutine__find(all, event->other_unit);
	struct request *request;

	if ((waker && is_pump(waker)) || (woken && is_pump(woken)))
		return;
	if (!is_goroutine(event->event.unit)) {
		woken = goroutine__get(all, event->other_unit);
		if (!is_free(all, woken))
			return;
		goroutine__begin(all, woken, NULL);
		woken->timed = true;
	} else if (is_free(all, waker)) {
		request = serves_now(all, woken);
		if (request && event->arg == GO_WAIT_SEND) /* it has taken what was to be sent */
			goroutine__begin(all, waker, request);
		else if (request)
			claim(all, waker, request);
	} else if (waker && is_free(all, woken)) {
		request = serves_now(all, waker);
		if (request && event->arg == GO_WAIT_SEND) /* it has taken the result */
			claim(all, woken, request);
		else
			goroutine__begin(all, woken, request);
	}
}

static void go__event(struct group *group, const struct event_unit *event)
{
	struct goroutines *all = goroutines__of(group);

	if (!all)
		return;
	if (event->change == UNIT_WAKE)
		on_wake(all, event);
	else if (event->change == UNIT_BIND && is_goroutine(event->event.unit))
		on_create(all, event);
	else if (event->change == UNIT_PUT && is_goroutine(event->event.unit))
		on_handover(all, event);
}

static void go__release(struct group *group)
{
	goroutines__free(group->state);
	group->state = NULL;
}

const struct unit_rules go_rules = {
	.name = "go",
	.moves_freely = true,
	.no_connect = true,
	.request = go__request,
	.who = go__who,
	.connect = go__connect,
	.response = go__response,
	.event = go__event,
	.distrust = go__release,
	.release = go__release,
};
