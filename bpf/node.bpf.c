// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * node: the callbacks that Node's event loop makes. Each enters JavaScript through a callback scope
 * that pushes its async id; the probe is behind the store of it in AsyncHooks::push_async_context
 * (user/runtime/node.c), where the callee-saved register that has `this` is known.
 */
#include "runtime.h"

static __always_inline void node__emit(struct recipe *recipe, __u64 pid_tgid, __u64 now,
				       enum unit_change change, __u32 other_tid,
				       const struct node_ids *ids)
{
	void *ring = ring__of_cpu();
	struct event_unit *record = record__reserve(ring, sizeof(*record), LOSS_RING_UNIT);

	recipe->read++;
	if (!record)
		return;
	event__fill(&record->event, EVENT_UNIT, sizeof(*record), 0, now);
	record->event.pid = pid_tgid >> 32;
	record->event.tid = pid_tgid;
	record->event.unit = ids->execution + 1;
	record->change = change;
	record->other_tid = other_tid;
	record->other_unit = ids->trigger;
	record->arg = ids->counter;
	ring__submit(ring, record, sizeof(*record));
}

static __always_inline void node__failed(struct recipe *recipe)
{
	recipe->failed++;
	loss__count(LOSS_UNIT_READ, 1);
}

/* Threads that run no JavaScript have no ids: those of libuv's pool, and a thread that has not been
 * seen to call any since the agent came. */
int node__at(__u64 pid_tgid, __u64 now, __u32 reads)
{
	__u32 pid = pid_tgid >> 32, tid = pid_tgid;
	struct recipe *recipe;
	struct thread *thread;
	struct node_ids ids;

	if (!node_count)
		return 0;
	recipe = recipe__of(pid, UNITS_NODE);
	thread = recipe ? bpf_map_lookup_elem(&threads, &tid) : NULL;
	if (!thread || !thread->handle)
		return 0;
	thread->words[NODE_TOLD] = 0;
	if (node__ids(recipe, thread->handle, &ids))
		node__emit(recipe, pid_tgid, now, UNIT_AT, reads, &ids);
	else
		node__failed(recipe);
	return 0;
}

/* The verifier takes loads from a context at fixed offsets only: the compiler may not make one load of
 * the five. */
#define LOADED(value) asm volatile("" : "+r"(value))

static __always_inline __u64 node__this(struct pt_regs *regs, __u64 which)
{
	__u64 rbx = regs->bx, r12 = regs->r12, r13 = regs->r13, r14 = regs->r14, r15 = regs->r15;

	LOADED(rbx);
	LOADED(r12);
	LOADED(r13);
	LOADED(r14);
	LOADED(r15);
	switch (which) {
	case NODE_REG_RBX:
		return rbx;
	case NODE_REG_R12:
		return r12;
	case NODE_REG_R13:
		return r13;
	case NODE_REG_R14:
		return r14;
	default:
		return r15;
	}
}

SEC("uprobe")
int node__scope(struct pt_regs *regs)
{
	__u64 pid_tgid = bpf_get_current_pid_tgid(), hooks, fields;
	struct recipe *recipe = recipe__of(pid_tgid >> 32, UNITS_NODE);
	struct thread *thread;
	struct node_ids ids;
	__u32 depth = 0;

	if (!recipe)
		return 0;
	hooks = node__this(regs, recipe->words[NODE_SCOPE_THIS]);
	fields = user__read64(hooks + recipe->words[NODE_HOOKS_FIELDS]);
	if (!fields || bpf_probe_read_user(&depth, sizeof(depth),
					   (const void *)(fields + NODE_FIELD_STACK_LENGTH))) {
		node__failed(recipe);
		return 0;
	}
	if (depth != 1) /* within another one */
		return 0;
	thread = thread__get(pid_tgid);
	if (!thread)
		return 0;
	thread->handle = hooks;
	if (!node__ids(recipe, hooks, &ids)) {
		node__failed(recipe);
		return 0;
	}
	/* more of the same callback since the last socket call says nothing new */
	if (thread->words[NODE_TOLD] == ids.execution + 1)
		return 0;
	thread->words[NODE_TOLD] = ids.execution + 1;
	node__emit(recipe, pid_tgid, bpf_ktime_get_ns(), UNIT_SCOPE, 0, &ids);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
