/* SPDX-License-Identifier: MIT */

/* How long a sender waits before it tries again. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "backoff.h"

static const uint32_t randoms[] = { 0, 1, 12345, UINT32_MAX / 2, UINT32_MAX - 1,
	UINT32_MAX };
#define RANDOMS (sizeof(randoms) / sizeof(randoms[0]))

/* Each step is twice the one before it, up to the longest, and lies between its half
 * and its whole. */
static void delay_doubles_up_to_the_longest(void **state)
{
	static const uint32_t wholes[] = { 10, 20, 40, 80, 160, 320, 640, 1280, 2000,
		2000, 2000 };

	(void)state;
	for (uint32_t attempt = 0; attempt < sizeof(wholes) / sizeof(wholes[0]);
			attempt++) {
		for (size_t i = 0; i < RANDOMS; i++)
			assert_in_range(backoff_delay(attempt, 10, 2000, randoms[i]),
					wholes[attempt] / 2, wholes[attempt]);
	}
}

/* Both ends of the range are reached. */
static void both_ends_are_drawn(void **state)
{
	(void)state;
	assert_int_equal(backoff_delay(0, 10, 2000, 0), 5);
	assert_int_equal(backoff_delay(0, 10, 2000, UINT32_MAX), 10);
	assert_int_equal(
			backoff_delay(0, UINT32_MAX, UINT32_MAX, UINT32_MAX), UINT32_MAX);
	assert_int_equal(backoff_delay(0, UINT32_MAX, UINT32_MAX, 0), UINT32_MAX / 2);
}

/* Every value of the range is drawn as often as any other. */
static void draws_are_even(void **state)
{
	enum {
		DRAWS = 1 << 16
	};
	unsigned counts[11] = { 0 };

	(void)state;
	for (uint32_t i = 0; i < DRAWS; i++)
		counts[backoff_delay(0, 10, 10, i << 16)]++;
	for (int delay = 0; delay < 5; delay++)
		assert_int_equal(counts[delay], 0);
	for (int delay = 5; delay <= 10; delay++)
		assert_in_range(counts[delay], DRAWS / 6, DRAWS / 6 + 1);
}

/* No number of attempts overflows, and no delay is 0: that would be a busy loop. */
static void extremes_are_harmless(void **state)
{
	static const uint32_t extremes[] = { 0, 1, 2, 31, 32, 33, 63, 64, 65,
		UINT32_MAX };
	enum {
		COUNT = sizeof(extremes) / sizeof(extremes[0])
	};

	(void)state;
	for (int attempt = 0; attempt < COUNT; attempt++) {
		for (int least = 0; least < COUNT; least++) {
			for (int longest = 0; longest < COUNT; longest++) {
				uint32_t delay = backoff_delay(extremes[attempt],
						extremes[least], extremes[longest],
						UINT32_MAX);

				assert_true(delay >= 1);
				assert_true(delay <= extremes[longest] || delay == 1);
			}
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(delay_doubles_up_to_the_longest),
		cmocka_unit_test(both_ends_are_drawn),
		cmocka_unit_test(draws_are_even),
		cmocka_unit_test(extremes_are_harmless),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
