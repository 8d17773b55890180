/* SPDX-License-Identifier: MIT */
/*
 * Bell storms: a sender that rings again and again without publishing anything.
 *
 * Each ring costs the receiver a wake-up and a turn of its loop, and costs the sender one system call: a sender in a tight
 * loop could take a good part of the receiver's CPU. An honest one rings when it has published something, and once after
 * its welcome. So rings between which the tail did not move are counted; a few happen to everybody, STORM_RINGS in a
 * row to nobody.
 *
 * The answer comes in two steps. First the lane is not listened to for a while, neither to its bell nor to its control socket:
 * that bounds what a storm can cost, and its sender's messages are only late. If that has happened STORM_PAUSES times
 * without a single message in between, the lane is cut off.
 *
 * All pauses are equally long, so the list of paused lanes is in the order of their ends, and one timer does. A lane whose
 * sender is gone and whose next message cannot be copied for want of memory waits on the same list, and so does one whose
 * sender could not be rung for want of it: that one is listened to meanwhile.
 */

#include <errno.h>

#include <evchan/loop.h>

#include "clock.h"
#include "lane.h"
#include "receiver.h"

#define STORM_RINGS 64
#define STORM_PAUSE_MS 20
#define STORM_PAUSES 10
/* A message pays for so many idle rings before it. */
#define STORM_CREDIT 8
/* Pauses further apart than this are not the same storm. */
#define STORM_CALM_MS 2000

static int storm_set_timer(struct evchan_receiver *receiver, uint64_t milliseconds)
{
	struct evchan_loop *loop = receiver->loop;

	return loop->ops->timer_set(loop, receiver->storm_timer, (uint32_t)milliseconds);
}

int lane_leave_alone(struct evchan_lane *lane)
{
	struct evchan_receiver *receiver = lane->receiver;
	int r;

	if (list_is_linked(&lane->storm_link))
		return 0;
	/* Without a timer nothing would ever look at it again. */
	if (list_is_empty(&receiver->stormy)) {
		r = storm_set_timer(receiver, STORM_PAUSE_MS);
		if (r < 0)
			return r;
	}
	lane->storm_ends = clock_milliseconds() + STORM_PAUSE_MS;
	list_append(&receiver->stormy, &lane->storm_link);
	return 0;
}

/* Stops listening to a lane for a while. Callback: error. */
static void storm_pause(struct evchan_lane *lane)
{
	if (clock_milliseconds() > lane->storm_ends + STORM_CALM_MS)
		lane->storm_pauses = 0;
	if (++lane->storm_pauses >= STORM_PAUSES) {
		lane_break(lane, -EPROTO, CONTROL_REFUSE_PROTOCOL,
				"it rings its bell without end and sends nothing");
		return;
	}
	lane_unwatch(lane);
	if (lane_leave_alone(lane) < 0)
		lane_break(lane, -ENOMEM, CONTROL_REFUSE_NONE, "no memory to listen to it again");
}

bool lane_heard_rings(struct evchan_lane *lane, unsigned rings)
{
	uint64_t tail = ring_reader_seen_tail(&lane->reader);

	if (tail != lane->rung_tail) {
		lane->rung_tail = tail;
		lane->idle_rings -= lane->idle_rings < STORM_CREDIT ? lane->idle_rings
								    : STORM_CREDIT;
		return true;
	}
	lane->idle_rings += rings;
	if (lane->idle_rings < STORM_RINGS)
		return true;
	lane->idle_rings = 0;
	storm_pause(lane);
	return false;
}

/* The pause is over. Callback: all. */
static void storm_resume(struct evchan_lane *lane)
{
	struct evchan_receiver *receiver = lane->receiver;
	int r;

	list_remove(&lane->storm_link);
	r = lane->state == LANE_OPEN ? lane_watch(lane) : 0;
	if (r < 0) {
		lane_break(lane, r, CONTROL_REFUSE_NONE, "cannot watch it any more");
		return;
	}
	/* Rings during the pause led nowhere. Noted before the look: if that finds the sender gone, the lane may be served,
	 * and freed, in there. */
	receiver_lane_is_ready(receiver, lane, false);
	lane_look_at_control(lane);
}

static void storm_timer_fired(void *arg)
{
	struct evchan_receiver *receiver = arg;
	uint64_t now = clock_milliseconds();
	struct evchan_lane *lane;

	if (handle_is_foreign(&receiver->handle))
		return;
	receiver_enter(receiver);
	while (!receiver->handle.is_freed && !list_is_empty(&receiver->stormy)) {
		lane = LIST_FIRST(&receiver->stormy, struct evchan_lane, storm_link);
		if (lane->storm_ends > now && storm_set_timer(receiver, lane->storm_ends - now) == 0)
			break;
		storm_resume(lane);
	}
	receiver_leave(receiver);
}

int receiver_storm_init(struct evchan_receiver *receiver)
{
	struct evchan_loop *loop = receiver->loop;

	list_init(&receiver->stormy);
	return loop->ops->timer_add(loop, &receiver->storm_timer, storm_timer_fired, receiver);
}
