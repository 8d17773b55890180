/* SPDX-License-Identifier: MIT */
/*
 * Where a failed check goes. Surprising: in a forked process cmocka's own assertions
 * would jump into the copy of the runner, which would then run the remaining tests a
 * second time.
 */

#include "check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int check_is_child;
const char *check_context;

void check_failed(const char *file, int line, const char *what)
{
	const char *context = check_context ? check_context : "";
	int error = errno;

	if (check_is_child) {
		fprintf(stderr, "%s:%d: in child %ld, errno %d: %s %s\n", file, line,
				(long)getpid(), error, context, what);
		_exit(1);
	}
	print_error("%s %s (errno %d)\n", context, what, error);
	_fail(file, line);
	abort();
}

void check_equal(long long value, long long expected, const char *text, const char *file,
		int line)
{
	char what[512];

	if (value == expected)
		return;
	snprintf(what, sizeof(what), "%s: is %lld, should be %lld", text, value,
			expected);
	check_failed(file, line, what);
}
