/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_CORE_RING_READER_H
#define EVCHAN_CORE_RING_READER_H

/*
 * The receiver's end of a ring: it reads records out of memory that a stranger writes, and publishes
 * the head from a page of its own. Apart from any connection.
 *
 *	head  <=  oldest hold  <=  read  <=  tail
 *	 |                           |         last value seen of the sender's tail
 *	 |                           the next record; private, and the truth
 *	 the shared head: bytes before it are the sender's to overwrite
 *
 * A record at `read` is valid if and only if: read < tail, and the size in its header, loaded once, takes
 * no more bytes (header and padding included) than tail - read. A tail is valid if and only if it is
 * 8-aligned, below 2^62, not below the last one, and at most `capacity` above the head. Anything
 * else is -EPROTO, and ends the lane: nothing read after that would mean anything.
 */

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cursor.h"
#include "list.h"
#include "ring_format.h"
#include "shared_memory.h"

struct ring_reader {
	uint64_t read;
	uint64_t tail;
	uint64_t head;               /* as published */
	uint64_t capacity;
	const unsigned char *data;
	uint32_t unpublished;        /* messages read since the head was last published */
	bool is_closed;              /* the sender is gone: the tail is final */
	struct list holds;           /* struct ring_hold, oldest first */
	uint64_t held_bytes;
	uint64_t held_messages;
	uint64_t deepest_fill;
	struct cursor space;         /* publishes the head */
	const struct ring_header *header;
	struct ring_page *page;
	struct shared_memory memory;      /* the sender's, read-only */
	struct shared_memory page_memory; /* ours */
};

/* A record that stays in the ring though `read` has passed it. */
struct ring_hold {
	struct list link;
	uint64_t position;
	uint64_t bytes;
};

/* One record, checked. */
struct ring_view {
	const void *data;
	uint32_t size;
	uint32_t type;
	uint64_t position;
};

/* Release in batches, but no later than this (design, section 4, "Releasing"). */
#define RING_RELEASE_MESSAGES 64u
#define RING_RELEASE_SHARE 8u /* an eighth of the capacity */

/*
 * Accepts a sender's memory (the descriptor stays the caller's) and makes the page. `resume` is where an earlier
 * receiver stopped. `flags` of shared_memory_accept().
 * Errors: those of shared_memory_accept() and shared_memory_create(); -EPROTO the constants or positions
 * are wrong. `*own_fault` tells errors of this process (no memory, no descriptors) from the sender's.
 */
int ring_reader_init(struct ring_reader *reader, int fd, size_t header_size, uint64_t capacity,
		const uint8_t lane_id[16], uint64_t resume, unsigned flags, bool *own_fault);

struct disposal_account;

/* Unmaps; holds must be gone or orphaned. */
void ring_reader_deinit(struct ring_reader *reader, struct disposal_account *account);

/* The descriptor of the page, to pass to the sender; then it is closed. */
int ring_reader_page_fd(const struct ring_reader *reader);
void ring_reader_page_given_away(struct ring_reader *reader);

/* Checks a value of the sender's tail and remembers it. Errors: -EPROTO. */
static inline int ring_reader_accept_tail(struct ring_reader *reader, uint64_t tail)
{
	if (tail < reader->tail || tail >= RING_POSITION_LIMIT || tail % 8 ||
			tail - reader->head > reader->capacity)
		return -EPROTO;
	reader->tail = tail;
	if (tail - reader->head > reader->deepest_fill)
		reader->deepest_fill = tail - reader->head;
	return 0;
}

/*
 * The record at `read`, which is `reader->read` and not the tail. Returns 1, or -EPROTO.
 *
 * The position comes from the caller, who may have it in a register. Where a record is, is known only when the size of the one before
 * it was loaded, so whatever lies between two of these loads is what no processor does in parallel; a detour through
 * memory costs more than all the rest.
 */
static inline int ring_reader_at(const struct ring_reader *reader, uint64_t read, struct ring_view *view)
{
	const unsigned char *at = reader->data + (read & (reader->capacity - 1));

	/* All is 8-aligned, so at least a header lies between read and tail. */
	cursor_record_load((const struct ring_record *)(const void *)at, &view->size, &view->type);
	if (ring_record_bytes(view->size) > reader->tail - read)
		return -EPROTO;
	view->data = at + RING_RECORD_HEADER;
	view->position = read;
	return 1;
}

/*
 * The next record, which stays the next until ring_reader_advance().
 * Returns 1, 0 none, or -EPROTO.
 */
static inline int ring_reader_next(struct ring_reader *reader, struct ring_view *view)
{
	int r;

	if (reader->read == reader->tail) {
		if (reader->is_closed)
			return 0;
		r = ring_reader_accept_tail(reader, cursor_observe(&reader->header->tail));
		if (r < 0)
			return r;
		if (reader->read == reader->tail)
			return 0;
	}
	return ring_reader_at(reader, reader->read, view);
}

/* Goes on to `read`, the end of a record that was found by the size that was loaded then. */
static inline void ring_reader_go_on(struct ring_reader *reader, uint64_t read)
{
	reader->read = read;
	reader->unpublished++;
}

/* Passes the record of ring_reader_next(), whose size is the one that was loaded then. */
static inline void ring_reader_advance(struct ring_reader *reader, uint32_t size)
{
	ring_reader_go_on(reader, reader->read + ring_record_bytes(size));
}

/* Whether so much was read that the head should be published before the turn ends. */
static inline bool ring_reader_should_release(const struct ring_reader *reader)
{
	return reader->unpublished >= RING_RELEASE_MESSAGES ||
	       reader->read - reader->head >= reader->capacity / RING_RELEASE_SHARE;
}

/* Publishes the head: up to the oldest hold, else all that was read. Whether the sender must be rung. */
bool ring_reader_release(struct ring_reader *reader);

/* The sender should have been rung, and could not be: the next release finds that again. */
static inline void ring_reader_not_rung(struct ring_reader *reader)
{
	cursor_not_rung(&reader->space);
}

/*
 * Asks to be rung when `bytes` (1: any) are published behind `read`. The caller has released before; if it asks for more
 * than 1 it sees to it that it looks again in any case.
 * Returns 0: sleep; 1: something is there already, be it less; -EPROTO.
 */
int ring_reader_arm(struct ring_reader *reader, uint64_t bytes);

/* The sender is gone: loads the tail one last time. Errors: -EPROTO (the tail then is the last good one). */
int ring_reader_close(struct ring_reader *reader);

/* Bytes that are published and not read. Looks once. */
uint64_t ring_reader_unread(struct ring_reader *reader);

/* The sender's tail, looked at now; the last good value if it is impossible. */
uint64_t ring_reader_seen_tail(struct ring_reader *reader);

/* Keeps the record at `position`, the one of the last ring_reader_next() or of one before `read`; holds are added in rising order. */
void ring_reader_hold(struct ring_reader *reader, struct ring_hold *hold, uint64_t position,
		uint32_t size);
void ring_reader_unhold(struct ring_reader *reader, struct ring_hold *hold);

/*
 * Copies the sender's note of this key to `buffer`, which has room for *size bytes; *size becomes the note's.
 * Errors: -ENOENT; -ENOBUFS no room (*size is written); -EPROTO the notes make no sense.
 */
int ring_reader_get_note(const struct ring_reader *reader, uint32_t key, void *buffer, size_t *size);

/* Bytes in use now, for counters only: looks at the sender's tail and believes nothing of it, and changes nothing. */
uint64_t ring_reader_fill(const struct ring_reader *reader);

/* The sender's own count of refused sends. Its word: for counters only. */
uint64_t ring_reader_times_full(const struct ring_reader *reader);

#endif
