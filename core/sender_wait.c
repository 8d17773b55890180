/* SPDX-License-Identifier: MIT */
/*
 * Sending without a loop: try, and while that is refused run the sender's own loop, which hears the space bell,
 * the receiver's end, and the time for another attempt to connect.
 */

#include <errno.h>

#include <evchan/loop.h>

#include "clock.h"
#include "sender.h"

/* Whether a waiting call is allowed: the sender has its own loop, which is not running already. */
static int sender_check_wait(struct evchan_sender *sender)
{
	if (handle_is_foreign(&sender->handle))
		return -EOWNERDEAD;
	handle_check_thread(&sender->handle);
	return sender->owns_loop && sender->handle.depth == 0 ? 0 : -EINVAL;
}

/* One turn of the loop, no later than `deadline`. Errors: -ETIMEDOUT it has passed; -EINTR; -ECANCELED; -ENOMEM. */
static int sender_wait_turn(struct evchan_sender *sender, int timeout_ms, uint64_t deadline)
{
	int left = -1;
	uint64_t now;
	int r;

	if (timeout_ms >= 0) {
		now = clock_milliseconds();
		if (now >= deadline)
			return -ETIMEDOUT;
		left = (int)(deadline - now);
	}
	r = evchan_poll_loop_run_once(sender->loop, left);
	return sender->handle.is_freed ? -ECANCELED : r;
}

static uint64_t sender_deadline(int timeout_ms)
{
	return timeout_ms > 0 ? clock_milliseconds() + (uint64_t)timeout_ms : 0;
}

int evchan_send_wait(struct evchan_sender *sender, uint32_t type, const void *data, size_t size,
		unsigned flags, int timeout_ms)
{
	uint64_t deadline = 0;
	int r;

	r = sender_check_wait(sender);
	if (r < 0)
		return r;
	r = evchan_send(sender, type, data, size, flags);
	if (r != -EAGAIN || timeout_ms == 0)
		return r;
	deadline = sender_deadline(timeout_ms);
	sender_enter(sender);
	while (r == -EAGAIN) {
		r = sender_wait_turn(sender, timeout_ms, deadline);
		if (r == 0)
			r = evchan_send(sender, type, data, size, flags);
	}
	sender_leave(sender);
	return r;
}

/* Whether all was consumed. Errors: -EPIPE. */
static int sender_is_drained(struct evchan_sender *sender)
{
	(void)ring_writer_observe(&sender->ring);
	if (ring_writer_fill(&sender->ring) == 0)
		return 1;
	return sender->send_error;
}

int evchan_drain_wait(struct evchan_sender *sender, int timeout_ms)
{
	uint64_t deadline = sender_deadline(timeout_ms);
	int r;

	r = sender_check_wait(sender);
	if (r < 0)
		return r;
	sender_enter(sender);
	sender_publish(sender);
	r = sender_is_drained(sender);
	if (r == 0 && timeout_ms == 0)
		r = -EAGAIN;
	while (r == 0) {
		sender->waits_drained = true;
		sender_look_for_room(sender);
		if (sender->due)
			sender_notify_later(sender);
		/* If the look has met the want, nothing is armed. */
		r = sender_is_drained(sender);
		if (r == 0)
			r = sender_wait_turn(sender, timeout_ms, deadline);
		if (r == 0)
			r = sender_is_drained(sender);
	}
	sender->waits_drained = false;
	sender_leave(sender);
	return r > 0 ? 0 : r;
}
