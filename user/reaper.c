// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "reaper.h"

#include <bpf/libbpf.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#define THREADS_MAX 128
#define STACK_SIZE  (64 * 1024)

struct reaper {
	pthread_mutex_t lock;
	pthread_cond_t ended;
	pthread_attr_t small;
	unsigned int threads;
	struct bpf_link **links; /* that no thread has taken */
	unsigned int count, cap;
};

struct reaper *reaper__new(void)
{
	struct reaper *reaper = calloc(1, sizeof(*reaper));

	if (!reaper)
		return NULL;
	pthread_mutex_init(&reaper->lock, NULL);
	pthread_cond_init(&reaper->ended, NULL);
	pthread_attr_init(&reaper->small);
	pthread_attr_setdetachstate(&reaper->small, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&reaper->small, STACK_SIZE);
	return reaper;
}

static void *reap(void *arg)
{
	struct reaper *reaper = arg;

	pthread_mutex_lock(&reaper->lock);
	while (reaper->count) {
		struct bpf_link *link = reaper->links[--reaper->count];

		pthread_mutex_unlock(&reaper->lock);
		bpf_link__destroy(link);
		pthread_mutex_lock(&reaper->lock);
	}
	reaper->threads--;
	pthread_cond_signal(&reaper->ended);
	pthread_mutex_unlock(&reaper->lock);
	return NULL;
}

static bool keep(struct reaper *reaper, struct bpf_link *link)
{
	if (reaper->count == reaper->cap) {
		unsigned int cap = reaper->cap ? 2 * reaper->cap : 64;
		struct bpf_link **links = realloc(reaper->links, cap * sizeof(*links));

		if (!links)
			return false;
		reaper->links = links;
		reaper->cap = cap;
	}
	reaper->links[reaper->count++] = link;
	return true;
}

void reaper__take(struct reaper *reaper, struct bpf_link *link)
{
	pthread_t thread;

	pthread_mutex_lock(&reaper->lock);
	if (keep(reaper, link)) {
		link = NULL;
		if (reaper->threads < THREADS_MAX &&
		    pthread_create(&thread, &reaper->small, reap, reaper) == 0)
			reaper->threads++;
		else if (!reaper->threads)
			link = reaper->links[--reaper->count];
	}
	pthread_mutex_unlock(&reaper->lock);
	bpf_link__destroy(link);
}

void reaper__free(struct reaper *reaper)
{
	if (!reaper)
		return;
	pthread_mutex_lock(&reaper->lock);
	while (reaper->threads)
		pthread_cond_wait(&reaper->ended, &reaper->lock);
	pthread_mutex_unlock(&reaper->lock);
	pthread_mutex_destroy(&reaper->lock);
	pthread_cond_destroy(&reaper->ended);
	pthread_attr_destroy(&reaper->small);
	free(reaper->links);
	free(reaper);
}
