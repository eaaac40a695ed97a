/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* HotSpot's own structures, read where the thread that owns them is: by the offsets of the recipe. */
#ifndef SPANPROBE_BPF_JAVA_H
#define SPANPROBE_BPF_JAVA_H

#include "emit.h"

static __always_inline __u64 java__word(__u64 address)
{
	__u64 value = 0;

	bpf_probe_read_user(&value, sizeof(value), (const void *)address);
	return value;
}

static __always_inline __u32 java__half(__u64 address)
{
	__u32 value = 0;

	bpf_probe_read_user(&value, sizeof(value), (const void *)address);
	return value;
}

/* A reference to an object at address; 0: null, or cannot be read */
static __always_inline __u64 java__reference(const struct recipe *recipe, __u64 address)
{
	__u64 forms = recipe->words[JAVA_FORMS], narrow;

	if (!(forms & JAVA_OOP_NARROW))
		return java__word(address);
	narrow = java__half(address);
	return narrow ? recipe->words[JAVA_OOP_BASE] + (narrow << (forms & 7)) : 0;
}

static __always_inline __u64 java__class_of(const struct recipe *recipe, __u64 object)
{
	__u64 forms = recipe->words[JAVA_FORMS], narrow;
	__u64 address = object + recipe->words[JAVA_KLASS_OFFSET];

	if (!(forms & JAVA_KLASS_NARROW))
		return java__word(address);
	narrow = java__half(address);
	return narrow ? recipe->words[JAVA_KLASS_BASE] + (narrow << (forms >> 8 & 15)) : 0;
}

/* Do these belong together: the thread that runs now, and that JavaThread? Its id is the one in the
 * process's own pid namespace. */
static __always_inline bool java__is_current(const struct recipe *recipe, __u64 java)
{
	struct task_struct *task = bpf_get_current_task_btf();
	__u64 where = recipe->words[JAVA_OSTHREAD];
	struct pid *pid = BPF_CORE_READ(task, thread_pid);
	__u32 level = BPF_CORE_READ(pid, level);
	struct upid upid = {};

	bpf_core_read(&upid, sizeof(upid), &pid->numbers[level & 31]);
	return upid.nr &&
	       (__u32)upid.nr == java__half(java__word(java + (__u32)where) + (where >> 32));
}

/* The current thread is that JavaThread. False: it is not. */
static __always_inline bool java__learn(const struct recipe *recipe, struct thread *thread,
					__u64 pid_tgid, __u64 java)
{
	struct parker key = { .address = java + recipe->words[JAVA_PARKER], .pid = pid_tgid >> 32 };
	__u32 tid = pid_tgid;

	if (!java__is_current(recipe, java))
		return false;
	thread->handle = java;
	bpf_map_update_elem(&parkers, &key, &tid, BPF_ANY);
	return true;
}

/* The current thread's JavaThread by its thread-local variable; 0: has none. */
static __always_inline __u64 java__local(const struct recipe *recipe, struct task_struct *task)
{
	__u64 modules = java__word(task->thread.fsbase + 8);

	return java__word(java__word(modules + 16 * recipe->words[JAVA_TLS_MODULE]) +
			  recipe->words[JAVA_TLS_OFFSET]);
}

/* What the thread runs, when that is a worker of a ThreadPoolExecutor; else 0. */
static __always_inline __u64 java__worker(const struct recipe *recipe, __u64 java)
{
	__u64 object = java__word(java__word(java + recipe->words[JAVA_THREAD_OBJECT]));

	if (!object)
		return 0;
	object = java__reference(recipe, object + recipe->words[JAVA_TARGET]);
	if (object && recipe->words[JAVA_HOLDER_TASK])
		object = java__reference(recipe, object + recipe->words[JAVA_HOLDER_TASK]);
	return object;
}

/*
 * Which task of its pool a thread works on, that has a JavaThread; 0: of none. At a socket call the
 * collector may be moving objects while they are read: what is found then is kept until it ends,
 * and a copy left behind has the same count.
 */
static __always_inline __u64 java__task(const struct recipe *recipe, struct thread *thread)
{
	if (thread->words[1] != recipe->words[JAVA_EPOCH]) {
		thread->words[1] = recipe->words[JAVA_EPOCH];
		thread->words[0] = java__worker(recipe, thread->handle);
	}
	if (!thread->words[0] ||
	    java__class_of(recipe, thread->words[0]) != recipe->words[JAVA_WORKER])
		return 0;
	return java__word(thread->words[0] + recipe->words[JAVA_COMPLETED]) + 1;
}

/*
 * The scheduler of virtual threads names its threads so, and no program can name them otherwise; a
 * program's own ForkJoinPools have such names too.
 */
static __always_inline __u64 java__kind(const struct recipe *recipe, struct task_struct *task)
{
	static const char name[] = "ForkJoinPool-";

	if (!recipe->words[JAVA_VTHREAD])
		return JAVA_UNIT_THREAD;
	for (__u32 i = 0; i < sizeof(name) - 1; i++) {
		if (task->comm[i] != name[i])
			return JAVA_UNIT_THREAD;
	}
	return JAVA_UNIT_CARRIER;
}

static __always_inline __u64 java__unit(const struct recipe *recipe, struct task_struct *task)
{
	__u64 pid_tgid = bpf_get_current_pid_tgid(), kind = java__kind(recipe, task);
	struct thread *thread;

	if (kind != JAVA_UNIT_THREAD || !recipe->words[JAVA_WORKER])
		return kind;
	thread = thread__get(pid_tgid);
	if (!thread)
		return kind;
	if (!thread->handle && !(recipe->words[JAVA_TLS_MODULE] &&
				 java__learn(recipe, thread, pid_tgid, java__local(recipe, task))))
		return kind;
	return kind | java__task(recipe, thread) << JAVA_UNIT_TASK_SHIFT;
}

#endif
