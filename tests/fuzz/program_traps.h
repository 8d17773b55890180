/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_TESTS_FUZZ_PROGRAM_TRAPS_H
#define EVCHAN_TESTS_FUZZ_PROGRAM_TRAPS_H

/*
 * Included before everything else in the sources of the programs' options, so that a wrong command line ends
 * the reading of it, and not the process, and so that what is said to the user is checked and not
 * printed: see fuzz_options.c.
 */

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

_Noreturn void trap_exit(int status);
int trap_print(FILE *stream, const char *format, ...)
		__attribute__((format(printf, 2, 3)));
void *trap_realloc(void *memory, size_t size);

#ifndef TRAPS_ARE_MADE_HERE
/* With arguments only: "printf" is a word of attributes, too. */
#define exit(status) trap_exit(status)
#define fprintf(...) trap_print(__VA_ARGS__)
#define printf(...) trap_print(stdout, __VA_ARGS__)
#define fputs(text, stream) trap_print(stream, "%s", text)
#define realloc(...) trap_realloc(__VA_ARGS__)
#endif

#endif
