// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "export/queue.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"

#define BACKOFF_FIRST NSEC_PER_SEC
#define BACKOFF_MAX   (5 * NSEC_PER_SEC)
#define TELL_EVERY_NS (60 * NSEC_PER_SEC)
#define POLL_NS	      NSEC_PER_MSEC /* while an answer may come at any moment */
#define POLL_SLOW_NS  (5 * NSEC_PER_MSEC)

/* What the user was last told about a destination. */
enum state { STATE_FINE, STATE_LATER, STATE_UNREACHABLE, STATE_FAILING };

struct queue {
	struct exporter exporter;
	struct queue_env *env;
	struct span **ring;
	struct span **batch;
	uint32_t head, count;
	size_t bytes;
	uint32_t batch_count; /* spans of the batch under way; 0: none */
	uint32_t batch_limit; /* lowered while a receiver's size limit makes batches split */
	bool sending;	      /* the exporter has not answered yet */
	bool holds;	      /* the exporter keeps something back (console) */
	bool gave_up;	      /* flush: nobody is there */
	uint64_t since_ns;    /* the oldest span that is not in a batch waits since; 0: none does */
	uint64_t sent_ns;     /* when the batch was last given to the exporter */
	uint64_t deadline_ns; /* of the batch; 0: none */
	uint64_t retry_ns;    /* not before */
	uint64_t backoff_ns;
	enum state state;
	bool told; /* the user knows of this state */
	bool told_full;
	uint64_t told_ns;
	uint64_t lost; /* since the state was fine */
};

/* --- the ring --------------------------------------------------------------------------------- */

static struct span **slot(const struct queue *queue, uint32_t i)
{
	return &queue->ring[(queue->head + i) % queue->env->opts.queue_spans];
}

static void queue__pop(struct queue *queue, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		struct span *span = *slot(queue, i);

		queue->bytes -= span__memory(span);
		span__unref(span);
	}
	queue->head = (queue->head + n) % queue->env->opts.queue_spans;
	queue->count -= n;
	if (!queue->count)
		queue->since_ns = 0;
}

static void queue__lose(struct queue *queue, uint32_t n, enum loss loss)
{
	if (queue->env->opts.stats)
		queue->env->opts.stats->lost[loss] += n;
	queue->lost += n;
}

/* A destination that fails and recovers all the time must not fill the log. */
static bool may_tell(struct queue *queue)
{
	uint64_t now_ns = queue->env->now_ns;

	if (queue->told_ns && now_ns - queue->told_ns < TELL_EVERY_NS)
		return false;
	queue->told_ns = now_ns;
	return true;
}

void queue__push(struct queue *queue, struct span *span)
{
	const struct export_opts *opts = &queue->env->opts;
	size_t size = span__memory(span);

	if (queue->count == opts->queue_spans || size > opts->queue_bytes - queue->bytes) {
		queue__lose(queue, 1, LOSS_QUEUE_FULL);
		if (!queue->told_full && queue->state == STATE_FINE && may_tell(queue)) {
			log_warn("spans come faster than %s takes them: the newest are dropped",
				 queue->exporter.where);
			queue->told_full = true;
		}
		return;
	}
	*slot(queue, queue->count++) = span__ref(span);
	queue->bytes += size;
}

/* --- what a batch came to ----------------------------------------------------------------------- */

static const char *words(const struct export_result *result)
{
	return result->message[0] ? result->message : "no reason given";
}

/* One line when a destination's state gets worse or changes its kind. */
static void queue__tell(struct queue *queue, enum state state, const struct export_result *result)
{
	const struct exporter *exporter = &queue->exporter;

	if (queue->state == state || (state == STATE_LATER && queue->state == STATE_FAILING))
		return;
	/* from bad to worse is always said, from fine to bad only so often */
	queue->told = queue->told || may_tell(queue);
	queue->state = state;
	if (!queue->told)
		return;
	switch (state) {
	case STATE_UNREACHABLE:
		log_warn("cannot reach %s: %s; spans are kept (up to %u) and sending is tried "
			 "again; start a collector there or choose another place with --export",
			 exporter->where, words(result), queue->env->opts.queue_spans);
		break;
	case STATE_LATER:
		log_warn("%s does not take spans now: %s; sending is tried again", exporter->where,
			 words(result));
		break;
	case STATE_FAILING:
		log_warn("%s does not take spans: %s; they are dropped and counted",
			 exporter->where, words(result));
		break;
	case STATE_FINE:
		break;
	}
}

static void queue__recover(struct queue *queue)
{
	/* a full queue is over it when half of it is free */
	bool was_full = queue->told_full && queue->count < queue->env->opts.queue_spans / 2;

	if (queue->state == STATE_FINE && !was_full)
		return;
	if (queue->told || was_full)
		log_info("%s takes spans again; %" PRIu64 " were dropped meanwhile",
			 queue->exporter.where, queue->lost);
	queue->state = STATE_FINE;
	queue->told = false;
	queue->told_full = false;
	queue->lost = 0;
}

/* The batch leaves the queue. What is left came after it was sent. */
static void queue__settle(struct queue *queue)
{
	queue__pop(queue, queue->batch_count);
	queue->batch_count = 0;
	queue->sending = false;
	queue->deadline_ns = 0;
	if (queue->count)
		queue->since_ns = queue->sent_ns;
}

static void queue__done(struct queue *queue, const struct export_result *result)
{
	struct stats *stats = queue->env->opts.stats;
	uint32_t rejected =
		result->rejected < queue->batch_count ? result->rejected : queue->batch_count;

	for (uint32_t i = 0; i < queue->batch_count - rejected; i++) {
		if (stats && !queue->batch[i]->exported)
			stats->spans_exported++;
		queue->batch[i]->exported = true;
	}
	queue__settle(queue);
	queue->backoff_ns = 0;
	queue->retry_ns = 0;
	queue__recover(queue);
	if (rejected || result->message[0]) {
		if (may_tell(queue))
			log_warn("%s refused %u spans of a batch: %s", queue->exporter.where,
				 rejected, words(result));
		if (stats)
			stats->lost[LOSS_EXPORT_REJECTED] += rejected;
	}
}

static void queue__drop(struct queue *queue, enum loss loss, const struct export_result *result)
{
	queue__tell(queue, STATE_FAILING, result);
	queue__lose(queue, queue->batch_count, loss);
	queue__settle(queue);
}

/* Uniform in [0.5, 1.5) of the back-off: agents that lost their collector at the same moment
 * must not come back at the same moment. */
static uint64_t jittered(struct queue_env *env, uint64_t backoff_ns)
{
	uint64_t z = env->random += 0x9e3779b97f4a7c15ull; /* splitmix64 */

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	z ^= z >> 31;
	return backoff_ns / 2 + (uint64_t)((double)(z >> 11) * 0x1p-53 * (double)backoff_ns);
}

static void queue__retry(struct queue *queue, const struct export_result *result)
{
	uint64_t now_ns = queue->env->now_ns, wait_ns = result->retry_after_ns;

	queue->sending = false;
	if (!wait_ns) {
		queue->backoff_ns = queue->backoff_ns ? queue->backoff_ns * 3 / 2 : BACKOFF_FIRST;
		if (queue->backoff_ns > BACKOFF_MAX)
			queue->backoff_ns = BACKOFF_MAX;
		wait_ns = jittered(queue->env, queue->backoff_ns);
	}
	queue->retry_ns = now_ns + wait_ns;
	if (result->unreachable) {
		queue->deadline_ns = 0; /* begins anew with the next try */
		queue->gave_up = queue->env->flushing;
		queue__tell(queue, STATE_UNREACHABLE, result);
		return;
	}
	if (queue->deadline_ns && queue->retry_ns >= queue->deadline_ns)
		queue__drop(queue, LOSS_EXPORT_FAILED, result);
	else
		queue__tell(queue, STATE_LATER, result);
}

/* --- progress ----------------------------------------------------------------------------------- */

static bool queue__due(const struct queue *queue)
{
	const struct queue_env *env = queue->env;

	if (!queue->count || env->now_ns < queue->retry_ns)
		return false;
	return queue->batch_count || queue->count >= queue->batch_limit || env->flushing ||
	       queue->exporter.immediate || env->now_ns - queue->since_ns >= env->opts.delay_ns;
}

static void queue__start(struct queue *queue)
{
	struct exporter *exporter = &queue->exporter;
	bool again = queue->batch_count > 0;
	uint64_t now_ns = queue->env->now_ns;

	if (!again) {
		queue->batch_count =
			queue->count < queue->batch_limit ? queue->count : queue->batch_limit;
		for (uint32_t i = 0; i < queue->batch_count; i++)
			queue->batch[i] = *slot(queue, i);
	}
	if (!queue->deadline_ns && exporter->timeout_ns)
		queue->deadline_ns = now_ns + exporter->timeout_ns;
	queue->sent_ns = now_ns;
	int err = exporter->send(exporter->self, queue->batch, queue->batch_count, again);

	if (!err) {
		queue->sending = true;
		return;
	}
	struct export_result result = { 0 };

	if (err == -E2BIG && queue->batch_count > 1) {
		queue->batch_limit = queue->batch_count / 2;
		queue->batch_count = 0;
		return;
	}
	snprintf(result.message, sizeof(result.message), "%s", strerror(-err));
	queue__drop(queue, err == -E2BIG ? LOSS_EXPORT_TOO_BIG : LOSS_EXPORT_FAILED, &result);
}

/* Returns false while the answer is not there. */
static bool queue__poll(struct queue *queue)
{
	struct exporter *exporter = &queue->exporter;
	struct queue_env *env = queue->env;
	struct export_result result = exporter->poll(exporter->self, env->now_ns);

	switch (result.verdict) {
	case EXPORT_PENDING:
		if (!queue->deadline_ns || env->now_ns < queue->deadline_ns)
			return false;
		exporter->cancel(exporter->self);
		snprintf(result.message, sizeof(result.message), "no answer within %.3g s",
			 (double)exporter->timeout_ns / NSEC_PER_SEC);
		queue__drop(queue, LOSS_EXPORT_FAILED, &result);
		break;
	case EXPORT_DONE:
		queue__done(queue, &result);
		/* a batch was split for its size: try whole ones again after it */
		queue->batch_limit = env->opts.batch_spans;
		break;
	case EXPORT_RETRY:
		queue__retry(queue, &result);
		break;
	case EXPORT_DROP:
		queue__drop(queue, LOSS_EXPORT_FAILED, &result);
		break;
	}
	return true;
}

void queue__tick(struct queue *queue)
{
	struct exporter *exporter = &queue->exporter;
	struct queue_env *env = queue->env;

	if (queue->count && !queue->since_ns)
		queue->since_ns = env->now_ns;
	for (;;) {
		if (queue->sending && !queue__poll(queue))
			break;
		if (queue->sending || queue->gave_up || !queue__due(queue))
			break;
		queue__start(queue);
	}
	if (exporter->tick)
		queue->holds =
			exporter->tick(exporter->self, env->now_ns, env->flushing && !queue->count);
}

uint64_t queue__idle_ns(const struct queue *queue, uint64_t now_ns)
{
	uint64_t due_ns = queue->since_ns + queue->env->opts.delay_ns;

	if (queue->sending)
		return now_ns - queue->sent_ns < 50 * NSEC_PER_MSEC ? POLL_NS : POLL_SLOW_NS;
	if (!queue->count)
		return queue->holds ? 50 * NSEC_PER_MSEC : queue->env->opts.delay_ns;
	if (queue->batch_count || queue->count >= queue->batch_limit || queue->exporter.immediate ||
	    !queue->since_ns)
		due_ns = now_ns;
	if (due_ns < queue->retry_ns)
		due_ns = queue->retry_ns;
	return due_ns <= now_ns ? 0 : due_ns - now_ns;
}

/* --- the end ------------------------------------------------------------------------------------ */

void queue__hurry(struct queue *queue)
{
	if (queue->state == STATE_UNREACHABLE)
		queue->retry_ns = 0;
}

bool queue__is_settled(const struct queue *queue, uint64_t deadline_ns)
{
	if (queue->gave_up)
		return true;
	if (!queue->count)
		return !queue->holds;
	return !queue->sending && queue->retry_ns >= deadline_ns; /* too late for another try */
}

void queue__give_up(struct queue *queue)
{
	if (queue->sending)
		queue->exporter.cancel(queue->exporter.self);
	if (queue->count) {
		log_warn("%u spans were dropped at the end: %s did not take them", queue->count,
			 queue->exporter.where);
		queue__lose(queue, queue->count, LOSS_EXPORT_SHUTDOWN);
	}
	queue->sending = false;
	queue->batch_count = 0;
	queue->deadline_ns = 0;
	queue->gave_up = false;
	queue__pop(queue, queue->count);
}

struct queue *queue__new(const struct exporter *exporter, struct queue_env *env)
{
	struct queue *queue = calloc(1, sizeof(*queue));

	if (!queue) {
		exporter->free(exporter->self);
		return NULL;
	}
	queue->exporter = *exporter;
	queue->env = env;
	queue->batch_limit = env->opts.batch_spans;
	queue->ring = calloc(env->opts.queue_spans, sizeof(struct span *));
	queue->batch = calloc(env->opts.batch_spans, sizeof(struct span *));
	if (!queue->ring || !queue->batch) {
		queue__free(queue);
		return NULL;
	}
	return queue;
}

void queue__free(struct queue *queue)
{
	if (!queue)
		return;
	if (queue->ring)
		queue__give_up(queue);
	queue->exporter.free(queue->exporter.self);
	free(queue->ring);
	free(queue->batch);
	free(queue);
}
