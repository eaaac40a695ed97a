// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Java's threads, parks and unparks: every way in which they could lie gives no parent. */
#include "trees.h"

#include "attribute/unit.h"

#define PID	  10
#define H	  1 /* threads: serve requests ... */
#define G	  2
#define W	  3 /* ... work for them ... */
#define V	  4
#define S	  5 /* ... and read answers for others */
#define HOME	  0x1000
#define ELSEWHERE 0x2000
#define SHALLOW	  6000
#define DEEP	  60000

enum class { FUTURE = 0x100, TASK = 0x200, EXCHANGE = 0x300, QUEUE = 0x400, LOCK = 0x500 };

#define TIDS 128

static struct conn in[4], out[8];
static uint64_t kind_of_unit = JAVA_UNIT_THREAD;
static uint64_t tasks[TIDS]; /* 1 + the tasks that the pool's worker has ended; 0: no worker */

static uint64_t unit_of(uint32_t tid)
{
	return kind_of_unit | tasks[tid % TIDS] << JAVA_UNIT_TASK_SHIFT;
}

static struct stamp stamp(uint64_t ns, uint32_t tid)
{
	struct stamp at = stamp_of(ns, PID, tid);

	at.unit = unit_of(tid);
	return at;
}

static void unit(struct trees *t, enum unit_change change, uint64_t ns, uint32_t tid,
		 uint32_t other, uint64_t other_unit, uint64_t arg)
{
	struct event_unit event = {
		.change = change, .other_tid = other, .other_unit = other_unit, .arg = arg
	};

	event.event = (struct event){
		.kind = EVENT_UNIT, .pid = PID, .tid = tid, .time_ns = ns, .unit = unit_of(tid)
	};
	attribute__event(t->attribute, &event.event);
}

static void name(struct trees *t, uint64_t class, const char *text)
{
	struct event_name event = { .key = class };

	event.event = (struct event){ .kind = EVENT_NAME, .pid = PID, .time_ns = 2 };
	strncpy(event.text, text, sizeof(event.text) - 1);
	attribute__event(t->attribute, &event.event);
}

static void begin(struct trees *t)
{
	unit(t, UNIT_MODULE, 1, 0, 0, 0, UNITS_JAVA);
	name(t, FUTURE, "java/util/concurrent/CompletableFuture$Signaller");
	name(t, TASK, "java/util/concurrent/FutureTask");
	name(t, EXCHANGE, "java/util/concurrent/SynchronousQueue$TransferStack");
	name(t, QUEUE, "java/util/concurrent/locks/AbstractQueuedSynchronizer$ConditionObject");
	name(t, LOCK, "java/util/concurrent/locks/ReentrantLock$NonfairSync");
}

static int setup(void **state)
{
	struct trees *t = trees__new();

	kind_of_unit = JAVA_UNIT_THREAD;
	memset(tasks, 0, sizeof(tasks));
	tasks[W] = tasks[V] = 1;
	for (int i = 0; i < 4; i++)
		in[i] = make_conn(100 + i, true);
	for (int i = 0; i < 8; i++)
		out[i] = make_conn(200 + i, false);
	trees__process(t, PID, RUNTIME_JAVA);
	begin(t);
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	trees__free(*state);
	return 0;
}

static void request(struct trees *t, int conn, uint64_t ns, uint32_t tid)
{
	trees__message(t, &in[conn], MESSAGE_REQUEST, ns, stamp(ns, tid), NULL);
}

static void request_of_loop(struct trees *t, int conn, uint64_t ns, uint32_t tid)
{
	struct stamp at = stamp(ns, tid);

	at.watched = true;
	trees__message(t, &in[conn], MESSAGE_REQUEST, ns, at, NULL);
}

static void answer(struct trees *t, int conn, uint64_t ns, uint32_t tid)
{
	trees__message(t, &in[conn], MESSAGE_RESPONSE, 0, stamp(ns, tid), NULL);
}

static void call(struct trees *t, int conn, uint64_t ns, uint32_t tid)
{
	trees__message(t, &out[conn], MESSAGE_REQUEST, ns, stamp(ns, tid), NULL);
}

static void result(struct trees *t, int conn, uint64_t ns, uint32_t tid)
{
	trees__message(t, &out[conn], MESSAGE_RESPONSE, 0, stamp(ns, tid), NULL);
}

static void dial(struct trees *t, int conn, uint64_t ns, uint32_t tid)
{
	struct event_connect connect = { .conn = out[conn].id, .tuple = out[conn].tuple };

	connect.event = (struct event){ .size = sizeof(connect),
					.kind = EVENT_CONNECT,
					.time_ns = ns,
					.pid = PID,
					.tid = tid,
					.unit = unit_of(tid) };
	attribute__event(t->attribute, &connect.event);
}

static void park(struct trees *t, uint64_t ns, uint32_t tid, enum class class)
{
	unit(t, UNIT_PARK, ns, tid, SHALLOW, HOME, class);
}

static void unpark(struct trees *t, uint64_t ns, uint32_t waker, uint32_t woken)
{
	unit(t, UNIT_UNPARK, ns, waker, woken, unit_of(woken), 0);
}

/* The task is over, and the thread waits for the next one. */
static void end_task(struct trees *t, uint64_t ns, uint32_t tid, enum class class)
{
	tasks[tid]++;
	park(t, ns, tid, class);
}

static void finish(struct trees *t)
{
	for (int i = 0; i < 8; i++)
		gone_at(t, &out[i], 900, 0);
	for (int i = 0; i < 4; i++)
		gone_at(t, &in[i], 901, 0);
	attribute__flush(t->attribute);
	join__flush(t->join, 1000);
}

static void assert_parent(struct trees *t, int conn, uint64_t ns, int parent, uint64_t parent_ns,
			  enum parent_by by)
{
	struct out *child = find_out(t, &out[conn], ns);
	struct out *mother = find_out(t, &in[parent], parent_ns);

	assert_non_null(child);
	assert_non_null(mother);
	assert_ptr_equal(child->context->parent, mother->context);
	assert_int_equal(child->context->by, by);
}

static void assert_root(struct trees *t, int conn, uint64_t ns, enum root_why why)
{
	struct out *child = find_out(t, &out[conn], ns);

	assert_non_null(child);
	assert_null(child->context->parent);
	assert_int_equal(child->context->why, why);
}

/* --- results ------------------------------------------------------------------------------------- */

static void own_thread(void **state)
{
	struct trees *t = *state;

	request(t, 0, 10, H);
	request(t, 1, 11, G);
	call(t, 0, 12, H);
	call(t, 1, 13, G);
	result(t, 1, 14, G);
	result(t, 0, 15, H);
	call(t, 0, 16, H);
	finish(t);
	assert_parent(t, 0, 12, 0, 10, PARENT_BY_THREAD);
	assert_parent(t, 1, 13, 1, 11, PARENT_BY_THREAD);
	assert_parent(t, 0, 16, 0, 10, PARENT_BY_THREAD);
}

static void result_of_a_pool(void **state)
{
	struct trees *t = *state;

	park(t, 5, W, QUEUE);
	request(t, 0, 10, H);
	unpark(t, 11, H, W);
	call(t, 0, 12, W);
	result(t, 0, 13, W);
	call(t, 1, 14, W);
	result(t, 1, 15, W);
	park(t, 16, H, FUTURE);
	unpark(t, 17, W, H);
	call(t, 2, 18, W); /* of the same task, after all */
	end_task(t, 19, W, QUEUE);
	park(t, 20, H, TASK);
	call(t, 0, 21, V);
	result(t, 0, 22, V);
	unpark(t, 23, V, H);
	tasks[V]++;
	call(t, 3, 24, V); /* of the next one */
	finish(t);
	assert_parent(t, 0, 12, 0, 10, PARENT_BY_PARK);
	assert_parent(t, 1, 14, 0, 10, PARENT_BY_PARK);
	assert_parent(t, 2, 18, 0, 10, PARENT_BY_PARK);
	assert_parent(t, 0, 21, 0, 10, PARENT_BY_PARK);
	assert_root(t, 3, 24, ROOT_WHY_EXPIRED);
}

static void nobody_waits(void **state)
{
	struct trees *t = *state;

	park(t, 5, W, QUEUE);
	call(t, 0, 8, W);
	request(t, 0, 10, H); /* after the call began */
	park(t, 11, H, FUTURE);
	result(t, 0, 12, W);
	unpark(t, 13, W, H);
	end_task(t, 14, W, QUEUE);
	call(t, 1, 20, W);
	result(t, 1, 21, W);
	park(t, 22, H, LOCK); /* waits for no result */
	unpark(t, 23, W, H);
	end_task(t, 24, W, QUEUE);
	call(t, 2, 30, W);
	park(t, 31, G, FUTURE); /* has no request, and is no task */
	result(t, 2, 32, W);
	unpark(t, 33, W, G);
	end_task(t, 34, W, QUEUE);
	call(t, 3, 40, W);
	park(t, 41, H, FUTURE);
	answer(t, 0, 42, S);
	unpark(t, 43, W, H); /* answered meanwhile */
	end_task(t, 44, W, QUEUE);
	finish(t);
	for (int i = 0; i < 4; i++)
		assert_root(t, i, (uint64_t[]){ 8, 20, 30, 40 }[i], ROOT_WHY_EXPIRED);
}

/* The worker takes the next task with no sign of it, and that one completes something else. */
static void next_task(void **state)
{
	struct trees *t = *state;

	park(t, 5, W, QUEUE);
	request(t, 0, 10, H);
	request(t, 1, 11, G);
	park(t, 12, G, FUTURE);
	call(t, 0, 13, W); /* for H, who does not wait */
	result(t, 0, 14, W);
	tasks[W]++;
	unpark(t, 15, W, G);
	end_task(t, 16, W, QUEUE);
	finish(t);
	assert_root(t, 0, 13, ROOT_WHY_EXPIRED);
}

/* A task that completes futures of two requests, or never ends, has calls for anybody. */
static void tasks_for_many(void **state)
{
	struct trees *t = *state;

	park(t, 5, W, QUEUE);
	request(t, 0, 10, H);
	request(t, 1, 11, G);
	park(t, 12, H, FUTURE);
	park(t, 13, G, FUTURE);
	call(t, 0, 14, W);
	result(t, 0, 15, W);
	unpark(t, 16, W, H);
	unpark(t, 17, W, G);
	end_task(t, 18, W, QUEUE);
	call(t, 1, 20, V);
	result(t, 1, 21, V);
	park(t, 22, H, FUTURE);
	unpark(t, 23, V, H);
	call(t, 2, 24, V);
	result(t, 2, 25, V);
	park(t, 26, V, QUEUE); /* in the middle of it */
	call(t, 3, 30, S);     /* a thread whose tasks are not known */
	result(t, 3, 31, S);
	park(t, 32, H, FUTURE);
	unpark(t, 33, S, H);
	park(t, 34, S, QUEUE);
	finish(t);
	for (int i = 0; i < 4; i++)
		assert_root(t, i, (uint64_t[]){ 14, 20, 24, 30 }[i], ROOT_WHY_EXPIRED);
}

/* A task waits for another one: what that has called is its own, too. */
static void task_of_a_task(void **state)
{
	struct trees *t = *state;

	park(t, 5, W, QUEUE);
	park(t, 6, V, QUEUE);
	request(t, 0, 10, H);
	park(t, 11, H, FUTURE);
	call(t, 0, 12, W);
	park(t, 13, W, TASK);
	call(t, 1, 14, V);
	unpark(t, 15, V, W);
	end_task(t, 16, V, QUEUE);
	unpark(t, 17, W, H);
	end_task(t, 18, W, QUEUE);
	park(t, 20, H, FUTURE);
	call(t, 2, 21, W);
	park(t, 22, W, TASK);
	call(t, 3, 23, V);
	unpark(t, 24, V, W);
	unpark(t, 25, W, H);
	end_task(t, 26, W, QUEUE);
	end_task(t, 27, V, QUEUE); /* the other one has ended before */
	finish(t);
	assert_parent(t, 0, 12, 0, 10, PARENT_BY_PARK);
	assert_parent(t, 1, 14, 0, 10, PARENT_BY_PARK);
	assert_parent(t, 2, 21, 0, 10, PARENT_BY_PARK);
	assert_root(t, 3, 23, ROOT_WHY_EXPIRED);
}

static void thread_per_task(void **state)
{
	struct trees *t = *state;

	request(t, 0, 10, H);
	park(t, 11, H, FUTURE);
	unit(t, UNIT_CREATE, 12, G, 77, 0, 0);
	call(t, 0, 13, 77);
	result(t, 0, 14, 77);
	unpark(t, 15, 77, H);
	unit(t, UNIT_EXIT, 16, 77, 0, 0, 0);
	unit(t, UNIT_CREATE, 20, G, 78, 0, 0);
	park(t, 21, H, FUTURE);
	call(t, 1, 22, 78);
	park(t, 23, 78, QUEUE); /* a worker of some pool */
	call(t, 2, 24, 78);
	unpark(t, 25, 78, H);
	unit(t, UNIT_EXIT, 26, 78, 0, 0, 0);
	finish(t);
	assert_parent(t, 0, 13, 0, 10, PARENT_BY_PARK);
	assert_root(t, 1, 22, ROOT_WHY_EXPIRED);
	assert_root(t, 2, 24, ROOT_WHY_EXPIRED);
}

static void late_answer(void **state)
{
	struct trees *t = *state;

	park(t, 5, W, EXCHANGE);
	request(t, 0, 10, H);
	park(t, 11, H, FUTURE);
	call(t, 0, 12, V);
	unpark(t, 15, S, V);
	result(t, 0, 14, S); /* was read before that unpark, and is known late */
	unpark(t, 16, S, W);
	unpark(t, 17, W, H);
	end_task(t, 18, W, EXCHANGE);
	finish(t);
	assert_root(t, 0, 12, ROOT_WHY_EXPIRED);
}

/* --- a selector reads, workers complete --------------------------------------------------------- */

static void selector(void **state)
{
	struct trees *t = *state;

	park(t, 5, W, EXCHANGE);
	request(t, 0, 10, H);
	dial(t, 0, 11, H);
	park(t, 12, H, FUTURE);
	unpark(t, 13, S, W);
	call(t, 0, 14, W); /* the first one of the connection */
	end_task(t, 15, W, EXCHANGE);
	result(t, 0, 16, S);
	unpark(t, 17, S, W);
	unpark(t, 18, W, H);
	end_task(t, 20, W, EXCHANGE);
	unpark(t, 21, S, W);
	call(t, 0, 22, W);
	end_task(t, 23, W, EXCHANGE);
	park(t, 24, H, FUTURE);
	result(t, 0, 25, S);
	unpark(t, 26, S, W);
	unpark(t, 27, W, H);
	end_task(t, 28, W, EXCHANGE);
	finish(t);
	assert_parent(t, 0, 14, 0, 10, PARENT_BY_CONNECT);
	assert_parent(t, 0, 22, 0, 10, PARENT_BY_PARK);
}

/* An unpark may also give a lock back, to a thread that has not parked for it yet. */
static void unpark_before_the_park(void **state)
{
	struct trees *t = *state;

	park(t, 5, W, EXCHANGE);
	request(t, 0, 10, H);
	park(t, 11, H, FUTURE);
	unpark(t, 12, S, W);
	call(t, 0, 13, V); /* for nobody who waits */
	result(t, 0, 14, S);
	unpark(t, 15, S, W); /* a lock, in the middle of W's task */
	unpark(t, 16, W, H);
	end_task(t, 17, W, EXCHANGE);
	unpark(t, 18, S, W); /* S may have handed its answer to somebody that spins */
	park(t, 19, H, FUTURE);
	unpark(t, 20, W, H);
	end_task(t, 21, W, EXCHANGE);
	finish(t);
	assert_root(t, 0, 13, ROOT_WHY_EXPIRED);
}

/* W has an answer in hand and takes another one unseen, since it spins: that is its next task. */
static void spinning_worker(void **state)
{
	struct trees *t = *state;

	park(t, 5, W, EXCHANGE);
	park(t, 6, V, EXCHANGE);
	request(t, 0, 10, H);
	request(t, 1, 11, G);
	call(t, 0, 12, V);
	tasks[V]++;
	call(t, 1, 13, V);
	end_task(t, 14, V, EXCHANGE);
	park(t, 15, G, FUTURE); /* H does not wait */
	result(t, 0, 16, S);
	unpark(t, 17, S, W);
	result(t, 1, 18, S);
	tasks[W]++;
	unpark(t, 19, W, G);
	end_task(t, 20, W, EXCHANGE);
	finish(t);
	assert_root(t, 0, 12, ROOT_WHY_EXPIRED);
	assert_root(t, 1, 13, ROOT_WHY_EXPIRED);
}

static void made_for_the_result(void **state)
{
	struct trees *t = *state;

	park(t, 5, W, EXCHANGE);
	request(t, 0, 10, H);
	park(t, 11, H, FUTURE);
	call(t, 0, 12, V);
	result(t, 0, 13, S);
	unpark(t, 14, S, W);
	unit(t, UNIT_CREATE, 15, W, 77, 0, 0);
	end_task(t, 16, W, EXCHANGE);
	unpark(t, 17, 77, H);
	unit(t, UNIT_EXIT, 18, 77, 0, 0, 0);
	call(t, 1, 20, V);
	result(t, 1, 21, S);
	unit(t, UNIT_CREATE, 22, S, 78, 0, 0); /* a pool's new worker */
	tasks[78] = 1;
	park(t, 23, H, FUTURE);
	unpark(t, 24, 78, H);
	end_task(t, 25, 78, EXCHANGE);
	call(t, 2, 30, V);
	result(t, 2, 31, S);
	unit(t, UNIT_CREATE, 32, S, 79, 0, 0);
	tasks[79] = 2; /* its first task has passed unseen */
	park(t, 33, H, FUTURE);
	unpark(t, 34, 79, H);
	end_task(t, 35, 79, EXCHANGE);
	finish(t);
	assert_parent(t, 0, 12, 0, 10, PARENT_BY_PARK);
	assert_parent(t, 1, 20, 0, 10, PARENT_BY_PARK);
	assert_root(t, 2, 30, ROOT_WHY_EXPIRED);
}

/* --- whose thread is it ----------------------------------------------------------------------------- */

static void opener_of_a_connection(void **state)
{
	struct trees *t = *state;

	park(t, 5, W, QUEUE);
	dial(t, 1, 6, V); /* for nobody: a pool is filled */
	request(t, 0, 10, H);
	dial(t, 0, 11, H);
	call(t, 0, 12, W);
	dial(t, 2, 13, H);
	request(t, 1, 14, G);
	call(t, 2, 15, G); /* it writes for a request of its own */
	call(t, 1, 16, G);
	dial(t, 3, 17, H);
	answer(t, 0, 18, H);
	call(t, 3, 19, W);
	finish(t);
	assert_parent(t, 0, 12, 0, 10, PARENT_BY_CONNECT);
	assert_root(t, 2, 15, ROOT_WHY_DOUBT);
	assert_root(t, 1, 16, ROOT_WHY_DOUBT);
	assert_root(t, 3, 19, ROOT_WHY_CLOSED);
}

static void carrier(void **state)
{
	struct trees *t = *state;

	kind_of_unit = JAVA_UNIT_CARRIER;
	request(t, 0, 10, H);
	call(t, 0, 11, H);
	finish(t);
	assert_root(t, 0, 11, ROOT_WHY_RUNTIME);
}

static void workers_and_loops(void **state)
{
	struct trees *t = *state;

	request_of_loop(t, 0, 10, H);
	call(t, 0, 11, H);
	answer(t, 0, 12, H);
	unit(t, UNIT_PARK, 13, H, DEEP, HOME, QUEUE);
	request_of_loop(t, 0, 20, H);
	call(t, 0, 21, H);
	answer(t, 0, 22, H);
	park(t, 23, H, QUEUE);
	request_of_loop(t, 0, 30, H);
	call(t, 0, 31, H);
	finish(t);
	assert_root(t, 0, 11, ROOT_WHY_LOOP);
	assert_root(t, 0, 21, ROOT_WHY_LOOP);
	assert_parent(t, 0, 31, 0, 30, PARENT_BY_THREAD);
}

/* A worker that waits for its next task has left its request to others. */
static void gone_home(void **state)
{
	struct trees *t = *state;

	park(t, 5, H, QUEUE);
	request(t, 0, 10, H);
	unit(t, UNIT_PARK, 11, H, SHALLOW, ELSEWHERE, QUEUE); /* a pool of connections, say */
	call(t, 0, 12, H);
	park(t, 13, H, QUEUE);
	call(t, 1, 14, H);
	request(t, 1, 15, H);
	call(t, 2, 16, H);
	finish(t);
	assert_parent(t, 0, 12, 0, 10, PARENT_BY_THREAD);
	assert_root(t, 1, 14, ROOT_WHY_EXPIRED);
	assert_parent(t, 2, 16, 1, 15, PARENT_BY_THREAD);
}

static void objects_moved(void **state)
{
	struct trees *t = *state;

	park(t, 5, H, QUEUE);
	request(t, 0, 10, H);
	unit(t, UNIT_GC, 11, S, 0, 0, 0);
	unit(t, UNIT_PARK, 12, H, SHALLOW, ELSEWHERE, QUEUE); /* home, or anywhere else */
	call(t, 0, 13, H);
	answer(t, 0, 14, H);
	request(t, 0, 15, H);
	unit(t, UNIT_PARK, 16, H, DEEP, ELSEWHERE, QUEUE);
	call(t, 1, 17, H);
	finish(t);
	assert_root(t, 0, 13, ROOT_WHY_DOUBT);
	assert_parent(t, 1, 17, 0, 15, PARENT_BY_THREAD);
}

/* Another task of a pool: the request of the one before is for others to answer. */
static void task_left_open(void **state)
{
	struct trees *t = *state;

	park(t, 5, W, QUEUE);
	request(t, 0, 10, W);
	call(t, 0, 11, W);
	park(t, 12, W, QUEUE); /* in the middle of it */
	call(t, 0, 13, W);
	tasks[W]++;
	call(t, 1, 14, W);
	request(t, 1, 15, W);
	call(t, 2, 16, W);
	finish(t);
	assert_parent(t, 0, 11, 0, 10, PARENT_BY_THREAD);
	assert_parent(t, 0, 13, 0, 10, PARENT_BY_THREAD);
	assert_root(t, 1, 14, ROOT_WHY_EXPIRED);
	assert_parent(t, 2, 16, 1, 15, PARENT_BY_THREAD);
}

static void answered_elsewhere(void **state)
{
	struct trees *t = *state;

	request(t, 0, 10, H);
	call(t, 0, 11, H);
	answer(t, 0, 12, G);
	request(t, 0, 20, H);
	call(t, 1, 21, H);
	finish(t);
	assert_parent(t, 0, 11, 0, 10, PARENT_BY_THREAD);
	assert_root(t, 1, 21, ROOT_WHY_DOUBT);
}

/* --- losses, and whatever else may come ----------------------------------------------------------- */

static void lost_events(void **state)
{
	struct trees *t = *state;

	park(t, 5, W, QUEUE);
	request(t, 0, 10, H);
	park(t, 11, H, FUTURE);
	call(t, 0, 12, W);
	result(t, 0, 13, W);
	t->stats.lost[LOSS_RING_UNIT]++;
	trees__tick(t, 14);
	request(t, 1, 15, G);
	park(t, 16, G, FUTURE);
	unpark(t, 17, W, H);
	unpark(t, 18, W, G);
	end_task(t, 19, W, QUEUE);
	finish(t);
	assert_root(t, 0, 12, ROOT_WHY_EXPIRED);
}

/* Any order of any events: never a fault, never a parent that had no request open then. */
static void anything(void **state)
{
	struct trees *t = *state;
	static const enum class classes[] = { FUTURE, TASK, EXCHANGE, QUEUE, LOCK, 0x600 };
	uint64_t seed = 1, ns = 1000;

	for (int i = 0; i < 60000; i++) {
		seed = seed * 6364136223846793005ull + 1442695040888963407ull;
		uint32_t dice = seed >> 33, tid = 1 + (dice >> 8) % 7;
		int conn = (int)((dice >> 16) % 4);

		ns += 1 + dice % 3;
		switch (dice % 12) {
		case 0:
			request(t, conn, ns, tid);
			break;
		case 1:
			answer(t, conn, ns, tid);
			break;
		case 2:
			call(t, conn, ns, tid);
			break;
		case 3:
			result(t, conn, ns, tid);
			break;
		case 4:
			dial(t, conn, ns, tid);
			break;
		case 5:
		case 6:
			unit(t, UNIT_PARK, ns, tid, dice >> 12, HOME + (dice & 64),
			     classes[(dice >> 12) % 6]);
			break;
		case 7:
		case 8:
			unpark(t, ns, tid, (dice >> 12) % 8);
			break;
		case 9:
			unit(t, (dice >> 12) % UNIT_CHANGE_COUNT, ns, tid, (dice >> 12) % 9, dice,
			     UNITS_JAVA);
			break;
		case 10:
			tasks[tid] += dice >> 12 & 1;
			break;
		default:
			name(t, classes[(dice >> 12) % 6],
			     dice & 4096 ? "java/util/concurrent/FutureTask" : "x");
		}
		if (i % 1000 == 0)
			trees__tick(t, ns);
	}
	finish(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(own_thread, setup, teardown),
		cmocka_unit_test_setup_teardown(result_of_a_pool, setup, teardown),
		cmocka_unit_test_setup_teardown(nobody_waits, setup, teardown),
		cmocka_unit_test_setup_teardown(next_task, setup, teardown),
		cmocka_unit_test_setup_teardown(tasks_for_many, setup, teardown),
		cmocka_unit_test_setup_teardown(task_of_a_task, setup, teardown),
		cmocka_unit_test_setup_teardown(thread_per_task, setup, teardown),
		cmocka_unit_test_setup_teardown(late_answer, setup, teardown),
		cmocka_unit_test_setup_teardown(selector, setup, teardown),
		cmocka_unit_test_setup_teardown(unpark_before_the_park, setup, teardown),
		cmocka_unit_test_setup_teardown(spinning_worker, setup, teardown),
		cmocka_unit_test_setup_teardown(made_for_the_result, setup, teardown),
		cmocka_unit_test_setup_teardown(opener_of_a_connection, setup, teardown),
		cmocka_unit_test_setup_teardown(carrier, setup, teardown),
		cmocka_unit_test_setup_teardown(workers_and_loops, setup, teardown),
		cmocka_unit_test_setup_teardown(gone_home, setup, teardown),
		cmocka_unit_test_setup_teardown(objects_moved, setup, teardown),
		cmocka_unit_test_setup_teardown(task_left_open, setup, teardown),
		cmocka_unit_test_setup_teardown(answered_elsewhere, setup, teardown),
		cmocka_unit_test_setup_teardown(lost_events, setup, teardown),
		cmocka_unit_test_setup_teardown(anything, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
