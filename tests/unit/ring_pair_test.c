/* SPDX-License-Identifier: MIT */
/*
 * Both ends of one ring at work, each in a thread of its own, asleep whenever it has
 * nothing to do.
 *
 * Both threads use one mapping: the reader is made as usual, with a mapping of its own,
 * and then shown the writer's. ThreadSanitizer takes two mappings of the same memory for
 * two memories, and would see nothing of what one side does to the other. (The two
 * pictures of the data are such mappings still, so of a record that crosses the end of
 * the ring it sees less; records of a size that divides the capacity never do.)
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>

#include "process.h"
#include "ring_pair.h"

#define HANG_SECONDS 240

static void share_one_mapping(struct pair *pair)
{
	struct ring_writer *writer = &pair->writer;
	struct ring_reader *reader = &pair->reader;

	reader->header = writer->header;
	reader->data = writer->data;
	reader->space.peer_wish = &writer->header->wake_at;
	writer->page = reader->page;
	writer->tail.peer_wish = &reader->page->wake_at;
}

static void make_pair(struct pair *pair)
{
	static const uint8_t lane_id[16] = { 1 };
	size_t page = shared_memory_page_size();
	struct ring_writer *writer = &pair->writer;
	bool own_fault;

	assert_int_equal(ring_writer_init(writer, pair->flow.capacity, 0, lane_id, 0), 0);
	writer->written = writer->published = writer->head = pair->flow.start;
	cursor_set(&writer->header->tail, pair->flow.start);
	assert_int_equal(ring_reader_init(&pair->reader, writer->memory.fd, page,
					 writer->capacity, lane_id, pair->flow.start, 0,
					 &own_fault),
			0);
	assert_int_equal(ring_writer_attach(writer, ring_reader_page_fd(&pair->reader),
					 page),
			0);
	share_one_mapping(pair);
	pair->writing.bell = eventfd(0, EFD_CLOEXEC);
	pair->reading.bell = eventfd(0, EFD_CLOEXEC);
	assert_true(pair->writing.bell >= 0 && pair->reading.bell >= 0);
}

static void end_pair(struct pair *pair)
{
	close(pair->writing.bell);
	close(pair->reading.bell);
	ring_reader_deinit(&pair->reader, NULL);
	ring_writer_deinit(&pair->writer);
}

static void run_threads(struct pair *pair)
{
	pthread_t threads[2];

	alarm(HANG_SECONDS);
	assert_int_equal(pthread_create(&threads[0], NULL, ring_pair_write_all, pair), 0);
	assert_int_equal(pthread_create(&threads[1], NULL, ring_pair_read_all, pair), 0);
	pthread_join(threads[0], NULL);
	pthread_join(threads[1], NULL);
	alarm(0);
}

/* All arrives, and at the end nothing is left in the ring. Leaves how often both ends
 * slept. */
static void run_flow(struct pair *pair, const struct flow *flow, uint64_t seed)
{
	memset(pair, 0, sizeof(*pair));
	pair->flow = *flow;
	pair->writing.seed = seed;
	pair->reading.seed = ~seed;
	make_pair(pair);
	run_threads(pair);
	print_message("capacity %7llu: %llu records, sleeps %llu + %llu, rings %llu + "
		      "%llu\n",
			(unsigned long long)flow->capacity,
			(unsigned long long)pair->reading.records,
			(unsigned long long)pair->writing.sleeps,
			(unsigned long long)pair->reading.sleeps,
			(unsigned long long)pair->writing.rings,
			(unsigned long long)pair->reading.rings);
	if (pair->writing.error || pair->reading.error)
		fail_msg("writer: %s; reader: %s",
				pair->writing.error ? pair->writing.error : "fine",
				pair->reading.error ? pair->reading.error : "fine");
	assert_int_equal(pair->reading.records, pair->writing.records);
	assert_int_equal(pair->reader.read, pair->writer.written);
	assert_int_equal(pair->reader.held_bytes, 0);
	assert_int_equal(ring_writer_fill(&pair->writer), 0);
	end_pair(pair);
}

/* So many, where nothing slows the program down. */
static uint64_t scaled(uint64_t records)
{
	const char *slowdown = getenv("EVCHAN_TEST_SLOWDOWN");
	uint64_t factor = slowdown && atoi(slowdown) > 1 ? (uint64_t)atoi(slowdown) : 1;

	if (is_under_valgrind() && factor < 100)
		factor = 100;
	return records / factor;
}

/* Records of all sizes arrive whole and in order through rings of all sizes. */
static void random_records_flow(void **state)
{
	struct pair pair;

	(void)state;
	for (uint64_t pages = 1; pages <= 256; pages *= 2) {
		struct flow flow = {
			.capacity = pages * shared_memory_page_size(),
			.records = scaled(200000),
		};

		run_flow(&pair, &flow, 1000 + pages);
	}
}

/* So they do while the reader keeps some of them, and what is kept stays as it was until
 * it is given back. */
static void records_are_held_in_any_order(void **state)
{
	struct pair pair;

	(void)state;
	for (uint64_t pages = 1; pages <= 256; pages *= 4) {
		struct flow flow = {
			.capacity = pages * shared_memory_page_size(),
			.records = scaled(100000),
			.holds = true,
		};

		run_flow(&pair, &flow, 2000 + pages);
	}
}

/* So do records none of which crosses the end of the ring, where ThreadSanitizer sees
 * every byte under one address. */
static void records_that_divide_the_ring_flow(void **state)
{
	static const uint32_t sizes[] = { 8, 56, 504 };
	struct pair pair;

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct flow flow = {
			.capacity = 4 * shared_memory_page_size(),
			.records = scaled(200000),
			.fixed_size = sizes[i],
			.holds = i == 1,
		};

		run_flow(&pair, &flow, 3000 + i);
	}
}

/* Each end sleeps as soon as it has nothing to do, and each time it is woken. */
static void ends_take_turns_sleeping(void **state)
{
	struct flow flow = {
		.capacity = shared_memory_page_size(),
		.records = scaled(20000),
		.one_by_one = true,
	};
	struct pair pair;

	(void)state;
	run_flow(&pair, &flow, 4000);
	assert_true(pair.writing.sleeps > 0);
	assert_true(pair.reading.sleeps > 0);
}

/* A ring that is always full of its largest message is passed on without loss, too. */
static void largest_messages_flow(void **state)
{
	struct flow flow = {
		.capacity = shared_memory_page_size(),
		.records = scaled(20000),
		.fixed_size = (uint32_t)shared_memory_page_size() - 8,
	};
	struct pair pair;

	(void)state;
	run_flow(&pair, &flow, 5000);
}

/* Positions go beyond what 32 bits can count without anybody noticing. */
static void positions_go_beyond_four_gigabytes(void **state)
{
	struct flow flow = {
		.capacity = 2 * shared_memory_page_size(),
		.start = (UINT64_C(1) << 32) - (1 << 16),
		.records = scaled(100000),
	};
	struct pair pair;

	(void)state;
	run_flow(&pair, &flow, 6000);
	flow.start = RING_POSITION_LIMIT / 2;
	run_flow(&pair, &flow, 6001);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_records_flow),
		cmocka_unit_test(records_are_held_in_any_order),
		cmocka_unit_test(records_that_divide_the_ring_flow),
		cmocka_unit_test(ends_take_turns_sleeping),
		cmocka_unit_test(largest_messages_flow),
		cmocka_unit_test(positions_go_beyond_four_gigabytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
