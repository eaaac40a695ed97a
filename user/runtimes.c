// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "runtimes.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uthash.h>

#include "base/clock.h"
#include "base/log.h"
#include "runtime/module.h"

#define TRY_EVERY_NS   (100 * NSEC_PER_MSEC)
#define TRY_FOR_NS     (30 * NSEC_PER_SEC)   /* a runtime that is slow to load */
#define TRY_MORE_NS    (500 * NSEC_PER_MSEC) /* when nothing has happened; after a new thread: */
#define TRY_BORN_NS    (20 * NSEC_PER_MSEC)
#define BORN_FOR_NS    (200 * NSEC_PER_MSEC)
#define CHECK_EVERY_NS NSEC_PER_SEC
#define FAILED_MIN     16 /* wrong reads before a module is turned off */

/* The optional probes of a process go when of CALLS_MIN calls in a second fewer than one in
 * ASKED_SHARE had no known caller, and are back at once when more have none. */
#define CALLS_MIN     64
#define ASKED_MIN     4
#define ASKED_SHARE   16
#define KEEP_FIRST_NS NSEC_PER_SEC
#define KEEP_THEN_NS  (60 * NSEC_PER_SEC)

enum follow_state {
	FOLLOW_TRYING,	/* the runtime is not loaded yet */
	FOLLOW_PARTLY,	/* followed; further probes may be possible later */
	FOLLOW_DONE,	/* followed */
	FOLLOW_THREADS, /* one thread only: until it makes another one */
	FOLLOW_NOT
};

struct followed {
	uint32_t pid;
	enum follow_state state;
	const struct runtime_module *module;
	bool demands; /* holds a demand of attach */
	unsigned int probes;
	bool more;	       /* further things to read may come with further threads */
	unsigned int optional; /* of them: recipe.asked decides */
	bool eased;	       /* those are detached */
	uint64_t ease_ns;      /* not before then */
	uint64_t calls, asked; /* of the recipe, when it was looked at last */
	uint64_t since_ns;
	uint64_t tried_ns;
	uint64_t born_ns; /* its last thread that began */
	UT_hash_handle hh;
};

struct runtimes {
	struct runtimes_opts opts;
	struct followed *table;
	uint64_t checked_ns;
	unsigned int waiting; /* TRYING or PARTLY */
	unsigned int easy;    /* with optional probes */
	uint64_t eased_ns;    /* when those were looked at last */
};

static const struct runtime_module *const modules[RUNTIME_COUNT] = {
	[RUNTIME_NATIVE] = &threads_module, [RUNTIME_JAVA] = &java_module,
	[RUNTIME_GO] = &go_module,	    [RUNTIME_PYTHON] = &cpython_module,
	[RUNTIME_RUBY] = &threads_module,   [RUNTIME_DOTNET] = &threads_module,
	[RUNTIME_NODE] = &node_module,	    [RUNTIME_NGINX] = &nginx_module,
};

const struct runtime_module *runtime_module__of(enum runtime runtime)
{
	return (unsigned int)runtime < RUNTIME_COUNT ? modules[runtime] : NULL;
}

struct runtimes *runtimes__new(const struct runtimes_opts *opts)
{
	struct runtimes *runtimes = calloc(1, sizeof(*runtimes));

	if (runtimes)
		runtimes->opts = *opts;
	return runtimes;
}

static void set_state(struct runtimes *runtimes, struct followed *one, enum follow_state state)
{
	runtimes->waiting -= one->state == FOLLOW_TRYING || one->state == FOLLOW_PARTLY;
	one->state = state;
	runtimes->waiting += one->state == FOLLOW_TRYING || one->state == FOLLOW_PARTLY;
}

static void set_optional(struct runtimes *runtimes, struct followed *one, unsigned int count)
{
	runtimes->easy -= one->optional != 0;
	one->optional = count;
	runtimes->easy += one->optional != 0;
	one->eased = false;
	one->calls = one->asked = 0;
}

static void take_back(struct runtimes *runtimes, struct followed *one)
{
	struct recipe none = { .pid = one->pid };

	if (one->state == FOLLOW_DONE || one->state == FOLLOW_PARTLY)
		load__recipe(runtimes->opts.load, &none);
	attach__drop_process(runtimes->opts.attach, one->pid);
	if (one->demands)
		attach__demand_less(runtimes->opts.attach, DEMAND_WAKES);
	one->demands = false;
	one->probes = 0;
	set_optional(runtimes, one, 0);
}

void runtimes__free(struct runtimes *runtimes)
{
	struct followed *one, *next;

	if (!runtimes)
		return;
	HASH_ITER(hh, runtimes->table, one, next) {
		HASH_DEL(runtimes->table, one);
		free(one);
	}
	free(runtimes);
}

/* A zombie has no memory map any more. */
static bool has_ended(uint32_t pid)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/%u/exe", pid);
	return readlink(path, (char[1]){ 0 }, 1) < 0;
}

static void give_up(struct runtimes *runtimes, struct followed *one, const struct buf *why)
{
	take_back(runtimes, one);
	set_state(runtimes, one, FOLLOW_NOT);
	if (has_ended(one->pid)) /* while it was looked at: nothing is lost */
		return;
	runtimes->opts.stats->lost[LOSS_MODULE_OFF]++;
	log_warn("process %u: %s units cannot be followed: %.*s; its calls get no parent by them",
		 one->pid, one->module->name, (int)why->n, why->n ? why->p : "");
}

static int install(struct runtimes *runtimes, struct followed *one, struct runtime_setup *setup,
		   struct buf *why)
{
	bool anew = !one->probes || one->probes != setup->count;
	int err = 0;

	if (setup->recipe.flags & RECIPE_WAKES && !one->demands) {
		err = attach__demand(runtimes->opts.attach, DEMAND_WAKES, why);
		if (err)
			return err;
		one->demands = true;
	}
	/* The probes first: the rules begin anew with the recipe, and rely on what they tell. When
	 * there are as many as before, only what is read has changed. */
	if (anew)
		err = attach__process(runtimes->opts.attach, one->pid, setup->probes, setup->count,
				      why);
	if (err)
		return err;
	setup->recipe.pid = one->pid;
	err = load__recipe(runtimes->opts.load, &setup->recipe);
	if (err) {
		buf__printf(why, "its recipe: %s", strerror(-err));
		return err;
	}
	set_state(runtimes, one, setup->more ? FOLLOW_PARTLY : FOLLOW_DONE);
	if (!anew)
		return 0;
	one->probes = setup->count;
	set_optional(runtimes, one, setup->optional);
	one->ease_ns = clock__monotonic_ns() + KEEP_FIRST_NS;
	return 0;
}

static void try(struct runtimes *runtimes, struct followed *one, uint64_t now_ns)
{
	const struct process *process = processes__find(runtimes->opts.processes, one->pid);
	struct runtime_setup setup = { 0 };
	struct buf why = { 0 };
	int err;

	one->tried_ns = now_ns;
	if (!process)
		return;
	err = one->module->prepare(process, &setup, &why);
	if (err == -EAGAIN && one->module == &threads_module) {
		set_state(runtimes, one, FOLLOW_THREADS);
		goto out;
	}
	if (err == -EAGAIN && (one->state == FOLLOW_PARTLY || now_ns < one->since_ns + TRY_FOR_NS))
		goto out;
	one->more = !err && setup.more;
	if (!err && one->state == FOLLOW_PARTLY && setup.count == one->probes && setup.more) {
		if (now_ns > one->since_ns + TRY_FOR_NS)
			set_state(runtimes, one, FOLLOW_DONE);
	} else if (!err) {
		err = install(runtimes, one, &setup, &why);
		if (!err && why.n)
			log_info("process %u: %s units, less known: %.*s", one->pid,
				 one->module->name, (int)why.n, why.p);
	}
	if (err)
		give_up(runtimes, one, &why);
out:
	runtime_setup__release(&setup);
	buf__release(&why);
}

void runtimes__enter(struct runtimes *runtimes, uint32_t pid)
{
	const struct process *process = processes__find(runtimes->opts.processes, pid);
	const struct runtime_module *module = process ? runtime_module__of(process->runtime) : NULL;
	struct followed *one;

	runtimes__leave(runtimes, pid);
	if (!module)
		return;
	one = calloc(1, sizeof(*one));
	if (!one)
		return;
	one->pid = pid;
	one->module = module;
	one->since_ns = clock__monotonic_ns();
	runtimes->waiting++; /* FOLLOW_TRYING */
	HASH_ADD(hh, runtimes->table, pid, sizeof(pid), one);
	try(runtimes, one, one->since_ns);
}

static struct followed *find(const struct runtimes *runtimes, uint32_t pid)
{
	struct followed *one;

	HASH_FIND(hh, runtimes->table, &pid, sizeof(pid), one);
	return one;
}

void runtimes__leave(struct runtimes *runtimes, uint32_t pid)
{
	struct followed *one = find(runtimes, pid);

	if (!one)
		return;
	take_back(runtimes, one);
	set_state(runtimes, one, FOLLOW_NOT);
	HASH_DEL(runtimes->table, one);
	free(one);
}

void runtimes__event(struct runtimes *runtimes, const struct event *event)
{
	const struct event_unit *unit = (const void *)event;
	struct followed *one;

	if (event->kind != EVENT_UNIT || unit->change != UNIT_CREATE)
		return;
	one = find(runtimes, event->pid);
	if (!one)
		return;
	one->born_ns = clock__monotonic_ns();
	if (one->state == FOLLOW_THREADS) {
		try(runtimes, one, one->born_ns);
	} else if (one->state == FOLLOW_DONE && one->more) {
		one->since_ns = one->born_ns;
		set_state(runtimes, one, FOLLOW_PARTLY);
	}
}

/* What is still missing mostly comes with a thread, soon after it. */
static bool is_due(const struct followed *one, uint64_t now_ns)
{
	switch (one->state) {
	case FOLLOW_TRYING:
		return now_ns >= one->tried_ns + TRY_EVERY_NS;
	case FOLLOW_PARTLY:
		return now_ns >=
		       one->tried_ns +
			       (now_ns < one->born_ns + BORN_FOR_NS ? TRY_BORN_NS : TRY_MORE_NS);
	default:
		return false;
	}
}

/* A recipe that does not fit the process reads nonsense, which the kernel side notices. */
static void check(struct runtimes *runtimes, struct followed *one)
{
	struct recipe recipe;
	struct buf why = { 0 };

	if (load__recipe_counts(runtimes->opts.load, one->pid, &recipe) != 0 ||
	    recipe.failed < FAILED_MIN || recipe.failed < recipe.read)
		return;
	buf__printf(&why, "%llu of %llu units read were none", recipe.failed,
		    recipe.failed + recipe.read);
	give_up(runtimes, one, &why);
	buf__release(&why);
}

static void harden(struct runtimes *runtimes, struct followed *one, uint64_t now_ns)
{
	const struct process *process = processes__find(runtimes->opts.processes, one->pid);
	struct runtime_setup setup = { 0 };
	struct buf why = { 0 };
	int err = process ? one->module->prepare(process, &setup, &why) : -ESRCH;

	one->eased = false;
	one->ease_ns = now_ns + KEEP_THEN_NS;
	if (!err && setup.count == one->probes)
		err = attach__again(runtimes->opts.attach, one->pid,
				    setup.probes + setup.count - one->optional, one->optional,
				    &why);
	if (err)
		give_up(runtimes, one, &why);
	runtime_setup__release(&setup);
	buf__release(&why);
}

/* Some probes tell only of calls whose caller is not known otherwise: they cost more than all others, and
 * most programs have hardly any such calls. */
static void ease(struct runtimes *runtimes, struct followed *one, uint64_t now_ns)
{
	struct recipe recipe;
	uint64_t calls, asked;

	if ((!one->eased && now_ns < one->ease_ns) ||
	    load__recipe_counts(runtimes->opts.load, one->pid, &recipe) != 0)
		return;
	calls = recipe.calls - one->calls;
	asked = recipe.asked - one->asked;
	one->calls = recipe.calls;
	one->asked = recipe.asked;
	if (one->eased) {
		if (asked >= ASKED_MIN && asked * ASKED_SHARE > calls)
			harden(runtimes, one, now_ns);
		return;
	}
	one->ease_ns = now_ns + NSEC_PER_SEC;
	if (calls < CALLS_MIN || asked * ASKED_SHARE > calls)
		return;
	attach__less(runtimes->opts.attach, one->pid, one->probes - one->optional);
	one->eased = true;
}

void runtimes__tick(struct runtimes *runtimes, uint64_t now_ns)
{
	bool due = now_ns >= runtimes->checked_ns + CHECK_EVERY_NS;
	struct followed *one, *next;
	bool look = runtimes->easy && now_ns >= runtimes->eased_ns + TRY_EVERY_NS;

	if (!runtimes->waiting && !due && !look)
		return;
	if (due)
		runtimes->checked_ns = now_ns;
	if (look)
		runtimes->eased_ns = now_ns;
	HASH_ITER(hh, runtimes->table, one, next) {
		if (is_due(one, now_ns))
			try(runtimes, one, now_ns);
		if (due && (one->state == FOLLOW_PARTLY || one->state == FOLLOW_DONE))
			check(runtimes, one);
		if (look && one->optional)
			ease(runtimes, one, now_ns);
	}
}
