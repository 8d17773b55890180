/* SPDX-License-Identifier: MIT */
/*
 * The list of transports, and what several of them need.
 *
 * Socket buffers: what an AF_UNIX stream socket queues is charged to the *sender's*
 * SO_SNDBUF; the receiver's SO_RCVBUF plays no part, and is raised only so that nobody
 * needs to wonder. As root the limit net.core.wmem_max is passed over, which can only
 * help the socket's figures.
 */

#include "transport.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "process.h"

#define SOCKET_BUFFER (4 << 20)

const struct transport *const transports[] = {
	&transport_evchan,
	&transport_evchan_corked,
	&transport_evchan_interval,
	&transport_evchan_spin,
	&transport_evchan_wait,
	&transport_evchan_in_place,
	&transport_bufferevent,
	&transport_bufferevent_plain,
	&transport_socket,
	&transport_pipe,
	&transport_seqpacket,
#ifdef BENCH_HAS_ZMQ
	&transport_zmq,
#endif
#ifdef BENCH_HAS_NNG
	&transport_nng,
#endif
#ifdef BENCH_HAS_QB
	&transport_qb,
#endif
	&transport_eventfd,
	&transport_memcpy,
	&transport_spin,
	&transport_pacing,
	NULL,
};

void transport_ready(struct board *board)
{
	atomic_store(&board->ready, 1);
}

void transport_connecting(struct board *board)
{
	atomic_store(&board->connecting_ns, process_now_ns());
}

void transport_arrived(struct board *board)
{
	atomic_store(&board->arrived_ns, process_now_ns());
	atomic_fetch_add(&board->arrived, 1);
}

static void raise_buffer(int fd, int force, int option)
{
	int size = SOCKET_BUFFER;

	if (setsockopt(fd, SOL_SOCKET, force, &size, sizeof(size)) < 0)
		(void)setsockopt(fd, SOL_SOCKET, option, &size, sizeof(size));
}

void transport_raise_buffers(int fd)
{
	raise_buffer(fd, SO_SNDBUFFORCE, SO_SNDBUF);
	raise_buffer(fd, SO_RCVBUFFORCE, SO_RCVBUF);
}

/* A socket, and the name that "@name" stands for. */
static int open_socket(const char *address, struct sockaddr_un *name, socklen_t *length)
{
	size_t characters = strlen(address);
	int fd;

	if (characters > sizeof(name->sun_path))
		process_die("too long an address: %s", address);
	memset(name, 0, sizeof(*name));
	name->sun_family = AF_UNIX;
	memcpy(name->sun_path + 1, address + 1, characters - 1);
	*length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + characters);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		process_die("socket: %s", strerror(errno));
	return fd;
}

int transport_listen(const char *address)
{
	struct sockaddr_un name;
	socklen_t length;
	int fd = open_socket(address, &name, &length);

	if (bind(fd, (struct sockaddr *)&name, length) < 0 || listen(fd, SOMAXCONN) < 0)
		process_die("cannot listen on %s: %s", address, strerror(errno));
	return fd;
}

int transport_connect(const char *address)
{
	struct sockaddr_un name;
	socklen_t length;
	int fd = open_socket(address, &name, &length);

	if (connect(fd, (struct sockaddr *)&name, length) < 0)
		process_die("cannot connect to %s: %s", address, strerror(errno));
	return fd;
}
