// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Node. Async ids lead from a call to the turn that it comes from (node_turns.c). When that turn read a
 * request, the call is the request's. When it read the answer to a call, then the same one goes on,
 * as a rule; but a program may keep a queue in JavaScript that takes up somebody else's work where
 * an answer has made room, and no id tells. So what follows an answer is believed
 *
 * - at once, while nobody else is there, or fewer calls are in flight than there have been: then no
 *   queue can be waiting;
 * - else when the call's own answer goes on in the same way, to the next call or to the request's
 *   answer: the call is held till then;
 * - not at all, while another request waits for nothing that is seen: it may be the queued one; nor
 *   where the request has other calls in flight, or answers that were nobody's were followed by
 *   calls.
 *
 * The answer of a request tells whose the last call was: it is written in the turn of that call's
 * answer. So calls of which nothing is known are held for that, too. It shows, besides, whether the
 * rules above were right: a doubt that turned out to be needless a few times (others wait for a
 * file, a timer) is none any more, and a single contradiction ends all belief for a while.
 */
#include <utlist.h>

#include "attribute/node_task.h"
#include "attribute/setup.h"

#define THREADS_MAX 64 /* of a process, that run JavaScript */

/* --- threads ---------------------------------------------------------------------------------- */

static struct node_thread *thread_of(struct group *group, uint32_t tid)
{
	struct node *node = group->state;
	struct node_thread *thread;

	if (!node)
		return NULL;
	DL_SEARCH_SCALAR(node->threads, thread, tid, tid);
	if (thread && thread != node->threads) { /* busy ones first */
		DL_DELETE(node->threads, thread);
		DL_PREPEND(node->threads, thread);
	}
	return thread;
}

static void thread__drop(struct node *node, struct node_thread *thread)
{
	DL_DELETE(node->threads, thread);
	node->thread_count--;
	node_thread__free(thread);
}

static struct node_thread *thread__get(struct group *group, uint32_t tid)
{
	struct node_thread *thread = thread_of(group, tid);
	struct node *node = node__get(group);

	if (thread || !node)
		return thread;
	if (node->thread_count >= THREADS_MAX) {
		group->units->stats->lost[LOSS_UNIT_TABLE_FULL]++;
		thread__drop(node, node->threads->prev);
	}
	thread = node_thread__new(group->units, tid);
	if (!thread)
		return NULL;
	DL_PREPEND(node->threads, thread);
	node->thread_count++;
	return thread;
}

/* --- calls ------------------------------------------------------------------------------------ */

static bool others_wait(const struct unit *unit, const struct request *request)
{
	return unit->idle > (request__idle(request) ? 1 : 0);
}

static struct verdict certain(struct request *request)
{
	return (struct verdict){ .request = request, .by = PARENT_BY_NODE_ASYNC };
}

static bool busy(const struct request *request)
{
	return request->calls || request->connects;
}

/* What a connection does behind an answer, later than in its turn (undici takes up the next request in
 * an immediate), is for whoever came meanwhile. */
static bool is_late(struct unit *unit, const struct node_turn *turn, const struct call_site *site,
		    enum node_how how)
{
	const struct node_thread *thread = thread_of(unit->group, unit->tid);

	return how == NODE_ASIDE && turn->conn == site->conn_id && thread->begun > turn->number + 1;
}

/* Why somebody else's work may have been taken up where this request's call was answered; 0: it cannot. */
static unsigned int doubts(struct unit *unit, const struct node_turn *turn,
			   const struct call_site *site, const struct request *request,
			   enum node_how how, bool crowded)
{
	const struct node *node = unit->group->state;

	if (how == NODE_TRIGGER)
		return 0;
	if (is_late(unit, turn, site, how))
		return NODE_TASK_WAITED;
	if (!crowded)
		return 0;
	if (others_wait(unit, request) && node->trust_waiting < NODE_TRUST)
		return NODE_TASK_WAITED;
	if (busy(request) && node->trust_beside < NODE_TRUST)
		return NODE_TASK_BESIDE;
	if (node__drains(node) && node->trust_drain < NODE_TRUST)
		return NODE_TASK_DRAIN;
	return 0;
}

/* Behind an answer to a call that was (as it seems) the request's. */
static struct verdict goes_on(struct unit *unit, const struct call_site *site,
			      const struct node_turn *turn, struct node_task *task,
			      struct request *request, enum node_how how)
{
	struct group *group = unit->group;
	struct node *node = group->state;
	bool alone = unit->open <= 1 && !node__has_own_calls(node, site->at->ns);
	bool crowded = !alone && node__crowded(node, site->tuple, turn->ns);
	bool own_conn = how == NODE_ASIDE && turn->conn == site->conn_id;
	unsigned int doubt = alone ? 0 : doubts(unit, turn, site, request, how, crowded);

	if (task && !(task->flags & NODE_TASK_LIKELY))
		return node_task__new(group, request, task->flags);
	if (doubt || (node->suspect && !alone))
		return node_task__new(group, request,
				      doubt | (unit->open > 1 ? NODE_TASK_AMONG : 0));
	if (task)
		node_task__settle(group, task, certain(request));
	if (alone || how == NODE_TRIGGER || (!crowded && !own_conn))
		return certain(request);
	return node_task__new(group, request,
			      NODE_TASK_LIKELY |
				      (!own_conn && busy(request) ? NODE_TASK_BRANCH : 0));
}

static struct verdict judge(struct unit *unit, const struct call_site *site,
			    const struct node_thread *thread, const struct node_ids *ids)
{
	struct node *node = unit->group->state;
	enum node_how how;
	struct node_turn *turn = node_thread__find(thread, ids, &how);
	struct node_task *task = turn ? node_task__of(node, turn->hold) : NULL;
	struct request *request = node_turn__request(turn, task);

	if (!request || !request->open) {
		if (turn && turn->cause == NODE_ANSWER && how != NODE_TRIGGER)
			node__odd(node, site->at->ns);
		return node_task__none(unit->group, !turn	   ? ROOT_WHY_UNIT :
						    !request	   ? ROOT_WHY_NO_REQUEST :
						    request->stale ? ROOT_WHY_DOUBT :
								     ROOT_WHY_CLOSED);
	}
	if (turn->cause == NODE_REQUEST)
		return certain(request);
	return goes_on(unit, site, turn, task, request, how);
}

/* Whoever opened the connection did so for its first call. */
static struct verdict first_use(const struct node *node, const struct setup *setup)
{
	struct node_task *task = node_task__of(node, setup->hold);
	struct verdict verdict = setup->verdict;

	if (setup->hold) {
		verdict.hold = setup->hold;
		verdict.maybe = task ? task->maybe : NULL;
		verdict.request = NULL;
	} else if (verdict.request && !verdict.request->open) {
		verdict = verdict_root(verdict.request->stale ? ROOT_WHY_DOUBT : ROOT_WHY_CLOSED);
	}
	return verdict;
}

static struct verdict node__who(struct unit *unit, const struct call_site *site)
{
	struct node *node = node__get(unit->group);
	struct node_thread *thread = thread_of(unit->group, unit->tid);
	const struct node_ids *ids = thread ? node_thread__ids(thread, site->at->ns) : NULL;
	struct verdict verdict = verdict_root(ROOT_WHY_UNIT);

	if (!node)
		return verdict;
	node_tasks__expire(unit->group, site->at->ns);
	if (site->opened)
		verdict = first_use(node, site->opened);
	else if (ids)
		verdict = judge(unit, site, thread, ids);
	if (!site->connecting)
		node_load__begin(&node->load, site->tuple, site->at->ns);
	return verdict;
}

static void node__response(struct unit *unit, struct request *owner, const struct call_site *site)
{
	struct node_thread *thread = thread_of(unit->group, unit->tid);
	struct node_task *task = node_task__of(unit->group->state, site->hold);

	if (task)
		task->answered = true;
	if (site->complete && !owner && !(task && task->maybe && task->maybe->open))
		node__unclaimed(unit->group->state, site->at->ns);
	if (thread)
		node_thread__read(thread, site->at->ns, NODE_ANSWER, owner, site->hold,
				  site->conn_id);
}

static void node__done(struct group *group, const struct call_site *site)
{
	struct node *node = group->state;

	if (!node)
		return;
	node_load__end(&node->load, site->tuple, site->at->ns);
	node_task__ended(group, node_task__of(node, site->hold), site->at->ns);
}

/* --- requests --------------------------------------------------------------------------------- */

static void node__head(struct unit *unit, struct request *request, const struct stamp *at)
{
	struct node_thread *thread = thread_of(unit->group, unit->tid);

	if (thread)
		node_thread__read(thread, at->ns, NODE_REQUEST, request, NULL, 0);
}

static void node__request(struct unit *unit, struct request *request, const struct stamp *at)
{
	if (request->whole) /* before, nobody has been told of it; at its head they are */
		node__head(unit, request, at);
}

static void node__answered(struct unit *unit, struct request *request, const struct stamp *at)
{
	struct node *node = unit->group->state;
	struct node_thread *thread = thread_of(unit->group, unit->tid);
	const struct node_ids *ids = thread ? node_thread__ids(thread, at->ns) : NULL;
	enum node_how how;
	const struct node_turn *turn = ids ? node_thread__find(thread, ids, &how) : NULL;

	if (!node)
		return;
	node_tasks__answered(unit->group, request);
	if (turn && turn->cause == NODE_ANSWER)
		node__learn(unit->group, turn, request, turn == node_thread__now(thread));
}

/* --- events ----------------------------------------------------------------------------------- */

static void node__event(struct group *group, const struct event_unit *event)
{
	struct node_thread *thread;
	bool begun = false;

	switch (event->change) {
	case UNIT_AT:
		thread = thread__get(group, event->event.tid);
		begun = thread && node_thread__at(thread, event);
		break;
	case UNIT_SCOPE:
		thread = thread__get(group, event->event.tid);
		begun = thread && node_thread__scope(thread, event);
		break;
	case UNIT_EXIT:
		thread = thread_of(group, event->event.tid);
		if (thread)
			thread__drop(group->state, thread);
		break;
	}
	if (!begun)
		return;
	node__claim(group); /* the last one is over */
	node_tasks__expire(group, event->event.time_ns);
}

static void node__release(struct group *group)
{
	struct node *node = group->state;

	if (!node)
		return;
	while (node->threads)
		thread__drop(node, node->threads);
	node__free(group);
}

const struct unit_rules node_rules = {
	.name = "node",
	.head = node__head,
	.request = node__request,
	.answered = node__answered,
	.who = node__who,
	.response = node__response,
	.done = node__done,
	.event = node__event,
	.distrust = node__release,
	.release = node__release,
};
