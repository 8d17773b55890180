/* SPDX-License-Identifier: MIT */
/*
 * Delivering a lane's messages. The path of every message goes through lane_next(), the application's
 * callback and lane_finish_message(); everything else happens once per batch.
 *
 * After a callback nothing is taken for granted: the receiver may have been freed (then the lane is gone, and only
 * receiver->handle may be looked at), or the lane paused or ended.
 */

#include "lane.h"

#include <assert.h>
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

static void lane_ring(struct evchan_lane *lane)
{
	/* No memory: the next release makes up for it, and there is one when the lane is looked at again. A hang-up is told
	 * by the control socket's watch. */
	if (control_socket_ring(&lane->control) == -ENOMEM) {
		ring_reader_not_rung(&lane->reader);
		if (!lane->receiver->handle.is_freed)
			(void)lane_leave_alone(lane);
		return;
	}
	lane->bells_rung++;
	lane->receiver->stats.bells_rung++;
}

void lane_release(struct evchan_lane *lane)
{
	/* Once the control socket is closed the ring may be another receiver's: hands off. In a forked child it is its
	 * parent's. */
	if (lane->state != LANE_OPEN || handle_is_foreign(&lane->receiver->handle))
		return;
	if (ring_reader_release(&lane->reader))
		lane_ring(lane);
}

/* The one buffer is as large as the largest message of late. Looked at once per so many copies: messages of mixed sizes
 * must not have it made anew again and again. */
#define COPIES_PER_LOOK 64
#define COPY_SMALLEST ((size_t)4096)

static size_t at_least_smallest(size_t size)
{
	return size < COPY_SMALLEST ? COPY_SMALLEST : size;
}

/* How large the buffer should be for a message of this size. */
static size_t receiver_copy_room(struct evchan_receiver *receiver, size_t size)
{
	size_t room = receiver->copy_size;

	if (receiver->copy_needed < size)
		receiver->copy_needed = size;
	if (room < size || room == 0)
		room = at_least_smallest(size);
	if (++receiver->copies >= COPIES_PER_LOOK) {
		if (room / 4 > at_least_smallest(receiver->copy_needed))
			room = at_least_smallest(receiver->copy_needed);
		receiver->copies = 0;
		receiver->copy_needed = 0;
	}
	return room;
}

/* Copies the payload so that its sender cannot change it any more. Messages are delivered one at a time, so one place does
 * for all lanes. */
static int lane_copy_message(struct evchan_lane *lane)
{
	struct evchan_receiver *receiver = lane->receiver;
	struct evchan_message *message = &lane->message;
	size_t room = receiver_copy_room(receiver, message->size);

	if (room != receiver->copy_size) {
		/* Never two of them at once. */
		free(receiver->copy);
		receiver->copy = malloc(room);
		receiver->copy_size = receiver->copy ? room : 0;
	}
	if (!receiver->copy)
		return -ENOMEM;
	memcpy(receiver->copy, message->data, message->size);
	message->data = receiver->copy;
	lane->told_no_memory = false;
	return 0;
}

/* No memory to copy the next message. A living sender has it still, and offers it again; what a dead one has left is
 * nowhere else, and waits here. Returns 0, or negative: broken. */
static int lane_lacks_memory(struct evchan_lane *lane)
{
	bool was_told = lane->told_no_memory;

	if (lane->state != LANE_DRAINING || lane_leave_alone(lane) < 0) {
		lane_break(lane, -ENOMEM, CONTROL_REFUSE_NONE, "no memory to copy its message");
		return -ENOMEM;
	}
	lane->told_no_memory = true;
	if (!was_told)
		receiver_report(lane->receiver, lane, -ENOMEM,
				"no memory to copy a message of sender pid %ld uid %lu: it has to "
				"wait (a limit of this process, its control group or the system)",
				(long)lane->peer.pid, (unsigned long)lane->peer.uid);
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
		switch (lane_spin(lane)) {
		case LANE_SPUN_CAUGHT:
			continue;
		case LANE_SPUN_OUT_OF_TIME:
			receiver_lane_is_ready(lane->receiver, lane, false);
			return 0;
		case LANE_SPUN_IN_VAIN:
			break;
		}
		r = ring_reader_arm(&lane->reader, lane_rest(lane));
		if (r <= 0)
			break;
	}
	if (r > 0)
		r = lane_take_view(lane, &view);
	else if (r == 0)
		return 0;
	if (r == -ENOMEM)
		return lane_lacks_memory(lane);
	if (r < 0) {
		lane_break(lane, r, CONTROL_REFUSE_POSITIONS, "its ring makes no sense");
		return r;
	}
	lane->is_delivering = true;
	return 1;
}

/* `next`: where the one behind it is. The receiver's totals are lane_settle()'s. */
static inline void lane_pass_message(struct evchan_lane *lane, uint64_t next)
{
	lane->is_delivering = false;
	lane->held = NULL;
	lane->messages++;
	lane->bytes += lane->message.size;
	ring_reader_go_on(&lane->reader, next);
	if (ring_reader_should_release(&lane->reader))
		lane_release(lane);
}

/* Adds what was delivered since the last time to the receiver's totals: once for many messages. */
static void lane_settle(struct evchan_lane *lane)
{
	struct evchan_receiver_stats *totals = &lane->receiver->stats;

	totals->messages += lane->messages - lane->settled_messages;
	totals->bytes += lane->bytes - lane->settled_bytes;
	lane->settled_messages = lane->messages;
	lane->settled_bytes = lane->bytes;
}

void lane_finish_message(struct evchan_lane *lane)
{
	lane_pass_message(lane, lane->reader.read + ring_record_bytes(lane->message.size));
	lane_settle(lane);
}

/* The next message, at `*read`, if it was seen with those before it, and nothing is special about it: most of a stream. Whether it
 * is there; then `*read` goes on to the one behind it. Else lane_next() has to look, also at what is wrong with it. */
static inline bool lane_take_seen(struct evchan_lane *lane, uint64_t *read)
{
	struct ring_view view;

	if (*read == lane->reader.tail || lane->copies)
		return false;
	if (ring_reader_at(&lane->reader, *read, &view) <= 0 || lane_take_view(lane, &view) < 0)
		return false;
	*read += ring_record_bytes(view.size);
	lane->is_delivering = true;
	return true;
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

/* Counts a delivered message. What the budget does not cover is owed, and taken off the lane's next shares: a message larger
 * than a share is delivered all the same, but does not come on top of one each turn. */
static inline void budget_pay(struct lane_budget *budget, uint64_t size)
{
	budget->messages--;
	if (size <= budget->bytes) {
		budget->bytes -= size;
		return;
	}
	budget->owed += size - budget->bytes;
	budget->bytes = 0;
}

/* Delivers within the budget. Whether there is more. */
static bool lane_deliver(struct evchan_lane *lane, struct lane_budget *budget)
{
	struct evchan_receiver *receiver = lane->receiver;
	/* A copy that no callback can change, and which therefore stays in registers: each message waits for
	 * the account of the one before. */
	struct lane_budget left = *budget;
	struct lane_looks looks = { .messages_left = left.messages };
	/* Where the next message is: see ring_reader_at(). No callback moves it. */
	uint64_t read = lane->reader.read;
	bool wants_more = false;

	while (lane_may_deliver(lane)) {
		if (!left.messages || !left.bytes) {
			wants_more = true;
			break;
		}
		assert(read == lane->reader.read);
		if (!lane_take_seen(lane, &read)) {
			lane_slip(lane, &looks, left.messages);
			if (lane_next(lane) <= 0)
				break;
			read += ring_record_bytes(lane->message.size);
		}
		if (receiver->callbacks.message)
			receiver->callbacks.message(receiver, &lane->message, receiver->arg);
		if (receiver->handle.is_freed)
			return false;
		budget_pay(&left, lane->message.size);
		lane_pass_message(lane, read);
	}
	*budget = left;
	return wants_more;
}

bool lane_serve(struct evchan_lane *lane, struct lane_budget *budget)
{
	struct evchan_receiver *receiver = lane->receiver;
	bool wants_more;

	receiver->served = lane;
	wants_more = lane_deliver(lane, budget);
	if (receiver->handle.is_freed)
		return false;
	receiver->served = NULL;
	lane_settle(lane);
	lane_release(lane);
	lane_end_if_drained(lane);
	if (lane->state == LANE_ENDED) {
		lane_say_left(lane);
		return false;
	}
	/* Whoever has nothing more to say is in nobody's way. */
	lane->debt = wants_more ? lane->debt + budget->owed : 0;
	return wants_more;
}
