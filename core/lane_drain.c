/* SPDX-License-Identifier: MIT */
/*
 * Delivering a lane's messages. The path of every message goes through lane_next(), the application's
 * callback and lane_finish_message(); everything else happens once per batch.
 *
 * After a callback nothing is taken for granted: the receiver may have been freed (then the lane is gone, and only
 * receiver->handle may be looked at), or the lane paused or ended.
 */

#include "lane.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "receiver.h"

bool lane_may_deliver(const struct evchan_lane *lane)
{
	/* A child that was forked in a callback, and returns from it, delivers nothing more. */
	return lane->state <= LANE_DRAINING && !lane->is_paused && !lane->receiver->is_paused &&
	       !handle_is_foreign(&lane->receiver->handle);
}

void lane_release(struct evchan_lane *lane)
{
	/* Once the control socket is closed the ring may be another receiver's: hands off. In a forked child it is its
	 * parent's. */
	if (lane->state != LANE_OPEN || handle_is_foreign(&lane->receiver->handle))
		return;
	if (!ring_reader_release(&lane->reader))
		return;
	lane->bells_rung++;
	lane->receiver->stats.bells_rung++;
	/* A hang-up is told by the control socket's watch. */
	(void)control_socket_ring(&lane->control);
}

/* Copies the payload so that its sender cannot change it any more. */
static int lane_copy_message(struct evchan_lane *lane)
{
	struct evchan_message *message = &lane->message;

	if (message->size > lane->copy_size || !lane->copy) {
		size_t size = message->size < 4096 ? 4096 : message->size;
		void *copy = malloc(size);

		if (!copy)
			return -ENOMEM;
		free(lane->copy);
		lane->copy = copy;
		lane->copy_size = size;
	}
	memcpy(lane->copy, message->data, message->size);
	message->data = lane->copy;
	return 0;
}

static int lane_take_view(struct evchan_lane *lane, const struct ring_view *view)
{
	if (view->type >= EVCHAN_TYPE_RESERVED)
		return -EPROTO;
	lane->message.data = view->data;
	lane->message.size = view->size;
	lane->message.sequence = view->position;
	lane->message.type = view->type;
	if (lane->copies)
		return lane_copy_message(lane);
	return 0;
}

int lane_next(struct evchan_lane *lane)
{
	struct ring_view view;
	int r;

	for (;;) {
		r = ring_reader_next(&lane->reader, &view);
		if (r != 0)
			break;
		if (lane->state == LANE_DRAINING) {
			lane->state = LANE_ENDED;
			return 0;
		}
		/* Asleep until the tail moves. Releasing comes first: the sender may be asleep for
		 * want of the very room that is being given back. */
		lane_release(lane);
		r = ring_reader_arm(&lane->reader);
		if (r <= 0)
			break;
	}
	if (r > 0)
		r = lane_take_view(lane, &view);
	else if (r == 0)
		return 0;
	if (r < 0) {
		if (r == -ENOMEM)
			lane_break(lane, r, CONTROL_REFUSE_NONE, "no memory to copy its message");
		else
			lane_break(lane, r, CONTROL_REFUSE_POSITIONS, "its ring makes no sense");
		return r;
	}
	lane->is_delivering = true;
	return 1;
}

void lane_finish_message(struct evchan_lane *lane)
{
	struct evchan_receiver *receiver = lane->receiver;
	uint32_t size = (uint32_t)lane->message.size;

	lane->is_delivering = false;
	lane->held = NULL;
	lane->messages++;
	lane->bytes += size;
	receiver->stats.messages++;
	receiver->stats.bytes += size;
	ring_reader_advance(&lane->reader, size);
	if (ring_reader_should_release(&lane->reader))
		lane_release(lane);
}

/* Tells the application that the lane is over. The receiver may be freed when it returns. */
static void lane_say_left(struct evchan_lane *lane)
{
	struct evchan_receiver *receiver = lane->receiver;

	lane->state = LANE_GONE;
	receiver->stats.left++;
	receiver->stats.lanes--;
	receiver->stats.times_full += ring_reader_times_full(&lane->reader);
	lane->in_left = true;
	if (receiver->callbacks.left)
		receiver->callbacks.left(receiver, lane, lane->reason, receiver->arg);
	if (receiver->handle.is_freed)
		return;
	lane->in_left = false;
	if (list_is_empty(&lane->reader.holds))
		lane_free(lane);
}

/* A lane that may not deliver ends all the same if nothing is left to deliver. */
static void lane_end_if_drained(struct evchan_lane *lane)
{
	if (lane->state == LANE_DRAINING && ring_reader_unread(&lane->reader) == 0)
		lane->state = LANE_ENDED;
}

bool lane_serve(struct evchan_lane *lane, struct lane_budget *budget)
{
	struct evchan_receiver *receiver = lane->receiver;
	bool wants_more = false;

	while (lane_may_deliver(lane)) {
		if (!budget->messages || !budget->bytes) {
			wants_more = true;
			break;
		}
		if (lane_next(lane) <= 0)
			break;
		if (receiver->callbacks.message)
			receiver->callbacks.message(receiver, &lane->message, receiver->arg);
		if (receiver->handle.is_freed)
			return false;
		budget->messages--;
		budget->bytes -= lane->message.size < budget->bytes ? lane->message.size
								    : budget->bytes;
		lane_finish_message(lane);
	}
	if (receiver->handle.is_freed)
		return false;
	lane_release(lane);
	lane_end_if_drained(lane);
	if (lane->state == LANE_ENDED) {
		lane_say_left(lane);
		return false;
	}
	return wants_more;
}
