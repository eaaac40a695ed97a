// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Python: contexts are copied, connections accepted and written to, work is queued, threads are made. */
#include "attribute/python.h"

/* The first thing that is made where connections are accepted is for the connection. */
static bool on_copy_for_conn(struct group *group, const struct event_unit *event)
{
	struct python *python = group->state;
	struct worker *worker = handed__find(python->handed, event->event.tid);
	struct origin *made;

	if (!worker || !worker->accepted || worker->unit != event->event.unit)
		return false;
	made = contexts__made(python->contexts, event->other_unit, NULL, NULL,
			      event->event.time_ns);
	if (made)
		made->conn = worker->accepted;
	worker->accepted = 0;
	return true;
}

static void on_copy_of(struct group *group, const struct event_unit *event)
{
	struct python *python = group->state;
	const struct event *at = &event->event;
	struct worker *worker = handed__find(python->handed, at->tid);
	struct origin *from = contexts__at(python->contexts, at->unit), *made, *served;
	struct verdict verdict;

	if (!from) {
		contexts__made(python->contexts, event->other_unit, NULL, NULL, at->time_ns);
		return;
	}
	if (event->arg == BIND_IN_READ && worker && worker->read) {
		from->server = true;
		verdict = python__verdict(worker->read, PARENT_BY_PYTHON_CONTEXT);
	} else {
		verdict = python__of_context(group, from);
	}
	served = origin__of_conn(from);
	made = contexts__made(python->contexts, event->other_unit, from, verdict.request,
			      at->time_ns);
	if (!made || verdict.request)
		return;
	if (from->request) /* it was answered */
		origin__set_request(group->units, made, from->request);
	made->doubt = from->doubt || (served && verdict.why == ROOT_WHY_DOUBT);
	made->nobody = from->nobody || (served && served->served_ns);
}

static void on_copy(struct group *group, const struct event_unit *event)
{
	struct python *python = group->state;
	const struct event *at = &event->event;
	struct request *request = NULL;

	if (event->arg == BIND_FRESH || !python__is_context(at->unit)) {
		if (event->arg != BIND_FRESH)
			request = python__of_unit(group, at->unit, at->tid).request;
		contexts__made(python->contexts, event->other_unit, NULL, request, at->time_ns);
		return;
	}
	if (!on_copy_for_conn(group, event))
		on_copy_of(group, event);
}

static void on_accept(struct group *group, const struct event_unit *event)
{
	struct python *python = group->state;
	const struct event *at = &event->event;
	struct worker *worker = handed__get(python->handed, at->tid);
	struct link *link;

	if (worker) {
		worker__moves_on(python->handed, worker, python__is_context(at->unit));
		worker->accepted = event->other_unit;
		worker->unit = at->unit;
	}
	link = python__is_context(at->unit) ? NULL : links__get(python->links, event->other_unit);
	if (link && !link->read_ns)
		link->accepted_ns = at->time_ns;
}

/* It will be sent by its loop, in another context or in none. */
static void on_write(struct group *group, const struct event_unit *event)
{
	struct python *python = group->state;
	struct link *link = links__get(python->links, event->other_unit);
	struct origin *origin = python__is_context(event->event.unit) ?
					contexts__at(python->contexts, event->event.unit) :
					NULL;

	if (link)
		links__wrote(python->links, link, origin);
}

static void on_take(struct group *group, const struct event_unit *event)
{
	struct python *python = group->state;
	const struct event *at = &event->event;
	struct request *request = handed__take(python->handed, event->arg);
	struct worker *worker;
	struct origin *origin;

	if (python__is_context(at->unit)) {
		/* works in a context of its own, for others */
		origin = contexts__at(python->contexts, at->unit);
		if (origin && request && python__of_context(group, origin).request != request)
			origin->doubt = true;
	} else {
		worker = handed__get(python->handed, at->tid);
		if (worker)
			worker__works_for(python->handed, worker, request, PARENT_BY_QUEUE,
					  at->time_ns);
	}
	request__unref(group->units, request);
}

/* Pools make their threads within the requests that come first: without their queues nobody can
 * tell those from threads that are made for one request. */
static void on_create(struct group *group, const struct event_unit *event)
{
	struct python *python = group->state;
	const struct event *at = &event->event;
	struct verdict verdict = python__of_unit(group, at->unit, at->tid);
	struct worker *worker;

	handed__drop(python->handed, event->other_tid);
	if (!verdict.request || !(group->flags & RECIPE_QUEUES))
		return;
	worker = handed__get(python->handed, event->other_tid);
	if (worker)
		worker__works_for(python->handed, worker, verdict.request, PARENT_BY_CREATE,
				  at->time_ns);
}

void cpython__event(struct group *group, const struct event_unit *event)
{
	struct python *python = python__of(group);
	const struct event *at = &event->event;

	if (!python)
		return;
	switch (event->change) {
	case UNIT_BIND:
		on_copy(group, event);
		break;
	case UNIT_ACCEPT:
		on_accept(group, event);
		break;
	case UNIT_WRITE:
		on_write(group, event);
		break;
	case UNIT_PUT:
		handed__put(python->handed, event->arg,
			    python__of_unit(group, at->unit, at->tid).request);
		break;
	case UNIT_GET:
		on_take(group, event);
		break;
	case UNIT_CREATE:
		on_create(group, event);
		break;
	case UNIT_EXIT:
		handed__drop(python->handed, at->tid);
		break;
	}
}
