// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Records of all kinds, some of them impossible, through the whole pipeline. Connections 1 and 2
 * are the two ends of one, so are 3 and 4. fuzz_records.h makes the records, here is what must
 * hold for whatever comes out. */
#include <assert.h>

#include "fuzz_records.h"
#include "resource.h"

#define SPANS_MAX 4096

static struct span *spans[SPANS_MAX];
static uint32_t count;

static void on_span(void *ctx, struct span *span)
{
	assert(span->end_ns > span->start_ns);
	if (count < SPANS_MAX)
		spans[count++] = span__ref(span);
}

static int by_id(const void *a, const void *b)
{
	return memcmp((*(struct span *const *)a)->span_id, (*(struct span *const *)b)->span_id, 8);
}

static void check_family(const struct span *span)
{
	struct span like, *key = &like, **parent;

	assert(memcmp(span->trace_id, (uint8_t[16]){ 0 }, 16) && span->trace_flags & 1);
	if (!span->has_parent || span->remote_parent || count == SPANS_MAX)
		return;
	memcpy(like.span_id, span->parent_id, sizeof(like.span_id));
	parent = bsearch(&key, spans, count, sizeof(*spans), by_id);
	assert(parent && *parent != span);
	assert(!memcmp((*parent)->trace_id, span->trace_id, sizeof(span->trace_id)));
}

static void check(const struct stats *stats)
{
	const uint64_t *lost = stats->lost;

	qsort(spans, count, sizeof(*spans), by_id);
	for (uint32_t i = 0; i < count; i++) {
		assert(!i || by_id(&spans[i - 1], &spans[i]));
		check_family(spans[i]);
	}
	assert(stats->requests_served + stats->requests_made + stats->connects_failed ==
	       stats->spans_made + lost[LOSS_REQUEST_CUT] + lost[LOSS_UNSAMPLED] +
		       lost[LOSS_NO_MEMORY]);
	assert(stats->conns_opened == stats->conns_closed);
	while (count)
		span__unref(spans[--count]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct stats stats = { 0 };
	struct fuzz fuzz = { .data = data, .size = size };

	fuzz__open(&fuzz, &stats, (struct span_sink){ on_span, NULL });
	fuzz__run(&fuzz);
	check(&stats);
	fuzz__close(&fuzz);
	return 0;
}
