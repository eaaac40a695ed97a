/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Go: the unit is the goroutine. Thread-local storage has the running g: that of user code, or the
 * thread's own (g0) while the scheduler or C code runs on its stack. Both lead to the thread's m, and
 * m.curg is the goroutine that the thread works for.
 */
#ifndef SPANPROBE_BPF_GO_H
#define SPANPROBE_BPF_GO_H

#include "emit.h"

enum go_part {
	GO_SERVING = 1, /* has read of a request */
	GO_CREATED,	/* by such a one, or by what that has created */
	GO_CALLING,	/* makes calls, and is not of the others: may work for them */
};

static __always_inline bool go__of_request(__u8 part)
{
	return part == GO_SERVING || part == GO_CREATED;
}

static __always_inline __u64 go__key(__u32 pid, __u64 goid)
{
	return (__u64)pid << 40 ^ goid; /* pids have 22 bits */
}

static __always_inline __u8 go__part(__u32 pid, __u64 goid)
{
	__u64 key = go__key(pid, goid);
	__u8 *part = bpf_map_lookup_elem(&goroutines, &key);

	return part ? *part : 0;
}

static __always_inline void go__set_part(__u32 pid, __u64 goid, __u8 part)
{
	__u64 key = go__key(pid, goid);

	bpf_map_update_elem(&goroutines, &key, &part, BPF_ANY);
}

/* The goroutine that the thread works for: address of its g; 0: none. *ok: all was as it must be */
static __always_inline __u64 go__curg(const struct recipe *recipe, struct task_struct *task,
				      bool *ok)
{
	__u64 g, m, curg;

	*ok = false;
	if (bpf_probe_read_user(&g, sizeof(g),
				(void *)(task->thread.fsbase + recipe->words[GO_TLS_G])))
		return 0;
	if (!g) { /* a thread that C code has made */
		*ok = true;
		return 0;
	}
	m = user__read64(g + recipe->words[GO_G_M]);
	if (!m || bpf_probe_read_user(&curg, sizeof(curg), (void *)(m + recipe->words[GO_M_CURG])))
		return 0;
	*ok = !curg || user__read64(curg + recipe->words[GO_G_M]) == m;
	return *ok ? curg : 0;
}

static __always_inline __u64 go__unit(const struct recipe *recipe, struct task_struct *task)
{
	bool ok;
	__u64 curg = go__curg(recipe, task, &ok);

	if (!ok)
		return 0;
	return curg ? user__read64(curg + recipe->words[GO_G_GOID]) : GO_OUTSIDE;
}

/* What the goroutine waits for, or has waited for last. */
static __always_inline enum go_wait go__wait(const struct recipe *recipe, __u64 g)
{
	__u8 reason = 0;
	__u64 bit;

	bpf_probe_read_user(&reason, sizeof(reason), (void *)(g + recipe->words[GO_G_WAITREASON]));
	if (reason > 63)
		return GO_WAIT_NONE;
	bit = 1ull << reason;
	if (recipe->words[GO_WAITS_RECEIVE] & bit)
		return GO_WAIT_RECEIVE;
	if (recipe->words[GO_WAITS_SEND] & bit)
		return GO_WAIT_SEND;
	if (recipe->words[GO_WAITS_OTHER] & bit)
		return GO_WAIT_OTHER;
	return recipe->words[GO_WAITS_TIME] & bit ? GO_WAIT_TIME : GO_WAIT_NONE;
}

/* The current thread has read of a connection that was not dialled. */
static __always_inline void go__served(__u32 pid)
{
	struct recipe *recipe = recipe__of(pid, UNITS_GO);
	struct task_struct *task = bpf_get_current_task_btf();
	__u64 unit;

	if (!recipe || task->tgid != (int)pid)
		return;
	unit = go__unit(recipe, task);
	if (unit && !(unit & GO_OUTSIDE) && go__part(pid, unit) != GO_SERVING)
		go__set_part(pid, unit, GO_SERVING);
}

#endif
