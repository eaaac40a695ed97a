// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "export/group.h"

#include <errno.h>
#include <stdio.h>

#include "tally.h"

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

static void put_count(struct scope_attrs *attrs, const char *what, const char *name, uint64_t n)
{
	char *key = attrs->keys[attrs->count];

	if (!n)
		return;
	snprintf(key, sizeof(attrs->keys[0]), "spanprobe.%s.%s", what, name);
	attrs->attrs[attrs->count++] =
		(struct attr){ .key = slice_of(key), .type = ATTR_INT, .i = (int64_t)n };
}

static void put_side(struct scope_attrs *attrs, const struct tally_side *side, const char *parents,
		     const char *roots)
{
	for (int i = 0; i < PARENT_BY_COUNT; i++)
		put_count(attrs, parents, parent_by__name((enum parent_by)i), side->parents[i]);
	for (int i = 0; i < ROOT_WHY_COUNT; i++)
		put_count(attrs, roots, root_why__name((enum root_why)i), side->roots[i]);
}

void scope_attrs__make(const struct stats *stats, const struct resource *resource,
		       struct scope_attrs *ret)
{
	struct tally_counts counts;

	ret->count = 0;
	if (!stats)
		return;
	for (int i = 0; i < LOSS_COUNT; i++)
		put_count(ret, "lost", loss__name((enum loss)i), stats->lost[i]);
	if (!stats->tally || !tally__of(stats->tally, resource, &counts))
		return;
	put_side(ret, &counts.server, "parents.server", "roots.server");
	put_side(ret, &counts.client, "parents.client", "roots.client");
}
