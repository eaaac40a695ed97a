/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* sample: keep or drop, coherently for a trace: a function of trace id and the root's decision. */
#ifndef SPANPROBE_SAMPLE_H
#define SPANPROBE_SAMPLE_H

#include "exchange.h"
#include "stats.h"

enum sampler_kind { SAMPLER_ALWAYS_ON, SAMPLER_ALWAYS_OFF, SAMPLER_RATIO };

struct sampler {
	bool parent_based; /* a trace that came in by a header follows its sampled flag */
	enum sampler_kind root;
	double ratio; /* SAMPLER_RATIO: 0..1 */
};

/* OTEL_TRACES_SAMPLER and its argument ("" or NULL: 1.0): always_on, always_off, traceidratio,
 * parentbased_always_on, parentbased_always_off, parentbased_traceidratio. -EINVAL for others,
 * -ERANGE for an argument that is not a number in [0, 1]. */
int sampler__parse(const char *name, const char *arg, struct sampler *ret);
bool sampler__keep(const struct sampler *sampler, const struct context *context);

struct sample_opts {
	struct stats *stats;
	struct sampler sampler;
};

/* next owns the exchanges that are kept; the others are freed here */
struct sample *sample__new(const struct sample_opts *opts, struct exchange_sink next);
void sample__push(struct sample *sample, struct exchange *exchange, enum exchange_step step);
void sample__free(struct sample *sample);

#endif
