/* SPDX-License-Identifier: MIT */
/*
 * What a sender waits for: room after a refused send, emptiness after a refused IF_EMPTY, everything consumed. All
 * of them are head positions, and only one can be armed, so the nearest is; each wake-up looks
 * again at all and arms anew (design, section 10.1).
 */

#include <errno.h>

#include "sender.h"

/* Fill at which a refused message is worth another try: the low watermark, or less if it needs more room than that
 * leaves. */
static uint64_t sender_room_fill(const struct evchan_sender *sender)
{
	uint64_t fits = sender->ring.capacity - sender->room_needed;

	return fits < sender->options.low_watermark ? fits : sender->options.low_watermark;
}

/* Wants that are met become due. */
static void sender_settle_wants(struct evchan_sender *sender)
{
	uint64_t fill = ring_writer_fill(&sender->ring);

	if (sender->wants_room && fill <= sender_room_fill(sender)) {
		sender->wants_room = false;
		sender->room_needed = 0;
		sender->due |= SENDER_DUE_WRITABLE;
	}
	if (sender->wants_empty && fill == 0) {
		sender->wants_empty = false;
		sender->due |= SENDER_DUE_WRITABLE;
	}
	if (fill == 0)
		sender->waits_drained = false;
	if (sender->wants_drained && sender->ring.head >= sender->drained_at) {
		sender->wants_drained = false;
		sender->due |= SENDER_DUE_DRAINED;
	}
}

/* The head position of the nearest want that is not met. Whether there is one. */
static bool sender_nearest_want(const struct evchan_sender *sender, uint64_t *position)
{
	uint64_t room = sender->ring.written - sender_room_fill(sender);

	/* Corked messages are not the receiver's to release yet. */
	*position = sender->ring.published;
	if (sender->wants_room && room < *position)
		*position = room;
	if (sender->wants_drained && sender->drained_at < *position)
		*position = sender->drained_at;
	return sender->wants_room || sender->wants_empty || sender->wants_drained ||
	       sender->waits_drained;
}

void sender_look_for_room(struct evchan_sender *sender)
{
	uint64_t position, armed = 0;
	int r;

	r = ring_writer_observe(&sender->ring);
	for (;;) {
		if (r < 0) {
			sender_disconnect(sender, r);
			return;
		}
		sender_settle_wants(sender);
		if (!sender_nearest_want(sender, &position) || sender->state != SENDER_CONNECTED)
			return;
		/* It was there already, and meets no want: all is released but for what is corked. Uncork publishes
		 * and looks again. */
		if (r > 0 && position == armed)
			return;
		armed = position;
		r = ring_writer_arm(&sender->ring, position);
		if (r == 0)
			return;
	}
}

int evchan_sender_notify_drained(struct evchan_sender *sender)
{
	if (handle_is_foreign(&sender->handle))
		return -EOWNERDEAD;
	handle_check_thread(&sender->handle);
	if (sender->send_error)
		return sender->send_error;
	/* Once for both, at the later point. */
	sender->due &= ~(unsigned)SENDER_DUE_DRAINED;
	sender->wants_drained = true;
	sender->drained_at = sender->ring.published;
	sender_look_for_room(sender);
	if (sender->due)
		sender_notify_later(sender);
	return 0;
}
