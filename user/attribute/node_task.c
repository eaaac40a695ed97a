// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#define HASH_NONFATAL_OOM 1 /* before any header takes uthash.h in */

#include "attribute/node_task.h"

#include <stdlib.h>

#include <utlist.h>

#include "base/clock.h"

#define TASKS_MAX   4096
#define PATIENCE_NS (200ull * 1000 * 1000) /* below HOLD_NS, so that the root says why it is one */
#define ODD_NS	    (100ull * 1000 * 1000)
#define OWN_NS	    (10 * NSEC_PER_SEC)
#define ODD_MIN	    2 /* one may be the beginning of anything */
#define SUSPECT_FOR 32

struct node *node__get(struct group *group)
{
	if (!group->state)
		group->state = calloc(1, sizeof(struct node));
	return group->state;
}

bool node__crowded(const struct node *node, const struct conn_tuple *to, uint64_t ns)
{
	return (node->odd_ns && ns < node->odd_ns + ODD_NS) || node_load__full(&node->load, to, ns);
}

/* Calls that begin behind an answer that was nobody's are taken from a queue; or else a program makes
 * calls of its own one after the other, and confirmed doubts will tell. */
bool node__drains(const struct node *node)
{
	return __builtin_popcountll(node->odd) >= ODD_MIN;
}

void node__odd(struct node *node, uint64_t ns)
{
	node->odd = node->odd << 1 | 1;
	node->odd_ns = ns;
}

void node__unclaimed(struct node *node, uint64_t ns)
{
	if (!node)
		return;
	node->odd <<= 1;
	node->own_ns = ns;
}

bool node__has_own_calls(const struct node *node, uint64_t ns)
{
	return node->own_ns && ns < node->own_ns + OWN_NS;
}

/* --- tasks ------------------------------------------------------------------------------------ */

struct node_task *node_task__of(const struct node *node, const struct hold *hold)
{
	struct node_task *task = NULL;

	if (node && hold)
		HASH_FIND_PTR(node->tasks, &hold, task);
	return task;
}

static void task__free(struct group *group, struct node_task *task)
{
	struct node *node = group->state;

	HASH_DEL(node->tasks, task); /* NOLINT(*NullDereference): it is in the table */
	if (task->ended_ns)
		DL_DELETE(node->ended, task);
	else
		DL_DELETE(node->running, task);
	node->branches -= task->flags & NODE_TASK_BRANCH ? 1 : 0;
	request__unref(group->units, task->maybe);
	hold__unref(group->units, task->hold);
	free(task);
}

void node_task__settle(struct group *group, struct node_task *task, struct verdict verdict)
{
	hold__settle(group->units, task->hold, verdict);
	task__free(group, task);
}

static void give_up(struct group *group, struct node_task *task)
{
	node_task__settle(group, task, verdict_root(task->why));
}

static struct verdict make(struct group *group, struct request *maybe, unsigned int flags,
			   enum root_why why)
{
	struct node *node = group->state;
	struct node_task *task;

	if (HASH_COUNT(node->tasks) >= TASKS_MAX) {
		group->units->stats->lost[LOSS_UNIT_TABLE_FULL]++;
		give_up(group, node->ended ? node->ended : node->running);
	}
	task = calloc(1, sizeof(*task));
	if (task)
		task->hold = hold__new();
	if (!task || !task->hold) {
		free(task);
		return verdict_root(why);
	}
	task->why = why;
	task->flags = flags;
	HASH_ADD_PTR(node->tasks, hold, task);
	if (!task->hh.tbl) {
		hold__unref(group->units, task->hold);
		free(task);
		return verdict_root(why);
	}
	task->maybe = request__ref(maybe);
	DL_APPEND(node->running, task);
	node->branches += flags & NODE_TASK_BRANCH ? 1 : 0;
	return (struct verdict){ .why = why, .hold = task->hold, .maybe = maybe };
}

struct verdict node_task__new(struct group *group, struct request *maybe, unsigned int flags)
{
	return make(group, maybe, flags, ROOT_WHY_DOUBT);
}

struct verdict node_task__none(struct group *group, enum root_why why)
{
	return make(group, NULL, 0, why);
}

void node_task__ended(struct group *group, struct node_task *task, uint64_t ns)
{
	struct node *node = group->state;

	if (!task || task->ended_ns)
		return;
	DL_DELETE(node->running, task);
	task->ended_ns = ns ? ns : 1;
	DL_APPEND(node->ended, task);
}

/* Those that ended a while ago, and connects that no call came of. */
void node_tasks__expire(struct group *group, uint64_t now_ns)
{
	struct node *node = group->state;

	while (node->ended && now_ns > node->ended->ended_ns + PATIENCE_NS)
		give_up(group, node->ended);
	while (node->running && node->running->hold->refs == 1)
		give_up(group, node->running);
}

/* A branch of the request's work may end where others of it go on: nothing follows its last call. */
void node_tasks__answered(struct group *group, struct request *request)
{
	struct verdict verdict = { .request = request, .by = PARENT_BY_NODE_ASYNC };
	struct node *node = group->state;
	struct node_task *task, *next;

	if (node->suspect || !node->branches)
		return;
	DL_FOREACH_SAFE(node->ended, task, next)
		if (task->flags & NODE_TASK_BRANCH && task->answered && task->maybe == request)
			node_task__settle(group, task, verdict);
}

/* --- what the answers of requests tell -------------------------------------------------------- */

struct request *node_turn__request(const struct node_turn *turn, const struct node_task *task)
{
	if (!turn)
		return NULL;
	if (task)
		return task->maybe;
	if (turn->hold)
		return turn->hold->settled ? turn->hold->verdict.request : NULL;
	return turn->request;
}

static void contradicted(struct node *node)
{
	node->suspect = SUSPECT_FOR;
	node->trust_waiting = node->trust_drain = node->trust_beside = 0;
}

void node__claim(struct group *group)
{
	struct node *node = group->state;
	struct verdict verdict = { .request = node->claimer, .by = PARENT_BY_NODE_ASYNC };
	struct node_task *task = node_task__of(node, node->claimed);

	if (task)
		node_task__settle(group, task, verdict);
	hold__unref(group->units, node->claimed);
	request__unref(group->units, node->claimer);
	node->claimed = NULL;
	node->claimer = NULL;
}

static void claim(struct group *group, struct node_task *task, struct request *request,
		  bool going_on)
{
	struct node *node = group->state;

	if (node->claimed == task->hold) {
		if (node->claimer != request) /* several have waited for it */
			give_up(group, task);
		return;
	}
	node__claim(group);
	node->claimed = hold__ref(task->hold);
	node->claimer = request__ref(request);
	if (going_on) /* if nothing happens any more, that is the end of the turn */
		hold__set_fallback(group->units, task->hold, request, PARENT_BY_NODE_ASYNC);
	else
		node__claim(group);
}

void node__learn(struct group *group, const struct node_turn *turn, struct request *request,
		 bool going_on)
{
	struct node *node = group->state;
	struct node_task *task = node_task__of(node, turn->hold);
	const struct request *expected = node_turn__request(turn, task);

	if (expected && expected != request) {
		contradicted(node);
	} else if (expected) {
		node->suspect -= node->suspect > 0;
		if (task && task->flags & NODE_TASK_WAITED)
			node->trust_waiting++;
		if (task && task->flags & NODE_TASK_DRAIN && task->flags & NODE_TASK_AMONG)
			node->trust_drain++;
		if (task && task->flags & NODE_TASK_BESIDE && task->flags & NODE_TASK_AMONG)
			node->trust_beside++;
	}
	if (task)
		claim(group, task, request, going_on);
}

void node__free(struct group *group)
{
	struct node *node = group->state;

	node__claim(group);
	while (node->running)
		give_up(group, node->running);
	while (node->ended)
		give_up(group, node->ended);
	node_load__release(&node->load);
	free(node);
	group->state = NULL;
}
