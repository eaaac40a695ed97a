// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * unit: execution units of traced processes: threads, who made and who woke them, and the units of
 * runtimes by the recipe of their process (include/recipe.h).
 */
#include "arch.h"
#include "emit.h"
#include "runtime.h"

__u32 recipe_count;
__u32 node_count;

__u64 unit__of_runtime(__u32 pid)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct recipe *recipe = bpf_map_lookup_elem(&recipes, &pid);
	__u64 unit = 0;

	if (!recipe)
		return task->nvcsw + 1;
	if (task->tgid != (int)pid) /* the agent looks at its sockets */
		return 0;
	switch (recipe->kind) {
	case UNITS_GO:
		unit = go__unit(recipe, task);
		break;
	case UNITS_CPYTHON:
		unit = cpython__unit(recipe, task);
		break;
	case UNITS_JAVA:
		return java__unit(recipe, task);
	default:
		return task->nvcsw + 1;
	}
	if (unit) {
		recipe->read++;
	} else {
		recipe->failed++;
		loss__count(LOSS_UNIT_READ, 1);
	}
	return unit;
}

int unit__served(__u32 pid)
{
	go__served(pid);
	return 0;
}

SEC("tp_btf/task_newtask")
int BPF_PROG(unit__create, struct task_struct *task)
{
	__u64 pid_tgid = bpf_get_current_pid_tgid();
	struct event_unit created = { .change = UNIT_CREATE };

	if (!settings.units || !traced__pid(pid_tgid >> 32) || task->tgid != (int)(pid_tgid >> 32))
		return 0;
	created.other_tid = task->pid;
	unit__emit(pid_tgid, bpf_ktime_get_ns(), &created);
	return 0;
}

/* When a thread of a process whose wakes are reported left its CPU: the last time before a wake is
 * when it went to sleep. */
SEC("tp_btf/sched_switch")
int BPF_PROG(unit__switch)
{
	__u64 pid_tgid = bpf_get_current_pid_tgid();
	__u32 pid = pid_tgid >> 32;
	struct recipe *recipe;
	struct thread *thread;

	if (!traced__pid(pid))
		return 0;
	recipe = bpf_map_lookup_elem(&recipes, &pid);
	if (!recipe || !(recipe->flags & RECIPE_WAKES))
		return 0;
	thread = thread__get(pid_tgid);
	if (thread)
		thread->since_ns = bpf_ktime_get_ns();
	return 0;
}

#define FUTEX_WAIT	  0
#define FUTEX_WAIT_BITSET 9
#define FUTEX_CLOCK_REAL  256
#define FUTEX_COMMAND	  0x7f
#define WAIT_SHORT_NS	  900000000ull

/* What a mutex holds while somebody waits for it, and what a waiter waits with: glibc's
 * (lowlevellock.h) and Rust's (sys/sync/mutex/futex.rs), and musl's (pthread_mutex_timedlock.c). */
#define MUTEX_CONTENDED	     2
#define MUTEX_CONTENDED_MUSL 0x80000010 /* EBUSY, and the highest bit */

/* The time-out of a thread that sleeps in futex: EVENT_WAIT_* */
static __always_inline __u8 futex__wait(__u64 op, __u64 timeout, __u64 since_ns)
{
	__u64 time[2], ns;

	if (!timeout)
		return 0;
	if (bpf_probe_read_user(time, sizeof(time), (const void *)timeout))
		return EVENT_WAIT_SHORT | EVENT_WAIT_LONG;
	ns = time[0] * 1000000000ull + time[1];
	if ((op & FUTEX_COMMAND) == FUTEX_WAIT_BITSET) { /* an absolute one */
		if ((op & FUTEX_CLOCK_REAL) || !since_ns)
			return EVENT_WAIT_SHORT | EVENT_WAIT_LONG;
		ns = ns > since_ns ? ns - since_ns : 0;
	}
	return ns < WAIT_SHORT_NS ? EVENT_WAIT_SHORT : EVENT_WAIT_LONG;
}

/* Does the thread of these registers sleep in futex until another one wakes it? A mutex goes from
 * hand to hand, which tells nothing: such waits do not count. */
static __always_inline bool futex__awaits(struct pt_regs *regs)
{
	__u32 command, value;

	if (CALL_NR(regs) != NR_FUTEX)
		return false;
	command = CALL_ARG1(regs) & FUTEX_COMMAND;
	value = CALL_ARG2(regs);
	return (command == FUTEX_WAIT || command == FUTEX_WAIT_BITSET) &&
	       value != MUTEX_CONTENDED && value != MUTEX_CONTENDED_MUSL;
}

SEC("tp_btf/sched_waking")
int BPF_PROG(unit__waking, struct task_struct *task)
{
	__u64 pid_tgid = bpf_get_current_pid_tgid(), now;
	struct event_unit wake = { .change = UNIT_WAKE };
	__u32 pid = pid_tgid >> 32, tid;
	struct recipe *recipe;
	struct thread *thread;
	struct pt_regs *regs;

	if (!traced__pid(pid) || task->tgid != (int)pid)
		return 0;
	recipe = bpf_map_lookup_elem(&recipes, &pid);
	if (!recipe || !(recipe->flags & RECIPE_WAKES))
		return 0;
	regs = (struct pt_regs *)bpf_task_pt_regs(bpf_get_current_task_btf());
	if (CALL_NR(regs) != NR_FUTEX || !CALL_RUNNING(regs))
		return 0;
	regs = (struct pt_regs *)bpf_task_pt_regs(task);
	if (!futex__awaits(regs))
		return 0;
	now = bpf_ktime_get_ns();
	tid = task->pid;
	thread = bpf_map_lookup_elem(&threads, &tid);
	wake.other_tid = tid;
	wake.other_unit = thread ? thread->since_ns : 0;
	wake.arg = CALL_ARG0(regs);
	wake.event.flags = futex__wait(CALL_ARG1(regs), CALL_ARG3(regs), wake.other_unit);
	unit__emit(pid_tgid, now, &wake);
	return 0;
}

/* From user space: how the units of a process are read from now on, or no longer (kind and flags
 * 0). The record says so in the order of the process's events. */
SEC("syscall")
int apply_recipe(struct recipe *recipe)
{
	struct recipe copy = *recipe;
	void *ring = ring__of_cpu();
	struct event_unit *record;
	__u32 pid = copy.pid;

	if (copy.kind || copy.flags) {
		if (bpf_map_update_elem(&recipes, &pid, &copy, BPF_ANY))
			return 7; /* E2BIG */
	} else {
		bpf_map_delete_elem(&recipes, &pid);
	}
	record = record__reserve(ring, sizeof(*record), LOSS_RING_UNIT);
	if (!record)
		return 105; /* ENOBUFS: the agent tries again */
	event__fill(&record->event, EVENT_UNIT, sizeof(*record), 0, bpf_ktime_get_ns());
	record->event.pid = pid;
	record->change = UNIT_MODULE;
	record->other_tid = 0;
	record->other_unit = 0;
	record->arg = copy.kind | copy.flags << 8;
	ring__submit(ring, record, sizeof(*record));
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
