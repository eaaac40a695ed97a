// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "targets.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <uthash.h>

#include "base/clock.h"

#define LOOKS_MAX 16 /* for what began while the last look was under way */

struct target {
	uint32_t pid;
	bool traced;	   /* the kernel knows */
	uint64_t ended_ns; /* 0: alive */
	UT_hash_handle hh;
};

struct targets {
	const struct options *options;
	struct discover_opts discover;
	struct processes *processes;
	struct load *load;
	struct runtimes *runtimes;
	struct recorder *recorder;
	struct target *table;
	unsigned int alive;
	uint64_t empty_since;
	uint64_t checked_ns;
};

struct targets *targets__new(const struct targets_opts *opts)
{
	struct targets *targets = calloc(1, sizeof(*targets));

	if (!targets)
		return NULL;
	targets->options = opts->options;
	targets->discover = options__discover(opts->options);
	targets->processes = opts->processes;
	return targets;
}

void targets__free(struct targets *targets)
{
	struct target *target, *next;

	if (!targets)
		return;
	HASH_ITER(hh, targets->table, target, next) {
		HASH_DEL(targets->table, target);
		free(target);
	}
	free(targets);
}

void targets__set_load(struct targets *targets, struct load *load, struct runtimes *runtimes)
{
	targets->load = load;
	targets->runtimes = runtimes;
}

void targets__set_recorder(struct targets *targets, struct recorder *recorder)
{
	struct target *target, *next;

	targets->recorder = recorder;
	HASH_ITER(hh, targets->table, target, next) {
		struct process *process = processes__find(targets->processes, target->pid);

		if (recorder && process)
			recorder__process(recorder, process);
	}
}

static struct target *find(const struct targets *targets, uint32_t pid)
{
	struct target *target;

	HASH_FIND(hh, targets->table, &pid, sizeof(pid), target);
	return target;
}

static int know(struct targets *targets, struct process *process)
{
	int err = processes__add(targets->processes, process);

	if (!err && targets->recorder)
		recorder__process(targets->recorder, process);
	return err;
}

static void trace(struct targets *targets, uint32_t pid)
{
	struct target *target = find(targets, pid);

	if (!targets->load || target->traced)
		return;
	target->traced = true;
	/* its units first, so that no event has another kind of them; then the bit: a socket that
	 * opens before the look at those that are open is met by its events */
	if (targets->runtimes)
		runtimes__enter(targets->runtimes, pid);
	load__trace(targets->load, pid);
	load__bootstrap(targets->load, pid);
}

static int enter(struct targets *targets, uint32_t pid)
{
	struct target *target = find(targets, pid);

	if (!target) {
		target = calloc(1, sizeof(*target));
		if (!target)
			return -ENOMEM;
		target->pid = pid;
		HASH_ADD(hh, targets->table, pid, sizeof(pid), target);
		targets->alive++;
	} else if (target->ended_ns) { /* the number is in use again */
		target->ended_ns = 0;
		target->traced = false;
		targets->alive++;
	}
	targets->empty_since = 0;
	return 0;
}

static int admit(struct targets *targets, struct process *process)
{
	int err = know(targets, process);

	return err ? err : enter(targets, process->pid);
}

int targets__add(struct targets *targets, uint32_t pid, struct buf *why)
{
	struct target *target = find(targets, pid);
	struct process *process;

	if (target && !target->ended_ns)
		return 0;
	if (targets->alive >= TARGETS_MAX) {
		buf__printf(why, "more than %d processes; name fewer", TARGETS_MAX);
		return -E2BIG;
	}
	int err = discover__process(pid, &targets->discover, &process, why);

	if (err)
		return err;
	err = admit(targets, process);
	process__unref(process);
	if (!err)
		trace(targets, pid);
	return err;
}

static void found(void *ctx, uint32_t pid)
{
	struct buf why = { 0 };

	targets__add(ctx, pid, &why); /* it may be gone again: then it is no target */
	buf__release(&why);
}

/* All that runs now, but for what was named by --pid. */
static void look(struct targets *targets)
{
	unsigned int count = 0, have = HASH_COUNT(targets->table);
	struct target *target, *next;
	uint32_t *pids;
	int n;

	if (options__waits(targets->options))
		discover__scan(&targets->discover, found, targets);
	pids = targets->options->follow_children ? calloc(have + TARGETS_MAX, sizeof(*pids)) : NULL;
	if (!pids)
		return;
	HASH_ITER(hh, targets->table, target, next)
		if (count < have)
			pids[count++] = target->pid;
	n = discover__children(pids, (int)count, pids + count, TARGETS_MAX);
	for (int i = 0; i < n; i++)
		found(targets, pids[count + i]);
	free(pids);
}

int targets__find(struct targets *targets, struct buf *why)
{
	const struct options *options = targets->options;

	for (uint32_t i = 0; i < options->pids.count; i++) {
		size_t mark = why->n;

		buf__puts(why, "--pid: ");
		int err = targets__add(targets, options->pids.items[i], why);

		if (err)
			return err;
		why->n = mark;
	}
	look(targets);
	return 0;
}

void targets__trace(struct targets *targets)
{
	struct target *target, *next;

	HASH_ITER(hh, targets->table, target, next)
		trace(targets, target->pid);
	/* The probes report what begins from now on; what began after the first look is still to be
	 * found, and what that has forked before its own bit was set, ... */
	for (int i = 0; i < LOOKS_MAX; i++) {
		unsigned int before = HASH_COUNT(targets->table);

		look(targets);
		if (HASH_COUNT(targets->table) == before)
			break;
	}
}

/* --- changes ---------------------------------------------------------------------------- */

/*
 * The kernel follows the child from its first instruction. What it has inherited is known from its
 * parent; to look for its sockets would take those that it has made since for older ones.
 */
static void on_fork(struct targets *targets, const struct event_task *task)
{
	struct process *parent = processes__find(targets->processes, task->event.pid);
	struct target *target = find(targets, task->child_pid);
	struct process *process;

	if (!targets->options->follow_children || !find(targets, task->event.pid) || !parent)
		return;
	if ((target && !target->ended_ns) || targets->alive >= TARGETS_MAX)
		return;
	process = discover__fork(parent, task->child_pid, task->event.time_ns);
	if (process && !admit(targets, process)) {
		find(targets, task->child_pid)->traced = true;
		if (targets->runtimes)
			runtimes__enter(targets->runtimes, task->child_pid);
	}
	process__unref(process);
}

/* Another program in the same process: another runtime, name, language. */
static void on_exec(struct targets *targets, const struct event_task *task)
{
	uint32_t pid = task->event.pid;
	struct target *target = find(targets, pid);
	struct process *process = NULL, *before = processes__find(targets->processes, pid);
	struct buf why = { 0 };

	if (!target || target->ended_ns) {
		if (targets->options->exe.count && discover__matches_exe(&targets->discover, pid))
			found(targets, pid);
		return;
	}
	if (discover__process(pid, &targets->discover, &process, &why) == 0) {
		know(targets, process);
		if (targets->runtimes)
			runtimes__enter(targets->runtimes, pid);
	} else if (before) {
		process = discover__exec(before, task->comm);
		if (process)
			know(targets, process);
	}
	process__unref(process);
	buf__release(&why);
}

static void on_end(struct targets *targets, uint32_t pid, uint64_t now_ns)
{
	struct target *target = find(targets, pid);

	if (!target || target->ended_ns)
		return;
	target->ended_ns = now_ns;
	if (targets->runtimes)
		runtimes__leave(targets->runtimes, pid);
	if (--targets->alive == 0)
		targets->empty_since = now_ns;
}

void targets__event(struct targets *targets, const struct event *event)
{
	if (event->kind == EVENT_LISTEN) {
		const struct event_listen *listen = (const void *)event;

		if (discover__matches_port(&targets->discover, listen->port))
			found(targets, event->pid);
		return;
	}
	if (event->kind == EVENT_UNIT && targets->runtimes)
		runtimes__event(targets->runtimes, event);
	if (event->kind != EVENT_TASK)
		return;
	const struct event_task *task = (const void *)event;

	switch (task->change) {
	case TASK_FORK:
		on_fork(targets, task);
		break;
	case TASK_EXEC:
		on_exec(targets, task);
		break;
	case TASK_EXIT:
		on_end(targets, event->pid, event->time_ns);
		break;
	}
}

/* An EXIT record may have found the ring full: ask now and then. And forget the long dead, whose
 * last connection records have come by now. */
void targets__tick(struct targets *targets, uint64_t now_ns)
{
	struct target *target, *next;

	if (now_ns < targets->checked_ns + TARGET_CHECK_NS)
		return;
	targets->checked_ns = now_ns;
	HASH_ITER(hh, targets->table, target, next) {
		if (!target->ended_ns) {
			if (kill((pid_t)target->pid, 0) != 0 && errno == ESRCH)
				on_end(targets, target->pid, now_ns);
		} else if (now_ns > target->ended_ns + TARGET_GRACE_NS) {
			if (targets->load)
				load__untrace(targets->load, target->pid);
			processes__remove(targets->processes, target->pid);
			HASH_DEL(targets->table, target);
			free(target);
		}
	}
}

unsigned int targets__alive(const struct targets *targets)
{
	return targets->alive;
}

uint64_t targets__empty_since(const struct targets *targets)
{
	return targets->empty_since;
}

void targets__print(const struct targets *targets, struct buf *out)
{
	struct target *target, *next;

	HASH_ITER(hh, targets->table, target, next) {
		const struct process *process = processes__find(targets->processes, target->pid);
		struct slice name = resource__service_name(process->resource);

		buf__printf(out, "  %-8u %-8s %.*s\n", target->pid,
			    runtime__language(process->runtime), (int)name.n, name.p);
	}
}
