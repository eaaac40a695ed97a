// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "context.h"
#include "exchange.h"
#include "ids.h"
#include "process.h"
#include "resource.h"

static struct ids *ids;

static int setup(void **state)
{
	ids = ids__new_seeded(7);
	return ids ? 0 : -1;
}

static int teardown(void **state)
{
	ids__free(ids);
	return 0;
}

static struct context *with_remote(uint8_t fill, uint8_t flags, bool known)
{
	struct context *context = context__new(ids);

	context->remote = calloc(1, sizeof(*context->remote));
	memset(context->remote->trace_id, fill, 16);
	memset(context->remote->span_id, fill, 8);
	context->remote->trace_flags = flags;
	context->remote->sampled_known = known;
	context__set_remote(context);
	return context;
}

static void ids_repeat_by_seed_and_differ_live(void **state)
{
	struct ids *a = ids__new_seeded(1), *b = ids__new_seeded(1), *c = ids__new();
	uint8_t x[16], y[16], z[16], before[16] = { 0 };

	for (int i = 0; i < 1000; i++) {
		ids__trace_id(a, x);
		ids__trace_id(b, y);
		ids__trace_id(c, z);
		assert_memory_equal(x, y, 16);
		assert_memory_not_equal(x, z, 16);
		assert_memory_not_equal(x, before, 16);
		memcpy(before, x, 16);
		ids__span_id(a, x);
		ids__span_id(b, y);
		assert_memory_equal(x, y, 8);
	}
	ids__free(a);
	ids__free(b);
	ids__free(c);
}

static void root_gets_a_random_trace(void **state)
{
	struct context *context = context__new(ids);

	assert_false(context__settle(context, ids)); /* undecided */
	context__set_root(context, ROOT_WHY_ENTRY);
	assert_true(context__settle(context, ids));
	assert_int_equal(context->origin_flags, 0x02);
	assert_false(context->origin_remote);
	assert_null(context__origin(context));
	context__unref(context);
}

static void children_inherit_the_header(void **state)
{
	struct context *top = with_remote(0xab, 0x01, true);
	struct context *mid = context__new(ids), *leaf = context__new(ids);

	assert_int_equal(context__set_parent(leaf, mid, PARENT_BY_THREAD), 0);
	assert_false(context__settle(leaf, ids)); /* mid is open still */
	assert_false(leaf->settled);
	assert_int_equal(context__set_parent(mid, top, PARENT_BY_CONNECTION), 0);
	assert_true(context__settle(leaf, ids));
	assert_true(top->settled && mid->settled);
	assert_memory_equal(leaf->trace_id, top->remote->trace_id, 16);
	assert_true(leaf->origin_remote && leaf->origin_sampled);
	assert_int_equal(leaf->origin_flags, 0); /* the random flag is never added later */
	assert_ptr_equal(context__origin(leaf), top->remote);
	context__unref(mid);
	context__unref(top);
	context__unref(leaf);
}

/* One within the other, for ever: only the last two and the entry are held. */
static void chain_is_forgotten_as_it_grows(void **state)
{
	struct context *top = with_remote(0xcd, 0x01, true), *parent = context__ref(top);

	for (int i = 0; i < 1000; i++) {
		struct context *child = context__new(ids);

		assert_int_equal(context__set_parent(child, parent, PARENT_BY_THREAD), 0);
		assert_true(context__settle(child, ids));
		context__forget_parent(parent);
		assert_int_equal(parent->refs, parent == top ? 4 : 2);
		context__unref(parent);
		parent = child;
	}
	context__forget_parent(parent);
	assert_ptr_equal(context__origin(parent), top->remote);
	assert_int_equal(top->refs, 2); /* ours and that of the last one */
	context__unref(top);
	assert_int_equal(context__origin(parent)->trace_id[0], 0xcd);
	context__unref(parent);
}

static void left_out_is_no_parent(void **state)
{
	struct context *parent = context__new(ids), *child = context__new(ids);

	parent->left_out = true;
	assert_int_equal(context__set_parent(child, parent, PARENT_BY_THREAD), -ENOENT);
	assert_false(child->decided || parent->is_parent);
	parent->left_out = false;
	assert_int_equal(context__set_parent(child, parent, PARENT_BY_THREAD), 0);
	assert_true(parent->is_parent);
	context__unref(parent);
	context__unref(child);
}

static void sampled_flag_is_followed_or_open(void **state)
{
	struct context *no = with_remote(1, 0x02, true), *open = with_remote(2, 0, false);

	assert_true(context__settle(no, ids) && context__settle(open, ids));
	assert_false(no->origin_sampled);
	assert_int_equal(no->origin_flags, 0x02);
	assert_true(open->origin_sampled);
	context__unref(no);
	context__unref(open);
}

static void cycles_are_refused(void **state)
{
	struct context *a = context__new(ids), *b = context__new(ids), *c = context__new(ids);

	assert_int_equal(context__set_parent(b, a, PARENT_BY_THREAD), 0);
	assert_int_equal(context__set_parent(c, b, PARENT_BY_THREAD), 0);
	assert_int_equal(context__set_parent(a, c, PARENT_BY_THREAD), -ELOOP);
	assert_int_equal(context__set_parent(a, a, PARENT_BY_THREAD), -ELOOP);
	assert_false(a->decided);
	context__set_root(a, ROOT_WHY_DOUBT);
	assert_true(context__settle(c, ids));
	assert_int_equal(a->why, ROOT_WHY_DOUBT);
	context__unref(a);
	context__unref(b);
	context__unref(c);
}

static void last_decision_before_settling_holds(void **state)
{
	struct context *a = with_remote(3, 1, true), *b = context__new(ids);

	context__set_root(b, ROOT_WHY_ENTRY);
	assert_int_equal(context__set_parent(a, b, PARENT_BY_CONNECTION), 0);
	assert_int_equal(context__set_parent(a, b, PARENT_BY_CONNECTION), 0);
	assert_true(context__settle(a, ids));
	assert_false(a->parent_is_remote);
	assert_memory_equal(a->trace_id, b->trace_id, 16);
	context__set_remote(a);
	context__set_root(a, ROOT_WHY_DOUBT);
	assert_int_equal(context__set_parent(a, b, PARENT_BY_TURN), -EALREADY);
	assert_int_equal(a->by, PARENT_BY_CONNECTION);
	assert_ptr_equal(a->parent, b);
	context__unref(a);
	context__unref(b);
}

/* a million links: recursion would overflow the stack here */
static void long_chains_need_no_stack(void **state)
{
	struct context *leaf = context__new(ids);

	context__set_root(leaf, ROOT_WHY_ENTRY);
	for (int i = 0; i < 1000000; i++) {
		struct context *child = context__new(ids);

		if (i == 500000)
			assert_true(context__settle(leaf, ids));
		/* set by hand: set_parent's walk for cycles would make this test quadratic */
		child->parent = leaf;
		child->decided = true;
		leaf = child;
	}
	assert_true(context__settle(leaf, ids));
	context__unref(leaf);
}

static void remotes_compare_by_ids(void **state)
{
	struct context *a = with_remote(5, 1, true), *b = with_remote(5, 0, true);

	assert_true(remote_context__same(a->remote, b->remote));
	b->remote->span_id[7] ^= 1;
	assert_false(remote_context__same(a->remote, b->remote));
	assert_false(remote_context__same(a->remote, NULL));
	assert_false(remote_context__same(NULL, NULL));
	context__unref(a);
	context__unref(b);
}

static void processes_replace_and_hold(void **state)
{
	struct processes *processes = processes__new();
	struct resource *resource = resource__new();
	struct process *a = process__new(10, 1, RUNTIME_GO, resource);
	struct process *b = process__new(10, 2, RUNTIME_NODE, NULL);

	resource__unref(resource);
	assert_int_equal(processes__add(processes, a), 0);
	assert_int_equal(processes__add(processes, a), 0);
	assert_ptr_equal(processes__find(processes, 10), a);
	assert_int_equal(processes__add(processes, b), 0);
	assert_ptr_equal(processes__find(processes, 10), b);
	assert_int_equal(processes__count(processes), 1);
	assert_int_equal(a->refs, 1);
	process__unref(a);
	processes__remove(processes, 10);
	processes__remove(processes, 11);
	assert_null(processes__find(processes, 10));
	assert_int_equal(processes__add(processes, b), 0);
	process__unref(b);
	processes__free(processes);
	processes__free(NULL);
	for (int i = 0; i < RUNTIME_COUNT; i++)
		assert_non_null(runtime__language(i));
	assert_string_equal(runtime__language(RUNTIME_GO), "go");
}

static void exchanges_own_their_heads(void **state)
{
	struct exchange *exchange = exchange__new();
	char head[] = "GET / HTTP/1.1\r\n\r\n";
	struct message message = { .head = slice(head, sizeof(head) - 1), .position = 9 };
	size_t empty = exchange__memory(exchange);

	assert_true(exchange__copy_head(&exchange->request, &message));
	assert_true(
		exchange__copy_head(&exchange->request, &message)); /* the older copy is freed */
	head[0] = 'X';
	assert_int_equal(exchange->request.head.p[0], 'G');
	assert_int_equal(exchange->request.position, 9);
	/* short heads have blocks of one size */
	assert_in_range(exchange__memory(exchange), empty + sizeof(head) - 1, empty + 512);
	exchange->context = context__new(ids);
	exchange__free(exchange);
	exchange__free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ids_repeat_by_seed_and_differ_live),
		cmocka_unit_test(root_gets_a_random_trace),
		cmocka_unit_test(children_inherit_the_header),
		cmocka_unit_test(sampled_flag_is_followed_or_open),
		cmocka_unit_test(cycles_are_refused),
		cmocka_unit_test(last_decision_before_settling_holds),
		cmocka_unit_test(long_chains_need_no_stack),
		cmocka_unit_test(chain_is_forgotten_as_it_grows),
		cmocka_unit_test(left_out_is_no_parent),
		cmocka_unit_test(remotes_compare_by_ids),
		cmocka_unit_test(processes_replace_and_hold),
		cmocka_unit_test(exchanges_own_their_heads),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
