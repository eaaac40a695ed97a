/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* pipeline: connects receive -> stream -> decode -> pair -> attribute -> join -> sample ->
 * describe -> export, in that order, and nothing else. */
#ifndef SPANPROBE_PIPELINE_H
#define SPANPROBE_PIPELINE_H

#include "attribute.h"
#include "decode.h"
#include "describe.h"
#include "export.h"
#include "ids.h"
#include "join.h"
#include "pair.h"
#include "receive.h"
#include "sample.h"
#include "stream.h"

struct pipeline_opts {
	struct stats *stats;
	struct processes *processes;
	struct resource *fallback;
	struct policy_sink policy; /* live: the kernel; replay: nowhere */
	struct sampler sampler;
	struct describe_opts describe;
	bool ordered; /* events come in their final order (a recording): no window */
	bool seeded;  /* ids from `seed`: replay */
	uint64_t seed;
	int64_t wall_offset_ns;
	struct span_sink next;	      /* export */
	struct event_sink tap;	      /* sees every event in order; push may be NULL */
	struct receive_source source; /* of what is pushed; read may be NULL */
};

struct pipeline *pipeline__new(const struct pipeline_opts *opts);
int pipeline__push(struct pipeline *pipeline, const void *record, size_t size);
void pipeline__set_wall_offset(struct pipeline *pipeline, int64_t offset_ns);
/* stats->lost has risen: what began until now_ns proves nothing. Before the events that came since are
 * ticked through. */
void pipeline__check_losses(struct pipeline *pipeline, uint64_t now_ns);
void pipeline__tick(struct pipeline *pipeline, uint64_t now_ns);
void pipeline__flush(struct pipeline *pipeline, uint64_t now_ns);
void pipeline__free(struct pipeline *pipeline);

#endif
