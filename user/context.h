/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Identity of a span, made when its exchange begins, long before its trace is known: children may
 * point at it at once. A context is *decided* when its parent is final (a context, a remote one or
 * none); it is *settled* when it is decided and, with a local parent, that one is settled: only
 * then it has a trace id.
 */
#ifndef SPANPROBE_CONTEXT_H
#define SPANPROBE_CONTEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "parent_by.h"

struct ids;

#define TRACE_STATE_MAX 512

/* A context found in a header; the result of tracecontext__extract. */
struct remote_context {
	uint8_t trace_id[16];
	uint8_t span_id[8];
	uint8_t trace_flags;
	bool sampled_known; /* b3 and others may leave the decision open */
	uint16_t trace_state_len;
	char trace_state[TRACE_STATE_MAX];
};

struct context {
	uint32_t refs;
	uint8_t span_id[8];
	uint8_t trace_id[16]; /* valid once settled */
	bool decided;
	bool settled;
	enum parent_by by;
	enum root_why why;	/* of a root */
	struct context *parent; /* local parent, a reference; NULL: remote, none or forgotten */
	struct context *entry;	/* settled: by its header the trace came in; a reference; NULL: by
				   * its own, or by none */
	struct remote_context *remote; /* owned: what its own header said; NULL: nothing */
	bool parent_is_remote;
	bool is_parent; /* was chosen as one: its span must not be left out */
	bool left_out;	/* there will be no span: it can be nobody's parent */
	/* what the trace's entry said about sampling, inherited from the root */
	bool origin_remote;   /* the trace came in by a header ... */
	bool origin_sampled;  /* ... whose sampled flag was set (or left open) */
	uint8_t origin_flags; /* W3C flags without sampled: random */
};

struct context *context__new(struct ids *ids); /* span id made, undecided */
struct context *context__ref(struct context *context);
void context__unref(struct context *context); /* NULL is allowed; frees chains without recursion */

/* Decide. parent: a reference is taken; -ELOOP (and nothing changed) when it would be its own
 * ancestor, -ENOENT when the parent is left out, -EALREADY when it is settled. The last decision
 * before settling holds; later ones change nothing. */
int context__set_parent(struct context *context, struct context *parent, enum parent_by by);
void context__set_remote(struct context *context); /* parent is context->remote */
void context__set_root(struct context *context, enum root_why why);

/* Settles it, and every ancestor that can be, when possible; ids: for new roots. */
bool context__settle(struct context *context, struct ids *ids);

/* Its span is made or dropped: who its parent was is of no use any more. Without this a trace that goes on for
 * ever, each request made within the one before, would be held for ever. */
void context__forget_parent(struct context *context); /* NULL is allowed */

/* The header context by which the trace of a settled context came in (its trace state is that of
 * every span below); NULL: the trace began here. */
const struct remote_context *context__origin(const struct context *context);
/* Both name the same span of the same trace; false when one of them is NULL. */
bool remote_context__same(const struct remote_context *a, const struct remote_context *b);

#endif
