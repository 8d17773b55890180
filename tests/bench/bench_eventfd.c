/* SPDX-License-Identifier: MIT */
/*
 * The floor of what a wake-up costs: eventfds and bare epoll instances. Edge-triggered
 * and never read, so that each direction costs one write and one epoll_wait: the least
 * that wakes a process sleeping in epoll.
 *
 * For round trips there is no message at all. At a fixed rate the message is copied to
 * shared memory, and the bell is rung for each: there is no protocol that would notice
 * a receiver which is awake, or one that is too late.
 */

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <event2/event.h>

#include "pacer.h"
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

/* ---- One way, at a fixed rate ------------------------------------------------------ */

#define SLOTS 4096u

struct place {
	_Atomic uint64_t count;
	_Atomic uint64_t taken;
	unsigned char slots[SLOTS][ECHO_SIZE_MAX];
};

static struct place *place;
static int bell = -1;

static void prepare_stream(unsigned senders)
{
	if (bell >= 0)
		close(bell);
	bell = -1;
	if (senders == 0)
		return;
	if (!place)
		place = mmap(NULL, sizeof(*place), PROT_READ | PROT_WRITE,
				MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	bell = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (place == MAP_FAILED || bell < 0)
		process_die("eventfd: %s", strerror(errno));
	place->count = 0;
	place->taken = 0;
}

static void on_due(void *arg, unsigned messages)
{
	struct payload *payload = arg;

	/* What finds no slot is not sent. */
	for (; messages > 0 && place->count - place->taken < SLOTS; messages--) {
		payload_stamp(payload);
		memcpy(place->slots[place->count % SLOTS], payload_next(payload),
				payload->size);
		payload_advance(payload);
		place->count++;
	}
	ring(bell);
}

static void send_paced(struct sender_task *task)
{
	struct event_base *base = event_base_new();
	struct pacer pacer;

	if (!base || task->payload.size > ECHO_SIZE_MAX)
		process_die("eventfd: no event base, or too large a message");
	pacer_start(&pacer, base, task->pace_fd, on_due, &task->payload);
	event_base_dispatch(base);
}

static void receive_paced(struct receiver_task *task)
{
	int epoll = watch(bell);

	transport_ready(task->tally.board);
	for (;;) {
		wait_for_ring(epoll);
		for (; place->taken < place->count; place->taken++)
			if (tally_message(&task->tally, place->slots[place->taken % SLOTS],
					    task->tally.size))
				return;
	}
}

const struct transport transport_eventfd = {
	.name = "eventfd",
	.is_limit = true,
	.is_paced = true,
	.prepare = prepare_stream,
	.send = send_paced,
	.receive = receive_paced,
	.echo = echo,
	.prepare_echo = prepare,
};
