/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_CORE_DISPOSAL_THREAD_H
#define EVCHAN_CORE_DISPOSAL_THREAD_H

/* What disposal.c asks of the system about threads and mappings: disposal_thread_linux.c, disposal_thread_macos.c. */

#include <stdbool.h>
#include <stddef.h>

/* The calling thread as the kernel numbers it; never 0. */
long disposal_thread_self(void);

/* Whether a thread of this process, which has ended or is about to, has left the kernel, too. */
bool disposal_thread_is_gone(long thread);

/* No child of a fork inherits the mapping from here on. Best effort. */
void disposal_keep_from_children(void *base, size_t size);

#endif
