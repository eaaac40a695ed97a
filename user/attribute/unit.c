// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#define HASH_NONFATAL_OOM 1 /* before any header takes uthash.h in */

/*
 * The books. A unit lives from its first event to the end of its thread; one that is idle and has
 * never been mux can be forgotten, because a new entry would say the same.
 */
#include "attribute/unit.h"

#include <stdlib.h>

#include <utlist.h>

#include "base/clock.h"
#include "base/pool.h"

#define UNIT_IDLE_NS  (600 * NSEC_PER_SEC)
#define GROUP_IDLE_NS (3600 * NSEC_PER_SEC)
#define AGE_EVERY_NS  (10 * NSEC_PER_SEC)
#define EVICT_LOOKS   64

static struct pool requests_pool = { .size = sizeof(struct request), .keep = 512 };

/* --- requests ------------------------------------------------------------------------------ */

bool request__idle(const struct request *request)
{
	return request->open && request->whole && !request->calls && !request->connects;
}

/* Between these two anything of a request may change that its unit's numbers rest on. */
static void uncount(const struct request *request)
{
	if (!request->unit || !request->open)
		return;
	request->unit->open--;
	if (request__idle(request))
		request->unit->idle--;
}

static void count(const struct request *request)
{
	if (!request->unit || !request->open)
		return;
	request->unit->open++;
	if (request__idle(request))
		request->unit->idle++;
}

struct request *request__new(struct units *units, uint64_t conn_id, struct context *context)
{
	struct request *request = pool__get(&requests_pool), *older;

	if (!request)
		return NULL;
	*request = (struct request){ .refs = 1, .conn_id = conn_id, .open = true };
	older = request__youngest(units, conn_id);
	if (older)
		HASH_DEL(units->by_conn, older);
	HASH_ADD(hh, units->by_conn, conn_id, sizeof(conn_id), request);
	if (!request->hh.tbl) {
		pool__put(&requests_pool, request);
		return NULL;
	}
	request->context = context__ref(context);
	DL_APPEND(units->requests, request);
	return request;
}

struct request *request__ref(struct request *request)
{
	if (request)
		request->refs++;
	return request;
}

void request__unref(struct units *units, struct request *request)
{
	if (!request || --request->refs)
		return;
	request__move(request, NULL);
	if (request__youngest(units, request->conn_id) == request)
		HASH_DEL(units->by_conn, request);
	DL_DELETE(units->requests, request);
	context__unref(request->context);
	pool__put(&requests_pool, request);
}

struct request *request__youngest(struct units *units, uint64_t conn_id)
{
	struct request *request;

	HASH_FIND(hh, units->by_conn, &conn_id, sizeof(conn_id), request);
	return request;
}

void request__move(struct request *request, struct unit *unit)
{
	if (request->unit == unit)
		return;
	uncount(request);
	if (request->unit)
		request->unit->held--;
	request->unit = unit;
	if (unit)
		unit->held++;
	count(request);
}

void request__complete(struct request *request)
{
	uncount(request);
	request->whole = true;
	count(request);
}

void request__close(struct request *request)
{
	uncount(request);
	if (request->open && request->unit && request->unit->group->rules &&
	    request->unit->group->rules->gone)
		request->unit->group->rules->gone(request->unit->group, request);
	request->open = false;
}

void request__add_calls(struct request *request, int calls, int connects)
{
	uncount(request);
	request->calls += calls;
	request->connects += connects;
	count(request);
}

/* --- units --------------------------------------------------------------------------------- */

void unit__turn(struct units *units, struct unit *unit, enum turn turn, struct request *cur)
{
	struct request *old = unit->cur;

	unit->turn = turn;
	unit->cur = request__ref(cur);
	request__unref(units, old);
}

void unit__read(struct unit *unit, const struct stamp *at)
{
	unit->ns = at->ns;
	unit->slept = at->unit;
}

static void unit__free(struct units *units, struct unit *unit)
{
	struct request *request;

	unit__turn(units, unit, TURN_NONE, NULL);
	DL_FOREACH(units->requests, request) {
		if (!unit->held)
			break;
		if (request->unit == unit)
			request__move(request, NULL);
	}
	if (units->last == unit)
		units->last = NULL;
	HASH_DEL(unit->group->by_tid, unit);
	DL_DELETE(units->idlest, unit);
	units->count--;
	free(unit);
}

static struct group *group__find(struct units *units, uint32_t pid)
{
	struct group *group;

	HASH_FIND(hh, units->groups, &pid, sizeof(pid), group);
	return group;
}

static void group__free(struct units *units, struct group *group)
{
	struct unit *unit, *next;

	HASH_ITER(hh, group->by_tid, unit, next)
		unit__free(units, unit);
	if (group->rules && group->rules->release)
		group->rules->release(group);
	HASH_DEL(units->groups, group); /* NOLINT(*NullDereference): it is in the table */
	process__unref(group->process);
	free(group);
}

static void group__set_rules(struct group *group, const struct unit_rules *rules)
{
	if (group->rules == rules)
		return;
	if (group->rules && group->rules->release)
		group->rules->release(group);
	group->state = NULL;
	group->rules = rules;
}

/* Whose rules hold is asked again only when the processes have changed: one may have been found
 * out later, or be another program by now. */
static void group__refresh(struct units *units, struct group *group)
{
	struct process *process;
	uint64_t version = processes__version(units->processes);

	if (group->rules && group->version == version)
		return;
	group->version = version;
	process = processes__find(units->processes, group->pid);
	if (group->rules && group->process == process)
		return;
	group__set_rules(group, unit_rules__of(process, group->kind));
	process__unref(group->process);
	group->process = process ? process__ref(process) : NULL;
}

static struct group *group__get(struct units *units, uint32_t pid)
{
	struct group *group = group__find(units, pid);

	if (group)
		return group;
	if (HASH_COUNT(units->groups) >= ATTRIBUTE_UNITS_MAX) {
		units->stats->lost[LOSS_UNIT_TABLE_FULL]++;
		return NULL;
	}
	group = calloc(1, sizeof(*group));
	if (!group)
		return NULL;
	group->pid = pid;
	group->units = units;
	HASH_ADD(hh, units->groups, pid, sizeof(pid), group);
	if (!group->hh.tbl) {
		free(group);
		return NULL;
	}
	return group;
}

struct group *units__group(struct units *units, uint32_t pid)
{
	struct group *group = group__find(units, pid);

	if (group)
		group__refresh(units, group);
	return group;
}

void units__set_kind(struct units *units, uint32_t pid, uint8_t kind, uint8_t flags)
{
	struct group *group = pid ? group__get(units, pid) : NULL;

	if (!group)
		return;
	/* said again: more of its units is told from now on, and some may have been missed */
	if (kind && group->kind == kind && group->rules && group->rules->distrust)
		group->rules->distrust(group);
	group->kind = kind < UNITS_KIND_COUNT ? kind : UNITS_THREADS;
	group->flags = flags;
	group__refresh(units, group);
	group__set_rules(group, unit_rules__of(group->process, group->kind));
}

void units__older(struct units *units, uint32_t pid)
{
	struct group *group = pid ? group__get(units, pid) : NULL;

	if (group)
		group->older = true;
}

/* Makes room: an idle unit that was never mux says nothing that a new entry would not say. An empty
 * group goes with its last unit unless it knows something (or the room is made for it). */
static bool evict(struct units *units, const struct group *keep)
{
	struct unit *unit = units->idlest;

	units->stats->lost[LOSS_UNIT_TABLE_FULL]++;
	for (int i = 0; unit && i < EVICT_LOOKS; i++, unit = unit->next) {
		struct group *group = unit->group;

		if (unit->mux || unit->gives || unit->open)
			continue;
		unit__free(units, unit);
		if (!group->by_tid && !group->migrating && !group->older && !group->kind &&
		    !group->flags && group != keep)
			group__free(units, group);
		return true;
	}
	return false;
}

static struct unit *unit__new(struct units *units, struct group *group, uint32_t tid)
{
	struct unit *unit;

	if (units->count >= ATTRIBUTE_UNITS_MAX && !evict(units, group))
		return NULL;
	unit = calloc(1, sizeof(*unit));
	if (!unit)
		return NULL;
	unit->tid = tid;
	unit->group = group;
	HASH_ADD(hh, group->by_tid, tid, sizeof(tid), unit);
	if (!unit->hh.tbl) {
		free(unit);
		return NULL;
	}
	DL_APPEND(units->idlest, unit);
	units->count++;
	return unit;
}

static struct unit *find_or_make(struct units *units, const struct stamp *at)
{
	struct group *group = group__get(units, at->pid);
	struct unit *unit = NULL;

	if (!group)
		return NULL;
	HASH_FIND(hh, group->by_tid, &at->tid, sizeof(at->tid), unit);
	if (!unit)
		unit = unit__new(units, group, at->tid);
	if (!unit && !group->by_tid)
		group__free(units, group);
	return unit;
}

struct unit *units__get(struct units *units, const struct stamp *at)
{
	struct unit *unit = units->last;

	if (!at->tid || !at->pid)
		return NULL;
	if (!unit || unit->tid != at->tid || unit->group->pid != at->pid)
		unit = find_or_make(units, at);
	if (!unit)
		return NULL;
	units->last = unit;
	group__refresh(units, unit->group);
	if (unit->next) { /* to the busy end */
		DL_DELETE(units->idlest, unit);
		DL_APPEND(units->idlest, unit);
	}
	if (at->ns > unit->seen_ns)
		unit->seen_ns = unit->group->seen_ns = at->ns;
	return unit;
}

struct unit *group__unit(const struct group *group, uint32_t tid)
{
	struct unit *unit;

	HASH_FIND(hh, group->by_tid, &tid, sizeof(tid), unit);
	return unit;
}

void units__distrust(struct units *units)
{
	struct group *group, *next;

	HASH_ITER(hh, units->groups, group, next)
		if (group->rules && group->rules->distrust)
			group->rules->distrust(group);
}

void units__drop_unit(struct units *units, uint32_t pid, uint32_t tid)
{
	const struct group *group = group__find(units, pid);
	struct unit *unit = group ? group__unit(group, tid) : NULL;

	if (unit)
		unit__free(units, unit);
}

void units__drop_group(struct units *units, uint32_t pid)
{
	struct group *group = group__find(units, pid);

	if (group)
		group__free(units, group);
}

void units__age(struct units *units, uint64_t now_ns)
{
	struct unit *unit, *next;
	struct group *group, *group_next;

	if (now_ns < units->aged_ns + AGE_EVERY_NS)
		return;
	units->aged_ns = now_ns;
	DL_FOREACH_SAFE(units->idlest, unit, next) {
		if (now_ns < unit->seen_ns + UNIT_IDLE_NS)
			break;
		if (!unit->mux && !unit->gives && !unit->open)
			unit__free(units, unit);
	}
	HASH_ITER(hh, units->groups, group, group_next) {
		if (!group->seen_ns) /* nothing of it but its kind yet */
			group->seen_ns = now_ns;
		/* what its units mean is told once, and holds until it ends */
		if (!group->kind && !group->flags && now_ns >= group->seen_ns + GROUP_IDLE_NS)
			group__free(units, group);
	}
}

void units__release(struct units *units)
{
	struct group *group, *next;

	HASH_ITER(hh, units->groups, group, next)
		group__free(units, group);
	/* what exchanges still held that never came to their end */
	while (units->requests) {
		units->requests->refs = 1;
		request__unref(units, units->requests);
	}
}
