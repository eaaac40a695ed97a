// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * nginx: a worker makes its call in the turn of the read that asked for it, or opens a connection
 * in that turn. So what was read last is what it acts for, except when
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
#include "attribute/unit.h"

static struct verdict nginx__who(struct unit *unit, const struct call_site *site)
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

const struct unit_rules nginx_rules = {
	.name = "nginx",
	.moves_freely = true, /* sendfile in its thread pool */
	.who = nginx__who,
};
