// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#define HASH_NONFATAL_OOM 1 /* before any header takes uthash.h in */

#include "attribute/handed.h"

#include <stdlib.h>

struct item {
	uint64_t at;
	uint32_t count;		 /* how often it is queued */
	struct request *request; /* a reference; NULL: in doubt */
	UT_hash_handle hh;
};

struct handed {
	struct units *units;
	struct worker *workers; /* in the order in which they came */
	struct item *items;	/* likewise */
};

struct handed *handed__new(struct units *units)
{
	struct handed *handed = calloc(1, sizeof(*handed));

	if (handed)
		handed->units = units;
	return handed;
}

/* --- threads --------------------------------------------------------------------------------- */

static void worker__free(struct handed *handed, struct worker *worker)
{
	HASH_DEL(handed->workers, worker); /* NOLINT(*NullDereference): it is in the table */
	request__unref(handed->units, worker->request);
	request__unref(handed->units, worker->read);
	free(worker);
}

struct worker *handed__find(struct handed *handed, uint32_t tid)
{
	struct worker *worker;

	HASH_FIND(hh, handed->workers, &tid, sizeof(tid), worker);
	return worker;
}

struct worker *handed__get(struct handed *handed, uint32_t tid)
{
	struct worker *worker = handed__find(handed, tid);

	if (worker)
		return worker;
	if (HASH_COUNT(handed->workers) >= HANDED_THREADS_MAX) {
		worker__free(handed, handed->workers);
		handed->units->stats->lost[LOSS_UNIT_TABLE_FULL]++;
	}
	worker = calloc(1, sizeof(*worker));
	if (!worker)
		return NULL;
	worker->tid = tid;
	HASH_ADD(hh, handed->workers, tid, sizeof(tid), worker);
	if (!worker->hh.tbl) {
		free(worker);
		return NULL;
	}
	return worker;
}

void handed__drop(struct handed *handed, uint32_t tid)
{
	struct worker *worker = handed__find(handed, tid);

	if (worker)
		worker__free(handed, worker);
}

void worker__works_for(struct handed *handed, struct worker *worker, struct request *request,
		       enum parent_by by, uint64_t now_ns)
{
	struct request *old = worker->request;

	worker->request = request__ref(request);
	worker->by = by;
	worker->since_ns = now_ns;
	request__unref(handed->units, old);
}

void worker__moves_on(struct handed *handed, struct worker *worker, bool in_context)
{
	if (!worker)
		return;
	worker->accepted = 0;
	if (!in_context)
		worker__has_read(handed, worker, NULL);
}

void worker__has_read(struct handed *handed, struct worker *worker, struct request *request)
{
	struct request *old = worker->read;

	worker->read = request__ref(request);
	worker->accepted = 0;
	request__unref(handed->units, old);
}

/* --- queues ---------------------------------------------------------------------------------- */

static void item__free(struct handed *handed, struct item *item)
{
	HASH_DEL(handed->items, item); /* NOLINT(*NullDereference): it is in the table */
	request__unref(handed->units, item->request);
	free(item);
}

void handed__free(struct handed *handed)
{
	if (!handed)
		return;
	while (handed->workers)
		worker__free(handed, handed->workers);
	while (handed->items)
		item__free(handed, handed->items);
	free(handed);
}

static struct item *item__find(struct handed *handed, uint64_t at)
{
	struct item *item;

	HASH_FIND(hh, handed->items, &at, sizeof(at), item);
	return item;
}

/* Queued already: the older one was never taken, when its request is answered by now. */
static void item__again(struct handed *handed, struct item *item, struct request *request)
{
	struct request *old = item->request;

	if (old && !old->open) {
		item->count = 1;
		item->request = request__ref(request);
		request__unref(handed->units, old);
		return;
	}
	item->count++;
	if (old != request) {
		item->request = NULL;
		request__unref(handed->units, old);
	}
}

void handed__put(struct handed *handed, uint64_t at, struct request *request)
{
	struct item *item = item__find(handed, at);

	if (item) {
		item__again(handed, item, request);
		return;
	}
	if (!request)
		return;
	if (HASH_COUNT(handed->items) >= HANDED_ITEMS_MAX) {
		item__free(handed, handed->items);
		handed->units->stats->lost[LOSS_UNIT_TABLE_FULL]++;
	}
	item = calloc(1, sizeof(*item));
	if (!item)
		return;
	*item = (struct item){ .at = at, .count = 1 };
	HASH_ADD(hh, handed->items, at, sizeof(at), item);
	if (!item->hh.tbl) {
		free(item);
		return;
	}
	item->request = request__ref(request);
}

struct request *handed__take(struct handed *handed, uint64_t at)
{
	struct item *item = item__find(handed, at);
	struct request *request;

	if (!item)
		return NULL;
	request = request__ref(item->request);
	if (!--item->count)
		item__free(handed, item);
	return request;
}
