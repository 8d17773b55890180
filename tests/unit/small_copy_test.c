/* SPDX-License-Identifier: MIT */
/*
 * Copies of few bytes, in pieces that overlap: every size that fits, at every place within a line of either side,
 * is copied whole, and no byte beside it is touched.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "small_copy.h"

#define LINE 64
#define ROOM (LINE + SMALL_COPY_MOST + LINE)
#define UNTOUCHED 0xee

static void every_size_is_copied_and_nothing_else(void **state)
{
	unsigned char from[ROOM], to[ROOM], expected[ROOM];

	(void)state;
	for (size_t i = 0; i < ROOM; i++)
		from[i] = (unsigned char)(i % 199);
	for (size_t size = SMALL_COPY_LEAST; size <= SMALL_COPY_MOST; size++) {
		for (size_t at = 0; at < LINE; at++) {
			memset(to, UNTOUCHED, ROOM);
			memset(expected, UNTOUCHED, ROOM);
			memcpy(expected + at, from + LINE - at, size);
			small_copy(to + at, from + LINE - at, size);
			assert_memory_equal(to, expected, ROOM);
		}
	}
}

static void only_these_sizes_fit(void **state)
{
	(void)state;
	assert_false(small_copy_fits(0));
	assert_false(small_copy_fits(SMALL_COPY_LEAST - 1));
	assert_true(small_copy_fits(SMALL_COPY_LEAST));
	assert_true(small_copy_fits(SMALL_COPY_MOST));
	assert_false(small_copy_fits(SMALL_COPY_MOST + 1));
	assert_false(small_copy_fits(SIZE_MAX));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_size_is_copied_and_nothing_else),
		cmocka_unit_test(only_these_sizes_fit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
