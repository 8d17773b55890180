/* SPDX-License-Identifier: MIT */
/*
 * Memory objects where there are no memfds, or no seals: POSIX shared memory without a name.
 *
 * What can be had of the promises of shared_memory_memfd.c, and what cannot: the maker keeps its only writable
 * descriptor for as long as it takes to map the object, and passes another, which can only be read. But no
 * seal forbids a process of the same user to get itself a writable one again (through /proc, or ptrace) and to make the
 * object shorter; whoever touches a page that is gone dies of SIGBUS. So an object is taken from the
 * own user only (or root): from processes, that is, which could kill this one anyhow. The callers refuse peers of
 * others before their descriptors are looked at; the owner of the object is checked here once
 * more, because that peer may pass on what a third one has made.
 *
 * Surprising: of the pages' being there nothing is asked, and the flag LAZY changes nothing for the reader.
 * The owner could take them back one moment later, and a hole reads as zeros, which the reader checks
 * like anything else.
 *
 * The object has a name for the time of two system calls. A process that is killed between them leaves an empty
 * one in /dev/shm; nobody finds it again, nor trips over it.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "descriptor.h"
#include "random_bytes.h"
#include "shared_memory_map.h"

/* Random names of 64 bits do not collide, unless somebody guesses them. */
#define NAME_TRIES 4

/* Short: 31 characters are all that some systems take. */
#define NAME_SIZE sizeof("/evchan-0123456789abcdef")

static int shm_error(int error)
{
	switch (error) {
	case EMFILE:
	case ENFILE:
	case ENOMEM:
	case ENOSPC:
	case EEXIST:
		return -error;
	default:
		/* No /dev/shm, or none that we may write to. */
		return -ENOSYS;
	}
}

/* Both ends of a new object, which has no name any more; *reading is in descriptor.h's table, too. */
static int open_both(const char *name, int *writing, int *reading)
{
	int r = 0;

	*reading = -1;
	*writing = shm_open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (*writing < 0)
		return shm_error(errno);
	*reading = shm_open(name, O_RDONLY | O_CLOEXEC, 0);
	if (*reading < 0)
		r = shm_error(errno);
	shm_unlink(name);
	if (r == 0)
		r = descriptor_own(*writing);
	if (r == 0)
		r = descriptor_own(*reading);
	if (r < 0) {
		descriptor_close(*writing);
		descriptor_close(*reading);
	}
	return r;
}

static int make_object(int *writing, int *reading)
{
	char name[NAME_SIZE];
	uint64_t number;
	int r = -EEXIST;

	for (int i = 0; i < NAME_TRIES && r == -EEXIST; i++) {
		r = random_bytes(&number, sizeof(number));
		if (r < 0)
			return -ENOSYS;
		snprintf(name, sizeof(name), "/evchan-%016llx", (unsigned long long)number);
		descriptor_begin();
		r = open_both(name, writing, reading);
		descriptor_end();
	}
	return r;
}

/* memory->fd is the writable descriptor. */
static int fill(struct shared_memory *memory, unsigned flags)
{
	struct stat status;
	int r;

	r = shared_memory_set_size(memory, flags);
	if (r < 0)
		return r;
	r = shared_memory_map(memory, memory->fd, true);
	if (r < 0)
		return r;
	if (!(flags & SHARED_MEMORY_LAZY))
		shared_memory_touch(memory);
	if (fstat(memory->fd, &status) < 0)
		return -errno;
	shared_memory_note_identity(memory, &status);
	return shared_memory_lock(memory, flags);
}

int shared_memory_create(struct shared_memory *out, size_t header_size, size_t data_size,
		unsigned flags)
{
	struct shared_memory memory = SHARED_MEMORY_NONE;
	int reading, r;

	if (!shared_memory_sizes_fit(header_size, data_size))
		return -EFBIG;
	memory.header_size = header_size;
	memory.data_size = data_size;
	r = make_object(&memory.fd, &reading);
	if (r < 0)
		return r;
	r = fill(&memory, flags);
	/* From here on nobody has a descriptor that writes, the maker included. */
	descriptor_close(memory.fd);
	memory.fd = reading;
	if (r < 0) {
		shared_memory_deinit(&memory, NULL);
		return r;
	}
	*out = memory;
	return 0;
}

bool shared_memory_has_seals(void)
{
	return false;
}

bool shared_memory_is_acceptable(int fd)
{
	/* All that can be asked without a word to the file system behind it. */
	return fcntl(fd, F_GETFL) >= 0;
}

/* Whether only its owner can have it, and the owner is somebody who could do worse to this process. */
static bool is_from_own_user(const struct stat *status)
{
	return (status->st_uid == geteuid() || status->st_uid == 0) &&
	       (status->st_mode & (S_IRWXG | S_IRWXO)) == 0 && status->st_nlink == 0;
}

/* `memory` has the sizes that were announced. */
static int check_object(struct shared_memory *memory, int fd)
{
	struct stat status;

	if (!shared_memory_is_acceptable(fd) || fstat(fd, &status) < 0)
		return -EPERM;
	/* Some systems give shared memory no file type at all. */
	if (!S_ISREG(status.st_mode) && (status.st_mode & S_IFMT) != 0)
		return -EMEDIUMTYPE;
	if (!is_from_own_user(&status))
		return -EPERM;
	if (status.st_size != shared_memory_object_size(memory))
		return -EBADMSG;
	shared_memory_note_identity(memory, &status);
	return 0;
}

int shared_memory_accept(struct shared_memory *out, int fd, size_t header_size, size_t data_size,
		unsigned flags)
{
	struct shared_memory memory = SHARED_MEMORY_NONE;
	int r;

	if (!shared_memory_sizes_fit(header_size, data_size))
		return -EBADMSG;
	memory.header_size = header_size;
	memory.data_size = data_size;
	r = check_object(&memory, fd);
	if (r < 0)
		return r;
	r = shared_memory_map_accepted(&memory, fd, flags);
	if (r < 0)
		return r;
	*out = memory;
	return 0;
}
