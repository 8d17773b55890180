/* SPDX-License-Identifier: MIT */
/*
 * The receiver's end of a ring, alone: when it gives space back, what it keeps, when it
 * sleeps, and how it ends.
 */

#include <errno.h>

#include "ring_reader_side.h"

/* ---- Releasing --------------------------------------------------------- */

/* A release is due after 64 messages, however small, or after an eighth of the
 * capacity. */
static void release_is_due_in_batches(void **state)
{
	struct ring_reader large = { .capacity = 1 << 20 }, small = { .capacity = 4096 };

	(void)state;
	for (int i = 0; i < 63; i++)
		ring_reader_advance(&large, 0);
	assert_false(ring_reader_should_release(&large));
	ring_reader_advance(&large, 0);
	assert_true(ring_reader_should_release(&large));
	ring_reader_advance(&small, 496);
	assert_false(ring_reader_should_release(&small));
	ring_reader_advance(&small, 0);
	assert_true(ring_reader_should_release(&small));
}

/* Nothing is released before that is asked for; then all is, and the next batch
 * begins. */
static void release_publishes_all_that_was_read(void **state)
{
	struct fixture *fixture = *state;
	struct ring_reader *reader = &fixture->reader;

	put_many(fixture, 0, 70, 0);
	take_many(fixture, 64, 0);
	assert_int_equal(published_head(fixture), 0);
	assert_true(ring_reader_should_release(reader));
	ring_reader_release(reader);
	assert_int_equal(published_head(fixture), 512);
	assert_false(ring_reader_should_release(reader));
	take_many(fixture, 6, 0);
	assert_false(ring_reader_should_release(reader));
	ring_reader_release(reader);
	assert_int_equal(published_head(fixture), 560);
}

/* A wish that the last receiver has met is not met again by the next one. */
static void old_wish_is_not_rung(void **state)
{
	struct fixture *fixture = *state;

	cursor_set(&fixture->header->wake_at, 320);
	start_at(fixture, 640);
	put_many(fixture, 640, 1, 56);
	take_many(fixture, 1, 56);
	assert_false(ring_reader_release(&fixture->reader));
}

/* A sender that waits for room is rung once, by the release that reaches its wish. */
static void release_rings_once(void **state)
{
	struct fixture *fixture = *state;
	struct ring_reader *reader = &fixture->reader;

	assert_false(ring_reader_release(reader));
	put_many(fixture, 0, 6, 56);
	cursor_set(&fixture->header->wake_at, 128);
	take_many(fixture, 1, 56);
	assert_false(ring_reader_release(reader));
	take_many(fixture, 2, 56);
	assert_true(ring_reader_release(reader));
	assert_false(ring_reader_release(reader));
	take_many(fixture, 3, 56);
	assert_false(ring_reader_release(reader));
	assert_int_equal(published_head(fixture), 384);
}

#define HOLDS 5

/* Takes HOLDS records of 64 bytes from `position` on, holds them all, and passes them. */
static void hold_some(struct fixture *fixture, struct ring_hold *holds, uint64_t position)
{
	struct ring_reader *reader = &fixture->reader;

	put_many(fixture, position, HOLDS, 50);
	for (unsigned i = 0; i < HOLDS; i++) {
		expect(fixture, position + 64 * i, 7, 50);
		ring_reader_hold(reader, &holds[i], position + 64 * i, 50);
		ring_reader_advance(reader, 50);
		ring_reader_release(reader);
		assert_int_equal(published_head(fixture), position);
	}
	assert_int_equal(reader->held_bytes, 64 * HOLDS);
}

/* Releases the holds in this order; the head never passes the oldest that is left. */
static void unhold_in_order(struct fixture *fixture, struct ring_hold *holds,
		const unsigned *order, uint64_t position)
{
	bool is_held[HOLDS] = { true, true, true, true, true };
	unsigned oldest = 0;

	for (unsigned i = 0; i < HOLDS; i++) {
		ring_reader_unhold(&fixture->reader, &holds[order[i]]);
		is_held[order[i]] = false;
		assert_int_equal(fixture->reader.held_bytes, 64 * (HOLDS - 1 - i));
		while (oldest < HOLDS && !is_held[oldest])
			oldest++;
		ring_reader_release(&fixture->reader);
		assert_int_equal(published_head(fixture), position + 64 * oldest);
	}
}

/* Permutes the tail of `order` in all ways. */
static void for_all_orders(struct fixture *fixture, unsigned *order, unsigned done)
{
	struct ring_hold holds[HOLDS];
	unsigned kept;

	if (done == HOLDS) {
		uint64_t position = fixture->reader.read;

		hold_some(fixture, holds, position);
		unhold_in_order(fixture, holds, order, position);
		return;
	}
	for (unsigned i = done; i < HOLDS; i++) {
		kept = order[done], order[done] = order[i], order[i] = kept;
		for_all_orders(fixture, order, done + 1);
		kept = order[done], order[done] = order[i], order[i] = kept;
	}
}

/* Whatever the order in which holds are given back, the head stops at the oldest. */
static void head_stops_at_the_oldest_hold(void **state)
{
	unsigned order[HOLDS] = { 0, 1, 2, 3, 4 };

	for_all_orders(*state, order, 0);
}

/* A hold on the record that is being looked at keeps it, too; records before it are
 * released. */
static void current_record_can_be_held(void **state)
{
	struct fixture *fixture = *state;
	struct ring_reader *reader = &fixture->reader;
	struct ring_hold hold;

	put_many(fixture, 0, 3, 56);
	take_many(fixture, 1, 56);
	expect(fixture, 64, 7, 56);
	ring_reader_hold(reader, &hold, 64, 56);
	ring_reader_release(reader);
	assert_int_equal(published_head(fixture), 64);
	take_many(fixture, 2, 56);
	ring_reader_release(reader);
	assert_int_equal(published_head(fixture), 64);
	ring_reader_unhold(reader, &hold);
	ring_reader_release(reader);
	assert_int_equal(published_head(fixture), 192);
}

/* A sender that waits for what a hold keeps is rung when the hold ends. */
static void end_of_a_hold_rings(void **state)
{
	struct fixture *fixture = *state;
	struct ring_reader *reader = &fixture->reader;
	struct ring_hold hold;

	put_many(fixture, 0, 3, 56);
	cursor_set(&fixture->header->wake_at, 192);
	ring_reader_hold(reader, &hold, 0, 56);
	take_many(fixture, 3, 56);
	assert_false(ring_reader_release(reader));
	ring_reader_unhold(reader, &hold);
	assert_true(ring_reader_release(reader));
}

/* While something is held, the tail may still be no more than a capacity above the head:
 * held bytes are not the sender's. */
static void held_bytes_are_not_free(void **state)
{
	struct fixture *fixture = *state;
	struct ring_hold hold;

	put_many(fixture, 0, 2, 56);
	ring_reader_hold(&fixture->reader, &hold, 0, 56);
	take_many(fixture, 2, 56);
	ring_reader_release(&fixture->reader);
	set_tail(fixture, page_size() + 8);
	assert_int_equal(next_result(fixture), -EPROTO);
	ring_reader_unhold(&fixture->reader, &hold);
	ring_reader_release(&fixture->reader);
	assert_int_equal(next_result(fixture), 1);
}

/* ---- Sleeping and ending ----------------------------------------------- */

/* Arming asks for the next byte behind what was read, held or not, and tells whether it
 * is there already. */
static void arm_says_whether_to_sleep(void **state)
{
	struct fixture *fixture = *state;
	struct ring_reader *reader = &fixture->reader;
	struct ring_hold hold;

	assert_int_equal(ring_reader_arm(reader, 1), 0);
	assert_int_equal(cursor_get(&fixture->page->wake_at), 1);
	put_many(fixture, 0, 2, 56);
	assert_int_equal(ring_reader_arm(reader, 1), 1);
	ring_reader_hold(reader, &hold, 0, 56);
	take_many(fixture, 1, 56);
	assert_int_equal(ring_reader_arm(reader, 1), 1);
	take_many(fixture, 1, 56);
	assert_int_equal(ring_reader_arm(reader, 1), 0);
	assert_int_equal(cursor_get(&fixture->page->wake_at), 129);
	ring_reader_unhold(reader, &hold);
}

/* Asked for many bytes it wants to be rung at the last of them, and says all the same if there are fewer. */
static void arm_for_many_bytes(void **state)
{
	struct fixture *fixture = *state;
	struct ring_reader *reader = &fixture->reader;

	put_many(fixture, 0, 1, 56);
	take_many(fixture, 1, 56);
	assert_int_equal(ring_reader_arm(reader, 128), 0);
	assert_int_equal(cursor_get(&fixture->page->wake_at), 64 + 128);
	put_many(fixture, 64, 1, 56);
	assert_int_equal(ring_reader_arm(reader, 128), 1);
}

/* When the sender is gone the tail is loaded once more; all up to there is delivered, and
 * nothing that is written after that, by whoever kept the memory. */
static void close_fixes_the_tail(void **state)
{
	struct fixture *fixture = *state;
	struct ring_reader *reader = &fixture->reader;

	put_many(fixture, 0, 3, 56);
	take_many(fixture, 1, 56);
	put_many(fixture, 192, 1, 56);
	assert_int_equal(ring_reader_close(reader), 0);
	put_many(fixture, 256, 1, 56);
	assert_int_equal(ring_reader_close(reader), 0);
	assert_int_equal(ring_reader_unread(reader), 192);
	take_many(fixture, 3, 56);
	assert_int_equal(next_result(fixture), 0);
	set_tail(fixture, UINT64_MAX);
	assert_int_equal(next_result(fixture), 0);
	assert_int_equal(ring_reader_unread(reader), 0);
}

/* If the last tail is impossible that is told, and what was seen before is still there to
 * be read. */
static void impossible_last_tail_is_told(void **state)
{
	struct fixture *fixture = *state;

	put_many(fixture, 0, 2, 56);
	take_many(fixture, 1, 56);
	set_tail(fixture, 3);
	assert_int_equal(ring_reader_close(&fixture->reader), -EPROTO);
	take_many(fixture, 1, 56);
	assert_int_equal(next_result(fixture), 0);
}

/* What waits to be read can be asked for at any time. */
static void unread_bytes_are_told(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(ring_reader_unread(&fixture->reader), 0);
	put_many(fixture, 0, 3, 56);
	assert_int_equal(ring_reader_unread(&fixture->reader), 192);
	take_many(fixture, 2, 56);
	assert_int_equal(ring_reader_unread(&fixture->reader), 64);
}

/* So can the tail; an impossible one is passed over. */
static void seen_tail_is_the_last_good_one(void **state)
{
	struct fixture *fixture = *state;

	put_many(fixture, 0, 2, 56);
	assert_int_equal(ring_reader_seen_tail(&fixture->reader), 128);
	set_tail(fixture, 64);
	assert_int_equal(ring_reader_seen_tail(&fixture->reader), 128);
	set_tail(fixture, 128);
	take_many(fixture, 2, 56);
	put_many(fixture, 128, 1, 56);
	assert_int_equal(ring_reader_seen_tail(&fixture->reader), 192);
	take_many(fixture, 1, 56);
}

/* Counters: the deepest fill that was seen, and what the sender says of its refused
 * sends. */
static void counters_are_told(void **state)
{
	struct fixture *fixture = *state;
	struct ring_reader *reader = &fixture->reader;

	put_many(fixture, 0, 5, 56);
	take_many(fixture, 5, 56);
	ring_reader_release(reader);
	put_many(fixture, 320, 2, 56);
	take_many(fixture, 2, 56);
	assert_int_equal(reader->deepest_fill, 320);
	cursor_set(&fixture->header->times_full, UINT64_C(5000000000));
	assert_int_equal(ring_reader_times_full(reader), UINT64_C(5000000000));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(release_is_due_in_batches),
		READING(release_publishes_all_that_was_read),
		MEMORY(old_wish_is_not_rung),
		READING(release_rings_once),
		READING(head_stops_at_the_oldest_hold),
		READING(current_record_can_be_held),
		READING(end_of_a_hold_rings),
		READING(held_bytes_are_not_free),
		READING(arm_says_whether_to_sleep),
		READING(arm_for_many_bytes),
		READING(close_fixes_the_tail),
		READING(impossible_last_tail_is_told),
		READING(unread_bytes_are_told),
		READING(seen_tail_is_the_last_good_one),
		READING(counters_are_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
