/* SPDX-License-Identifier: MIT */
/*
 * A reader and a hostile sender: header, records and notes change while they are read.
 */

#include <errno.h>

#include "ring_hostile.h"
#include "ring_reader.h"

#define HOLDS 8

static void write_constants(struct ring_header *header)
{
	header->magic = RING_HEADER_MAGIC;
	header->version = RING_VERSION;
	header->header_size = (uint32_t)page_size();
	header->capacity = RING_BYTES;
	memcpy(header->lane_id, hostile_lane_id, sizeof(hostile_lane_id));
}

static struct ring_record *record_at(struct hostile *hostile, uint64_t position)
{
	unsigned char *at = shared_memory_data(&hostile->memory) +
			(position & (RING_BYTES - 1));

	return (struct ring_record *)(void *)at;
}

/* Some records that are right, as far as there is room. */
static void send_some(struct hostile *hostile, struct ring_header *header)
{
	uint64_t limit = peer_position(hostile) + RING_BYTES, size;

	/* After a position that was nowhere near it starts again where the reader is. */
	if (hostile->position > limit || hostile->position + RING_BYTES < limit)
		hostile->position = limit - RING_BYTES;
	for (int i = 0; i < 8; i++) {
		size = random_number(&hostile->seed) %
				(one_in(&hostile->seed, 8) ? RING_BYTES : 128);
		if (hostile->position + ring_record_bytes(size) > limit)
			break;
		cursor_record_store(record_at(hostile, hostile->position), (uint32_t)size,
				(uint32_t)i);
		hostile->position += ring_record_bytes(size);
	}
	cursor_set(&header->tail, hostile->position);
}

/* One wrong thing. */
static void spoil(struct hostile *hostile, struct ring_header *header)
{
	uint64_t *seed = &hostile->seed;
	uint64_t number = nasty_number(seed);

	switch (random_number(seed) % 8) {
	case 0:
		cursor_set(&header->tail, number);
		break;
	case 1: /* one that is nearly right */
		cursor_set(&header->tail,
				hostile->position + random_number(seed) % 64 - 32);
		break;
	case 2:
		cursor_set(&header->wake_at, number);
		break;
	case 3:
		((volatile struct ring_header *)header)->capacity = number;
		write_constants(header);
		break;
	case 4:
		((volatile struct ring_header *)header)->magic = number;
		write_constants(header);
		break;
	case 5: /* notes: mostly ends that are possible, over whatever lies there */
		cursor_set(&header->notes_end,
				one_in(seed, 4) ? number : (number % 3712) & ~7u);
		cursor_record_store((struct ring_record *)(void *)(header + 1) +
						random_number(seed) % 464,
				(uint32_t)(one_in(seed, 4) ? number : number % 64),
				(uint32_t)random_number(seed) % 4);
		break;
	default: /* a size in the middle of what is being read */
		number = one_in(seed, 2) ? number : random_number(seed) % 4096;
		cursor_record_store(
				record_at(hostile, random_number(seed) & ~UINT64_C(7)),
				(uint32_t)number, (uint32_t)random_number(seed));
	}
}

static void *send_anything(void *arg)
{
	struct hostile *hostile = arg;
	struct ring_header *header = hostile->memory.base;

	while (!atomic_load(&hostile->is_over)) {
		send_some(hostile, header);
		if (one_in(&hostile->seed, 4))
			spoil(hostile, header);
		rest(&hostile->seed);
	}
	return NULL;
}

/* The honest reader, and what became of it. */
struct victim {
	struct hostile hostile;
	struct ring_reader reader;
	struct ring_hold holds[HOLDS];
	unsigned first_hold, hold_count;
	/* What the hostile thread may look at: the readers' pages come and go. */
	ring_word head;
	uint64_t seed;
	uint64_t records, bytes, breaks, refusals, notes;
};

/* Looks at all bytes of a record, which may be anything but must be there. */
static void look_at(struct victim *victim, const struct ring_view *view)
{
	const volatile unsigned char *bytes = view->data;
	uintptr_t offset = (uintptr_t)view->data - (uintptr_t)victim->reader.data;
	unsigned sum = 0;

	assert_true(offset >= 8 && offset <= RING_BYTES);
	assert_true(view->size <= RING_BYTES - 8);
	assert_true(offset + view->size <= 2 * RING_BYTES);
	for (uint32_t i = 0; i < view->size; i += 64)
		sum += bytes[i];
	if (view->size)
		sum += bytes[view->size - 1];
	victim->records++;
	victim->bytes += view->size + (sum & 0);
}

static void check_positions(const struct ring_reader *reader)
{
	assert_true(reader->head <= reader->read && reader->read <= reader->tail);
	assert_true(reader->tail - reader->head <= RING_BYTES);
	assert_true(reader->tail < RING_POSITION_LIMIT);
	assert_int_equal((reader->head | reader->read | reader->tail) % 8, 0);
}

static void drop_hold(struct victim *victim)
{
	ring_reader_unhold(&victim->reader, &victim->holds[victim->first_hold]);
	victim->first_hold = (victim->first_hold + 1) % HOLDS;
	victim->hold_count--;
}

static void hold_sometimes(struct victim *victim, const struct ring_view *view)
{
	struct ring_hold *hold =
			&victim->holds[(victim->first_hold + victim->hold_count) % HOLDS];

	if (victim->records % 16)
		return;
	if (victim->hold_count == HOLDS)
		drop_hold(victim); /* whose place is the one that was just chosen */
	ring_reader_hold(&victim->reader, hold, view->position, view->size);
	victim->hold_count++;
}

static void release(struct victim *victim)
{
	(void)ring_reader_release(&victim->reader);
	if (victim->hold_count)
		assert_true(victim->reader.head <=
				victim->holds[victim->first_hold].position);
	cursor_set(&victim->head, victim->reader.head);
}

/* A note is copied whole, or there is none. */
static void look_for_a_note(struct victim *victim)
{
	unsigned char buffer[32 + 8];
	size_t size = 32;
	int r;

	memset(buffer, 0xa5, sizeof(buffer));
	r = ring_reader_get_note(
			&victim->reader, (uint32_t)victim->records % 4, buffer, &size);
	assert_true(r == 0 || r == -ENOENT || r == -ENOBUFS || r == -EPROTO);
	assert_true(r != 0 || size <= 32);
	for (int i = 32; i < 40; i++)
		assert_int_equal(buffer[i], 0xa5);
	victim->notes += r == 0;
}

/* One look at the ring. Returns a negative errno when the lane is over. */
static int victim_step(struct victim *victim)
{
	struct ring_reader *reader = &victim->reader;
	struct ring_view view;
	int r;

	r = ring_reader_next(reader, &view);
	if (r > 0) {
		look_at(victim, &view);
		hold_sometimes(victim, &view);
		look_for_a_note(victim);
		ring_reader_advance(reader, view.size);
		if (ring_reader_should_release(reader))
			release(victim);
	} else if (r == 0) {
		while (victim->hold_count)
			drop_hold(victim);
		release(victim);
		r = ring_reader_arm(reader, 1);
		rest(&victim->seed);
	}
	check_positions(reader);
	return r;
}

/* A new lane, with what the sender says now; most often that is refused. */
static void replace_end(struct victim *victim)
{
	const struct hostile *hostile = &victim->hostile;
	const struct ring_header *header = hostile->memory.base;
	uint64_t resume;
	bool own_fault;
	int r;

	/* Until there is a reader the sender goes on anywhere, but not close to the limit
	 * for ever. */
	cursor_set(&victim->head, 0);
	while (victim->hold_count)
		drop_hold(victim);
	ring_reader_deinit(&victim->reader, NULL);
	for (;;) {
		resume = cursor_observe(&header->tail);
		r = ring_reader_init(&victim->reader, hostile->memory.fd, page_size(),
				RING_BYTES, hostile_lane_id, resume, 0, &own_fault);
		if (r == 0)
			break;
		assert_int_equal(r, -EPROTO);
		assert_false(own_fault);
		victim->refusals++;
		rest(&victim->seed);
	}
	check_positions(&victim->reader);
	cursor_set(&victim->head, victim->reader.head);
}

static int set_up_victim(void **state)
{
	static struct victim victim;
	struct hostile *hostile = &victim.hostile;

	victim.reader.memory = (struct shared_memory)SHARED_MEMORY_NONE;
	victim.reader.page_memory = (struct shared_memory)SHARED_MEMORY_NONE;
	hostile->memory = (struct shared_memory)SHARED_MEMORY_NONE;
	hostile->seed = 1;
	victim.seed = 4;
	*state = &victim;
	if (shared_memory_create(&hostile->memory, page_size(), RING_BYTES, 0) < 0)
		return -1;
	write_constants(hostile->memory.base);
	hostile->peer_position = &victim.head;
	return 0;
}

static int tear_down_victim(void **state)
{
	struct victim *victim = *state;

	stop(&victim->hostile);
	ring_reader_deinit(&victim->reader, NULL);
	shared_memory_deinit(&victim->hostile.memory, NULL);
	return descriptor_count() == 0 ? 0 : -1;
}

/* The reader delivers what lies in the ring, or says that it makes no sense. */
static void reader_survives_a_hostile_sender(void **state)
{
	struct victim *victim = *state;
	uint64_t begun = clock_milliseconds();
	int r;

	need_races();
	replace_end(victim);
	start(&victim->hostile, send_anything);
	while (!is_enough(begun, victim->records + victim->breaks)) {
		r = victim_step(victim);
		if (r >= 0)
			continue;
		assert_int_equal(r, -EPROTO);
		victim->breaks++;
		replace_end(victim);
	}
	stop(&victim->hostile);
	print_message("%llu records of %llu bytes, %llu notes, %llu times no sense, %llu "
		      "not even at first\n",
			(unsigned long long)victim->records,
			(unsigned long long)victim->bytes,
			(unsigned long long)victim->notes,
			(unsigned long long)victim->breaks,
			(unsigned long long)victim->refusals);
	/* Both happened, or this has shown nothing. */
	assert_true(victim->records > 0);
	assert_true(victim->breaks > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(reader_survives_a_hostile_sender,
				set_up_victim, tear_down_victim),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
