/* SPDX-License-Identifier: MIT */
/*
 * Fewer wake-ups while messages flow (evchan_receiver_options.wake_interval_ms).
 *
 * Being woken costs more than most messages: a system call of the sender's, and one turn of the receiver's loop. With an
 * interval a lane that has delivered something rests: it asks to be rung only when half of its ring is full (or wake_bytes wait), and is looked
 * at when the interval is over. If nothing has come meanwhile it asks to be rung for the next message, as all do
 * without an interval: so a message after a silence is seen at once, and an idle lane costs nothing.
 *
 * Resting is an asking with a higher wish (ring_reader_arm()) plus a timer that makes up for what the wish leaves
 * out, nothing else: the sender knows nothing of it, and memory is ordered as ever. The timer must be set before the
 * lane sleeps; without memory for it the lane does not rest. The half is of the whole ring, so a sender that fills it rings
 * in time; one that cannot fill it, because messages are held or its next one is very large, waits for the timer.
 *
 * One timer does for all lanes that rest: when it fires they are all looked at, the ones that have rested for less than the
 * interval too.
 */

#include <evchan/loop.h>

#include "lane.h"
#include "receiver.h"

static bool lane_may_rest(const struct evchan_lane *lane)
{
	const struct evchan_receiver *receiver = lane->receiver;

	/* Who pulls has no loop to wait in, and means "now". */
	return receiver->options.wake_interval_ms && !receiver_is_pulled(receiver) &&
			!receiver->is_shutting_down &&
			lane->messages != lane->messages_at_rest;
}

static uint64_t lane_wake_bytes(const struct evchan_lane *lane)
{
	uint64_t bytes = lane->receiver->options.wake_bytes;

	return bytes && bytes < lane->reader.capacity / 2 ? bytes
							  : lane->reader.capacity / 2;
}

uint64_t lane_rest(struct evchan_lane *lane)
{
	struct evchan_receiver *receiver = lane->receiver;
	struct evchan_loop *loop = receiver->loop;

	if (!lane_may_rest(lane))
		return 1;
	if (!receiver->rest_timer_set &&
			loop->ops->timer_set(loop, receiver->rest_timer,
					receiver->options.wake_interval_ms) < 0)
		return 1;
	receiver->rest_timer_set = true;
	if (!list_is_linked(&lane->rest_link))
		list_append(&receiver->resting, &lane->rest_link);
	lane->messages_at_rest = lane->messages;
	return lane_wake_bytes(lane);
}

/* Callback: all. */
static void rest_timer_fired(void *arg)
{
	struct evchan_receiver *receiver = arg;

	receiver->rest_timer_set = false;
	if (handle_is_foreign(&receiver->handle))
		return;
	receiver_enter(receiver);
	receiver_lanes_are_ready(receiver, &receiver->resting);
	receiver_leave(receiver);
}

int receiver_rest_init(struct evchan_receiver *receiver)
{
	struct evchan_loop *loop = receiver->loop;

	return loop->ops->timer_add(
			loop, &receiver->rest_timer, rest_timer_fired, receiver);
}
