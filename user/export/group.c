// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "export/group.h"

#include <errno.h>
#include <stdio.h>

#define FLAG_HAS_IS_REMOTE 0x100u
#define FLAG_IS_REMOTE	   0x200u

uint32_t span_flags(const struct span *span)
{
	/* a root's bit is known too: it has no remote parent */
	return span->trace_flags | FLAG_HAS_IS_REMOTE |
	       (span->has_parent && span->remote_parent ? FLAG_IS_REMOTE : 0);
}

/* Processes are few and spans of one come in runs: the last group is tried first. */
static uint32_t group_of(struct span_groups *groups, const struct resource *resource, uint32_t last)
{
	if (groups->count && groups->groups[last].resource == resource)
		return last;
	for (uint32_t i = 0; i < groups->count; i++) {
		if (groups->groups[i].resource == resource)
			return i;
	}
	groups->groups[groups->count] = (struct span_group){ .resource = resource };
	return groups->count++;
}

int span_groups__make(struct span *const *spans, uint32_t count, struct arena *arena,
		      struct span_groups *ret)
{
	struct span_groups groups = { .spans = spans };
	uint32_t *member = arena__take(arena, count * sizeof(*member) * 2);
	uint32_t last = 0, at = 0;

	groups.groups = arena__take(arena, count * sizeof(*groups.groups));
	groups.order = arena__take(arena, count * sizeof(*groups.order) * 2);
	if (!member || !groups.groups || !groups.order)
		return -ENOMEM;
	for (uint32_t i = 0; i < count; i++) {
		last = group_of(&groups, spans[i]->resource, last);
		member[i] = last;
		groups.groups[last].count++;
	}
	for (uint32_t i = 0; i < groups.count; i++) {
		groups.groups[i].first = at;
		at += groups.groups[i].count;
		groups.groups[i].count = 0;
	}
	for (uint32_t i = 0; i < count; i++) {
		struct span_group *group = &groups.groups[member[i]];

		groups.order[group->first + group->count++] = i;
	}
	*ret = groups;
	return 0;
}

void scope_attrs__make(const struct stats *stats, struct scope_attrs *ret)
{
	ret->count = 0;
	for (int i = 0; stats && i < LOSS_COUNT; i++) {
		if (!stats->lost[i])
			continue;
		char *key = ret->keys[ret->count];

		snprintf(key, sizeof(ret->keys[0]), "spanprobe.lost.%s", loss__name((enum loss)i));
		ret->attrs[ret->count++] = (struct attr){ .key = slice_of(key),
							  .type = ATTR_INT,
							  .i = (int64_t)stats->lost[i] };
	}
}
