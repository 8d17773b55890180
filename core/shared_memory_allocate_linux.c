/* SPDX-License-Identifier: MIT */
/* Pages for a memory object, in steps that a signal handler does not wait for long. */

#include "shared_memory_map.h"

#include <errno.h>
#include <fcntl.h>

/* Large enough that the calls do not count; small enough that a signal handler waits a few milliseconds. */
#define ALLOCATION_STEP ((off_t)16 << 20)
#define ALLOCATION_STEP_MIN ((off_t)64 << 10)

/*
 * Newer kernels let nothing but SIGKILL interrupt this. On others a call that a signal interrupts gives back
 * what it had allocated, so with a fast enough timer in the application a large step would never
 * end. Each interruption halves it; the least takes microseconds.
 */
int shared_memory_allocate(int fd, off_t size)
{
	off_t done = 0, step = ALLOCATION_STEP;

	while (done < size) {
		int error;

		if (step > size - done)
			step = size - done;
		error = posix_fallocate(fd, done, step);
		if (error == 0)
			done += step;
		else if (error != EINTR)
			return -error;
		else if (step > ALLOCATION_STEP_MIN)
			step /= 2;
	}
	return 0;
}
