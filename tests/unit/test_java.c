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

static struct conn in[4], out[8];
static uint64_t kind_of_unit = JAVA_UNIT_THREAD;

static struct stamp stamp(uint64_t ns, uint32_t tid)
{
	struct stamp at = stamp_of(ns, PID, tid);

	at.unit = kind_of_unit;
	return at;
}

static void unit(struct trees *t, enum unit_change change, uint64_t ns, uint32_t tid,
		 uint32_t other, uint64_t other_unit, uint64_t arg)
{
	struct event_unit event = {
		.change = change, .other_tid = other, .other_unit = other_unit, .arg = arg
	};

	event.event = (struct event){
		.kind = EVENT_UNIT, .pid = PID, .tid = tid, .time_ns = ns, .unit = kind_of_unit
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
					.unit = kind_of_unit };
	attribute__event(t->attribute, &connect.event);
}

static void park(struct trees *t, uint64_t ns, uint32_t tid, enum class class)
{
	unit(t, UNIT_PARK, ns, tid, SHALLOW, HOME, class);
}

static void unpark(struct trees *t, uint64_t ns, uint32_t waker, uint32_t woken)
{
	unit(t, UNIT_UNPARK, ns, waker, woken, 0, 0);
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

	park(t, 5, H, QUEUE);
	unpark(t, 7, W, 0);
	request(t, 0, 10, H);
	unpark(t, 11, H, W);
	park(t, 12, H, FUTURE);
	call(t, 0, 13, W);
	result(t, 0, 14, W);
	unpark(t, 15, W, H);
	park(t, 16, H, TASK);
	call(t, 0, 17, V);
	result(t, 0, 18, V);
	unpark(t, 19, V, H);
	finish(t);
	assert_parent(t, 0, 13, 0, 10, PARENT_BY_PARK);
	assert_parent(t, 0, 17, 0, 10, PARENT_BY_PARK);
}

static void nobody_waits(void **state)
{
	struct trees *t = *state;

	park(t, 5, W, QUEUE);
	request(t, 0, 10, H);
	call(t, 0, 11, W);
	result(t, 0, 12, W);
	park(t, 13, H, FUTURE); /* after the answer */
	unpark(t, 14, W, H);
	call(t, 1, 20, W);
	request(t, 1, 21, G); /* after the call began */
	park(t, 22, G, FUTURE);
	result(t, 1, 23, W);
	unpark(t, 24, W, G);
	call(t, 2, 30, W);
	park(t, 31, H, LOCK); /* waits for no result */
	result(t, 2, 32, W);
	unpark(t, 33, W, H);
	call(t, 3, 40, W);
	park(t, 41, V, FUTURE); /* has no request */
	result(t, 3, 42, W);
	unpark(t, 43, W, V);
	finish(t);
	for (int i = 0; i < 4; i++)
		assert_root(t, i, (uint64_t[]){ 11, 20, 30, 40 }[i], ROOT_WHY_EXPIRED);
}

static void answered_meanwhile(void **state)
{
	struct trees *t = *state;

	park(t, 5, W, QUEUE);
	request(t, 0, 10, H);
	park(t, 11, H, FUTURE);
	call(t, 0, 12, W);
	result(t, 0, 13, W);
	answer(t, 0, 14, V);
	unpark(t, 15, W, H);
	finish(t);
	assert_root(t, 0, 12, ROOT_WHY_EXPIRED);
}

/* What a thread has read is forgotten once it waits for work, calls again, or serves. */
static void old_results(void **state)
{
	struct trees *t = *state;

	park(t, 5, W, QUEUE);
	request(t, 0, 10, H);
	park(t, 11, H, FUTURE);
	call(t, 0, 12, W);
	result(t, 0, 13, W);
	park(t, 14, W, QUEUE);
	unpark(t, 15, W, H);
	park(t, 20, H, FUTURE);
	call(t, 1, 21, W);
	result(t, 1, 22, W);
	call(t, 2, 23, W);
	unpark(t, 24, W, H);
	park(t, 30, H, FUTURE);
	result(t, 2, 31, W);
	request(t, 1, 32, W);
	answer(t, 1, 33, W);
	unpark(t, 34, W, H);
	finish(t);
	assert_root(t, 0, 12, ROOT_WHY_EXPIRED);
	assert_root(t, 1, 21, ROOT_WHY_EXPIRED);
	assert_root(t, 2, 23, ROOT_WHY_EXPIRED);
}

static void late_answer(void **state)
{
	struct trees *t = *state;

	park(t, 5, W, QUEUE);
	request(t, 0, 10, H);
	park(t, 11, H, FUTURE);
	call(t, 0, 12, W);
	unpark(t, 15, W, V);
	result(t, 0, 14, W); /* was read before that unpark, and is known late */
	unpark(t, 16, W, H);
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
	park(t, 15, W, EXCHANGE);
	result(t, 0, 16, S);
	unpark(t, 17, S, W);
	unpark(t, 18, W, H);
	park(t, 20, W, EXCHANGE);
	unpark(t, 21, S, W);
	call(t, 0, 22, W);
	park(t, 23, W, EXCHANGE);
	park(t, 24, H, FUTURE);
	result(t, 0, 25, S);
	unpark(t, 26, S, W);
	unpark(t, 27, W, H);
	finish(t);
	assert_parent(t, 0, 14, 0, 10, PARENT_BY_CONNECT);
	assert_parent(t, 0, 22, 0, 10, PARENT_BY_PARK);
}

static void handed_before_the_park(void **state)
{
	struct trees *t = *state;

	park(t, 5, W, EXCHANGE);
	request(t, 0, 10, H);
	park(t, 11, H, FUTURE);
	unpark(t, 12, S, W);
	call(t, 0, 13, W);
	result(t, 0, 14, S);
	unpark(t, 15, S, W);
	park(t, 16, W, EXCHANGE); /* returns at once */
	unpark(t, 17, W, H);
	finish(t);
	assert_parent(t, 0, 13, 0, 10, PARENT_BY_PARK);
}

/* W has an answer in hand and takes another one unseen: the selector's was not handed to anybody. */
static void spinning_worker(void **state)
{
	struct trees *t = *state;

	park(t, 5, W, EXCHANGE);
	park(t, 6, V, EXCHANGE);
	request(t, 0, 10, H);
	request(t, 1, 11, G);
	call(t, 0, 12, V);
	call(t, 1, 13, V);
	park(t, 14, G, FUTURE); /* H does not wait */
	result(t, 0, 15, S);
	unpark(t, 16, S, W);
	result(t, 1, 17, S); /* goes to W, which spins */
	unpark(t, 18, W, G);
	call(t, 2, 20, V);
	park(t, 21, G, FUTURE);
	unpark(t, 22, S, W);
	result(t, 2, 23, S);
	unpark(t, 24, S, V);
	result(t, 3, 25, S); /* an answer to nothing */
	unpark(t, 26, V, G);
	finish(t);
	assert_root(t, 0, 12, ROOT_WHY_EXPIRED);
	assert_root(t, 1, 13, ROOT_WHY_EXPIRED);
	assert_parent(t, 2, 20, 1, 11, PARENT_BY_PARK);
}

static void made_for_the_result(void **state)
{
	struct trees *t = *state;

	park(t, 5, V, QUEUE);
	request(t, 0, 10, H);
	park(t, 11, H, FUTURE);
	call(t, 0, 12, V);
	result(t, 0, 13, S);
	unit(t, UNIT_CREATE, 14, S, W, 0, 0);
	unit(t, UNIT_CREATE, 15, W, 77, 0, 0);
	unpark(t, 16, 77, H);
	finish(t);
	assert_parent(t, 0, 12, 0, 10, PARENT_BY_PARK);
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

static void answered_elsewhere(void **state)
{
	struct trees *t = *state;

	request(t, 0, 10, H);
	call(t, 0, 11, H);
	answer(t, 0, 12, W);
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
		switch (dice % 11) {
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
		cmocka_unit_test_setup_teardown(answered_meanwhile, setup, teardown),
		cmocka_unit_test_setup_teardown(old_results, setup, teardown),
		cmocka_unit_test_setup_teardown(late_answer, setup, teardown),
		cmocka_unit_test_setup_teardown(selector, setup, teardown),
		cmocka_unit_test_setup_teardown(handed_before_the_park, setup, teardown),
		cmocka_unit_test_setup_teardown(spinning_worker, setup, teardown),
		cmocka_unit_test_setup_teardown(made_for_the_result, setup, teardown),
		cmocka_unit_test_setup_teardown(opener_of_a_connection, setup, teardown),
		cmocka_unit_test_setup_teardown(carrier, setup, teardown),
		cmocka_unit_test_setup_teardown(workers_and_loops, setup, teardown),
		cmocka_unit_test_setup_teardown(gone_home, setup, teardown),
		cmocka_unit_test_setup_teardown(objects_moved, setup, teardown),
		cmocka_unit_test_setup_teardown(answered_elsewhere, setup, teardown),
		cmocka_unit_test_setup_teardown(lost_events, setup, teardown),
		cmocka_unit_test_setup_teardown(anything, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
