// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#define HASH_NONFATAL_OOM 1 /* before any header takes uthash.h in */

#include "attribute/goroutine.h"

#include <stdlib.h>

#include <utlist.h>

#define PIPELINE_LOOKS 64
#define PRUNE_LOOKS    4

/* --- calls that wait ------------------------------------------------------------------------- */

static void work__free(struct goroutines *all, struct work *work)
{
	HASH_DEL(all->works, work); /* NOLINT(*NullDereference): it is in the table */
	DL_DELETE(work->of->works, work);
	work->of->count--;
	hold__unref(all->units, work->hold);
	free(work);
}

void work__settle(struct goroutines *all, struct work *work, struct verdict verdict)
{
	hold__settle(all->units, work->hold, verdict);
	work__free(all, work);
}

struct work *work__of(struct goroutines *all, const struct hold *hold)
{
	struct work *work;

	HASH_FIND_PTR(all->works, &hold, work);
	return work;
}

struct hold *goroutine__wait(struct goroutines *all, struct goroutine *g, uint64_t now_ns)
{
	struct work *work;

	if (g->count >= WORKS_MAX)
		work__settle(all, g->works, verdict_root(ROOT_WHY_EXPIRED));
	work = calloc(1, sizeof(*work));
	if (!work)
		return NULL;
	work->hold = hold__new();
	work->of = g;
	work->begun_ns = now_ns;
	if (work->hold)
		HASH_ADD_PTR(all->works, hold, work);
	if (!work->hold || !work->hh.tbl) {
		hold__unref(all->units, work->hold);
		free(work);
		return NULL;
	}
	DL_APPEND(g->works, work);
	g->count++;
	return work->hold;
}

static void drop_works(struct goroutines *all, struct goroutine *g)
{
	while (g->works)
		work__settle(all, g->works, verdict_root(ROOT_WHY_EXPIRED));
}

/* --- goroutines ------------------------------------------------------------------------------ */

static void set_from(struct goroutines *all, struct goroutine *g, struct request *from)
{
	struct request *old = g->from;

	g->from = request__ref(from);
	request__unref(all->units, old);
}

void goroutine__begin(struct goroutines *all, struct goroutine *g, struct request *from)
{
	drop_works(all, g);
	g->timed = false;
	set_from(all, g, from);
}

void goroutine__set_request(struct goroutines *all, struct goroutine *g, struct request *request)
{
	struct request *old = g->request;

	g->request = request__ref(request);
	request__unref(all->units, old);
}

static void goroutine__free(struct goroutines *all, struct goroutine *g)
{
	drop_works(all, g);
	set_from(all, g, NULL);
	goroutine__set_request(all, g, NULL);
	HASH_DEL(all->by_id, g); /* NOLINT(*NullDereference): it is in the table */
	DL_DELETE(all->idlest, g);
	free(g);
}

struct goroutine *goroutine__find(struct goroutines *all, uint64_t id)
{
	struct goroutine *g;

	HASH_FIND(hh, all->by_id, &id, sizeof(id), g);
	if (g && g->next) {
		DL_DELETE(all->idlest, g);
		DL_APPEND(all->idlest, g);
	}
	return g;
}

/* Most goroutines end unseen. This one says nothing that one which is not known would not say. */
static bool is_done(const struct goroutine *g)
{
	return !g->serves && !g->works && !g->from && (!g->request || !g->request->open);
}

static void make_room(struct goroutines *all)
{
	for (int i = 0; i < PRUNE_LOOKS && all->idlest; i++) {
		struct goroutine *g = all->idlest;

		if (is_done(g)) {
			goroutine__free(all, g);
			continue;
		}
		DL_DELETE(all->idlest, g); /* once more */
		DL_APPEND(all->idlest, g);
	}
	if (HASH_COUNT(all->by_id) < GOROUTINES_MAX)
		return;
	all->units->stats->lost[LOSS_UNIT_TABLE_FULL]++;
	goroutine__free(all, all->idlest);
}

struct goroutine *goroutine__get(struct goroutines *all, uint64_t id)
{
	struct goroutine *g = goroutine__find(all, id);

	if (g)
		return g;
	if (HASH_COUNT(all->by_id) >= GOROUTINES_MAX / 2)
		make_room(all);
	g = calloc(1, sizeof(*g));
	if (!g)
		return NULL;
	g->id = id;
	HASH_ADD(hh, all->by_id, id, sizeof(id), g);
	if (!g->hh.tbl) {
		free(g);
		return NULL;
	}
	DL_APPEND(all->idlest, g);
	return g;
}

/* Requests that came in one read are served one after the other. */
struct request *goroutine__request(struct goroutines *all, struct goroutine *g)
{
	struct request *request = g->request, *next;
	int looks = 0;

	if (!request || request->open || !g->serves || !request->followed)
		return request;
	for (next = request->next; next && looks < PIPELINE_LOOKS; next = next->next, looks++) {
		if (next->conn_id != request->conn_id || !next->open)
			continue;
		goroutine__set_request(all, g, next);
		return next;
	}
	return request;
}

/* --- gifts ----------------------------------------------------------------------------------- */

static struct gift *gift__find(struct goroutines *all, uint64_t conn_id)
{
	struct gift *gift;

	HASH_FIND(hh, all->gifts, &conn_id, sizeof(conn_id), gift);
	return gift;
}

static void gift__free(struct goroutines *all, struct gift *gift)
{
	request__unref(all->units, gift->verdict.request);
	hold__unref(all->units, gift->verdict.hold);
	HASH_DEL(all->gifts, gift); /* NOLINT(*NullDereference): it is in the table */
	DL_DELETE(all->oldest, gift);
	free(gift);
}

static struct gift *gift__get(struct goroutines *all, uint64_t conn_id)
{
	struct gift *gift = gift__find(all, conn_id);

	if (gift) {
		DL_DELETE(all->oldest, gift);
		DL_APPEND(all->oldest, gift);
		return gift;
	}
	if (HASH_COUNT(all->gifts) >= GIFTS_MAX) {
		all->units->stats->lost[LOSS_UNIT_TABLE_FULL]++;
		gift__free(all, all->oldest);
	}
	gift = calloc(1, sizeof(*gift));
	if (!gift)
		return NULL;
	gift->conn_id = conn_id;
	HASH_ADD(hh, all->gifts, conn_id, sizeof(conn_id), gift);
	if (!gift->hh.tbl) {
		free(gift);
		return NULL;
	}
	DL_APPEND(all->oldest, gift);
	return gift;
}

void gift__dialled(struct goroutines *all, uint64_t conn_id, const struct goroutine *dialler)
{
	struct gift *gift = gift__get(all, conn_id);

	if (!gift)
		return;
	gift->dialler = dialler->id;
	gift->maker = dialler->creator;
}

bool gift__may_be_of(struct goroutines *all, uint64_t conn_id, uint64_t g)
{
	const struct gift *gift = gift__find(all, conn_id);

	return !gift || !gift->dialler || gift->dialler == g || gift->maker == g;
}

void gift__put(struct goroutines *all, uint64_t conn_id, struct verdict verdict)
{
	struct gift *gift = gift__get(all, conn_id);
	struct verdict old;

	if (!gift)
		return;
	old = gift->verdict;
	gift->verdict = verdict;
	gift->given = true;
	request__ref(verdict.request);
	hold__ref(verdict.hold);
	request__unref(all->units, old.request);
	hold__unref(all->units, old.hold);
}

const struct verdict *gift__take(struct goroutines *all, uint64_t conn_id)
{
	struct gift *gift = gift__find(all, conn_id);

	if (!gift || !gift->given)
		return NULL;
	gift->given = false;
	return &gift->verdict;
}

/* --- all of them ------------------------------------------------------------------------------ */

struct goroutines *goroutines__of(struct group *group)
{
	struct goroutines *all = group->state;

	if (all)
		return all;
	all = calloc(1, sizeof(*all));
	if (all)
		all->units = group->units;
	group->state = all;
	return all;
}

void goroutines__free(struct goroutines *all)
{
	if (!all)
		return;
	while (all->oldest)
		gift__free(all, all->oldest);
	while (all->idlest)
		goroutine__free(all, all->idlest);
	free(all);
}
