/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_TESTS_FAULTS_WRAP_H
#define EVCHAN_TESTS_FAULTS_WRAP_H

/* How a wrapper is made. The linker turns calls of NAME into calls of __wrap_NAME, and __real_NAME into NAME. */

#include <errno.h>

#include "faults.h"

/* Functions that have a twin for 64-bit offsets are called by its name where the C library has it. */
#ifdef __GLIBC__
#define LARGE(name) name##64
#else
#define LARGE(name) name
#endif

#define JOIN(one, other) one##other
#define REAL(name) JOIN(__real_, name)
#define WRAPPED(name) JOIN(__wrap_, name)

/* WRAP(result, name, (parameters), (arguments), errors...): one that fails with -1 and errno. */
#define WRAP_AS(kind, shown, result, name, parameters, arguments, ...) \
	result REAL(name) parameters; \
	result WRAPPED(name) parameters; \
	result WRAPPED(name) parameters \
	{ \
		if (fault(kind, shown, FAULT_ERRORS(__VA_ARGS__))) \
			return -1; \
		return REAL(name) arguments; \
	}
#define WRAP(result, name, parameters, arguments, ...) \
	WRAP_AS(FAULT_SYSTEM, #name, result, name, parameters, arguments, __VA_ARGS__)
#define WRAP_LARGE(result, name, parameters, arguments, ...) \
	WRAP_AS(FAULT_SYSTEM, #name, result, LARGE(name), parameters, arguments, \
			__VA_ARGS__)

#endif
