/* SPDX-License-Identifier: MIT */

/*
 * From NATS to the channel.
 *
 * A message goes through three queues (arrivals.h): it waits for room in the ring, is in the ring until the receiver has
 * released it, and is then acknowledged to JetStream. That the receiver has released it is what `drained` tells, of
 * all that was in the ring when it was asked for; so while one batch is waited for the next one is being sent, and is
 * asked for when the first is done.
 *
 * The consumer is the limit: it delivers no more than its MaxAckPending, so a receiver that is slow, or away,
 * fills the ring, then the queue here, and then nothing comes any more.
 *
 * An acknowledgement is one small message to the subject that came with the delivery, over whatever connection there is
 * now. If it is lost JetStream delivers again.
 *
 * The end in order: nothing new is taken, what waits is left to JetStream, what is in the ring is waited for.
 */

#include "backward.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <event2/event.h>

#include "arrivals.h"
#include "nats_link.h"
#include "program.h"

/* How long, in turns of 10 ms, the last acknowledgements have to get into the socket. */
#define FLUSH_TURNS 100

struct backward {
	struct bridge *bridge;
	struct nats_link link;
	struct evchan_sender *sender;
	struct arrivals arrivals;
	struct event *flush_timer;
	unsigned flush_turns;
	size_t asked; /* of those sent, that `drained` will be about */
	bool is_full; /* `writable` will come */
	bool is_ending;
	bool has_ended;
	uint64_t arrived;
	uint64_t redelivered;
	uint64_t sent;
	uint64_t acked;
	uint64_t too_large;
};

/* ---- Acknowledging ---------------------------------------------------------------------- */

static bool answer(struct backward *backward, const natsMsg *message, const char *text)
{
	natsConnection *connection = nats_link_connection(&backward->link);
	const char *subject = natsMsg_GetReply(message);

	return connection &&
			natsConnection_PublishString(connection, subject, text) ==
			NATS_OK;
}

static void acknowledge(struct backward *backward)
{
	struct arrival *arrival;

	while ((arrival = STAILQ_FIRST(&backward->arrivals.released))) {
		if (!answer(backward, arrival->message, "+ACK"))
			return;
		arrivals_acknowledged(&backward->arrivals);
		backward->acked++;
	}
}

/* ---- Sending ---------------------------------------------------------------------------- */

static uint32_t type_of(natsMsg *message)
{
	const char *text;
	unsigned long value;
	char *rest;

	if (natsMsgHeader_Get(message, "Evchan-Type", &text) != NATS_OK)
		return 0;
	if (*text < '0' || *text > '9')
		return 0;
	errno = 0;
	value = strtoul(text, &rest, 10);
	return errno || *rest || value >= EVCHAN_TYPE_RESERVED ? 0 : (uint32_t)value;
}

/* Delivered again it would be too large again. */
static void drop_too_large(struct backward *backward, const struct arrival *arrival)
{
	complain("message %" PRIu64
		 " of the stream has %d bytes, which do not fit into the ring; "
		 "it is given up (see --capacity)",
			arrival->sequence, natsMsg_GetDataLength(arrival->message));
	answer(backward, arrival->message, "+TERM");
	arrivals_drop(&backward->arrivals);
	backward->too_large++;
}

static void refused_for_good(struct backward *backward)
{
	bridge_stop(backward->bridge, EXIT_FAILURE);
}

static void send_waiting(struct backward *backward)
{
	struct arrival *arrival;

	evchan_cork(backward->sender);
	while (!backward->is_full &&
			(arrival = STAILQ_FIRST(&backward->arrivals.waiting))) {
		natsMsg *message = arrival->message;
		int r = evchan_send(backward->sender, type_of(message),
				natsMsg_GetData(message),
				(size_t)natsMsg_GetDataLength(message), 0);

		if (r == 0) {
			arrivals_sent(&backward->arrivals);
			backward->sent++;
		} else if (r == -EMSGSIZE) {
			drop_too_large(backward, arrival);
		} else {
			/* Refused for good it is the end, and `refused` tells why. */
			backward->is_full = true;
		}
	}
	evchan_uncork(backward->sender);
}

static void ask(struct backward *backward)
{
	if (backward->asked > 0 || backward->arrivals.sent_count == 0)
		return;
	if (evchan_sender_notify_drained(backward->sender) == 0)
		backward->asked = backward->arrivals.sent_count;
}

static void go_on(struct backward *backward)
{
	acknowledge(backward);
	if (!backward->is_ending)
		send_waiting(backward);
	ask(backward);
	if (backward->is_ending && !backward->has_ended &&
			backward->arrivals.sent_count == 0) {
		static const struct timeval at_once;

		backward->has_ended = true;
		event_add(backward->flush_timer, &at_once);
	}
}

/* ---- The channel -------------------------------------------------------------------------- */

static void on_writable(struct evchan_sender *sender, void *arg)
{
	struct backward *backward = arg;

	(void)sender;
	backward->is_full = false;
	go_on(backward);
}

static void on_drained(struct evchan_sender *sender, void *arg)
{
	struct backward *backward = arg;

	(void)sender;
	arrivals_released(&backward->arrivals, backward->asked);
	backward->asked = 0;
	go_on(backward);
}

static void on_disconnected(struct evchan_sender *sender, int error, void *arg)
{
	struct backward *backward = arg;

	(void)sender;
	complain("%s: the receiver is gone%s%s; waiting for the next",
			backward->bridge->options.address, error ? ": " : "",
			error ? evchan_strerror(error) : "");
}

static void on_refused(struct evchan_sender *sender, int error, const char *text,
		int final, void *arg)
{
	struct backward *backward = arg;

	(void)sender;
	(void)error;
	complain("%s: %s%s", backward->bridge->options.address, text,
			final ? "" : "; trying again");
	if (final)
		refused_for_good(backward);
}

static int make_sender(struct backward *backward)
{
	struct evchan_sender_callbacks callbacks = EVCHAN_SENDER_CALLBACKS_INIT;
	struct evchan_sender_options *options = &backward->bridge->options.sender;

	callbacks.writable = on_writable;
	callbacks.drained = on_drained;
	callbacks.disconnected = on_disconnected;
	callbacks.refused = on_refused;
	options->flags = EVCHAN_SENDER_WAIT;
	return evchan_sender_new(&backward->sender, backward->bridge->loop,
			backward->bridge->options.address, options, &callbacks, backward);
}

/* ---- The link -------------------------------------------------------------------------------- */

static void on_opened(void *arg)
{
	go_on(arg);
}

/* What is in the queues stays: its acknowledgements go over the next connection. */
static void on_closed(void *arg)
{
	(void)arg;
}

static void on_acked(natsMsg *message, const struct mail *mail, void *arg)
{
	(void)mail;
	(void)arg;
	natsMsg_Destroy(message);
}

static void on_arrived(natsMsg *message, void *arg)
{
	struct backward *backward = arg;

	if (backward->is_ending) {
		natsMsg_Destroy(message);
		return;
	}
	switch (arrivals_add(&backward->arrivals, message)) {
	case ARRIVAL_NEW:
		backward->arrived++;
		break;
	case ARRIVAL_KNOWN:
	case ARRIVAL_RELEASED:
		backward->redelivered++;
		break;
	case ARRIVAL_STRANGE:
		complain("a message that no consumer has delivered");
		break;
	case ARRIVAL_NO_MEMORY:
		complain("out of memory; JetStream will deliver it again");
		break;
	}
	go_on(backward);
}

static void on_ended(void *arg)
{
	struct backward *backward = arg;

	bridge_stop(backward->bridge, EXIT_SUCCESS);
}

static const struct nats_link_callbacks link_callbacks = {
	.opened = on_opened,
	.closed = on_closed,
	.acked = on_acked,
	.arrived = on_arrived,
	.ended = on_ended,
};

/* ---- Life -------------------------------------------------------------------------------------- */

static void end(void *state)
{
	struct backward *backward = state;

	backward->is_ending = true;
	arrivals_forget_waiting(&backward->arrivals);
	go_on(backward);
}

/* The loop writes to the socket, so it must run until all is written. */
static void on_flush(evutil_socket_t fd, short what, void *arg)
{
	static const struct timeval soon = { .tv_usec = 10000 };
	struct backward *backward = arg;
	natsConnection *connection = nats_link_connection(&backward->link);

	(void)fd;
	(void)what;
	acknowledge(backward);
	if (connection && natsConnection_Buffered(connection) > 0 &&
			backward->flush_turns++ < FLUSH_TURNS)
		event_add(backward->flush_timer, &soon);
	else
		nats_link_end(&backward->link);
}

static int init(void **state, struct bridge *bridge)
{
	struct backward *backward = calloc(1, sizeof(*backward));
	int r;

	if (!backward)
		return -ENOMEM;
	*state = backward;
	backward->bridge = bridge;
	arrivals_init(&backward->arrivals);
	backward->flush_timer = evtimer_new(bridge->base, on_flush, backward);
	if (!backward->flush_timer)
		return -ENOMEM;
	r = make_sender(backward);
	if (r < 0)
		return r;
	return nats_link_init(&backward->link, bridge->base, &bridge->options,
			&link_callbacks, backward);
}

static void print_stats(const void *state)
{
	const struct backward *backward = state;

	fprintf(stderr,
			"arrived=%" PRIu64 " redelivered=%" PRIu64 " sent=%" PRIu64
			" acked=%" PRIu64 " too_large=%" PRIu64
			" in_flight=%zu connects=%" PRIu64 " losses=%" PRIu64 "\n",
			backward->arrived, backward->redelivered, backward->sent,
			backward->acked, backward->too_large, backward->arrivals.count,
			backward->link.connects, backward->link.losses);
}

static void free_backward(void *state)
{
	struct backward *backward = state;

	/* What is in the ring still arrives, and is delivered by JetStream again. */
	evchan_sender_free(backward->sender);
	nats_link_deinit(&backward->link);
	arrivals_deinit(&backward->arrivals);
	if (backward->flush_timer)
		event_free(backward->flush_timer);
	free(backward);
}

const struct direction backward_direction = {
	.init = init,
	.end = end,
	.print_stats = print_stats,
	.free = free_backward,
};
