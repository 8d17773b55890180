/* SPDX-License-Identifier: MIT */
/*
 * Of the control socket what UNIX stream sockets have in common on all systems that have them. What is told apart, above all how
 * descriptors come, is in control_socket_unix.c and control_socket_macos.c.
 */

#include "control_socket.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "descriptor.h"
#include "unix_socket.h"

int control_socket_check(int fd)
{
	bool listens;

	return unix_socket_check(fd, &listens);
}

int control_socket_connect(struct control_socket *control, const struct address *address)
{
	int fd, r;

	r = unix_socket_new(&fd);
	if (r < 0)
		return r;
	if (connect(fd, (const struct sockaddr *)&address->unix_address,
			    address->unix_length) < 0) {
		r = -errno;
		descriptor_close(fd);
		return r;
	}
	control_socket_init(control, fd);
	return 0;
}

/* The kernel's queue holds the bytes and the descriptors. */
bool control_socket_outlives_sender(void)
{
	return true;
}

int control_socket_ring(struct control_socket *control)
{
	const unsigned char ring = CONTROL_RING;

	switch (control_socket_send(control, &ring, 1, NULL)) {
	case -EPIPE:
	case -ECONNRESET:
		return -EPIPE;
	case -ENOBUFS:
	case -ENOMEM:
		return -ENOMEM;
	default:
		return 0;
	}
}

bool control_socket_has_hung_up(const struct control_socket *control)
{
	struct pollfd look = { .fd = control->fd };

	return poll(&look, 1, 0) > 0 && (look.revents & (POLLHUP | POLLERR));
}

bool control_socket_has_first(const struct control_socket *control)
{
	unsigned char bytes[CONTROL_FRAME_MAX];
	enum control_type type;
	ssize_t got;

	memcpy(bytes, control->buffer, control->filled);
	/* Without room for them, a peek drops nothing but copies of descriptors. */
	got = recv(control->fd, bytes + control->filled, sizeof(bytes) - control->filled,
			MSG_PEEK | MSG_DONTWAIT);
	return got > 0 &&
			control_frame_length(
					&type, bytes, control->filled + (size_t)got) > 0;
}

void control_socket_shut(struct control_socket *control)
{
	(void)shutdown(control->fd, SHUT_RDWR);
}

void control_socket_abandon(struct control_socket *control)
{
	descriptor_close(control->fd);
	control->fd = -1;
}
