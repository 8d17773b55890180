/* SPDX-License-Identifier: MIT */
/*
 * The receiver's end of a ring, alone: whom it lets in, and what it takes for a record.
 * Nothing that a sender writes is believed before it was checked, and nothing is looked
 * at twice.
 */

#include <errno.h>
#include <string.h>
#include <sys/resource.h>

#include "ring_reader_side.h"

/* ---- What a sender may bring ------------------------------------------- */

static void refuse(struct fixture *fixture, uint64_t resume, int error)
{
	assert_int_equal(init_reader(fixture, resume, 0), error);
	assert_false(fixture->own_fault);
	assert_null(fixture->reader.memory.base);
	assert_null(fixture->reader.page_memory.base);
	assert_int_equal(descriptor_count(), 1); /* the sender's */
}

/* Each constant of the header must be what the hello has said. */
static void every_constant_is_checked(void **state)
{
	struct fixture *fixture = *state;
	struct ring_header *header = fixture->header;
	unsigned char *bytes = (unsigned char *)header;

	/* magic, version, header size, capacity and identity lie side by side */
	for (size_t i = 0; i < offsetof(struct ring_header, zero_0); i++) {
		for (int bit = 0; bit < 8; bit++) {
			bytes[i] ^= (unsigned char)(1 << bit);
			refuse(fixture, 0, -EPROTO);
			bytes[i] ^= (unsigned char)(1 << bit);
		}
	}
	start_at(fixture, 0);
	end_reader(fixture);
}

/* Memory that could fault is refused, and that is the sender's fault. */
static void unsafe_memory_is_refused(void **state)
{
	struct fixture *fixture = *state;

	fixture->own_fault = true;
	assert_int_equal(ring_reader_init(&fixture->reader, -1, page_size(), page_size(),
					 reader_lane_id, 0, 0, &fixture->own_fault),
			-EPERM);
	assert_false(fixture->own_fault);
	assert_int_equal(ring_reader_init(&fixture->reader, fixture->memory.fd,
					 page_size(), 2 * page_size(), reader_lane_id, 0,
					 0, &fixture->own_fault),
			-EBADMSG);
	assert_int_equal(ring_reader_init(&fixture->reader, fixture->memory.fd,
					 2 * page_size(), page_size(), reader_lane_id, 0,
					 0, &fixture->own_fault),
			-EBADMSG);
	shared_memory_deinit(&fixture->memory, NULL);
	make_memory(fixture, SHARED_MEMORY_LAZY);
	if (shared_memory_has_seals())
		refuse(fixture, 0, -ENODATA);
	assert_int_equal(init_reader(fixture, 0, SHARED_MEMORY_LAZY), 0);
	end_reader(fixture);
}

static void init_without_descriptors(void *arg)
{
	struct fixture *fixture = arg;
	struct rlimit limit;

	make_memory(fixture, 0); /* a child does not keep its parent's descriptors */
	CHILD_CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
	limit.rlim_cur = 0;
	CHILD_CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
	CHILD_CHECK(init_reader(fixture, 0, 0) == -EMFILE);
	CHILD_CHECK(fixture->own_fault);
	CHILD_CHECK(!fixture->reader.memory.base);
}

/* A want of descriptors is this process's own. */
static void own_want_is_told_apart(void **state)
{
	assert_int_equal(in_child(init_without_descriptors, *state), 0);
}

/* Where to resume is the sender's word and checked like the tail: aligned, below the
 * limit, with no more than a capacity between them. */
static void resume_is_checked(void **state)
{
	struct fixture *fixture = *state;
	const uint64_t tail = 4 * page_size() + 64;
	static const uint64_t ends[] = { RING_POSITION_LIMIT, UINT64_MAX - 7,
		UINT64_MAX };

	set_tail(fixture, tail);
	for (uint64_t resume = tail - page_size(); resume <= tail; resume += 8) {
		assert_int_equal(init_reader(fixture, resume, 0), 0);
		assert_int_equal(fixture->reader.read, resume);
		assert_int_equal(cursor_get(&fixture->reader.page->head), resume);
		end_reader(fixture);
	}
	refuse(fixture, tail - page_size() - 8, -EPROTO);
	refuse(fixture, 0, -EPROTO);
	refuse(fixture, tail + 8, -EPROTO);
	for (uint64_t odd = 1; odd < 8; odd++)
		refuse(fixture, tail - 64 + odd, -EPROTO);
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		refuse(fixture, ends[i], -EPROTO);
		set_tail(fixture, ends[i]);
		refuse(fixture, ends[i], -EPROTO);
		refuse(fixture, ends[i] - 8, -EPROTO);
		set_tail(fixture, tail);
	}
}

/* The page is sealed like a sender's memory, says what it is, and starts at the position
 * to resume at. */
static void page_is_described(void **state)
{
	struct fixture *fixture = *state;
	const struct ring_page *page;

	start_at(fixture, 640);
	page = fixture->page;
	assert_true(shared_memory_is_acceptable(ring_reader_page_fd(&fixture->reader)));
	assert_int_equal(page->magic, RING_PAGE_MAGIC);
	assert_int_equal(page->version, RING_VERSION);
	assert_int_equal(page->header_size, page_size());
	assert_int_equal(published_head(fixture), 640);
	assert_int_equal(cursor_get(&page->wake_at), 0);
	ring_reader_page_given_away(&fixture->reader);
	assert_int_equal(ring_reader_page_fd(&fixture->reader), -1);
	put(fixture, 640, 1, 9);
	take(fixture, 640, 1, 9);
	ring_reader_release(&fixture->reader);
	assert_int_equal(published_head(fixture), 664);
	end_reader(fixture);
}

/* ---- Reading ----------------------------------------------------------- */

/* Records come in order, with every type and size, those of no size and the largest
 * included. */
static void records_come_in_order(void **state)
{
	static const uint32_t sizes[] = { 0, 1, 7, 8, 9, 0, 0, 300, 17 };
	struct fixture *fixture = *state;
	uint64_t position = 0;
	size_t i;

	assert_int_equal(next_result(fixture), 0);
	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		position = put(fixture, position, UINT32_MAX - (uint32_t)i, sizes[i]);
	position = 0;
	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		/* Asked for twice, it is the same. */
		expect(fixture, position, UINT32_MAX - (uint32_t)i, sizes[i]);
		take(fixture, position, UINT32_MAX - (uint32_t)i, sizes[i]);
		position += ring_record_bytes(sizes[i]);
	}
	assert_int_equal(next_result(fixture), 0);
	ring_reader_release(&fixture->reader);
	put(fixture, position, 1, (uint32_t)page_size() - 8);
	take(fixture, position, 1, (uint32_t)page_size() - 8);
	assert_int_equal(next_result(fixture), 0);
}

/* At every offset a record of any size is contiguous, also where it crosses the end of
 * the ring; and positions do not care for 32 bits. */
static void record_may_start_anywhere(void **state)
{
	struct fixture *fixture = *state;
	struct ring_reader *reader = &fixture->reader;
	const uint32_t sizes[] = { 0, 1, 9, (uint32_t)page_size() / 2,
		(uint32_t)page_size() - 8 };
	const uint64_t start = (UINT64_C(1) << 32) - page_size() / 2;
	size_t i;

	for (uint64_t position = start; position < start + page_size(); position += 8) {
		for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
			reader->read = reader->head = reader->tail = position;
			put(fixture, position, 7, sizes[i]);
			take(fixture, position, 7, sizes[i]);
			ring_reader_release(reader);
			assert_int_equal(published_head(fixture),
					position + ring_record_bytes(sizes[i]));
		}
	}
}

/* A tail that cannot be is an error wherever it is met, and is not believed: the last
 * good one stays. */
static void impossible_tail_is_an_error(void **state)
{
	struct fixture *fixture = *state;
	struct ring_reader *reader = &fixture->reader;
	const uint64_t page = page_size();
	/* With the head at 64 and everything read up to 128, where the tail was last
	 * seen: moved back, not 8-aligned, too far above the head, at the limit. */
	const uint64_t tails[] = { 0, 64, 120, 129, 130, 131, 132, 133, 134, 135,
		64 + page - 1, 64 + page + 8, 2 * page, UINT64_C(0x100000080),
		RING_POSITION_LIMIT - 8, RING_POSITION_LIMIT, RING_POSITION_LIMIT + 128,
		UINT64_C(1) << 63, UINT64_MAX - 7, UINT64_MAX };

	put_many(fixture, 0, 1, 56);
	take_many(fixture, 1, 56);
	ring_reader_release(reader);
	put_many(fixture, 64, 1, 56);
	take_many(fixture, 1, 56);
	for (size_t i = 0; i < sizeof(tails) / sizeof(tails[0]); i++) {
		set_tail(fixture, tails[i]);
		assert_int_equal(next_result(fixture), -EPROTO);
		assert_int_equal(ring_reader_arm(reader, 1), -EPROTO);
		assert_int_equal(ring_reader_unread(reader), 0);
		assert_int_equal(ring_reader_close(reader), -EPROTO);
		reader->is_closed = false;
		assert_int_equal(reader->tail, 128);
	}
	set_tail(fixture, 64 + page);
	assert_int_equal(ring_reader_arm(reader, 1), 1);
	assert_int_equal(reader->deepest_fill, page);
}

/* Close to the limit positions are still right; at the limit they end. */
static void positions_end_at_the_limit(void **state)
{
	struct fixture *fixture = *state;

	start_at(fixture, RING_POSITION_LIMIT - 32);
	put(fixture, RING_POSITION_LIMIT - 32, 7, 16);
	take(fixture, RING_POSITION_LIMIT - 32, 7, 16);
	ring_reader_release(&fixture->reader);
	put(fixture, RING_POSITION_LIMIT - 8, 7, 0);
	assert_int_equal(next_result(fixture), -EPROTO);
	end_reader(fixture);
}

/* A record is what its header says only if that lies before the tail, padding included;
 * sizes near the end of 32 bits are not mistaken for small ones. */
static void impossible_size_is_an_error(void **state)
{
	struct fixture *fixture = *state;
	/* What lies behind it is in the other picture. */
	const uint64_t start = page_size() - 64;

	start_at(fixture, start);
	for (uint64_t bytes = 8; bytes <= page_size(); bytes += 8) {
		set_tail(fixture, start + bytes);
		fixture->reader.tail = start; /* seen anew */
		put_header(fixture, start, 1, (uint32_t)bytes - 8);
		assert_int_equal(next_result(fixture), 1);
		put_header(fixture, start, 1, (uint32_t)bytes - 8 + 1);
		assert_int_equal(next_result(fixture), -EPROTO);
		put_header(fixture, start, 1, (uint32_t)bytes);
		assert_int_equal(next_result(fixture), -EPROTO);
		for (uint32_t below = 0; below < 32; below++) {
			put_header(fixture, start, 1, UINT32_MAX - below);
			assert_int_equal(next_result(fixture), -EPROTO);
		}
		put_header(fixture, start, 1, UINT32_C(1) << 31);
		assert_int_equal(next_result(fixture), -EPROTO);
	}
	end_reader(fixture);
}

/* What was loaded once counts: a size that changes after it was checked is not looked at
 * again. */
static void size_is_loaded_once(void **state)
{
	struct fixture *fixture = *state;
	struct ring_view view;

	put_many(fixture, 0, 2, 24);
	assert_int_equal(ring_reader_next(&fixture->reader, &view), 1);
	put_header(fixture, 0, 8, UINT32_MAX);
	assert_int_equal(view.size, 24);
	ring_reader_advance(&fixture->reader, view.size);
	take(fixture, 32, 7, 24);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		MEMORY(every_constant_is_checked),
		MEMORY(unsafe_memory_is_refused),
		MEMORY(own_want_is_told_apart),
		MEMORY(resume_is_checked),
		MEMORY(page_is_described),
		READING(records_come_in_order),
		READING(record_may_start_anywhere),
		READING(impossible_tail_is_an_error),
		MEMORY(positions_end_at_the_limit),
		MEMORY(impossible_size_is_an_error),
		READING(size_is_loaded_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
