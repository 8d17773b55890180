/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_TESTS_RING_PAIR_H
#define EVCHAN_TESTS_RING_PAIR_H

/*
 * The two ends of one ring, for threads that let records flow through it: what both sides
 * know of a record, and how they wake each other. A bell is an eventfd here; a lost
 * wake-up is a poll(2) that runs out of patience.
 */

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "ring_reader.h"
#include "ring_writer.h"

#define PATIENCE_MS 30000
/* Where others want the processors too a flow ends after so long, however little has
 * flowed. */
#define FLOW_MS 200

/* What flows, and how. */
struct flow {
	uint64_t capacity;
	uint64_t start;      /* position of the first record */
	uint64_t records;    /* at most */
	uint32_t fixed_size; /* of all records; 0: random */
	bool holds;          /* the reader keeps some for a while */
	bool one_by_one;     /* the writer waits until each record is released */
};

struct end {
	uint64_t seed;
	int bell; /* rung for this end */
	uint64_t sleeps;
	uint64_t rings;            /* of the other end */
	uint64_t records;          /* written, or read */
	const char *_Atomic error; /* what went wrong, if something did */
};

struct pair {
	struct flow flow;
	struct ring_writer writer;
	struct ring_reader reader;
	struct end writing;
	struct end reading;
};

/* The threads; each takes the pair, and returns NULL. */
void *ring_pair_write_all(void *pair);
void *ring_pair_read_all(void *pair);

static inline uint64_t random_number(struct end *end)
{
	end->seed ^= end->seed << 13;
	end->seed ^= end->seed >> 7;
	end->seed ^= end->seed << 17;
	return end->seed;
}

static inline bool one_in(struct end *end, uint64_t many)
{
	return random_number(end) % many == 0;
}

static inline uint64_t spread(uint64_t number)
{
	return (number + 1) * UINT64_C(0x9e3779b97f4a7c15);
}

/* Content, type and size follow from a record's number. */
static inline void fill_record(void *data, uint64_t number, uint64_t size)
{
	unsigned char *bytes = data;
	uint64_t word = spread(number), i;

	for (i = 0; i < size; i += 8, word++)
		memcpy(bytes + i, &word, size - i < 8 ? size - i : 8);
}

static inline bool is_content(const void *data, uint64_t number, uint64_t size)
{
	const unsigned char *bytes = data;
	uint64_t word = spread(number), i;

	for (i = 0; i < size; i += 8, word++)
		if (memcmp(bytes + i, &word, size - i < 8 ? size - i : 8) != 0)
			return false;
	return true;
}

static inline uint32_t type_of(uint64_t number)
{
	return (uint32_t)(spread(number) >> 32);
}

/* Small ones mostly, some that fill the ring. */
static inline uint64_t size_of(const struct flow *flow, uint64_t number)
{
	uint64_t drawn = spread(number ^ flow->start) >> 16;

	if (flow->fixed_size)
		return flow->fixed_size;
	if (drawn % 1000 == 0)
		return flow->capacity - RING_RECORD_HEADER - drawn / 1000 % 64;
	return drawn / 10 % (drawn % 10 == 0 ? 1024 : 64);
}

/* Some records are announced by a note, as many as the header has room for. */
static inline bool has_note(uint64_t number)
{
	return number % 128 == 5 && number < 20000;
}

static inline bool is_record(
		const struct pair *pair, const struct ring_view *view, uint64_t number)
{
	return view->type == type_of(number) &&
			view->size == size_of(&pair->flow, number) &&
			is_content(view->data, number, view->size);
}

/* The last one, whose number is that of the record that would have come. */
static inline uint32_t end_type(uint64_t number)
{
	return ~type_of(number);
}

static inline bool is_end(const struct ring_view *view, uint64_t number)
{
	return view->type == end_type(number) && view->size == 0;
}

static inline void ring_other(struct end *own, const struct end *other)
{
	const uint64_t one = 1;

	own->rings++;
	if (write(other->bell, &one, sizeof(one)) != sizeof(one))
		own->error = "cannot ring";
}

/* Gives up, and does not keep the other end waiting. */
static inline void *give_up(struct end *own, const struct end *other, const char *error)
{
	own->error = error;
	ring_other(own, other);
	return NULL;
}

/* Sleeps until the bell rings. Spurious rings are allowed. */
static inline bool sleep_until_rung(struct end *own)
{
	struct pollfd bell = { own->bell, POLLIN, 0 };
	uint64_t count;

	own->sleeps++;
	return poll(&bell, 1, PATIENCE_MS) == 1 &&
			read(own->bell, &count, sizeof(count)) == 8;
}

#endif
