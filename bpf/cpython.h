/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The contextvars.Context that the current thread runs in. While a thread waits in a socket call it
 * has given up the GIL and is nobody's "current" thread; but its PyThreadState stands in the C
 * library's block of the thread (the slot of pthread_setspecific that PyGILState uses), at a fixed
 * distance from where fs points. A thread state names its thread, and an object its type: what is
 * read is known to be what it must be.
 */
#ifndef SPANPROBE_BPF_CPYTHON_H
#define SPANPROBE_BPF_CPYTHON_H

#include "emit.h"

#define OBJECT_TYPE	8    /* PyObject.ob_type */
#define CONTEXT_ENTERED 0x28 /* PyContext.ctx_entered; user/runtime/cpython.c checks the size */

/*
 * The greenlet that runs in the thread, by greenlet's own C++ object for the thread, which begins with
 * the first and the current one. 0: the first one, or the thread has none.
 */
static __always_inline __u64 cpython__greenlet(const struct recipe *recipe, __u64 fs)
{
	__u64 dtv, block, object = 0;
	struct {
		__u64 first, current;
	} greenlets;

	if (recipe->words[CPYTHON_GREENLET_TYPE] == 1)
		return CPYTHON_NO_STATE;
	dtv = user__read64(fs + 8);
	if (!dtv || (user__read64(dtv - 16) << 4) < recipe->words[CPYTHON_GREENLET_DTV])
		return 0;
	block = user__read64(dtv + recipe->words[CPYTHON_GREENLET_DTV]);
	if (bpf_probe_read_user(&object, 8,
				(void *)(block + recipe->words[CPYTHON_GREENLET_TLS])) ||
	    bpf_probe_read_user(&greenlets, sizeof(greenlets), (void *)object))
		return 0;
	if (user__read64(greenlets.first + OBJECT_TYPE) != recipe->words[CPYTHON_GREENLET_TYPE])
		return 0;
	return greenlets.current == greenlets.first ? 0 : greenlets.current;
}

/*
 * Event loops that do not read in a context enter one for what is to be done with the bytes. Beside
 * its context a thread state has a number that every entry and every exit increases: it is kept at
 * events outside of contexts (thread.words[0], plus 1), so that the first one entered after it is told.
 */
static __always_inline __u64 cpython__base(const struct recipe *recipe, __u64 fs, __u64 state,
					   __u64 version)
{
	struct thread *thread;
	__u64 greenlet;

	if (recipe->words[CPYTHON_GREENLET_TYPE]) {
		greenlet = cpython__greenlet(recipe, fs);
		if (greenlet)
			return greenlet;
	}
	if (recipe->words[CPYTHON_LOOP]) {
		thread = thread__get(bpf_get_current_pid_tgid());
		if (thread)
			thread->words[0] = version + 1;
	}
	return state | CPYTHON_BASE;
}

static __always_inline __u64 cpython__unit(const struct recipe *recipe, struct task_struct *task)
{
	__u64 fs = task->thread.fsbase, state, thread, type;
	struct {
		__u64 at, version;
	} context;
	__u32 entered;

	if (bpf_probe_read_user(&state, 8, (void *)(fs + recipe->words[CPYTHON_FS_STATE])))
		return 0;
	if (!state)
		return CPYTHON_NO_STATE;
	if (bpf_probe_read_user(&thread, 8,
				(void *)(state + recipe->words[CPYTHON_STATE_THREAD])) ||
	    thread != fs ||
	    bpf_probe_read_user(&context, sizeof(context),
				(void *)(state + recipe->words[CPYTHON_STATE_CONTEXT])))
		return 0;
	if (!context.at)
		return cpython__base(recipe, fs, state, context.version);
	if (bpf_probe_read_user(&type, 8, (void *)(context.at + OBJECT_TYPE)) ||
	    type != recipe->words[CPYTHON_CONTEXT_TYPE] ||
	    bpf_probe_read_user(&entered, 4, (void *)(context.at + CONTEXT_ENTERED)))
		return 0;
	return entered ? context.at : cpython__base(recipe, fs, state, context.version);
}

#endif
