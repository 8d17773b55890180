/* SPDX-License-Identifier: MIT */

/*
 * Random bytes from the kernel, for lane ids, private addresses and the jitter of
 * reconnections. The first two are secrets between processes, so nothing weaker will do
 * for all.
 *
 * GRND_NONBLOCK, because nothing called from a loop may wait: before the kernel has
 * gathered its first entropy, which a program started early in the boot can see,
 * getrandom(2) would sleep for seconds. No fall-back to /dev/urandom, which gives
 * predictable bytes at just that moment.
 */

#include "random_bytes.h"

#include <errno.h>
#include <sys/random.h>

int random_bytes(void *out, size_t size)
{
	unsigned char *next = out;

	/* Above 256 bytes a signal can cut the answer short. */
	while (size > 0) {
		ssize_t got = getrandom(next, size, GRND_NONBLOCK);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		next += got;
		size -= (size_t)got;
	}
	return 0;
}
