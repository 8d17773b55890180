/* SPDX-License-Identifier: MIT */
/*
 * Whose messages are delivered when.
 *
 * Lanes with work wait on `ready`, are served in that order, each up to its share, and go to `unfinished` if they
 * want more: those have their next share on the loop's next turn, after other ready events had theirs.
 * All lanes together have a budget per turn of the loop, because libevent runs every active
 * event before it polls again: a thousand lanes that ring at once would otherwise keep everything else waiting.
 *
 * A turn of the loop takes as long as a hundred small messages. So a lane with many of these goes to the end of `ready` instead, if
 * the application has not said how many messages a share has: it has another in the same turn once all others had
 * theirs and something is left of the budget.
 *
 * A turn comes from a zero timer. Where the loop can number its turns, a lane that rings is served at once, while the
 * budget of that turn lasts: that spares a lone message one more round through the kernel.
 */

#include "receiver.h"

#include <evchan/loop.h>

static uint64_t receiver_turn_number(const struct evchan_receiver *receiver)
{
	const struct evchan_loop_ops *ops = receiver->loop->ops;

	return ops->turn ? ops->turn(receiver->loop) : 0;
}

void receiver_want_turn(struct evchan_receiver *receiver)
{
	struct evchan_loop *loop = receiver->loop;

	if (receiver->turn_timer_set)
		return;
	/* A loop that has no memory for it is asked again at the receiver's next event. */
	if (loop->ops->timer_set(loop, receiver->turn_timer, 0) == 0)
		receiver->turn_timer_set = true;
	else
		receiver->turn_is_owed = true;
}

static void receiver_refill(struct evchan_receiver *receiver)
{
	receiver->turn_budget.messages = receiver->options.turn_total_messages;
	receiver->turn_budget.bytes = receiver->options.turn_total_bytes;
	receiver->slips = 0;
	receiver->spin_end = 0;
	receiver->stats.turns++;
	list_append_all(&receiver->ready, &receiver->unfinished);
}

/* The share of one lane less what it owes, but enough for one message, and no more than what is left of the turn. */
static struct lane_budget receiver_lane_share(const struct evchan_receiver *receiver,
		struct evchan_lane *lane)
{
	struct lane_budget share = {
		.messages = receiver->options.turn_messages,
		.bytes = receiver->options.turn_bytes,
	};
	uint64_t paid = lane->debt < share.bytes ? lane->debt : share.bytes - 1;

	lane->debt -= paid;
	share.bytes -= paid;
	if (share.messages > receiver->turn_budget.messages)
		share.messages = receiver->turn_budget.messages;
	if (share.bytes > receiver->turn_budget.bytes)
		share.bytes = receiver->turn_budget.bytes;
	return share;
}

/* `left`: of the last one. A shutdown goes one step per turn. */
static bool receiver_renews_share(const struct evchan_receiver *receiver,
		const struct lane_budget *left)
{
	return receiver->renews_shares && left->messages == 0 && !receiver->is_shutting_down;
}

static void receiver_serve_lane(struct evchan_receiver *receiver, struct evchan_lane *lane)
{
	struct lane_budget share = receiver_lane_share(receiver, lane);
	struct lane_budget left = share;
	uint64_t number = lane->number;
	uint64_t spent;
	bool wants_more;

	list_remove(&lane->ready_link);
	wants_more = lane_serve(lane, &left);
	if (receiver->handle.is_freed)
		return;
	/* Whether the lane is still there, only wants_more tells. */
	if (receiver->is_paused && left.messages != share.messages)
		receiver->paused_lane = number;
	receiver->turn_budget.messages -= share.messages - left.messages;
	spent = share.bytes - left.bytes + left.owed;
	receiver->turn_budget.bytes -= spent < receiver->turn_budget.bytes
						       ? spent
						       : receiver->turn_budget.bytes;
	/* A callback may have put it back already. */
	if (wants_more && !list_is_linked(&lane->ready_link))
		list_append(receiver_renews_share(receiver, &left) ? &receiver->ready
								   : &receiver->unfinished,
				&lane->ready_link);
}

/* Serves the ready list while the budget lasts. Called between enter and leave. */
static void receiver_serve_ready(struct evchan_receiver *receiver)
{
	receiver->is_serving = true;
	while (!list_is_empty(&receiver->ready) && receiver->turn_budget.messages &&
			receiver->turn_budget.bytes) {
		receiver_serve_lane(receiver,
				LIST_FIRST(&receiver->ready, struct evchan_lane, ready_link));
		if (receiver->handle.is_freed || handle_is_foreign(&receiver->handle))
			return;
	}
	/* Still serving: lanes that a shutdown's step makes ready wait for the next turn. Served from within they would be
	 * freed under it, and it would come through here once more for each of them. */
	if (receiver->is_shutting_down) {
		receiver_advance_shutdown(receiver);
		if (receiver->handle.is_freed)
			return;
	}
	receiver->is_serving = false;
	if (!list_is_empty(&receiver->ready) || !list_is_empty(&receiver->unfinished))
		receiver_want_turn(receiver);
}

static void receiver_turn_fired(void *arg)
{
	struct evchan_receiver *receiver = arg;
	uint64_t turn;

	receiver->turn_timer_set = false;
	/* Pulled: the timer has only woken a loop of another kind, see receiver_lane_is_ready(). */
	if (handle_is_foreign(&receiver->handle) || receiver_is_pulled(receiver))
		return;
	/* One of our callbacks runs the loop: what it was called for is not over. */
	if (receiver->handle.depth > 0) {
		receiver->turn_is_owed = true;
		return;
	}
	receiver_enter(receiver);
	turn = receiver_turn_number(receiver);
	/* Bells in the same pass of the loop may have begun the turn: then there is what they have left. */
	if (turn == 0 || turn != receiver->last_turn) {
		receiver->last_turn = turn;
		receiver_refill(receiver);
	}
	receiver_serve_ready(receiver);
	receiver_leave(receiver);
}

/* Serves now if the loop's turn is known and has something left. */
static bool receiver_try_turn_now(struct evchan_receiver *receiver)
{
	uint64_t turn = receiver_turn_number(receiver);

	/* A shutdown goes one step per turn, not one for each lane that rings in it. */
	if (turn == 0 || receiver->is_serving || receiver->is_shutting_down ||
			receiver->handle.depth > 1)
		return false;
	if (turn != receiver->last_turn) {
		receiver->last_turn = turn;
		receiver_refill(receiver);
	}
	receiver_serve_ready(receiver);
	return true;
}

void receiver_lane_is_ready(struct evchan_receiver *receiver, struct evchan_lane *lane,
		bool from_loop)
{
	if (!list_is_linked(&lane->ready_link))
		list_append(from_loop ? &receiver->ready : &receiver->unfinished,
				&lane->ready_link);
	if (receiver_is_pulled(receiver)) {
		/* Whoever waits in a loop of another kind must learn that there is something to pull. */
		if (!from_loop)
			receiver_want_turn(receiver);
		return;
	}
	if (!from_loop || !receiver_try_turn_now(receiver))
		receiver_want_turn(receiver);
}

void receiver_lanes_are_ready(struct evchan_receiver *receiver, struct list *lanes)
{
	struct evchan_lane *lane;

	if (list_is_empty(lanes))
		return;
	while (!list_is_empty(lanes)) {
		lane = LIST_FIRST(lanes, struct evchan_lane, rest_link);
		list_remove(&lane->rest_link);
		if (!list_is_linked(&lane->ready_link))
			list_append(&receiver->ready, &lane->ready_link);
	}
	if (!receiver_try_turn_now(receiver))
		receiver_want_turn(receiver);
}

int receiver_turn_init(struct evchan_receiver *receiver)
{
	struct evchan_loop *loop = receiver->loop;

	return loop->ops->timer_add(loop, &receiver->turn_timer, receiver_turn_fired, receiver);
}
