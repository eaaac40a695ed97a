// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#define HASH_NONFATAL_OOM 1 /* before any header takes uthash.h in */

#include <stdlib.h>
#include <string.h>

#include "attribute/node_load.h"

#define RECENT_NS     (20ull * 1000 * 1000) /* a place in a queue is taken again by then */
#define CALLS_OF_HIGH 256
#define PEERS_MAX     256

static void level__begin(struct node_level *level, uint64_t ns)
{
	level->pending++;
	if (level->pending >= level->recent || ns > level->recent_ns + RECENT_NS) {
		level->recent = level->pending;
		level->recent_ns = ns;
	}
	if (++level->begun == CALLS_OF_HIGH) {
		level->begun = 0;
		level->high[0] = level->high[1];
		level->high[1] = 0;
	}
	if (level->pending > level->high[1])
		level->high[1] = level->pending;
}

static void level__end(struct node_level *level, uint64_t ns)
{
	if (level->pending >= level->recent || ns > level->recent_ns + RECENT_NS) {
		level->recent = level->pending;
		level->recent_ns = ns;
	}
	if (level->pending)
		level->pending--;
}

static bool level__full(const struct node_level *level, uint64_t ns)
{
	uint32_t most = level->pending;
	uint32_t high = level->high[0] > level->high[1] ? level->high[0] : level->high[1];

	if (ns <= level->recent_ns + RECENT_NS && level->recent > most)
		most = level->recent;
	return most >= high;
}

/* FNV-1a of what a pool of connections is for */
static uint64_t key_of(const struct conn_tuple *to)
{
	uint64_t key = 14695981039346656037ull;
	uint8_t bytes[sizeof(to->peer_addr) + 3];

	memcpy(bytes, to->peer_addr, sizeof(to->peer_addr));
	bytes[sizeof(to->peer_addr)] = to->family;
	memcpy(bytes + sizeof(to->peer_addr) + 1, &to->peer_port, 2);
	for (size_t i = 0; i < sizeof(bytes); i++)
		key = (key ^ bytes[i]) * 1099511628211ull;
	return key;
}

static struct node_peer *find(const struct node_load *load, const struct conn_tuple *to)
{
	uint64_t key = key_of(to);
	struct node_peer *peer;

	HASH_FIND(hh, load->peers, &key, sizeof(key), peer);
	return peer;
}

static void drop(struct node_load *load, struct node_peer *peer)
{
	HASH_DEL(load->peers, peer); /* NOLINT(*NullDereference): it is in the table */
	free(peer);
}

static struct node_peer *get(struct node_load *load, const struct conn_tuple *to)
{
	struct node_peer *peer = find(load, to);

	if (peer)
		return peer;
	if (HASH_COUNT(load->peers) >= PEERS_MAX) /* it counts as full when it comes again */
		drop(load, load->peers);
	peer = calloc(1, sizeof(*peer));
	if (!peer)
		return NULL;
	peer->key = key_of(to);
	HASH_ADD(hh, load->peers, key, sizeof(peer->key), peer);
	if (peer->hh.tbl)
		return peer;
	free(peer);
	return NULL;
}

void node_load__begin(struct node_load *load, const struct conn_tuple *to, uint64_t ns)
{
	struct node_peer *peer = get(load, to);

	level__begin(&load->all, ns);
	if (peer)
		level__begin(&peer->level, ns);
}

void node_load__end(struct node_load *load, const struct conn_tuple *to, uint64_t ns)
{
	struct node_peer *peer = find(load, to);

	level__end(&load->all, ns);
	if (peer)
		level__end(&peer->level, ns);
}

bool node_load__full(const struct node_load *load, const struct conn_tuple *to, uint64_t ns)
{
	const struct node_peer *peer = find(load, to);

	return level__full(&load->all, ns) || !peer || level__full(&peer->level, ns);
}

void node_load__release(struct node_load *load)
{
	while (load->peers)
		drop(load, load->peers);
}
