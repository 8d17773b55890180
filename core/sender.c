/* SPDX-License-Identifier: MIT */
/*
 * Making and freeing a sender, and its counters. sender.h says where the rest is.
 */

#include "sender.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <evchan/loop.h>

#include "clock.h"
#include "options.h"
#include "random_bytes.h"

static void sender_release_memory(struct evchan_sender *sender)
{
	if (sender->owns_loop)
		evchan_poll_loop_free(sender->loop);
	free(sender->receiver_uids);
	free(sender);
}

void sender_leave(struct evchan_sender *sender)
{
	if (handle_leave(&sender->handle))
		sender_release_memory(sender);
}

static int sender_copy_strings(struct evchan_sender *sender)
{
	struct evchan_sender_options *options = &sender->options;
	size_t count = options->receiver_uid_count;

	strcpy(sender->label, options->label); /* checked by options_read_sender() */
	options->label = sender->label;
	if (count == 0)
		return 0;
	sender->receiver_uids = calloc(count, sizeof(*sender->receiver_uids));
	if (!sender->receiver_uids)
		return -ENOMEM;
	memcpy(sender->receiver_uids, options->receiver_uids, count * sizeof(uid_t));
	return 0;
}

static int sender_read_options(struct evchan_sender *sender, const char *address,
		const struct evchan_sender_options *options,
		const struct evchan_sender_callbacks *callbacks)
{
	int r;

	r = options_read_sender(&sender->options, options);
	if (r < 0)
		return r;
	r = options_read_sender_callbacks(&sender->callbacks, callbacks);
	if (r < 0)
		return r;
	r = address_parse(&sender->address, address, ADDRESS_OF_SENDER);
	if (r < 0)
		return r;
	return sender_copy_strings(sender);
}

static int sender_make_ring(struct evchan_sender *sender)
{
	unsigned flags = 0;
	int r;

	r = random_bytes(sender->lane_id, sizeof(sender->lane_id));
	if (r < 0)
		return r;
	if (sender->options.flags & EVCHAN_SENDER_LAZY)
		flags |= SHARED_MEMORY_LAZY;
	if (sender->options.flags & EVCHAN_SENDER_LOCK_MEMORY)
		flags |= SHARED_MEMORY_LOCK;
	return ring_writer_init(&sender->ring, sender->options.capacity, sender->options.notes_size,
			sender->lane_id, flags);
}

/* The first attempt, whose outcome the caller learns from the constructor. */
static int sender_first_attempt(struct evchan_sender *sender)
{
	int r = sender_try_connect(sender);

	switch (r) {
	case 0:
		return 0;
	case -ENOENT:
	case -ECONNREFUSED:
	case -EACCES:
	case -ENOTDIR:
		if (!(sender->options.flags & EVCHAN_SENDER_WAIT))
			return r;
		break;
	case -EAGAIN:      /* the backlog is full */
	case -ETOOMANYREFS:
		break;
	case -EPIPE:
	case -ECONNRESET:
		break;     /* it is there, and on its way out */
	default:
		return r;
	}
	if (sender->address.kind == ADDRESS_DESCRIPTOR)
		return r == -EPIPE || r == -ECONNRESET ? -ECONNREFUSED : r;
	sender_schedule_attempt(sender, 0);
	return 0;
}

static void sender_remove_timers(struct evchan_sender *sender)
{
	struct evchan_loop *loop = sender->loop;

	if (sender->retry_timer)
		loop->ops->timer_remove(loop, sender->retry_timer);
	if (sender->notify_timer)
		loop->ops->timer_remove(loop, sender->notify_timer);
	sender->retry_timer = NULL;
	sender->notify_timer = NULL;
}

static int sender_start(struct evchan_sender *sender)
{
	int r;

	/* Before anything is opened that could get the number of a descriptor that is not there. */
	r = sender->address.kind == ADDRESS_DESCRIPTOR
			? control_socket_check(sender->address.fd)
			: 0;
	if (r < 0)
		return r;

	r = sender_connect_init(sender);
	if (r < 0)
		return r;
	r = sender_notify_init(sender);
	if (r < 0)
		return r;
	r = sender_make_ring(sender);
	if (r < 0)
		return r;
	return sender_first_attempt(sender);
}

int evchan_sender_new(struct evchan_sender **out, struct evchan_loop *loop, const char *address,
		const struct evchan_sender_options *options,
		const struct evchan_sender_callbacks *callbacks, void *arg)
{
	struct evchan_sender *sender = calloc(1, sizeof(*sender));
	int r;

	if (!sender)
		return -ENOMEM;
	sender->arg = arg;
	sender->loop = loop;
	sender->made_at = clock_milliseconds();
	sender->ring.memory = (struct shared_memory)SHARED_MEMORY_NONE;
	sender->ring.page_memory = (struct shared_memory)SHARED_MEMORY_NONE;
	r = sender_read_options(sender, address, options, callbacks);
	if (r < 0)
		goto fail;
	if (!loop) {
		r = evchan_poll_loop_new(&sender->loop);
		if (r < 0)
			goto fail;
		sender->owns_loop = true;
	}
	r = sender_start(sender);
	handle_init(&sender->handle);
	if (r < 0)
		goto fail_start;
	*out = sender;
	return 0;

fail_start:
	sender_remove_timers(sender);
	ring_writer_deinit(&sender->ring);
fail:
	sender_release_memory(sender);
	return r;
}

/* What the receiver is told last: everything that is written, and goodbye. */
static void sender_say_goodbye(struct evchan_sender *sender)
{
	unsigned char frame[CONTROL_FRAME_MAX];

	sender->ring.is_reserved = false;
	ring_writer_publish_quietly(&sender->ring); /* the hang-up makes the receiver look */
	(void)control_socket_send(&sender->control, frame, control_encode_bye(frame), NULL);
}

void evchan_sender_free(struct evchan_sender *sender)
{
	if (!sender)
		return;
	sender_enter(sender);
	sender->handle.is_freed = true;
	if (handle_is_foreign(&sender->handle)) {
		sender_unwatch(sender);
		control_socket_abandon(&sender->control);
		descriptor_close(sender->bell_fd);
	} else {
		if (sender->state == SENDER_GREETING || sender->state == SENDER_CONNECTED) {
			sender_say_goodbye(sender);
			sender_close_connection(sender);
		}
	}
	sender_remove_timers(sender);
	ring_writer_deinit(&sender->ring);
	sender_leave(sender);
}

size_t evchan_sender_message_max(const struct evchan_sender *sender)
{
	return (size_t)ring_writer_message_max(&sender->ring);
}

int evchan_sender_add_note(struct evchan_sender *sender, uint32_t key, const void *data, size_t size)
{
	if (handle_is_foreign(&sender->handle))
		return -EOWNERDEAD;
	handle_check_thread(&sender->handle);
	if (key >= EVCHAN_TYPE_RESERVED)
		return -EINVAL;
	return ring_writer_add_note(&sender->ring, key, data, size);
}

void evchan_sender_get_pending(struct evchan_sender *sender, struct evchan_pending *pending)
{
	struct evchan_pending known = { .size = sizeof(known) };

	if (handle_is_foreign(&sender->handle))
		return;
	(void)ring_writer_observe(&sender->ring);
	known.unconsumed_bytes = ring_writer_fill(&sender->ring);
	known.connected = sender->state == SENDER_CONNECTED;
	known.hello_sent = known.connected ||
			(sender->state == SENDER_GREETING &&
					control_socket_outlives_sender());
	options_copy_out(pending, &known, sizeof(known));
}

/* Positions as they are now. Senders are never const, but for their users. */
static uint64_t sender_fill(const struct evchan_sender *sender)
{
	struct ring_writer *ring = &((struct evchan_sender *)(uintptr_t)sender)->ring;

	if (!handle_is_foreign(&sender->handle))
		(void)ring_writer_observe(ring);
	return ring_writer_fill(ring);
}

void evchan_sender_get_stats(const struct evchan_sender *sender, struct evchan_lane_stats *stats)
{
	uint64_t fill = sender_fill(sender);
	struct evchan_lane_stats known = {
		.size = sizeof(known),
		.messages = sender->messages,
		.bytes = sender->bytes,
		.bells_rung = sender->bells_rung,
		.wakeups = sender->wakeups,
		.times_full = sender->times_full,
		.deepest_fill = sender->ring.deepest_fill > fill ? sender->ring.deepest_fill : fill,
		.fill = fill,
		.age = clock_milliseconds() - sender->made_at,
	};

	options_copy_out(stats, &known, sizeof(known));
}

struct evchan_loop *evchan_sender_poll_loop(struct evchan_sender *sender)
{
	return sender->owns_loop ? sender->loop : NULL;
}
