/* SPDX-License-Identifier: MIT */

/*
 * From the channel to NATS: the side of NATS.
 *
 * While messages *flow*, each is published when it comes. Anything that goes wrong ends the flow: the connection is
 * lost, an acknowledgement is a refusal (no stream for the subject, a stream at its limits, no leader), or does
 * not come in time. Then nothing is published, and the receiver pauses, until
 *
 *	- there is a connection,
 *	- nothing that was published on it waits for an acknowledgement,
 *	- a pause after a refusal is over, which doubles with each.
 *
 * What is left is published again, oldest first, before anything new. So what is stored of a lane stands in the
 * lane's order, as long as a server stores what one connection brings in the order in which it comes: after the loss of a
 * connection it has stored the first part of what was in flight, all of that is recognised, and the rest follows. Where a
 * single message was refused, its successors that were in flight already stand before it.
 *
 * Everything in flight has one order of time, too: the oldest is the first in the queue. So one look at it each second finds
 * an acknowledgement that does not come. (libnats can watch each message, and keeps a record of each for the whole of that
 * time, acknowledged or not.) The session is given up then, since nothing tells what became of it.
 */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <event2/event.h>

#include "forward.h"
#include "program.h"
#include "source.h"
#include "subject.h"

#define AGAIN_MIN_MS 100
#define AGAIN_MAX_MS 5000
/* JSStreamMessageExceedsMaximumErr */
#define STREAM_MESSAGE_TOO_LARGE 10054

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* ---- One message ---------------------------------------------------------------------- */

static natsStatus set_headers(natsMsg *message, const struct evchan_message *held,
		struct source *source, const struct source_type *type)
{
	char text[HASH_TEXT];
	natsStatus status;

	message_id(text, source->uid, source->id, held->sequence);
	status = natsMsgHeader_Set(message, "Nats-Msg-Id", text);
	if (status == NATS_OK && held->type != 0) {
		snprintf(text, sizeof(text), "%" PRIu32, held->type);
		status = natsMsgHeader_Set(message, "Evchan-Type", text);
	}
	if (status == NATS_OK && type->is_described)
		status = natsMsgHeader_Set(message, "Evchan-Type-Name", type->name);
	if (status == NATS_OK && type->is_described)
		status = natsMsgHeader_Set(message, "Evchan-Schema", type->signature);
	return status;
}

static natsStatus make_message(natsMsg **message, const struct forward *forward,
		const struct publication *publication)
{
	const struct evchan_message *held = publication->held;
	struct source *source = publication->source;
	const struct source_type *type = source_type(source, held->type);
	char subject[SUBJECT_MAX];
	struct subject_words words = {
		.label = evchan_lane_label(source->lane),
		.uid = source->uid,
	};
	natsStatus status;

	if (!type)
		return NATS_NO_MEMORY;
	words.type = type->name;
	if (held->size > INT32_MAX)
		return NATS_MAX_PAYLOAD;
	if (!subject_make(subject, forward->options->subject, &words))
		return NATS_INVALID_SUBJECT;
	status = natsMsg_Create(message, subject, NULL, held->data, (int)held->size);
	if (status == NATS_OK)
		status = set_headers(*message, held, source, type);
	return status;
}

/* It can never be published. */
static void reject(
		struct forward *forward, struct publication *publication, const char *why)
{
	struct source *source = publication->source;
	const struct evchan_peer peer = evchan_lane_peer(source->lane);

	forward->too_large++;
	if (!source->is_evicted && !source->has_left) {
		complain("the lane '%s' of pid %d, uid %u is evicted: a message of %zu "
			 "bytes: %s",
				evchan_lane_label(source->lane), (int)peer.pid,
				(unsigned)peer.uid, publication->held->size, why);
		evchan_lane_evict(source->lane, why);
		source->is_evicted = true;
	}
	publications_remove(&forward->publications, publication);
}

static void stop_flowing(struct forward *forward, const char *why)
{
	forward->is_flowing = false;
	if (why && !forward->has_complained) {
		complain("JetStream does not take messages: %s; trying again", why);
		forward->has_complained = true;
	}
}

/* Waits before anything is published again. */
static void pause_before_again(struct forward *forward)
{
	struct timeval pause;

	if (forward->is_waiting)
		return;
	forward->again_ms = forward->again_ms ? forward->again_ms * 2 : AGAIN_MIN_MS;
	if (forward->again_ms > AGAIN_MAX_MS)
		forward->again_ms = AGAIN_MAX_MS;
	pause.tv_sec = forward->again_ms / 1000;
	pause.tv_usec = forward->again_ms % 1000 * 1000;
	forward->is_waiting = event_add(forward->again_timer, &pause) == 0;
}

void forward_publish(struct forward *forward, struct publication *publication)
{
	jsCtx *stream = nats_link_stream(&forward->link);
	natsMsg *message = NULL;
	const natsMsg *its_name;
	natsStatus status = make_message(&message, forward, publication);

	its_name = message;
	if (status == NATS_OK)
		status = stream ? js_PublishMsgAsync(stream, &message, NULL)
				: NATS_CONNECTION_CLOSED;
	/* Unless libnats has taken it. */
	natsMsg_Destroy(message);
	if (status == NATS_OK) {
		forward->published++;
		publication_set(&forward->publications, publication, its_name, now_ms());
	} else if (status == NATS_MAX_PAYLOAD || status == NATS_INVALID_SUBJECT) {
		reject(forward, publication,
				status == NATS_MAX_PAYLOAD
						? "it is larger than NATS takes"
						: "its subject is longer than NATS "
						  "takes");
	} else if (status == NATS_CONNECTION_CLOSED) {
		/* `closed` will come, if it has not yet. */
		stop_flowing(forward, NULL);
	} else {
		stop_flowing(forward, natsStatus_GetText(status));
		pause_before_again(forward);
	}
}

/* ---- The flow ---------------------------------------------------------------------------- */

static void publish_again(struct forward *forward)
{
	struct publication *publication, *next;

	forward->is_flowing = true;
	for (publication = TAILQ_FIRST(&forward->publications.queue);
			publication && forward->is_flowing; publication = next) {
		next = TAILQ_NEXT(publication, link);
		forward_publish(forward, publication);
	}
}

static bool is_full(const struct forward *forward)
{
	return forward->publications.count >= forward->options->max_in_flight ||
			forward->publications.bytes >=
			forward->options->max_in_flight_bytes;
}

/* A pause for each message that is acknowledged would be a turn of the loop for each. */
static bool has_room(const struct forward *forward)
{
	return forward->publications.count <= forward->options->max_in_flight / 4 * 3 &&
			forward->publications.bytes <=
			forward->options->max_in_flight_bytes / 4 * 3;
}

static void pause_or_resume(struct forward *forward)
{
	bool may_take = forward->end == FORWARD_RUNS || forward->end == FORWARD_EMPTIES;

	if (!forward->is_paused &&
			(!may_take || !forward->is_flowing || is_full(forward))) {
		forward->pauses += is_full(forward);
		forward->is_paused = true;
		evchan_receiver_pause(forward->receiver);
	} else if (forward->is_paused && may_take && forward->is_flowing &&
			has_room(forward)) {
		forward->is_paused = false;
		evchan_receiver_resume(forward->receiver);
	}
}

void forward_go_on(struct forward *forward)
{
	if (!forward->is_flowing && !forward->is_waiting &&
			forward->publications.published == 0 &&
			nats_link_stream(&forward->link))
		publish_again(forward);
	pause_or_resume(forward);
	forward_advance_end(forward);
}

void forward_check_acks(struct forward *forward)
{
	const struct publication *oldest;
	uint64_t latest = now_ms() - forward->options->ack_wait * 1000;

	/* Behind a refused one, which waits for the others, may be the oldest that was published. */
	TAILQ_FOREACH(oldest, &forward->publications.queue, link) {
		if (oldest->message)
			break;
	}
	if (!oldest || oldest->published_at > latest)
		return;
	complain("no acknowledgement for %" PRIu64 " s; the connection is given up",
			forward->options->ack_wait);
	nats_link_give_up(&forward->link);
}

/* ---- What the link tells --------------------------------------------------------------------- */

static void on_opened(void *arg)
{
	forward_go_on(arg);
}

static void on_closed(void *arg)
{
	struct forward *forward = arg;
	struct publication *publication;

	TAILQ_FOREACH(publication, &forward->publications.queue, link) {
		publication_clear(&forward->publications, publication);
	}
	stop_flowing(forward, NULL);
	pause_or_resume(forward);
}

static void succeed(struct forward *forward, struct publication *publication,
		bool is_duplicate)
{
	forward->acked++;
	forward->duplicates += is_duplicate;
	publications_remove(&forward->publications, publication);
	forward->again_ms = 0;
	if (forward->has_complained)
		complain("JetStream takes messages again");
	forward->has_complained = false;
}

static void fail(struct forward *forward, struct publication *publication,
		const struct mail *mail)
{
	forward->failed++;
	publication_clear(&forward->publications, publication);
	if (mail->code == STREAM_MESSAGE_TOO_LARGE) {
		reject(forward, publication, "it is larger than the stream takes");
		return;
	}
	stop_flowing(forward,
			mail->status == NATS_NO_RESPONDERS ? "no stream has this subject"
							   : mail->text);
	pause_before_again(forward);
}

static void on_acked(natsMsg *message, const struct mail *mail, void *arg)
{
	struct forward *forward = arg;
	struct publication *publication =
			publications_find(&forward->publications, message);

	natsMsg_Destroy(message);
	/* It was of an earlier session: published again since, or to be. */
	if (!publication)
		return;
	if (mail->status == NATS_OK)
		succeed(forward, publication, mail->code == 1);
	else
		fail(forward, publication, mail);
	forward_go_on(forward);
}

static void on_arrived(natsMsg *message, void *arg)
{
	(void)arg;
	natsMsg_Destroy(message);
}

static void on_ended(void *arg)
{
	forward_ended(arg);
}

const struct nats_link_callbacks forward_link_callbacks = {
	.opened = on_opened,
	.closed = on_closed,
	.acked = on_acked,
	.arrived = on_arrived,
	.ended = on_ended,
};
