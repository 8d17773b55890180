/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_TESTS_RING_WRITER_SIDE_H
#define EVCHAN_TESTS_RING_WRITER_SIDE_H

/*
 * A writer, and a receiver that is the test: it makes the page that a receiver would
 * send, puts into it what it likes, and reads the ring through a mapping of its own, as a
 * receiver does.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "descriptor.h"
#include "process.h"
#include "ring_writer.h"

static const uint8_t writer_lane_id[16] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14,
	15, 16 };

struct fixture {
	struct ring_writer writer;
	struct shared_memory view;        /* the receiver's mapping of the ring */
	const struct ring_header *header; /* in it */
	struct shared_memory page_memory; /* the receiver's page */
	struct ring_page *page;
};

static inline size_t page_size(void)
{
	return shared_memory_page_size();
}

/* A receiver's page as it should be, with this head. */
static inline void make_page(struct fixture *fixture, uint64_t head)
{
	assert_int_equal(shared_memory_create(&fixture->page_memory, page_size(), 0, 0),
			0);
	fixture->page = fixture->page_memory.base;
	fixture->page->magic = RING_PAGE_MAGIC;
	fixture->page->version = RING_VERSION;
	fixture->page->header_size = (uint32_t)page_size();
	cursor_set(&fixture->page->head, head);
}

static inline int attach(struct fixture *fixture)
{
	return ring_writer_attach(&fixture->writer, fixture->page_memory.fd, page_size());
}

static inline int set_up_capacity(struct fixture *fixture, uint64_t capacity)
{
	fixture->view = (struct shared_memory)SHARED_MEMORY_NONE;
	fixture->page_memory = (struct shared_memory)SHARED_MEMORY_NONE;
	assert_int_equal(ring_writer_init(&fixture->writer, capacity, 0, writer_lane_id,
					 0),
			0);
	assert_int_equal(shared_memory_accept(&fixture->view, fixture->writer.memory.fd,
					 page_size(), (size_t)capacity, 0),
			0);
	fixture->header = fixture->view.base;
	return 0;
}

/* A ring of one page, without a receiver. */
static inline int set_up_alone(void **state)
{
	static struct fixture fixture;

	*state = &fixture;
	return set_up_capacity(&fixture, page_size());
}

/* One that a receiver has, which has released nothing. */
static inline int set_up_attached(void **state)
{
	struct fixture *fixture;

	set_up_alone(state);
	fixture = *state;
	make_page(fixture, 0);
	return attach(fixture);
}

static inline int tear_down(void **state)
{
	struct fixture *fixture = *state;

	ring_writer_deinit(&fixture->writer);
	ring_writer_deinit(&fixture->writer);
	shared_memory_deinit(&fixture->view, NULL);
	shared_memory_deinit(&fixture->page_memory, NULL);
	return descriptor_count() == 0 ? 0 : -1;
}

static inline uint64_t tail(const struct fixture *fixture)
{
	return cursor_observe(&fixture->header->tail);
}

/* The byte of the ring at a position, as the receiver sees it in the first of its two
 * pictures. */
static inline unsigned char byte_at(const struct fixture *fixture, uint64_t position)
{
	return shared_memory_data(
			&fixture->view)[position & (fixture->writer.capacity - 1)];
}

static inline unsigned char pattern(uint64_t position, uint64_t i)
{
	return (unsigned char)(position / 8 * 31 + i * 7 + 1);
}

/* Reserves exactly this, fills it and commits it. */
static inline int write_record(struct fixture *fixture, uint32_t type, uint64_t size)
{
	struct ring_writer *writer = &fixture->writer;
	uint64_t position = writer->written, reserved, i;
	void *space;
	int r;

	r = ring_writer_reserve(writer, size, size, &space, &reserved);
	if (r != 0)
		return r;
	assert_int_equal(reserved, size);
	for (i = 0; i < size; i++)
		((unsigned char *)space)[i] = pattern(position, i);
	ring_writer_commit(writer, type, size);
	assert_int_equal(writer->written, position + ring_record_bytes(size));
	return 0;
}

static inline void must_write(struct fixture *fixture, uint64_t size)
{
	assert_int_equal(write_record(fixture, 7, size), 0);
}

/* The receiver finds this record there. */
static inline void expect_record(const struct fixture *fixture, uint64_t position,
		uint32_t type, uint64_t size)
{
	const unsigned char *at = shared_memory_data(&fixture->view) +
			(position & (fixture->writer.capacity - 1));
	uint32_t words[2];
	uint64_t i;

	memcpy(words, at, sizeof(words));
	assert_int_equal(words[0], size);
	assert_int_equal(words[1], type);
	for (i = 0; i < size; i++) {
		/* Contiguous, and in the ring once: what lies behind its end is at its
		 * start. */
		if (at[RING_RECORD_HEADER + i] != pattern(position, i) ||
				byte_at(fixture, position + RING_RECORD_HEADER + i) !=
						pattern(position, i))
			fail_msg("byte %llu of the record at %llu", (unsigned long long)i,
					(unsigned long long)position);
	}
}

/* Moves all that is private, and what is shared of it, so that the next record starts
 * there. */
static inline void start_at(struct fixture *fixture, uint64_t position)
{
	struct ring_writer *writer = &fixture->writer;

	writer->written = writer->published = writer->head = position;
	writer->tail.checked = position;
	cursor_set(writer->tail.position, position);
	if (fixture->page)
		cursor_set(&fixture->page->head, position);
}

static inline void fill_with(struct fixture *fixture, unsigned records, uint64_t size)
{
	while (records-- > 0)
		must_write(fixture, size);
	ring_writer_publish(&fixture->writer);
}

#define ALONE(function) cmocka_unit_test_setup_teardown(function, set_up_alone, tear_down)
#define ATTACHED(function) \
	cmocka_unit_test_setup_teardown(function, set_up_attached, tear_down)

#endif
