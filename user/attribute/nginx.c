// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * nginx. Where the functions that do so could be found (UNITS_NGINX) a worker says for which client
 * it calls, right before it does (UNIT_CLIENT): then the call is for the request that is open on
 * that client's connection, whatever else goes on. A connection has one request at a time; calls
 * that go on after its answer has begun are its calls, too.
 *
 * Without that: a worker makes its call in the turn of the read that asked for it, or opens a
 * connection in that turn. So what was read last is what it acts for, except when
 *
 * - it has a call or connection under way already: what comes now may be begun by a timer (a
 *   script's, a health check's). Calls that a request makes in parallel are not told from that;
 * - another open request waits for nothing that we see (a timer, a name, a limit): then the turn
 *   may be its, begun by an event that no socket shows;
 * - more of it is to be read: what is read in silence begins turns that are not seen;
 * - the worker has slept since the read and served before the agent came: the turn is over, and a
 *   request that is not known may have begun another one. (Where all are known, those that wait for
 *   nothing that we see cast the doubt: a worker sleeps in the middle of a turn, too, when a page or
 *   a lock is not at hand.)
 */
#include <stdlib.h>
#include <string.h>

#include <utlist.h>

#include "attribute/unit.h"

#define SAID_MAX  64  /* calls that may become known late */
#define LOOKS_MAX 256 /* for the first one of pipelined requests */

/* What a worker said of its next call. */
struct said {
	uint64_t ns;
	uint64_t until_ns; /* something else was read or answered then: it is over; 0: not yet */
	uint64_t client;   /* connection; 0: of no client that is known */
	uint64_t conn_id;  /* of the call; 0: not known yet */
	uint32_t tid;
	bool used;
};

struct nginx {
	struct said said[SAID_MAX]; /* a ring */
	uint32_t next;
};

/* --- by what it says -------------------------------------------------------------------------- */

/* What was said last before that time; NULL when it was said of something else, or is over. */
static struct said *said_before(struct nginx *nginx, const struct call_site *site)
{
	const struct stamp *at = site->at;

	for (uint32_t i = 1; nginx && i <= SAID_MAX; i++) {
		struct said *said = &nginx->said[(nginx->next - i) % SAID_MAX];

		if (said->tid != at->tid || said->ns > at->ns)
			continue;
		if (said->used || (said->conn_id && said->conn_id != site->conn_id) ||
		    (said->until_ns && said->until_ns < at->ns))
			return NULL;
		return said;
	}
	return NULL;
}

/*
 * Of several that were read at once the first one, as long as it is open: nginx takes up the next
 * one when it has finished the one before, which no socket shows.
 */
static struct request *first_of(struct units *units, struct request *youngest)
{
	struct request *one = units->requests->prev;

	for (int i = 0; i < LOOKS_MAX && one; i++) {
		if (one->conn_id == youngest->conn_id && one->open && !one->queued)
			return one;
		one = one == units->requests ? NULL : one->prev;
	}
	return NULL;
}

static struct verdict by_client(struct unit *unit, struct said *said)
{
	struct units *units = unit->group->units;
	struct request *request = request__youngest(units, said->client);

	said->used = true;
	if (request && request->open && request->queued)
		request = first_of(units, request);
	else if (!request)
		return verdict_root(ROOT_WHY_NO_REQUEST);
	if (!request || request->keyed || request->stale)
		return verdict_root(ROOT_WHY_DOUBT);
	return (struct verdict){ .request = request, .by = PARENT_BY_CLIENT };
}

static void nginx__event(struct group *group, const struct event_unit *event)
{
	struct nginx *nginx = group->state;

	if (event->change != UNIT_CLIENT)
		return;
	if (!nginx)
		group->state = nginx = calloc(1, sizeof(*nginx));
	if (!nginx)
		return;
	nginx->said[nginx->next++ % SAID_MAX] = (struct said){ .ns = event->event.time_ns,
							       .client = event->other_unit,
							       .conn_id = event->arg,
							       .tid = event->event.tid };
}

/* The worker does something else by now: what it said and did not do (all servers were down) is
 * void. */
static void pass(const struct unit *unit, uint64_t ns)
{
	struct nginx *nginx = unit->group->state;
	struct said *said = nginx ? &nginx->said[(nginx->next - 1) % SAID_MAX] : NULL;

	if (said && said->tid == unit->tid && !said->until_ns && said->ns < ns)
		said->until_ns = ns;
}

static void nginx__request(struct unit *unit, struct request *request, const struct stamp *at)
{
	pass(unit, at->ns);
}

static void nginx__response(struct unit *unit, struct request *owner, const struct call_site *site)
{
	pass(unit, site->at->ns);
}

static void nginx__forget(struct group *group)
{
	free(group->state);
	group->state = NULL;
}

/* --- by its turns ----------------------------------------------------------------------------- */

static struct verdict by_turn(struct unit *unit, const struct call_site *site)
{
	const struct stamp *at = site->at;
	struct request *cur = unit->cur;

	if (cur && cur->open && (cur->calls || cur->connects))
		return verdict_root(ROOT_WHY_DOUBT);
	if (unit->group->older && unit->slept != at->unit && (unit->mux || unit->slept))
		return verdict_root(unit->open ? ROOT_WHY_DOUBT : ROOT_WHY_NO_REQUEST);
	if (!unit->mux)
		return unit__alone(unit);
	if (!cur)
		return verdict_root(unit->open ? ROOT_WHY_DOUBT : ROOT_WHY_NO_REQUEST);
	if (!cur->open)
		return verdict_root(cur->stale ? ROOT_WHY_DOUBT : ROOT_WHY_CLOSED);
	if (cur->unit != unit || !cur->whole || unit->idle > (request__idle(cur) ? 1 : 0))
		return verdict_root(ROOT_WHY_DOUBT);
	return (struct verdict){ .request = cur, .by = PARENT_BY_TURN };
}

static struct verdict nginx__who(struct unit *unit, const struct call_site *site)
{
	struct said *said;

	if (unit->group->kind != UNITS_NGINX)
		return by_turn(unit, site);
	said = said_before(unit->group->state, site);
	return said ? by_client(unit, said) : verdict_root(ROOT_WHY_UNIT);
}

const struct unit_rules nginx_rules = {
	.name = "nginx",
	.moves_freely = true, /* sendfile in its thread pool */
	.request = nginx__request,
	.answered = nginx__request,
	.who = nginx__who,
	.response = nginx__response,
	.event = nginx__event,
	.distrust = nginx__forget,
	.release = nginx__forget,
};
