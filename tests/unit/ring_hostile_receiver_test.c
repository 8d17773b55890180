/* SPDX-License-Identifier: MIT */
/*
 * A writer and a hostile receiver: the head, and the wish to be woken, change while they
 * are looked at.
 */

#include <errno.h>

#include "ring_hostile.h"
#include "ring_writer.h"

static void *release_anything(void *arg)
{
	struct hostile *hostile = arg;
	struct ring_page *page = hostile->memory.base;
	uint64_t *seed = &hostile->seed;

	uint64_t near;

	while (!atomic_load(&hostile->is_over)) {
		cursor_set(&page->head, peer_position(hostile));
		near = peer_position(hostile) + random_number(seed) % 64 - 32;
		if (one_in(seed, 4))
			cursor_set(&page->head, nasty_number(seed));
		if (one_in(seed, 4))
			cursor_set(&page->head, near);
		if (one_in(seed, 4))
			cursor_set(&page->wake_at,
					one_in(seed, 2) ? near : nasty_number(seed));
		rest(seed);
	}
	return NULL;
}

/* The honest writer, and what became of it. */
struct target {
	struct hostile hostile;
	struct ring_writer writer;
	uint64_t seed;
	uint64_t records, full, breaks;
};

/* Fills a reservation, which may be anywhere but must be in the ring. */
static void use_space(
		const struct target *target, void *place, uint64_t size, uint64_t got)
{
	unsigned char *space = place;

	assert_true(got >= size && got <= RING_BYTES - 8);
	assert_true(space >= target->writer.data + 8);
	assert_true(space + got <= target->writer.data + 2 * RING_BYTES);
	memset(space, 0x55, got);
}

/* Writes one record, or finds that there is no room, or no sense. */
static int write_step(struct target *target)
{
	struct ring_writer *writer = &target->writer;
	uint64_t *seed = &target->seed;
	uint64_t size = random_number(seed) % (one_in(seed, 8) ? RING_BYTES - 7 : 200),
		 got;
	void *place;
	int r;

	r = ring_writer_reserve(
			writer, size, size + random_number(seed) % 100, &place, &got);
	if (r == 0) {
		use_space(target, place, size, got);
		ring_writer_commit(writer, 1, size);
		(void)ring_writer_publish(writer);
		target->records++;
	} else if (r == RING_FULL) {
		target->full++;
		r = ring_writer_arm(writer, writer->published);
		rest(seed);
	}
	assert_true(writer->head <= writer->published);
	assert_true(ring_writer_fill(writer) <= RING_BYTES);
	assert_int_equal(writer->head % 8, 0);
	return r;
}

/* The next receiver, who lies as well. */
static void attach_again(struct target *target)
{
	int r;

	ring_writer_detach(&target->writer);
	do {
		r = ring_writer_attach(
				&target->writer, target->hostile.memory.fd, page_size());
		assert_true(r == 0 || r == -EPROTO);
	} while (r < 0);
}

static int set_up_target(void **state)
{
	static struct target target;
	struct hostile *hostile = &target.hostile;
	struct ring_page *page;

	target.seed = 3;
	hostile->seed = 2;
	hostile->memory = (struct shared_memory)SHARED_MEMORY_NONE;
	*state = &target;
	if (ring_writer_init(&target.writer, RING_BYTES, 0, hostile_lane_id, 0) < 0 ||
			shared_memory_create(&hostile->memory, page_size(), 0, 0) < 0)
		return -1;
	page = hostile->memory.base;
	page->magic = RING_PAGE_MAGIC;
	page->version = RING_VERSION;
	page->header_size = (uint32_t)page_size();
	hostile->peer_position = &target.writer.header->tail;
	return ring_writer_attach(&target.writer, hostile->memory.fd, page_size());
}

static int tear_down_target(void **state)
{
	struct target *target = *state;

	stop(&target->hostile);
	ring_writer_deinit(&target->writer);
	shared_memory_deinit(&target->hostile.memory, NULL);
	return descriptor_count() == 0 ? 0 : -1;
}

/* The writer writes where there is room, or says that the head makes no sense. */
static void writer_survives_a_hostile_receiver(void **state)
{
	struct target *target = *state;
	uint64_t begun = clock_milliseconds();
	int r;

	need_races();
	start(&target->hostile, release_anything);
	while (!is_enough(begun, target->records + target->breaks)) {
		r = write_step(target);
		if (r >= 0)
			continue;
		assert_int_equal(r, -EPROTO);
		target->breaks++;
		attach_again(target);
	}
	stop(&target->hostile);
	print_message("%llu records, %llu times full, %llu times no sense\n",
			(unsigned long long)target->records,
			(unsigned long long)target->full,
			(unsigned long long)target->breaks);
	/* Both happened, or this has shown nothing. */
	assert_true(target->records > 0);
	assert_true(target->breaks > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(writer_survives_a_hostile_receiver,
				set_up_target, tear_down_target),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
