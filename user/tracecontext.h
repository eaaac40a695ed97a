/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Trace-context headers: W3C traceparent + tracestate, b3, X-B3-*, uber-trace-id, X-Amzn-Trace-Id,
 * X-Cloud-Trace-Context. Reading order and rules: W3C Trace Context Level 2, openzipkin B3, Jaeger,
 * AWS X-Ray, GCP documents, as collected in the project's propagation sheet. All input is hostile.
 */
#ifndef SPANPROBE_TRACECONTEXT_H
#define SPANPROBE_TRACECONTEXT_H

#include "base/slice.h"
#include "context.h"

/* Where headers come from: value of the nth field named `name` (lower case); false when absent. */
struct header_source {
	bool (*get)(const void *ctx, struct slice name, unsigned int n, struct slice *ret_value);
	const void *ctx;
};

/* The first valid context in reading order; false (and *ret untouched) when there is none. */
bool tracecontext__extract(const struct header_source *source, struct remote_context *ret);

/* One form each; exposed for tests. */
bool traceparent__parse(struct slice value, struct remote_context *ret);
bool b3__parse(struct slice value, struct remote_context *ret);
bool uber__parse(struct slice value, struct remote_context *ret);
bool xray__parse(struct slice value, struct remote_context *ret);
bool gcp__parse(struct slice value, struct remote_context *ret);
/* Joins valid members into ret->trace_state; a malformed list leaves it empty. */
void tracestate__parse(const struct header_source *source, struct remote_context *ret);

#endif
