/* SPDX-License-Identifier: MIT */
/*
 * The sender's end of a ring, alone: what it writes, where, and when it becomes visible.
 */

#include <errno.h>
#include <string.h>

#include "ring_writer_side.h"

/* ---- Making one -------------------------------------------------------- */

/* A new ring says what it is in its header, and is empty. */
static void new_ring_is_described(void **state)
{
	const struct fixture *fixture = *state;
	const struct ring_header *header = fixture->header;

	assert_int_equal(header->magic, RING_HEADER_MAGIC);
	assert_int_equal(header->version, RING_VERSION);
	assert_int_equal(header->header_size, page_size());
	assert_int_equal(header->capacity, page_size());
	assert_memory_equal(header->lane_id, writer_lane_id, sizeof(writer_lane_id));
	assert_int_equal(tail(fixture), 0);
	assert_int_equal(cursor_get(&header->wake_at), 0);
	assert_int_equal(cursor_get(&header->times_full), 0);
	for (size_t i = 0; i < sizeof(header->zero_0); i++)
		assert_int_equal(header->zero_0[i], 0);
	assert_int_equal(ring_writer_fill(&fixture->writer), 0);
	assert_int_equal(ring_writer_message_max(&fixture->writer), page_size() - 8);
}

/* A capacity that cannot be mapped is refused, and leaves something that can be ended. */
static void odd_capacity_is_refused(void **state)
{
	struct ring_writer writer;

	(void)state;
	assert_int_equal(ring_writer_init(&writer, page_size() / 2, 0, writer_lane_id, 0),
			-EFBIG);
	ring_writer_deinit(&writer);
	assert_int_equal(descriptor_count(), 0);
}

/* ---- Writing ----------------------------------------------------------- */

/* A record is its size and type, then its bytes, 8-aligned, however long it is. */
static void record_is_laid_out(void **state)
{
	static const uint64_t sizes[] = { 0, 1, 7, 8, 9, 15, 16, 17, 100, 1000 };
	static const uint64_t bytes[] = { 8, 16, 16, 16, 24, 24, 24, 32, 112, 1008 };
	struct fixture *fixture = *state;
	uint64_t position = 0;
	size_t i;

	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		assert_int_equal(
				write_record(fixture, UINT32_MAX - (uint32_t)i, sizes[i]),
				0);
		ring_writer_publish(&fixture->writer);
		expect_record(fixture, position, UINT32_MAX - (uint32_t)i, sizes[i]);
		position += bytes[i];
		assert_int_equal(tail(fixture), position);
	}
}

/* The largest message is the capacity less one header, and fills the ring; after it not
 * even an empty one fits. */
static void largest_message_fills_the_ring(void **state)
{
	struct fixture *fixture = *state;
	uint64_t most = ring_writer_message_max(&fixture->writer);

	must_write(fixture, most);
	expect_record(fixture, 0, 7, most);
	assert_int_equal(ring_writer_fill(&fixture->writer), page_size());
	assert_int_equal(write_record(fixture, 7, 0), RING_FULL);
	assert_false(fixture->writer.is_reserved);
}

/* Messages of no size take a header each, and as many as there are headers fit. */
static void empty_messages_fit(void **state)
{
	struct fixture *fixture = *state;

	for (uint64_t i = 0; i < page_size() / 8; i++)
		must_write(fixture, 0);
	assert_int_equal(write_record(fixture, 7, 0), RING_FULL);
	expect_record(fixture, page_size() - 8, 7, 0);
}

/* At every offset a record is contiguous, and what goes beyond the end is at the start;
 * also the largest. */
static void record_may_start_anywhere(void **state)
{
	struct fixture *fixture = *state;
	uint64_t sizes[] = { 0, 1, 9, page_size() / 2, page_size() - 8 };
	size_t i;

	for (uint64_t offset = 0; offset < page_size(); offset += 8) {
		for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
			start_at(fixture, 3 * page_size() + offset);
			must_write(fixture, sizes[i]);
			expect_record(fixture, 3 * page_size() + offset, 7, sizes[i]);
		}
	}
}

/* Positions do not care for 32 bits. */
static void positions_go_beyond_four_gigabytes(void **state)
{
	struct fixture *fixture = *state;
	uint64_t position = (UINT64_C(1) << 32) - 64;

	start_at(fixture, position);
	for (int i = 0; i < 16; i++) {
		must_write(fixture, 3);
		ring_writer_publish(&fixture->writer);
		expect_record(fixture, position, 7, 3);
		position += 16;
		assert_int_equal(tail(fixture), position);
	}
	assert_int_equal(ring_writer_fill(&fixture->writer), 16 * 16);
	cursor_set(&fixture->page->head, position);
	assert_int_equal(ring_writer_observe(&fixture->writer), 0);
	assert_int_equal(ring_writer_fill(&fixture->writer), 0);
}

/* A reservation gets what it asks for, more if there is more, up to what it can use. */
static void reservation_takes_what_is_free(void **state)
{
	struct fixture *fixture = *state;
	struct ring_writer *writer = &fixture->writer;
	void *space;
	uint64_t size;

	assert_int_equal(ring_writer_reserve(writer, 10, 100, &space, &size), 0);
	assert_int_equal(size, 100);
	assert_true(writer->is_reserved);
	assert_ptr_equal(space, writer->data + 8);
	ring_writer_abort(writer);
	must_write(fixture, page_size() - 8 - 64);
	assert_int_equal(ring_writer_reserve(writer, 10, 1000, &space, &size), 0);
	assert_int_equal(size, 56);
	assert_int_equal(writer->reserved, 56);
	ring_writer_abort(writer);
	assert_int_equal(ring_writer_reserve(writer, 56, 56, &space, &size), 0);
	assert_int_equal(size, 56);
	ring_writer_abort(writer);
	assert_int_equal(ring_writer_reserve(writer, 57, 1000, &space, &size), RING_FULL);
	assert_false(writer->is_reserved);
}

/* Less than what was reserved can be committed, nothing too; the next record follows at
 * once. */
static void less_can_be_committed(void **state)
{
	static const uint64_t used[] = { 1000, 999, 5, 0, 1 };
	struct fixture *fixture = *state;
	struct ring_writer *writer = &fixture->writer;
	uint64_t position = 0, size = 0;
	void *space;
	size_t i;

	for (i = 0; i < sizeof(used) / sizeof(used[0]); i++) {
		assert_int_equal(ring_writer_reserve(writer, 1000, 1000, &space, &size),
				0);
		assert_ptr_equal(space, writer->data + position + 8);
		for (uint64_t j = 0; j < size; j++)
			((unsigned char *)space)[j] = pattern(position, j);
		ring_writer_commit(writer, 9, used[i]);
		assert_false(writer->is_reserved);
		expect_record(fixture, position, 9, used[i]);
		position += ring_record_bytes(used[i]);
		assert_int_equal(writer->written, position);
	}
}

/* An aborted reservation leaves no trace: the next one gets the same place. */
static void abort_leaves_no_trace(void **state)
{
	struct fixture *fixture = *state;
	struct ring_writer *writer = &fixture->writer;
	void *space, *again;
	uint64_t size;

	must_write(fixture, 20);
	assert_int_equal(ring_writer_reserve(writer, 100, 100, &space, &size), 0);
	memset(space, 0xff, 100);
	ring_writer_abort(writer);
	assert_false(writer->is_reserved);
	assert_int_equal(writer->written, 32);
	ring_writer_publish(writer);
	assert_int_equal(tail(fixture), 32);
	assert_int_equal(ring_writer_reserve(writer, 1, 1, &again, &size), 0);
	assert_ptr_equal(again, space);
	ring_writer_abort(writer);
	ring_writer_abort(writer);
}

/* ---- Publishing -------------------------------------------------------- */

/* What is reserved or written is nobody's business before it is published; then all of it
 * is, at once. */
static void written_is_not_published(void **state)
{
	struct fixture *fixture = *state;
	struct ring_writer *writer = &fixture->writer;
	void *space;
	uint64_t size;

	for (int i = 0; i < 10; i++) {
		must_write(fixture, 50);
		assert_int_equal(tail(fixture), 0);
	}
	assert_int_equal(ring_writer_fill(writer), 640);
	ring_writer_publish(writer);
	assert_int_equal(tail(fixture), 640);
	assert_int_equal(ring_writer_reserve(writer, 8, 8, &space, &size), 0);
	ring_writer_publish(writer);
	assert_int_equal(tail(fixture), 640);
	ring_writer_commit(writer, 1, 8);
	assert_int_equal(tail(fixture), 640);
	ring_writer_publish_quietly(writer);
	assert_int_equal(tail(fixture), 656);
}

/* However many records are published at once, a receiver that sleeps is rung once, and
 * one that does not sleep never. */
static void publishing_rings_once(void **state)
{
	struct fixture *fixture = *state;
	struct ring_writer *writer = &fixture->writer;

	must_write(fixture, 8);
	assert_false(ring_writer_publish(writer));
	cursor_set(&fixture->page->wake_at, 17);
	assert_false(ring_writer_publish(writer));
	for (int i = 0; i < 10; i++)
		must_write(fixture, 8);
	assert_true(ring_writer_publish(writer));
	assert_false(ring_writer_publish(writer));
	must_write(fixture, 8);
	assert_false(ring_writer_publish(writer));
}

/* What is published quietly leaves a look owed, until one is taken, which rings once for
 * all of it. */
static void quiet_publishing_owes_a_look(void **state)
{
	struct fixture *fixture = *state;
	struct ring_writer *writer = &fixture->writer;

	assert_false(ring_writer_owes_check(writer));
	cursor_set(&fixture->page->wake_at, 1);
	for (int i = 0; i < 3; i++) {
		must_write(fixture, 8);
		ring_writer_publish_quietly(writer);
		assert_true(ring_writer_owes_check(writer));
	}
	/* Corked: not owed for this one, and not published by the look. */
	must_write(fixture, 8);
	assert_true(ring_writer_check(writer));
	assert_int_equal(tail(fixture), 48);
	assert_false(ring_writer_owes_check(writer));
	assert_false(ring_writer_publish(writer));
	assert_int_equal(tail(fixture), 64);
	must_write(fixture, 8);
	assert_false(ring_writer_owes_check(writer));
}

/* So does lazy publishing, which rings a receiver that is asleep for sure, once. */
static void lazy_publishing_owes_a_look(void **state)
{
	struct fixture *fixture = *state;
	struct ring_writer *writer = &fixture->writer;

	must_write(fixture, 8);
	assert_false(ring_writer_publish_lazily(writer));
	assert_int_equal(tail(fixture), 16);
	assert_true(ring_writer_owes_check(writer));
	cursor_set(&fixture->page->wake_at, 1); /* as if stored after that look */
	assert_true(ring_writer_check(writer));
	assert_false(ring_writer_owes_check(writer));
	cursor_set(&fixture->page->wake_at, 17);
	must_write(fixture, 8);
	assert_true(ring_writer_publish_lazily(writer));
	assert_false(ring_writer_owes_check(writer));
	assert_false(ring_writer_check(writer));
}

/* ---- Room -------------------------------------------------------------- */

/* A full ring has room again when exactly as much was released as is needed. */
static void room_comes_with_the_head(void **state)
{
	struct fixture *fixture = *state;

	fill_with(fixture, (unsigned)page_size() / 64, 56);
	assert_int_equal(write_record(fixture, 7, 100), RING_FULL);
	cursor_set(&fixture->page->head, 64);
	assert_int_equal(write_record(fixture, 7, 57), RING_FULL);
	assert_int_equal(ring_writer_fill(&fixture->writer), page_size() - 64);
	assert_int_equal(write_record(fixture, 7, 56), 0);
	expect_record(fixture, page_size(), 7, 56);
	assert_int_equal(write_record(fixture, 7, 0), RING_FULL);
	ring_writer_publish(&fixture->writer);
	cursor_set(&fixture->page->head, page_size() + 64);
	must_write(fixture, page_size() - 8);
}

/* The receiver's line is looked at only if what is remembered is not enough: for a
 * message that does not fit, and for a reservation that could use more. */
static void head_is_looked_at_when_needed(void **state)
{
	struct fixture *fixture = *state;
	struct ring_writer *writer = &fixture->writer;
	void *space;
	uint64_t size;

	fill_with(fixture, 8, 56);
	cursor_set(&fixture->page->head, 512);
	must_write(fixture, page_size() - 512 - 8 - 64);
	assert_int_equal(writer->head, 0);
	assert_int_equal(ring_writer_reserve(writer, 10, 56, &space, &size), 0);
	assert_int_equal(writer->head, 0);
	ring_writer_abort(writer);
	assert_int_equal(ring_writer_reserve(writer, 10, 57, &space, &size), 0);
	assert_int_equal(writer->head, 512);
	assert_int_equal(size, 57);
}

/* Arming leaves the wish, and tells whether the head is there already. */
static void arm_says_whether_to_sleep(void **state)
{
	struct fixture *fixture = *state;
	struct ring_writer *writer = &fixture->writer;

	fill_with(fixture, 4, 56);
	assert_int_equal(ring_writer_arm(writer, 128), 0);
	assert_int_equal(cursor_get(&fixture->header->wake_at), 128);
	cursor_set(&fixture->page->head, 64);
	assert_int_equal(ring_writer_arm(writer, 128), 0);
	assert_int_equal(writer->head, 64);
	cursor_set(&fixture->page->head, 128);
	assert_int_equal(ring_writer_arm(writer, 128), 1);
	assert_int_equal(ring_writer_arm(writer, 256), 0);
	assert_int_equal(cursor_get(&fixture->header->wake_at), 256);
}

/* The deepest fill is remembered, though the ring was empty since. */
static void deepest_fill_is_remembered(void **state)
{
	struct fixture *fixture = *state;
	struct ring_writer *writer = &fixture->writer;

	fill_with(fixture, 10, 56);
	cursor_set(&fixture->page->head, 640);
	assert_int_equal(ring_writer_observe(writer), 0);
	assert_int_equal(writer->deepest_fill, 640);
	fill_with(fixture, 5, 56);
	cursor_set(&fixture->page->head, 960);
	assert_int_equal(ring_writer_observe(writer), 0);
	assert_int_equal(writer->deepest_fill, 640);
}

/* How often there was no room is told in the header. */
static void times_full_is_told(void **state)
{
	struct fixture *fixture = *state;

	ring_writer_tell_times_full(&fixture->writer, UINT64_C(5000000000));
	assert_int_equal(cursor_get(&fixture->header->times_full), UINT64_C(5000000000));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ALONE(new_ring_is_described),
		cmocka_unit_test(odd_capacity_is_refused),
		ALONE(record_is_laid_out),
		ALONE(largest_message_fills_the_ring),
		ALONE(empty_messages_fit),
		ATTACHED(record_may_start_anywhere),
		ATTACHED(positions_go_beyond_four_gigabytes),
		ALONE(reservation_takes_what_is_free),
		ALONE(less_can_be_committed),
		ALONE(abort_leaves_no_trace),
		ALONE(written_is_not_published),
		ATTACHED(publishing_rings_once),
		ATTACHED(quiet_publishing_owes_a_look),
		ATTACHED(lazy_publishing_owes_a_look),
		ATTACHED(room_comes_with_the_head),
		ATTACHED(head_is_looked_at_when_needed),
		ATTACHED(arm_says_whether_to_sleep),
		ATTACHED(deepest_fill_is_remembered),
		ATTACHED(times_full_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
