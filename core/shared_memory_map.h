/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_CORE_SHARED_MEMORY_MAP_H
#define EVCHAN_CORE_SHARED_MEMORY_MAP_H

/*
 * The part of shared_memory.h that is the same whatever kind of object is mapped: for
 * shared_memory_memfd.c and its like.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "shared_memory.h"

/* Whether both are whole pages, the header is not empty, and all can be mapped and be a file's size. */
bool shared_memory_sizes_fit(size_t header_size, size_t data_size);

/* Bytes of the object. */
static inline off_t shared_memory_object_size(const struct shared_memory *memory)
{
	return (off_t)memory->header_size + (off_t)memory->data_size;
}

/*
 * Maps the object behind `fd`, sizes as in *memory, to memory->base. `is_owner`: read-write.
 * Errors: -ENOMEM; -EAGAIN more than may be locked; others of mmap.
 */
int shared_memory_map(struct shared_memory *memory, int fd, bool is_owner);

/* The same for a peer's object that was checked, and locks it if `flags` say so.
 * Errors: -EPERM cannot be read; -ENOMEM; -EAGAIN more than may be locked. */
int shared_memory_map_accepted(struct shared_memory *memory, int fd, unsigned flags);

/* The inverse; base becomes NULL. Harmless if nothing is mapped. */
void shared_memory_unmap(struct shared_memory *memory, struct disposal_account *account);

/*
 * Sizes the owner's object, memory->fd, and allocates its pages unless `flags` say LAZY, in steps.
 * RLIMIT_FSIZE is looked at first, because SIGXFSZ kills. In shared_memory_size.c.
 * Errors: -EFBIG; -ENOSPC, -ENOMEM and others of ftruncate and posix_fallocate.
 */
int shared_memory_set_size(const struct shared_memory *memory, unsigned flags);

/* Its pages up to `size`, without mapping them. In shared_memory_allocate_*.c. Errors: -ENOSPC, -ENOMEM and others of
 * posix_fallocate. */
int shared_memory_allocate(int fd, off_t size);

/* Writes a zero to each page of a new object's mapping. */
void shared_memory_touch(const struct shared_memory *memory);

void shared_memory_note_identity(struct shared_memory *memory, const struct stat *status);

/*
 * Locks it in memory if `flags` say so.
 * Errors: -EPERM this process may not lock anything; -EAGAIN not that much, or not at present.
 */
int shared_memory_lock(const struct shared_memory *memory, unsigned flags);

#endif
