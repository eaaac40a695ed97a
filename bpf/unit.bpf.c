// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* unit: execution units of traced processes: threads and who made them. */
#include "emit.h"

SEC("tp_btf/task_newtask")
int BPF_PROG(unit__create, struct task_struct *task)
{
	__u64 pid_tgid = bpf_get_current_pid_tgid();
	struct event_unit *record;
	void *ring;

	if (!settings.units || !traced__pid(pid_tgid >> 32) || task->tgid != (int)(pid_tgid >> 32))
		return 0;
	ring = ring__of_cpu();
	record = record__reserve(ring, sizeof(*record), LOSS_RING_UNIT);
	if (!record)
		return 0;
	event__fill(&record->event, EVENT_UNIT, sizeof(*record), pid_tgid, bpf_ktime_get_ns());
	record->change = UNIT_CREATE;
	record->other_tid = task->pid;
	record->other_unit = 0;
	record->arg = 0;
	ring__submit(ring, record, sizeof(*record));
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
