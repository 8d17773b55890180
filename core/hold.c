/* SPDX-License-Identifier: MIT */
/*
 * Holding a message, and giving it back.
 *
 * A hold outlives the delivery, and may outlive the sender, the lane's end and the receiver; only its duty to be
 * released is for ever. While it lives it keeps the lane's memory, and with it the lane's charge: a dead sender's
 * ring that is held counts in all limits.
 */

#include "hold.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lane.h"
#include "receiver.h"

static uint64_t hold_limit(const struct evchan_lane *lane)
{
	uint64_t limit = lane->receiver->options.max_held_bytes;

	return limit ? limit : lane->reader.capacity / 2;
}

int evchan_message_hold(const struct evchan_message **held, const struct evchan_message *message)
{
	struct evchan_lane *lane = message->lane;
	bool is_copy;
	struct held_message *node;

	if (!lane)
		return -EINVAL;
	if (handle_is_foreign(&lane->receiver->handle))
		return -EOWNERDEAD;
	handle_check_thread(&lane->receiver->handle);
	if (message != &lane->message || !lane->is_delivering)
		return -EINVAL;
	if (lane->held)
		return -EALREADY;
	if (lane->reader.held_bytes + ring_record_bytes(message->size) > hold_limit(lane))
		return -ENOBUFS;
	is_copy = message->data == lane->receiver->copy;
	node = malloc(sizeof(*node) + (is_copy ? message->size : 0));
	if (!node)
		return -ENOMEM;
	node->message = *message;
	node->lane = lane;
	node->fork_generation = descriptor_fork_generation;
	if (is_copy) {
		memcpy(node->copy, message->data, message->size);
		node->message.data = node->copy;
	}
	ring_reader_hold(&lane->reader, &node->hold, message->sequence, (uint32_t)message->size);
	lane->held = node;
	*held = &node->message;
	return 0;
}

void evchan_message_release(const struct evchan_message *held)
{
	struct held_message *node;
	struct evchan_lane *lane;

	if (!held)
		return;
	/* The node was made writable by us; only its owner's view is const. */
	node = (struct held_message *)((uintptr_t)held - offsetof(struct held_message, message));
	lane = node->lane;
	if (lane && descriptor_is_forked(node->fork_generation)) {
		/* The list is this process's own memory, and walked when the receiver is freed. */
		ring_reader_unhold(&lane->reader, &node->hold);
	} else if (lane) {
		handle_check_thread(&lane->receiver->handle);
		ring_reader_unhold(&lane->reader, &node->hold);
		if (lane->held == node)
			lane->held = NULL;
		/* At once, unless the lane is being drained: the end of that publishes it. */
		if (!lane->is_delivering)
			lane_release(lane);
		if (lane->state == LANE_GONE && !lane->in_left &&
				list_is_empty(&lane->reader.holds))
			lane_free(lane);
	}
	free(node);
}

void hold_orphan_all(struct evchan_lane *lane)
{
	struct held_message *node;

	while (!list_is_empty(&lane->reader.holds)) {
		node = CONTAINER_OF(LIST_FIRST(&lane->reader.holds, struct ring_hold, link),
				struct held_message, hold);
		ring_reader_unhold(&lane->reader, &node->hold);
		node->lane = NULL;
		node->message.lane = NULL;
	}
}
