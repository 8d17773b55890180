/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_CORE_DISPOSAL_WINDOWS_H
#define EVCHAN_CORE_DISPOSAL_WINDOWS_H

#include <stdbool.h>

#include "disposal.h"

/* Calls `run` on a thread of the pool, where it may wait as long as it likes; disposal_wait() waits for it, too. Whether
 * there is room: if not, nothing is called. */
bool disposal_run(void (*run)(void *arg), void *arg);

#endif
