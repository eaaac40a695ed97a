// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Doubles that are whole numbers, against the compiler's own conversion. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "whole.h"

static uint64_t bits_of(double value)
{
	uint64_t bits;

	memcpy(&bits, &value, sizeof(bits));
	return bits;
}

static void test_whole(void **state)
{
	static const uint64_t some[] = {
		0, 1, 2, 3, 255, 1ull << 31, (1ull << 52) - 1, 1ull << 52, (1ull << 53) - 1
	};

	for (size_t i = 0; i < sizeof(some) / sizeof(*some); i++)
		assert_int_equal(whole__of_double(bits_of((double)some[i])), some[i]);
	for (uint64_t n = 0; n < 100000; n++)
		assert_int_equal(whole__of_double(bits_of((double)n)), n);
	srand(1);
	for (int i = 0; i < 100000; i++) {
		uint64_t n = ((uint64_t)rand() << 31 ^ (uint64_t)rand()) >> (rand() % 50);

		n &= (1ull << 53) - 1;
		assert_int_equal(whole__of_double(bits_of((double)n)), n);
	}
}

static void test_not_whole(void **state)
{
	static const double some[] = { -1,
				       0.5,
				       1.5,
				       -0.0,
				       0.1,
				       1e300,
				       INFINITY,
				       -INFINITY,
				       NAN,
				       DBL_MIN,
				       DBL_MIN / 2,
				       9007199254740992.0,
				       4503599627370495.5 };

	for (size_t i = 0; i < sizeof(some) / sizeof(*some); i++)
		assert_true(whole__of_double(bits_of(some[i])) == NOT_WHOLE);
	assert_true(whole__of_double(UINT64_MAX) == NOT_WHOLE);
}

/* Whatever the bits: what is said to be whole is what the double is. */
static void test_anything(void **state)
{
	srand(2);
	for (int i = 0; i < 1000000; i++) {
		uint64_t bits = (uint64_t)rand() << 42 ^ (uint64_t)rand() << 21 ^ (uint64_t)rand();
		uint64_t whole;
		double value;

		if (i & 1) /* near the numbers that are */
			bits = (bits & ((1ull << 52) - 1)) | (uint64_t)(1020 + rand() % 60) << 52;
		memcpy(&value, &bits, sizeof(value));
		whole = whole__of_double(bits);
		if (whole == NOT_WHOLE)
			assert_false(value >= 1 && value < 9007199254740992.0 &&
				     floor(value) == value);
		else
			assert_true((double)whole == value && whole < 1ull << 53);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole),
		cmocka_unit_test(test_not_whole),
		cmocka_unit_test(test_anything),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
