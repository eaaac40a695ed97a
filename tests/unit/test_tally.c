// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/buf.h"
#include "export/group.h"
#include "process.h"
#include "resource.h"
#include "stats.h"
#include "tally.h"

static struct tally *tally;

static int setup(void **state)
{
	tally = tally__new();
	return tally ? 0 : -1;
}

static int teardown(void **state)
{
	tally__free(tally);
	return 0;
}

static struct process *make_process(uint32_t pid, uint64_t start_ticks, const char *name)
{
	struct resource *resource = resource__new();
	struct process *process;

	resource__set(resource, "service.name", slice_of(name));
	process = process__new(pid, start_ticks, RUNTIME_NATIVE, resource);
	resource__unref(resource);
	return process;
}

static void parent(struct process *process, bool server, enum parent_by by, int n)
{
	while (n--)
		tally__count(tally, process, server, by, ROOT_WHY_ENTRY);
}

static void root(struct process *process, bool server, enum root_why why, int n)
{
	while (n--)
		tally__count(tally, process, server, PARENT_BY_NONE, why);
}

static void assert_table(const char *want)
{
	struct buf out = { 0 };

	tally__print(tally, &out);
	buf__append(&out, "", 1);
	assert_string_equal(out.p, want);
	buf__release(&out);
}

static uint64_t lines(void)
{
	struct buf out = { 0 };
	uint64_t n = 0;

	tally__print(tally, &out);
	for (size_t i = 0; i < out.n; i++)
		n += out.p[i] == '\n';
	buf__release(&out);
	return n;
}

static void by_side_evidence_and_reason(void **state)
{
	struct process *shop = make_process(10, 1, "shop"), *down = make_process(7, 1, "d");

	assert_table("");
	root(shop, true, ROOT_WHY_ENTRY, 2);
	parent(shop, true, PARENT_BY_HEADER, 1);
	parent(shop, false, PARENT_BY_THREAD, 3);
	parent(shop, false, PARENT_BY_CONNECT, 1);
	root(shop, false, ROOT_WHY_DOUBT, 5);
	root(shop, false, ROOT_WHY_EXPIRED, 6);
	parent(down, true, PARENT_BY_CONNECTION, 4);
	root(down, false, ROOT_WHY_UNIT, 1);
	assert_table(
		"by process:\n"
		"  shop[10]         server        3  header 1; roots: entry 2\n"
		"                   client       15  thread 3, connect 1; roots: doubt 5, expired 6\n"
		"  d[7]             server        4  connection 4\n"
		"                   client        1  roots: unit 1\n");
	process__unref(shop);
	process__unref(down);
}

/* The name is a stranger's, and no line may look like one of the losses ("  a.b  12  text"). */
static void names_are_clean(void **state)
{
	struct process *p = make_process(12, 1, "ring.data\x1b[2J\n");
	struct process *unknown = process__new(13, 1, RUNTIME_NATIVE, NULL);

	root(p, true, ROOT_WHY_ENTRY, 1);
	root(unknown, true, ROOT_WHY_ENTRY, 1);
	root(NULL, false, ROOT_WHY_NO_REQUEST, 1);
	assert_table("by process:\n"
		     "  ring.data?[2J?[12] server        1  roots: entry 1\n"
		     "  [13]               server        1  roots: entry 1\n"
		     "  others (0 ended)   client        1  roots: no_request 1\n");
	process__unref(p);
	process__unref(unknown);
}

/* A child that was gone before it was looked at, described later; another program in the process. */
static void one_row_for_a_process_described_anew(void **state)
{
	struct process *first = make_process(10, 0, "sh"), *second = make_process(10, 5, "sh");
	struct process *third = make_process(10, 5, "app"), *other = make_process(10, 6, "app");

	root(first, true, ROOT_WHY_ENTRY, 1);
	root(second, true, ROOT_WHY_ENTRY, 1);
	process__unref(first);
	root(third, true, ROOT_WHY_ENTRY, 1);
	assert_int_equal(second->refs, 1);
	root(other, true, ROOT_WHY_ENTRY, 1); /* the number in use again */
	assert_table("by process:\n"
		     "  app[10]          server        3  roots: entry 3\n"
		     "  app[10]          server        1  roots: entry 1\n");
	process__unref(second);
	process__unref(third);
	process__unref(other);
}

static void ended_processes_make_room(void **state)
{
	struct process *p[TALLY_ROWS + 2];

	for (uint32_t i = 0; i < TALLY_ROWS + 2; i++)
		p[i] = make_process(100 + i, 1, "p");
	for (uint32_t i = 0; i < TALLY_ROWS; i++)
		root(p[i], true, ROOT_WHY_ENTRY, 2);
	root(p[3], true, ROOT_WHY_ENTRY, 1);
	assert_int_equal(lines(), TALLY_ROWS + 1);

	/* all alive: the newcomer is one of the others, and stays so while that is true */
	root(p[TALLY_ROWS], false, ROOT_WHY_LOOP, 3);
	assert_int_equal(lines(), TALLY_ROWS + 2);
	assert_int_equal(p[TALLY_ROWS]->refs, 1);

	/* of those that ended, the one that was counted longest ago goes */
	process__unref(p[3]);
	process__unref(p[9]);
	root(p[TALLY_ROWS + 1], true, ROOT_WHY_ENTRY, 1);
	assert_int_equal(lines(), TALLY_ROWS + 2 + 1);
	root(p[TALLY_ROWS], false, ROOT_WHY_LOOP, 1); /* takes the place of p[3] */
	assert_int_equal(p[TALLY_ROWS]->refs, 2);
	root(NULL, true, ROOT_WHY_CLOSED, 1);

	struct buf out = { 0 };

	tally__print(tally, &out);
	buf__append(&out, "", 1);
	assert_non_null(strstr(out.p,
			       "  others (2 ended) server        6  roots: entry 5, closed 1\n"
			       "                   client        3  roots: loop 3\n"));
	assert_non_null(strstr(out.p, "  p[165]           server        1  roots: entry 1\n"));
	assert_non_null(strstr(out.p, "  p[164]           client        1  roots: loop 1\n"));
	assert_null(strstr(out.p, "p[103]"));
	assert_null(strstr(out.p, "p[109]"));
	buf__release(&out);
	for (uint32_t i = 0; i < TALLY_ROWS + 2; i++)
		if (i != 3 && i != 9)
			process__unref(p[i]);
}

static int64_t scope_value(const struct scope_attrs *attrs, const char *key)
{
	for (uint32_t i = 0; i < attrs->count; i++)
		if (slice_eq(attrs->attrs[i].key, slice_of(key)))
			return attrs->attrs[i].i;
	return -1;
}

static void a_scope_tells_of_its_own_process(void **state)
{
	struct process *a = make_process(1, 1, "a"), *b = make_process(2, 1, "b");
	struct process *child = process__new(3, 0, RUNTIME_NATIVE, a->resource);
	struct stats stats = { .tally = tally, .lost[LOSS_UNSAMPLED] = 4 };
	struct scope_attrs attrs;

	parent(a, true, PARENT_BY_CONNECTION, 2);
	root(a, false, ROOT_WHY_CLOSED, 3);
	parent(child, true, PARENT_BY_CONNECTION, 1); /* not described yet: its parent's resource */
	scope_attrs__make(&stats, a->resource, &attrs);
	assert_int_equal(attrs.count, 3);
	assert_int_equal(scope_value(&attrs, "spanprobe.lost.sample.dropped"), 4);
	assert_int_equal(scope_value(&attrs, "spanprobe.parents.server.connection"), 3);
	assert_int_equal(scope_value(&attrs, "spanprobe.roots.client.closed"), 3);
	scope_attrs__make(&stats, b->resource, &attrs);
	assert_int_equal(attrs.count, 1);
	scope_attrs__make(&stats, NULL, &attrs);
	assert_int_equal(attrs.count, 1);
	scope_attrs__make(NULL, a->resource, &attrs);
	assert_int_equal(attrs.count, 0);
	process__unref(child);
	process__unref(a);
	process__unref(b);
}

static void every_attribute_at_once(void **state)
{
	struct process *p = make_process(1, 1, "p");
	struct stats stats = { .tally = tally };
	struct scope_attrs attrs;

	for (int i = 0; i < LOSS_COUNT; i++)
		stats.lost[i] = 1;
	for (int i = 0; i < PARENT_BY_COUNT; i++) {
		parent(p, true, (enum parent_by)i, 1);
		parent(p, false, (enum parent_by)i, 1);
	}
	for (int i = 0; i < ROOT_WHY_COUNT; i++) {
		root(p, true, (enum root_why)i, 1);
		root(p, false, (enum root_why)i, 1);
	}
	scope_attrs__make(&stats, p->resource, &attrs);
	assert_int_equal(attrs.count, SCOPE_ATTRS_MAX - 2); /* a root has no evidence */
	for (uint32_t i = 0; i < attrs.count; i++)
		assert_true(attrs.attrs[i].key.n + 1 < sizeof(attrs.keys[0]));
	process__unref(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(by_side_evidence_and_reason, setup, teardown),
		cmocka_unit_test_setup_teardown(names_are_clean, setup, teardown),
		cmocka_unit_test_setup_teardown(one_row_for_a_process_described_anew, setup,
						teardown),
		cmocka_unit_test_setup_teardown(ended_processes_make_room, setup, teardown),
		cmocka_unit_test_setup_teardown(a_scope_tells_of_its_own_process, setup, teardown),
		cmocka_unit_test_setup_teardown(every_attribute_at_once, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
