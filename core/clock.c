/* SPDX-License-Identifier: MIT */

/*
 * The one clock of the library: CLOCK_MONOTONIC, which no administrator moves. It stands
 * still while the machine sleeps, and that is wanted: a hello time-out that ran out
 * during a suspend would close connections whose owners have had no chance to speak.
 *
 * Not CLOCK_MONOTONIC_COARSE, although it is cheaper still: it lags by up to a tick (1 to
 * 10 ms), so that waits of a few milliseconds would end at once.
 */

#include "clock.h"

#include <time.h>

uint64_t clock_milliseconds(void)
{
	struct timespec now;

	/* Cannot fail: the clock exists on every kernel with eventfd, and the address
	 * is ours. */
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}
