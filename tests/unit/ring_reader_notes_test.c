/* SPDX-License-Identifier: MIT */
/*
 * Notes as the receiver's end finds them, in memory that a stranger writes.
 */

#include <errno.h>
#include <string.h>

#include "ring_reader_side.h"

/* Writes the header of a note, which may be a lie, and as many bytes; says that notes end
 * behind it. */
static void put_note(struct fixture *fixture, uint64_t at, uint32_t key, uint32_t size,
		const char *text)
{
	unsigned char *notes = (unsigned char *)(fixture->header + 1);

	cursor_record_store((struct ring_record *)(void *)(notes + at), size, key);
	memcpy(notes + at + 8, text, strlen(text));
	cursor_set(&fixture->header->notes_end, at + ring_record_bytes(size));
}

static void expect_note(struct fixture *fixture, uint32_t key, const char *text)
{
	char buffer[64];
	size_t size = sizeof(buffer);

	assert_int_equal(ring_reader_get_note(&fixture->reader, key, buffer, &size), 0);
	assert_int_equal(size, strlen(text));
	assert_memory_equal(buffer, text, size);
}

static int note_result(struct fixture *fixture, uint32_t key)
{
	char buffer[64];
	size_t size = sizeof(buffer);

	return ring_reader_get_note(&fixture->reader, key, buffer, &size);
}

/* Each note is found under its key, from the moment that it is there; the first, if there
 * are two. */
static void notes_are_found(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(note_result(fixture, 0), -ENOENT);
	put_note(fixture, 0, 7, 5, "seven");
	expect_note(fixture, 7, "seven");
	assert_int_equal(note_result(fixture, 8), -ENOENT);
	put_note(fixture, 16, UINT32_MAX, 0, "");
	put_note(fixture, 24, 0, 8, "the zero");
	put_note(fixture, 40, 7, 5, "eight");
	expect_note(fixture, UINT32_MAX, "");
	expect_note(fixture, 0, "the zero");
	expect_note(fixture, 7, "seven");
	assert_int_equal(note_result(fixture, 8), -ENOENT);
}

/* A note is copied whole or not at all, and its size is told in any case. */
static void note_needs_room(void **state)
{
	struct fixture *fixture = *state;
	char buffer[8] = "unused";
	size_t size = 0;

	put_note(fixture, 0, 7, 5, "seven");
	assert_int_equal(
			ring_reader_get_note(&fixture->reader, 7, NULL, &size), -ENOBUFS);
	assert_int_equal(size, 5);
	size = 4;
	assert_int_equal(ring_reader_get_note(&fixture->reader, 7, buffer, &size),
			-ENOBUFS);
	assert_int_equal(size, 5);
	assert_string_equal(buffer, "unused");
	assert_int_equal(ring_reader_get_note(&fixture->reader, 7, buffer, &size), 0);
	assert_memory_equal(buffer, "sevend", 6);
	put_note(fixture, 16, 8, 0, "");
	size = 0;
	assert_int_equal(ring_reader_get_note(&fixture->reader, 8, NULL, &size), 0);
}

/* Notes that would reach beyond their end, or beyond the header, are not followed. */
static void impossible_notes_are_an_error(void **state)
{
	struct fixture *fixture = *state;
	ring_word *end = &fixture->header->notes_end;
	const uint64_t room = page_size() - sizeof(struct ring_header);
	const uint64_t ends[] = { 1, 7, 12, 20, room + 8, page_size(),
		UINT64_C(0x100000010), UINT64_MAX - 7, UINT64_MAX };
	static const uint32_t sizes[] = { 9, 16, 4096, 0x7fffffff, 0xfffffff0, 0xfffffff8,
		0xfffffff9, UINT32_MAX };
	size_t i;

	put_note(fixture, 0, 7, 5, "seven");
	for (i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		cursor_set(end, ends[i]);
		assert_int_equal(note_result(fixture, 7), -EPROTO);
		assert_int_equal(note_result(fixture, 8), -EPROTO);
	}
	put_note(fixture, 16, 8, 8, "eight");
	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		put_note(fixture, 16, 8, sizes[i], "eight");
		cursor_set(end, 32);
		assert_int_equal(note_result(fixture, 8), -EPROTO);
		assert_int_equal(note_result(fixture, 9), -EPROTO);
		expect_note(fixture, 7, "seven");
	}
	/* As much as fits is right: here notes of no size, all that the header has room
	 * for. */
	for (uint64_t at = 0; at < room; at += 8)
		put_note(fixture, at, (uint32_t)at, 0, "");
	assert_int_equal(note_result(fixture, (uint32_t)room - 8), 0);
	assert_int_equal(note_result(fixture, 1), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		READING(notes_are_found),
		READING(note_needs_room),
		READING(impossible_notes_are_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
