/* SPDX-License-Identifier: MIT */
/*
 * Notes as the sender's end writes them: in the header's pages, one behind the other,
 * each for good.
 */

#include <errno.h>

#include "ring_writer_side.h"

/* Notes lie behind the header, one behind the other, laid out like records, in front of
 * the data. */
static void notes_are_laid_out(void **state)
{
	struct fixture *fixture = *state;
	const unsigned char *notes = (const unsigned char *)(fixture->header + 1);
	static const uint32_t words[] = { 3, 0xabcdef };

	assert_int_equal(cursor_get(&fixture->header->notes_end), 0);
	assert_int_equal(ring_writer_add_note(&fixture->writer, 0xabcdef, "abc", 3), 0);
	assert_int_equal(cursor_get(&fixture->header->notes_end), 16);
	assert_memory_equal(notes, words, sizeof(words));
	assert_memory_equal(notes + 8, "abc", 3);
	assert_int_equal(ring_writer_add_note(&fixture->writer, 0, NULL, 0), 0);
	assert_int_equal(cursor_get(&fixture->header->notes_end), 24);
	assert_int_equal(ring_writer_add_note(&fixture->writer, 1, "12345678", 8), 0);
	assert_memory_equal(notes + 32, "12345678", 8);
	assert_int_equal(tail(fixture), 0);
}

/* A note cannot be changed: its key is taken. */
static void note_cannot_be_changed(void **state)
{
	struct fixture *fixture = *state;

	for (uint32_t key = 0; key < 5; key++)
		assert_int_equal(
				ring_writer_add_note(&fixture->writer, key, "x", key % 2),
				0);
	for (uint32_t key = 0; key < 5; key++)
		assert_int_equal(ring_writer_add_note(&fixture->writer, key, "y", 1),
				-EEXIST);
	assert_int_equal(ring_writer_add_note(&fixture->writer, 5, "y", 1), 0);
}

/* Notes end where the data begins, to the byte, and one that does not fit changes
 * nothing. */
static void notes_end_before_the_data(void **state)
{
	static const unsigned char note[4096];
	struct fixture *fixture = *state;
	size_t room = page_size() - sizeof(struct ring_header), first = 1000;

	assert_int_equal(ring_writer_add_note(&fixture->writer, 1, note, first), 0);
	room -= first + 8;
	assert_int_equal(ring_writer_add_note(&fixture->writer, 2, note, room - 7),
			-ENOSPC);
	assert_int_equal(ring_writer_add_note(&fixture->writer, 2, note, SIZE_MAX),
			-ENOSPC);
	assert_int_equal(ring_writer_add_note(&fixture->writer, 2, note, SIZE_MAX - 7),
			-ENOSPC);
	assert_int_equal(ring_writer_add_note(&fixture->writer, 2, note, room - 8), 0);
	assert_int_equal(cursor_get(&fixture->header->notes_end),
			page_size() - sizeof(struct ring_header));
	assert_int_equal(ring_writer_add_note(&fixture->writer, 3, note, 0), -ENOSPC);
	must_write(fixture, 100);
	expect_record(fixture, 0, 7, 100);
}

/* However much room is asked for, the header is a power of two of whole pages, with so
 * much room at least. */
static void header_has_room_for_notes(void **state)
{
	static const size_t notes[] = { 0, 1, 3712, 3713, 10000, 65152 };
	struct ring_writer writer;
	size_t size, i;

	(void)state;
	for (i = 0; i < sizeof(notes) / sizeof(notes[0]); i++) {
		assert_int_equal(ring_writer_init(&writer, page_size(), notes[i],
						 writer_lane_id, 0),
				0);
		size = writer.memory.header_size;
		assert_int_equal(writer.header->header_size, size);
		assert_int_equal(size & (size - 1), 0);
		assert_true(size >= page_size() && size <= 65536);
		assert_true(size - sizeof(struct ring_header) >= notes[i]);
		assert_true(size == page_size() ||
				size / 2 - sizeof(struct ring_header) < notes[i]);
		ring_writer_deinit(&writer);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ALONE(notes_are_laid_out),
		ALONE(note_cannot_be_changed),
		ALONE(notes_end_before_the_data),
		cmocka_unit_test(header_has_room_for_notes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
