/* SPDX-License-Identifier: MIT */
/*
 * The performance counter: monotonic, the same in all threads, fine. Unlike elsewhere it goes on while the machine sleeps, so a
 * connection that was silent before may find its time over after.
 */

#include "clock.h"

#include <windows.h>

#define NANOSECONDS UINT64_C(1000000000)

uint64_t clock_nanoseconds(void)
{
	LARGE_INTEGER frequency, now;
	uint64_t whole, rest;

	/* Cannot fail since Windows XP. Two steps, so that nothing overflows. */
	QueryPerformanceFrequency(&frequency);
	QueryPerformanceCounter(&now);
	whole = (uint64_t)now.QuadPart / (uint64_t)frequency.QuadPart;
	rest = (uint64_t)now.QuadPart % (uint64_t)frequency.QuadPart;
	return whole * NANOSECONDS + rest * NANOSECONDS / (uint64_t)frequency.QuadPart;
}

uint64_t clock_milliseconds(void)
{
	return clock_nanoseconds() / 1000000;
}

static uint64_t ticks_of(const FILETIME *time)
{
	return ((uint64_t)time->dwHighDateTime << 32) | time->dwLowDateTime;
}

uint64_t clock_thread_nanoseconds(void)
{
	FILETIME created, ended, in_kernel, in_user;

	if (!GetThreadTimes(GetCurrentThread(), &created, &ended, &in_kernel, &in_user))
		return 0;
	return (ticks_of(&in_kernel) + ticks_of(&in_user)) * 100;
}
