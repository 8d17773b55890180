/* SPDX-License-Identifier: MIT */

/*
 * The clock of the library is CLOCK_MONOTONIC, which no administrator moves. It stands
 * still while the machine sleeps, and that is wanted: a hello time-out that ran out
 * during a suspend would close connections whose owners have had no chance to speak.
 *
 * Not CLOCK_MONOTONIC_COARSE, although it is cheaper still: it lags by up to a tick (1 to
 * 10 ms), so that waits of a few milliseconds would end at once.
 */

#include "clock.h"

#include <time.h>

static uint64_t clock_read(clockid_t clock)
{
	struct timespec now;

	/* Cannot fail: both clocks exist on every kernel with eventfd, and the address
	 * is ours. */
	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

uint64_t clock_nanoseconds(void)
{
	return clock_read(CLOCK_MONOTONIC);
}

uint64_t clock_milliseconds(void)
{
	return clock_nanoseconds() / 1000000;
}

uint64_t clock_thread_nanoseconds(void)
{
	return clock_read(CLOCK_THREAD_CPUTIME_ID);
}
