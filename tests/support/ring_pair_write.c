/* SPDX-License-Identifier: MIT */
/*
 * The writer's thread of a ring_pair: writes, publishes in all the ways there are, and
 * sleeps when there is no room.
 */

#include "clock.h"
#include "ring_pair.h"

static void writer_publish(struct pair *pair)
{
	if (ring_writer_publish(&pair->writer))
		ring_other(&pair->writing, &pair->reading);
}

/* Sleeps until the head has reached `position`. */
static bool writer_wait(struct pair *pair, uint64_t position)
{
	int r;

	/* What waits to be published, or to be looked at, first: else both sides may
	 * sleep. */
	writer_publish(pair);
	r = ring_writer_arm(&pair->writer, position);
	return r > 0 || (r == 0 && sleep_until_rung(&pair->writing));
}

/* Writes one record, now and then after second thoughts. Returns 0, RING_FULL, or an
 * error. */
static int write_one(struct pair *pair, uint64_t number, uint64_t size)
{
	struct ring_writer *writer = &pair->writer;
	struct end *own = &pair->writing;
	uint64_t extra = one_in(own, 8) ? random_number(own) % 512 : 0, got;
	uint64_t most = ring_writer_message_max(writer);
	void *space;
	int r;

	r = ring_writer_reserve(writer, size, size + extra < most ? size + extra : most,
			&space, &got);
	if (r != 0)
		return r;
	if (got < size || got > size + extra)
		return -ERANGE;
	fill_record(space, number, one_in(own, 16) ? got : size);
	if (one_in(own, 32)) {
		ring_writer_abort(writer);
		return write_one(pair, number, size);
	}
	if (has_note(number) &&
			ring_writer_add_note(writer, (uint32_t)number, &number,
					sizeof(number)) < 0)
		return -ENOSPC;
	ring_writer_commit(writer, type_of(number), size);
	return 0;
}

/* At once, quietly, lazily, or later with others. */
static void publish_somehow(struct pair *pair)
{
	switch (random_number(&pair->writing) % 8) {
	case 0:
		ring_writer_publish_quietly(&pair->writer);
		break;
	case 1:
		break;
	case 2:
	case 3:
	case 4:
		if (ring_writer_publish_lazily(&pair->writer))
			ring_other(&pair->writing, &pair->reading);
		break;
	default:
		writer_publish(pair);
	}
}

/* Waits for room for one record as long as there is none. Returns what went wrong, or
 * NULL. */
static const char *write_with_patience(struct pair *pair, uint64_t number, uint64_t size)
{
	struct ring_writer *writer = &pair->writer;
	int r;

	while ((r = write_one(pair, number, size)) == RING_FULL)
		if (!writer_wait(pair,
				    writer->written + ring_record_bytes(size) -
						    writer->capacity) ||
				pair->reading.error)
			return "never had room";
	return r < 0 ? "cannot write" : NULL;
}

/* Waits until everything is released. */
static const char *wait_for_release(struct pair *pair)
{
	while (ring_writer_fill(&pair->writer) > 0)
		if (!writer_wait(pair, pair->writer.written) || pair->reading.error)
			return "a record was never released";
	return NULL;
}

static const char *write_end(struct pair *pair)
{
	uint64_t size;
	void *space;

	if (ring_writer_reserve(&pair->writer, 0, 0, &space, &size) != 0)
		return "no room for the end";
	ring_writer_commit(&pair->writer, end_type(pair->writing.records), 0);
	return wait_for_release(pair);
}

void *ring_pair_write_all(void *arg)
{
	struct pair *pair = arg;
	struct end *own = &pair->writing;
	uint64_t begun = clock_milliseconds();
	const char *error = NULL;
	uint64_t number;

	for (number = 0; number < pair->flow.records && !error; number++) {
		if (number % 64 == 0 && clock_milliseconds() - begun >= FLOW_MS)
			break;
		error = write_with_patience(pair, number, size_of(&pair->flow, number));
		publish_somehow(pair);
		if (pair->flow.one_by_one && !error)
			error = wait_for_release(pair);
	}
	own->records = number;
	if (!error)
		error = wait_for_release(pair);
	if (!error)
		error = write_end(pair);
	return error ? give_up(own, &pair->reading, error) : NULL;
}
