/* SPDX-License-Identifier: MIT */
/*
 * The floor of a round trip between two loops: two eventfds and two bare epoll
 * instances, no message at all. Edge-triggered and never read, so that each direction
 * costs one write and one epoll_wait: the least that wakes a process sleeping in epoll.
 */

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "process.h"
#include "transport.h"

static void prepare(struct echo_task *task)
{
	for (int i = 0; i < 2; i++) {
		task->fds[i] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
		if (task->fds[i] < 0)
			process_die("eventfd: %s", strerror(errno));
	}
}

static void ring(int fd)
{
	static const uint64_t one = 1;

	if (write(fd, &one, sizeof(one)) != sizeof(one))
		process_die("write to an eventfd: %s", strerror(errno));
}

static int watch(int fd)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLET };
	int epoll = epoll_create1(EPOLL_CLOEXEC);

	if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0)
		process_die("epoll: %s", strerror(errno));
	return epoll;
}

static void wait_for_ring(int epoll)
{
	struct epoll_event event;

	while (epoll_wait(epoll, &event, 1, -1) != 1)
		if (errno != EINTR)
			process_die("epoll_wait: %s", strerror(errno));
}

static void echo(struct echo_task *task)
{
	struct echo *echo = &task->echo;
	int peer = task->fds[echo->asks];
	int epoll = watch(task->fds[!echo->asks]);

	if (echo->asks) {
		transport_ready(echo->board);
		(void)echo_begin(echo);
		ring(peer);
	}
	for (;;) {
		wait_for_ring(epoll);
		if (!echo_next(echo, echo->message, echo->size))
			return;
		ring(peer);
	}
}

const struct transport transport_eventfd = {
	.name = "eventfd",
	.echo = echo,
	.prepare_echo = prepare,
};
