/* SPDX-License-Identifier: MIT */
/*
 * Receiving without a loop: messages are pulled, one call each, from the lanes on the ready list.
 *
 * A lane stays at the head of the list for its share of messages and then goes to the end. After as many
 * messages as one lane's share the descriptors are looked at again, so that a lane in full flow keeps neither the
 * others nor newcomers waiting.
 */

#include <errno.h>

#include <evchan/loop.h>

#include "clock.h"
#include "receiver.h"

static void receiver_finish_pulled(struct evchan_receiver *receiver)
{
	struct evchan_lane *lane = receiver->pulled;

	receiver->pulled = NULL;
	if (lane && lane->is_delivering)
		lane_finish_message(lane);
}

/* The lane at the head of the list had its share, or has nothing (more): on to the next one. */
static void receiver_rotate(struct evchan_receiver *receiver, struct evchan_lane *lane,
		bool stays_ready)
{
	receiver->pulled_of_lane = 0;
	list_remove(&lane->ready_link);
	if (stays_ready)
		list_append(&receiver->ready, &lane->ready_link);
}

/* Finds the next message among the lanes on the list. Returns 1, 0 none, -ECANCELED freed in a callback. */
static int receiver_pull(struct evchan_receiver *receiver)
{
	struct lane_budget nothing = { .messages = 0 };
	struct evchan_lane *lane;
	int r;

	list_append_all(&receiver->ready, &receiver->unfinished);
	while (!list_is_empty(&receiver->ready)) {
		lane = LIST_FIRST(&receiver->ready, struct evchan_lane, ready_link);
		if (receiver->pulled_of_lane >= receiver->options.turn_messages) {
			lane_release(lane);
			receiver_rotate(receiver, lane, true);
			continue;
		}
		r = lane_may_deliver(lane) ? lane_next(lane) : 0;
		if (receiver->handle.is_freed)
			return -ECANCELED;
		if (r > 0) {
			receiver->pulled = lane;
			receiver->pulled_of_lane++;
			return 1;
		}
		receiver_rotate(receiver, lane, false);
		/* It may be over: serving without a budget delivers nothing but the end. */
		(void)lane_serve(lane, &nothing);
		if (receiver->handle.is_freed)
			return -ECANCELED;
	}
	return 0;
}

/* What is left until `deadline`, for poll(2). */
static int receiver_time_left(int timeout_ms, uint64_t deadline)
{
	uint64_t now;

	if (timeout_ms <= 0)
		return timeout_ms;
	now = clock_milliseconds();
	return now >= deadline ? 0 : (int)(deadline - now);
}

/* One look at the descriptors. Errors: -ECANCELED freed in a callback; those of evchan_poll_loop_run_once(). */
static int receiver_look(struct evchan_receiver *receiver, int timeout_ms)
{
	int r;

	receiver->pulled_since_look = 0;
	r = evchan_poll_loop_run_once(receiver->loop, timeout_ms);
	return receiver->handle.is_freed ? -ECANCELED : r;
}

/* A shutdown's next step. Returns 0 nothing to do but wait, 1 lanes have work, or -ESHUTDOWN, -ECANCELED. */
static int receiver_pull_shutdown(struct evchan_receiver *receiver)
{
	if (!receiver->is_shutting_down)
		return 0;
	receiver_advance_shutdown(receiver);
	if (receiver->handle.is_freed)
		return -ECANCELED;
	if (receiver->shutdown_complete)
		return -ESHUTDOWN;
	return !list_is_empty(&receiver->unfinished) || !list_is_empty(&receiver->ready);
}

/* Returns 1 with a message, or the negative result of evchan_receive_wait(). */
static int receiver_pull_until(struct evchan_receiver *receiver, int timeout_ms)
{
	uint64_t deadline = timeout_ms > 0 ? clock_milliseconds() + (uint64_t)timeout_ms : 0;
	bool is_last_look = false;
	int left, r;

	if (receiver->pulled_since_look >= receiver->options.turn_messages) {
		r = receiver_look(receiver, 0);
		if (r < 0 && r != -EINTR)
			return r;
		/* Full rings must not keep a shutdown from going on. */
		r = receiver_pull_shutdown(receiver);
		if (r < 0)
			return r;
	}
	for (;;) {
		r = receiver_pull(receiver);
		if (r != 0)
			return r;
		r = receiver_pull_shutdown(receiver);
		if (r < 0)
			return r;
		if (r > 0)
			continue;
		if (is_last_look)
			return timeout_ms == 0 ? -EAGAIN : -ETIMEDOUT;
		left = receiver_time_left(timeout_ms, deadline);
		is_last_look = left == 0;
		r = receiver_look(receiver, left);
		if (r < 0)
			return r;
	}
}

int evchan_receive_wait(const struct evchan_message **message, struct evchan_receiver *receiver,
		int timeout_ms)
{
	int r;

	if (handle_is_foreign(&receiver->handle))
		return -EOWNERDEAD;
	handle_check_thread(&receiver->handle);
	if (!receiver_is_pulled(receiver) || receiver->handle.depth > 0)
		return -EINVAL;
	receiver_enter(receiver);
	receiver_finish_pulled(receiver);
	r = receiver_pull_until(receiver, timeout_ms);
	if (r > 0) {
		receiver->pulled_since_look++;
		*message = &receiver->pulled->message;
		r = 0;
	}
	receiver_leave(receiver);
	return r;
}

void evchan_receive_done(struct evchan_receiver *receiver)
{
	struct evchan_lane *lane = receiver->pulled;

	if (handle_is_foreign(&receiver->handle) || !lane)
		return;
	handle_check_thread(&receiver->handle);
	receiver_finish_pulled(receiver);
	lane_release(lane);
}
