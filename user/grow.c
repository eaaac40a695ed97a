// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Large rings take milliseconds to make, and an update of an array of maps returns when no program
 * uses the old map any more, which takes tens of them: a thread does both in turn, the agent goes on to
 * read, old rings and new ones.
 */
#include "grow.h"

#include <bpf/bpf.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#include "settings.h"

enum grow_state {
	GROW_SMALL,    /* as they began */
	GROW_MAKING,   /* a thread makes the large ones */
	GROW_CHANGING, /* they are read; a thread tells the programs to write them */
	GROW_CHANGED,  /* nobody writes the small ones any more */
	GROW_DONE      /* or it cannot be done */
};

struct grow {
	struct rings *rings;
	int outer_fd;
	uint32_t count;
	uint32_t bytes;
	enum grow_state state;
	pthread_t thread;
	int result; /* of the thread that runs: 0 until it ends, then 1 or a negative errno */
	struct ring *large[RINGS_MAX];
	uint32_t added; /* of them that are the rings' */
};

struct grow *grow__new(struct rings *rings, int outer_fd, uint32_t count, uint32_t bytes)
{
	struct grow *grow = calloc(1, sizeof(*grow));

	if (!grow)
		return NULL;
	grow->rings = rings;
	grow->outer_fd = outer_fd;
	grow->count = count;
	grow->bytes = bytes;
	return grow;
}

static void *make(void *arg)
{
	struct grow *grow = arg;
	int result = 1;

	for (uint32_t i = 0; i < grow->count && result > 0; i++) {
		int err = ring__new(grow->bytes, &grow->large[i]);

		result = err ? err : 1;
	}
	__atomic_store_n(&grow->result, result, __ATOMIC_RELEASE);
	return NULL;
}

static void *change(void *arg)
{
	struct grow *grow = arg;
	int result = 1;

	for (uint32_t i = 0; i < grow->count; i++) {
		int fd = ring__fd(grow->large[i]);
		int err = bpf_map_update_elem(grow->outer_fd, &i, &fd, BPF_ANY);

		result = err ? err : result;
	}
	__atomic_store_n(&grow->result, result, __ATOMIC_RELEASE);
	return NULL;
}

static void begin(struct grow *grow, enum grow_state state, void *(*step)(void *))
{
	grow->result = 0;
	grow->state = pthread_create(&grow->thread, NULL, step, grow) ? GROW_DONE : state;
}

static void read_large(struct grow *grow)
{
	for (uint32_t i = 0; i < grow->count; i++) {
		if (rings__add(grow->rings, grow->large[i])) {
			grow->state = GROW_DONE;
			return;
		}
		grow->added++;
	}
	begin(grow, GROW_CHANGING, change);
}

void grow__tick(struct grow *grow)
{
	if (grow->state == GROW_SMALL && rings__crowded(grow->rings))
		begin(grow, GROW_MAKING, make);
	if (grow->state == GROW_CHANGED) { /* and they have been read once more */
		rings__drop(grow->rings, grow->count);
		grow->state = GROW_DONE;
	}
	if ((grow->state != GROW_MAKING && grow->state != GROW_CHANGING) ||
	    !__atomic_load_n(&grow->result, __ATOMIC_ACQUIRE))
		return;
	pthread_join(grow->thread, NULL);
	if (grow->result < 0)
		grow->state = GROW_DONE;
	else if (grow->state == GROW_MAKING)
		read_large(grow);
	else
		grow->state = GROW_CHANGED;
}

void grow__free(struct grow *grow)
{
	if (!grow)
		return;
	if (grow->state == GROW_MAKING || grow->state == GROW_CHANGING)
		pthread_join(grow->thread, NULL);
	for (uint32_t i = grow->added; i < grow->count; i++)
		ring__free(grow->large[i]);
	free(grow);
}
