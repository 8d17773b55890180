/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_CORE_RANDOM_BYTES_H
#define EVCHAN_CORE_RANDOM_BYTES_H

#include <stddef.h>

/* Fills `out` from getrandom(2); never blocks after boot. Errors: -EAGAIN no entropy yet; -ENOSYS. */
int random_bytes(void *out, size_t size);

#endif
