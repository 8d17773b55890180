/* SPDX-License-Identifier: MIT */
/*
 * The sender's end of a ring, and receivers: those that come and go, and those that lie
 * about how much they have released. A lie is an error wherever it is met, and what was
 * known before stays true.
 */

#include <errno.h>

#include "ring_writer_side.h"

/* ---- A receiver that lies ---------------------------------------------- */

/* Heads that cannot be, with 256 bytes released, 512 published and 576 written. */
static const uint64_t impossible_heads[] = {
	0, 248,        /* moved back */
	257, 260, 263, /* not 8-aligned */
	520, 576,      /* not published */
	584, 1 << 20, UINT64_C(0x100000100), RING_POSITION_LIMIT, UINT64_C(1) << 63,
	UINT64_MAX - 7, UINT64_MAX, /* never written */
};
#define IMPOSSIBLE_HEADS (sizeof(impossible_heads) / sizeof(impossible_heads[0]))

static void prepare_positions(struct fixture *fixture)
{
	fill_with(fixture, 8, 56);
	cursor_set(&fixture->page->head, 256);
	assert_int_equal(ring_writer_observe(&fixture->writer), 0);
	must_write(fixture, 56);
}

/* An impossible head is an error wherever it is met, and is not believed. */
static void impossible_head_is_an_error(void **state)
{
	struct fixture *fixture = *state;
	struct ring_writer *writer = &fixture->writer;
	uint64_t size, most = ring_writer_message_max(writer);
	void *space;

	prepare_positions(fixture);
	for (size_t i = 0; i < IMPOSSIBLE_HEADS; i++) {
		cursor_set(&fixture->page->head, impossible_heads[i]);
		assert_int_equal(ring_writer_observe(writer), -EPROTO);
		assert_int_equal(ring_writer_arm(writer, 512), -EPROTO);
		assert_int_equal(ring_writer_reserve(writer, most, most, &space, &size),
				-EPROTO);
		assert_int_equal(ring_writer_reserve(writer, 8, most, &space, &size),
				-EPROTO);
		assert_false(writer->is_reserved);
		assert_int_equal(writer->head, 256);
	}
	for (uint64_t head = 256; head <= 512; head += 8) {
		cursor_set(&fixture->page->head, head);
		assert_int_equal(ring_writer_observe(writer), 0);
	}
}

/* Such a head does not stop a message for which there is room. */
static void impossible_head_is_not_met_without_need(void **state)
{
	struct fixture *fixture = *state;

	prepare_positions(fixture);
	cursor_set(&fixture->page->head, UINT64_MAX);
	must_write(fixture, 100);
}

/* Nor is it taken from a receiver that is gone. */
static void impossible_last_head_is_not_taken(void **state)
{
	struct fixture *fixture = *state;

	prepare_positions(fixture);
	cursor_set(&fixture->page->head, 520);
	ring_writer_detach(&fixture->writer);
	assert_int_equal(fixture->writer.head, 256);
	assert_null(fixture->writer.page);
}

/* ---- Receivers come and go --------------------------------------------- */

/* Nothing of a receiver that cannot be right is kept: its page is refused, and the ring
 * stays as it was. */
static void impossible_page_is_refused(void **state)
{
	struct fixture *fixture = *state;
	struct ring_writer *writer = &fixture->writer;
	int fds[2];

	make_page(fixture, 8); /* nothing was published */
	assert_int_equal(attach(fixture), -EPROTO);
	cursor_set(&fixture->page->head, 0);
	fixture->page->magic = RING_HEADER_MAGIC;
	assert_int_equal(attach(fixture), -EPROTO);
	fixture->page->magic = RING_PAGE_MAGIC;
	fixture->page->version++;
	assert_int_equal(attach(fixture), -EPROTO);
	fixture->page->version--;
	assert_int_equal(ring_writer_attach(writer, fixture->page_memory.fd,
					 2 * page_size()),
			-EBADMSG);
	assert_int_equal(ring_writer_attach(writer, -1, page_size()), -EPERM);
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(ring_writer_attach(writer, fds[0], page_size()),
			shared_memory_has_seals() ? -EPERM : -EMEDIUMTYPE);
	close(fds[0]);
	close(fds[1]);
	assert_null(writer->page);
	assert_null(writer->tail.peer_wish);
	assert_null(writer->page_memory.base);
	assert_int_equal(attach(fixture), 0);
	ring_writer_detach(writer);
}

/* Before a receiver is there, the ring is the buffer: publishing never rings, and what
 * does not fit is refused. */
static void ring_is_a_buffer_without_a_receiver(void **state)
{
	struct fixture *fixture = *state;
	struct ring_writer *writer = &fixture->writer;

	for (uint64_t i = 0; i < page_size() / 64; i++) {
		must_write(fixture, 56);
		assert_false(ring_writer_publish(writer));
		assert_false(ring_writer_owes_check(writer));
	}
	assert_int_equal(write_record(fixture, 7, 0), RING_FULL);
	assert_int_equal(ring_writer_observe(writer), 0);
	assert_int_equal(ring_writer_arm(writer, 64), 0);
	assert_int_equal(ring_writer_arm(writer, 0), 1);
	ring_writer_detach(writer);
}

/* The first publication after a receiver has come looks at its wish for all that was
 * published before. */
static void newcomer_is_rung_for_what_waits(void **state)
{
	struct fixture *fixture = *state;

	fill_with(fixture, 10, 56);
	make_page(fixture, 0);
	cursor_set(&fixture->page->wake_at, 1);
	assert_int_equal(attach(fixture), 0);
	assert_true(ring_writer_owes_check(&fixture->writer));
	assert_true(ring_writer_publish(&fixture->writer));
	assert_false(ring_writer_publish(&fixture->writer));
}

/* The last head of a receiver that is gone counts, and the next one cannot go back behind
 * it. */
static void last_head_is_taken(void **state)
{
	struct fixture *fixture = *state;
	struct ring_writer *writer = &fixture->writer;

	fill_with(fixture, 8, 56);
	cursor_set(&fixture->page->head, 256);
	ring_writer_detach(writer);
	ring_writer_detach(writer);
	assert_int_equal(writer->head, 256);
	assert_null(writer->tail.peer_wish);
	cursor_set(&fixture->page->head, 512); /* too late */
	assert_int_equal(ring_writer_observe(writer), 0);
	assert_int_equal(writer->head, 256);
	shared_memory_deinit(&fixture->page_memory, NULL);

	make_page(fixture, 248);
	assert_int_equal(attach(fixture), -EPROTO);
	cursor_set(&fixture->page->head, 256);
	assert_int_equal(attach(fixture), 0);
	assert_int_equal(ring_writer_fill(writer), 256);
}

/* A wish that the last receiver was rung for is no reason not to ring the next one for
 * the same bytes. */
static void next_receiver_is_rung_anew(void **state)
{
	struct fixture *fixture = *state;
	struct ring_writer *writer = &fixture->writer;

	cursor_set(&fixture->page->wake_at, 1);
	must_write(fixture, 56);
	assert_true(ring_writer_publish(writer));
	ring_writer_detach(writer);
	shared_memory_deinit(&fixture->page_memory, NULL);
	make_page(fixture, 0);
	cursor_set(&fixture->page->wake_at, 1);
	assert_int_equal(attach(fixture), 0);
	assert_true(ring_writer_publish(writer));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ATTACHED(impossible_head_is_an_error),
		ATTACHED(impossible_head_is_not_met_without_need),
		ATTACHED(impossible_last_head_is_not_taken),
		ALONE(impossible_page_is_refused),
		ALONE(ring_is_a_buffer_without_a_receiver),
		ALONE(newcomer_is_rung_for_what_waits),
		ATTACHED(last_head_is_taken),
		ATTACHED(next_receiver_is_rung_anew),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
