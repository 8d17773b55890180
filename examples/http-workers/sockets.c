/* SPDX-License-Identifier: MIT */

/*
 * Listening sockets that outlive the processes which use them.
 *
 * The supervisor opens all three and answers on none. So whoever connects while a process is being started
 * again waits in the kernel's queue instead of being refused: a client of the workers, a scraper of
 * /metrics, and a worker whose ring wants a collector. What waits in the queue of `channel` is a hello with its
 * ring: should that worker be killed meanwhile, the next collector still finds both.
 *
 * The workers share one socket and do not have one each (SO_REUSEPORT): with a queue of its own a worker
 * that is killed takes with it the connections that it has not accepted yet, and one that is
 * stopped lets them wait though others are idle.
 */

#include "sockets.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "fatal.h"
#include "program.h"

#define BACKLOG 4096

static int listen_at(const struct addrinfo *address, const char *what)
{
	const int on = 1;
	int fd;

	fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
			bind(fd, address->ai_addr, address->ai_addrlen) < 0 ||
			listen(fd, BACKLOG) < 0)
		fatal("%s: %s", what, strerror(errno));
	return fd;
}

/* The port of the kernel's choice, if 0 was asked for. */
static uint16_t port_of(int fd)
{
	struct sockaddr_storage address = { 0 };
	socklen_t length = sizeof(address);
	in_port_t port;

	if (getsockname(fd, (struct sockaddr *)&address, &length) < 0)
		fatal("getsockname: %s", strerror(errno));
	if (address.ss_family == AF_INET6)
		port = ((struct sockaddr_in6 *)&address)->sin6_port;
	else
		port = ((struct sockaddr_in *)&address)->sin_port;
	return ntohs(port);
}

static int listen_on_port(const char *host, uint16_t port)
{
	const struct addrinfo hints = {
		.ai_family = AF_UNSPEC,
		.ai_socktype = SOCK_STREAM,
		.ai_flags = AI_PASSIVE | AI_NUMERICHOST | AI_NUMERICSERV,
	};
	struct addrinfo *address;
	char service[8], what[300];
	int fd, r;

	snprintf(service, sizeof(service), "%u", (unsigned)port);
	snprintf(what, sizeof(what), "%s port %s", host, service);
	r = getaddrinfo(host, service, &hints, &address);
	if (r != 0)
		usage_error("%s: %s", what, gai_strerror(r));
	fd = listen_at(address, what);
	freeaddrinfo(address);
	return fd;
}

/* In the abstract namespace: no file to clean up. Whoever may connect is asked by evchan who he is. */
static int listen_on_channel(const char *name)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	const struct addrinfo info = {
		.ai_family = AF_UNIX,
		.ai_addr = (struct sockaddr *)&address,
		.ai_addrlen = (socklen_t)(offsetof(struct sockaddr_un, sun_path) +
				strlen(name)),
	};

	memcpy(address.sun_path, name, strlen(name));
	address.sun_path[0] = '\0'; /* the '@' */
	return listen_at(&info, name);
}

void sockets_open(struct sockets *sockets, const struct options *options)
{
	sockets->http = listen_on_port(options->host, options->port);
	sockets->http_port = port_of(sockets->http);
	sockets->status = listen_on_port(options->host, options->status_port);
	sockets->status_port = port_of(sockets->status);
	snprintf(sockets->channel_address, sizeof(sockets->channel_address),
			"@http-workers-%ld", (long)getpid());
	sockets->channel = listen_on_channel(sockets->channel_address);
}
