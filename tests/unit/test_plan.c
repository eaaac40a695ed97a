// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "plan.h"

static struct features everything(void)
{
	struct features features = { 0 };

	for (int i = 0; i < FEATURE_COUNT; i++)
		features.has[i] = true;
	return features;
}

static bool says(const struct buf *why, const char *text)
{
	return why->n && memmem(why->p, why->n, text, strlen(text));
}

static bool has(const struct plan *plan, const char *program)
{
	for (unsigned int i = 0; i < plan->count; i++) {
		if (!strcmp(plan->probes[i].program, program))
			return true;
	}
	return false;
}

static void test_best_first(void **state)
{
	struct features features = everything();
	struct plan_opts opts = { 0 };
	struct buf why = { 0 };
	struct plan plan;

	assert_int_equal(plan__make(&features, &opts, &plan, &why), 0);
	assert_string_equal(plan.family, "tracepoint");
	assert_true(has(&plan, "tracepoint__send") && has(&plan, "tracepoint__recv"));
	assert_true(has(&plan, "socket__set_state") && has(&plan, "task__exit"));
	assert_false(has(&plan, "kprobe__tcp_sendmsg"));
	assert_false(has(&plan, "unit__create"));
	assert_true(has(&plan, "uring__submit"));
	for (unsigned int i = 0; i < plan.count; i++)
		assert_int_equal(plan.probes[i].demand == DEMAND_URING,
				 !strcmp(plan.probes[i].program, "uring__submit") ||
					 !strcmp(plan.probes[i].program, "uring__arm"));
	features.has[FEATURE_URING] = false;
	assert_int_equal(plan__make(&features, &opts, &plan, &why), 0);
	assert_string_equal(plan.family, "tracepoint");
	assert_false(has(&plan, "uring__submit") || has(&plan, "uring__create"));
	features = everything();
	opts.units = true;
	assert_int_equal(plan__make(&features, &opts, &plan, &why), 0);
	assert_true(has(&plan, "unit__create"));
	assert_int_equal(why.n, 0);
	buf__release(&why);
}

static void test_second_best(void **state)
{
	struct features features = everything();
	struct plan_opts opts = { 0 };
	struct buf why = { 0 };
	struct plan plan;

	features.has[FEATURE_SOCK_LENGTH] = false;
	assert_int_equal(plan__make(&features, &opts, &plan, &why), 0);
	assert_string_equal(plan.family, "kprobe");
	assert_int_equal(why.n, 0);
	features.has[FEATURE_KPROBE] = false;
	snprintf(features.reason[FEATURE_KPROBE], sizeof(features.reason[0]), "no such device");
	assert_int_equal(plan__make(&features, &opts, &plan, &why), -ENOTSUP);
	assert_true(says(&why, "kprobe") && says(&why, "no such device"));
	assert_true(says(&why, "sock_length_tracepoints"));
	buf__release(&why);
}

static void test_forced(void **state)
{
	struct features features = everything();
	struct plan_opts opts = { .family = "kprobe" };
	struct buf why = { 0 };
	struct plan plan;

	assert_int_equal(plan__make(&features, &opts, &plan, &why), 0);
	assert_string_equal(plan.family, "kprobe");
	features.has[FEATURE_KPROBE] = false;
	assert_int_equal(plan__make(&features, &opts, &plan, &why), -ENOTSUP);
	buf__clear(&why);
	opts.family = "fentry";
	assert_int_equal(plan__make(&features, &opts, &plan, &why), -EINVAL);
	assert_true(says(&why, "'fentry'") && says(&why, "tracepoint, kprobe"));
	buf__release(&why);
}

static void test_what_every_family_needs(void **state)
{
	static const enum feature needs[] = { FEATURE_BTF,	 FEATURE_BPF,
					      FEATURE_RINGBUF,	 FEATURE_TP_BTF,
					      FEATURE_SET_STATE, FEATURE_SYSCALL_PROG,
					      FEATURE_LOOP };
	struct plan_opts opts = { 0 };

	for (size_t i = 0; i < sizeof(needs) / sizeof(needs[0]); i++) {
		struct features features = everything();
		struct buf why = { 0 };
		struct plan plan;

		features.has[needs[i]] = false;
		assert_int_equal(plan__make(&features, &opts, &plan, &why), -ENOTSUP);
		assert_true(says(&why, feature__name(needs[i])));
		assert_true(says(&why, feature__remedy(needs[i])));
		buf__release(&why);
	}
}

static void test_print(void **state)
{
	struct features features = everything();
	struct plan_opts opts = { 0 };
	struct buf out = { 0 };
	struct plan plan;

	assert_int_equal(plan__make(&features, &opts, &plan, &out), 0);
	plan__print(&plan, &out);
	assert_true(says(&out, "hook family: tracepoint"));
	assert_true(says(&out, "tp_btf/sock_send_length"));
	buf__release(&out);
}

/* Each feature tells its name, its beginning and what to do; asking does not crash without root. */
static void test_features(void **state)
{
	struct features features;

	for (int i = 0; i < FEATURE_COUNT; i++) {
		assert_true(strlen(feature__name(i)) > 0);
		assert_true(strlen(feature__since(i)) > 0);
		assert_true(strlen(feature__remedy(i)) > 0);
	}
	features__ask(&features);
	for (int i = 0; i < FEATURE_COUNT; i++)
		assert_int_equal(features.has[i], !features.reason[i][0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_best_first), cmocka_unit_test(test_second_best),
		cmocka_unit_test(test_forced),	   cmocka_unit_test(test_what_every_family_needs),
		cmocka_unit_test(test_print),	   cmocka_unit_test(test_features),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
