/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The spans that wait for one destination, so that a slow or dead one holds up no other; the spans
 * themselves are shared by reference. A queue sends one batch at a time: the oldest spans of its
 * ring, which stay there until the batch is settled. Beyond its bounds the newest are dropped.
 *
 * A batch that the receiver answers with "later" is sent again, same bytes, until the batch's
 * deadline. A receiver that is not there at all has no deadline: then the queue's bound decides
 * what is lost, and a collector that is started a minute later still gets the beginning.
 */
#ifndef SPANPROBE_EXPORT_QUEUE_H
#define SPANPROBE_EXPORT_QUEUE_H

#include "export.h"

/* What all queues share; the owner's */
struct queue_env {
	struct export_opts opts; /* no zero is left in it */
	uint64_t random;	 /* state of the jitter */
	uint64_t now_ns;
	bool flushing; /* send what there is, do not wait for more */
};

struct queue;

/* Takes over what the exporter owns, also on failure. NULL without memory. */
struct queue *queue__new(const struct exporter *exporter, struct queue_env *env);
void queue__push(struct queue *queue, struct span *span);
void queue__tick(struct queue *queue);
uint64_t queue__idle_ns(const struct queue *queue, uint64_t now_ns);

/* The end: one more try at once where nobody was. A receiver's wish to wait is kept. */
void queue__hurry(struct queue *queue);
bool queue__is_settled(const struct queue *queue, uint64_t deadline_ns);
void queue__give_up(struct queue *queue); /* drops and counts what is left */
void queue__free(struct queue *queue);	  /* NULL is allowed */

#endif
