/* SPDX-License-Identifier: MIT */
/*
 * Giving a new memory object its size and its pages, before anybody maps it: what cannot be had is an error
 * then, and not SIGBUS at some later access.
 */

#include "shared_memory_map.h"

#include <errno.h>
#include <sys/resource.h>
#include <unistd.h>

size_t shared_memory_page_size(void)
{
	/* No system call: the kernel told the C library at start. */
	return (size_t)sysconf(_SC_PAGESIZE);
}

/* Growing a file above the limit raises SIGXFSZ, which kills by default. */
static int check_size_limit(off_t size)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_FSIZE, &limit) < 0)
		return -errno;
	if (limit.rlim_cur != RLIM_INFINITY && (rlim_t)size > limit.rlim_cur)
		return -EFBIG;
	return 0;
}

int shared_memory_set_size(const struct shared_memory *memory, unsigned flags)
{
	off_t size = shared_memory_object_size(memory);
	int r;

	r = check_size_limit(size);
	if (r < 0)
		return r;
	if (ftruncate(memory->fd, size) < 0)
		return -errno;
	return flags & SHARED_MEMORY_LAZY ? 0 : shared_memory_allocate(memory->fd, size);
}

void shared_memory_touch(const struct shared_memory *memory)
{
	size_t size = (size_t)shared_memory_object_size(memory);

	for (size_t at = 0; at < size; at += shared_memory_page_size())
		((volatile unsigned char *)memory->base)[at] = 0;
}
