/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_TESTS_WINDOWS_LACKING_H
#define EVCHAN_TESTS_WINDOWS_LACKING_H

/* Included before everything else in each test: what those of the other folders ask of the C library, and it lacks. */

#include <stddef.h>
#include <string.h>

#include <evchan/system.h>

/* A test of the file that cannot pass here, see tests.cmake. */
#ifdef EVCHAN_TEST_SKIP
void cmocka_set_skip_filter(const char *pattern);

__attribute__((constructor)) static void skip_test(void)
{
	cmocka_set_skip_filter(EVCHAN_TEST_SKIP);
}
#endif

#define _SC_PAGESIZE 30

static inline void *memmem(const void *in, size_t in_size, const void *what, size_t size)
{
	for (const char *at = in; in_size >= size; at++, in_size--)
		if (memcmp(at, what, size) == 0)
			return (void *)(uintptr_t)at;
	return NULL;
}

/* ctest ends a test that hangs. */
static inline unsigned alarm(unsigned seconds)
{
	(void)seconds;
	return 0;
}

size_t shared_memory_page_size(void);
uid_t user_own(void);

static inline long sysconf(int name)
{
	return name == _SC_PAGESIZE ? (long)shared_memory_page_size() : -1;
}

static inline uid_t geteuid(void)
{
	return user_own();
}

static inline gid_t getegid(void)
{
	return 1;
}

#endif
