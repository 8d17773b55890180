/* SPDX-License-Identifier: MIT */
/* Memory: what is taken, what is mapped, and how much of it is still there. */

#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/types.h>

#include "wrap.h"

static atomic_long allocations;
static atomic_long mapped_bytes;

long faults_allocations(void)
{
	return atomic_load(&allocations);
}

long faults_mapped_bytes(void)
{
	return atomic_load(&mapped_bytes);
}

static bool no_memory(const char *function)
{
	return fault(FAULT_MEMORY, function, FAULT_ERRORS(ENOMEM));
}

static void *taken(void *memory)
{
	if (memory)
		atomic_fetch_add(&allocations, 1);
	return memory;
}

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_malloc(size_t size)
{
	return no_memory("malloc") ? NULL : taken(__real_malloc(size));
}

void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size)
{
	return no_memory("calloc") ? NULL : taken(__real_calloc(count, size));
}

void *__real_realloc(void *memory, size_t size);
void *__wrap_realloc(void *memory, size_t size);
void *__wrap_realloc(void *memory, size_t size)
{
	if (no_memory("realloc"))
		return NULL;
	if (memory)
		return __real_realloc(memory, size);
	return taken(__real_realloc(memory, size));
}

void __real_free(void *memory);
void __wrap_free(void *memory);
void __wrap_free(void *memory)
{
	if (memory)
		atomic_fetch_sub(&allocations, 1);
	__real_free(memory);
}

void *REAL(LARGE(mmap))(void *address, size_t size, int protection, int flags, int fd,
		off_t offset);
void *WRAPPED(LARGE(mmap))(void *address, size_t size, int protection, int flags, int fd,
		off_t offset);
void *WRAPPED(LARGE(mmap))(void *address, size_t size, int protection, int flags, int fd,
		off_t offset)
{
	void *mapped;

	if (fault(FAULT_SYSTEM, "mmap", FAULT_ERRORS(ENOMEM, EAGAIN)))
		return MAP_FAILED;
	mapped = REAL(LARGE(mmap))(address, size, protection, flags, fd, offset);
	/* The others go where something is mapped already. */
	if (mapped != MAP_FAILED && !(flags & MAP_FIXED))
		atomic_fetch_add(&mapped_bytes, (long)size);
	return mapped;
}

int __real_munmap(void *address, size_t size);
int __wrap_munmap(void *address, size_t size);
int __wrap_munmap(void *address, size_t size)
{
	int r = __real_munmap(address, size);

	/* Not one that fails: it would leave a mapping behind, and nobody could do anything about that. */
	if (r == 0)
		atomic_fetch_sub(&mapped_bytes, (long)size);
	return r;
}

WRAP(int, mlock, (const void *address, size_t size), (address, size), EAGAIN, ENOMEM,
		EPERM)
WRAP(int, madvise, (void *address, size_t size, int advice), (address, size, advice),
		ENOMEM)
