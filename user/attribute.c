// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Who made this call? The rules (attribute/) say for which request a unit acts; this file keeps
 * their books by the steps of the exchanges and by what the kernel tells of threads and connects.
 *
 * - A request belongs to the unit that reads its last bytes and is open until its answer begins:
 *   an answered one is never a parent. Requests of a connection, thread or process that ends, and
 *   those open while events were lost, are not either.
 * - The first call on a connection belongs to whoever opened it, all others to whom the unit acts
 *   for when the call's first byte is written.
 * - Reading an answer turns the unit to the call's request; an answer whose owner is not known
 *   turns it away from all.
 * - A context in the call's own header wins, except when it is the one that the request brought in:
 *   a proxy that passes headers on made the call within that request.
 */
#include "attribute.h"

#include <stdlib.h>

#include <utlist.h>

#include "attribute/setup.h"
#include "attribute/unit.h"
#include "base/pool.h"
#include "tracecontext.h"

struct call {			 /* a client exchange from its first byte to its end */
	struct verdict verdict;	 /* request: a reference */
	struct request *waiting; /* the request whose calls count it; a reference */
	struct hold *hold;	 /* a reference: the verdict comes later; NULL: it is there */
	struct held *held;
	uint32_t tid; /* writer of its first byte */
	struct call *prev, *next;
};

struct attribute {
	struct exchange_sink next;
	struct stats *stats;
	struct units units;
	struct setups setups;

	struct call *calls;
	uint64_t lost;	  /* events, as of the last look */
	uint64_t lost_ns; /* when that number was seen to have risen */
};

static struct pool calls_pool = { .size = sizeof(struct call), .keep = 512 };

struct attribute *attribute__new(const struct attribute_opts *opts, struct exchange_sink next)
{
	struct attribute *attribute = calloc(1, sizeof(*attribute));

	if (!attribute)
		return NULL;
	attribute->next = next;
	attribute->stats = opts->stats;
	attribute->units.stats = opts->stats;
	attribute->units.processes = opts->processes;
	attribute->setups.units = &attribute->units;
	return attribute;
}

/* --- server side ---------------------------------------------------------------------------- */

/*
 * A request that comes while an older one of its connection is open: pipelined, or the older one's
 * answer was lost. Nobody can say when the younger one is taken up; the thread is in doubt as long
 * as both are open. Only when the older one is answered in the regular way it was pipelining.
 */
static void turn_queued(struct units *units, struct unit *unit, struct request *request,
			struct request *older, const struct stamp *at)
{
	request->queued = true;
	older->followed = true;
	if (unit->cur != older || older->read_ns != at->ns) /* not in the same read */
		unit__turn(units, unit, TURN_UNKNOWN, NULL);
}

/* Runtimes with threads of their own (the JDK's server) may leave a socket in epoll for a while after
 * they have set it to block, and read it in a thread that serves nothing else. */
static bool is_loop(const struct unit *unit, const struct stamp *at)
{
	const struct process *process = unit->group->process;

	return at->watched || (at->polled && process && process->runtime == RUNTIME_NATIVE);
}

static void serve_begin(struct attribute *attribute, struct exchange *exchange)
{
	const struct stamp *at = &exchange->request.first;
	struct units *units = &attribute->units;
	struct request *older = request__youngest(units, exchange->conn_id);
	struct request *request;
	struct unit *unit;

	request = request__new(units, exchange->conn_id, exchange->context);
	exchange->attribution = request;
	if (!request)
		return;
	if (at->ns <= attribute->lost_ns) { /* events were lost that may have come after it */
		request__close(request);
		request->stale = true;
	}
	unit = units__get(units, at);
	request->begun_ns = request->read_ns = at->ns;
	request->runtime_unit = request->first_unit = at->unit;
	request->early = older && !older->open && !older->done;
	request->keyed = exchange->request.key != 0;
	if (!unit)
		return;
	request->looped = is_loop(unit, at);
	if (unit->open && !(older && older->open && unit->open == 1))
		unit->mux = true;
	request__move(request, unit);
	if (at->ns < unit->ns)
		return;
	unit__read(unit, at);
	if (older && older->open)
		turn_queued(units, unit, request, older, at);
	else
		unit__turn(units, unit, TURN_REQUEST, request);
	if (unit->group->rules->request)
		unit->group->rules->request(unit, request, at);
}

static void serve_head(struct attribute *attribute, struct exchange *exchange)
{
	const struct stamp *at = &exchange->request.first;
	struct request *request = exchange->attribution;
	struct unit *unit = request ? units__get(&attribute->units, at) : NULL;

	if (unit && unit->group->rules->head)
		unit->group->rules->head(unit, request, at);
}

static void serve_read(struct attribute *attribute, struct exchange *exchange)
{
	const struct stamp *at = &exchange->request.last;
	struct request *request = exchange->attribution;
	struct units *units = &attribute->units;
	struct unit *unit = units__get(units, at), *old;

	if (!request)
		return;
	if (!unit)
		return;
	request->looped |= is_loop(unit, at);
	old = request->unit;
	if (request->open && old != unit) {
		if (unit->open)
			unit->mux = true;
		if (old && old->cur == request)
			unit__turn(units, old, TURN_UNKNOWN, NULL);
	}
	request__move(request, unit);
	request__complete(request);
	request->read_ns = at->ns;
	request->runtime_unit = at->unit;
	if (!request->open || request->queued || at->ns < unit->ns)
		return;
	unit__read(unit, at);
	unit__turn(units, unit, TURN_REQUEST, request);
	if (unit->group->rules->request)
		unit->group->rules->request(unit, request, at);
}

static void serve_answer(struct attribute *attribute, struct exchange *exchange)
{
	const struct stamp *at = &exchange->response.first;
	struct request *request = exchange->attribution;
	struct units *units = &attribute->units;
	struct unit *unit = units__get(units, at);

	if (!request)
		return;
	if (request->followed && request->unit)
		request->unit->mux = true;
	request__close(request);
	if (!unit)
		return;
	if (request->unit && request->unit != unit && !unit->group->rules->moves_freely) {
		unit->group->migrating = request->unit->group->migrating = true;
		request->unit->gives = true;
	}
	/* it writes for another request than it read of: a turn that no socket began */
	if (unit->cur && unit->cur != request && at->ns >= unit->ns)
		unit__turn(units, unit, TURN_UNKNOWN, NULL);
	if (unit->group->rules->answered)
		unit->group->rules->answered(unit, request, at);
}

static void serve_done(struct attribute *attribute, struct exchange *exchange)
{
	struct request *request = exchange->attribution;

	exchange->attribution = NULL;
	if (!request)
		return;
	request__close(request);
	request->done = true;
	request__unref(&attribute->units, request);
}

static void on_connect(struct attribute *attribute, const struct event_connect *connect)
{
	struct stamp at = { connect->event.time_ns,
			    connect->event.pid,
			    connect->event.tid,
			    connect->event.unit,
			    false,
			    false };
	struct unit *unit = units__get(&attribute->units, &at);

	struct call_site site = {
		.at = &at, .conn_id = connect->conn, .tuple = &connect->tuple, .connecting = true
	};

	if (unit && !unit->group->rules->no_connect)
		setups__add(&attribute->setups, connect->conn, at.tid,
			    unit->group->rules->who(unit, &site));
	else if (unit && unit->group->rules->connect)
		unit->group->rules->connect(unit, &site);
}

/* --- client side ----------------------------------------------------------------------------- */

static struct verdict judge(struct attribute *attribute, const struct exchange *exchange,
			    struct unit *unit)
{
	const struct stamp *at = &exchange->request.first;
	struct setup *setup = setups__find(&attribute->setups, exchange->conn_id);
	struct verdict verdict = verdict_root(ROOT_WHY_DOUBT);

	if (!unit && setup && !exchange->protocol) { /* a failed connect is its own call */
		verdict = setup->verdict;
		if (verdict__is_over(&verdict))
			verdict = verdict_root(ROOT_WHY_CLOSED);
	} else if (unit) {
		struct call_site site = { .at = at,
					  .conn_id = exchange->conn_id,
					  .tuple = &exchange->tuple,
					  .opened = setup,
					  .reused = exchange->conn_reused };

		verdict = unit->group->rules->who(unit, &site);
		if (unit->group->rules->no_connect || unit->group->rules->by_caller)
			return verdict;
		if (setup)
			verdict = setup__first_use(setup, at->tid, verdict);
		else if (unit->mux && !exchange->conn_reused && verdict.request &&
			 verdict.by != PARENT_BY_CLIENT && exchange->tuple.family != FAMILY_UNIX)
			verdict = verdict_root(ROOT_WHY_DOUBT); /* its connect was not seen */
	}
	return verdict;
}

static void call_begin(struct attribute *attribute, struct exchange *exchange)
{
	struct call *call = pool__get(&calls_pool);
	struct unit *unit = units__get(&attribute->units, &exchange->request.first);

	exchange->attribution = call;
	if (!call)
		return;
	*call = (struct call){ .tid = exchange->request.first.tid };
	call->verdict = judge(attribute, exchange, unit);
	call->waiting =
		request__ref(call->verdict.request ? call->verdict.request : call->verdict.maybe);
	request__ref(call->verdict.request);
	if (call->waiting)
		request__add_calls(call->waiting, 1, 0);
	if (call->verdict.hold) {
		call->hold = hold__ref(call->verdict.hold);
		call->held = held__new(&attribute->units, exchange->context, call->hold);
		call->verdict = verdict_root(ROOT_WHY_DOUBT);
	}
	DL_APPEND(attribute->calls, call);
	setups__drop(&attribute->setups, exchange->conn_id);
}

static void call_decide(struct exchange *exchange)
{
	const struct call *call = exchange->attribution;
	struct context *context = exchange->context;
	struct verdict verdict = call ? call->verdict : verdict_root(ROOT_WHY_DOUBT);
	const struct request *request = verdict.request;

	if (call && call->held && !context->remote)
		return;
	if (context->remote &&
	    !(request && remote_context__same(context->remote, request->context->remote)))
		context__set_remote(context);
	else if (!request)
		context__set_root(context, verdict.why);
	else if (context__set_parent(context, request->context, verdict.by) < 0)
		context__set_root(context, ROOT_WHY_DOUBT);
}

static void call_read(struct attribute *attribute, struct exchange *exchange,
		      const struct stamp *at)
{
	struct call *call = exchange->attribution;
	struct units *units = &attribute->units;
	struct unit *unit = units__get(units, at);
	struct request *owner = call ? call->verdict.request : NULL;
	struct call_site site = { .at = at,
				  .conn_id = exchange->conn_id,
				  .tuple = &exchange->tuple,
				  .reused = exchange->conn_reused,
				  .reads = true,
				  .complete = exchange->response_ended,
				  .hold = call ? call->hold : NULL };

	if (call && call->hold && call->hold->settled)
		owner = call->hold->verdict.request;
	if (!unit)
		return;
	if (owner && !call->hold && call->tid != at->tid && !unit->group->rules->moves_freely) {
		unit->group->migrating = true;
		if (owner->unit)
			owner->unit->gives = true;
	}
	if (at->ns < unit->ns)
		return; /* known late: the unit has gone on since */
	if (!owner || owner->unit != unit ||
	    (unit->ns == at->ns && unit->turn != TURN_REQUEST && unit->cur != owner))
		unit__turn(units, unit, TURN_UNKNOWN, NULL);
	else
		unit__turn(units, unit, TURN_RESPONSE, owner);
	unit__read(unit, at);
	if (unit->group->rules->response)
		unit->group->rules->response(unit, owner, &site);
}

static void call__free(struct attribute *attribute, struct call *call)
{
	if (call->waiting)
		request__add_calls(call->waiting, -1, 0);
	request__unref(&attribute->units, call->waiting);
	request__unref(&attribute->units, call->verdict.request);
	hold__unref(&attribute->units, call->hold);
	DL_DELETE(attribute->calls, call);
	pool__put(&calls_pool, call);
}

static void call_over(struct attribute *attribute, const struct exchange *exchange,
		      const struct call *call)
{
	struct stamp at = exchange->request.first;
	struct call_site site = { .at = &at,
				  .conn_id = exchange->conn_id,
				  .tuple = &exchange->tuple,
				  .hold = call->hold };
	struct group *group = units__group(&attribute->units, at.pid);

	at.ns = exchange->end_ns;
	if (group && group->rules->done)
		group->rules->done(group, &site);
}

static void call_done(struct attribute *attribute, struct exchange *exchange)
{
	struct call *call = exchange->attribution;

	if (!exchange->context->decided)
		call_decide(exchange);
	if (exchange->response_ended)
		call_read(attribute, exchange, &exchange->response.last);
	exchange->attribution = NULL;
	if (!call)
		return;
	call_over(attribute, exchange, call);
	if (call->held)
		held__ended(&attribute->units, call->held, exchange->end_ns);
	call__free(attribute, call);
}

/* --- what comes in ------------------------------------------------------------------------- */

static bool get_header(const void *ctx, struct slice name, unsigned int n, struct slice *ret_value)
{
	const struct exchange *exchange = ctx;

	return exchange->protocol->header(&exchange->request, name, n, ret_value);
}

/* Kept apart from the context until one is found: most requests carry none. */
static void read_header(struct exchange *exchange)
{
	struct header_source source = { get_header, exchange };
	struct remote_context remote = { 0 };

	if (!exchange->protocol->header || exchange->context->remote ||
	    !tracecontext__extract(&source, &remote))
		return;
	exchange->context->remote = malloc(sizeof(remote));
	if (exchange->context->remote)
		*exchange->context->remote = remote;
}

static void serve(struct attribute *attribute, struct exchange *exchange, enum exchange_step step)
{
	switch (step) {
	case EXCHANGE_BEGIN:
		serve_begin(attribute, exchange);
		break;
	case EXCHANGE_HEAD:
		read_header(exchange);
		context__set_remote(exchange->context);
		serve_head(attribute, exchange);
		break;
	case EXCHANGE_REQUEST:
		serve_read(attribute, exchange);
		break;
	case EXCHANGE_ANSWER:
		serve_answer(attribute, exchange);
		break;
	case EXCHANGE_DONE:
		serve_done(attribute, exchange);
	}
}

static void call(struct attribute *attribute, struct exchange *exchange, enum exchange_step step)
{
	switch (step) {
	case EXCHANGE_BEGIN:
		call_begin(attribute, exchange);
		break;
	case EXCHANGE_HEAD:
		read_header(exchange);
		call_decide(exchange);
		break;
	case EXCHANGE_REQUEST:
		break;
	case EXCHANGE_ANSWER:
		call_read(attribute, exchange, &exchange->response.first);
		break;
	case EXCHANGE_DONE:
		call_done(attribute, exchange);
	}
}

void attribute__push(struct attribute *attribute, struct exchange *exchange,
		     enum exchange_step step)
{
	if (exchange->side == ROLE_SERVER)
		serve(attribute, exchange, step);
	else
		call(attribute, exchange, step);
	attribute->next.push(attribute->next.ctx, exchange, step);
}

static void on_unit(struct attribute *attribute, const struct event_unit *event)
{
	const struct event *head = &event->event;
	struct units *units = &attribute->units;
	struct group *group;

	if (event->change == UNIT_MODULE) {
		units__set_kind(units, head->pid, (uint8_t)event->arg, (uint8_t)(event->arg >> 8));
		return;
	}
	group = units__group(units, head->pid);
	if (group && group->rules->event)
		group->rules->event(group, event);
	if (event->change == UNIT_CREATE) /* a new thread knows nothing of an old one's number */
		units__drop_unit(units, head->pid, event->other_tid);
	if (event->change == UNIT_EXIT)
		units__drop_unit(units, head->pid, head->tid);
}

static void on_name(struct attribute *attribute, const struct event_name *event)
{
	struct group *group = units__group(&attribute->units, event->event.pid);

	if (group && group->rules->named)
		group->rules->named(group, event);
}

void attribute__event(struct attribute *attribute, const struct event *event)
{
	const struct event_conn_open *open = (const struct event_conn_open *)event;
	const struct event_task *task = (const struct event_task *)event;

	switch (event->kind) {
	case EVENT_CONN_OPEN:
		if (open->tuple.flags & CONN_MIDSTREAM && open->tuple.role != ROLE_CLIENT)
			units__older(&attribute->units, event->pid);
		break;
	case EVENT_CONNECT:
		on_connect(attribute, (const struct event_connect *)event);
		break;
	case EVENT_UNIT:
		on_unit(attribute, (const struct event_unit *)event);
		break;
	case EVENT_NAME:
		on_name(attribute, (const struct event_name *)event);
		break;
	case EVENT_TASK:
		units__drop_group(&attribute->units,
				  task->change == TASK_FORK ? task->child_pid : event->pid);
		break;
	default:
		break;
	}
}

void attribute__conn_gone(struct attribute *attribute, uint64_t conn_id)
{
	struct request *request = request__youngest(&attribute->units, conn_id);

	setups__drop(&attribute->setups, conn_id);
	if (request)
		request__close(request);
}

/*
 * Events were lost. The answer of any open request may be among them, or a request that a loop
 * took up beside it: what is open now proves nothing any more, what comes from now on does.
 */
static void distrust(struct attribute *attribute)
{
	struct request *request;

	DL_FOREACH(attribute->units.requests, request) {
		if (!request->open)
			continue;
		request__close(request);
		request->stale = true;
	}
	units__distrust(&attribute->units);
}

void attribute__check_losses(struct attribute *attribute, uint64_t now_ns)
{
	const uint64_t *lost = attribute->stats->lost;
	uint64_t sum = lost[LOSS_RING_DATA] + lost[LOSS_RING_CONN] + lost[LOSS_RING_UNIT] +
		       lost[LOSS_EVENT_LATE];

	if (sum > attribute->lost) {
		distrust(attribute);
		attribute->lost_ns = now_ns;
	}
	attribute->lost = sum;
}

void attribute__tick(struct attribute *attribute, uint64_t now_ns)
{
	attribute__check_losses(attribute, now_ns);
	helds__expire(&attribute->units, now_ns);
	units__age(&attribute->units, now_ns);
}

void attribute__flush(struct attribute *attribute)
{
	helds__expire(&attribute->units, UINT64_MAX);
}

void attribute__free(struct attribute *attribute)
{
	struct call *one, *call_next;

	if (!attribute)
		return;
	setups__release(&attribute->setups);
	DL_FOREACH_SAFE(attribute->calls, one, call_next)
		call__free(attribute, one);
	helds__expire(&attribute->units, UINT64_MAX);
	units__release(&attribute->units);
	free(attribute);
}
