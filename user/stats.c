// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "stats.h"

#include <inttypes.h>

#include "base/buf.h"
#include "tally.h"

static const struct {
	const char *name;
	const char *text;
} losses[LOSS_COUNT] = {
#define LOSS(id, name, text) [LOSS_##id] = { name, text },
	LOSS_LIST(LOSS)
#undef LOSS
};

static const char *const parent_by_names[PARENT_BY_COUNT] = {
#define PARENT_BY(id, value, text) [PARENT_BY_##id] = value,
	PARENT_BY_LIST(PARENT_BY)
#undef PARENT_BY
};

static const char *const root_why_names[ROOT_WHY_COUNT] = {
#define ROOT_WHY(id, value, text) [ROOT_WHY_##id] = value,
	ROOT_WHY_LIST(ROOT_WHY)
#undef ROOT_WHY
};

const char *loss__name(enum loss loss)
{
	return losses[loss].name;
}

const char *loss__text(enum loss loss)
{
	return losses[loss].text;
}

const char *parent_by__name(enum parent_by by)
{
	return parent_by_names[by];
}

const char *root_why__name(enum root_why why)
{
	return root_why_names[why];
}

static void print_counts(struct buf *out, const char *title, const uint64_t *counts,
			 const char *const *names, int n)
{
	bool any = false;

	for (int i = 0; i < n; i++) {
		if (!counts[i])
			continue;
		buf__printf(out, "%s%s %" PRIu64, any ? ", " : title, names[i], counts[i]);
		any = true;
	}
	if (any)
		buf__puts(out, "\n");
}

void stats__print(const struct stats *stats, struct buf *out)
{
	bool lost = false;

	buf__printf(out, "requests: %" PRIu64 " served, %" PRIu64 " made", stats->requests_served,
		    stats->requests_made);
	if (stats->connects_failed)
		buf__printf(out, ", %" PRIu64 " connects failed", stats->connects_failed);
	buf__puts(out, "\n");
	buf__printf(out, "spans: %" PRIu64 " made, %" PRIu64 " exported\n", stats->spans_made,
		    stats->spans_exported);
	print_counts(out, "parents by: ", stats->parents, parent_by_names, PARENT_BY_COUNT);
	print_counts(out, "roots: ", stats->roots, root_why_names, ROOT_WHY_COUNT);
	if (stats->tally)
		tally__print(stats->tally, out);
	buf__printf(out,
		    "connections: %" PRIu64 " met, %" PRIu64 " ended; events: %" PRIu64 " (%" PRIu64
		    " bytes, %" PRIu64 " of payload)\n",
		    stats->conns_opened, stats->conns_closed, stats->events, stats->event_bytes,
		    stats->payload_bytes);
	for (int i = 0; i < LOSS_COUNT; i++) {
		if (!stats->lost[i])
			continue;
		if (!lost)
			buf__puts(out, "lost:\n");
		lost = true;
		buf__printf(out, "  %-24s %10" PRIu64 "  %s\n", losses[i].name, stats->lost[i],
			    losses[i].text);
	}
	if (!lost)
		buf__puts(out, "lost: nothing\n");
}
