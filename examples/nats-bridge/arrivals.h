/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_NATS_ARRIVALS_H
#define EVCHAN_NATS_ARRIVALS_H

/* Messages that came from a consumer and are not acknowledged. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include <nats/nats.h>

/* How many acknowledged messages are remembered. */
#define ARRIVALS_REMEMBERED 65536

struct arrival {
	STAILQ_ENTRY(arrival) link;
	natsMsg *message;
	uint64_t sequence; /* in the stream */
};

STAILQ_HEAD(arrival_queue, arrival);

struct arrivals {
	struct arrival_queue waiting;  /* not yet sent */
	struct arrival_queue sent;     /* not yet released by the receiver */
	struct arrival_queue released; /* not yet acknowledged */
	size_t count;                  /* waiting and sent */
	size_t sent_count;
	uint64_t remembered[ARRIVALS_REMEMBERED];
};

enum arrival_kind {
	ARRIVAL_NEW, /* it waits */
	ARRIVAL_KNOWN, /* it is here already; its latest form is the one to be acknowledged */
	ARRIVAL_RELEASED, /* the receiver has had it: it is to be acknowledged again */
	ARRIVAL_STRANGE,  /* of no consumer */
	ARRIVAL_NO_MEMORY,
};

void arrivals_init(struct arrivals *arrivals);
void arrivals_deinit(struct arrivals *arrivals);

/* Takes the message in any case. */
enum arrival_kind arrivals_add(struct arrivals *arrivals, natsMsg *message);

/* The first one waiting was sent. */
void arrivals_sent(struct arrivals *arrivals);

/* The first one waiting will never be sent. */
void arrivals_drop(struct arrivals *arrivals);

/* The first `count` of those sent were released. */
void arrivals_released(struct arrivals *arrivals, size_t count);

/* Forgets what waits. */
void arrivals_forget_waiting(struct arrivals *arrivals);

/* Removes the first one that is to be acknowledged. */
void arrivals_acknowledged(struct arrivals *arrivals);

#endif
