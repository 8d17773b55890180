/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_CORE_SHARED_MEMORY_H
#define EVCHAN_CORE_SHARED_MEMORY_H

/*
 * A memory object that one process writes and another reads: a header of whole pages, and a data
 * area (maybe none) that is mapped twice, back to back, so that no record ever wraps.
 *
 *	address space:  | header | data | data again |
 *	object:         | header | data |
 *
 * The owner makes it: sizes, allocates, maps read-write, then seals it against shrinking, growing,
 * new writers and new seals (design, section 4). The peer gets the descriptor from a stranger: it
 * accepts nothing but a sealed memfd of ordinary pages, of exactly the size announced, and maps it
 * read-only.
 *
 * So with shared_memory_memfd.c. Systems without seals have shared_memory_shm.c, with weaker promises: see
 * shared_memory_has_seals().
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct shared_memory {
	void *base;         /* the header; NULL: nothing mapped */
	size_t header_size; /* bytes, whole pages */
	size_t data_size;   /* bytes, whole pages or 0 */
	int fd;             /* the owner's descriptor, in descriptor.h's table; -1 none */
	uint64_t device;    /* identity of the object, st_dev and st_ino; inode 0: none */
	uint64_t inode;
};
#define SHARED_MEMORY_NONE { NULL, 0, 0, -1, 0, 0 }

enum {
	SHARED_MEMORY_LAZY = 1 << 0, /* create: do not allocate; accept: allocation not required */
	SHARED_MEMORY_LOCK = 1 << 1, /* mlock(2): RLIMIT_MEMLOCK is charged once, header and data */
};

/* sysconf(_SC_PAGESIZE): no system call. */
size_t shared_memory_page_size(void);

static inline unsigned char *shared_memory_data(const struct shared_memory *memory)
{
	return (unsigned char *)memory->base + memory->header_size;
}

/* Bytes of address space: header and twice the data. */
static inline size_t shared_memory_span(const struct shared_memory *memory)
{
	return memory->header_size + 2 * memory->data_size;
}

/*
 * Makes one: memfd, close-on-exec, sized, allocated in steps (RLIMIT_FSIZE is looked at first,
 * because SIGXFSZ kills), mapped, sealed. All bytes are zero. The sizes are whole pages.
 * Errors: -ENOMEM, -ENOSPC, -EFBIG (also for sizes that are not whole pages), -EMFILE, -ENFILE, -ENOSYS no
 * memfd, no such seal, or no shared memory here, -EPERM or -EAGAIN mlock refused.
 */
int shared_memory_create(struct shared_memory *out, size_t header_size, size_t data_size,
		unsigned flags);

/*
 * Whether objects are sealed, so that any user's can be taken. If not, whoever made one can make it shorter
 * while it is mapped, and then this process dies of SIGBUS: nobody's objects but those of processes of the own user
 * (or root) may be accepted, and nothing of others' descriptors may be looked at beyond
 * shared_memory_is_acceptable().
 */
bool shared_memory_has_seals(void);

/* With seals: whether `fd`, from anybody, is a memfd that carries all the required ones. Without: whether it is a descriptor at
 * all. The first and, if it fails, only call made on a stranger's descriptor: it never touches the file
 * system that comes from (F_GET_SEALS, F_GETFL). */
bool shared_memory_is_acceptable(int fd);

/*
 * Maps a peer's object read-only. Checks seals, file system (tmpfs), exact size, and that all blocks are
 * allocated unless flags say LAZY. The descriptor stays the caller's, out->fd is -1.
 * Never writes to it, sizes, syncs or seals it. Without seals: checks its owner (the own user or root), that no other has
 * access, that it has no name, and exact size.
 * Errors: -EPERM not sealed, or not the own user's; -EMEDIUMTYPE not ordinary memory pages; -EBADMSG wrong size, or not whole pages
 * of this process; -ENODATA not allocated; -ENOMEM; -EAGAIN mlock refused.
 */
int shared_memory_accept(struct shared_memory *out, int fd, size_t header_size,
		size_t data_size, unsigned flags);

/* Closes the owner's descriptor, after it was passed on for the last time; the mapping stays. */
void shared_memory_close(struct shared_memory *memory);

struct disposal_account;

/* Unmaps (large ones through disposal.h, charged to `account`, which may be NULL) and closes the
 * owner's descriptor. Harmless on SHARED_MEMORY_NONE and the second time. */
void shared_memory_deinit(struct shared_memory *memory, struct disposal_account *account);

#endif
