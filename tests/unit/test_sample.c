// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include <errno.h>

#include "sample.h"
#include "trees.h"

static void names_parse(void **state)
{
	struct sampler s;

	assert_int_equal(sampler__parse("always_on", NULL, &s), 0);
	assert_true(!s.parent_based && s.root == SAMPLER_ALWAYS_ON);
	assert_int_equal(sampler__parse("parentbased_always_off", "ignored", &s), 0);
	assert_true(s.parent_based && s.root == SAMPLER_ALWAYS_OFF);
	assert_int_equal(sampler__parse("parentbased_traceidratio", "0.25", &s), 0);
	assert_true(s.parent_based && s.root == SAMPLER_RATIO && s.ratio == 0.25);
	assert_int_equal(sampler__parse("traceidratio", "", &s), 0);
	assert_true(s.ratio == 1.0);
	assert_int_equal(sampler__parse("traceidratio", NULL, &s), 0);
	s.ratio = 0.5;
	assert_int_equal(sampler__parse("traceidratio", "1.5", &s), -ERANGE);
	assert_int_equal(sampler__parse("traceidratio", "-0.1", &s), -ERANGE);
	assert_int_equal(sampler__parse("traceidratio", "nan", &s), -ERANGE);
	assert_int_equal(sampler__parse("traceidratio", "half", &s), -ERANGE);
	assert_int_equal(sampler__parse("traceidratio", "0.5x", &s), -ERANGE);
	assert_int_equal(sampler__parse("jaeger_remote", "", &s), -EINVAL);
	assert_true(s.ratio == 0.5); /* untouched */
}

static void parent_decides(void **state)
{
	struct sampler off = { .parent_based = true, .root = SAMPLER_ALWAYS_OFF };
	struct sampler on = { .parent_based = true, .root = SAMPLER_ALWAYS_ON };
	struct context context = { .origin_remote = true, .origin_sampled = true };

	assert_true(sampler__keep(&off, &context));
	context.origin_sampled = false;
	assert_false(sampler__keep(&on, &context));
	on.parent_based = false;
	assert_true(sampler__keep(&on, &context));
	context.origin_remote = false;
	assert_false(sampler__keep(&off, &context));
}

static void ratio_is_a_nested_function_of_the_id(void **state)
{
	struct sampler few = { .root = SAMPLER_RATIO, .ratio = 0.1 };
	struct sampler many = { .root = SAMPLER_RATIO, .ratio = 0.3 };
	struct ids *ids = ids__new_seeded(5);
	struct context context = { 0 };
	int kept_few = 0, kept_many = 0;

	for (int i = 0; i < 100000; i++) {
		ids__trace_id(ids, context.trace_id);
		kept_many += sampler__keep(&many, &context);
		if (sampler__keep(&few, &context)) {
			kept_few++;
			assert_true(sampler__keep(&many, &context));
		}
	}
	/* five sigma */
	assert_in_range(kept_few, 10000 - 475, 10000 + 475);
	assert_in_range(kept_many, 30000 - 725, 30000 + 725);
	ids__free(ids);
}

static void ratio_borders(void **state)
{
	struct sampler half = { .root = SAMPLER_RATIO, .ratio = 0.5 };
	struct sampler none = { .root = SAMPLER_RATIO, .ratio = 0 };
	struct sampler all = { .root = SAMPLER_RATIO, .ratio = 1 };
	struct context context = { 0 };

	memset(context.trace_id, 0xff, 8); /* the first eight bytes do not count */
	context.trace_id[8] = 0x7f;
	memset(context.trace_id + 9, 0xff, 7);
	assert_true(sampler__keep(&half, &context));
	context.trace_id[8] = 0x80;
	memset(context.trace_id + 9, 0, 7);
	assert_false(sampler__keep(&half, &context));
	memset(context.trace_id, 0, 16);
	assert_false(sampler__keep(&none, &context));
	memset(context.trace_id, 0xff, 16);
	assert_true(sampler__keep(&all, &context));
}

static void count_and_free(void *ctx, struct exchange *exchange, enum exchange_step step)
{
	++*(int *)ctx;
	exchange__free(exchange);
}

static void stage_drops_and_counts(void **state)
{
	struct stats stats = { 0 };
	int kept = 0;
	struct sample *sample =
		sample__new(&(struct sample_opts){ &stats, { true, SAMPLER_ALWAYS_ON, 0 } },
			    (struct exchange_sink){ count_and_free, &kept });
	struct ids *ids = ids__new_seeded(5);

	for (int i = 0; i < 10; i++) {
		struct exchange *exchange = exchange__new();

		exchange->context = context__new(ids);
		exchange->context->origin_remote = i & 1;
		sample__push(sample, exchange, EXCHANGE_DONE);
	}
	assert_int_equal(kept, 5);
	assert_int_equal(stats.lost[LOSS_UNSAMPLED], 5);
	sample__free(sample);
	ids__free(ids);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_parse),
		cmocka_unit_test(parent_decides),
		cmocka_unit_test(ratio_is_a_nested_function_of_the_id),
		cmocka_unit_test(ratio_borders),
		cmocka_unit_test(stage_drops_and_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
