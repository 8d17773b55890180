/* SPDX-License-Identifier: MIT */
/* Of scene.h what a test within one process needs; others are in players.h. */

#include "scene.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <windows.h>

#include "check.h"
#include "descriptor.h"
#include "disposal.h"

#define HANG_SECONDS 60u
#define PATIENCE_MS 20000

static char address[64];
static unsigned owned_descriptors; /* before the test */
static HANDLE alarm_timer;

unsigned scene_slowdown(void)
{
	const char *text = getenv("EVCHAN_TEST_SLOWDOWN");
	int slowdown = text ? atoi(text) : 1;

	return slowdown > 1 ? (unsigned)slowdown : 1;
}

unsigned scene_scaled(unsigned count)
{
	unsigned scaled = count / scene_slowdown();

	return scaled ? scaled : 1;
}

static void CALLBACK hang(void *arg, BOOLEAN timed_out)
{
	(void)arg;
	(void)timed_out;
	fprintf(stderr, "hangs %s\n", check_context ? check_context : "");
	TerminateProcess(GetCurrentProcess(), 1);
}

void scene_change_address(void)
{
	static unsigned number;

	snprintf(address, sizeof(address), "@evchan-test-%lu-%u", GetCurrentProcessId(),
			++number);
}

int scene_set_up(void **state)
{
	(void)state;
	scene_change_address();
	CHECK_EQUAL(disposal_wait(PATIENCE_MS), 0);
	owned_descriptors = descriptor_count();
	CHECK(CreateTimerQueueTimer(&alarm_timer, NULL, hang, NULL,
			HANG_SECONDS * 1000 * scene_slowdown(), 0, WT_EXECUTEONLYONCE));
	return 0;
}

int scene_tear_down(void **state)
{
	(void)state;
	CHECK_EQUAL(disposal_wait(PATIENCE_MS), 0);
	CHECK_EQUAL(descriptor_count(), owned_descriptors);
	(void)DeleteTimerQueueTimer(NULL, alarm_timer, INVALID_HANDLE_VALUE);
	return 0;
}

const char *scene_address(void)
{
	return address;
}

/* Only tests that ../tests.cmake does not list play with these. */
pid_t scene_start(void (*role)(void *arg), void *arg)
{
	(void)role;
	(void)arg;
	check_failed(__FILE__, __LINE__, "there is no fork here");
}
