// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include <stdio.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/pool.h"
#include "resident.h"
#include "stats.h"

static void buf_grows_and_formats(void **state)
{
	struct buf buf = { 0 };

	for (int i = 0; i < 1000; i++)
		buf__printf(&buf, "%d,", i % 10);
	assert_int_equal(buf.n, 2000);
	assert_memory_equal(buf.p + 1980, "0,1,2,3,4,5,6,7,8,9,", 20);
	buf__clear(&buf);
	assert_int_equal(buf.n, 0);
	buf__puts(&buf, "x");
	assert_int_equal(buf.n, 1);
	buf__release(&buf);
	assert_null(buf.p);
}

static void buf_refuses_impossible_sizes(void **state)
{
	struct buf buf = { 0 };

	buf__puts(&buf, "kept");
	assert_null(buf__reserve(&buf, SIZE_MAX - 8));
	assert_true(buf.failed);
	buf__puts(&buf, "ignored");
	assert_int_equal(buf.n, 4);
	buf__release(&buf);
}

static void pool_reuses(void **state)
{
	struct pool pool = { .size = 64, .keep = 1 };
	void *a = pool__get(&pool), *b = pool__get(&pool);

	pool__put(&pool, a);
	pool__put(&pool, b); /* beyond keep: freed */
	assert_int_equal(pool.kept, 1);
	assert_ptr_equal(pool__get(&pool), a);
	pool__put(&pool, a);
	pool__put(&pool, NULL);
	pool__release(&pool);
	assert_int_equal(pool.kept, 0);
}

static void slices_compare(void **state)
{
	assert_true(slice_ieq(SLICE("Host"), SLICE("hOST")));
	assert_false(slice_eq(SLICE("Host"), SLICE("host")));
	assert_true(slice_starts(SLICE("HTTP/1.1"), SLICE("HTTP/")));
	assert_int_equal(slice_from(SLICE("abc"), 5).n, 0);
	assert_int_equal(slice_from(SLICE("abc"), 1).n, 2);
}

static void log_levels_parse(void **state)
{
	enum log_level level;

	assert_int_equal(log_level__parse("WARN", &level), 0);
	assert_int_equal(level, LOG_WARN);
	assert_int_equal(log_level__parse("loud", &level), -EINVAL);
}

static void clocks_agree(void **state)
{
	int64_t a = clock__wall_offset_ns(), b = clock__wall_offset_ns();

	assert_true(a > 0);
	assert_true(llabs(a - b) < (int64_t)NSEC_PER_SEC);
}

static unsigned long code_kb(void)
{
	FILE *maps = fopen("/proc/self/smaps", "re");
	unsigned long kb, sum = 0;
	bool code = false;
	char line[512];

	assert_non_null(maps);
	while (fgets(line, sizeof(line), maps)) {
		if (strstr(line, " r-xp ") || strstr(line, " r--p ") || strstr(line, " rw-p "))
			code = strstr(line, " r-xp ") && strchr(line, '/');
		else if (code && sscanf(line, "Rss: %lu", &kb) == 1)
			sum += kb;
	}
	fclose(maps);
	return sum;
}

static void code_is_given_back_and_runs_on(void **state)
{
	unsigned long before = code_kb();

	resident__trim();
	assert_true(code_kb() < before);
	slices_compare(state);
}

static void stats_names_every_loss(void **state)
{
	struct stats stats = { 0 };
	struct buf out = { 0 };

	stats__print(&stats, &out);
	buf__append(&out, "", 1);
	assert_non_null(strstr(out.p, "lost: nothing"));
	buf__clear(&out);
	for (int i = 0; i < LOSS_COUNT; i++)
		stats.lost[i] = 1;
	stats__print(&stats, &out);
	buf__append(&out, "", 1);
	for (int i = 0; i < LOSS_COUNT; i++) {
		assert_non_null(loss__name((enum loss)i));
		assert_non_null(strstr(out.p, loss__name((enum loss)i)));
	}
	buf__release(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(buf_grows_and_formats),
		cmocka_unit_test(buf_refuses_impossible_sizes),
		cmocka_unit_test(pool_reuses),
		cmocka_unit_test(slices_compare),
		cmocka_unit_test(log_levels_parse),
		cmocka_unit_test(clocks_agree),
		cmocka_unit_test(code_is_given_back_and_runs_on),
		cmocka_unit_test(stats_names_every_loss),
	};

	return cmocka_run_group_tests_name("base", tests, NULL, NULL);
}
