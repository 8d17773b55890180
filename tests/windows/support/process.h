/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_TESTS_WINDOWS_PROCESS_H
#define EVCHAN_TESTS_WINDOWS_PROCESS_H

/* What unit tests ask of ../support/process.h, where there are no forks and no sanitizers. */

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#define HAS_THREAD_SANITIZER 0
#define HAS_ADDRESS_SANITIZER 0

static inline bool is_under_valgrind(void)
{
	return false;
}

#endif
