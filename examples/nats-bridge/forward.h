/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_NATS_FORWARD_H
#define EVCHAN_NATS_FORWARD_H

/* From the channel to NATS. */

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include <evchan/evchan.h>

#include "bridge.h"
#include "nats_link.h"
#include "publication.h"

struct event;

enum forward_end {
	FORWARD_RUNS,
	FORWARD_SETTLES, /* nothing new is taken; what is in flight is waited for */
	FORWARD_EMPTIES, /* the receiver shuts down: senders who are gone have the rest of theirs taken */
	FORWARD_FINISHES, /* nothing comes any more; what is in flight is waited for */
	FORWARD_HAS_ENDED,
};

struct forward {
	const struct nats_options *options;
	struct bridge *bridge;
	struct nats_link link;
	struct evchan_receiver *receiver;
	LIST_HEAD(, source) sources;
	struct publications publications;
	struct event *again_timer; /* to publish again what was refused */
	struct event *ack_timer;   /* looks for acknowledgements that do not come */
	unsigned again_ms;
	bool is_flowing; /* what comes is published at once */
	bool is_waiting; /* again_timer is set */
	bool is_paused;
	bool has_complained; /* since the last good acknowledgement */
	enum forward_end end;
	uint64_t messages;
	uint64_t bytes;
	uint64_t published;
	uint64_t acked;
	uint64_t duplicates;
	uint64_t failed;
	uint64_t too_large;
	uint64_t pauses;
};

extern const struct direction forward_direction;

/* ---- forward_publish.c ------------------------------------------------------------ */

extern const struct nats_link_callbacks forward_link_callbacks;

/* Of a message that has just been added. */
void forward_publish(struct forward *forward, struct publication *publication);

/* Publishes again what must be, if it is time, and takes messages or does not. Called after any change. */
void forward_go_on(struct forward *forward);

/* Gives up a session that does not acknowledge. */
void forward_check_acks(struct forward *forward);

/* ---- forward.c -------------------------------------------------------------------- */

/* Takes the next step towards the end, if it can be taken. */
void forward_advance_end(struct forward *forward);

void forward_ended(struct forward *forward);

#endif
