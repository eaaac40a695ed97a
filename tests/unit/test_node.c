// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Async ids of Node, as its event loop makes them: the parent is right, or there is none. */
#include "trees.h"

#include "attribute/unit.h"

#define PID    10
#define TID    10
#define WORKER 11
#define STREAM 1 /* ids of sockets and parsers begin here, made before all requests */

static struct conn in[40], out[40];
static uint64_t now, counter;
static uint32_t tid;

static void unit_event(struct trees *t, enum unit_change change, uint32_t other, uint64_t unit,
		       uint64_t other_unit, uint64_t arg)
{
	struct event_unit event = {
		.change = change, .other_tid = other, .other_unit = other_unit, .arg = arg
	};

	event.event = (struct event){
		.kind = EVENT_UNIT, .pid = PID, .tid = tid, .time_ns = now, .unit = unit
	};
	attribute__event(t->attribute, &event.event);
}

static int setup(void **state)
{
	struct trees *t = trees__new();

	for (uint64_t i = 0; i < 40; i++) {
		in[i] = make_conn(100 + i, true);
		out[i] = make_conn(200 + i, false);
		out[i].tuple.peer_port = 99; /* one peer */
	}
	now = 1000 * MS;
	counter = 1000;
	tid = TID;
	trees__process(t, PID, RUNTIME_NODE);
	unit_event(t, UNIT_MODULE, 0, 0, 0, UNITS_NODE);
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	trees__free(*state);
	return 0;
}

/* --- what the loop does: time passes with each step ------------------------------------------- */

static uint64_t make(void) /* an async id */
{
	return ++counter;
}

static void scope(struct trees *t, uint64_t id, uint64_t trigger)
{
	now += MS / 100;
	unit_event(t, UNIT_SCOPE, 0, id + 1, trigger, counter);
}

static void timers(struct trees *t) /* or immediates */
{
	scope(t, 0, 0);
}

static void at(struct trees *t, uint64_t execution, uint64_t trigger, bool reads)
{
	now += MS / 100;
	unit_event(t, UNIT_AT, reads, execution + 1, trigger, counter);
}

/* Sockets' callbacks have one id for good. */
static uint64_t stream_of(const struct conn *conn)
{
	return STREAM + conn->id;
}

static uint64_t request(struct trees *t, int conn)
{
	uint64_t ns;

	at(t, 0, 0, true);
	ns = now;
	request_at(t, &in[conn], ns, ns, PID, tid);
	scope(t, stream_of(&in[conn]), 0);
	return ns;
}

static void answer(struct trees *t, int conn, uint64_t execution)
{
	at(t, execution, 0, false);
	response_at(t, &in[conn], now, PID, tid);
}

static uint64_t call(struct trees *t, int conn, uint64_t execution, uint64_t trigger)
{
	uint64_t ns;

	at(t, execution, trigger, false);
	ns = now;
	request_at(t, &out[conn], ns, ns, PID, tid);
	return ns;
}

static void result(struct trees *t, int conn)
{
	at(t, 0, 0, true);
	response_at(t, &out[conn], now, PID, tid);
	scope(t, stream_of(&out[conn]), 0);
}

static void dial(struct trees *t, int conn, uint64_t execution, uint64_t trigger)
{
	at(t, execution, trigger, false);
	connect_at(t, &out[conn], now, PID, tid);
}

static void finish(struct trees *t)
{
	for (int i = 0; i < 40; i++)
		gone_at(t, &out[i], now, 0);
	for (int i = 0; i < 40; i++)
		gone_at(t, &in[i], now, 0);
	now += 210 * MS;
	counter += 10000;
	timers(t);
	attribute__flush(t->attribute);
	join__flush(t->join, now);
}

static void assert_parent(struct trees *t, int conn, uint64_t ns, int parent, uint64_t parent_ns)
{
	struct out *child = find_out(t, &out[conn], ns);
	struct out *mother = find_out(t, &in[parent], parent_ns);

	assert_non_null(child);
	assert_non_null(mother);
	assert_ptr_equal(child->context->parent, mother->context);
	assert_int_equal(child->context->by, PARENT_BY_NODE_ASYNC);
}

static void assert_root(struct trees *t, int conn, uint64_t ns, enum root_why why)
{
	struct out *child = find_out(t, &out[conn], ns);

	assert_non_null(child);
	assert_null(child->context->parent);
	assert_int_equal(child->context->why, why);
}

/* Sockets that were used before the first request: their callbacks are known as such. */
static void warm_up(struct trees *t, int conns)
{
	for (int i = 0; i < conns; i++) {
		timers(t);
		call(t, i, 0, 0);
	}
	for (int i = 0; i < conns; i++)
		result(t, i);
	timers(t);
	now += 300 * MS;
	timers(t);
}

/* --- the turn of a request -------------------------------------------------------------------- */

static void turn_of_a_request(void **state)
{
	struct trees *t = *state;
	uint64_t r, c[4];

	warm_up(t, 4);
	r = request(t, 0);
	c[0] = call(t, 0, stream_of(&in[0]), 0);      /* the handler itself */
	c[1] = call(t, 1, 0, 0);		      /* a promise, between callbacks */
	c[2] = call(t, 2, make(), stream_of(&in[0])); /* a tick */
	timers(t);
	c[3] = call(t, 3, counter, 0); /* the same id again: a timer or an immediate */
	finish(t);
	for (int i = 0; i < 4; i++)
		assert_parent(t, i, c[i], 0, r);
}

static void timers_are_nobodys(void **state)
{
	struct trees *t = *state;
	uint64_t interval = make(), tick, c[4];

	warm_up(t, 4);
	request(t, 0);
	timers(t);
	c[0] = call(t, 0, interval, 1); /* made at the start of the program */
	tick = make();
	c[1] = call(t, 1, tick, interval);
	c[2] = call(t, 2, 0, 0); /* a promise that a timer has fulfilled: whose timer? */
	scope(t, 77, 0);	 /* some callback */
	c[3] = call(t, 3, 77, 0);
	finish(t);
	assert_root(t, 0, c[0], ROOT_WHY_UNIT); /* older than all that is known */
	assert_root(t, 1, c[1], ROOT_WHY_UNIT); /* its maker is */
	assert_root(t, 2, c[2], ROOT_WHY_NO_REQUEST);
	assert_root(t, 3, c[3], ROOT_WHY_NO_REQUEST);
}

/* Files, names, crypto: the callback's id was made by the request. The next time it says nothing. */
static void callbacks_once(void **state)
{
	struct trees *t = *state;
	uint64_t r, file, c[3];

	warm_up(t, 3);
	r = request(t, 0);
	file = make();
	timers(t);
	scope(t, file, 0);
	c[0] = call(t, 0, file, 0);
	c[1] = call(t, 1, 0, 0);
	timers(t);
	scope(t, file, 0);
	c[2] = call(t, 2, file, 0);
	finish(t);
	assert_parent(t, 0, c[0], 0, r);
	assert_parent(t, 1, c[1], 0, r);
	assert_root(t, 2, c[2], ROOT_WHY_NO_REQUEST);
}

static void closed_requests_have_no_calls(void **state)
{
	struct trees *t = *state;
	uint64_t tick, c[2];

	warm_up(t, 2);
	request(t, 0);
	tick = make();
	answer(t, 0, 0);
	c[0] = call(t, 0, 0, 0);
	timers(t);
	c[1] = call(t, 1, tick, 0);
	finish(t);
	assert_root(t, 0, c[0], ROOT_WHY_CLOSED);
	assert_root(t, 1, c[1], ROOT_WHY_CLOSED);
}

/* The first call goes when the connection is there, in a callback of that. */
static void connections_carry_their_request(void **state)
{
	struct trees *t = *state;
	uint64_t r[2], set_up[2], c[2], own;

	warm_up(t, 1);
	for (int i = 0; i < 2; i++) {
		r[i] = request(t, i);
		set_up[i] = make();
		dial(t, 1 + i, make(), set_up[i]);
	}
	timers(t);
	dial(t, 3, 0, 0); /* the program's own */
	for (int i = 1; i >= 0; i--) {
		scope(t, set_up[i], 0);
		c[i] = call(t, 1 + i, 0, 0);
	}
	own = call(t, 3, 0, 0);
	finish(t);
	assert_parent(t, 1, c[0], 0, r[0]);
	assert_parent(t, 2, c[1], 1, r[1]);
	assert_root(t, 3, own, ROOT_WHY_NO_REQUEST);
}

/* --- behind an answer ------------------------------------------------------------------------- */

static void one_call_after_the_other(void **state)
{
	struct trees *t = *state;
	uint64_t r[2], c[2][3];

	warm_up(t, 2);
	for (int i = 0; i < 2; i++) {
		r[i] = request(t, i);
		c[i][0] = call(t, i, 0, 0);
	}
	for (int k = 1; k < 3; k++) {
		for (int i = 0; i < 2; i++) {
			result(t, i);
			c[i][k] = call(t, i, k == 1 ? 0 : make(), 0);
		}
	}
	for (int i = 1; i >= 0; i--) {
		result(t, i);
		answer(t, i, 0);
	}
	finish(t);
	for (int i = 0; i < 2; i++)
		for (int k = 0; k < 3; k++)
			assert_parent(t, i, c[i][k], i, r[i]);
}

/* A single request of a program without calls of its own: whose else could they be? */
static void nobody_else_is_there(void **state)
{
	struct trees *t = *state;
	uint64_t r, c[2];

	r = request(t, 0);
	c[0] = call(t, 0, 0, 0);
	result(t, 0);
	c[1] = call(t, 1, 0, 0);
	result(t, 1);
	timers(t);
	answer(t, 0, 0); /* it has waited for a timer: no answer tells */
	finish(t);
	assert_parent(t, 0, c[0], 0, r);
	assert_parent(t, 1, c[1], 0, r);
}

/* http.Agent: the socket's last answer makes the tick in which the next request is written, but
 * what waited (QueuedRequest) was made by whom it is for. */
static void who_waits_for_a_socket_is_the_trigger(void **state)
{
	struct trees *t = *state;
	uint64_t r[2], queued, own, c[3];

	warm_up(t, 1);
	r[0] = request(t, 0);
	c[0] = call(t, 0, 0, 0);
	r[1] = request(t, 1);
	queued = make();
	timers(t);
	own = make(); /* ... and the program's own */
	result(t, 0);
	c[1] = call(t, 0, make(), queued);
	result(t, 0);
	c[2] = call(t, 0, make(), own);
	finish(t);
	assert_parent(t, 0, c[0], 0, r[0]);
	assert_parent(t, 0, c[1], 1, r[1]);
	assert_root(t, 0, c[2], ROOT_WHY_NO_REQUEST);
}

/* A queue in JavaScript: where an answer has made room the next one's work begins. */
static void hidden_queues(void **state)
{
	struct trees *t = *state;
	uint64_t r[3], c[5];

	warm_up(t, 2);
	for (int i = 0; i < 3; i++) {
		r[i] = request(t, i);
		if (i < 2)
			c[i] = call(t, i, 0, 0);
	}
	result(t, 0);		 /* 0 goes on: it queues its second call ... */
	c[2] = call(t, 0, 0, 0); /* ... and the first one of 2 begins */
	result(t, 1);
	c[3] = call(t, 1, 0, 0); /* the second one of 0 */
	result(t, 0);
	answer(t, 2, 0); /* that was the call of 2 */
	timers(t);
	result(t, 1);
	answer(t, 0, 0);
	finish(t);
	assert_parent(t, 0, c[0], 0, r[0]);
	assert_parent(t, 1, c[1], 1, r[1]);
	assert_parent(t, 0, c[2], 2, r[2]);
	assert_parent(t, 1, c[3], 0, r[0]);
}

/* The program's own work may wait in it too: nobody can see it wait. */
static void hidden_queue_with_own_calls(void **state)
{
	struct trees *t = *state;
	uint64_t r, c[6];

	warm_up(t, 2);
	r = request(t, 0);
	c[0] = call(t, 0, 0, 0);
	timers(t);
	c[1] = call(t, 1, 0, 0); /* its own; another one waits */
	result(t, 0);		 /* the request goes on: it waits too */
	now += 60 * MS;
	c[2] = call(t, 0, 0, 0);
	result(t, 0); /* nothing follows it */
	timers(t);
	result(t, 1);
	c[3] = call(t, 1, 0, 0); /* the request's second one */
	result(t, 1);
	answer(t, 0, 0);
	finish(t);
	assert_parent(t, 0, c[0], 0, r);
	assert_root(t, 1, c[1], ROOT_WHY_NO_REQUEST);
	assert_root(t, 0, c[2], ROOT_WHY_DOUBT);
	assert_parent(t, 1, c[3], 0, r);
}

/* Several requests have waited for one call (a cache): whose it was is not known. */
static void shared_calls(void **state)
{
	struct trees *t = *state;
	uint64_t c;

	warm_up(t, 1);
	request(t, 0);
	request(t, 1);
	timers(t);
	c = call(t, 0, 0, 0);
	result(t, 0);
	answer(t, 0, 0);
	answer(t, 1, 0);
	timers(t);
	finish(t);
	assert_root(t, 0, c, ROOT_WHY_NO_REQUEST);
}

/* Nothing else happens: that is the end of the turn, too. */
static void the_last_call_of_all(void **state)
{
	struct trees *t = *state;
	uint64_t r, c;

	r = request(t, 0);
	timers(t);
	c = call(t, 0, 0, 0);
	result(t, 0);
	answer(t, 0, 0);
	trees__tick(t, now + 300 * MS);
	finish(t);
	assert_parent(t, 0, c, 0, r);
}

/* undici: what a connection does behind its answer, later, may be for whoever came between. */
static void a_connections_own_immediate(void **state)
{
	struct trees *t = *state;
	uint64_t tick, immediate, c;

	warm_up(t, 2);
	request(t, 0);
	call(t, 0, 0, 0);
	call(t, 1, 0, 0);
	result(t, 0);
	tick = make();
	immediate = make();
	request(t, 1); /* it queues its call on connection 0 */
	make();
	timers(t);
	c = call(t, 0, immediate, tick);
	finish(t);
	assert_root(t, 0, c, ROOT_WHY_DOUBT);
}

/* --- what is not known ------------------------------------------------------------------------ */

static void one_read_for_several(void **state)
{
	struct trees *t = *state;
	uint64_t c;

	warm_up(t, 1);
	at(t, 0, 0, true);
	request_at(t, &in[0], 1, now, PID, tid);
	request_at(t, &in[0], 2, now, PID, tid); /* pipelined */
	scope(t, stream_of(&in[0]), 0);
	c = call(t, 0, 0, 0);
	finish(t);
	assert_root(t, 0, c, ROOT_WHY_NO_REQUEST);
}

static void reads_that_are_not_followed(void **state)
{
	struct trees *t = *state;
	uint64_t c[2];

	warm_up(t, 2);
	request(t, 0);
	at(t, 0, 0, true); /* a socket of an unknown protocol */
	scope(t, 9, 0);
	c[0] = call(t, 0, 0, 0);
	c[1] = call(t, 1, 9, 0);
	finish(t);
	assert_root(t, 0, c[0], ROOT_WHY_NO_REQUEST);
	assert_root(t, 1, c[1], ROOT_WHY_NO_REQUEST);
}

static void calls_without_ids(void **state)
{
	struct trees *t = *state;
	uint64_t ns;

	warm_up(t, 1);
	request(t, 0);
	ns = ++now;
	request_at(t, &out[0], ns, ns, PID, tid);
	finish(t);
	assert_root(t, 0, ns, ROOT_WHY_UNIT);
}

/* A counter that goes back is that of another environment. */
static void another_environment(void **state)
{
	struct trees *t = *state;
	uint64_t c;

	warm_up(t, 2);
	request(t, 0);
	counter = 10;
	c = call(t, 0, 0, 0);
	finish(t);
	assert_root(t, 0, c, ROOT_WHY_UNIT);
}

static void worker_threads(void **state)
{
	struct trees *t = *state;
	uint64_t r[2], c[2];

	warm_up(t, 2);
	r[0] = request(t, 0);
	tid = WORKER; /* with ids of its own */
	counter = 20;
	timers(t);
	r[1] = request(t, 1);
	counter = 30;
	c[1] = call(t, 1, 25, 0);
	tid = TID;
	counter = 1100;
	c[0] = call(t, 0, 1050, 0);
	finish(t);
	assert_parent(t, 0, c[0], 0, r[0]);
	assert_parent(t, 1, c[1], 1, r[1]);
}

static void lost_events_forget_everything(void **state)
{
	struct trees *t = *state;
	uint64_t tick, r, c[2];

	warm_up(t, 2);
	request(t, 0);
	tick = make();
	t->stats.lost[LOSS_RING_UNIT]++;
	trees__tick(t, now);
	c[0] = call(t, 0, tick, 0);
	r = request(t, 1);
	c[1] = call(t, 1, 0, 0);
	finish(t);
	assert_root(t, 0, c[0], ROOT_WHY_UNIT);
	assert_parent(t, 1, c[1], 1, r);
}

static void ends(struct trees *t)
{
	unit_event(t, UNIT_EXIT, 0, 0, 0, 0);
}

static void a_thread_that_ends(void **state)
{
	struct trees *t = *state;
	uint64_t c;

	warm_up(t, 1);
	request(t, 0);
	ends(t);
	c = call(t, 0, 0, 0);
	finish(t);
	assert_root(t, 0, c, ROOT_WHY_UNIT);
}

/* --- a loop with a random life ---------------------------------------------------------------- */

#define CLIENTS 20

struct life {
	int width;  /* connections for calls; what has none waits in a hidden queue */
	bool ticks; /* calls go in ticks */
	int queue[1000], queued;
	int busy[40];		   /* whose call: a client, -1: the program's own, -2: none */
	int left[CLIENTS];	   /* calls to make, 0: no request */
	uint64_t request[CLIENTS]; /* ns */
	int calls;
	struct {
		int conn, client;
		uint64_t ns, request;
	} all[20000];
};

static void start(struct trees *t, struct life *life, int who)
{
	int conn = 0;

	while (conn < life->width && life->busy[conn] != -2)
		conn++;
	if (conn == life->width) {
		life->queue[life->queued++] = who;
		return;
	}
	life->busy[conn] = who;
	life->all[life->calls].conn = conn;
	life->all[life->calls].client = who;
	life->all[life->calls].request = who >= 0 ? life->request[who] : 0;
	life->all[life->calls++].ns = call(t, conn, life->ticks ? make() : 0, 0);
}

static void arrives(struct trees *t, struct life *life, int client)
{
	life->request[client] = request(t, client);
	life->left[client] = 1 + rand() % 4;
	start(t, life, client);
}

static void comes_back(struct trees *t, struct life *life, int conn)
{
	int who = life->busy[conn];

	result(t, conn);
	life->busy[conn] = -2;
	if (who >= 0 && --life->left[who])
		life->queue[life->queued++] = who; /* whoever has waited longest is next */
	else if (who >= 0)
		answer(t, who, 0);
	if (life->queued) {
		who = life->queue[0];
		memmove(life->queue, life->queue + 1, sizeof(int) * (size_t)--life->queued);
		start(t, life, who);
	}
}

/* Right, wrong and none of the requests' calls. */
static void live(struct trees *t, struct life *life, int steps, int counts[3])
{
	for (int i = 0; i < 40; i++)
		life->busy[i] = -2;
	warm_up(t, life->width);
	for (int i = 0; i < steps; i++) {
		int n = rand() % (life->width + 6);

		now += (uint64_t)(rand() % 3) * MS / 10;
		if (n < life->width) {
			if (life->busy[n] != -2)
				comes_back(t, life, n);
		} else if (n < life->width + 4) {
			n = rand() % CLIENTS;
			if (!life->left[n] && life->queued < 100)
				arrives(t, life, n);
		} else {
			timers(t);
			if (n == life->width + 5 && life->queued < 100)
				start(t, life, -1);
		}
		trees__tick(t, now);
	}
	finish(t);
	for (int i = 0; i < life->calls; i++) {
		struct out *child = find_out(t, &out[life->all[i].conn], life->all[i].ns);
		int who = life->all[i].client;
		struct out *mother = who < 0 ? NULL : find_out(t, &in[who], life->all[i].request);

		assert_non_null(child);
		if (!child->context->parent)
			counts[2] += who >= 0;
		else
			counts[mother && child->context->parent == mother->context ? 0 : 1]++;
	}
}

/* Enough connections for all: nothing waits, all parents are right. */
static void a_life_without_queues(void **state)
{
	struct life *life = calloc(1, sizeof(*life));
	int counts[3] = { 0 };

	srand(3);
	life->width = 40;
	live(*state, life, 6000, counts);
	print_message("right %d, wrong %d, none %d\n", counts[0], counts[1], counts[2]);
	assert_true(counts[0] > 500);
	assert_int_equal(counts[1], 0);
	assert_int_equal(counts[2], 0);
	free(life);
}

/* Four connections and more to do than they can: no wrong one, and the last call of each is right. */
static void a_life_with_a_queue(void **state)
{
	struct life *life = calloc(1, sizeof(*life));
	int counts[3] = { 0 };

	srand(4);
	life->width = 4;
	live(*state, life, 3000, counts);
	print_message("right %d, wrong %d, none %d\n", counts[0], counts[1], counts[2]);
	assert_true(counts[0] > 200);
	assert_int_equal(counts[1], 0);
	free(life);
}

/* Whatever comes, in whatever order: nothing breaks, and memory stays bounded. */
static void anything(void **state)
{
	struct trees *t = *state;

	srand(5);
	for (int i = 0; i < 60000; i++) {
		int c = rand() % 40;
		uint64_t id = rand() % 2 ? 0 : counter - (uint64_t)(rand() % 300);

		tid = TID + (uint32_t)(rand() % 100 ? rand() % 3 : rand() % 200);
		counter += (uint64_t)(rand() % 5);
		now += (uint64_t)(rand() % 1000);
		if (rand() % 500 == 0)
			now -= 5000, counter -= 40;
		switch (rand() % 10) {
		case 0:
			request(t, c);
			break;
		case 1:
			answer(t, c, id);
			break;
		case 2:
		case 3:
			call(t, c, id, rand() % 2 ? 0 : counter - (uint64_t)(rand() % 500));
			break;
		case 4:
			result(t, c);
			break;
		case 5:
			dial(t, c, id, 0);
			break;
		case 6:
			unit_event(t, rand() % UNIT_CHANGE_COUNT, (uint32_t)rand() % 3,
				   rand() % 3 ? (uint64_t)rand() : UINT64_MAX,
				   rand() % 3 ? (uint64_t)rand() : UINT64_MAX,
				   rand() % 4 ? counter : UNITS_NODE);
			unit_event(t, UNIT_MODULE, 0, 0, 0, UNITS_NODE);
			break;
		case 7:
			gone_at(t, rand() % 2 ? &out[c] : &in[c], now, 0);
			break;
		default:
			scope(t, id, 0);
		}
		if (i % 50 == 0)
			trees__tick(t, now);
		if (i % 5000 == 0)
			t->stats.lost[LOSS_RING_UNIT]++;
	}
	finish(t);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(turn_of_a_request),
		TEST(timers_are_nobodys),
		TEST(callbacks_once),
		TEST(closed_requests_have_no_calls),
		TEST(connections_carry_their_request),
		TEST(one_call_after_the_other),
		TEST(nobody_else_is_there),
		TEST(who_waits_for_a_socket_is_the_trigger),
		TEST(hidden_queues),
		TEST(hidden_queue_with_own_calls),
		TEST(shared_calls),
		TEST(the_last_call_of_all),
		TEST(a_connections_own_immediate),
		TEST(one_read_for_several),
		TEST(reads_that_are_not_followed),
		TEST(calls_without_ids),
		TEST(another_environment),
		TEST(worker_threads),
		TEST(lost_events_forget_everything),
		TEST(a_thread_that_ends),
		TEST(a_life_without_queues),
		TEST(a_life_with_a_queue),
		TEST(anything),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
