// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#define HASH_NONFATAL_OOM 1 /* before any header takes uthash.h in */

#include <stdlib.h>
#include <string.h>

#include <utlist.h>

#include "attribute/java.h"

static const struct {
	const char *name;
	enum blocker blocker;
} known_classes[] = {
	{ "java/util/concurrent/CompletableFuture$Signaller", BLOCKER_RESULT },
	{ "java/util/concurrent/FutureTask", BLOCKER_RESULT },
	{ "java/util/concurrent/SynchronousQueue$TransferStack", BLOCKER_EXCHANGE },
	{ "java/util/concurrent/SynchronousQueue$Transferer", BLOCKER_EXCHANGE }, /* since 21 */
	{ "java/util/concurrent/locks/AbstractQueuedSynchronizer$ConditionObject", BLOCKER_IDLE },
	{ "java/util/concurrent/ForkJoinPool", BLOCKER_IDLE },
};

enum blocker java__blocker(const struct java *java, uint64_t klass)
{
	const struct jclass *class = NULL;

	HASH_FIND(hh, java->classes, &klass, sizeof(klass), class);
	return class ? class->blocker : BLOCKER_OTHER;
}

static enum blocker blocker_of(const char *name)
{
	for (size_t i = 0; i < sizeof(known_classes) / sizeof(known_classes[0]); i++) {
		/* names come cut */
		if (!strncmp(known_classes[i].name, name, NAME_BYTES - 1))
			return known_classes[i].blocker;
	}
	return BLOCKER_OTHER;
}

void java__name_class(struct java *java, uint64_t klass, const char *name)
{
	enum blocker blocker = blocker_of(name);
	struct jclass *class = NULL;

	HASH_FIND(hh, java->classes, &klass, sizeof(klass), class);
	if (class) { /* unloaded, and another one in its place, perhaps */
		class->blocker = blocker;
		return;
	}
	if (blocker == BLOCKER_OTHER || HASH_COUNT(java->classes) >= JCLASSES_MAX)
		return;
	class = calloc(1, sizeof(*class));
	if (!class)
		return;
	class->klass = klass;
	class->blocker = blocker;
	HASH_ADD(hh, java->classes, klass, sizeof(klass), class);
	if (!class->hh.tbl)
		free(class);
}

/* --- tasks ---------------------------------------------------------------------------------------- */

void jtask__add(struct group *group, struct jtask *task, struct hold *call)
{
	if (!call || call->settled)
		return;
	if (task->count == JTASK_CALLS) {
		hold__unref(group->units, task->calls[0]);
		task->count--;
		memmove(task->calls, task->calls + 1, task->count * sizeof(task->calls[0]));
	}
	task->calls[task->count++] = hold__ref(call);
}

void jtask__clear(struct group *group, struct jtask *task)
{
	while (task->count)
		hold__unref(group->units, task->calls[--task->count]);
	request__unref(group->units, task->request);
	task->request = NULL;
	task->tid = 0;
	task->several = false;
}

void jtask__claim(struct group *group, struct jtask *task, struct request *request,
		  const struct jthread *waiting)
{
	if (task->request || task->tid) {
		task->several |=
			task->request != request || (!request && task->tid != waiting->tid);
		return;
	}
	task->request = request__ref(request);
	if (!request) {
		task->tid = waiting->tid;
		task->tid_unit = waiting->task.unit;
	}
}

void jtask__end(struct group *group, struct jtask *task)
{
	struct verdict verdict = { .request = task->request, .by = PARENT_BY_PARK };
	struct jthread *waiting = task->tid ? jthread__find(group->state, task->tid) : NULL;

	for (unsigned int i = 0; i < task->count && !task->several; i++) {
		/* what was begun before the request came is not for it */
		if (task->request && task->request->read_ns < task->calls[i]->begun_ns)
			hold__settle(group->units, task->calls[i], verdict);
		else if (waiting && waiting->task.unit == task->tid_unit)
			jtask__add(group, &waiting->task, task->calls[i]);
	}
	jtask__clear(group, task);
}

/* --- threads -------------------------------------------------------------------------------------- */

struct jthread *jthread__find(const struct java *java, uint32_t tid)
{
	struct jthread *thread = NULL;

	if (java)
		HASH_FIND(hh, java->threads, &tid, sizeof(tid), thread);
	return thread;
}

void jthread__set_result(struct group *group, struct jthread *thread, struct hold *call)
{
	struct hold *old = thread->result;

	thread->result = call && !call->settled ? hold__ref(call) : NULL;
	hold__unref(group->units, old);
}

static void jthread__free(struct group *group, struct jthread *thread)
{
	struct java *java = group->state;

	jthread__set_result(group, thread, NULL);
	jtask__clear(group, &thread->task);
	hold__unref(group->units, thread->call);
	HASH_DEL(java->threads, thread);
	DL_DELETE(java->idlest, thread);
	free(thread);
}

void jthread__drop(struct group *group, uint32_t tid)
{
	struct jthread *thread = jthread__find(group->state, tid);

	if (thread)
		jthread__free(group, thread);
}

struct jthread *jthread__get(struct group *group, uint32_t tid)
{
	struct java *java = group->state;
	struct jthread *thread = jthread__find(java, tid);

	if (thread) {
		DL_DELETE(java->idlest, thread);
		DL_APPEND(java->idlest, thread);
		return thread;
	}
	if (HASH_COUNT(java->threads) >= JTHREADS_MAX) {
		group->units->stats->lost[LOSS_UNIT_TABLE_FULL]++;
		jthread__free(group, java->idlest);
	}
	thread = calloc(1, sizeof(*thread));
	if (!thread)
		return NULL;
	thread->tid = tid;
	HASH_ADD(hh, java->threads, tid, sizeof(tid), thread);
	if (!thread->hh.tbl) {
		free(thread);
		return NULL;
	}
	DL_APPEND(java->idlest, thread);
	return thread;
}

/* --- all of them ---------------------------------------------------------------------------------- */

void java__moved(struct java *java)
{
	struct jthread *thread;

	DL_FOREACH(java->idlest, thread)
		thread->home = 0;
}

/* What was true of threads may have changed unseen; that one is a pool's worker stays true. */
void java__distrust(struct group *group)
{
	struct java *java = group->state;
	struct jthread *thread;

	if (!java)
		return;
	DL_FOREACH(java->idlest, thread) {
		jthread__set_result(group, thread, NULL);
		jtask__clear(group, &thread->task);
		thread->task.whole = false;
		thread->parked = false;
		thread->blocker = BLOCKER_OTHER;
		thread->home = 0;
	}
}

void java__release(struct group *group)
{
	struct java *java = group->state;
	struct jclass *class, *next;

	if (!java)
		return;
	while (java->idlest)
		jthread__free(group, java->idlest);
	HASH_ITER(hh, java->classes, class, next) {
		HASH_DEL(java->classes, class);
		free(class);
	}
	free(java);
	group->state = NULL;
}
