// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#define HASH_NONFATAL_OOM 1 /* before any header takes uthash.h in */

#include "attribute/links.h"

#include <stdlib.h>

#include <utlist.h>

struct links {
	struct units *units;
	struct link *by_conn;
	struct link *oldest; /* longest untouched first */
};

struct links *links__new(struct units *units)
{
	struct links *links = calloc(1, sizeof(*links));

	if (links)
		links->units = units;
	return links;
}

static void link__free(struct links *links, struct link *link)
{
	HASH_DEL(links->by_conn, link); /* NOLINT(*NullDereference): it is in the table */
	DL_DELETE(links->oldest, link);
	origin__unref(links->units, link->written);
	free(link);
}

void links__free(struct links *links)
{
	if (!links)
		return;
	while (links->oldest)
		link__free(links, links->oldest);
	free(links);
}

struct link *links__find(struct links *links, uint64_t conn)
{
	struct link *link;

	HASH_FIND(hh, links->by_conn, &conn, sizeof(conn), link);
	return link;
}

struct link *links__get(struct links *links, uint64_t conn)
{
	struct link *link = links__find(links, conn);

	if (link) {
		DL_DELETE(links->oldest, link);
		DL_APPEND(links->oldest, link);
		return link;
	}
	if (HASH_COUNT(links->by_conn) >= LINKS_MAX)
		link__free(links, links->oldest);
	link = calloc(1, sizeof(*link));
	if (!link)
		return NULL;
	link->conn = conn;
	HASH_ADD(hh, links->by_conn, conn, sizeof(conn), link);
	if (!link->hh.tbl) {
		free(link);
		return NULL;
	}
	DL_APPEND(links->oldest, link);
	return link;
}

void links__wrote(struct links *links, struct link *link, struct origin *origin)
{
	struct origin *old = link->written;

	link->written = origin__ref(origin);
	origin__unref(links->units, old);
}

void links__sent(struct links *links, uint64_t conn)
{
	struct link *link = links__find(links, conn);

	if (link)
		links__wrote(links, link, NULL);
}
