// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "replay.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "pipeline.h"
#include "record.h"
#include "tally.h"

#define TICK_NS	    (10 * NSEC_PER_MSEC) /* of the events' own time */
#define TICKS_MAX   1000		 /* in a row: a longer pause is stepped over */
#define FLUSH_NS    (30 * NSEC_PER_SEC)
#define PATIENCE_NS (30 * NSEC_PER_SEC) /* for a receiver that is slower than the replay */

struct replay {
	struct stats stats;
	struct processes *processes;
	struct resource *host;
	struct export *export;
	struct pipeline *pipeline;
	struct replayer *replayer;
	uint64_t tick_ns;
	uint64_t last_ns;
	bool paced;	   /* an exporter goes over the network: it needs real time */
	uint64_t paced_at; /* spans made when it last caught up */
	uint32_t queue_spans;
};

/* Batches of files are cut by the events' time, or they would differ from run to run; a network
 * needs the real one. */
static uint64_t export_time(const struct replay *replay)
{
	return replay->paced ? clock__monotonic_ns() : replay->tick_ns;
}

/* The replay is faster than a receiver: the queue is given time, before it has to drop. */
static void catch_up(struct replay *replay)
{
	static const struct timespec pause = { .tv_nsec = NSEC_PER_MSEC };
	uint64_t until_ns = clock__monotonic_ns() + PATIENCE_NS, now_ns;

	if (!replay->paced || replay->stats.spans_made < replay->paced_at + replay->queue_spans / 2)
		return;
	while ((now_ns = clock__monotonic_ns()) < until_ns) {
		export__tick(replay->export, now_ns);
		if (export__idle_ns(replay->export, now_ns) > 10 * NSEC_PER_MSEC)
			break;
		nanosleep(&pause, NULL);
	}
	replay->paced_at = replay->stats.spans_made;
}

static void tick_until(struct replay *replay, uint64_t time_ns)
{
	if (!replay->tick_ns)
		replay->tick_ns = time_ns - time_ns % TICK_NS;
	for (int n = 0; time_ns > replay->tick_ns && time_ns - replay->tick_ns >= TICK_NS; n++) {
		replay->tick_ns += TICK_NS;
		if (n == TICKS_MAX)
			replay->tick_ns = time_ns - time_ns % TICK_NS;
		pipeline__tick(replay->pipeline, replay->tick_ns);
		export__tick(replay->export, export_time(replay));
	}
	catch_up(replay);
}

static void on_event(void *ctx, const void *record, size_t size)
{
	struct replay *replay = ctx;
	uint64_t time_ns = ((const struct event *)record)->time_ns;

	tick_until(replay, time_ns);
	if (time_ns > replay->last_ns)
		replay->last_ns = time_ns;
	pipeline__push(replay->pipeline, record, size);
}

static void on_process(void *ctx, struct process *process)
{
	processes__add(((struct replay *)ctx)->processes, process);
}

static void on_clock(void *ctx, int64_t wall_offset_ns)
{
	pipeline__set_wall_offset(((struct replay *)ctx)->pipeline, wall_offset_ns);
}

static void apply_nowhere(void *ctx, const struct capture_policy *policy)
{
	/* what was captured is in the recording */
}

static int open_export(struct replay *replay, const struct options *options, uint64_t seed,
		       struct buf *why)
{
	struct export_opts opts = options__export(options);

	opts.stats = &replay->stats;
	opts.seed = seed;
	replay->queue_spans = options->queue_spans;
	replay->export = export__new(&opts);
	if (!replay->export)
		return EXIT_FAILED;
	for (uint32_t i = 0; i < options->exports.count; i++) {
		const char *spec = options->exports.items[i];
		int err = export__add(replay->export, spec, why);

		if (err)
			return err == -EINVAL ? EXIT_USAGE : EXIT_FAILED;
		replay->paced = replay->paced || strncmp(spec, "otlp", 4) == 0;
	}
	return EXIT_DONE;
}

static int replay_open(struct replay *replay, const struct options *options, struct buf *why)
{
	struct record_header header;
	int err = replayer__new(options->input, &header, &replay->replayer, why);

	if (err)
		return EXIT_FAILED;
	replay->host = header.host;
	replay->processes = processes__new();
	replay->stats.tally = tally__new();
	err = open_export(replay, options, header.seed, why);
	if (err || !replay->processes || !replay->stats.tally)
		return err ? err : EXIT_FAILED;
	struct pipeline_opts opts = {
		.stats = &replay->stats,
		.processes = replay->processes,
		.fallback = replay->host,
		.policy = { .apply = apply_nowhere },
		.sampler = options->sampler,
		.describe = options__describe(options),
		.ordered = true,
		.seeded = true,
		.seed = header.seed,
		.wall_offset_ns = header.wall_offset_ns,
		.next = export__sink(replay->export),
	};

	replay->pipeline = pipeline__new(&opts);
	return replay->pipeline ? EXIT_DONE : EXIT_FAILED;
}

static int replay_all(struct replay *replay, struct buf *why)
{
	struct replay_sink sink = { on_event, on_process, on_clock, replay };
	struct buf out = { 0 };
	int err = replayer__run(replay->replayer, sink, why);

	pipeline__flush(replay->pipeline, replay->last_ns);
	export__flush(replay->export, clock__monotonic_ns() + FLUSH_NS);
	stats__print(&replay->stats, &out);
	fwrite(out.p, 1, out.n, stderr);
	buf__release(&out);
	return err ? EXIT_FAILED : EXIT_DONE;
}

int replay__run(const struct options *options)
{
	struct replay replay = { 0 };
	struct buf why = { 0 };
	int code = replay_open(&replay, options, &why);

	if (code == EXIT_DONE)
		code = replay_all(&replay, &why);
	if (code != EXIT_DONE)
		log_error("%.*s", (int)why.n, why.n ? why.p : "out of memory");
	pipeline__free(replay.pipeline);
	export__free(replay.export);
	processes__free(replay.processes);
	tally__free(replay.stats.tally);
	resource__unref(replay.host);
	replayer__free(replay.replayer);
	buf__release(&why);
	return code;
}
