// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Programs of four kinds are played at random, event by event, with the true parent of every call
 * written down. No parent may ever be wrong; blocking threads and loops like nginx must be right
 * in every case, and each call's far end must hang under it whatever the order of the events.
 */
#include <stdio.h>

#include "trees.h"

#include "recipe.h"

#define APP	10
#define BACKEND 99
#define CONNS	64
#define ACTORS	16

struct link { /* a connection of the application with its position, and the far end of a call's */
	struct conn near, far;
	uint64_t position;
	bool busy, late_far;
};

struct truth {
	uint64_t call, far, parent; /* exchange ids; parent 0: none */
};

struct world {
	struct trees *t;
	unsigned int seed;
	uint64_t ns;
	uint64_t next_conn;
	struct link inside[CONNS], pool[CONNS]; /* accepted, dialled */
	struct truth *truths;
	size_t count;
	int right, wrong, none, far_wrong;
};

static int dice(struct world *w, int sides)
{
	return rand_r(&w->seed) % sides;
}

static uint64_t tick(struct world *w)
{
	w->ns += 1 + dice(w, 50);
	return w->ns;
}

static void open_link(struct world *w, struct link *link, bool server)
{
	uint64_t n = w->next_conn++;

	*link = (struct link){ .near = make_conn(n, server), .far = make_conn(n, !server) };
}

static struct world *world__new(unsigned int seed, enum runtime runtime)
{
	struct world *w = calloc(1, sizeof(*w));

	w->t = trees__new();
	w->seed = seed;
	w->ns = 1000;
	w->next_conn = 1;
	trees__process(w->t, APP, runtime);
	trees__process(w->t, BACKEND, RUNTIME_NATIVE);
	for (int i = 0; i < CONNS; i++)
		open_link(w, &w->inside[i], true);
	return w;
}

/* --- what an application can do -------------------------------------------------------------- */

static struct link *read_request(struct world *w, uint32_t tid, uint64_t *ret_id)
{
	struct link *link;

	do
		link = &w->inside[dice(w, CONNS)];
	while (link->busy);
	if (dice(w, 20) == 0) { /* another client */
		gone_at(w->t, &link->near, tick(w), 0);
		open_link(w, link, true);
	}
	link->busy = true;
	link->position += 1 + dice(w, 100);
	*ret_id = exchange_id(link->near.id, link->position);
	request_at(w->t, &link->near, link->position, tick(w), APP, tid);
	return link;
}

static void write_answer(struct world *w, struct link *link, uint32_t tid)
{
	response_at(w->t, &link->near, tick(w), APP, tid);
	link->busy = false;
}

/* An idle connection of the pool, or NULL */
static struct link *pooled(struct world *w)
{
	struct link *link = &w->pool[dice(w, CONNS)];

	return link->near.id && !link->busy ? link : NULL;
}

static struct link *dial(struct world *w, uint32_t tid)
{
	struct link *link;

	do
		link = &w->pool[dice(w, CONNS)];
	while (link->busy);
	if (link->near.id) {
		gone_at(w->t, &link->near, tick(w), 0);
		gone_at(w->t, &link->far, tick(w), 0);
	}
	open_link(w, link, false);
	link->busy = true;
	connect_at(w->t, &link->near, tick(w), APP, tid);
	return link;
}

static void far_request(struct world *w, struct link *link)
{
	request_at(w->t, &link->far, link->position, tick(w), BACKEND, link->far.id);
}

static void write_call(struct world *w, struct link *link, uint32_t tid, uint64_t parent)
{
	bool far_first = dice(w, 50) == 0;

	link->busy = true;
	link->position += 1 + dice(w, 100);
	link->late_far = dice(w, 50) == 0;
	if ((w->count & (w->count - 1)) == 0)
		w->truths = realloc(w->truths, (w->count ? 2 * w->count : 1) * sizeof(*w->truths));
	w->truths[w->count++] = (struct truth){ exchange_id(link->near.id, link->position),
						exchange_id(link->far.id, link->position), parent };
	if (far_first)
		far_request(w, link);
	request_at(w->t, &link->near, link->position, tick(w), APP, tid);
	if (!far_first)
		far_request(w, link);
}

static void read_result(struct world *w, struct link *link, uint32_t tid)
{
	if (!link->late_far)
		response_at(w->t, &link->far, tick(w), BACKEND, link->far.id);
	response_at(w->t, &link->near, tick(w), APP, tid);
	if (link->late_far)
		response_at(w->t, &link->far, tick(w), BACKEND, link->far.id);
	link->busy = false;
}

/* --- the verdict ------------------------------------------------------------------------------ */

static int by_id(const void *a, const void *b)
{
	uint64_t x = ((const struct out *)a)->id, y = ((const struct out *)b)->id;

	return x < y ? -1 : x > y;
}

static struct out *lookup(struct world *w, uint64_t id)
{
	struct out key = { .id = id };

	return bsearch(&key, w->t->out, w->t->outs, sizeof(key), by_id);
}

static void check_times(const struct out *child, const struct out *parent)
{
	assert_true(child->exchange.request.first.ns >= parent->exchange.request.first.ns);
	assert_memory_equal(child->context->trace_id, parent->context->trace_id, 16);
}

static void judge(struct world *w)
{
	for (int i = 0; i < CONNS; i++) {
		gone_at(w->t, &w->inside[i].near, tick(w), 0);
		if (!w->pool[i].near.id)
			continue;
		gone_at(w->t, &w->pool[i].near, tick(w), 0);
		gone_at(w->t, &w->pool[i].far, tick(w), 0);
	}
	join__flush(w->t->join, w->ns);
	qsort(w->t->out, w->t->outs, sizeof(*w->t->out), by_id);
	for (size_t i = 1; i < w->t->outs; i++)
		assert_true(w->t->out[i].id != w->t->out[i - 1].id); /* none twice */
	for (size_t i = 0; i < w->count; i++) {
		const struct truth *truth = &w->truths[i];
		struct out *call = lookup(w, truth->call), *far = lookup(w, truth->far);
		struct out *parent = truth->parent ? lookup(w, truth->parent) : NULL;

		assert_non_null(call);
		assert_non_null(far);
		if (truth->parent)
			assert_non_null(parent);
		if (call->context->parent == (parent ? parent->context : NULL))
			w->right++;
		else if (call->context->parent)
			w->wrong++;
		else
			w->none++;
		if (far->context->parent != call->context)
			w->far_wrong++;
		else
			check_times(far, call);
		if (parent && call->context->parent == parent->context)
			check_times(call, parent);
	}
	assert_true(w->count > 1000);
	assert_int_equal(w->wrong, 0);
	assert_int_equal(w->far_wrong, 0);
}

static void world__free(struct world *w, const char *name)
{
	printf("  %s: %d right, %d wrong, %d none\n", name, w->right, w->wrong, w->none);
	free(w->truths);
	trees__free(w->t);
	free(w);
}

/* --- blocking threads -------------------------------------------------------------------------- */

struct actor {
	uint32_t tid;
	uint64_t request;
	struct link *in, *out;
	int calls;
	bool background;
};

static void thread_step(struct world *w, struct actor *a, uint32_t *tids)
{
	struct event_unit event = {
		.event = { .size = sizeof(event), .kind = EVENT_UNIT, .pid = APP, .tid = a->tid },
		.change = UNIT_EXIT
	};

	if (a->out) {
		read_result(w, a->out, a->tid);
		a->out = NULL;
	} else if (a->calls) {
		a->out = pooled(w);
		if (!a->out)
			a->out = dial(w, a->tid);
		write_call(w, a->out, a->tid, a->request);
		a->calls--;
	} else if (a->in) {
		if (dice(w, 30) == 0) { /* the client went away */
			gone_at(w->t, &a->in->near, tick(w), 104);
			open_link(w, a->in, true);
		} else {
			write_answer(w, a->in, a->tid);
		}
		a->in = NULL;
		a->request = 0;
	} else if (dice(w, 40) == 0) { /* the thread ends, its number is used again at once */
		attribute__event(w->t->attribute, &event.event);
		a->tid = dice(w, 2) ? a->tid : ++*tids;
	} else {
		a->calls = dice(w, 4);
		if (!a->background)
			a->in = read_request(w, a->tid, &a->request);
	}
}

static void blocking_threads(void **state)
{
	for (unsigned int seed = 1; seed <= 5; seed++) {
		struct world *w = world__new(seed, RUNTIME_JAVA);
		struct actor actors[ACTORS] = { 0 };
		uint32_t tids = 100;

		for (int i = 0; i < ACTORS; i++)
			actors[i] = (struct actor){ .tid = ++tids, .background = i < 2 };
		for (int i = 0; i < 8000; i++)
			thread_step(w, &actors[dice(w, ACTORS)], &tids);
		for (int i = 0; i < ACTORS; i++) {
			if (actors[i].out)
				read_result(w, actors[i].out, actors[i].tid);
		}
		judge(w);
		assert_int_equal(w->none, 0);
		world__free(w, "blocking threads");
	}
}

/* --- loops -------------------------------------------------------------------------------------- */

enum wait { WAIT_NOTHING, WAIT_TIMER, WAIT_CONNECT, WAIT_RESULT, WAIT_TURN };

struct job { /* a request in a loop */
	bool used;
	uint64_t request;
	struct link *in, *out;
	enum wait wait;
	int calls;
};

struct loop {
	uint32_t tid;
	bool timers;   /* requests may wait for what no socket shows */
	bool deferred; /* what a read asks for is done in a later turn */
	bool says;     /* it says for which client it calls, right before */
	struct job jobs[12];
};

static void say(struct world *w, const struct loop *loop, uint64_t client)
{
	struct event_unit event = { .event = { .size = sizeof(event),
					       .kind = EVENT_UNIT,
					       .time_ns = tick(w),
					       .pid = APP,
					       .tid = loop->tid },
				    .change = UNIT_CLIENT,
				    .other_unit = client };

	if (loop->says)
		attribute__event(w->t->attribute, &event.event);
}

static void job_act(struct world *w, struct loop *loop, struct job *job)
{
	if (job->calls == 0) {
		write_answer(w, job->in, loop->tid);
		*job = (struct job){ 0 };
		return;
	}
	job->calls--;
	say(w, loop, job->in->near.id);
	job->out = dice(w, 3) ? pooled(w) : NULL;
	if (job->out) {
		write_call(w, job->out, loop->tid, job->request);
		job->wait = WAIT_RESULT;
	} else {
		job->out = dial(w, loop->tid);
		job->wait = WAIT_CONNECT;
	}
}

static void loop_step(struct world *w, struct loop *loop, int load)
{
	struct job *job = &loop->jobs[dice(w, load)];

	if (!job->used) {
		*job = (struct job){ .used = true, .calls = dice(w, 3) };
		job->in = read_request(w, loop->tid, &job->request);
		if (loop->timers && dice(w, 6) == 0)
			job->wait = WAIT_TIMER;
		else if (loop->deferred)
			job->wait = WAIT_TURN;
		else
			job_act(w, loop, job);
	} else if (job->wait == WAIT_CONNECT) {
		write_call(w, job->out, loop->tid, job->request);
		job->wait = WAIT_RESULT;
	} else if (job->wait == WAIT_RESULT) {
		read_result(w, job->out, loop->tid);
		if (loop->deferred)
			job->wait = WAIT_TURN;
		else
			job_act(w, loop, job);
	} else {
		job_act(w, loop, job);
	}
}

static void play_loops(const char *name, enum runtime runtime, int loops, int load, bool timers,
		       bool deferred, bool says, bool exact)
{
	struct event_unit module = {
		.event = { .size = sizeof(module), .kind = EVENT_UNIT, .pid = APP },
		.change = UNIT_MODULE,
		.arg = UNITS_NGINX
	};

	for (unsigned int seed = 1; seed <= 5; seed++) {
		struct world *w = world__new(seed, runtime);
		struct loop loop[4] = { 0 };

		if (says)
			attribute__event(w->t->attribute, &module.event);
		for (int i = 0; i < loops; i++)
			loop[i] = (struct loop){
				.tid = 100 + i, .timers = timers, .deferred = deferred, .says = says
			};
		for (int i = 0; i < 8000; i++)
			loop_step(w, &loop[dice(w, loops)], load);
		for (int i = 0; i < loops; i++) {
			for (int j = 0; j < load; j++) {
				if (loop[i].jobs[j].wait == WAIT_RESULT)
					read_result(w, loop[i].jobs[j].out, loop[i].tid);
			}
		}
		judge(w);
		if (exact)
			assert_int_equal(w->none, 0);
		world__free(w, name);
	}
}

static void nginx_like_loops(void **state)
{
	play_loops("nginx", RUNTIME_NGINX, 1, 12, false, false, false, true);
	play_loops("nginx alone", RUNTIME_NGINX, 1, 1, false, false, false, true);
}

static void nginx_like_loops_with_timers(void **state)
{
	play_loops("nginx with timers", RUNTIME_NGINX, 1, 12, true, false, false, false);
	play_loops("nginx with timers, low load", RUNTIME_NGINX, 1, 2, true, false, false, false);
}

static void nginx_like_loops_that_say_for_whom(void **state)
{
	play_loops("nginx that says", RUNTIME_NGINX, 1, 12, true, true, true, true);
	play_loops("nginx that says, low load", RUNTIME_NGINX, 1, 2, true, true, true, true);
}

static void asynchronous_loops(void **state)
{
	play_loops("one loop", RUNTIME_NODE, 1, 12, true, true, false, false);
	play_loops("one loop, low load", RUNTIME_NODE, 1, 2, true, true, false, false);
	play_loops("one loop, one request", RUNTIME_NODE, 1, 1, true, true, false, true);
	play_loops("four loops", RUNTIME_NATIVE, 4, 3, true, true, false, false);
}

/* --- a thread that reads, and workers ----------------------------------------------------------- */

static void handed_to_workers(void **state)
{
	for (unsigned int seed = 1; seed <= 5; seed++) {
		struct world *w = world__new(seed, RUNTIME_NATIVE);
		struct actor workers[ACTORS] = { 0 };

		for (int i = 0; i < 8000; i++) {
			int n = dice(w, ACTORS);
			struct actor *a = &workers[n];
			uint32_t tid = 200 + n;

			if (a->out) {
				read_result(w, a->out, tid);
				a->out = NULL;
			} else if (a->calls) {
				a->calls--;
				a->out = pooled(w);
				if (!a->out)
					a->out = dial(w, tid);
				write_call(w, a->out, tid, a->request);
			} else if (a->in) {
				write_answer(w, a->in, tid);
				a->in = NULL;
			} else {
				a->in = read_request(w, 100, &a->request);
				a->calls = 1 + dice(w, 3);
			}
		}
		for (int n = 0; n < ACTORS; n++) {
			if (workers[n].out)
				read_result(w, workers[n].out, 200 + n);
		}
		judge(w);
		world__free(w, "handed to workers");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(blocking_threads),
		cmocka_unit_test(nginx_like_loops),
		cmocka_unit_test(nginx_like_loops_with_timers),
		cmocka_unit_test(nginx_like_loops_that_say_for_whom),
		cmocka_unit_test(asynchronous_loops),
		cmocka_unit_test(handed_to_workers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
