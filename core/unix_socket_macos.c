/* SPDX-License-Identifier: MIT */
/*
 * UNIX stream sockets as descriptors, where neither socket(2) nor accept(2) takes flags: they are set afterwards, and a
 * program that another thread starts in between inherits the descriptor. Forks through descriptor.h's handlers do not
 * fall in between, because they wait for descriptor_end().
 *
 * No signal is raised by writing to a peer that is gone: SO_NOSIGPIPE, since the calls have no flag for that.
 */

#include "unix_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "descriptor.h"

int unix_socket_own(int made, int *fd)
{
	int r;

	if (made < 0)
		return -errno;
	r = descriptor_own(made);
	if (r < 0) {
		close(made);
		return r;
	}
	*fd = made;
	return 0;
}

/* What the flags of other systems do. On error, which only a revoked descriptor gives, it is closed and errno set. */
static int prepare(int fd)
{
	const int on = 1;
	int flags;

	if (fd < 0)
		return -1;
	flags = fcntl(fd, F_GETFL);
	if (flags >= 0 && fcntl(fd, F_SETFD, FD_CLOEXEC) == 0 &&
			fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0) {
		(void)setsockopt(fd, SOL_SOCKET, SO_NOSIGPIPE, &on, sizeof(on));
		return fd;
	}
	flags = errno;
	close(fd);
	errno = flags;
	return -1;
}

int unix_socket_new(int *fd)
{
	int r;

	descriptor_begin();
	r = unix_socket_own(prepare(socket(AF_UNIX, SOCK_STREAM, 0)), fd);
	descriptor_end();
	return r;
}

int unix_socket_accept(int listener)
{
	return prepare(accept(listener, NULL, NULL));
}

int unix_socket_open_directory(const char *path)
{
	return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static int socket_option(int fd, int option, int *value)
{
	socklen_t size = sizeof(*value);

	return getsockopt(fd, SOL_SOCKET, option, value, &size) < 0 ? -errno : 0;
}

int unix_socket_check(int fd, bool *listens)
{
	struct sockaddr_un name, peer;
	socklen_t length = sizeof(name), peer_length = sizeof(peer);
	int type, accepts, r;

	r = socket_option(fd, SO_TYPE, &type);
	if (r == 0)
		r = socket_option(fd, SO_ACCEPTCONN, &accepts);
	if (r < 0)
		return r == -EBADF || r == -ENOTSOCK ? r : -EINVAL;
	if (getsockname(fd, (struct sockaddr *)&name, &length) < 0 ||
			name.sun_family != AF_UNIX || type != SOCK_STREAM)
		return -EINVAL;
	/* Of a peer that has hung up nothing is known here any more, but it may have left a hello. */
	if (!accepts && getpeername(fd, (struct sockaddr *)&peer, &peer_length) < 0 &&
			errno != EINVAL)
		return -EINVAL;
	*listens = accepts;
	return 0;
}
