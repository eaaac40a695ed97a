// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Nothing but wires: who gets what from whom, and in which order at one event. */
#include "pipeline.h"

#include <errno.h>
#include <stdlib.h>

struct pipeline {
	struct event_sink tap;
	struct stats *stats;
	bool ordered;
	struct ids *ids;
	struct receive *receive;
	struct stream *stream;
	struct decode *decode;
	struct stream_sink decode_sink;
	struct pair *pair;
	struct attribute *attribute;
	struct join *join;
	struct sample *sample;
	struct describe *describe;
	uint64_t ticked_ns;
};

#define STEP_NS	  (10ull * 1000 * 1000)
#define STEPS_MAX 100

static void to_attribute(void *ctx, struct exchange *exchange, enum exchange_step step)
{
	attribute__push(((struct pipeline *)ctx)->attribute, exchange, step);
}

static void to_join(void *ctx, struct exchange *exchange, enum exchange_step step)
{
	join__push(((struct pipeline *)ctx)->join, exchange, step);
}

static void to_sample(void *ctx, struct exchange *exchange, enum exchange_step step)
{
	sample__push(((struct pipeline *)ctx)->sample, exchange, step);
}

static void to_describe(void *ctx, struct exchange *exchange, enum exchange_step step)
{
	describe__push(((struct pipeline *)ctx)->describe, exchange, step);
}

/* The tap first: it makes the process known that the other stages look up. Attribution before the
 * bytes: what they say happened on a unit that must exist by then. */
static void on_event(void *ctx, const struct event *event)
{
	struct pipeline *pipeline = ctx;

	if (pipeline->tap.push)
		pipeline->tap.push(pipeline->tap.ctx, event);
	switch (event->kind) {
	case EVENT_CONN_OPEN:
	case EVENT_CONNECT:
		stream__settle(pipeline->stream);
		attribute__event(pipeline->attribute, event);
		stream__push(pipeline->stream, event);
		break;
	case EVENT_TASK:
	case EVENT_UNIT:
	case EVENT_NAME:
		stream__settle(pipeline->stream);
		attribute__event(pipeline->attribute, event);
		break;
	case EVENT_LISTEN:
		break;
	default:
		stream__push(pipeline->stream, event);
	}
}

static void on_bytes(void *ctx, struct conn *conn, enum direction dir)
{
	struct stream_sink *next = &((struct pipeline *)ctx)->decode_sink;

	next->bytes(next->ctx, conn, dir);
}

static void on_ended(void *ctx, struct conn *conn, enum direction dir, const struct stamp *at,
		     uint32_t error)
{
	struct stream_sink *next = &((struct pipeline *)ctx)->decode_sink;

	next->ended(next->ctx, conn, dir, at, error);
}

/* Two stages beside decode's line want to hear of the end of a connection too. */
static void on_gone(void *ctx, struct conn *conn, const struct stamp *at)
{
	struct pipeline *pipeline = ctx;

	pipeline->decode_sink.gone(pipeline->decode_sink.ctx, conn, at);
	if (!conn->connected && conn->error && conn->tuple.role == ROLE_CLIENT)
		pair__connect_failed(pipeline->pair, conn, at, conn->error);
	attribute__conn_gone(pipeline->attribute, conn->id);
}

/* From the last stage to the first: each needs its next one. */
static bool make_exchange_stages(struct pipeline *p, const struct pipeline_opts *opts)
{
	struct describe_stage_opts describe = { .stats = opts->stats,
						.fallback = opts->fallback,
						.describe = opts->describe };
	struct sample_opts sample = { .stats = opts->stats, .sampler = opts->sampler };
	struct join_opts join = { .stats = opts->stats, .ids = p->ids };
	struct attribute_opts attribute = { .stats = opts->stats, .processes = opts->processes };
	struct pair_opts pair = { .stats = opts->stats,
				  .ids = p->ids,
				  .processes = opts->processes };

	p->describe = describe__new(&describe, opts->next);
	p->sample = sample__new(&sample, (struct exchange_sink){ to_describe, p });
	p->join = join__new(&join, (struct exchange_sink){ to_sample, p });
	p->attribute = attribute__new(&attribute, (struct exchange_sink){ to_join, p });
	p->pair = pair__new(&pair, (struct exchange_sink){ to_attribute, p });
	return p->describe && p->sample && p->join && p->attribute && p->pair;
}

static bool make_byte_stages(struct pipeline *p, const struct pipeline_opts *opts)
{
	struct decode_opts decode = { .stats = opts->stats, .policy = opts->policy };
	struct stream_opts stream = { .stats = opts->stats, .processes = opts->processes };
	struct receive_opts receive = { .stats = opts->stats, .source = opts->source };

	p->decode = decode__new(&decode, pair__sink(p->pair));
	if (!p->decode)
		return false;
	p->decode_sink = decode__sink(p->decode);
	p->stream = stream__new(&stream, (struct stream_sink){ on_bytes, on_ended, on_gone, p });
	p->receive = receive__new(&receive, (struct event_sink){ on_event, p });
	return p->stream && p->receive;
}

struct pipeline *pipeline__new(const struct pipeline_opts *opts)
{
	struct pipeline *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->tap = opts->tap;
	p->stats = opts->stats;
	p->ordered = opts->ordered;
	p->ids = opts->seeded ? ids__new_seeded(opts->seed) : ids__new();
	if (!p->ids || !make_exchange_stages(p, opts) || !make_byte_stages(p, opts)) {
		pipeline__free(p);
		return NULL;
	}
	describe__set_wall_offset(p->describe, opts->wall_offset_ns);
	return p;
}

int pipeline__push(struct pipeline *pipeline, const void *record, size_t size)
{
	if (!pipeline->ordered)
		return receive__push(pipeline->receive, record, size);
	if (!event__valid(record, size)) {
		pipeline->stats->lost[LOSS_EVENT_BAD]++;
		return -EBADMSG;
	}
	pipeline->stats->events++;
	pipeline->stats->event_bytes += size;
	on_event(pipeline, record);
	return 0;
}

void pipeline__set_wall_offset(struct pipeline *pipeline, int64_t offset_ns)
{
	describe__set_wall_offset(pipeline->describe, offset_ns);
}

void pipeline__check_losses(struct pipeline *pipeline, uint64_t now_ns)
{
	attribute__check_losses(pipeline->attribute, now_ns);
}

static void tick_stages(struct pipeline *pipeline, uint64_t now_ns)
{
	receive__tick(pipeline->receive, now_ns);
	stream__tick(pipeline->stream, now_ns);
	decode__tick(pipeline->decode, now_ns);
	pair__tick(pipeline->pair, now_ns);
	attribute__tick(pipeline->attribute, now_ns);
	join__tick(pipeline->join, now_ns);
}

/* After a pause (a busy machine, a long drain) receive lets go what it holds in steps, so that the
 * later stages' time keeps pace with the events that they get. */
void pipeline__tick(struct pipeline *pipeline, uint64_t now_ns)
{
	uint64_t step_ns = pipeline->ticked_ns;

	pipeline->ticked_ns = now_ns;
	if (step_ns && now_ns > step_ns + STEPS_MAX * STEP_NS)
		step_ns = now_ns - STEPS_MAX * STEP_NS;
	while (step_ns && now_ns > step_ns + 2 * STEP_NS) {
		step_ns += STEP_NS;
		tick_stages(pipeline, step_ns);
	}
	tick_stages(pipeline, now_ns);
}

void pipeline__flush(struct pipeline *pipeline, uint64_t now_ns)
{
	receive__flush(pipeline->receive);
	stream__flush(pipeline->stream, now_ns);
	pipeline__tick(pipeline, now_ns);
	attribute__flush(pipeline->attribute);
	join__flush(pipeline->join, now_ns);
}

/* From the first stage to the last: what one still holds may go to the next as it ends. */
void pipeline__free(struct pipeline *pipeline)
{
	if (!pipeline)
		return;
	receive__free(pipeline->receive);
	stream__free(pipeline->stream);
	decode__free(pipeline->decode);
	pair__free(pipeline->pair);
	attribute__free(pipeline->attribute);
	join__free(pipeline->join);
	sample__free(pipeline->sample);
	describe__free(pipeline->describe);
	ids__free(pipeline->ids);
	free(pipeline);
}
