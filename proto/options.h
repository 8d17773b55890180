/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_PROTO_OPTIONS_H
#define EVCHAN_PROTO_OPTIONS_H

/*
 * Reading and writing public structs by the size their caller was compiled with (evchan.h, "Structs"). The core does the
 * same; this library uses only its public functions, which do not include that.
 */

#include <stddef.h>

/* Copies `given` (NULL: all zero) into `known`. Errors: -EINVAL; -E2BIG. */
int options_read(void *known, size_t known_size, const void *given);

/* Writes no more than the caller's size says. */
void options_write(void *given, const void *known, size_t known_size);

#endif
