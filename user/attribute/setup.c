// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#define HASH_NONFATAL_OOM 1 /* before any header takes uthash.h in */

#include "attribute/setup.h"

#include <stdlib.h>

#include <utlist.h>

struct setup *setups__find(struct setups *setups, uint64_t conn_id)
{
	struct setup *setup;

	HASH_FIND(hh, setups->by_conn, &conn_id, sizeof(conn_id), setup);
	return setup;
}

static void setup__free(struct setups *setups, struct setup *setup)
{
	if (setup->waiting)
		request__add_calls(setup->waiting, 0, -1);
	request__unref(setups->units, setup->waiting);
	request__unref(setups->units, setup->verdict.request);
	hold__unref(setups->units, setup->hold);
	HASH_DEL(setups->by_conn, setup); /* NOLINT(*NullDereference): it is in the table */
	DL_DELETE(setups->oldest, setup);
	free(setup);
}

void setups__drop(struct setups *setups, uint64_t conn_id)
{
	struct setup *setup = setups__find(setups, conn_id);

	if (setup)
		setup__free(setups, setup);
}

void setups__add(struct setups *setups, uint64_t conn_id, uint32_t tid, struct verdict verdict)
{
	struct setup *setup;

	setups__drop(setups, conn_id);
	if (HASH_COUNT(setups->by_conn) >= SETUPS_MAX) {
		setup__free(setups, setups->oldest);
		setups->units->stats->lost[LOSS_UNIT_TABLE_FULL]++;
	}
	setup = calloc(1, sizeof(*setup));
	if (!setup)
		return;
	setup->conn_id = conn_id;
	setup->tid = tid;
	HASH_ADD(hh, setups->by_conn, conn_id, sizeof(conn_id), setup);
	if (!setup->hh.tbl) {
		free(setup);
		return;
	}
	DL_APPEND(setups->oldest, setup);
	setup->verdict = verdict;
	setup->hold = hold__ref(verdict.hold);
	request__ref(verdict.request);
	setup->waiting = request__ref(verdict.request ? verdict.request : verdict.maybe);
	if (setup->waiting)
		request__add_calls(setup->waiting, 0, 1);
}

void setups__release(struct setups *setups)
{
	while (setups->oldest)
		setup__free(setups, setups->oldest);
}

struct verdict setup__first_use(const struct setup *setup, uint32_t tid, struct verdict now)
{
	struct verdict then = setup->verdict;

	if (setup->hold) /* its hold goes on, or has been claimed */
		return setup->tid == tid || !now.request ? now : verdict_root(ROOT_WHY_DOUBT);
	if (then.request && then.request == now.request) {
		if (now.by == PARENT_BY_TURN) /* the turn has passed since: connecting takes one */
			now.by = PARENT_BY_CONNECT;
		return now;
	}
	/* opened by another thread: for nobody, for that one's request, or we cannot tell */
	if (setup->tid != tid && !then.request)
		return now;
	if (setup->tid != tid && (then.by != PARENT_BY_CONNECT || now.request))
		return verdict_root(ROOT_WHY_DOUBT);
	if (!then.request)
		return then;
	if (verdict__is_over(&then))
		return verdict_root(then.request->stale ? ROOT_WHY_DOUBT : ROOT_WHY_CLOSED);
	then.by = PARENT_BY_CONNECT;
	return then;
}
