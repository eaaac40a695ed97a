// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Python. What is done for a request is done in its contextvars.Context or in copies of it: tasks,
 * callbacks, timers and functions in worker threads each get a copy of the context in which they were
 * made. So a call belongs to the request of the context that it is made in. What a context acts for
 * is known
 *
 * - when a request was read in it, or when it was copied in what the event loop did with that read:
 *   by the connection, for whichever request is open on it;
 * - when it was copied right after its connection was accepted: likewise;
 * - from the context of which it is a copy, when that acts for a request;
 * - in servers met while they run, when the request's answer is written in it: calls wait for that.
 *
 * A copy made while a request is open acts for that one only, and for nobody once it is answered.
 * Threads that no context was entered in do the work of the request that they have read themselves,
 * of the one that queued it, or of the one whose work made the thread.
 */
#include "attribute/python.h"

#include <stdlib.h>

#include <utlist.h>

#define WAITING_MAX 1024 /* calls; the oldest one waits no longer */

/* A call in a context that is not known to act for anybody yet. */
struct waiting {
	struct hold *hold;     /* a reference */
	struct origin *origin; /* a reference */
	struct waiting *prev, *next;
};

static void waiting__free(struct group *group, struct waiting *one)
{
	struct python *python = group->state;

	DL_DELETE(python->waiting, one);
	python->waiting_count--;
	hold__unref(group->units, one->hold);
	origin__unref(group->units, one->origin);
	free(one);
}

static void cpython__release(struct group *group)
{
	struct python *python = group->state;

	if (!python)
		return;
	while (python->waiting)
		waiting__free(group, python->waiting);
	links__free(python->links);
	contexts__free(python->contexts);
	handed__free(python->handed);
	free(python);
	group->state = NULL;
}

struct python *python__of(struct group *group)
{
	struct python *python = group->state;

	if (python)
		return python;
	python = group->state = calloc(1, sizeof(*python));
	if (!python)
		return NULL;
	python->contexts = contexts__new(group->units);
	python->handed = handed__new(group->units);
	python->links = links__new(group->units);
	if (python->contexts && python->handed && python->links)
		return python;
	cpython__release(group);
	return NULL;
}

/* --- for whom -------------------------------------------------------------------------------- */

struct verdict python__verdict(struct request *request, enum parent_by by)
{
	if (request->open)
		return (struct verdict){ .request = request, .by = by };
	return verdict_root(request->stale ? ROOT_WHY_DOUBT : ROOT_WHY_CLOSED);
}

/* The one request that is worked on for a connection. */
static struct verdict of_conn(struct group *group, uint64_t conn)
{
	struct request *request = request__youngest(group->units, conn);

	if (!request)
		return verdict_root(ROOT_WHY_NO_REQUEST);
	/* several at a time: nobody can say when the next one is taken up */
	if (request->open && (request->queued || request->early))
		return verdict_root(ROOT_WHY_DOUBT);
	return python__verdict(request, PARENT_BY_PYTHON_CONTEXT);
}

/* ROOT_WHY_UNIT: not known (yet) */
struct verdict python__of_context(struct group *group, struct origin *origin)
{
	struct origin *served;

	if (!origin)
		return verdict_root(ROOT_WHY_UNIT);
	if (origin->doubt || origin->server)
		return verdict_root(ROOT_WHY_DOUBT);
	if (origin->nobody)
		return verdict_root(ROOT_WHY_CLOSED);
	if (origin->request)
		return python__verdict(origin->request, PARENT_BY_PYTHON_CONTEXT);
	served = origin__of_conn(origin);
	return served ? of_conn(group, served->conn) : verdict_root(ROOT_WHY_UNIT);
}

/* A thread outside of contexts; what it has read within one (or within a greenlet) is not its own. */
static struct verdict of_thread(struct group *group, uint64_t now, uint32_t tid)
{
	struct python *python = group->state;
	struct worker *worker = handed__find(python->handed, tid);
	struct unit *unit = group__unit(group, tid);
	struct verdict own = unit ? unit__own(unit) : verdict_root(ROOT_WHY_NO_REQUEST);

	if (own.request && own.request->runtime_unit != now)
		own = verdict_root(ROOT_WHY_DOUBT);
	if (!worker)
		return own;
	/* who serves a request works for it, whatever it takes out of a queue (a connection of a
	 * pool), unless that came from a request that is open, too */
	if (own.request && own.request->read_ns <= worker->since_ns && worker->request &&
	    worker->request->open && worker->request != own.request)
		return verdict_root(ROOT_WHY_DOUBT);
	if (own.request)
		return own;
	if (own.why != ROOT_WHY_NO_REQUEST && own.why != ROOT_WHY_CLOSED)
		return own;
	if (worker->request)
		return python__verdict(worker->request, worker->by);
	return own;
}

struct verdict python__of_unit(struct group *group, uint64_t unit, uint32_t tid)
{
	struct python *python = group->state;

	if (!python__is_context(unit))
		return unit & CPYTHON_BASE ? of_thread(group, unit, tid) :
					     verdict_root(ROOT_WHY_UNIT);
	return python__of_context(group, contexts__at(python->contexts, unit));
}

static bool any_open(const struct group *group)
{
	for (const struct unit *unit = group->by_tid; unit; unit = unit->hh.next) {
		if (unit->open)
			return true;
	}
	return false;
}

/* Calls that have ended wait no longer. */
static void prune(struct group *group)
{
	struct python *python = group->state;

	while (python->waiting &&
	       (!python->waiting->hold->calls || python->waiting_count >= WAITING_MAX))
		waiting__free(group, python->waiting);
}

static struct verdict wait_for_answer(struct group *group, struct origin *origin)
{
	struct python *python = group->state;
	struct waiting *one;

	prune(group);
	one = calloc(1, sizeof(*one));
	if (!one)
		return verdict_root(ROOT_WHY_UNIT);
	one->hold = hold__new();
	if (!one->hold) {
		free(one);
		return verdict_root(ROOT_WHY_UNIT);
	}
	one->origin = origin__ref(origin);
	DL_APPEND(python->waiting, one);
	python->waiting_count++;
	return (struct verdict){ .hold = one->hold, .why = ROOT_WHY_UNIT };
}

static void moves_on(struct python *python, uint32_t tid, uint64_t unit)
{
	worker__moves_on(python->handed, handed__find(python->handed, tid),
			 python__is_context(unit));
}

/* Who has written what the unit sends; NULL: no context that is known. */
static struct origin *writer_of(struct group *group, uint64_t conn, uint64_t unit)
{
	struct python *python = group->state;
	struct link *link = links__find(python->links, conn);

	if (link && link->written)
		return link->written;
	return python__is_context(unit) ? contexts__at(python->contexts, unit) : NULL;
}

static struct verdict cpython__who(struct unit *unit, const struct call_site *site)
{
	struct group *group = unit->group;
	struct python *python = python__of(group);
	uint64_t now = site->at->unit;
	struct origin *origin;
	struct verdict verdict;

	if (!python)
		return verdict_root(ROOT_WHY_UNIT);
	moves_on(python, unit->tid, now);
	origin = writer_of(group, site->conn_id, now);
	verdict =
		origin ? python__of_context(group, origin) : python__of_unit(group, now, unit->tid);
	if (!verdict.request && verdict.why == ROOT_WHY_UNIT && origin) {
		if (!any_open(group))
			verdict = verdict_root(ROOT_WHY_NO_REQUEST);
		else if (!site->connecting)
			verdict = wait_for_answer(group, origin);
	}
	if (origin)
		links__sent(python->links, site->conn_id);
	return verdict;
}

/* --- what tells ------------------------------------------------------------------------------ */

/* A request of the connection was read in the context. */
static void context__reads(struct group *group, struct origin *origin, uint64_t conn,
			   uint64_t now_ns)
{
	struct origin *served;

	if (!origin)
		return;
	if (origin->conn && origin->conn != conn) {
		struct request *other = request__youngest(group->units, origin->conn);

		/* one that serves connections at the same time says nothing of any */
		if (other && (other->open || !other->done))
			origin->doubt = true;
	}
	origin__set_request(group->units, origin, NULL);
	origin->nobody = false;
	served = origin->up ? origin__of_conn(origin->up) : NULL;
	if (served && served->conn == conn)
		served->served_ns = served->served_ns ? served->served_ns : now_ns;
	else if (served)
		served->doubt = true;
	if (origin->conn != conn || !origin->served_ns)
		origin->served_ns = now_ns;
	origin->conn = conn;
}

static void cpython__request(struct unit *unit, struct request *request, const struct stamp *at)
{
	struct python *python = python__of(unit->group);
	struct worker *worker;
	struct link *link;

	if (!python)
		return;
	link = links__find(python->links, request->conn_id);
	if (link && !link->read_ns)
		link->read_ns = at->ns;
	links__sent(python->links, request->conn_id);
	if (python__is_context(at->unit)) {
		moves_on(python, unit->tid, at->unit);
		context__reads(unit->group, contexts__at(python->contexts, at->unit),
			       request->conn_id, at->ns);
		return;
	}
	worker = handed__get(python->handed, unit->tid);
	if (worker)
		worker__has_read(python->handed, worker,
				 request->queued || request->early ? NULL : request);
}

/* The origin is `above` or was copied of it after `since_ns`, step by step. */
static bool stems_from(const struct origin *origin, const struct origin *above, uint64_t since_ns)
{
	while (origin && origin != above && origin->made_ns > since_ns && !origin->request &&
	       !origin->conn && !origin->doubt && !origin->server && !origin->nobody)
		origin = origin->up;
	return origin == above;
}

/* The contexts of a connection outside of contexts are made between its accept and its first read. */
static struct origin *learn_conn(struct python *python, struct origin *origin, uint64_t conn)
{
	struct link *link = links__find(python->links, conn);

	if (!link || !link->accepted_ns)
		return NULL;
	while (origin && !origin->request && !origin->doubt && !origin->server &&
	       (origin->made_ns <= link->accepted_ns || origin->made_ns >= link->read_ns))
		origin = origin->up;
	link->accepted_ns = 0;
	if (!origin || origin->request || origin->doubt || origin->server)
		return NULL;
	origin->conn = conn;
	origin->served_ns = link->read_ns;
	return origin;
}

/*
 * A context that was made after the request was read, and that writes its answer before any other,
 * has worked for that request and for nothing else; so have those that were copied of it, and so has
 * the one that was made for its connection. Their calls have waited for this.
 */
static void answered_in(struct group *group, struct origin *writer, struct request *request)
{
	struct python *python = group->state;
	struct verdict verdict = { .request = request, .by = PARENT_BY_PYTHON_CONTEXT };
	struct origin *served = learn_conn(python, writer, request->conn_id);
	struct waiting *one, *next;
	bool only = !writer->answered && writer->made_ns > request->begun_ns;

	writer->answered = true;
	if ((!only && !served) || request->queued || request->followed || request->early ||
	    request->stale)
		return;
	DL_FOREACH_SAFE(python->waiting, one, next) {
		if (!stems_from(one->origin, served ? served : writer, request->begun_ns))
			continue;
		hold__settle(group->units, one->hold, verdict);
		waiting__free(group, one);
	}
}

static void cpython__answered(struct unit *unit, struct request *request, const struct stamp *at)
{
	struct group *group = unit->group;
	struct python *python = python__of(group);
	struct origin *writer, *served;

	if (!python)
		return;
	moves_on(python, unit->tid, at->unit);
	writer = writer_of(group, request->conn_id, at->unit);
	if (!writer || writer->doubt || writer->server)
		return;
	served = origin__of_conn(writer);
	if (writer->request) /* or it came to be within one request and answers another: for all */
		writer->doubt |= writer->request != request;
	else if (served)
		served->doubt |= served->conn != request->conn_id;
	else
		answered_in(group, writer, request);
	links__sent(python->links, request->conn_id);
}

static void cpython__response(struct unit *unit, struct request *owner,
			      const struct call_site *site)
{
	struct python *python = unit->group->state;

	if (!python)
		return;
	moves_on(python, unit->tid, site->at->unit);
	links__sent(python->links, site->conn_id);
}

const struct unit_rules cpython_rules = {
	.name = "cpython",
	.by_caller = true,
	.request = cpython__request,
	.answered = cpython__answered,
	.who = cpython__who,
	.response = cpython__response,
	.event = cpython__event,
	.distrust = cpython__release,
	.release = cpython__release,
};
