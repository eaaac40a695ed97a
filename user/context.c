// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "context.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/pool.h"
#include "ids.h"

#define FLAG_SAMPLED 0x01
#define FLAG_RANDOM  0x02

static struct pool contexts = { .size = sizeof(struct context), .keep = 2048 };

struct context *context__new(struct ids *ids)
{
	struct context *context = pool__get(&contexts);

	if (!context)
		return NULL;
	memset(context, 0, sizeof(*context));
	context->refs = 1;
	ids__span_id(ids, context->span_id);
	return context;
}

struct context *context__ref(struct context *context)
{
	if (context)
		context->refs++;
	return context;
}

/* The last reference to a leaf may be what keeps a long chain of ancestors: one loop, no recursion. */
void context__unref(struct context *context)
{
	while (context && --context->refs == 0) {
		struct context *parent = context->parent;

		context__unref(context->entry); /* which has neither parent nor entry */
		free(context->remote);
		pool__put(&contexts, context);
		context = parent;
	}
}

static void decide(struct context *context, struct context *parent, bool remote, enum parent_by by,
		   enum root_why why)
{
	struct context *old = context->parent;

	context->parent = context__ref(parent);
	context->parent_is_remote = remote;
	context->by = by;
	context->why = why;
	context->decided = true;
	context__unref(old);
}

/* A settled ancestor has settled ancestors only: the unsettled context cannot be among them. */
static bool is_ancestor(const struct context *context, const struct context *of)
{
	for (; of && !of->settled; of = of->parent)
		if (of == context)
			return true;
	return false;
}

int context__set_parent(struct context *context, struct context *parent, enum parent_by by)
{
	if (context->settled)
		return -EALREADY;
	if (parent->left_out)
		return -ENOENT;
	if (is_ancestor(context, parent))
		return -ELOOP;
	parent->is_parent = true;
	decide(context, parent, false, by, ROOT_WHY_ENTRY);
	return 0;
}

void context__set_remote(struct context *context)
{
	if (!context->settled && context->remote)
		decide(context, NULL, true, PARENT_BY_HEADER, ROOT_WHY_ENTRY);
}

void context__set_root(struct context *context, enum root_why why)
{
	if (!context->settled)
		decide(context, NULL, false, PARENT_BY_NONE, why);
}

static void settle_top(struct context *top, struct ids *ids)
{
	const struct remote_context *remote = top->remote;

	top->settled = true;
	if (!top->parent_is_remote) {
		ids__trace_id(ids, top->trace_id);
		top->origin_flags = FLAG_RANDOM;
		return;
	}
	memcpy(top->trace_id, remote->trace_id, sizeof(top->trace_id));
	top->origin_remote = true;
	top->origin_sampled = !remote->sampled_known || (remote->trace_flags & FLAG_SAMPLED);
	top->origin_flags = remote->trace_flags & FLAG_RANDOM;
}

bool context__settle(struct context *context, struct ids *ids)
{
	struct context *top = context, *entry;

	while (!top->settled && top->decided && top->parent)
		top = top->parent;
	if (!top->settled) {
		if (!top->decided)
			return false;
		settle_top(top, ids);
	}
	entry = top->parent_is_remote ? top : top->entry;
	/* everything below belongs to the trace of the top: order does not matter */
	for (; context != top; context = context->parent) {
		memcpy(context->trace_id, top->trace_id, sizeof(context->trace_id));
		context->origin_remote = top->origin_remote;
		context->origin_sampled = top->origin_sampled;
		context->origin_flags = top->origin_flags;
		context->entry = context__ref(entry);
		context->settled = true;
	}
	return true;
}

void context__forget_parent(struct context *context)
{
	if (!context || !context->settled)
		return;
	context__unref(context->parent);
	context->parent = NULL;
}

bool remote_context__same(const struct remote_context *a, const struct remote_context *b)
{
	return a && b && memcmp(a->trace_id, b->trace_id, sizeof(a->trace_id)) == 0 &&
	       memcmp(a->span_id, b->span_id, sizeof(a->span_id)) == 0;
}

const struct remote_context *context__origin(const struct context *context)
{
	if (context->entry)
		context = context->entry;
	return context->parent_is_remote ? context->remote : NULL;
}
