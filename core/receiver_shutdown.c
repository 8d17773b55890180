/* SPDX-License-Identifier: MIT */
/*
 * Ending in order (design, section 10.15), in steps that each turn of the loop takes further:
 *
 *	1. let nobody new in; admit what waits in the listener's queue, then stop listening: the path is free
 *	2. guests get one more look; those that have not said a whole hello are shown out
 *	3. lanes whose senders are gone are drained
 *	4. the lanes of living senders end; their rings go on to the next receiver
 *
 * Only what depends on nobody is waited for, so no living sender, stopped or slow, delays it. Living senders' lanes end
 * last, with one more look at their sockets, so that a sender which died meanwhile is still drained.
 */

#include <errno.h>

#include "guest.h"
#include "onlooker.h"
#include "receiver.h"

/* Accepted per turn: other events have theirs in between. */
#define SHUTDOWN_ACCEPT_STEP 64
/* More than any listener's queue holds. A descriptor that was handed in may be shared, and goes on letting people in: who
 * comes later than this is the next receiver's. */
#define SHUTDOWN_ACCEPT_MOST 8192

int evchan_receiver_shutdown(struct evchan_receiver *receiver)
{
	struct list *link;

	if (handle_is_foreign(&receiver->handle))
		return -EOWNERDEAD;
	handle_check_thread(&receiver->handle);
	if (receiver->is_shutting_down)
		return -EALREADY;
	receiver->is_shutting_down = true;
	/* From here on each turn accepts, and no watch. */
	receiver_stop_accepting(receiver);
	listener_shut(&receiver->listener);
	receiver->is_paused = true; /* so that resume looks at every lane */
	for (link = receiver->lanes.next; link != &receiver->lanes; link = link->next)
		CONTAINER_OF(link, struct evchan_lane, link)->is_paused = false;
	evchan_receiver_resume(receiver);
	receiver_want_turn(receiver);
	return 0;
}

/* Step 1. Whether it is done. */
static bool shutdown_close_listener(struct evchan_receiver *receiver)
{
	int r;

	if (receiver->listener.fd < 0)
		return true;
	r = receiver_accept_some(receiver, SHUTDOWN_ACCEPT_STEP);
	if (receiver->handle.is_freed)
		return false;
	/* No room for guests: they go within the hello time-out. No descriptors: the timer tries again. Either makes another
	 * turn. */
	if ((r < 0 && r != -EAGAIN) || receiver->admission.guests >= ADMISSION_GUESTS_MAX)
		return false;
	receiver->shutdown_accepted += SHUTDOWN_ACCEPT_STEP;
	if (r == 0 && receiver->shutdown_accepted < SHUTDOWN_ACCEPT_MOST) {
		receiver_want_turn(receiver);
		return false;
	}
	receiver_stop_accepting(receiver);
	listener_deinit(&receiver->listener, false);
	return true;
}

/* Step 2. Whether it is done. */
static bool shutdown_show_guests_out(struct evchan_receiver *receiver)
{
	struct guest *guest;

	while (!list_is_empty(&receiver->guests)) {
		guest = LIST_FIRST(&receiver->guests, struct guest, link);
		if (guest->is_waiting)
			return false;
		if (guest_look(guest) && !guest->is_waiting)
			guest_show_out(guest);
		if (receiver->handle.is_freed)
			return false;
	}
	return true;
}

static struct evchan_lane *shutdown_find_lane(struct evchan_receiver *receiver,
		enum lane_state state)
{
	struct list *link;

	for (link = receiver->lanes.next; link != &receiver->lanes; link = link->next) {
		struct evchan_lane *lane = CONTAINER_OF(link, struct evchan_lane, link);

		if (lane->state == state)
			return lane;
	}
	return NULL;
}

/* Step 4. Each look may find that the sender is gone: then it is drained like the others first. */
static void shutdown_end_living(struct evchan_receiver *receiver)
{
	struct evchan_lane *lane;

	while ((lane = shutdown_find_lane(receiver, LANE_OPEN))) {
		lane_look_at_control(lane);
		if (receiver->handle.is_freed)
			return;
		if (lane->state == LANE_OPEN)
			lane_end(lane, EVCHAN_LEFT_SHUTDOWN, CONTROL_REFUSE_NONE, NULL);
	}
}

void receiver_advance_shutdown(struct evchan_receiver *receiver)
{
	if (receiver->shutdown_complete)
		return;
	if (!shutdown_close_listener(receiver) || !shutdown_show_guests_out(receiver))
		return;
	if (shutdown_find_lane(receiver, LANE_DRAINING) || shutdown_find_lane(receiver, LANE_ENDED))
		return;
	shutdown_end_living(receiver);
	/* The looks may have served lanes, and come through here already. */
	if (receiver->handle.is_freed || receiver->shutdown_complete ||
			shutdown_find_lane(receiver, LANE_DRAINING) ||
			shutdown_find_lane(receiver, LANE_ENDED))
		return;
	onlookers_free(receiver, false);
	receiver->shutdown_complete = true;
	if (receiver->callbacks.shut_down)
		receiver->callbacks.shut_down(receiver, receiver->arg);
}
