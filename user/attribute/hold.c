// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Calls whose request is not known yet, and the bound on how long they wait. */
#include <stdlib.h>

#include <utlist.h>

#include "attribute/unit.h"
#include "base/pool.h"

#define HELD_MAX 65536

struct held {
	struct context *context;	    /* a reference; undecided */
	struct hold *hold;		    /* a reference */
	uint64_t expires_ns;		    /* 0: the call has not ended */
	struct held *prev, *next;	    /* units->held or units->running */
	struct held *hold_prev, *hold_next; /* hold->calls */
};

static struct pool held_pool = { .size = sizeof(struct held), .keep = 128 };

struct hold *hold__new(void)
{
	struct hold *hold = calloc(1, sizeof(*hold));

	if (hold)
		hold->refs = 1;
	return hold;
}

struct hold *hold__ref(struct hold *hold)
{
	if (hold)
		hold->refs++;
	return hold;
}

void hold__unref(struct units *units, struct hold *hold)
{
	if (!hold || --hold->refs)
		return;
	request__unref(units, hold->verdict.request);
	request__unref(units, hold->fallback);
	free(hold);
}

void hold__set_fallback(struct units *units, struct hold *hold, struct request *request,
			enum parent_by by)
{
	request__ref(request);
	request__unref(units, hold->fallback);
	hold->fallback = request;
	hold->fallback_by = by;
}

static void decide(struct context *context, const struct verdict *verdict)
{
	if (!verdict->request)
		context__set_root(context, verdict->why);
	else if (context__set_parent(context, verdict->request->context, verdict->by) < 0)
		context__set_root(context, ROOT_WHY_DOUBT);
}

static void held__unlist(struct units *units, struct held *held)
{
	if (held->expires_ns)
		DL_DELETE(units->held, held);
	else
		DL_DELETE(units->running, held);
	DL_DELETE2(held->hold->calls, held, hold_prev, hold_next);
}

void hold__settle(struct units *units, struct hold *hold, struct verdict verdict)
{
	struct held *held, *next;

	if (hold->settled)
		return;
	hold->settled = true;
	hold->verdict = verdict;
	hold->verdict.hold = NULL;
	request__ref(verdict.request);
	DL_FOREACH_SAFE2(hold->calls, held, next, hold_next)
	if (!held->context->decided)
		decide(held->context, &hold->verdict);
}

struct held *held__new(struct units *units, struct context *context, struct hold *hold)
{
	struct held *held = pool__get(&held_pool);

	if (!held)
		return NULL;
	*held = (struct held){ .context = context__ref(context), .hold = hold__ref(hold) };
	DL_APPEND(units->running, held);
	DL_APPEND2(hold->calls, held, hold_prev, hold_next);
	units->held_count++;
	if (hold->settled)
		decide(context, &hold->verdict);
	return held;
}

void held__ended(struct units *units, struct held *held, uint64_t now_ns)
{
	if (held->context->decided || units->held_count > HELD_MAX) {
		if (!held->context->decided)
			units->stats->lost[LOSS_UNIT_TABLE_FULL]++;
		held__free(units, held);
		return;
	}
	DL_DELETE(units->running, held);
	held->expires_ns = now_ns + HOLD_NS;
	DL_APPEND(units->held, held);
}

void held__free(struct units *units, struct held *held)
{
	if (!held)
		return;

	struct verdict verdict = { .request = held->hold->fallback,
				   .by = held->hold->fallback_by,
				   .why = ROOT_WHY_EXPIRED };

	if (!held->context->decided)
		decide(held->context, &verdict);
	held__unlist(units, held);
	hold__unref(units, held->hold);
	context__unref(held->context);
	pool__put(&held_pool, held);
	units->held_count--;
}

void helds__expire(struct units *units, uint64_t now_ns)
{
	struct held *held, *next;

	DL_FOREACH_SAFE(units->held, held, next) {
		if (!held->context->decided && now_ns < held->expires_ns)
			break;
		held__free(units, held);
	}
	while (now_ns == UINT64_MAX && units->running)
		held__free(units, units->running);
}
