/* SPDX-License-Identifier: MIT */
/*
 * Memory objects on Linux: sealed memfds.
 *
 * Invariant: once an object has left its maker, its size is fixed, its pages are there, and nobody but
 * the maker's existing mapping can write to it. The reader relies on exactly that: contents
 * may change under its eyes, but no access faults, and none waits for anything but swap. So
 * the reader's checks come in the order of what the next one may rely on: seals (which only memfds have, and which
 * are asked for without any file system's help), kind of file system, size, allocation.
 *
 * Surprising: F_SEAL_FUTURE_WRITE is not only about writing. Without it the maker could punch holes into
 * pages that were allocated and counted before (fallocate, MADV_REMOVE), and each access of the
 * reader would then have to allocate, in the reader's name, and wait or die if there is nothing to be had.
 */

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "descriptor.h"
#include "linux_compat.h"
#include "shared_memory_map.h"

/* FUTURE_WRITE rather than WRITE: that one is refused while any writable mapping exists. */
#define REQUIRED_SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL)

static int memfd_error(int error)
{
	switch (error) {
	case EMFILE:
	case ENFILE:
	case ENOMEM:
		return -error;
	default:
		/* Unknown to the kernel, or forbidden by a sandbox: there are none here either way. */
		return -ENOSYS;
	}
}

static int make_memfd(int *out)
{
	int fd, r;

	descriptor_begin();
	/* A ring is nothing to execute. Kernels from 6.3 want to be told one way or the other, and may
	 * be set to refuse what does not say so; older ones know no such flag. */
	fd = memfd_create("evchan", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);
	if (fd < 0 && errno == EINVAL)
		fd = memfd_create("evchan", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	r = fd < 0 ? memfd_error(errno) : descriptor_own(fd);
	descriptor_end();
	if (r < 0) {
		if (fd >= 0)
			close(fd);
		return r;
	}
	*out = fd;
	return 0;
}

/* Pages that are allocated but were never touched look like holes to the peer. Cannot fail: they are there. */
static void populate(const struct shared_memory *memory, unsigned flags)
{
	size_t size = (size_t)shared_memory_object_size(memory);

	if (flags & SHARED_MEMORY_LAZY)
		return;
	/* Emulators say yes to any advice and do nothing, so ask what has become of it. */
	if (madvise(memory->base, size, MADV_POPULATE_WRITE) == 0 &&
			lseek(memory->fd, 0, SEEK_HOLE) == (off_t)size)
		return;
	shared_memory_touch(memory); /* Linux before 5.14 */
}

static int seal(struct shared_memory *memory)
{
	struct stat status;

	if (fcntl(memory->fd, F_ADD_SEALS, REQUIRED_SEALS) < 0)
		return -ENOSYS; /* EINVAL: Linux before 5.1 */
	if (fstat(memory->fd, &status) < 0)
		return -errno;
	shared_memory_note_identity(memory, &status);
	return 0;
}

int shared_memory_create(struct shared_memory *out, size_t header_size, size_t data_size,
		unsigned flags)
{
	struct shared_memory memory = SHARED_MEMORY_NONE;
	int r;

	if (!shared_memory_sizes_fit(header_size, data_size))
		return -EFBIG;
	memory.header_size = header_size;
	memory.data_size = data_size;
	r = make_memfd(&memory.fd);
	if (r < 0)
		return r;
	r = shared_memory_set_size(&memory, flags);
	if (r < 0)
		goto fail;
	r = shared_memory_map(&memory, memory.fd, true);
	if (r < 0)
		goto fail;
	populate(&memory, flags);
	/* After the mapping: the seal refuses every later one that could write, our own included. */
	r = seal(&memory);
	if (r < 0)
		goto fail;
	r = shared_memory_lock(&memory, flags);
	if (r < 0)
		goto fail;
	*out = memory;
	return 0;

fail:
	shared_memory_deinit(&memory, NULL);
	return r;
}

bool shared_memory_has_seals(void)
{
	return true;
}

bool shared_memory_is_acceptable(int fd)
{
	int seals = fcntl(fd, F_GET_SEALS);

	return seals >= 0 && (seals & REQUIRED_SEALS) == REQUIRED_SEALS;
}

/* `memory` has the sizes that were announced. */
static int check_object(struct shared_memory *memory, int fd, unsigned flags)
{
	off_t size = shared_memory_object_size(memory);
	struct statfs file_system;
	struct stat status;

	if (!shared_memory_is_acceptable(fd))
		return -EPERM;
	/* A memfd of huge pages carries seals too, but its pages come from a pool that can be empty when
	 * they are touched, and that is SIGBUS. */
	if (fstatfs(fd, &file_system) < 0 || file_system.f_type != TMPFS_MAGIC)
		return -EMEDIUMTYPE;
	if (fstat(fd, &status) < 0 || !S_ISREG(status.st_mode))
		return -EMEDIUMTYPE;
	if (status.st_size != size)
		return -EBADMSG;
	/* The number of blocks would not do: those beyond the end count too, and anybody can have some there instead of
	 * within. Pages in swap are data. */
	if (!(flags & SHARED_MEMORY_LAZY) && lseek(fd, 0, SEEK_HOLE) != size)
		return -ENODATA;
	shared_memory_note_identity(memory, &status);
	return 0;
}

int shared_memory_accept(struct shared_memory *out, int fd, size_t header_size, size_t data_size,
		unsigned flags)
{
	struct shared_memory memory = SHARED_MEMORY_NONE;
	int r;

	/* Whole pages of the sender's are not whole pages here if it has smaller ones. */
	if (!shared_memory_sizes_fit(header_size, data_size))
		return -EBADMSG;
	memory.header_size = header_size;
	memory.data_size = data_size;
	r = check_object(&memory, fd, flags);
	if (r < 0)
		return r;
	r = shared_memory_map_accepted(&memory, fd, flags);
	if (r < 0)
		return r;
	*out = memory;
	return 0;
}
