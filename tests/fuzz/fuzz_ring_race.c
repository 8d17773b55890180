/* SPDX-License-Identifier: MIT */
/*
 * A ring that a second thread rewrites all the time, header, positions, records and notes, against the reader. What the
 * reader sees is anybody's guess; what it may not do is believe it: whatever comes, its own positions stay in
 * order, and what it hands out lies in the ring.
 *
 * The input is what the second thread does, over and over. Some of it is right, so that the reader gets somewhere.
 */

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

#include "fuzz.h"
#include "process.h"
#include "ring_memory.h"

#define ORDERS_MAX 64u
#define ORDERS_IN_ALL 2000u /* of the second thread, for one input */
#define CHANGES 32u         /* of one record */
#define LOOKS 16u           /* at one record, before it is passed */
#define SKIPPED 77

struct order {
	uint8_t what;
	uint64_t number;
};

struct attacker {
	struct ring_memory *ring;
	struct order orders[ORDERS_MAX];
	unsigned count;
	_Atomic(const ring_word *) head; /* the reader's, once there is one */
	atomic_bool is_done;
	_Atomic uint64_t read; /* where it is */
	uint64_t tail;         /* the honest one */
};

/* A record as it should be, if there is room. */
static void send_honestly(struct attacker *attacker, uint32_t size)
{
	const ring_word *head = atomic_load(&attacker->head);
	uint64_t room = attacker->ring->memory.data_size;

	if (!head ||
			attacker->tail + ring_record_bytes(size) - cursor_observe(head) >
					room)
		return;
	cursor_record_store(
			ring_memory_record(attacker->ring, attacker->tail), size, size);
	attacker->tail += ring_record_bytes(size);
	cursor_set_after(&attacker->ring->header->tail, attacker->tail);
}

/* Another size for the very record that is being read, and back to one that fits, again and again. */
static void change_under_the_reader(struct attacker *attacker, uint64_t number)
{
	uint64_t read = atomic_load_explicit(&attacker->read, memory_order_relaxed);
	struct ring_record *record = ring_memory_record(attacker->ring, read);

	if (attacker->tail <= read)
		return;
	for (unsigned i = 0; i < CHANGES; i++) {
		cursor_record_store(record, (uint32_t)number, (uint32_t)(number >> 32));
		cursor_record_store(record, (uint32_t)(attacker->tail - read - 8), 0);
	}
}

static void attack(struct attacker *attacker, const struct order *order)
{
	struct ring_header *header = attacker->ring->header;
	uint64_t number = order->number;

	switch (order->what % 8) {
	case 0:
	case 1:
		send_honestly(attacker, (uint32_t)(number & 0x3ff));
		break;
	case 2:
		change_under_the_reader(attacker, number);
		break;
	case 3: /* another tail, and back */
		cursor_set(&header->tail, number);
		cursor_set(&header->tail, attacker->tail);
		break;
	case 4:
		cursor_set(&header->notes_end, number & 0xffff);
		break;
	case 5:
		cursor_record_store(ring_memory_note(attacker->ring, number),
				(uint32_t)(number >> 16 & 0xffff),
				(uint32_t)(number >> 32 & 3));
		break;
	case 6:
		cursor_set(&header->wake_at, number);
		break;
	case 7:
		cursor_record_store(ring_memory_record(attacker->ring, number & 0xffff),
				(uint32_t)(number >> 32), 0);
		break;
	}
}

static void *attack_all_the_time(void *arg)
{
	struct attacker *attacker = arg;

	for (unsigned i = 0; i < ORDERS_IN_ALL; i++)
		attack(attacker, &attacker->orders[i % attacker->count]);
	atomic_store(&attacker->is_done, true);
	return NULL;
}

/* ---- The reader -------------------------------------------------------------------------------- */

static void check_positions(const struct ring_reader *reader)
{
	FUZZ_CHECK(reader->head <= reader->read && reader->read <= reader->tail);
	FUZZ_CHECK(reader->tail - reader->head <= reader->capacity);
	FUZZ_CHECK(reader->read % 8 == 0 && reader->tail % 8 == 0);
}

static void check_view(const struct ring_reader *reader, const struct ring_view *view)
{
	const volatile unsigned char *bytes = view->data;
	const unsigned char *first = reader->data + RING_RECORD_HEADER;
	unsigned sum = 0;

	FUZZ_CHECK(view->position == reader->read);
	FUZZ_CHECK(ring_record_bytes(view->size) <= reader->tail - reader->read);
	FUZZ_CHECK(view->size <= reader->capacity - RING_RECORD_HEADER);
	FUZZ_CHECK((const unsigned char *)view->data ==
			first + reader->read % reader->capacity);
	for (size_t i = 0; i < view->size; i += 64)
		sum += bytes[i];
	(void)sum;
}

static void read_note(const struct ring_reader *reader, uint32_t key, size_t room)
{
	size_t told = room,
	       most = reader->memory.header_size - sizeof(struct ring_header);
	uint8_t *buffer = malloc(room + 1);
	int r;

	FUZZ_CHECK(buffer);
	r = ring_reader_get_note(reader, key, buffer, &told);
	FUZZ_CHECK(r == 0 || r == -ENOENT || r == -ENOBUFS || r == -EPROTO);
	FUZZ_CHECK(r ? r != -ENOBUFS || (told > room && told <= most) : told <= room);
	free(buffer);
}

/* Looks at the next record, more often than a receiver would. The result is that of the last look. */
static int look(struct ring_reader *reader, struct ring_view *view)
{
	int r = 0;

	for (unsigned i = 0; i < LOOKS; i++) {
		r = ring_reader_next(reader, view);
		FUZZ_CHECK(r == 0 || r == 1 || r == -EPROTO);
		check_positions(reader);
		if (r == 1)
			check_view(reader, view);
	}
	return r;
}

/* What a receiver does, in the order it does it. */
static void read_on(struct ring_reader *reader, unsigned round)
{
	struct ring_hold hold;
	struct ring_view view;
	int r;

	if (look(reader, &view) == 1) {
		if (round % 4 == 0)
			ring_reader_hold(reader, &hold, view.position, view.size);
		ring_reader_advance(reader, view.size);
		ring_reader_release(reader);
		if (round % 4 == 0)
			ring_reader_unhold(reader, &hold);
	} else {
		ring_reader_release(reader);
		r = ring_reader_arm(reader, 1);
		FUZZ_CHECK(r == 0 || r == 1 || r == -EPROTO);
	}
	check_positions(reader);
	FUZZ_CHECK(ring_reader_unread(reader) <= reader->capacity);
	if (round % 8 == 0)
		read_note(reader, round / 8 % 4, round % 512);
}

static void read_all_the_time(struct ring_reader *reader, struct attacker *attacker)
{
	struct ring_view view;
	uint64_t tail;
	int r;

	for (unsigned round = 0; !atomic_load(&attacker->is_done); round++) {
		read_on(reader, round);
		atomic_store_explicit(
				&attacker->read, reader->read, memory_order_relaxed);
	}
	r = ring_reader_close(reader);
	FUZZ_CHECK(r == 0 || r == -EPROTO);
	tail = reader->tail;
	while (ring_reader_next(reader, &view) == 1) {
		check_view(reader, &view);
		ring_reader_advance(reader, view.size);
	}
	FUZZ_CHECK(reader->tail == tail);
	check_positions(reader);
}

static bool take_orders(struct attacker *attacker, struct fuzz_input *input)
{
	while (fuzz_left(input) && attacker->count < ORDERS_MAX) {
		struct order *order = &attacker->orders[attacker->count++];

		order->what = fuzz_byte(input);
		order->number = fuzz_number(input, 8);
	}
	return attacker->count > 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct fuzz_input input = { bytes, bytes + size };
	unsigned choice = fuzz_byte(&input);
	struct attacker attacker = { .ring = ring_memory_new(choice & 1) };
	struct ring_reader reader;
	bool own_fault = true;
	pthread_t thread;
	int r;

	/* It is a race, and meant to be one. */
	if (HAS_THREAD_SANITIZER)
		exit(SKIPPED);
	if (!take_orders(&attacker, &input))
		return 0;
	/* The second thread is there before the reader, or after it. */
	if (choice & 2)
		FUZZ_CHECK(pthread_create(&thread, NULL, attack_all_the_time,
					   &attacker) == 0);
	r = ring_memory_read(&reader, attacker.ring, 0, &own_fault);
	FUZZ_CHECK(r == 0 || (r == -EPROTO && !own_fault && (choice & 2)));
	if (r == 0)
		atomic_store(&attacker.head, &reader.page->head);
	if (!(choice & 2))
		FUZZ_CHECK(pthread_create(&thread, NULL, attack_all_the_time,
					   &attacker) == 0);
	if (r == 0)
		read_all_the_time(&reader, &attacker);
	FUZZ_CHECK(pthread_join(thread, NULL) == 0);
	if (r == 0)
		ring_reader_deinit(&reader, NULL);
	return 0;
}
