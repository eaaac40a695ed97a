// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Threads. A thread that has one request open and never had two acts for that one: exact for
 * thread-per-request programs. Once a thread has had two open requests its calls could be for
 * either (mux), and where work moves between threads it proves nothing at all: then there is no
 * parent. Neither is there one in an event loop, however few requests it has: a timer may have
 * fired. A loop shows by the connection of its request, which never blocks and which epoll watches
 * while the request is read; who serves one request at a time waits in the read itself, or has
 * taken the connection out of epoll.
 *
 * A thread without a request of its own may work for one that another thread has (a pool): see
 * handoff.c.
 */
#include "attribute/handoff.h"

struct verdict unit__alone(struct unit *unit)
{
	bool moved = unit->group->rules->gives_whole ? unit->gives : unit->group->migrating;
	struct request *cur = unit->cur;

	if (!unit->open && !moved)
		return verdict_root(cur && !cur->stale ? ROOT_WHY_CLOSED :
				    cur		       ? ROOT_WHY_DOUBT :
							 ROOT_WHY_NO_REQUEST);
	if (unit->mux || moved || unit->open > 1)
		return verdict_root(ROOT_WHY_DOUBT);
	/* the one open request must be what the thread works on, not the answer to something else */
	if (!cur || cur->unit != unit)
		return verdict_root(ROOT_WHY_DOUBT);
	if (!cur->open)
		return verdict_root(cur->stale ? ROOT_WHY_DOUBT : ROOT_WHY_CLOSED);
	return (struct verdict){ .request = cur, .by = PARENT_BY_THREAD };
}

struct verdict unit__own(struct unit *unit)
{
	struct verdict verdict = unit__alone(unit);

	return verdict.request && verdict.request->looped ? verdict_root(ROOT_WHY_LOOP) : verdict;
}

static struct verdict threads__who(struct unit *unit, const struct call_site *site)
{
	struct verdict verdict = unit__own(unit);

	if (verdict.why != ROOT_WHY_NO_REQUEST && verdict.why != ROOT_WHY_CLOSED)
		return verdict;
	return handoff__who(unit, site, verdict);
}

static void threads__response(struct unit *unit, struct request *owner,
			      const struct call_site *site)
{
	if (site->hold && site->complete)
		handoff__response(unit, site);
}

const struct unit_rules threads_rules = {
	.name = "threads",
	.who = threads__who,
	.response = threads__response,
	.event = handoff__event,
	.distrust = handoff__release,
	.release = handoff__release,
};

/* Puma's reactor reads a request whole and gives it to a thread of the pool, which answers it; that
 * thread reads the connection's next one itself, if it comes soon. */
const struct unit_rules ruby_rules = {
	.name = "ruby",
	.gives_whole = true,
	.who = threads__who,
	.response = threads__response,
	.event = handoff__event,
	.distrust = handoff__release,
	.release = handoff__release,
};
