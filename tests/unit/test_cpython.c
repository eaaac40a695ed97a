// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Whose call was it, by Python contexts, queues and threads: the right request, or none. */
#include "trees.h"

#include "attribute/unit.h"

#define PID	  10
#define ACCEPTS	  0x100 /* contexts: the loop's, which accepts */
#define OTHER	  0x110 /* ... of the program's own work */
#define READER	  0x120
#define SERVES	  0x130
#define TASK	  0x140
#define CHILD	  0x150
#define SENDS	  0x160 /* in which a loop sends what others have written */
#define BASE(tid) (0x8000ull + 16 * (tid) + CPYTHON_BASE)

static struct conn in[6], out[8];

static void unit_event(struct trees *t, enum unit_change change, uint64_t ns, uint32_t tid,
		       uint64_t unit, uint64_t other_unit, uint64_t arg)
{
	struct event_unit event = { .change = change, .other_unit = other_unit, .arg = arg };

	event.event = (struct event){
		.kind = EVENT_UNIT, .pid = PID, .tid = tid, .time_ns = ns, .unit = unit
	};
	attribute__event(t->attribute, &event.event);
}

static void module(struct trees *t, uint8_t flags)
{
	struct event_unit event = { .change = UNIT_MODULE, .arg = UNITS_CPYTHON | flags << 8 };

	event.event = (struct event){ .kind = EVENT_UNIT, .pid = PID, .time_ns = 1 };
	attribute__event(t->attribute, &event.event);
}

static int setup(void **state)
{
	struct trees *t = trees__new();

	for (int i = 0; i < 6; i++)
		in[i] = make_conn(100 + i, true);
	for (int i = 0; i < 8; i++)
		out[i] = make_conn(200 + i, false);
	trees__process(t, PID, RUNTIME_PYTHON);
	module(t, RECIPE_QUEUES);
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	trees__free(*state);
	return 0;
}

static struct stamp in_unit(uint64_t ns, uint32_t tid, uint64_t unit)
{
	struct stamp at = stamp_of(ns, PID, tid);

	at.unit = unit;
	return at;
}

static void request(struct trees *t, int conn, uint64_t ns, uint32_t tid, uint64_t unit)
{
	trees__message(t, &in[conn], MESSAGE_REQUEST, ns, in_unit(ns, tid, unit), NULL);
}

static void answer(struct trees *t, int conn, uint64_t ns, uint32_t tid, uint64_t unit)
{
	trees__message(t, &in[conn], MESSAGE_RESPONSE, 0, in_unit(ns, tid, unit), NULL);
}

static void call(struct trees *t, int conn, uint64_t ns, uint32_t tid, uint64_t unit)
{
	trees__message(t, &out[conn], MESSAGE_REQUEST, ns, in_unit(ns, tid, unit), NULL);
	trees__message(t, &out[conn], MESSAGE_RESPONSE, 0, in_unit(ns, tid, unit), NULL);
}

static void copy(struct trees *t, uint64_t ns, uint64_t from, uint64_t to)
{
	unit_event(t, UNIT_BIND, ns, 1, from, to, BIND_COPY);
}

static void copy_in_read(struct trees *t, uint64_t ns, uint64_t from, uint64_t to)
{
	unit_event(t, UNIT_BIND, ns, 1, from, to, BIND_IN_READ);
}

static void fresh(struct trees *t, uint64_t ns, uint64_t to)
{
	unit_event(t, UNIT_BIND, ns, 1, OTHER, to, BIND_FRESH);
}

static void accepts(struct trees *t, uint64_t ns, int conn, uint64_t unit)
{
	unit_event(t, UNIT_ACCEPT, ns, 1, unit, in[conn].id, 0);
}

static void writes(struct trees *t, uint64_t ns, uint64_t unit, uint64_t conn_id)
{
	unit_event(t, UNIT_WRITE, ns, 1, unit, conn_id, 0);
}

static void put(struct trees *t, uint64_t ns, uint32_t tid, uint64_t unit, uint64_t item)
{
	unit_event(t, UNIT_PUT, ns, tid, unit, 0, item);
}

static void get(struct trees *t, uint64_t ns, uint32_t tid, uint64_t unit, uint64_t item)
{
	unit_event(t, UNIT_GET, ns, tid, unit, 0, item);
}

static void creates(struct trees *t, uint64_t ns, uint32_t tid, uint64_t unit, uint32_t other)
{
	struct event_unit event = { .change = UNIT_CREATE, .other_tid = other };

	event.event = (struct event){
		.kind = EVENT_UNIT, .pid = PID, .tid = tid, .time_ns = ns, .unit = unit
	};
	attribute__event(t->attribute, &event.event);
}

static void finish(struct trees *t)
{
	attribute__flush(t->attribute);
	for (int i = 0; i < 8; i++)
		gone_at(t, &out[i], 9000, 0);
	for (int i = 0; i < 6; i++)
		gone_at(t, &in[i], 9001, 0);
	join__flush(t->join, 10000);
}

/* The call at `ns` on out[conn] has the request at `parent_ns` on in[parent] as its parent. */
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

/* --- contexts -------------------------------------------------------------------------------- */

static void task_of_a_read(void **state)
{
	struct trees *t = *state;

	request(t, 0, 10, 1, READER);
	copy(t, 11, READER, TASK);
	copy(t, 12, TASK, CHILD);
	copy(t, 13, OTHER, SERVES); /* a timer of the program's own */
	call(t, 0, 20, 1, TASK);
	call(t, 1, 21, 2, CHILD); /* in a worker thread */
	call(t, 2, 22, 1, READER);
	call(t, 3, 23, 1, SERVES);
	answer(t, 0, 30, 1, TASK);
	copy(t, 31, TASK, OTHER); /* work after the answer */
	call(t, 0, 40, 1, TASK);
	call(t, 1, 41, 1, OTHER);
	request(t, 0, 50, 1, READER); /* keep-alive */
	call(t, 0, 51, 1, CHILD);
	call(t, 1, 52, 1, OTHER);
	copy(t, 53, READER, TASK);
	call(t, 2, 54, 1, TASK);
	answer(t, 0, 60, 1, TASK);
	finish(t);
	assert_parent(t, 0, 20, 0, 10, PARENT_BY_PYTHON_CONTEXT);
	assert_parent(t, 1, 21, 0, 10, PARENT_BY_PYTHON_CONTEXT);
	assert_parent(t, 2, 22, 0, 10, PARENT_BY_PYTHON_CONTEXT);
	assert_root(t, 3, 23, ROOT_WHY_EXPIRED);
	assert_root(t, 0, 40, ROOT_WHY_CLOSED);
	assert_root(t, 1, 41, ROOT_WHY_CLOSED);
	assert_root(t, 0, 51, ROOT_WHY_CLOSED);
	assert_root(t, 1, 52, ROOT_WHY_CLOSED);
	assert_parent(t, 2, 54, 0, 50, PARENT_BY_PYTHON_CONTEXT);
}

static void addresses_are_used_again(void **state)
{
	struct trees *t = *state;

	request(t, 0, 10, 1, READER);
	copy(t, 11, READER, TASK);
	copy(t, 12, TASK, CHILD);
	call(t, 0, 13, 1, CHILD);
	copy(t, 14, OTHER, CHILD);
	call(t, 0, 15, 1, CHILD);
	copy(t, 16, TASK, CHILD);
	fresh(t, 17, CHILD);
	call(t, 0, 18, 1, CHILD);
	answer(t, 0, 20, 1, TASK);
	finish(t);
	assert_parent(t, 0, 13, 0, 10, PARENT_BY_PYTHON_CONTEXT);
	assert_root(t, 0, 15, ROOT_WHY_EXPIRED);
	assert_root(t, 0, 18, ROOT_WHY_EXPIRED);
}

/* A task per connection, made when it is accepted: reads come in a row before any task goes on. */
static void task_of_a_connection(void **state)
{
	struct trees *t = *state;

	for (uint64_t i = 0; i < 3; i++) {
		accepts(t, 10 + i, (int)i, ACCEPTS);
		copy(t, 10 + i, ACCEPTS, 0x1000 + i * 0x100);
		copy(t, 20 + i, 0x1000 + i * 0x100, 0x1010 + i * 0x100); /* reads */
		copy(t, 20 + i, 0x1000 + i * 0x100, 0x1020 + i * 0x100); /* serves */
	}
	copy(t, 25, ACCEPTS, OTHER);
	for (uint64_t round = 0; round < 2; round++) {
		for (uint64_t i = 0; i < 3; i++)
			request(t, (int)i, 30 + round * 50 + i, 1, 0x1010 + i * 0x100);
		call(t, 6, 35 + round * 50, 1, OTHER);
		for (uint64_t i = 0; i < 3; i++) {
			copy(t, 40 + round * 50 + i, 0x1020 + i * 0x100, 0x1030 + i * 0x100);
			call(t, (int)i, 45 + round * 50 + i, 1, 0x1030 + i * 0x100);
			call(t, (int)i + 3, 45 + round * 50 + i, 1, 0x1020 + i * 0x100);
		}
		for (uint64_t i = 0; i < 3; i++)
			answer(t, (int)i, 60 + round * 50 + i, 1, 0x1020 + i * 0x100);
	}
	finish(t);
	for (uint64_t round = 0; round < 2; round++) {
		for (uint64_t i = 0; i < 3; i++) {
			assert_parent(t, (int)i, 45 + round * 50 + i, (int)i, 30 + round * 50 + i,
				      PARENT_BY_PYTHON_CONTEXT);
			assert_parent(t, (int)i + 3, 45 + round * 50 + i, (int)i,
				      30 + round * 50 + i, PARENT_BY_PYTHON_CONTEXT);
		}
		assert_root(t, 6, 35 + round * 50, ROOT_WHY_EXPIRED);
	}
}

/* What a connection's task makes between two requests is of neither. */
static void made_between_requests(void **state)
{
	struct trees *t = *state;

	accepts(t, 10, 0, ACCEPTS);
	copy(t, 11, ACCEPTS, SERVES);
	copy(t, 12, SERVES, READER); /* before the first one: for all */
	request(t, 0, 20, 1, READER);
	call(t, 0, 21, 1, SERVES);
	answer(t, 0, 22, 1, SERVES);
	copy(t, 23, SERVES, TASK);
	copy(t, 24, TASK, CHILD);
	request(t, 0, 30, 1, READER);
	call(t, 0, 31, 1, TASK);
	call(t, 1, 32, 1, CHILD);
	call(t, 2, 33, 1, SERVES);
	answer(t, 0, 40, 1, SERVES);
	finish(t);
	assert_parent(t, 0, 21, 0, 20, PARENT_BY_PYTHON_CONTEXT);
	assert_root(t, 0, 31, ROOT_WHY_CLOSED);
	assert_root(t, 1, 32, ROOT_WHY_CLOSED);
	assert_parent(t, 2, 33, 0, 30, PARENT_BY_PYTHON_CONTEXT);
}

/* Only the first copy where it was accepted, and only when nothing else came between. */
static void accepted_and_something_else(void **state)
{
	struct trees *t = *state;

	accepts(t, 10, 0, ACCEPTS);
	copy(t, 11, OTHER, TASK);
	copy(t, 12, ACCEPTS, SERVES);
	copy(t, 13, ACCEPTS, CHILD);
	accepts(t, 14, 1, ACCEPTS);
	call(t, 0, 15, 1, OTHER);
	copy(t, 16, ACCEPTS, 0x900);
	request(t, 0, 20, 1, READER);
	request(t, 1, 21, 1, 0x910);
	call(t, 1, 30, 1, TASK);
	call(t, 2, 31, 1, SERVES);
	call(t, 3, 32, 1, CHILD);
	call(t, 4, 33, 1, 0x900);
	finish(t);
	assert_root(t, 1, 30, ROOT_WHY_EXPIRED);
	assert_parent(t, 2, 31, 0, 20, PARENT_BY_PYTHON_CONTEXT);
	assert_root(t, 3, 32, ROOT_WHY_EXPIRED);
	assert_root(t, 4, 33, ROOT_WHY_EXPIRED);
}

/* Two connections in one context at the same time: it says nothing of either. */
static void context_of_two_connections(void **state)
{
	struct trees *t = *state;

	request(t, 0, 10, 1, READER);
	answer(t, 0, 11, 1, READER);
	request(t, 1, 12, 1, READER); /* one after the other may be */
	call(t, 0, 13, 1, READER);
	request(t, 2, 14, 1, READER);
	call(t, 0, 15, 1, READER);
	copy(t, 16, READER, TASK);
	call(t, 1, 17, 1, TASK);
	answer(t, 2, 18, 1, READER);
	call(t, 2, 19, 1, READER);
	finish(t);
	assert_parent(t, 0, 13, 1, 12, PARENT_BY_PYTHON_CONTEXT);
	assert_root(t, 0, 15, ROOT_WHY_DOUBT);
	assert_root(t, 1, 17, ROOT_WHY_DOUBT);
	assert_root(t, 2, 19, ROOT_WHY_DOUBT);
}

static void pipelined_requests(void **state)
{
	struct trees *t = *state;

	request(t, 0, 10, 1, READER);
	copy(t, 10, READER, TASK); /* known before the second one of the same read */
	request(t, 0, 11, 1, READER);
	copy(t, 12, READER, CHILD);
	call(t, 0, 13, 1, TASK);
	call(t, 1, 14, 1, CHILD);
	call(t, 2, 15, 1, READER);
	answer(t, 0, 20, 1, TASK);
	copy(t, 21, TASK, 0x900); /* the second one is taken up now */
	call(t, 3, 22, 1, 0x900);
	answer(t, 0, 23, 1, 0x900);
	request(t, 0, 30, 1, READER);
	copy(t, 31, READER, 0x910);
	call(t, 4, 32, 1, 0x910);
	finish(t);
	assert_parent(t, 0, 13, 0, 10, PARENT_BY_PYTHON_CONTEXT);
	assert_root(t, 1, 14, ROOT_WHY_DOUBT);
	assert_root(t, 2, 15, ROOT_WHY_DOUBT);
	assert_root(t, 3, 22, ROOT_WHY_CLOSED);
	assert_parent(t, 4, 32, 0, 30, PARENT_BY_PYTHON_CONTEXT);
}

/* --- servers that are met while they run ------------------------------------------------------ */

static void answer_tells(void **state)
{
	struct trees *t = *state;

	request(t, 0, 10, 1, READER);
	request(t, 1, 11, 1, 0x900);
	copy(t, 12, SERVES, TASK);
	copy(t, 13, TASK, CHILD);
	copy(t, 13, OTHER, 0x910);
	call(t, 0, 14, 1, TASK);
	call(t, 1, 15, 1, CHILD);
	call(t, 2, 16, 1, SERVES);
	call(t, 3, 17, 1, 0x910);
	call(t, 4, 18, 1, OTHER);
	answer(t, 1, 20, 1, TASK);
	call(t, 5, 21, 1, TASK);
	answer(t, 0, 22, 1, OTHER); /* older than the request: it may have worked for anybody */
	finish(t);
	assert_parent(t, 0, 14, 1, 11, PARENT_BY_PYTHON_CONTEXT);
	assert_parent(t, 1, 15, 1, 11, PARENT_BY_PYTHON_CONTEXT);
	assert_root(t, 2, 16, ROOT_WHY_EXPIRED);
	assert_root(t, 3, 17, ROOT_WHY_EXPIRED);
	assert_root(t, 4, 18, ROOT_WHY_EXPIRED);
	assert_root(t, 5, 21, ROOT_WHY_EXPIRED);
}

/* A worker that was made for one request and answers others. */
static void worker_of_many(void **state)
{
	struct trees *t = *state;

	request(t, 0, 10, 1, READER);
	request(t, 1, 11, 1, 0x900);
	copy(t, 12, READER, TASK);
	call(t, 0, 13, 1, TASK);
	answer(t, 1, 14, 1, TASK);
	call(t, 0, 15, 1, TASK);
	answer(t, 0, 16, 1, READER);
	finish(t);
	assert_parent(t, 0, 13, 0, 10, PARENT_BY_PYTHON_CONTEXT);
	assert_root(t, 0, 15, ROOT_WHY_DOUBT);
}

/* --- loops that work outside of contexts ------------------------------------------------------ */

static void copied_in_what_follows_a_read(void **state)
{
	struct trees *t = *state;

	request(t, 0, 10, 1, BASE(1));
	copy_in_read(t, 11, SERVES, TASK);
	request(t, 1, 12, 1, BASE(1));
	copy_in_read(t, 13, SERVES, CHILD);
	copy(t, 14, SERVES, 0x900); /* when something else has run */
	call(t, 7, 15, 1, BASE(1));
	copy_in_read(t, 16, SERVES, 0x910); /* after the read of an answer */
	call(t, 0, 20, 1, TASK);
	call(t, 1, 21, 1, CHILD);
	call(t, 2, 22, 1, 0x900);
	call(t, 3, 23, 1, 0x910);
	call(t, 4, 24, 1, SERVES);
	answer(t, 0, 30, 1, SENDS);
	answer(t, 1, 31, 1, SENDS);
	finish(t);
	assert_parent(t, 0, 20, 0, 10, PARENT_BY_PYTHON_CONTEXT);
	assert_parent(t, 1, 21, 1, 12, PARENT_BY_PYTHON_CONTEXT);
	assert_root(t, 2, 22, ROOT_WHY_EXPIRED);
	assert_root(t, 3, 23, ROOT_WHY_EXPIRED);
	assert_root(t, 4, 24, ROOT_WHY_DOUBT);
	assert_null(find_out(t, &out[7], 15)->context->parent);
}

static void written_by_another_context(void **state)
{
	struct trees *t = *state;

	request(t, 0, 10, 1, READER);
	request(t, 1, 11, 1, 0x900);
	copy(t, 12, READER, TASK);
	copy(t, 13, 0x900, CHILD);
	writes(t, 14, CHILD, out[0].id);
	writes(t, 15, TASK, out[1].id);
	writes(t, 16, OTHER, out[2].id);
	copy(t, 17, TASK, SERVES);
	copy(t, 17, OTHER, CHILD); /* gone before it is sent */
	call(t, 0, 18, 1, SENDS);
	call(t, 1, 19, 1, SENDS);
	call(t, 2, 20, 1, SENDS);
	call(t, 1, 21, 1, SENDS); /* nobody has written */
	answer(t, 0, 22, 1, SENDS);
	answer(t, 1, 23, 1, SENDS);
	finish(t);
	assert_parent(t, 0, 18, 1, 11, PARENT_BY_PYTHON_CONTEXT);
	assert_parent(t, 1, 19, 0, 10, PARENT_BY_PYTHON_CONTEXT);
	assert_root(t, 2, 20, ROOT_WHY_EXPIRED);
	assert_root(t, 1, 21, ROOT_WHY_EXPIRED);
}

/* The first answer on a connection tells which task is the connection's. */
static void answer_tells_the_connection(void **state)
{
	struct trees *t = *state;

	copy(t, 9, OTHER, 0x900);
	accepts(t, 10, 0, BASE(1));
	copy(t, 11, OTHER, SERVES);
	request(t, 0, 12, 1, BASE(1));
	copy(t, 13, SERVES, TASK);
	writes(t, 14, TASK, out[0].id);
	call(t, 0, 15, 1, SENDS);
	writes(t, 16, TASK, in[0].id);
	answer(t, 0, 17, 1, SENDS);
	request(t, 0, 20, 1, BASE(1));
	copy(t, 21, SERVES, TASK);
	call(t, 0, 22, 1, TASK);
	call(t, 1, 23, 1, SERVES);
	call(t, 2, 24, 1, 0x900);
	finish(t);
	assert_parent(t, 0, 15, 0, 12, PARENT_BY_PYTHON_CONTEXT);
	assert_parent(t, 0, 22, 0, 20, PARENT_BY_PYTHON_CONTEXT);
	assert_parent(t, 1, 23, 0, 20, PARENT_BY_PYTHON_CONTEXT);
	assert_root(t, 2, 24, ROOT_WHY_EXPIRED);
}

/* What a request has made before its connection's task was known lives on, for nobody. */
static void made_before_the_connection_is_known(void **state)
{
	struct trees *t = *state;

	accepts(t, 10, 0, BASE(1));
	copy(t, 11, OTHER, SERVES);
	request(t, 0, 12, 1, BASE(1));
	copy(t, 13, SERVES, TASK);
	copy(t, 14, TASK, CHILD); /* a worker that stays */
	copy(t, 15, SERVES, 0x900);
	writes(t, 16, TASK, in[0].id);
	answer(t, 0, 17, 1, SENDS);
	request(t, 0, 20, 1, BASE(1));
	call(t, 0, 21, 1, CHILD);
	call(t, 1, 22, 1, 0x900);
	call(t, 2, 23, 1, SERVES);
	finish(t);
	assert_root(t, 0, 21, ROOT_WHY_EXPIRED);
	assert_root(t, 1, 22, ROOT_WHY_EXPIRED);
	assert_parent(t, 2, 23, 0, 20, PARENT_BY_PYTHON_CONTEXT);
}

/* The connection's task answers itself. */
static void connection_that_answers_itself(void **state)
{
	struct trees *t = *state;

	accepts(t, 10, 0, BASE(1));
	copy(t, 11, OTHER, SERVES);
	request(t, 0, 12, 1, BASE(1));
	writes(t, 13, SERVES, out[0].id);
	call(t, 0, 14, 1, SENDS);
	call(t, 1, 15, 1, OTHER);
	writes(t, 16, SERVES, in[0].id);
	answer(t, 0, 17, 1, SENDS);
	finish(t);
	assert_parent(t, 0, 14, 0, 12, PARENT_BY_PYTHON_CONTEXT);
	assert_root(t, 1, 15, ROOT_WHY_EXPIRED);
}

/* gevent: its requests are read in greenlets, calls of the thread's first one are its own. */
static void greenlets_are_no_threads(void **state)
{
	struct trees *t = *state;

	fresh(t, 9, TASK);
	request(t, 0, 10, 1, TASK);
	call(t, 0, 11, 1, TASK);
	call(t, 1, 12, 1, BASE(1));
	fresh(t, 13, CHILD);
	call(t, 2, 14, 1, CHILD);
	finish(t);
	assert_parent(t, 0, 11, 0, 10, PARENT_BY_PYTHON_CONTEXT);
	assert_null(find_out(t, &out[1], 12)->context->parent);
	assert_root(t, 2, 14, ROOT_WHY_EXPIRED);
}

/* --- threads --------------------------------------------------------------------------------- */

static void threads_serve(void **state)
{
	struct trees *t = *state;

	request(t, 0, 10, 2, BASE(2));
	request(t, 1, 11, 3, BASE(3));
	call(t, 0, 12, 2, BASE(2));
	call(t, 1, 13, 3, BASE(3));
	unit_event(t, UNIT_BIND, 14, 2, BASE(2), TASK, BIND_COPY); /* copy_context().run() */
	call(t, 2, 15, 2, TASK);
	call(t, 3, 16, 4, BASE(4));
	answer(t, 0, 20, 2, BASE(2));
	call(t, 0, 21, 2, BASE(2));
	finish(t);
	assert_parent(t, 0, 12, 0, 10, PARENT_BY_THREAD);
	assert_parent(t, 1, 13, 1, 11, PARENT_BY_THREAD);
	assert_parent(t, 2, 15, 0, 10, PARENT_BY_PYTHON_CONTEXT);
	assert_root(t, 3, 16, ROOT_WHY_NO_REQUEST);
	assert_root(t, 0, 21, ROOT_WHY_CLOSED);
}

static void work_is_queued(void **state)
{
	struct trees *t = *state;

	request(t, 0, 10, 2, BASE(2));
	request(t, 1, 11, 1, READER);
	copy(t, 12, READER, TASK);
	put(t, 13, 2, BASE(2), 0xa0);
	put(t, 14, 1, TASK, 0xb0);
	put(t, 15, 4, BASE(4), 0xc0);
	get(t, 16, 5, BASE(5), 0xb0);
	get(t, 17, 6, BASE(6), 0xa0);
	call(t, 0, 18, 5, BASE(5));
	call(t, 1, 19, 6, BASE(6));
	put(t, 20, 6, BASE(6), 0xd0); /* on and on */
	get(t, 21, 7, BASE(7), 0xd0);
	call(t, 2, 22, 7, BASE(7));
	get(t, 23, 7, BASE(7), 0xc0); /* nobody's */
	call(t, 2, 24, 7, BASE(7));
	answer(t, 0, 30, 2, BASE(2));
	call(t, 1, 31, 6, BASE(6));
	answer(t, 1, 32, 1, TASK);
	finish(t);
	assert_parent(t, 0, 18, 1, 11, PARENT_BY_QUEUE);
	assert_parent(t, 1, 19, 0, 10, PARENT_BY_QUEUE);
	assert_parent(t, 2, 22, 0, 10, PARENT_BY_QUEUE);
	assert_root(t, 2, 24, ROOT_WHY_NO_REQUEST);
	assert_root(t, 1, 31, ROOT_WHY_CLOSED);
}

/* A thread that takes work has done with what it has read before. */
static void work_is_not_what_was_read_before(void **state)
{
	struct trees *t = *state;

	request(t, 2, 8, 5, BASE(5));
	put(t, 9, 5, BASE(5), 0xa0);
	request(t, 0, 10, 2, BASE(2));
	get(t, 11, 2, BASE(2), 0xa0);
	call(t, 0, 12, 2, BASE(2));
	answer(t, 0, 13, 2, BASE(2));
	answer(t, 2, 14, 5, BASE(5));
	request(t, 3, 15, 2, BASE(2)); /* a connection that an answered one has put there */
	get(t, 16, 2, BASE(2), 0xc0);
	call(t, 1, 17, 2, BASE(2));
	answer(t, 3, 18, 2, BASE(2));
	request(t, 1, 20, 4, BASE(4)); /* a server's pool: takes the connection, then reads */
	answer(t, 1, 21, 4, BASE(4));
	get(t, 22, 4, BASE(4), 0xb0);
	finish(t);
	assert_root(t, 0, 12, ROOT_WHY_DOUBT);
	assert_parent(t, 1, 17, 3, 15, PARENT_BY_THREAD);
}

/* The same object twice in queues: whose turn it is cannot be told. */
static void item_is_queued_twice(void **state)
{
	struct trees *t = *state;

	request(t, 0, 10, 2, BASE(2));
	request(t, 1, 11, 3, BASE(3));
	put(t, 12, 2, BASE(2), 0xa0);
	put(t, 13, 2, BASE(2), 0xa0);
	put(t, 14, 2, BASE(2), 0xb0);
	put(t, 15, 3, BASE(3), 0xb0);
	get(t, 16, 5, BASE(5), 0xa0);
	call(t, 0, 17, 5, BASE(5));
	get(t, 18, 5, BASE(5), 0xb0);
	call(t, 0, 19, 5, BASE(5));
	get(t, 20, 5, BASE(5), 0xb0);
	call(t, 0, 21, 5, BASE(5));
	put(t, 22, 3, BASE(3), 0xb0);
	get(t, 23, 5, BASE(5), 0xb0);
	call(t, 0, 24, 5, BASE(5));
	finish(t);
	assert_parent(t, 0, 17, 0, 10, PARENT_BY_QUEUE);
	assert_root(t, 0, 19, ROOT_WHY_NO_REQUEST);
	assert_root(t, 0, 21, ROOT_WHY_NO_REQUEST);
	assert_parent(t, 0, 24, 1, 11, PARENT_BY_QUEUE);
}

static void threads_are_made(void **state)
{
	struct trees *t = *state;

	request(t, 0, 10, 2, BASE(2));
	creates(t, 11, 2, BASE(2), 20);
	creates(t, 12, 4, BASE(4), 21);
	call(t, 0, 13, 20, BASE(20));
	call(t, 1, 14, 21, BASE(21));
	get(t, 15, 20, BASE(20), 0xa0); /* a pool's worker after all */
	call(t, 0, 16, 20, BASE(20));
	module(t, 0); /* its queues are not seen: any of them may be a pool's */
	request(t, 1, 20, 3, BASE(3));
	creates(t, 21, 3, BASE(3), 22);
	call(t, 2, 22, 22, BASE(22));
	finish(t);
	assert_parent(t, 0, 13, 0, 10, PARENT_BY_CREATE);
	assert_root(t, 1, 14, ROOT_WHY_NO_REQUEST);
	assert_root(t, 0, 16, ROOT_WHY_NO_REQUEST);
	assert_root(t, 2, 22, ROOT_WHY_NO_REQUEST);
}

static void units_that_were_not_read(void **state)
{
	struct trees *t = *state;

	request(t, 0, 10, 2, 0);
	call(t, 0, 11, 2, 0);
	call(t, 1, 12, 3, CPYTHON_NO_STATE);
	copy(t, 13, 0, TASK);
	call(t, 2, 14, 2, TASK);
	answer(t, 0, 15, 2, 0);
	finish(t);
	assert_root(t, 0, 11, ROOT_WHY_UNIT);
	assert_root(t, 1, 12, ROOT_WHY_UNIT);
	assert_root(t, 2, 14, ROOT_WHY_EXPIRED);
}

/* --- losses and limits ----------------------------------------------------------------------- */

static void lost_events_are_the_end_of_all(void **state)
{
	struct trees *t = *state;

	accepts(t, 9, 0, ACCEPTS);
	copy(t, 9, ACCEPTS, SERVES);
	request(t, 0, 10, 1, READER);
	copy(t, 11, READER, TASK);
	put(t, 12, 1, TASK, 0xa0);
	t->stats.lost[LOSS_RING_UNIT]++;
	attribute__tick(t->attribute, 13);
	call(t, 0, 14, 1, TASK);
	get(t, 15, 5, BASE(5), 0xa0);
	call(t, 1, 16, 5, BASE(5));
	request(t, 0, 20, 1, READER); /* what was missed may be the end of the one before */
	call(t, 2, 21, 1, TASK);
	call(t, 3, 21, 1, SERVES);
	copy(t, 22, READER, TASK);
	call(t, 4, 23, 1, TASK);
	finish(t);
	for (int i = 0; i < 4; i++) {
		static const uint64_t ns[] = { 14, 16, 21, 21 };

		assert_null(find_out(t, &out[i], ns[i])->context->parent);
	}
}

static void tables_are_bounded(void **state)
{
	struct trees *t = *state;

	request(t, 0, 10, 1, READER);
	for (uint64_t i = 0; i < 70000; i++)
		copy(t, 11 + i, READER, 0x100000 + 16 * i);
	for (uint64_t i = 0; i < 20000; i++)
		put(t, 80000 + i, 1, READER, 0x100000 + 16 * i);
	for (uint64_t i = 0; i < 20000; i++)
		writes(t, 100000 + i, READER, 1000 + i);
	for (uint32_t i = 0; i < 10000; i++)
		get(t, 120000 + i, 1000 + i, BASE(1000 + i), 0x100000 + 16 * (19999 - i));
	assert_true(t->stats.lost[LOSS_UNIT_TABLE_FULL] > 9000);
	call(t, 0, 130000, 1, 0x100000 + 16 * 69999);
	call(t, 1, 130001, 1, 0x100000);    /* forgotten: none */
	for (uint64_t i = 0; i < 3000; i++) /* a chain of timers */
		copy(t, 130002 + i, 0x2000000 + 16 * (i % 40), 0x2000000 + 16 * ((i + 1) % 40));
	attribute__flush(t->attribute);
	finish(t);
	assert_parent(t, 0, 130000, 0, 10, PARENT_BY_PYTHON_CONTEXT);
	assert_root(t, 1, 130001, ROOT_WHY_EXPIRED);
}

/* --- a model --------------------------------------------------------------------------------- */

static uint64_t seed = 1;

static unsigned int dice(unsigned int n)
{
	seed = seed * 6364136223846793005ull + 1442695040888963407ull;
	return (unsigned int)(seed >> 33) % n;
}

#define MODEL_CONTEXTS 64
#define MODEL_STEPS    4000

struct model_context {
	bool used;
	int conn;	  /* of the connection's own: 0-5; -1 */
	uint64_t request; /* ns of the request that it acts for; 0: none */
};

struct model_call {
	int conn;
	uint64_t ns;
	int cause_conn;
	uint64_t cause;
};

/*
 * An event loop as it is: connections with a reader and a task each, tasks that copy their context,
 * end, and leave their address to others; background work; calls from all of these. What the rules
 * answer is the truth, or none.
 */
static void model_is_never_wrong(void **state)
{
	struct trees *t = *state;
	struct model_context contexts[MODEL_CONTEXTS] = { 0 };
	struct model_call calls[MODEL_STEPS];
	uint64_t open[6] = { 0 }, ns = 10;
	unsigned int count = 0, right = 0;

	for (int i = 0; i < 6; i++) {
		accepts(t, ns++, i, ACCEPTS);
		copy(t, ns++, ACCEPTS, 0x10000 + 0x100 * (uint64_t)i);
		copy(t, ns++, 0x10000 + 0x100 * (uint64_t)i, 0x10010 + 0x100 * (uint64_t)i);
		copy(t, ns++, 0x10000 + 0x100 * (uint64_t)i, 0x10020 + 0x100 * (uint64_t)i);
		/* what is made before a connection's first request is for all of them */
		request(t, i, ns++, 1, 0x10010 + 0x100 * (uint64_t)i);
		answer(t, i, ns++, 1, 0x10020 + 0x100 * (uint64_t)i);
	}
	for (int step = 0; step < MODEL_STEPS; step++, ns += 2) {
		int c = (int)dice(6), x = (int)dice(MODEL_CONTEXTS), y = (int)dice(MODEL_CONTEXTS);
		uint64_t reader = 0x10010 + 0x100 * (uint64_t)c;
		uint64_t task = 0x10020 + 0x100 * (uint64_t)c;
		uint64_t address = 0x20000 + 16 * (uint64_t)x;
		struct model_call *made = &calls[count];

		switch (dice(8)) {
		case 0:
			if (open[c])
				break;
			open[c] = ns;
			request(t, c, ns, 1, reader);
			break;
		case 1:
			if (!open[c])
				break;
			answer(t, c, ns, 1, task);
			for (int i = 0; i < MODEL_CONTEXTS; i++) {
				if (contexts[i].request == open[c])
					contexts[i].request = 1;
			}
			open[c] = 0;
			break;
		case 2:
			contexts[x] = (struct model_context){ true, c, open[c] ? open[c] : 1 };
			copy(t, ns, dice(2) ? reader : task, address);
			break;
		case 3:
			contexts[x] = (struct model_context){ .used = true };
			if (dice(2))
				copy(t, ns, OTHER, address);
			else
				fresh(t, ns, address);
			break;
		case 4:
			if (!contexts[y].used || x == y)
				break;
			contexts[x] = contexts[y];
			copy(t, ns, 0x20000 + 16 * (uint64_t)y, address);
			break;
		case 5:
			*made = (struct model_call){ (int)dice(8), ns, c, open[c] };
			call(t, made->conn, ns, 1, dice(2) ? reader : task);
			count++;
			break;
		default:
			if (!contexts[x].used)
				break;
			*made = (struct model_call){ (int)dice(8), ns, contexts[x].conn,
						     contexts[x].request > 1 ? contexts[x].request :
									       0 };
			call(t, made->conn, ns, 1, address);
			count++;
		}
	}
	attribute__flush(t->attribute);
	for (int i = 0; i < 8; i++)
		gone_at(t, &out[i], ns, 0);
	for (int i = 0; i < 6; i++)
		gone_at(t, &in[i], ns, 0);
	join__flush(t->join, ns + 1000 * MS);
	for (unsigned int i = 0; i < count; i++) {
		struct out *child = find_out(t, &out[calls[i].conn], calls[i].ns);

		assert_non_null(child);
		if (!calls[i].cause) {
			assert_null(child->context->parent);
			continue;
		}
		assert_ptr_equal(child->context->parent,
				 find_out(t, &in[calls[i].cause_conn], calls[i].cause)->context);
		right++;
	}
	assert_true(right > 100);
}

/* Anything, in any order: nothing but that it ends is asked for. */
static void nonsense(void **state)
{
	struct trees *t = *state;

	for (uint64_t ns = 10; ns < 30000; ns++) {
		uint64_t units[] = { 0, CPYTHON_NO_STATE, BASE(dice(4)), 0x100 + 16 * dice(20) };
		uint64_t unit = units[dice(4)];
		uint32_t tid = 1 + dice(6);
		int c = (int)dice(6);

		switch (dice(6)) {
		case 0:
			request(t, c, ns, tid, unit);
			break;
		case 1:
			answer(t, c, ns, tid, unit);
			break;
		case 2:
			call(t, c, ns, tid, unit);
			break;
		case 3:
			creates(t, ns, tid, unit, 1 + dice(6));
			break;
		default:
			unit_event(t, 1 + dice(UNIT_CHANGE_COUNT - 1), ns, tid, unit,
				   dice(2) ? in[c].id : 0x100 + 16 * dice(20), dice(5));
		}
		if (dice(500) == 0)
			module(t, (uint8_t)dice(4));
		if (dice(700) == 0)
			t->stats.lost[LOSS_RING_UNIT]++;
		if (dice(100) == 0)
			attribute__tick(t->attribute, ns);
	}
	finish(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(task_of_a_read),
		TEST(addresses_are_used_again),
		TEST(task_of_a_connection),
		TEST(made_between_requests),
		TEST(accepted_and_something_else),
		TEST(context_of_two_connections),
		TEST(pipelined_requests),
		TEST(answer_tells),
		TEST(worker_of_many),
		TEST(copied_in_what_follows_a_read),
		TEST(written_by_another_context),
		TEST(answer_tells_the_connection),
		TEST(made_before_the_connection_is_known),
		TEST(connection_that_answers_itself),
		TEST(greenlets_are_no_threads),
		TEST(threads_serve),
		TEST(work_is_queued),
		TEST(work_is_not_what_was_read_before),
		TEST(item_is_queued_twice),
		TEST(threads_are_made),
		TEST(units_that_were_not_read),
		TEST(lost_events_are_the_end_of_all),
		TEST(tables_are_bounded),
		TEST(model_is_never_wrong),
		TEST(nonsense),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
