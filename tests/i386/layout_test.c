/* SPDX-License-Identifier: MIT */
/*
 * Where everything lies that two processes share, as numbers that do not depend on who
 * compiled this program:
 *
 *	layout_test          compares with the numbers below
 *	layout_test print    prints what it finds, for a comparison with other bits
 *
 * And that this machine's 64-bit atomics are what a lane needs: without locks, and
 * reading them is not writing. (Some 32-bit processors can do either only with an
 * instruction that writes, which on memory that is the peer's would be the end of the
 * process.)
 */

#include <stdio.h>
#include <string.h>

#include "cursor.h"
#include "ring_format.h"
#include "ring_reader.h"
#include "ring_writer.h"

#include "../support/process.h"

struct place {
	const char *name;
	size_t found, expected;
};

#define AT(type, member, offset) \
	{ \
#type "." #member, offsetof(struct type, member), offset \
	}
#define SIZE(type, size) \
	{ \
		"sizeof " #type, sizeof(struct type), size \
	}
#define ALIGNMENT(type, alignment) \
	{ \
		"alignof " #type, alignof(struct type), alignment \
	}

static const struct place places[] = {
	AT(ring_header, magic, 0),
	AT(ring_header, version, 8),
	AT(ring_header, header_size, 12),
	AT(ring_header, capacity, 16),
	AT(ring_header, lane_id, 24),
	AT(ring_header, tail, 128),
	AT(ring_header, wake_at, 256),
	AT(ring_header, times_full, 264),
	AT(ring_header, notes_end, 272),
	SIZE(ring_header, 384),
	ALIGNMENT(ring_header, 128),
	AT(ring_page, magic, 0),
	AT(ring_page, version, 8),
	AT(ring_page, header_size, 12),
	AT(ring_page, head, 128),
	AT(ring_page, wake_at, 256),
	SIZE(ring_page, 384),
	ALIGNMENT(ring_page, 128),
	AT(ring_record, size, 0),
	AT(ring_record, type, 4),
	SIZE(ring_record, 8),
	ALIGNMENT(ring_record, 8),
};
#define PLACES (sizeof(places) / sizeof(places[0]))

static void print_places(void)
{
	for (size_t i = 0; i < PLACES; i++)
		printf("%-24s %zu\n", places[i].name, places[i].found);
	printf("page size %zu\n", shared_memory_page_size());
}

static int check_places(void)
{
	int wrong = 0;

	for (size_t i = 0; i < PLACES; i++) {
		if (places[i].found == places[i].expected)
			continue;
		fprintf(stderr, "%s: %zu instead of %zu\n", places[i].name,
				places[i].found, places[i].expected);
		wrong = 1;
	}
	return wrong;
}

/* Sizes and positions are counted in 64 bits, whatever a size_t has. */
static void check_arithmetic(void)
{
	CHILD_CHECK(ring_record_bytes(0) == 8);
	CHILD_CHECK(ring_record_bytes(UINT32_MAX - 7) == UINT64_C(0x100000000));
	CHILD_CHECK(ring_record_bytes(UINT32_MAX) == UINT64_C(0x100000008));
	CHILD_CHECK(RING_POSITION_LIMIT == UINT64_C(4611686018427387904));
}

static void check_atomics(
		const struct ring_writer *writer, const struct ring_reader *reader)
{
	CHILD_CHECK(atomic_is_lock_free(&writer->header->tail.value));
	CHILD_CHECK((uintptr_t)&writer->header->tail % 8 == 0);
	/* The peer's words, through mappings that cannot be written. */
	CHILD_CHECK(cursor_observe(&reader->header->tail) == UINT64_C(0xfffffff0));
	CHILD_CHECK(cursor_get(&reader->header->wake_at) == 0);
	CHILD_CHECK(cursor_observe(&writer->page->head) == UINT64_C(0xfffffff0));
}

/* One record, beyond what 32 bits can count. */
static void pass_record(
		struct ring_writer *writer, struct ring_reader *reader, uint64_t number)
{
	struct ring_view view;
	uint64_t size;
	void *space;

	CHILD_CHECK(ring_writer_reserve(writer, 8, 8, &space, &size) == 0);
	memcpy(space, &number, sizeof(number));
	ring_writer_commit(writer, UINT32_MAX, sizeof(number));
	ring_writer_publish(writer);
	CHILD_CHECK(ring_reader_next(reader, &view) == 1);
	CHILD_CHECK(view.position == UINT64_C(0xfffffff0) + 16 * number);
	CHILD_CHECK(view.size == 8 && view.type == UINT32_MAX);
	CHILD_CHECK(memcmp(view.data, &number, sizeof(number)) == 0);
	ring_reader_advance(reader, view.size);
	ring_reader_release(reader);
	CHILD_CHECK(ring_writer_observe(writer) == 0);
	CHILD_CHECK(ring_writer_fill(writer) == 0);
}

/* A ring whose positions go from below 4 GiB to above, with an end of either kind. */
static void check_ring(void)
{
	static const uint8_t lane_id[16] = { 1 };
	size_t page = shared_memory_page_size();
	struct ring_writer writer;
	struct ring_reader reader;
	bool own_fault;

	CHILD_CHECK(ring_writer_init(&writer, page, 0, lane_id, 0) == 0);
	writer.written = writer.published = writer.head = UINT64_C(0xfffffff0);
	cursor_set(&writer.header->tail, writer.written);
	CHILD_CHECK(ring_reader_init(&reader, writer.memory.fd, page, page, lane_id,
				    writer.written, 0, &own_fault) == 0);
	CHILD_CHECK(ring_writer_attach(&writer, ring_reader_page_fd(&reader), page) == 0);
	check_atomics(&writer, &reader);
	for (uint64_t number = 0; number < 1000; number++)
		pass_record(&writer, &reader, number);
	ring_reader_deinit(&reader, NULL);
	ring_writer_deinit(&writer);
}

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "print")) {
		print_places();
		return 0;
	}
	check_arithmetic();
	check_ring();
	return check_places();
}
