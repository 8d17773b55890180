/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_TESTS_SLOW_DESCRIPTOR_H
#define EVCHAN_TESTS_SLOW_DESCRIPTOR_H

/*
 * What a stranger could pass to hurt: a TCP socket with unsent data and a long SO_LINGER. Letting go of the last
 * reference to it blocks until the test closes the other end, wherever that happens: in close(2), in the recvmsg(2)
 * that finds no room for it, in the close of a socket in whose queue it lies.
 */

#include <arpa/inet.h>
#include <netinet/in.h>

#include "control_pair.h"

struct slow_descriptor {
	int fd;   /* its last close blocks ... */
	int peer; /* ... until this one is closed */
};

static inline bool slow_connect(struct slow_descriptor *slow)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	socklen_t length = sizeof(address);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	slow->peer = -1;
	slow->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (bind(listener, (struct sockaddr *)&address, sizeof(address)) == 0 &&
			listen(listener, 1) == 0 &&
			getsockname(listener, (struct sockaddr *)&address, &length) ==
					0 &&
			connect(slow->fd, (struct sockaddr *)&address, sizeof(address)) ==
					0)
		slow->peer = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	close(listener);
	return slow->peer >= 0;
}

/* Whether it could be had: there may be no network here, and valgrind lets nobody run beside a close(2). */
static inline bool slow_open(struct slow_descriptor *slow)
{
	struct linger linger = { 1, 600 };
	static const char data[65536];

	slow->fd = slow->peer = -1;
	if (is_under_valgrind())
		return false;
	if (!slow_connect(slow)) {
		close(slow->fd);
		return false;
	}
	MUST(setsockopt(slow->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)) == 0);
	/* More than the peer takes while it does not read. */
	while (send(slow->fd, data, sizeof(data), MSG_DONTWAIT | MSG_NOSIGNAL) > 0)
		;
	MUST(errno == EAGAIN);
	return true;
}

/*
 * Whether `act` comes to its end while the descriptor cannot be let go of. Both run in a forked child: `prepare`
 * puts the descriptor where it shall be, and when `act` runs nobody else has it any more. Consumes `slow`.
 */
static inline bool is_not_delayed(struct slow_descriptor *slow,
		void (*prepare)(const struct slow_descriptor *slow), void (*act)(void))
{
	int done[2], gate[2];
	struct pollfd ready;
	bool result;
	pid_t child;
	char byte = 'x';

	MUST(pipe2(done, O_CLOEXEC) == 0);
	MUST(pipe2(gate, O_CLOEXEC) == 0);
	child = fork();
	MUST(child >= 0);
	if (child == 0) {
		close(gate[1]);
		prepare(slow);
		close(slow->fd);
		close(slow->peer);
		MUST(read(gate[0], &byte, 1) == 0);
		act();
		MUST(write(done[1], &byte, 1) == 1);
		_exit(0);
	}
	close(slow->fd);
	close(done[1]);
	close(gate[0]);
	close(gate[1]);
	ready = (struct pollfd){ done[0], POLLIN, 0 };
	result = poll(&ready, 1, 3000 * (int)slowdown()) == 1 && (ready.revents & POLLIN);
	/* Frees whoever is blocked. */
	close(slow->peer);
	close(done[0]);
	return child_result(child) == 0 && result;
}

#endif
