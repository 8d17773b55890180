/* SPDX-License-Identifier: MIT */

/*
 * Messages that came from a consumer and are not acknowledged.
 *
 * JetStream delivers a message again when its acknowledgement does not come in time, or is lost with a connection. Here
 * each of these is known by its sequence in the stream:
 *
 *	it still waits, or is in the ring    the new delivery takes the place of the old, whose acknowledgement may
 *	                                     not count any more; the receiver gets it once
 *	the receiver has released it         acknowledged again, not sent
 *
 * The latter are remembered in a table with one place for each sequence modulo its size, so that a hole in the sequence
 * costs nothing. What is older than that, or was released to an earlier process, is sent again: at least once is what
 * this direction promises.
 */

#include "arrivals.h"

#include <stdlib.h>

void arrivals_init(struct arrivals *arrivals)
{
	STAILQ_INIT(&arrivals->waiting);
	STAILQ_INIT(&arrivals->sent);
	STAILQ_INIT(&arrivals->released);
}

static void drop_first(struct arrival_queue *queue)
{
	struct arrival *arrival = STAILQ_FIRST(queue);

	STAILQ_REMOVE_HEAD(queue, link);
	natsMsg_Destroy(arrival->message);
	free(arrival);
}

static void drop_all(struct arrival_queue *queue)
{
	while (!STAILQ_EMPTY(queue))
		drop_first(queue);
}

void arrivals_deinit(struct arrivals *arrivals)
{
	drop_all(&arrivals->waiting);
	drop_all(&arrivals->sent);
	drop_all(&arrivals->released);
}

/* Its sequence in the stream, and how often it was delivered. */
static bool read_metadata(natsMsg *message, uint64_t *sequence, uint64_t *delivered)
{
	jsMsgMetaData *metadata;

	if (natsMsg_GetMetaData(&metadata, message) != NATS_OK)
		return false;
	*sequence = metadata->Sequence.Stream;
	*delivered = metadata->NumDelivered;
	jsMsgMetaData_Destroy(metadata);
	return true;
}

static struct arrival *find(struct arrival_queue *queue, uint64_t sequence)
{
	struct arrival *arrival;

	STAILQ_FOREACH(arrival, queue, link) {
		if (arrival->sequence == sequence)
			return arrival;
	}
	return NULL;
}

static bool replace(struct arrivals *arrivals, natsMsg *message, uint64_t sequence)
{
	struct arrival *arrival = find(&arrivals->waiting, sequence);

	if (!arrival)
		arrival = find(&arrivals->sent, sequence);
	if (!arrival)
		arrival = find(&arrivals->released, sequence);
	if (!arrival)
		return false;
	natsMsg_Destroy(arrival->message);
	arrival->message = message;
	return true;
}

enum arrival_kind arrivals_add(struct arrivals *arrivals, natsMsg *message)
{
	uint64_t sequence, delivered;
	struct arrival *arrival;
	bool is_remembered;

	if (!read_metadata(message, &sequence, &delivered)) {
		natsMsg_Destroy(message);
		return ARRIVAL_STRANGE;
	}
	/* Looking for it takes time, and a first delivery is always new. */
	if (delivered > 1 && replace(arrivals, message, sequence))
		return ARRIVAL_KNOWN;
	arrival = malloc(sizeof(*arrival));
	if (!arrival) {
		natsMsg_Destroy(message);
		return ARRIVAL_NO_MEMORY;
	}
	*arrival = (struct arrival){ .message = message, .sequence = sequence };
	is_remembered = delivered > 1 &&
			arrivals->remembered[sequence % ARRIVALS_REMEMBERED] == sequence;
	if (is_remembered) {
		STAILQ_INSERT_TAIL(&arrivals->released, arrival, link);
		return ARRIVAL_RELEASED;
	}
	STAILQ_INSERT_TAIL(&arrivals->waiting, arrival, link);
	arrivals->count++;
	return ARRIVAL_NEW;
}

void arrivals_sent(struct arrivals *arrivals)
{
	struct arrival *arrival = STAILQ_FIRST(&arrivals->waiting);

	STAILQ_REMOVE_HEAD(&arrivals->waiting, link);
	STAILQ_INSERT_TAIL(&arrivals->sent, arrival, link);
	arrivals->sent_count++;
}

void arrivals_drop(struct arrivals *arrivals)
{
	drop_first(&arrivals->waiting);
	arrivals->count--;
}

void arrivals_released(struct arrivals *arrivals, size_t count)
{
	for (; count > 0; count--) {
		struct arrival *arrival = STAILQ_FIRST(&arrivals->sent);

		STAILQ_REMOVE_HEAD(&arrivals->sent, link);
		STAILQ_INSERT_TAIL(&arrivals->released, arrival, link);
		arrivals->remembered[arrival->sequence % ARRIVALS_REMEMBERED] =
				arrival->sequence;
		arrivals->sent_count--;
		arrivals->count--;
	}
}

void arrivals_forget_waiting(struct arrivals *arrivals)
{
	while (!STAILQ_EMPTY(&arrivals->waiting))
		arrivals_drop(arrivals);
}

void arrivals_acknowledged(struct arrivals *arrivals)
{
	drop_first(&arrivals->released);
}
