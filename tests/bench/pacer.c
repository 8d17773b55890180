/* SPDX-License-Identifier: MIT */
/*
 * Pacing. A late sender is told of all that became due meanwhile, and sends them in one
 * turn: so the rate holds on a busy machine too.
 */

#include "pacer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "process.h"

int pacer_make(void)
{
	int fd = eventfd(0, EFD_CLOEXEC);

	if (fd < 0)
		process_die("eventfd: error %d", errno);
	return fd;
}

/* The count of an eventfd or timerfd. */
static unsigned take_count(int fd)
{
	uint64_t count;

	while (read(fd, &count, sizeof(count)) != sizeof(count))
		if (errno == EAGAIN)
			return 0;
		else if (errno != EINTR)
			process_die("a count cannot be read: error %d", errno);
	return (unsigned)count;
}

void pacer_tick(int fd, double rate)
{
	long interval = (long)(1e9 / rate);
	struct itimerspec times = {
		.it_interval = { interval / 1000000000, interval % 1000000000 },
		.it_value = { interval / 1000000000, interval % 1000000000 },
	};
	int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	uint64_t due;

	if (timer < 0 || timerfd_settime(timer, 0, &times, NULL) < 0)
		process_die("timerfd: error %d", errno);
	do {
		due = take_count(timer);
	} while (write(fd, &due, sizeof(due)) == sizeof(due));
	process_die("metronome: error %d", errno);
}

static void on_due(evutil_socket_t fd, short what, void *arg)
{
	struct pacer *pacer = arg;
	unsigned messages = take_count(fd);

	(void)what;
	if (messages > 0)
		pacer->due(pacer->arg, messages);
}

void pacer_start(struct pacer *pacer, struct event_base *base, int fd,
		void (*due)(void *arg, unsigned messages), void *arg)
{
	pacer->due = due;
	pacer->arg = arg;
	pacer->event = event_new(base, fd, EV_READ | EV_PERSIST, on_due, pacer);
	if (!pacer->event || event_add(pacer->event, NULL) < 0)
		process_die("pacer: no event");
}

void pacer_stop(struct pacer *pacer)
{
	if (pacer->event)
		event_free(pacer->event);
	pacer->event = NULL;
}

bool pace_next(struct pace *pace, struct payload *payload)
{
	if (pace->fd < 0)
		return false;
	if (pace->due == 0)
		pace->due = take_count(pace->fd);
	pace->due--;
	payload_stamp(payload);
	return true;
}
