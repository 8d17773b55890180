/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_NATS_PUBLICATION_H
#define EVCHAN_NATS_PUBLICATION_H

/* Messages that were taken from the channel and are not acknowledged by JetStream. */

#include <stdint.h>
#include <sys/queue.h>

#include <nats/nats.h>

#include <evchan/evchan.h>

struct source;

struct publication {
	TAILQ_ENTRY(publication) link;
	LIST_ENTRY(publication) by_message;
	struct source *source;
	const struct evchan_message *held;
	uint64_t published_at; /* milliseconds */
	/* libnats' while it waits for the acknowledgement: only compared. NULL: to be published. */
	const natsMsg *message;
};

TAILQ_HEAD(publication_queue, publication);
LIST_HEAD(publication_bucket, publication);

struct publications {
	struct publication_queue queue; /* in the order in which they came */
	struct publication_bucket *buckets;
	size_t bucket_mask;
	size_t count;
	size_t published; /* of these */
	uint64_t bytes;
};

/* `most`: how many there will be about. Returns 0 or -ENOMEM. */
int publications_init(struct publications *publications, size_t most);
/* Releases what there is. */
void publications_deinit(struct publications *publications);

/* Holds the message of the running callback. NULL: that is impossible. */
struct publication *publications_add(struct publications *publications,
		struct source *source, const struct evchan_message *message);

/* Gives the message back to its sender, and forgets it. */
void publications_remove(
		struct publications *publications, struct publication *publication);

/* `message` is on its way. */
void publication_set(struct publications *publications, struct publication *publication,
		const natsMsg *message, uint64_t now);

/* It is to be published again. */
void publication_clear(
		struct publications *publications, struct publication *publication);

/* Whose message this is; NULL: of none, or not any more. */
struct publication *publications_find(
		const struct publications *publications, const natsMsg *message);

#endif
