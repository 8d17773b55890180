/* SPDX-License-Identifier: MIT */

/*
 * Messages that were taken from the channel and are not acknowledged by JetStream.
 *
 * They stand in one queue, in the order in which they came. That is the order in which they are published, and
 * published again, so a lane's messages never overtake one another here.
 *
 * An acknowledgement names the natsMsg that it is for, so there is a table by the address of that. An address stands for one
 * message at a time: libnats destroys a message only if it gives up the acknowledgement too, else the bridge does,
 * after it has looked here. A publication whose session has ended gets a new message; a late acknowledgement of the
 * old one finds nobody.
 *
 * The held message keeps its bytes in the ring, and all of its lane that came later. What is published is a copy
 * that libnats takes, made anew for each attempt.
 */

#include "publication.h"

#include <errno.h>
#include <stdlib.h>

#include "source.h"

int publications_init(struct publications *publications, size_t most)
{
	size_t buckets = 16;

	while (buckets < most)
		buckets *= 2;
	*publications = (struct publications){ .bucket_mask = buckets - 1 };
	TAILQ_INIT(&publications->queue);
	publications->buckets = calloc(buckets, sizeof(*publications->buckets));
	return publications->buckets ? 0 : -ENOMEM;
}

void publications_deinit(struct publications *publications)
{
	struct publication *publication;

	while ((publication = TAILQ_FIRST(&publications->queue)))
		publications_remove(publications, publication);
	free(publications->buckets);
}

static struct publication_bucket *bucket_of(
		const struct publications *publications, const natsMsg *message)
{
	/* malloc(3) gives multiples of 16; the multiplication spreads what is left over the high bits. */
	uint64_t hash = ((uint64_t)(uintptr_t)message >> 4) *
			UINT64_C(0x9e3779b97f4a7c15);

	return &publications->buckets[(hash >> 32) & publications->bucket_mask];
}

struct publication *publications_add(struct publications *publications,
		struct source *source, const struct evchan_message *message)
{
	struct publication *publication = calloc(1, sizeof(*publication));

	if (!publication)
		return NULL;
	if (evchan_message_hold(&publication->held, message) < 0) {
		free(publication);
		return NULL;
	}
	publication->source = source;
	source->held++;
	publications->count++;
	publications->bytes += message->size;
	TAILQ_INSERT_TAIL(&publications->queue, publication, link);
	return publication;
}

void publications_remove(
		struct publications *publications, struct publication *publication)
{
	struct source *source = publication->source;

	publication_clear(publications, publication);
	TAILQ_REMOVE(&publications->queue, publication, link);
	publications->count--;
	publications->bytes -= publication->held->size;
	evchan_message_release(publication->held);
	free(publication);
	source->held--;
	if (source->has_left && source->held == 0)
		source_free(source);
}

void publication_set(struct publications *publications, struct publication *publication,
		const natsMsg *message, uint64_t now)
{
	publication->message = message;
	publication->published_at = now;
	publications->published++;
	LIST_INSERT_HEAD(bucket_of(publications, message), publication, by_message);
}

void publication_clear(struct publications *publications, struct publication *publication)
{
	if (!publication->message)
		return;
	publication->message = NULL;
	publications->published--;
	LIST_REMOVE(publication, by_message);
}

struct publication *publications_find(
		const struct publications *publications, const natsMsg *message)
{
	struct publication *publication;

	LIST_FOREACH(publication, bucket_of(publications, message), by_message) {
		if (publication->message == message)
			return publication;
	}
	return NULL;
}
