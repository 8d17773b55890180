/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_CORE_RING_WRITER_H
#define EVCHAN_CORE_RING_WRITER_H

/*
 * The sender's end of a ring: it owns the memory, writes records and publishes the tail. Apart from
 * any connection: the ring lives before a receiver is there, and between two.
 *
 * Three positions of its own, all private; the shared tail is only ever written:
 *
 *	head  <=  published  <=  written
 *	 |            |             end of the last committed record
 *	 |            the shared tail: records before it are the receiver's to read
 *	 last value seen of the receiver's head: bytes before it are free
 *
 * The head is the receiver's word: it must not move back and not pass the tail (-EPROTO).
 */

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cursor.h"
#include "ring_format.h"
#include "shared_memory.h"
#include "small_copy.h"

struct ring_writer {
	struct cursor tail;          /* of the data cursor */
	uint64_t written;
	uint64_t published;
	uint64_t head;
	uint64_t capacity;
	unsigned char *data;
	uint64_t reserved;           /* payload bytes that may be committed; valid while is_reserved */
	bool is_reserved;
	uint64_t deepest_fill;
	struct ring_header *header;
	const struct ring_page *page; /* the receiver's; NULL while there is none */
	struct shared_memory memory;
	struct shared_memory page_memory;
};

/* A condition of this module, to be handled by the caller: no room at present. */
#define RING_FULL 1

/* Makes the ring, of `capacity` bytes (a power of two, whole pages), with room for `notes` bytes of notes.
 * `flags` of shared_memory.h. Errors: those of shared_memory_create(). */
int ring_writer_init(struct ring_writer *writer, uint64_t capacity, size_t notes,
		const uint8_t lane_id[16], unsigned flags);
void ring_writer_deinit(struct ring_writer *writer);

/*
 * Takes a receiver's page (the descriptor stays the caller's), of `header_size` bytes, and its head.
 * The caller then acts once unconditionally: publish, ring, look for room (design, section 10.2).
 * Errors: those of shared_memory_accept(); -EPROTO constants or head are wrong.
 */
int ring_writer_attach(struct ring_writer *writer, int page_fd, size_t header_size);

/* The receiver is gone: takes its last head, if that is possible, and lets go of the page. */
void ring_writer_detach(struct ring_writer *writer);

/* The largest payload. */
static inline uint64_t ring_writer_message_max(const struct ring_writer *writer)
{
	return writer->capacity - RING_RECORD_HEADER;
}

/* Bytes between the last seen head and the end of what was written. */
static inline uint64_t ring_writer_fill(const struct ring_writer *writer)
{
	return writer->written - writer->head;
}

/* Checks a value of the receiver's head and remembers it. Errors: -EPROTO. */
static inline int ring_writer_accept_head(struct ring_writer *writer, uint64_t head)
{
	if (head < writer->head || head > writer->published || head % 8)
		return -EPROTO;
	if (writer->written - writer->head > writer->deepest_fill)
		writer->deepest_fill = writer->written - writer->head;
	writer->head = head;
	return 0;
}

/* Looks at the receiver's head. Errors: -EPROTO. */
static inline int ring_writer_observe(struct ring_writer *writer)
{
	if (!writer->page)
		return 0;
	return ring_writer_accept_head(writer, cursor_observe(&writer->page->head));
}

/* Whether there is room for a payload, any size of it, as far as the remembered head tells. */
static inline bool ring_writer_has_room(const struct ring_writer *writer, uint64_t payload)
{
	return payload < writer->capacity &&
	       ring_record_bytes(payload) <= writer->capacity - ring_writer_fill(writer);
}

/* Where the next payload goes. */
static inline void *ring_writer_space(const struct ring_writer *writer)
{
	return writer->data + (writer->written & (writer->capacity - 1)) + RING_RECORD_HEADER;
}

/*
 * Finds room for a payload of at least `at_least` bytes (at most ring_writer_message_max()), and as much more as is
 * free up to `at_most`. `*space` is where it goes; `*size` is how much fits.
 * Returns 0, RING_FULL, or -EPROTO.
 */
static inline int ring_writer_reserve(struct ring_writer *writer, uint64_t at_least,
		uint64_t at_most, void **space, uint64_t *size)
{
	uint64_t need = ring_record_bytes(at_least);
	uint64_t free_bytes = writer->capacity - ring_writer_fill(writer);
	int r;

	/* The remembered head is behind the true one, never ahead of it: it can only
	 * say "full" too early. Then, and only then, the shared line is touched. */
	if (free_bytes < need || free_bytes < ring_record_bytes(at_most)) {
		r = ring_writer_observe(writer);
		if (r < 0)
			return r;
		free_bytes = writer->capacity - ring_writer_fill(writer);
		if (free_bytes < need)
			return RING_FULL;
	}
	free_bytes -= RING_RECORD_HEADER;
	*space = ring_writer_space(writer);
	*size = at_most < free_bytes ? at_most : free_bytes;
	writer->reserved = *size;
	writer->is_reserved = true;
	return 0;
}

/* Ends the reservation with a record of its first `used` bytes (at most `reserved`). It is written, not published. */
static inline void ring_writer_commit(struct ring_writer *writer, uint32_t type, uint64_t used)
{
	unsigned char *at = writer->data + (writer->written & (writer->capacity - 1));

	cursor_record_store((struct ring_record *)(void *)at, (uint32_t)used, type);
	writer->written += ring_record_bytes(used);
	writer->is_reserved = false;
}

/* Reserves and commits at once what small_copy() can copy, and for which there is room. */
static inline void ring_writer_put_small(struct ring_writer *writer, uint32_t type, const void *data,
		size_t size)
{
	unsigned char *at = writer->data + (writer->written & (writer->capacity - 1));

	cursor_record_store((struct ring_record *)(void *)at, (uint32_t)size, type);
	writer->written += ring_record_bytes(size);
	small_copy(at + RING_RECORD_HEADER, data, size);
}

static inline void ring_writer_abort(struct ring_writer *writer)
{
	writer->is_reserved = false;
}

/* Publishes what is written. Whether the receiver must be rung. */
static inline bool ring_writer_publish(struct ring_writer *writer)
{
	writer->published = writer->written;
	return cursor_publish(&writer->tail, writer->written);
}

/* Publishes what is written without a look whether the receiver sleeps; ring_writer_publish() makes up for it. */
static inline void ring_writer_publish_quietly(struct ring_writer *writer)
{
	writer->published = writer->written;
	cursor_publish_quietly(&writer->tail, writer->written);
}

/* Publishes what is written with a look that may miss a receiver which is just falling asleep; ring_writer_publish() makes
 * up for it. Whether the receiver must be rung. */
static inline bool ring_writer_publish_lazily(struct ring_writer *writer)
{
	writer->published = writer->written;
	return cursor_publish_lazily(&writer->tail, writer->written);
}

/* Whether a look at the receiver's wish is owed for something that is published. */
static inline bool ring_writer_owes_check(const struct ring_writer *writer)
{
	return writer->tail.peer_wish && writer->tail.checked < writer->published;
}

/* The receiver should have been rung, and could not be: the look is owed again. */
static inline void ring_writer_not_rung(struct ring_writer *writer)
{
	cursor_not_rung(&writer->tail);
}

/* Makes up for it, without publishing what is written since. Whether the receiver must be rung. */
static inline bool ring_writer_check(struct ring_writer *writer)
{
	return cursor_publish(&writer->tail, writer->published);
}

/*
 * Asks to be rung when the head has reached `position` (at most `published`).
 * Returns 0: sleep; 1: it is there already; -EPROTO.
 */
int ring_writer_arm(struct ring_writer *writer, uint64_t position);

/* Appends a note. Errors: -ENOSPC no room; -EEXIST this key has one. */
int ring_writer_add_note(struct ring_writer *writer, uint32_t key, const void *data, size_t size);

/* Tells the receiver's counters how often this side found no room. */
void ring_writer_tell_times_full(struct ring_writer *writer, uint64_t times);

#endif
