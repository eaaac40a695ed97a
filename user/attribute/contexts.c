// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#define HASH_NONFATAL_OOM 1 /* before any header takes uthash.h in */

#include "attribute/contexts.h"

#include <stdlib.h>

#include <utlist.h>

#include "base/pool.h"

struct entry {
	uint64_t address;
	struct origin *origin;	   /* a reference */
	struct entry *prev, *next; /* longest unseen first */
	UT_hash_handle hh;
};

struct contexts {
	struct units *units;
	struct entry *by_address;
	struct entry *oldest;
};

static struct pool origins_pool = { .size = sizeof(struct origin), .keep = 1024 };
static struct pool entries_pool = { .size = sizeof(struct entry), .keep = 1024 };

/* --- origins --------------------------------------------------------------------------------- */

static struct origin *origin__new(struct origin *up, uint64_t now_ns)
{
	struct origin *origin = pool__get(&origins_pool);

	if (!origin)
		return NULL;
	*origin = (struct origin){ .refs = 1, .made_ns = now_ns };
	if (up && up->depth < CONTEXTS_DEPTH_MAX) {
		origin->up = origin__ref(up);
		origin->depth = up->depth + 1;
	}
	return origin;
}

struct origin *origin__ref(struct origin *origin)
{
	if (origin)
		origin->refs++;
	return origin;
}

void origin__unref(struct units *units, struct origin *origin)
{
	while (origin && !--origin->refs) {
		struct origin *up = origin->up;

		request__unref(units, origin->request);
		pool__put(&origins_pool, origin);
		origin = up;
	}
}

void origin__set_request(struct units *units, struct origin *origin, struct request *request)
{
	struct request *old = origin->request;

	origin->request = request__ref(request);
	request__unref(units, old);
}

struct origin *origin__of_conn(struct origin *origin)
{
	struct origin *at = origin;

	while (at && !at->conn) {
		if (at->request || at->doubt || at->server || at->nobody)
			return NULL;
		at = at->up;
	}
	if (at && at != origin && at->served_ns && origin->made_ns > at->served_ns)
		return NULL;
	return at;
}

/* --- by address ------------------------------------------------------------------------------ */

struct contexts *contexts__new(struct units *units)
{
	struct contexts *contexts = calloc(1, sizeof(*contexts));

	if (contexts)
		contexts->units = units;
	return contexts;
}

static void entry__free(struct contexts *contexts, struct entry *entry)
{
	HASH_DEL(contexts->by_address, entry); /* NOLINT(*NullDereference): it is in the table */
	DL_DELETE(contexts->oldest, entry);
	origin__unref(contexts->units, entry->origin);
	pool__put(&entries_pool, entry);
}

void contexts__free(struct contexts *contexts)
{
	if (!contexts)
		return;
	while (contexts->oldest)
		entry__free(contexts, contexts->oldest);
	free(contexts);
}

static struct entry *find(struct contexts *contexts, uint64_t address)
{
	struct entry *entry = NULL;

	HASH_FIND(hh, contexts->by_address, &address, sizeof(address), entry);
	if (entry && entry->next) {
		DL_DELETE(contexts->oldest, entry);
		DL_APPEND(contexts->oldest, entry);
	}
	return entry;
}

/* Takes the reference of origin over, also when it fails. */
static struct origin *put(struct contexts *contexts, uint64_t address, struct origin *origin)
{
	struct entry *entry;

	if (!origin)
		return NULL;
	if (HASH_COUNT(contexts->by_address) >= CONTEXTS_MAX) {
		entry__free(contexts, contexts->oldest);
		contexts->units->stats->lost[LOSS_UNIT_TABLE_FULL]++;
	}
	entry = pool__get(&entries_pool);
	if (entry) {
		*entry = (struct entry){ .address = address, .origin = origin };
		HASH_ADD(hh, contexts->by_address, address, sizeof(address), entry);
	}
	if (!entry || !entry->hh.tbl) {
		pool__put(&entries_pool, entry);
		origin__unref(contexts->units, origin);
		return NULL;
	}
	DL_APPEND(contexts->oldest, entry);
	return origin;
}

struct origin *contexts__at(struct contexts *contexts, uint64_t address)
{
	struct entry *entry = find(contexts, address);

	return entry ? entry->origin : put(contexts, address, origin__new(NULL, 0));
}

struct origin *contexts__made(struct contexts *contexts, uint64_t address, struct origin *from,
			      struct request *request, uint64_t now_ns)
{
	/* the old one may be all that keeps `from` */
	struct origin *made = origin__new(request ? NULL : from, now_ns);
	struct entry *entry = find(contexts, address);

	if (made && request)
		origin__set_request(contexts->units, made, request);
	if (entry && made) {
		origin__unref(contexts->units, entry->origin);
		entry->origin = made;
		return made;
	}
	if (entry)
		entry__free(contexts, entry);
	return put(contexts, address, made);
}
