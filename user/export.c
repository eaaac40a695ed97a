// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * One queue per destination, so that a slow or dead one holds up no other; the spans themselves
 * are shared by reference. A queue sends one batch at a time: the oldest spans of its ring, which
 * stay there until the batch is settled. Beyond its bounds the newest spans are dropped.
 *
 * A batch that the receiver answers with "later" is sent again, same bytes, until the batch's
 * deadline. A receiver that is not there at all has no deadline: then the queue's bound decides
 * what is lost, and a collector that is started a minute later still gets the beginning.
 */
#include "export.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "export/spec.h"

#define QUEUE_SPANS   8192
#define QUEUE_BYTES   (24u << 20)
#define BATCH_SPANS   512
#define DELAY_NS      NSEC_PER_SEC
#define BACKOFF_FIRST NSEC_PER_SEC
#define BACKOFF_MAX   (5 * NSEC_PER_SEC)
#define TELL_EVERY_NS (60 * NSEC_PER_SEC)
#define POLL_NS	      NSEC_PER_MSEC /* while an answer may come at any moment */
#define POLL_SLOW_NS  (5 * NSEC_PER_MSEC)

/* What the user was last told about a destination. */
enum state { STATE_FINE, STATE_LATER, STATE_UNREACHABLE, STATE_FAILING };

struct queue {
	struct exporter exporter;
	struct export *export;
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

struct export
{
	struct export_opts opts;
	struct queue **queues;
	uint32_t queue_count;
	uint64_t random;
	uint64_t now_ns;
	bool flushing;
};

/* --- the ring --------------------------------------------------------------------------------- */

static struct span **slot(const struct queue *queue, uint32_t i)
{
	return &queue->ring[(queue->head + i) % queue->export->opts.queue_spans];
}

static void queue__pop(struct queue *queue, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		struct span *span = *slot(queue, i);

		queue->bytes -= span__memory(span);
		span__unref(span);
	}
	queue->head = (queue->head + n) % queue->export->opts.queue_spans;
	queue->count -= n;
	if (!queue->count)
		queue->since_ns = 0;
}

static void queue__lose(struct queue *queue, uint32_t n, enum loss loss)
{
	if (queue->export->opts.stats)
		queue->export->opts.stats->lost[loss] += n;
	queue->lost += n;
}

/* A destination that fails and recovers all the time must not fill the log. */
static bool may_tell(struct queue *queue)
{
	uint64_t now_ns = queue->export->now_ns;

	if (queue->told_ns && now_ns - queue->told_ns < TELL_EVERY_NS)
		return false;
	queue->told_ns = now_ns;
	return true;
}

static void queue__push(struct queue *queue, struct span *span)
{
	const struct export_opts *opts = &queue->export->opts;
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
			 exporter->where, words(result), queue->export->opts.queue_spans);
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
	bool was_full = queue->told_full && queue->count < queue->export->opts.queue_spans / 2;

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
	struct stats *stats = queue->export->opts.stats;
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
static uint64_t jittered(struct export *export, uint64_t backoff_ns)
{
	uint64_t z = export->random += 0x9e3779b97f4a7c15ull; /* splitmix64 */

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	z ^= z >> 31;
	return backoff_ns / 2 + (uint64_t)((double)(z >> 11) * 0x1p-53 * (double)backoff_ns);
}

static void queue__retry(struct queue *queue, const struct export_result *result)
{
	uint64_t now_ns = queue->export->now_ns, wait_ns = result->retry_after_ns;

	queue->sending = false;
	if (!wait_ns) {
		queue->backoff_ns = queue->backoff_ns ? queue->backoff_ns * 3 / 2 : BACKOFF_FIRST;
		if (queue->backoff_ns > BACKOFF_MAX)
			queue->backoff_ns = BACKOFF_MAX;
		wait_ns = jittered(queue->export, queue->backoff_ns);
	}
	queue->retry_ns = now_ns + wait_ns;
	if (result->unreachable) {
		queue->deadline_ns = 0; /* begins anew with the next try */
		queue->gave_up = queue->export->flushing;
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
	const struct export *export = queue->export;

	if (!queue->count || export->now_ns < queue->retry_ns)
		return false;
	return queue->batch_count || queue->count >= queue->batch_limit || export->flushing ||
	       queue->exporter.immediate ||
	       export->now_ns - queue->since_ns >= export->opts.delay_ns;
}

static void queue__start(struct queue *queue)
{
	struct exporter *exporter = &queue->exporter;
	bool again = queue->batch_count > 0;
	uint64_t now_ns = queue->export->now_ns;

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
	struct export *export = queue->export;
	struct export_result result = exporter->poll(exporter->self, export->now_ns);

	switch (result.verdict) {
	case EXPORT_PENDING:
		if (!queue->deadline_ns || export->now_ns < queue->deadline_ns)
			return false;
		exporter->cancel(exporter->self);
		snprintf(result.message, sizeof(result.message), "no answer within %.3g s",
			 (double)exporter->timeout_ns / NSEC_PER_SEC);
		queue__drop(queue, LOSS_EXPORT_FAILED, &result);
		break;
	case EXPORT_DONE:
		queue__done(queue, &result);
		/* a batch was split for its size: try whole ones again after it */
		queue->batch_limit = export->opts.batch_spans;
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

static void queue__tick(struct queue *queue)
{
	struct exporter *exporter = &queue->exporter;
	struct export *export = queue->export;

	if (queue->count && !queue->since_ns)
		queue->since_ns = export->now_ns;
	for (;;) {
		if (queue->sending && !queue__poll(queue))
			break;
		if (queue->sending || queue->gave_up || !queue__due(queue))
			break;
		queue__start(queue);
	}
	if (exporter->tick)
		queue->holds = exporter->tick(exporter->self, export->now_ns,
					      export->flushing && !queue->count);
}

void export__tick(struct export *export, uint64_t now_ns)
{
	export->now_ns = now_ns;
	for (uint32_t i = 0; i < export->queue_count; i++)
		queue__tick(export->queues[i]);
}

static uint64_t queue__idle_ns(const struct queue *queue, uint64_t now_ns)
{
	uint64_t due_ns = queue->since_ns + queue->export->opts.delay_ns;

	if (queue->sending)
		return now_ns - queue->sent_ns < 50 * NSEC_PER_MSEC ? POLL_NS : POLL_SLOW_NS;
	if (!queue->count)
		return queue->holds ? 50 * NSEC_PER_MSEC : queue->export->opts.delay_ns;
	if (queue->batch_count || queue->count >= queue->batch_limit || queue->exporter.immediate ||
	    !queue->since_ns)
		due_ns = now_ns;
	if (due_ns < queue->retry_ns)
		due_ns = queue->retry_ns;
	return due_ns <= now_ns ? 0 : due_ns - now_ns;
}

uint64_t export__idle_ns(const struct export *export, uint64_t now_ns)
{
	uint64_t idle_ns = export->opts.delay_ns;

	for (uint32_t i = 0; i < export->queue_count; i++) {
		uint64_t ns = queue__idle_ns(export->queues[i], now_ns);

		if (ns < idle_ns)
			idle_ns = ns;
	}
	return idle_ns;
}

/* --- the end ------------------------------------------------------------------------------------ */

static bool queue__is_settled(const struct queue *queue, uint64_t deadline_ns)
{
	if (queue->gave_up)
		return true;
	if (!queue->count)
		return !queue->holds;
	return !queue->sending && queue->retry_ns >= deadline_ns; /* too late for another try */
}

static void queue__give_up(struct queue *queue)
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

/* Waits, so it reads the clock itself: the one place below the edge that does. */
void export__flush(struct export *export, uint64_t deadline_ns)
{
	static const struct timespec pause = { .tv_nsec = NSEC_PER_MSEC };
	bool settled = false;

	export->flushing = true;
	for (uint32_t i = 0; i < export->queue_count; i++) {
		/* one more try at once where nobody was; a receiver's wish to wait is kept */
		if (export->queues[i]->state == STATE_UNREACHABLE)
			export->queues[i]->retry_ns = 0;
	}
	while (!settled) {
		uint64_t now_ns = clock__monotonic_ns();

		settled = true;
		export__tick(export, now_ns);
		for (uint32_t i = 0; i < export->queue_count; i++)
			settled = queue__is_settled(export->queues[i], deadline_ns) && settled;
		if (now_ns >= deadline_ns)
			break;
		if (!settled)
			nanosleep(&pause, NULL);
	}
	for (uint32_t i = 0; i < export->queue_count; i++)
		queue__give_up(export->queues[i]);
	export->flushing = false;
}

/* --- life ----------------------------------------------------------------------------------------- */

struct export *export__new(const struct export_opts *opts)
{
	struct export *export = calloc(1, sizeof(*export));

	if (!export)
		return NULL;
	export->opts = *opts;
	export->random = opts->seed;
	if (!opts->queue_spans)
		export->opts.queue_spans = QUEUE_SPANS;
	if (!opts->queue_bytes)
		export->opts.queue_bytes = QUEUE_BYTES;
	if (!opts->batch_spans)
		export->opts.batch_spans = BATCH_SPANS;
	if (!opts->delay_ns)
		export->opts.delay_ns = DELAY_NS;
	if (export->opts.batch_spans > export->opts.queue_spans)
		export->opts.batch_spans = export->opts.queue_spans;
	return export;
}

static void queue__free(struct queue *queue)
{
	if (queue->ring)
		queue__give_up(queue);
	if (queue->exporter.free)
		queue->exporter.free(queue->exporter.self);
	free(queue->ring);
	free(queue->batch);
	free(queue);
}

int export__adopt(struct export *export, const struct exporter *exporter)
{
	struct queue *queue = calloc(1, sizeof(*queue));
	struct queue **list =
		realloc(export->queues, (export->queue_count + 1) * sizeof(struct queue *));

	if (list)
		export->queues = list;
	if (!queue || !list) {
		free(queue);
		exporter->free(exporter->self);
		return -ENOMEM;
	}
	queue->exporter = *exporter;
	queue->export = export;
	queue->batch_limit = export->opts.batch_spans;
	queue->ring = calloc(export->opts.queue_spans, sizeof(struct span *));
	queue->batch = calloc(export->opts.batch_spans, sizeof(struct span *));
	if (!queue->ring || !queue->batch) {
		queue__free(queue);
		return -ENOMEM;
	}
	export->queues[export->queue_count++] = queue;
	return 0;
}

int export__add(struct export *export, const char *spec, struct buf *why)
{
	struct exporter exporter;
	int made = export_spec__make(&export->opts, spec, &exporter, why);

	if (made <= 0)
		return made;
	int err = export__adopt(export, &exporter);

	if (err)
		buf__printf(why, "--export %s: %s", spec, strerror(-err));
	return err;
}

static void push(void *export, struct span *span)
{
	export__push(export, span);
}

struct span_sink export__sink(struct export *export)
{
	return (struct span_sink){ .push = push, .ctx = export };
}

void export__push(struct export *export, struct span *span)
{
	for (uint32_t i = 0; i < export->queue_count; i++)
		queue__push(export->queues[i], span);
}

void export__free(struct export *export)
{
	if (!export)
		return;
	for (uint32_t i = 0; i < export->queue_count; i++)
		queue__free(export->queues[i]);
	free(export->queues);
	free(export);
}
