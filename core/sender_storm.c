/* SPDX-License-Identifier: MIT */
/*
 * Bell storms, as a sender meets them: a receiver that rings again and again without releasing anything.
 *
 * lane_storm.c is the same for the other direction, and says why. An honest receiver rings when its head crosses a
 * position that the sender has armed, and that is armed behind the head last seen; so rings between which the head does
 * not move are stragglers, one or two of them. After STORM_LOOKS in a row the receiver is not listened to for a while: what
 * it says meanwhile, its end included, is only heard later. After STORM_PAUSES of those the connection is
 * over, and the ring is offered again like after any other.
 *
 * Surprising: the pause is ended by the timer for connection attempts, which has nothing else to do while
 * there is a connection, and whose callback reads the control socket and watches it again.
 */

#include <errno.h>

#include <evchan/loop.h>

#include "clock.h"
#include "sender.h"

#define STORM_LOOKS 64
#define STORM_PAUSE_MS 20
#define STORM_PAUSES 10
/* Pauses further apart than this are not the same storm. */
#define STORM_CALM_MS 2000

static bool sender_pause(struct evchan_sender *sender)
{
	struct evchan_loop *loop = sender->loop;
	uint64_t now = clock_milliseconds();

	if (now - sender->storm_ends > STORM_CALM_MS)
		sender->storm_pauses = 0;
	if (++sender->storm_pauses >= STORM_PAUSES) {
		sender_disconnect(sender, -EPROTO);
		return false;
	}
	/* Without a timer nothing would ever listen to it again. */
	if (loop->ops->timer_set(loop, sender->retry_timer, STORM_PAUSE_MS) < 0)
		return true;
	sender->storm_ends = now + STORM_PAUSE_MS;
	sender_unwatch(sender);
	return false;
}

bool sender_heard_ring(struct evchan_sender *sender)
{
	if (sender->ring.head != sender->rung_head) {
		sender->rung_head = sender->ring.head;
		sender->idle_looks = 0;
		sender->storm_pauses = 0;
		return true;
	}
	if (++sender->idle_looks < STORM_LOOKS)
		return true;
	sender->idle_looks = 0;
	return sender_pause(sender);
}
