/* SPDX-License-Identifier: MIT */

/*
 * What the programs ask of UNIX.
 *
 * Two kinds of descriptors are read. Regular files are always ready, and epoll refuses them. Pipes, sockets and terminals are read once
 * each time the loop calls them readable. O_NONBLOCK would be easier, but on standard input it would be the doing of all
 * processes that share it, and outlive this one. Files opened here have it: so a FIFO without a writer does not
 * block open(2).
 */

#include "system.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "program.h"

void system_begin(void)
{
	int fd;

	for (int number = STDIN_FILENO; number <= STDERR_FILENO; number++) {
		if (fcntl(number, F_GETFD) >= 0)
			continue;
		/* The lowest number that is free. */
		fd = open("/dev/null", number == STDIN_FILENO ? O_WRONLY : O_RDONLY);
		if (fd != number)
			_exit(EXIT_FAILURE);
	}
}

void system_ignore_broken_pipes(void)
{
	signal(SIGPIPE, SIG_IGN);
}

void system_let_signal_interrupt(int signal_number)
{
	struct sigaction action;

	sigaction(signal_number, NULL, &action);
	action.sa_flags &= ~SA_RESTART;
	sigaction(signal_number, &action, NULL);
}

/* ---- Output ---------------------------------------------------------------- */

/* Standard output may be non-blocking, by the doing of whoever shares it: then this waits in poll(2)
 * instead of write(2). */
static int wait_for_room(void)
{
	struct pollfd fd = { .fd = STDOUT_FILENO, .events = POLLOUT };

	return poll(&fd, 1, -1) < 0 ? -errno : 0;
}

static bool is_blocking(void)
{
	int flags = fcntl(STDOUT_FILENO, F_GETFL);

	return flags >= 0 && !(flags & O_NONBLOCK);
}

int system_write_output(const char *data, size_t size, size_t *written)
{
	ssize_t result = write(STDOUT_FILENO, data, size);

	*written = 0;
	if (result < 0)
		return errno == EAGAIN ? wait_for_room() : -errno;
	*written = (size_t)result;
	/* A signal cuts short what has begun. (So does the end of a disk, which the next call reports.) */
	return *written < size && is_blocking() ? -EINTR : 0;
}

/* ---- Input ----------------------------------------------------------------- */

static bool can_block(const struct stat *status, int fd)
{
	return S_ISFIFO(status->st_mode) || S_ISSOCK(status->st_mode) ||
			(S_ISCHR(status->st_mode) && isatty(fd));
}

int system_open_input(struct system_file *file, const char *name)
{
	struct stat status;

	file->fd = STDIN_FILENO;
	if (strcmp(name, "-") != 0)
		file->fd = open(name, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	if (file->fd < 0 || fstat(file->fd, &status) < 0)
		return -errno;
	file->may_block = can_block(&status, file->fd);
	file->is_regular = S_ISREG(status.st_mode);
	file->size = (uint64_t)status.st_size;
	return 0;
}

ssize_t system_read_input(int fd, bool may_block, void *to, size_t size)
{
	(void)may_block;
	return read(fd, to, size);
}

void system_close_input(int fd, bool may_block)
{
	(void)may_block;
	if (fd > STDIN_FILENO)
		close(fd);
}

/* ---- Users ----------------------------------------------------------------- */

uid_t system_parse_user(const char *option, const char *text)
{
	/* The highest number means "no user" to the kernel. */
	return (uid_t)parse_number(option, text, 0, UINT32_MAX - 1);
}

void *system_reallocarray(void *old, size_t count, size_t size)
{
	/* macOS has no reallocarray(3). */
	if (size && count > SIZE_MAX / size) {
		errno = ENOMEM;
		return NULL;
	}
	return realloc(old, count * size);
}
