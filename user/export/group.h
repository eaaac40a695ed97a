/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* The spans of a batch by resource, as OTLP wants them. */
#ifndef SPANPROBE_EXPORT_GROUP_H
#define SPANPROBE_EXPORT_GROUP_H

#include "base/arena.h"
#include "span.h"
#include "stats.h"

#define SCHEMA_URL "https://opentelemetry.io/schemas/1.44.0"
#define SCOPE_NAME "spanprobe"

struct span_group {
	const struct resource *resource; /* NULL: spans without one */
	uint32_t count;
	uint32_t first; /* of struct span_groups.order */
};

struct span_groups {
	struct span_group *groups; /* in order of first appearance: no order by address */
	uint32_t count;
	struct span *const *spans;
	uint32_t *order; /* indices into spans, group by group, else in the order given */
};

/* 0 or -ENOMEM; ret points into the arena */
int span_groups__make(struct span *const *spans, uint32_t count, struct arena *arena,
		      struct span_groups *ret);

static inline const struct span *span_groups__span(const struct span_groups *groups,
						   const struct span_group *group, uint32_t i)
{
	return groups->spans[groups->order[group->first + i]];
}

/* W3C flags with the OTLP bits that say whether the parent came from another process */
uint32_t span_flags(const struct span *span);

/* The scope's attributes, those that are not zero: spanprobe.lost.<name> of the agent, and of the
 * resource's process spanprobe.parents.<side>.<by> and spanprobe.roots.<side>.<why> */
#define SCOPE_ATTRS_MAX (LOSS_COUNT + 2 * (PARENT_BY_COUNT + ROOT_WHY_COUNT))

struct scope_attrs {
	uint32_t count;
	struct attr attrs[SCOPE_ATTRS_MAX];
	char keys[SCOPE_ATTRS_MAX][48];
};

/* stats, resource: NULL is allowed */
void scope_attrs__make(const struct stats *stats, const struct resource *resource,
		       struct scope_attrs *ret);

#endif
