/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_TESTS_FAULTS_RUN_H
#define EVCHAN_TESTS_FAULTS_RUN_H

/*
 * A scenario is played again and again, each time in a process of its own: without a fault; with the first of its
 * calls failing, the second, and so on, with each of the errors that call can have; until one goes by in which no
 * call was left to fail. After each the same process plays it once more, without a fault.
 *
 * A scenario always gets where it wants to: an error that was returned is one that the function's documentation
 * lists, and the call is made again; what a callback has told is the end of is begun anew. What may not happen:
 * that it gets nowhere and nobody is told, that a process dies of it, or that something is left.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "check.h"
#include "documented.h"
#include "faults.h"

struct scenario {
	const char *name;
	void (*play)(void); /* everything between faults_begin() and faults_end() counts */
	unsigned calls;     /* that may fail; 0: all */
	bool in_all_threads;
};

/* Plays it until no call is left to fail, and prints how many did. */
void scenario_run(const struct scenario *scenario);

/* Prints that of all of the program's. */
void scenario_print_totals(void);

/* The result of a function of the library: 0 or more, or an error that it is documented to return, and that comes of a
 * fault. Returns it. */
int scenario_result(enum documented function, int result);

/* A callback has told of it: that has to come of a fault, too. */
void scenario_told(void);

/* A folder that is empty at the beginning of each play, and has to be at its end. */
const char *scenario_folder(void);

/* How many times slower than usual everything is here. */
unsigned scenario_slowdown(void);

/* An out-argument that was not written. */
#define UNTOUCHED ((void *)(uintptr_t)0x5a5a)

#define SCENARIOS(...) \
	static const struct scenario scenarios[] = { __VA_ARGS__ }; \
	static void fails_nowhere(void **state) \
	{ \
		scenario_run(*state); \
	} \
	int main(void) \
	{ \
		struct CMUnitTest tests[sizeof(scenarios) / sizeof(scenarios[0])]; \
		for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) \
			tests[i] = (struct CMUnitTest){ scenarios[i].name, \
				fails_nowhere, NULL, NULL, \
				(void *)(uintptr_t)&scenarios[i] }; \
		int failed = cmocka_run_group_tests(tests, NULL, NULL); \
		scenario_print_totals(); \
		return failed; \
	}

#endif
