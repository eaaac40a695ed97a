// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* The arithmetic of positions, turns and budgets in bpf/entry.h, built natively. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "entry.h"
#include "bound.h"

static struct entry fresh(void)
{
	return (struct entry){ .turn = TURN_NONE, .head_bytes = 1000 };
}

static void expect(struct entry *entry, uint64_t start, uint32_t length, uint32_t offset,
		   uint32_t count, bool crossed)
{
	struct wanted wanted = entry__wanted(entry, DIR_IN, start, length);

	assert_int_equal(wanted.count, count);
	assert_int_equal(wanted.crossed, crossed);
	if (count)
		assert_int_equal(wanted.offset, offset);
}

static void test_head(void **state)
{
	struct entry entry = fresh();

	expect(&entry, 0, 400, 0, 400, false);
	expect(&entry, 400, 600, 0, 600, false);
	expect(&entry, 1000, 1, 0, 0, false);
	expect(&entry, 5ull << 30, 70000, 0, 0, false);
	entry.turn_start = 5ull << 30;
	expect(&entry, 5ull << 30, 70000, 0, 1000, false);
	entry.head_bytes = 0;
	expect(&entry, 5ull << 30, 70000, 0, 0, false);
}

static void test_head_in_the_middle_of_a_call(void **state)
{
	struct entry entry = fresh();

	expect(&entry, 900, 200, 0, 100, false);
	expect(&entry, 999, 200, 0, 1, false);
}

static void expect_tail(struct entry *entry, uint64_t start, uint32_t length, uint32_t tail)
{
	assert_int_equal(entry__wanted(entry, DIR_IN, start, length).tail, tail);
}

/* The end of a call that is cut, and of no other. */
static void test_tail(void **state)
{
	struct entry entry = fresh();

	expect_tail(&entry, 0, 1000, 0);
	expect_tail(&entry, 0, 1001, 1);
	expect_tail(&entry, 0, 1063, 63);
	expect_tail(&entry, 0, 1065, TAIL_BYTES);
	expect_tail(&entry, 999, UINT32_MAX, TAIL_BYTES);
	expect_tail(&entry, 1000, 5000, 0); /* the budget is spent: nothing at all */
	entry.head_bytes = 1 << 20;
	expect(&entry, 0, CALL_BYTES_MAX + 9, 0, CALL_BYTES_MAX, false);
	expect_tail(&entry, 0, CALL_BYTES_MAX + 9, 9);
	entry.mode[DIR_IN] = CAPTURE_ALL;
	expect_tail(&entry, 5000000, CALL_BYTES_MAX, 0);
	expect_tail(&entry, 5000000, CALL_BYTES_MAX + 9, 9);
	entry.quiet_until[DIR_IN] = 5000008;
	expect_tail(&entry, 5000000, CALL_BYTES_MAX + 9, 1);
	entry.mode[DIR_IN] = CAPTURE_NONE;
	expect_tail(&entry, 6000000, CALL_BYTES_MAX + 9, 0);
}

static void test_all(void **state)
{
	struct entry entry = fresh();

	entry.mode[DIR_IN] = CAPTURE_ALL;
	expect(&entry, 1 << 20, 5000, 0, 5000, false);
	expect(&entry, 1 << 20, CALL_BYTES_MAX + 1, 0, CALL_BYTES_MAX, false);
	expect(&entry, 1 << 20, UINT32_MAX, 0, CALL_BYTES_MAX, false);
}

static void test_ends(void **state)
{
	struct entry entry = fresh();

	entry.mode[DIR_IN] = CAPTURE_ENDS;
	expect(&entry, 0, 400, 0, 400, false);
	expect(&entry, 400, 5000, 0, 600, false);
	expect_tail(&entry, 400, 5000, TAIL_BYTES);
	/* behind the budget */
	expect(&entry, 5400, 8192, 8192 - TAIL_BYTES, TAIL_BYTES, false);
	expect_tail(&entry, 5400, 8192, 0);
	expect(&entry, 9000, TAIL_BYTES, 0, TAIL_BYTES, false);
	expect(&entry, 9000, 1, 0, 1, false);
	expect(&entry, 9000, UINT32_MAX, UINT32_MAX - TAIL_BYTES, TAIL_BYTES, false);
	entry.quiet_until[DIR_IN] = 20000;
	expect(&entry, 10000, 9999, 0, 0, false);
	expect(&entry, 15000, 6000, 5000, 1000, true);
	entry.head_bytes = 0;
	entry.quiet_until[DIR_IN] = 30000;
	expect(&entry, 29000, 1010, 1000, 10, true);
}

static void test_none(void **state)
{
	struct entry entry = fresh();

	entry.mode[DIR_IN] = CAPTURE_NONE;
	entry.quiet_until[DIR_IN] = 10;
	expect(&entry, 0, 100, 0, 0, false);
}

static void test_quiet(void **state)
{
	struct entry entry = fresh();

	entry.quiet_until[DIR_IN] = 5000;
	expect(&entry, 1000, 3999, 0, 0, false);
	/* the last quiet byte alone: told, nothing to capture */
	expect(&entry, 4999, 1, 0, 0, true);
	assert_int_equal(entry.turn_start, 5000);
	/* what follows has a budget of its own */
	expect(&entry, 5000, 3000, 0, 1000, false);
}

static void test_quiet_ends_inside_a_call(void **state)
{
	struct entry entry = fresh();

	entry.quiet_until[DIR_IN] = 5000;
	expect(&entry, 4000, 1500, 1000, 500, true);
	expect(&entry, 5500, 1500, 0, 500, false);
	/* the other direction knows nothing of it */
	assert_int_equal(entry__wanted(&entry, DIR_OUT, 5000, 10).count, 10);
}

static void test_jump(void **state)
{
	assert_int_equal(entry__jump(100, 1000, 1100), 0);
	assert_int_equal(entry__jump(100, 1000, 1150), 50);
	assert_int_equal(entry__jump(100, 1000, 1090), -10);
	/* numbers wrap, positions do not */
	assert_int_equal(entry__jump(0x20, 0xfffffff0u, 0x10), 0);
	assert_int_equal(entry__jump((7ull << 32) + 5, 0xffffffffu, 4), 0);
	assert_int_equal(entry__jump((7ull << 32) + 5, 0xffffffffu, 14), 10);
}

static void test_turns(void **state)
{
	struct entry entry = fresh();

	assert_true(entry__turns(&entry, DIR_IN));
	assert_true(entry__turns(&entry, DIR_OUT));
	entry.turn = DIR_OUT;
	assert_true(entry__turns(&entry, DIR_IN));
	assert_false(entry__turns(&entry, DIR_OUT));
}

static void test_classes(void **state)
{
	assert_int_equal(bound__class(0), 64);
	assert_int_equal(bound__class(64), 64);
	assert_int_equal(bound__class(65), 256);
	assert_int_equal(bound__class(1025), 4096);
	assert_int_equal(bound__class(4096), 4096);
	for (uint32_t n = 0; n <= DATA_BYTES_MAX; n++) {
		assert_int_equal(bound__record(n) % 8, 0);
		assert_true(bound__record(n) <= sizeof(struct event_data) + bound__class(n));
	}
	assert_int_equal(bound__to(5, 4), 4);
	assert_int_equal(bound__to(4, 4), 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_head),	cmocka_unit_test(test_head_in_the_middle_of_a_call),
		cmocka_unit_test(test_tail),	cmocka_unit_test(test_all),
		cmocka_unit_test(test_ends),	cmocka_unit_test(test_none),
		cmocka_unit_test(test_quiet),	cmocka_unit_test(test_quiet_ends_inside_a_call),
		cmocka_unit_test(test_jump),	cmocka_unit_test(test_turns),
		cmocka_unit_test(test_classes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
