/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Records into the ring of this CPU. A wake-up of the agent costs the traced program 13 us, an
 * event 0.1 us: the agent comes by the clock, and is woken only when a ring fills.
 */
#ifndef SPANPROBE_BPF_EMIT_H
#define SPANPROBE_BPF_EMIT_H

#include "bound.h"
#include "maps.h"

static __always_inline bool traced__pid(__u32 pid)
{
	return traced[(pid & (PID_LIMIT - 1)) / 64] & (1ull << (pid & 63));
}

static __always_inline void loss__count(enum loss loss, __u64 n)
{
	__u32 key = loss;
	__u64 *count = bpf_map_lookup_elem(&losses, &key);

	if (count)
		*count += n;
	if (loss <= LOSS_RING_UNIT)
		__sync_fetch_and_add(&records_lost, n);
}

static __always_inline void *ring__of_cpu(void)
{
	__u32 key = bpf_get_smp_processor_id() & (settings.ring_count - 1);

	return bpf_map_lookup_elem(&rings, &key);
}

/*
 * Wakes the agent when this record carries the fill over a multiple of wake_bytes: not at every
 * record beyond it, for the agent may need a while to get a CPU.
 */
static __always_inline void ring__submit(void *ring, void *record, __u32 size)
{
	__u64 fill = bpf_ringbuf_query(ring, BPF_RB_AVAIL_DATA);
	__u64 steps = ~((__u64)settings.wake_bytes - 1);

	bpf_ringbuf_submit(record, (fill & steps) != ((fill - size - 8) & steps) ?
					   BPF_RB_FORCE_WAKEUP :
					   BPF_RB_NO_WAKEUP);
}

/* The unit that the current thread serves, by the recipe of its process; 0: not known. Defined in
 * unit.bpf.c. */
__u64 unit__of_runtime(__u32 pid);

/* The current thread has read of a connection that was not dialled. Defined in unit.bpf.c. */
int unit__served(__u32 pid);

/* All of it but the unit. */
static __always_inline void event__fill_head(struct event *event, enum event_kind kind, __u32 size,
					     __u64 pid_tgid, __u64 now)
{
	event->size = size;
	event->cpu = bpf_get_smp_processor_id();
	event->kind = kind;
	event->flags = 0;
	event->time_ns = now;
	event->pid = pid_tgid >> 32;
	event->tid = pid_tgid;
}

/* pid_tgid 0: not in the context of the process */
static __always_inline void event__fill(struct event *event, enum event_kind kind, __u32 size,
					__u64 pid_tgid, __u64 now)
{
	struct task_struct *task = bpf_get_current_task_btf();

	event__fill_head(event, kind, size, pid_tgid, now);
	event->unit = !pid_tgid	   ? 0 :
		      recipe_count ? unit__of_runtime(pid_tgid >> 32) :
				     task->nvcsw + 1;
}

/* Room for a record of a fixed size, or NULL: counted. */
static __always_inline void *record__reserve(void *ring, const __u64 size, enum loss loss)
{
	void *record = ring ? bpf_ringbuf_reserve(ring, size, 0) : NULL;

	if (!record)
		loss__count(loss, 1);
	return record;
}

static __always_inline void unit__emit(__u64 pid_tgid, __u64 now, const struct event_unit *what)
{
	void *ring = ring__of_cpu();
	struct event_unit *record = record__reserve(ring, sizeof(*record), LOSS_RING_UNIT);

	if (!record)
		return;
	if (what->event.unit) {
		event__fill_head(&record->event, EVENT_UNIT, sizeof(*record), pid_tgid, now);
		record->event.unit = what->event.unit;
	} else {
		event__fill(&record->event, EVENT_UNIT, sizeof(*record), pid_tgid, now);
	}
	record->event.flags = what->event.flags;
	record->change = what->change;
	record->other_tid = what->other_tid;
	record->other_unit = what->other_unit;
	record->arg = what->arg;
	ring__submit(ring, record, sizeof(*record));
}

/* The recipe of the process, when it is of that kind. */
static __always_inline struct recipe *recipe__of(__u32 pid, enum unit_kind kind)
{
	struct recipe *recipe = bpf_map_lookup_elem(&recipes, &pid);

	return recipe && recipe->kind == kind ? recipe : NULL;
}

/* What is known of the current thread; made when it is not there. NULL: no room. */
static __always_inline struct thread *thread__get(__u32 tid)
{
	struct thread *thread = bpf_map_lookup_elem(&threads, &tid);
	struct thread fresh = { 0 };

	if (thread)
		return thread;
	bpf_map_update_elem(&threads, &tid, &fresh, BPF_NOEXIST);
	return bpf_map_lookup_elem(&threads, &tid);
}

#endif
