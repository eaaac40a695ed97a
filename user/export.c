// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "export.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "export/queue.h"
#include "export/spec.h"

#define QUEUE_SPANS 8192
#define QUEUE_BYTES (24u << 20)
#define BATCH_SPANS 512
#define DELAY_NS    NSEC_PER_SEC

struct export
{
	struct queue_env env;
	struct queue **queues;
	uint32_t queue_count;
};

void export__tick(struct export *export, uint64_t now_ns)
{
	export->env.now_ns = now_ns;
	for (uint32_t i = 0; i < export->queue_count; i++)
		queue__tick(export->queues[i]);
}

uint64_t export__idle_ns(const struct export *export, uint64_t now_ns)
{
	uint64_t idle_ns = export->env.opts.delay_ns;

	for (uint32_t i = 0; i < export->queue_count; i++) {
		uint64_t ns = queue__idle_ns(export->queues[i], now_ns);

		if (ns < idle_ns)
			idle_ns = ns;
	}
	return idle_ns;
}

/* Waits, so it reads the clock itself: the one place below the edge that does. */
void export__flush(struct export *export, uint64_t deadline_ns)
{
	static const struct timespec pause = { .tv_nsec = NSEC_PER_MSEC };
	bool settled = false;

	export->env.flushing = true;
	for (uint32_t i = 0; i < export->queue_count; i++)
		queue__hurry(export->queues[i]);
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
	export->env.flushing = false;
}

struct export *export__new(const struct export_opts *opts)
{
	struct export *export = calloc(1, sizeof(*export));

	if (!export)
		return NULL;
	export->env.opts = *opts;
	export->env.random = opts->seed;
	if (!opts->queue_spans)
		export->env.opts.queue_spans = QUEUE_SPANS;
	if (!opts->queue_bytes)
		export->env.opts.queue_bytes = QUEUE_BYTES;
	if (!opts->batch_spans)
		export->env.opts.batch_spans = BATCH_SPANS;
	if (!opts->delay_ns)
		export->env.opts.delay_ns = DELAY_NS;
	if (export->env.opts.batch_spans > export->env.opts.queue_spans)
		export->env.opts.batch_spans = export->env.opts.queue_spans;
	return export;
}

int export__adopt(struct export *export, const struct exporter *exporter)
{
	struct queue *queue = queue__new(exporter, &export->env);
	struct queue **list =
		realloc(export->queues, (export->queue_count + 1) * sizeof(struct queue *));

	if (list)
		export->queues = list;
	if (!queue || !list) {
		queue__free(queue);
		return -ENOMEM;
	}
	export->queues[export->queue_count++] = queue;
	return 0;
}

int export__add(struct export *export, const char *spec, struct buf *why)
{
	struct exporter exporter;
	int made = export_spec__make(&export->env.opts, spec, &exporter, why);

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
