/* SPDX-License-Identifier: MIT */
/*
 * The one place from which a sender calls back.
 *
 * What is due is a set of bits, so that a thing noted twice is told once, in a fixed order. Each callback may free the
 * sender, which is looked at before anything else is touched.
 */

#include <string.h>

#include <evchan/loop.h>

#include "sender.h"

void sender_notify_later(struct evchan_sender *sender)
{
	struct evchan_loop *loop = sender->loop;

	if (sender->notify_timer_set)
		return;
	/* If this fails for want of memory, what is due comes with the next event. */
	if (loop->ops->timer_set(loop, sender->notify_timer, 0) == 0)
		sender->notify_timer_set = true;
}

/* `now`: what was due before the first callback. What a callback makes due comes on a later turn. */
static bool sender_take_due(struct evchan_sender *sender, unsigned now, enum sender_due due)
{
	if (sender->handle.is_freed || !(sender->due & now & due))
		return false;
	sender->due &= ~(unsigned)due;
	return true;
}

void sender_notify(struct evchan_sender *sender)
{
	const struct evchan_sender_callbacks *callbacks = &sender->callbacks;
	unsigned now = sender->due;

	if (sender_take_due(sender, now, SENDER_DUE_CONNECTED) && callbacks->connected)
		callbacks->connected(sender, sender->due_resumed, sender->arg);
	if (sender_take_due(sender, now, SENDER_DUE_DISCONNECTED) && callbacks->disconnected)
		callbacks->disconnected(sender, sender->due_disconnect_error, sender->arg);
	if (sender_take_due(sender, now, SENDER_DUE_REFUSED) && callbacks->refused) {
		char text[sizeof(sender->due_refused_text)];

		/* A copy: the callback may cause another refusal, or free the sender. */
		memcpy(text, sender->due_refused_text, sizeof(text));
		callbacks->refused(sender, sender->due_refused_error, text,
				sender->due_refused_final, sender->arg);
	}
	if (sender_take_due(sender, now, SENDER_DUE_WRITABLE) && callbacks->writable)
		callbacks->writable(sender, sender->arg);
	if (sender_take_due(sender, now, SENDER_DUE_DRAINED) && callbacks->drained)
		callbacks->drained(sender, sender->arg);
}

static void sender_notify_fired(void *arg)
{
	struct evchan_sender *sender = arg;

	if (handle_is_foreign(&sender->handle))
		return;
	sender_enter(sender);
	sender->notify_timer_set = false;
	sender->is_lazy = false;
	/* The check that bursts and messages sent with NO_WAKE left undone. */
	evchan_sender_wake(sender);
	sender_notify(sender);
	sender_leave(sender);
}

int sender_notify_init(struct evchan_sender *sender)
{
	struct evchan_loop *loop = sender->loop;

	return loop->ops->timer_add(loop, &sender->notify_timer, sender_notify_fired, sender);
}
