// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * go: who creates goroutines, who wakes them, and who has a call made. A goroutine is made runnable
 * by runtime.runqput; the probes are on the instructions that call it in the two functions that
 * matter: bx is the g there, and a call is emulated.
 *
 * net/http writes requests from a goroutine of the connection, which knows nothing of its callers. So
 * a third probe, where the caller hands its request over, names the connection.
 */
#include "find.h"
#include "runtime.h"

static __always_inline struct recipe *go__recipe(__u64 pid_tgid)
{
	return traced__pid(pid_tgid >> 32) ? recipe__of(pid_tgid >> 32, UNITS_GO) : NULL;
}

/* In runtime.newproc.func1: `call runqput`. */
SEC("uprobe")
int go__create(struct pt_regs *ctx)
{
	__u64 pid_tgid = bpf_get_current_pid_tgid();
	struct event_unit created = { .change = UNIT_BIND };
	struct recipe *recipe = go__recipe(pid_tgid);
	__u32 pid = pid_tgid >> 32;
	__u64 g = ctx->bx;

	if (!recipe)
		return 0;
	created.event.unit = go__unit(recipe, bpf_get_current_task_btf());
	if (!created.event.unit || (created.event.unit & GO_OUTSIDE) ||
	    !go__of_request(go__part(pid, created.event.unit)))
		return 0;
	created.other_unit = user__read64(g + recipe->words[GO_G_GOID]);
	if (!created.other_unit)
		return 0;
	created.arg = user__read64(g + recipe->words[GO_G_STARTPC]);
	go__set_part(pid, created.other_unit, GO_CREATED);
	unit__emit(pid_tgid, bpf_ktime_get_ns(), &created);
	return 0;
}

/* Does it say anything that `waker` has woken a goroutine? */
static __always_inline bool wake__matters(__u32 pid, __u64 waker, __u8 woken, enum go_wait wait)
{
	if (!woken || wait == GO_WAIT_NONE)
		return false;
	if (waker & GO_OUTSIDE) /* a timer */
		return woken == GO_CALLING;
	if (wait == GO_WAIT_TIME)
		return false;
	/* a result for a request; or work for who makes calls */
	return go__of_request(woken) != go__of_request(go__part(pid, waker));
}

/* In runtime.ready: `call runqput`. */
SEC("uprobe")
int go__ready(struct pt_regs *ctx)
{
	__u64 pid_tgid = bpf_get_current_pid_tgid();
	struct event_unit wake = { .change = UNIT_WAKE };
	struct recipe *recipe = go__recipe(pid_tgid);
	__u32 pid = pid_tgid >> 32;
	__u64 g = ctx->bx;
	__u8 woken;

	if (!recipe)
		return 0;
	wake.arg = go__wait(recipe, g);
	if (wake.arg == GO_WAIT_NONE)
		return 0;
	wake.other_unit = user__read64(g + recipe->words[GO_G_GOID]);
	woken = go__part(pid, wake.other_unit);
	if (!woken)
		return 0;
	wake.event.unit = go__unit(recipe, bpf_get_current_task_btf());
	if (wake.event.unit && wake__matters(pid, wake.event.unit, woken, wake.arg))
		unit__emit(pid_tgid, bpf_ktime_get_ns(), &wake);
	return 0;
}

#define CONN_LAYERS 3

/*
 * The connection behind the interface value of a net.Conn: its data is a net.TCPConn, which begins
 * with a pointer to its netFD; or a layer of TLS or of the program's own, which begins with the
 * interface value of the one below.
 */
static __always_inline __u64 go__conn(const struct recipe *recipe, struct task_struct *task,
				      __u64 interface)
{
	for (int i = 0; i < CONN_LAYERS; i++) {
		__u64 data = user__read64(interface + 8), conn;
		__u32 fd = 0;

		if (!data)
			return 0;
		if (bpf_probe_read_user(&fd, sizeof(fd),
					(void *)(user__read64(data) + recipe->words[GO_FD_SYSFD])))
			return 0;
		conn = fd__conn(task, fd);
		if (conn)
			return conn;
		interface = data;
	}
	return 0;
}

/* net/http.(*persistConn).roundTrip: ax is the persistConn. */
SEC("uprobe")
int go__round_trip(struct pt_regs *ctx)
{
	struct task_struct *task = bpf_get_current_task_btf();
	__u64 pid_tgid = bpf_get_current_pid_tgid(), curg;
	struct event_unit put = { .change = UNIT_PUT };
	struct recipe *recipe = go__recipe(pid_tgid);
	__u32 pid = pid_tgid >> 32;
	__u8 part;
	bool ok;

	if (!recipe)
		return 0;
	curg = go__curg(recipe, task, &ok);
	put.event.unit = curg ? user__read64(curg + recipe->words[GO_G_GOID]) : 0;
	if (!put.event.unit)
		return 0;
	part = go__part(pid, put.event.unit);
	put.other_unit = go__wait(recipe, curg);
	/* what a request has made and waits for work may get that of another one */
	if (!part || (part == GO_CREATED && put.other_unit == GO_WAIT_RECEIVE)) {
		part = GO_CALLING;
		go__set_part(pid, put.event.unit, part);
	}
	recipe->calls++;
	if (part == GO_CALLING)
		recipe->asked++;
	put.arg = go__conn(recipe, task, ctx->ax + recipe->words[GO_PERSIST_CONN]);
	if (put.arg)
		unit__emit(pid_tgid, bpf_ktime_get_ns(), &put);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
