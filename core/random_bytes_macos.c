/* SPDX-License-Identifier: MIT */
/* Random bytes where there is no getrandom(2): getentropy(2), which never blocks and gives 256 at most. */

#include "random_bytes.h"

#include <errno.h>
#include <sys/types.h>
/* after the types, which it does not include itself */
#include <sys/random.h>

#define BYTES_AT_ONCE 256

int random_bytes(void *out, size_t size)
{
	unsigned char *next = out;

	while (size > 0) {
		size_t step = size < BYTES_AT_ONCE ? size : BYTES_AT_ONCE;

		if (getentropy(next, step) < 0)
			return -errno;
		next += step;
		size -= step;
	}
	return 0;
}
