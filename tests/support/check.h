/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_TESTS_CHECK_H
#define EVCHAN_TESTS_CHECK_H

/*
 * Assertions for code that runs in the test program and in the processes it forks alike:
 * in the program they end the test, in a forked process they end the process, with status
 * 1.
 */

/* Set in every process that scene.h forks. */
extern int check_is_child;
/* What is under way, in words: said with a failure unless NULL. */
extern const char *check_context;

void check_failed(const char *file, int line, const char *what) __attribute__((noreturn));
void check_equal(long long value, long long expected, const char *text, const char *file,
		int line);

#define CHECK(condition) \
	((condition) ? (void)0 : check_failed(__FILE__, __LINE__, #condition))
#define CHECK_EQUAL(value, expected) \
	check_equal((long long)(value), (long long)(expected), #value " == " #expected, \
			__FILE__, __LINE__)

#endif
