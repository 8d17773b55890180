/* SPDX-License-Identifier: MIT */

/*
 * The histogram of examples/http-workers: counts below powers of two are exact, quantiles are those of the sorted values to a
 * sixteenth.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "histogram.h"

#define COUNT 20000

static int compare(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* Values of all magnitudes, the same in every run. */
static void fill(struct histogram *histogram, uint64_t *values)
{
	uint64_t state = 42;

	memset(histogram, 0, sizeof(*histogram));
	for (size_t i = 0; i < COUNT; i++) {
		state = state * 6364136223846793005u + 1442695040888963407u;
		values[i] = (state >> 8) >> (16 + state % 40);
		histogram_add(histogram, values[i]);
	}
	qsort(values, COUNT, sizeof(*values), compare);
}

static void counts_below_powers_of_two_are_exact(void **state)
{
	static struct histogram histogram;
	static uint64_t values[COUNT];

	(void)state;
	fill(&histogram, values);
	for (unsigned power = 0; power < 60; power++) {
		uint64_t below = 0;

		while (below < COUNT && values[below] < UINT64_C(1) << power)
			below++;
		assert_int_equal(
				histogram_below(&histogram, UINT64_C(1) << power), below);
	}
}

static void quantiles_are_right_to_a_sixteenth(void **state)
{
	static struct histogram histogram;
	static uint64_t values[COUNT];

	(void)state;
	fill(&histogram, values);
	for (unsigned permille = 1; permille <= 1000; permille++) {
		uint64_t exact = values[COUNT * permille / 1000 - 1];
		uint64_t found = histogram_quantile(&histogram, permille);

		assert_true(found >= exact);
		assert_true(found <= exact + exact / 16);
	}
}

static void nothing_and_the_largest_have_a_place(void **state)
{
	static struct histogram histogram;

	(void)state;
	assert_int_equal(histogram_quantile(&histogram, 500), 0);
	histogram_add(&histogram, 0);
	assert_int_equal(histogram_quantile(&histogram, 1000), 0);
	histogram_add(&histogram, UINT64_MAX);
	assert_int_equal(histogram.count, 2);
	assert_int_equal(histogram_below(&histogram, UINT64_C(1) << 60), 1);
	assert_int_equal(histogram_quantile(&histogram, 1000), UINT64_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counts_below_powers_of_two_are_exact),
		cmocka_unit_test(quantiles_are_right_to_a_sixteenth),
		cmocka_unit_test(nothing_and_the_largest_have_a_place),
	};

	return cmocka_run_group_tests_name("histogram", tests, NULL, NULL);
}
