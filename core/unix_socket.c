/* SPDX-License-Identifier: MIT */
/* UNIX stream sockets as descriptors: made, owned, recognised. */

#include "unix_socket.h"

#include <errno.h>
#include <fcntl.h>
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

int unix_socket_new(int *fd)
{
	int r;

	descriptor_begin();
	r = unix_socket_own(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), fd);
	descriptor_end();
	return r;
}

int unix_socket_accept(int listener)
{
	return accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
}

int unix_socket_open_directory(const char *path)
{
	return open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

static int socket_option(int fd, int option, int *value)
{
	socklen_t size = sizeof(*value);

	return getsockopt(fd, SOL_SOCKET, option, value, &size) < 0 ? -errno : 0;
}

int unix_socket_check(int fd, bool *listens)
{
	struct sockaddr_un peer;
	socklen_t length = sizeof(peer);
	int domain, type, accepts, r;

	r = socket_option(fd, SO_DOMAIN, &domain);
	if (r == 0)
		r = socket_option(fd, SO_TYPE, &type);
	if (r == 0)
		r = socket_option(fd, SO_ACCEPTCONN, &accepts);
	if (r < 0)
		return r == -EBADF || r == -ENOTSOCK ? r : -EINVAL;
	if (domain != AF_UNIX || type != SOCK_STREAM)
		return -EINVAL;
	/* Also true of one whose peer has hung up: it may have left a hello. */
	if (!accepts && getpeername(fd, (struct sockaddr *)&peer, &length) < 0)
		return -EINVAL;
	*listens = accepts;
	return 0;
}
