/* SPDX-License-Identifier: MIT */
/*
 * The address space of a memory object: header, data, and the data once more.
 *
 *	1. reserve all of it with one inaccessible mapping, so that no other thread's mmap can
 *	   land in the middle
 *	2. replace its first part by the whole object
 *	3. replace the rest by the object's data area
 *
 * Both pictures of the data show the same pages, so the byte behind the last is the first, and a
 * record that crosses the end needs no case of its own anywhere. The price is address space and page
 * tables, not memory.
 */

#include "shared_memory_map.h"

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <sys/mman.h>

#include "descriptor.h"
#include "disposal.h"

static_assert(sizeof(ino_t) == 8, "an object is recognised by its whole inode number");
static_assert(sizeof(off_t) == 8, "sizes and inode numbers have 64 bits: define _FILE_OFFSET_BITS=64");

bool shared_memory_sizes_fit(size_t header_size, size_t data_size)
{
	size_t page = shared_memory_page_size();

	/* A quarter each: the sum of header and twice the data cannot overflow. */
	return header_size > 0 && header_size % page == 0 && data_size % page == 0 &&
	       header_size <= SIZE_MAX / 4 && data_size <= SIZE_MAX / 4;
}

static int map_at(void *address, size_t size, int protection, int fd, off_t offset)
{
	void *mapped = mmap(address, size, protection, MAP_SHARED | MAP_FIXED, fd, offset);

	return mapped == MAP_FAILED ? -errno : 0;
}

int shared_memory_map(struct shared_memory *memory, int fd, bool is_owner)
{
	int protection = is_owner ? PROT_READ | PROT_WRITE : PROT_READ;
	size_t once = memory->header_size + memory->data_size;
	size_t span = shared_memory_span(memory);
	unsigned char *base;
	int r;

	base = mmap(NULL, span, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (base == MAP_FAILED)
		return -errno;
	r = map_at(base, once, protection, fd, 0);
	if (r < 0)
		goto fail;
	if (memory->data_size) {
		r = map_at(base + once, memory->data_size, protection, fd,
				(off_t)memory->header_size);
		if (r < 0)
			goto fail;
	}
	memory->base = base;
	return 0;

fail:
	munmap(base, span);
	return r;
}

void shared_memory_unmap(struct shared_memory *memory, struct disposal_account *account)
{
	if (!memory->base)
		return;
	disposal_unmap(memory->base, shared_memory_span(memory), account);
	memory->base = NULL;
}

int shared_memory_lock(const struct shared_memory *memory, unsigned flags)
{
	if (!(flags & SHARED_MEMORY_LOCK))
		return 0;
	/* Pages, not addresses, are what is kept in memory: locking the second picture would keep nothing
	 * more and count against RLIMIT_MEMLOCK once again. */
	if (mlock(memory->base, memory->header_size + memory->data_size) == 0)
		return 0;
	/* ENOMEM is what the kernel says above the limit. */
	return errno == EPERM ? -EPERM : -EAGAIN;
}

int shared_memory_map_accepted(struct shared_memory *memory, int fd, unsigned flags)
{
	int r;

	r = shared_memory_map(memory, fd, false);
	if (r == -EBADF || r == -EACCES)
		return -EPERM; /* a descriptor that is not there to be read */
	if (r < 0)
		return r == -EAGAIN ? -EAGAIN : -ENOMEM;
	/* -EPERM would say that the object itself is not to be had. */
	if (shared_memory_lock(memory, flags) < 0) {
		shared_memory_unmap(memory, NULL);
		return -EAGAIN;
	}
	return 0;
}

void shared_memory_note_identity(struct shared_memory *memory, const struct stat *status)
{
	memory->device = (uint64_t)status->st_dev;
	memory->inode = status->st_ino;
}

void shared_memory_close(struct shared_memory *memory)
{
	descriptor_close(memory->fd);
	memory->fd = -1;
}

void shared_memory_deinit(struct shared_memory *memory, struct disposal_account *account)
{
	/* In this order the mapping holds the pages to the last, and disposal, if they are many, gets
	 * the work of freeing them. */
	shared_memory_close(memory);
	shared_memory_unmap(memory, account);
}
