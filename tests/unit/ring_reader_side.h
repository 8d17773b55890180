/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_TESTS_RING_READER_SIDE_H
#define EVCHAN_TESTS_RING_READER_SIDE_H

/*
 * A reader, and a sender that is the test: it writes header, tail and records byte by
 * byte into memory of its own, right ones and wrong ones. (Wrong ones that change while
 * they are read: ring_hostile_sender_test.c.)
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "descriptor.h"
#include "process.h"
#include "ring_reader.h"

static const uint8_t reader_lane_id[16] = { 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4,
	3, 2, 1 };

struct fixture {
	struct ring_reader reader;
	struct shared_memory memory; /* the sender's, and its header in it */
	struct ring_header *header;
	const struct ring_page *page; /* the receiver's, as the sender sees it */
	struct shared_memory page_view;
	bool own_fault;
};

static inline size_t page_size(void)
{
	return shared_memory_page_size();
}

/* A sender's memory of one page, as it should be, and empty. */
static inline void make_memory(struct fixture *fixture, unsigned flags)
{
	assert_int_equal(shared_memory_create(&fixture->memory, page_size(), page_size(),
					 flags),
			0);
	fixture->header = fixture->memory.base;
	fixture->header->magic = RING_HEADER_MAGIC;
	fixture->header->version = RING_VERSION;
	fixture->header->header_size = (uint32_t)page_size();
	fixture->header->capacity = page_size();
	memcpy(fixture->header->lane_id, reader_lane_id, sizeof(reader_lane_id));
}

static inline int init_reader(struct fixture *fixture, uint64_t resume, unsigned flags)
{
	fixture->own_fault = true;
	return ring_reader_init(&fixture->reader, fixture->memory.fd, page_size(),
			page_size(), reader_lane_id, resume, flags, &fixture->own_fault);
}

static inline void end_reader(struct fixture *fixture)
{
	ring_reader_deinit(&fixture->reader, NULL);
	shared_memory_deinit(&fixture->page_view, NULL);
}

static inline void set_tail(struct fixture *fixture, uint64_t tail)
{
	cursor_set(&fixture->header->tail, tail);
}

/* A reader of a ring that is empty there. */
static inline void start_at(struct fixture *fixture, uint64_t position)
{
	set_tail(fixture, position);
	assert_int_equal(init_reader(fixture, position, 0), 0);
	assert_int_equal(shared_memory_accept(&fixture->page_view,
					 ring_reader_page_fd(&fixture->reader),
					 page_size(), 0, 0),
			0);
	fixture->page = fixture->page_view.base;
}

/* Memory without a reader. */
static inline int set_up_memory(void **state)
{
	static struct fixture fixture;

	memset(&fixture, 0, sizeof(fixture));
	fixture.memory = (struct shared_memory)SHARED_MEMORY_NONE;
	fixture.page_view = (struct shared_memory)SHARED_MEMORY_NONE;
	fixture.reader.memory = (struct shared_memory)SHARED_MEMORY_NONE;
	fixture.reader.page_memory = (struct shared_memory)SHARED_MEMORY_NONE;
	make_memory(&fixture, 0);
	*state = &fixture;
	return 0;
}

static inline int set_up_reading(void **state)
{
	set_up_memory(state);
	start_at(*state, 0);
	return 0;
}

static inline int tear_down(void **state)
{
	struct fixture *fixture = *state;

	end_reader(fixture);
	end_reader(fixture);
	shared_memory_deinit(&fixture->memory, NULL);
	return descriptor_count() == 0 ? 0 : -1;
}

static inline uint64_t published_head(const struct fixture *fixture)
{
	return cursor_observe(&fixture->page->head);
}

static inline unsigned char pattern(uint64_t position, uint64_t i)
{
	return (unsigned char)(position / 8 * 13 + i * 3 + 1);
}

/* Writes a record's header only: size may be a lie. Nothing is published. */
static inline void put_header(
		struct fixture *fixture, uint64_t position, uint32_t type, uint32_t size)
{
	unsigned char *at = shared_memory_data(&fixture->memory) +
			(position & (page_size() - 1));

	cursor_record_store((struct ring_record *)(void *)at, size, type);
}

/* Writes a record and publishes it. Returns where it ends. */
static inline uint64_t put(
		struct fixture *fixture, uint64_t position, uint32_t type, uint32_t size)
{
	unsigned char *data = shared_memory_data(&fixture->memory);

	put_header(fixture, position, type, size);
	for (uint32_t i = 0; i < size; i++)
		data[(position + RING_RECORD_HEADER + i) & (page_size() - 1)] =
				pattern(position, i);
	set_tail(fixture, position + ring_record_bytes(size));
	return position + ring_record_bytes(size);
}

static inline void put_many(
		struct fixture *fixture, uint64_t position, unsigned count, uint32_t size)
{
	while (count-- > 0)
		position = put(fixture, position, 7, size);
}

/* The next record is this one, whole and contiguous. */
static inline void expect(
		struct fixture *fixture, uint64_t position, uint32_t type, uint32_t size)
{
	struct ring_view view = { 0 };
	const unsigned char *data;

	assert_int_equal(ring_reader_next(&fixture->reader, &view), 1);
	assert_int_equal(view.position, position);
	assert_int_equal(view.type, type);
	assert_int_equal(view.size, size);
	assert_int_equal((uintptr_t)view.data % 8, 0);
	data = view.data;
	for (uint32_t i = 0; i < size; i++)
		if (data[i] != pattern(position, i))
			fail_msg("byte %u of the record at %llu", i,
					(unsigned long long)position);
}

static inline void take(
		struct fixture *fixture, uint64_t position, uint32_t type, uint32_t size)
{
	expect(fixture, position, type, size);
	ring_reader_advance(&fixture->reader, size);
}

static inline void take_many(struct fixture *fixture, unsigned count, uint32_t size)
{
	while (count-- > 0)
		take(fixture, fixture->reader.read, 7, size);
}

static inline int next_result(struct fixture *fixture)
{
	struct ring_view view;

	return ring_reader_next(&fixture->reader, &view);
}

#define MEMORY(function) \
	cmocka_unit_test_setup_teardown(function, set_up_memory, tear_down)
#define READING(function) \
	cmocka_unit_test_setup_teardown(function, set_up_reading, tear_down)

#endif
