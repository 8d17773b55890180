/* SPDX-License-Identifier: MIT */
/*
 * Files and descriptors of all kinds. The errors are those that a kernel short of something, a full or read-only
 * file system or a sandbox gives for calls that are right.
 */

#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "wrap.h"

WRAP(int, memfd_create, (const char *name, unsigned flags), (name, flags), EMFILE, ENFILE,
		ENOMEM, EINVAL, EPERM, ENOSYS)
WRAP_LARGE(int, ftruncate, (int fd, off_t size), (fd, size), ENOMEM)
WRAP_LARGE(int, fallocate, (int fd, int mode, off_t offset, off_t size),
		(fd, mode, offset, size), ENOSPC, ENOMEM, EINTR)
WRAP_AS(FAULT_NAMES, "fstat", int, LARGE(fstat), (int fd, struct stat *status),
		(fd, status), ENOMEM)
WRAP_LARGE(int, fstatfs, (int fd, struct statfs *status), (fd, status), ENOMEM)
WRAP_AS(FAULT_NAMES, "fstatat", int, LARGE(fstatat),
		(int fd, const char *name, struct stat *status, int flags),
		(fd, name, status, flags), ENOMEM, EACCES)
WRAP(int, fchmodat, (int fd, const char *name, mode_t mode, int flags),
		(fd, name, mode, flags), ENOMEM, EPERM, EROFS)
WRAP_AS(FAULT_NAMES, "unlinkat", int, unlinkat, (int fd, const char *name, int flags),
		(fd, name, flags), ENOMEM, EPERM, EROFS)
WRAP(int, flock, (int fd, int operation), (fd, operation), EWOULDBLOCK, ENOLCK)
WRAP_LARGE(int, getrlimit, (int resource, struct rlimit *limit), (resource, limit), EPERM)
WRAP(int, eventfd, (unsigned count, int flags), (count, flags), EMFILE, ENFILE, ENOMEM,
		EPERM, ENOSYS)
WRAP(int, pipe2, (int *ends, int flags), (ends, flags), EMFILE, ENFILE, ENOMEM, EPERM)
WRAP(int, timerfd_create, (int clock, int flags), (clock, flags), EMFILE, ENFILE, ENOMEM,
		EPERM)
WRAP(int, dup3, (int from, int to, int flags), (from, to, flags), EBUSY, EINTR, EBADF)
WRAP(ssize_t, getrandom, (void *out, size_t size, unsigned flags), (out, size, flags),
		EINTR, EAGAIN, ENOSYS)

/* Rings: of a pipe, which needs a page. An eventfd needs nothing. */
ssize_t __real_write(int fd, const void *bytes, size_t size);
ssize_t __wrap_write(int fd, const void *bytes, size_t size);
ssize_t __wrap_write(int fd, const void *bytes, size_t size)
{
	if (size == 1 && fault(FAULT_SYSTEM, "write", FAULT_ERRORS(ENOMEM)))
		return -1;
	return __real_write(fd, bytes, size);
}

/* ---- Calls with arguments that are not always there -------------------------------------------- */

static mode_t mode_of(int flags, va_list arguments)
{
	return flags & O_CREAT ? va_arg(arguments, mode_t) : 0;
}

int REAL(LARGE(open))(const char *path, int flags, ...);
int WRAPPED(LARGE(open))(const char *path, int flags, ...);
int WRAPPED(LARGE(open))(const char *path, int flags, ...)
{
	va_list arguments;
	mode_t mode;

	va_start(arguments, flags);
	mode = mode_of(flags, arguments);
	va_end(arguments);
	if (fault(FAULT_SYSTEM, "open",
			    FAULT_ERRORS(EMFILE, ENFILE, ENOMEM, EACCES, ENOENT)))
		return -1;
	return REAL(LARGE(open))(path, flags, mode);
}

int REAL(LARGE(openat))(int fd, const char *path, int flags, ...);
int WRAPPED(LARGE(openat))(int fd, const char *path, int flags, ...);
int WRAPPED(LARGE(openat))(int fd, const char *path, int flags, ...)
{
	va_list arguments;
	mode_t mode;

	va_start(arguments, flags);
	mode = mode_of(flags, arguments);
	va_end(arguments);
	if (fault(FAULT_SYSTEM, "openat",
			    FAULT_ERRORS(EMFILE, ENFILE, ENOMEM, EACCES, ENOSPC, EDQUOT,
					    EROFS)))
		return -1;
	return REAL(LARGE(openat))(fd, path, flags, mode);
}

/* Asking about a descriptor that is there cannot fail. */
static bool fcntl_strikes(int command)
{
	switch (command) {
	case F_DUPFD_CLOEXEC:
		return fault(FAULT_SYSTEM, "fcntl(F_DUPFD)", FAULT_ERRORS(EMFILE));
	case F_ADD_SEALS:
		return fault(FAULT_SYSTEM, "fcntl(F_ADD_SEALS)", FAULT_ERRORS(EINVAL));
	case F_SETPIPE_SZ:
		return fault(FAULT_SYSTEM, "fcntl(F_SETPIPE_SZ)",
				FAULT_ERRORS(EPERM, ENOMEM));
	default:
		return false;
	}
}

int REAL(LARGE(fcntl))(int fd, int command, ...);
int WRAPPED(LARGE(fcntl))(int fd, int command, ...);
int WRAPPED(LARGE(fcntl))(int fd, int command, ...)
{
	va_list arguments;
	long argument;

	va_start(arguments, command);
	argument = va_arg(arguments, long);
	va_end(arguments);
	if (fcntl_strikes(command))
		return -1;
	return REAL(LARGE(fcntl))(fd, command, argument);
}

static bool syscall_strikes(long number)
{
	if (number == SYS_preadv2)
		return fault(FAULT_SYSTEM, "preadv2",
				FAULT_ERRORS(EOPNOTSUPP, ENOSYS, EPERM));
	if (number == SYS_pwritev2)
		return fault(FAULT_SYSTEM, "pwritev2",
				FAULT_ERRORS(EOPNOTSUPP, ENOSYS, EPERM, ENOMEM));
	return false;
}

long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);
long __wrap_syscall(long number, ...)
{
	long arguments[6];
	va_list list;

	va_start(list, number);
	for (unsigned i = 0; i < 6; i++)
		arguments[i] = va_arg(list, long);
	va_end(list);
	if (syscall_strikes(number))
		return -1;
	return __real_syscall(number, arguments[0], arguments[1], arguments[2],
			arguments[3], arguments[4], arguments[5]);
}
