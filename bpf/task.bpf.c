// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* task: which processes exist: fork, exec, exit. */
#include "drift.h"
#include "emit.h"

const volatile struct settings settings = {
	.ring_count = 1,
	.wake_bytes = 1 << 18,
	.head_bytes = HEAD_BYTES_DEFAULT,
};

__u64 traced[PID_LIMIT / 64];
__u64 records_lost;

static __always_inline void task__emit(struct task_struct *task, __u64 pid_tgid,
				       enum task_change change, __u32 child, __u32 exit_code)
{
	void *ring = ring__of_cpu();
	struct event_task *record = record__reserve(ring, sizeof(*record), LOSS_RING_UNIT);

	if (!record)
		return;
	event__fill(&record->event, EVENT_TASK, sizeof(*record), pid_tgid, bpf_ktime_get_ns());
	record->change = change;
	record->child_pid = child;
	record->exit_code = exit_code;
	record->pad = 0;
	bpf_probe_read_kernel(record->comm, sizeof(record->comm), task->comm);
	ring__submit(ring, record, sizeof(*record));
}

static __always_inline __u64 *traced__word(__u32 pid)
{
	return &traced[(pid & (PID_LIMIT - 1)) / 64];
}

SEC("tp_btf/sched_process_fork")
int BPF_PROG(task__fork, struct task_struct *parent, struct task_struct *child)
{
	__u64 pid_tgid = bpf_get_current_pid_tgid();
	__u32 pid = child->tgid;
	__u32 zero = 0;

	if (child->pid != child->tgid || !traced__pid(pid_tgid >> 32))
		return 0;
	if (settings.follow_children) {
		__sync_fetch_and_or(traced__word(pid), 1ull << (pid & 63));
		bpf_map_update_elem(&known, &pid, &zero, BPF_ANY);
	}
	task__emit(child, pid_tgid, TASK_FORK, pid, 0);
	return 0;
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(task__exec, struct task_struct *task)
{
	__u64 pid_tgid = bpf_get_current_pid_tgid();

	if (settings.watch_exec || traced__pid(pid_tgid >> 32))
		task__emit(task, pid_tgid, TASK_EXEC, 0, 0);
	return 0;
}

static __always_inline __u32 task__exit_code(struct task_struct *task)
{
	if (BPF_CORE_READ(task, signal, flags) & SIGNAL_GROUP_EXIT)
		return BPF_CORE_READ(task, signal, group_exit_code);
	return task->exit_code;
}

static __always_inline void thread__forget(__u64 pid_tgid)
{
	struct parker key = { .pid = pid_tgid >> 32 };
	const struct recipe *recipe = recipe__of(key.pid, UNITS_JAVA);
	__u32 tid = pid_tgid;
	const struct thread *thread = bpf_map_lookup_elem(&threads, &tid);

	if (!thread)
		return;
	if (recipe) {
		key.address = thread->handle + recipe->words[JAVA_PARKER];
		bpf_map_delete_elem(&parkers, &key);
	}
	bpf_map_delete_elem(&threads, &tid);
}

static __always_inline void thread__ended(__u64 pid_tgid)
{
	struct event_unit ended = { .change = UNIT_EXIT };

	if (settings.units)
		unit__emit(pid_tgid, bpf_ktime_get_ns(), &ended);
	if (recipe_count)
		thread__forget(pid_tgid);
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(task__exit, struct task_struct *task)
{
	__u64 pid_tgid = bpf_get_current_pid_tgid(), bit;
	__u32 pid = pid_tgid >> 32, tid = pid_tgid;

	if (!traced__pid(pid))
		return 0;
	bpf_map_delete_elem(&calls, &tid);
	if (!drift__group_dead(task)) {
		thread__ended(pid_tgid);
		return 0;
	}
	/* the last two threads may both see a dead group: one of them clears the bit */
	bit = 1ull << (pid & 63);
	if (!(__sync_fetch_and_and(traced__word(pid), ~bit) & bit))
		return 0;
	bpf_map_delete_elem(&known, &pid);
	if (recipe_count)
		thread__forget(pid_tgid);
	bpf_map_delete_elem(&recipes, &pid);
	task__emit(task, pid_tgid, TASK_EXIT, 0, task__exit_code(task));
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
