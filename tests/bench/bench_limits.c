/* SPDX-License-Identifier: MIT */
/*
 * What transports are compared with, in the same rounds, though they are none.
 *
 * `memcpy`: one process copies messages around a piece of shared memory of the ring's
 * size, which nobody reads.
 *
 * `pacing`: a stream at a fixed rate without its messages. The sender's loop is woken
 * when one is due and does nothing; the receiver makes up a message a hundred times a
 * second, only to notice when the round is over. What the sender's side costs is in
 * every other figure at that rate, too.
 */

#include <event2/event.h>

#include "limits.h"
#include "pacer.h"
#include "process.h"
#include "transport.h"

const struct transport transport_memcpy = {
	.name = "memcpy",
	.is_extra = true,
	.is_limit = true,
	.size_min = 16384,
	.limit_ns = limit_memcpy_ns,
};

static void on_due(void *arg, unsigned messages)
{
	(void)arg;
	(void)messages;
}

static void send_nothing(struct sender_task *task)
{
	struct event_base *base = event_base_new();
	struct pacer pacer;

	if (!base)
		process_die("no event base");
	pacer_start(&pacer, base, task->pace_fd, on_due, NULL);
	event_base_dispatch(base);
}

static void receive_nothing(struct receiver_task *task)
{
	struct board *board = task->tally.board;
	struct payload payload;

	payload_init(&payload, 0, task->tally.size);
	transport_ready(board);
	do {
		process_sleep(0.01);
		payload_stamp(&payload);
	} while (!tally_message(&task->tally, payload_next(&payload), payload.size) &&
			(payload_advance(&payload), true));
}

const struct transport transport_pacing = {
	.name = "pacing",
	.is_limit = true,
	.send = send_nothing,
	.is_paced = true,
	.receive = receive_nothing,
};
