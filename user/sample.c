// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "sample.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const struct {
	const char *name;
	bool parent_based;
	enum sampler_kind root;
} samplers[] = {
	{ "always_on", false, SAMPLER_ALWAYS_ON },
	{ "always_off", false, SAMPLER_ALWAYS_OFF },
	{ "traceidratio", false, SAMPLER_RATIO },
	{ "parentbased_always_on", true, SAMPLER_ALWAYS_ON },
	{ "parentbased_always_off", true, SAMPLER_ALWAYS_OFF },
	{ "parentbased_traceidratio", true, SAMPLER_RATIO },
};

static int parse_ratio(const char *arg, double *ret)
{
	char *end;
	double ratio;

	if (!arg || !*arg) {
		*ret = 1.0;
		return 0;
	}
	errno = 0;
	ratio = strtod(arg, &end);
	if (errno || end == arg || *end || !isfinite(ratio) || ratio < 0 || ratio > 1)
		return -ERANGE;
	*ret = ratio;
	return 0;
}

int sampler__parse(const char *name, const char *arg, struct sampler *ret)
{
	double ratio = 1.0;

	for (size_t i = 0; i < sizeof(samplers) / sizeof(samplers[0]); i++) {
		if (strcmp(name, samplers[i].name) != 0)
			continue;
		if (samplers[i].root == SAMPLER_RATIO && parse_ratio(arg, &ratio) < 0)
			return -ERANGE;
		*ret = (struct sampler){ samplers[i].parent_based, samplers[i].root, ratio };
		return 0;
	}
	return -EINVAL;
}

/*
 * A function of the trace id alone, so that all spans of a trace fare alike, here and on other
 * hosts. The last eight bytes, as in the Java and Python SDKs; what a smaller ratio keeps, a larger
 * one keeps too.
 */
static bool keep_ratio(double ratio, const uint8_t trace_id[16])
{
	uint64_t x = 0;

	if (ratio >= 1)
		return true;
	if (!(ratio > 0))
		return false;
	for (int i = 8; i < 16; i++)
		x = x << 8 | trace_id[i];
	return (x >> 1) < (uint64_t)ldexp(ratio, 63);
}

bool sampler__keep(const struct sampler *sampler, const struct context *context)
{
	if (sampler->parent_based && context->origin_remote)
		return context->origin_sampled;
	switch (sampler->root) {
	case SAMPLER_ALWAYS_ON:
		return true;
	case SAMPLER_ALWAYS_OFF:
		return false;
	case SAMPLER_RATIO:
		return keep_ratio(sampler->ratio, context->trace_id);
	}
	return true;
}

struct sample {
	struct stats *stats;
	struct sampler sampler;
	struct exchange_sink next;
};

struct sample *sample__new(const struct sample_opts *opts, struct exchange_sink next)
{
	struct sample *sample = calloc(1, sizeof(*sample));

	if (!sample)
		return NULL;
	sample->stats = opts->stats;
	sample->sampler = opts->sampler;
	sample->next = next;
	return sample;
}

void sample__push(struct sample *sample, struct exchange *exchange, enum exchange_step step)
{
	if (sampler__keep(&sample->sampler, exchange->context)) {
		sample->next.push(sample->next.ctx, exchange, step);
		return;
	}
	sample->stats->lost[LOSS_UNSAMPLED]++;
	context__forget_parent(exchange->context);
	exchange__free(exchange);
}

void sample__free(struct sample *sample)
{
	free(sample);
}
