// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Work that threads hand to each other: claimed on evidence, or nobody's. */
#include "trees.h"

#include "attribute/unit.h"

#define PID	10
#define H	1 /* threads: serve requests ... */
#define G	2
#define W	3 /* ... and work for them */
#define V	4
#define ADDRESS 0x1000

static struct conn in[4], out[8];

static void module(struct trees *t, uint32_t flags)
{
	struct event_unit event = { .change = UNIT_MODULE, .arg = flags << 8 };

	event.event = (struct event){ .kind = EVENT_UNIT, .pid = PID, .time_ns = 1 };
	attribute__event(t->attribute, &event.event);
}

static int setup(void **state)
{
	struct trees *t = trees__new();

	for (int i = 0; i < 4; i++)
		in[i] = make_conn(100 + i, true);
	for (int i = 0; i < 8; i++)
		out[i] = make_conn(200 + i, false);
	trees__process(t, PID, RUNTIME_NATIVE);
	module(t, RECIPE_WAKES);
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
	request_at(t, &in[conn], ns, ns, PID, tid);
}

static void answer(struct trees *t, int conn, uint64_t ns, uint32_t tid)
{
	response_at(t, &in[conn], ns, PID, tid);
}

static void call(struct trees *t, int conn, uint64_t ns, uint32_t tid)
{
	request_at(t, &out[conn], ns, ns, PID, tid);
}

static void result(struct trees *t, int conn, uint64_t ns, uint32_t tid)
{
	response_at(t, &out[conn], ns, PID, tid);
}

static void unit(struct trees *t, enum unit_change change, uint64_t ns, uint32_t tid,
		 uint32_t other, uint64_t other_unit, uint64_t arg, uint8_t flags)
{
	struct event_unit event = {
		.change = change, .other_tid = other, .other_unit = other_unit, .arg = arg
	};

	event.event = (struct event){
		.kind = EVENT_UNIT, .flags = flags, .pid = PID, .tid = tid, .time_ns = ns
	};
	attribute__event(t->attribute, &event.event);
}

/* waker wakes sleeper, which has slept since `since` */
static void wake(struct trees *t, uint64_t ns, uint32_t waker, uint32_t sleeper, uint64_t since)
{
	unit(t, UNIT_WAKE, ns, waker, sleeper, since, ADDRESS + sleeper * 64, 0);
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

static void result_wake_claims(void **state)
{
	struct trees *t = *state;

	request(t, 0, 10, H);
	request(t, 1, 11, G);
	wake(t, 12, H, W, 5); /* the task is handed over ... */
	wake(t, 13, G, V, 5);
	call(t, 0, 14, W);
	call(t, 1, 15, V);
	result(t, 0, 20, W);
	result(t, 1, 21, V);
	wake(t, 22, V, H, 14); /* ... but V did that of H */
	wake(t, 23, W, G, 14);
	answer(t, 0, 30, H);
	answer(t, 1, 31, G);
	finish(t);
	assert_parent(t, 0, 14, 1, 11, PARENT_BY_RESULT_WAKE);
	assert_parent(t, 1, 15, 0, 10, PARENT_BY_RESULT_WAKE);
}

static void sequential_tasks(void **state)
{
	struct trees *t = *state;

	request(t, 0, 10, H);
	for (uint64_t i = 0; i < 3; i++) { /* the same pooled connection and worker */
		uint64_t ns = 20 + i * 10;

		call(t, 0, ns, W);
		result(t, 0, ns + 4, W);
		wake(t, ns + 5, W, H, ns + 1);
	}
	request(t, 1, 60, G);
	call(t, 0, 61, W); /* busy workers take tasks with no wake at all */
	result(t, 0, 65, W);
	wake(t, 66, W, G, 62);
	answer(t, 0, 70, H);
	answer(t, 1, 71, G);
	finish(t);
	for (uint64_t i = 0; i < 3; i++)
		assert_parent(t, 0, 20 + i * 10, 0, 10, PARENT_BY_RESULT_WAKE);
	assert_parent(t, 0, 61, 1, 60, PARENT_BY_RESULT_WAKE);
}

static void who_slept_later_did_not_wait_for_it(void **state)
{
	struct trees *t = *state;

	request(t, 0, 10, H);
	call(t, 0, 12, W);
	result(t, 0, 20, W);
	wake(t, 22, W, H, 21); /* slept after the answer was there */
	call(t, 1, 30, V);
	result(t, 1, 34, V);
	wake(t, 35, V, H, 0); /* nobody knows since when */
	answer(t, 0, 40, H);
	finish(t);
	assert_root(t, 0, 12, ROOT_WHY_EXPIRED);
	assert_root(t, 1, 30, ROOT_WHY_EXPIRED);
}

static void wakes_before_the_answer_claim_nothing(void **state)
{
	struct trees *t = *state;

	request(t, 0, 10, H);
	call(t, 0, 12, W);
	wake(t, 13, W, H, 11);
	result(t, 0, 20, W);
	answer(t, 0, 40, H);
	finish(t);
	assert_root(t, 0, 12, ROOT_WHY_EXPIRED);
}

/* H waits for the last of three: the others are not told from other requests' calls. */
static void fan_out(void **state)
{
	struct trees *t = *state;

	request(t, 0, 10, H);
	for (int i = 0; i < 3; i++)
		call(t, i, 20 + i, W + i);
	for (int i = 0; i < 3; i++)
		result(t, i, 30 + i, W + i);
	wake(t, 34, W + 2, H, 25);
	answer(t, 0, 40, H);
	finish(t);
	assert_parent(t, 2, 22, 0, 10, PARENT_BY_RESULT_WAKE);
	assert_root(t, 0, 20, ROOT_WHY_EXPIRED);
	assert_root(t, 1, 21, ROOT_WHY_EXPIRED);
}

/* G's task is done by W before G waits for it, H's makes no call: W's wake of H looks like G's result. */
static void tasks_without_a_call_between(void **state)
{
	struct trees *t = *state;

	request(t, 0, 10, H);
	request(t, 1, 11, G);
	call(t, 0, 12, W);
	result(t, 0, 13, W);
	wake(t, 14, W, G, 12);
	wake(t, 20, W, H, 15); /* without a call */
	for (uint64_t ns = 30; ns < 60; ns += 10) {
		call(t, 0, ns, W); /* nobody waits */
		result(t, 0, ns + 1, W);
	}
	wake(t, 60, W, H, 25);
	answer(t, 0, 70, H);
	answer(t, 1, 71, G);
	finish(t);
	assert_parent(t, 0, 12, 1, 11, PARENT_BY_RESULT_WAKE);
	for (uint64_t ns = 30; ns < 60; ns += 10)
		assert_root(t, 0, ns, ROOT_WHY_EXPIRED);
}

/* Who was woken for a task may find another one first in the queue. */
static void the_task_before_was_anybodys(void **state)
{
	struct trees *t = *state;

	request(t, 0, 10, H);
	request(t, 1, 11, G);
	wake(t, 12, H, W, 5);
	call(t, 0, 13, W); /* for G, which does not wait yet */
	result(t, 0, 14, W);
	call(t, 0, 20, W);
	result(t, 0, 24, W);
	wake(t, 25, W, H, 15);
	answer(t, 0, 30, H);
	answer(t, 1, 31, G);
	finish(t);
	assert_root(t, 0, 13, ROOT_WHY_EXPIRED);
	assert_parent(t, 0, 20, 0, 10, PARENT_BY_RESULT_WAKE);
}

static void a_thread_per_call(void **state)
{
	struct trees *t = *state;

	request(t, 0, 10, H);
	request(t, 1, 11, G);
	unit(t, UNIT_CREATE, 12, H, W, 0, 0, 0);
	unit(t, UNIT_CREATE, 13, G, V, 0, 0, 0);
	connect_at(t, &out[0], 14, PID, W);
	call(t, 0, 15, W);
	call(t, 1, 16, V);
	result(t, 0, 20, W);
	unit(t, UNIT_EXIT, 21, W, 0, 0, 0, 0);
	answer(t, 1, 22, G); /* does not wait for it */
	result(t, 1, 23, V);
	unit(t, UNIT_EXIT, 24, V, 0, 0, 0, 0);
	answer(t, 0, 30, H);
	finish(t);
	assert_parent(t, 0, 15, 0, 10, PARENT_BY_CREATE);
	assert_root(t, 1, 16, ROOT_WHY_EXPIRED);
}

/* A pool makes its threads within a request; they take any task. */
static void made_by_one_worked_for_another(void **state)
{
	struct trees *t = *state;

	request(t, 0, 10, H);
	request(t, 1, 11, G);
	unit(t, UNIT_CREATE, 12, H, W, 0, 0, 0);
	call(t, 0, 14, W);
	result(t, 0, 20, W);
	wake(t, 21, W, G, 15);
	call(t, 1, 22, W);
	result(t, 1, 24, W);
	unit(t, UNIT_EXIT, 25, W, 0, 0, 0, 0);
	answer(t, 0, 30, H);
	answer(t, 1, 31, G);
	finish(t);
	assert_parent(t, 0, 14, 1, 11, PARENT_BY_RESULT_WAKE);
	assert_root(t, 1, 22, ROOT_WHY_EXPIRED);
}

/* Nobody claims the call of a thread that was made within a request and does not end: a pool's. */
static void a_pool_made_within_a_request(void **state)
{
	struct trees *t = *state;

	request(t, 0, 10, H);
	unit(t, UNIT_CREATE, 12, H, W, 0, 0, 0);
	call(t, 0, 14, W);
	result(t, 0, 20, W);
	wake(t, 21, G, W, 20); /* the next task */
	call(t, 1, 22, W);
	result(t, 1, 24, W);
	answer(t, 0, 30, H);
	finish(t);
	assert_root(t, 0, 14, ROOT_WHY_EXPIRED);
	assert_root(t, 1, 22, ROOT_WHY_EXPIRED);
}

/* Ruby keeps threads that have ended for the next ones; they wait for seconds. */
static void ruby_makes_a_thread_of_an_old_one(void **state)
{
	struct trees *t = *state;

	trees__process(t, PID, RUNTIME_RUBY);
	request(t, 0, 10, H);
	unit(t, UNIT_WAKE, 11, H, W, 5, ADDRESS, EVENT_WAIT_LONG);
	call(t, 0, 12, W);
	result(t, 0, 20, W);
	request(t, 1, 21, G);
	unit(t, UNIT_WAKE, 22, G, W, 21, ADDRESS, EVENT_WAIT_LONG);
	call(t, 0, 23, W);
	result(t, 0, 24, W);
	answer(t, 0, 30, H);
	answer(t, 1, 31, G);
	finish(t);
	assert_parent(t, 0, 12, 0, 10, PARENT_BY_CREATE);
	assert_parent(t, 0, 23, 1, 21, PARENT_BY_CREATE);
}

/* Its thread may be a pool's after all: once it has done its first task, who wakes it counts. */
static void ruby_thread_woken_by_another_request(void **state)
{
	struct trees *t = *state;

	trees__process(t, PID, RUNTIME_RUBY);
	request(t, 0, 10, H);
	request(t, 1, 11, G);
	unit(t, UNIT_CREATE, 12, H, W, 0, 0, 0);
	call(t, 0, 13, W);
	result(t, 0, 20, W);
	wake(t, 21, G, W, 20);
	call(t, 0, 22, W);
	result(t, 0, 23, W);
	answer(t, 0, 30, H);
	answer(t, 1, 31, G);
	finish(t);
	assert_parent(t, 0, 13, 0, 10, PARENT_BY_CREATE);
	assert_root(t, 0, 22, ROOT_WHY_EXPIRED);
}

/* Puma: one thread reads, another one answers; others keep theirs. */
static void ruby_reactor(void **state)
{
	struct trees *t = *state;

	trees__process(t, PID, RUNTIME_RUBY);
	request(t, 0, 10, V); /* the reactor */
	call(t, 0, 11, G);
	result(t, 0, 12, G);
	answer(t, 0, 13, G);
	request(t, 0, 20, G);
	call(t, 0, 21, G);
	result(t, 0, 22, G);
	answer(t, 0, 23, G);
	request(t, 1, 30, V);
	call(t, 1, 31, V);
	result(t, 1, 32, V);
	answer(t, 1, 33, G);
	finish(t);
	assert_root(t, 0, 11, ROOT_WHY_EXPIRED);
	assert_parent(t, 0, 21, 0, 20, PARENT_BY_THREAD);
	assert_root(t, 1, 31, ROOT_WHY_DOUBT);
}

static void short_waits_are_locks(void **state)
{
	struct trees *t = *state;

	request(t, 0, 10, H);
	call(t, 0, 12, W);
	result(t, 0, 20, W);
	unit(t, UNIT_WAKE, 21, W, H, 11, ADDRESS, EVENT_WAIT_SHORT);
	answer(t, 0, 40, H);
	finish(t);
	assert_root(t, 0, 12, ROOT_WHY_EXPIRED);
}

static void ruby_believes_long_waits_only(void **state)
{
	struct trees *t = *state;

	trees__process(t, PID, RUNTIME_RUBY);
	request(t, 0, 10, H);
	call(t, 0, 12, W);
	result(t, 0, 20, W);
	wake(t, 21, W, H, 11);
	unit(t, UNIT_WAKE, 22, W, H, 11, ADDRESS, EVENT_WAIT_SHORT | EVENT_WAIT_LONG);
	call(t, 1, 30, V);
	result(t, 1, 33, V);
	unit(t, UNIT_WAKE, 34, V, H, 31, ADDRESS, EVENT_WAIT_LONG);
	answer(t, 0, 40, H);
	finish(t);
	assert_root(t, 0, 12, ROOT_WHY_EXPIRED);
	assert_parent(t, 1, 30, 0, 10, PARENT_BY_RESULT_WAKE);
}

static void an_address_that_is_a_lock(void **state)
{
	struct trees *t = *state;

	for (uint64_t i = 0; i < 8; i++) /* hand it back and forth */
		unit(t, UNIT_WAKE, 2 + i, i % 2 ? V : W, i % 2 ? W : V, 1, ADDRESS, 0);
	request(t, 0, 20, H);
	call(t, 0, 22, W);
	result(t, 0, 30, W);
	unit(t, UNIT_WAKE, 31, W, H, 21, ADDRESS, 0);
	answer(t, 0, 40, H);
	finish(t);
	assert_root(t, 0, 22, ROOT_WHY_EXPIRED);
}

static void without_wakes_nothing_is_held(void **state)
{
	struct trees *t = *state;

	module(t, 0);
	call(t, 0, 12, W);
	result(t, 0, 20, W);
	finish(t);
	assert_root(t, 0, 12, ROOT_WHY_NO_REQUEST);
}

static void lost_events_forget_everything(void **state)
{
	struct trees *t = *state;

	request(t, 0, 10, H);
	call(t, 0, 12, W);
	result(t, 0, 20, W);
	t->stats.lost[LOSS_RING_UNIT]++;
	attribute__tick(t->attribute, 20);
	wake(t, 21, W, H, 11);
	answer(t, 0, 40, H);
	finish(t);
	assert_root(t, 0, 12, ROOT_WHY_EXPIRED);
}

static void the_hold_is_bounded(void **state)
{
	struct trees *t = *state;

	call(t, 0, 12, W);
	result(t, 0, 20, W);
	trees__tick(t, 20 + HOLD_NS - 1);
	assert_null(find_out(t, &out[0], 12));
	for (uint64_t ns = 21 + HOLD_NS; ns < 21 + HOLD_NS + 60 * MS; ns += 5 * MS)
		trees__tick(t, ns);
	assert_root(t, 0, 12, ROOT_WHY_EXPIRED);
	finish(t);
}

/* A worker that goes on for ever keeps a bounded number of calls. */
static void tasks_without_end(void **state)
{
	struct trees *t = *state;

	request(t, 0, 10, H);
	for (uint64_t i = 0; i < 200; i++) {
		call(t, 0, 20 + 2 * i, W);
		result(t, 0, 21 + 2 * i, W);
	}
	answer(t, 0, 600, H);
	finish(t);
	for (uint64_t i = 0; i < 200; i++)
		assert_root(t, 0, 20 + 2 * i, ROOT_WHY_EXPIRED);
}

/* Any order of wakes, threads and calls: no crash, no leak, no parent that is closed. */
static void any_order(void **state)
{
	struct trees *t = *state;
	uint64_t ns = 10;

	srand(7);
	for (int i = 0; i < 20000; i++) {
		uint32_t a = 1 + rand() % 8, b = 1 + rand() % 8;
		int c = rand() % 4;

		ns++;
		switch (rand() % 8) {
		case 0:
			request(t, c, ns, a);
			break;
		case 1:
			answer(t, c, ns, a);
			break;
		case 2:
			call(t, c, ns, a);
			break;
		case 3:
			result(t, c, ns, a);
			break;
		case 4:
			unit(t, UNIT_CREATE, ns, a, b, 0, 0, 0);
			break;
		case 5:
			unit(t, UNIT_EXIT, ns, a, 0, 0, 0, 0);
			break;
		default:
			unit(t, UNIT_WAKE, ns, a, b, ns - rand() % 10, ADDRESS + rand() % 8, 0);
		}
		if (i % 100 == 0)
			trees__tick(t, ns);
	}
	finish(t);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(result_wake_claims),
		TEST(sequential_tasks),
		TEST(who_slept_later_did_not_wait_for_it),
		TEST(wakes_before_the_answer_claim_nothing),
		TEST(fan_out),
		TEST(tasks_without_a_call_between),
		TEST(the_task_before_was_anybodys),
		TEST(a_thread_per_call),
		TEST(made_by_one_worked_for_another),
		TEST(a_pool_made_within_a_request),
		TEST(ruby_makes_a_thread_of_an_old_one),
		TEST(ruby_thread_woken_by_another_request),
		TEST(ruby_reactor),
		TEST(short_waits_are_locks),
		TEST(ruby_believes_long_waits_only),
		TEST(an_address_that_is_a_lock),
		TEST(without_wakes_nothing_is_held),
		TEST(lost_events_forget_everything),
		TEST(the_hold_is_bounded),
		TEST(tasks_without_end),
		TEST(any_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
