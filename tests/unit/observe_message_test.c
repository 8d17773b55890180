/* SPDX-License-Identifier: MIT */
/*
 * The frames of a connection that only observes: what is encoded is decoded, what comes first has
 * its refusals, and no other bytes are accepted than those that would be encoded.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <evchan/observe.h>

#include "frame_bytes.h"
#include "observe_message.h"

#define ROUNDS 20000u

/* ---- A frame of each type, made again from what it decodes to ---------------------- */

static size_t again_observe(unsigned char *out, const unsigned char *frame, size_t length)
{
	struct control_observe observe;

	if (control_decode_observe(&observe, frame, length))
		return 0;
	return control_encode_observe(out, &observe);
}

static size_t again_observed(
		unsigned char *out, const unsigned char *frame, size_t length)
{
	struct control_observe observed;
	int r = control_decode_observed(&observed, frame, length);

	assert_true(r == 0 || r == -EPROTO || r == -EPROTONOSUPPORT);
	return r < 0 ? 0 : control_encode_observed(out, &observed);
}

static size_t again_ask(unsigned char *out, const unsigned char *frame, size_t length)
{
	bool next;

	return control_decode_ask(&next, frame, length) < 0
			? 0
			: control_encode_ask(out, next);
}

static size_t again_lane(unsigned char *out, const unsigned char *frame, size_t length)
{
	struct control_lane lane;

	if (control_decode_lane(&lane, frame, length) < 0)
		return 0;
	assert_in_range(lane.state, EVCHAN_LANE_OPEN, EVCHAN_LANE_HELD);
	assert_true(memchr(lane.label, '\0', sizeof(lane.label)));
	return control_encode_lane(out, &lane);
}

static size_t again_more(unsigned char *out, const unsigned char *frame, size_t length)
{
	return control_decode_more(frame, length) < 0 ? 0 : control_encode_more(out);
}

static size_t again_totals(unsigned char *out, const unsigned char *frame, size_t length)
{
	struct evchan_receiver_stats totals;

	if (control_decode_totals(&totals, frame, length) < 0)
		return 0;
	return control_encode_totals(out, &totals);
}

struct kind {
	enum control_type type;
	size_t (*again)(unsigned char *out, const unsigned char *frame, size_t length);
	unsigned char example[CONTROL_FRAME_MAX];
	size_t length;
};

static struct kind kinds[] = {
	{ CONTROL_OBSERVE, again_observe, { 0 }, 0 },
	{ CONTROL_OBSERVED, again_observed, { 0 }, 0 },
	{ CONTROL_ASK, again_ask, { 0 }, 0 },
	{ CONTROL_LANE, again_lane, { 0 }, 0 },
	{ CONTROL_MORE, again_more, { 0 }, 0 },
	{ CONTROL_TOTALS, again_totals, { 0 }, 0 },
};

#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

static struct control_lane example_lane(void)
{
	return (struct control_lane){
		.number = UINT64_C(0x0102030405060708),
		.state = EVCHAN_LANE_DRAINING,
		.flags = EVCHAN_OBSERVED_PAUSED | EVCHAN_OBSERVED_COPIED,
		.peer = { 4242, 1000, 100 },
		.capacity = 262144,
		.stats = { sizeof(struct evchan_lane_stats), 1, 2, 3, 4, 5, 6, 7, 8, 9,
				UINT64_MAX },
		.label = "label",
	};
}

static int make_examples(void **state)
{
	const struct control_observe observe = { .version = CONTROL_OBSERVE_VERSION };
	const struct control_lane lane = example_lane();
	const struct evchan_receiver_stats totals = { sizeof(totals), 1, 2, 3, 4, 5, 6, 7,
		8, 9, 10, 11, 12 };

	(void)state;
	kinds[0].length = control_encode_observe(kinds[0].example, &observe);
	kinds[1].length = control_encode_observed(kinds[1].example, &observe);
	kinds[2].length = control_encode_ask(kinds[2].example, true);
	kinds[3].length = control_encode_lane(kinds[3].example, &lane);
	kinds[4].length = control_encode_more(kinds[4].example);
	kinds[5].length = control_encode_totals(kinds[5].example, &totals);
	return 0;
}

/* Decodes from memory of exactly this size. Whether it was accepted; then it is what would be encoded. */
static bool is_accepted(
		const struct kind *kind, const unsigned char *frame, size_t length)
{
	unsigned char *exact = copy_exact(frame, length);
	unsigned char again[CONTROL_FRAME_MAX];
	size_t size = kind->again(again, exact, length);

	if (size) {
		assert_int_equal(size, length);
		assert_memory_equal(again + FRAME_HEADER_BYTES,
				exact + FRAME_HEADER_BYTES, length - FRAME_HEADER_BYTES);
	}
	free(exact);
	return size > 0;
}

static void what_is_encoded_is_decoded(void **state)
{
	enum control_type type;

	(void)state;
	for (size_t i = 0; i < KINDS; i++) {
		const struct kind *kind = &kinds[i];

		assert_int_equal(frame_length(&type, kind->example, kind->length),
				kind->length);
		assert_int_equal(type, kind->type);
		assert_true(is_accepted(kind, kind->example, kind->length));
	}
}

/* All members of a lane and of the totals cross, in both directions. */
static void all_members_cross(void **state)
{
	struct control_lane lane = example_lane(), crossed;
	struct evchan_receiver_stats totals;

	(void)state;
	memset(&crossed, 0, sizeof(crossed));
	assert_int_equal(control_decode_lane(&crossed, kinds[3].example, kinds[3].length),
			0);
	assert_int_equal(crossed.number, lane.number);
	assert_int_equal(crossed.state, lane.state);
	assert_int_equal(crossed.flags, lane.flags);
	assert_int_equal(crossed.capacity, lane.capacity);
	assert_memory_equal(&crossed.peer, &lane.peer, sizeof(lane.peer));
	assert_memory_equal(&crossed.stats, &lane.stats, sizeof(lane.stats));
	assert_string_equal(crossed.label, lane.label);
	assert_int_equal(
			control_decode_totals(&totals, kinds[5].example, kinds[5].length),
			0);
	assert_int_equal(totals.messages, 1);
	assert_int_equal(totals.times_full, 10);
	assert_int_equal(totals.ring_bytes, 11);
	assert_int_equal(totals.age, 12);
}

/* Too short, or too long, by any number of bytes. */
static void every_other_length_is_refused(void **state)
{
	unsigned char frame[CONTROL_FRAME_MAX];

	(void)state;
	for (size_t i = 0; i < KINDS; i++) {
		memset(frame, 0, sizeof(frame));
		memcpy(frame, kinds[i].example, kinds[i].length);
		for (size_t length = FRAME_HEADER_BYTES; length <= CONTROL_FRAME_MAX;
				length++)
			assert_int_equal(is_accepted(&kinds[i], frame, length),
					length == kinds[i].length);
	}
}

/* Any bytes at any place: refused, or understood to the last bit. */
static void no_other_bytes_are_accepted(void **state)
{
	unsigned char frame[CONTROL_FRAME_MAX];
	uint64_t random = 1;

	(void)state;
	for (size_t round = 0; round < ROUNDS; round++) {
		const struct kind *kind = &kinds[round % KINDS];
		unsigned changes = 1 + (unsigned)(next_random(&random) % 4);

		memcpy(frame, kind->example, kind->length);
		while (changes--)
			frame[next_random(&random) % kind->length] =
					(unsigned char)next_random(&random);
		is_accepted(kind, frame, kind->length);
	}
}

/* A label with a NUL, longer than any, or not as long as it says. */
static void bad_labels_are_refused(void **state)
{
	struct control_lane lane = example_lane();
	unsigned char frame[CONTROL_FRAME_MAX];
	size_t length;

	(void)state;
	memset(lane.label, 'x', CONTROL_LABEL_MAX);
	length = control_encode_lane(frame, &lane);
	assert_int_equal(length, OBSERVE_LANE_MAX);
	assert_true(is_accepted(&kinds[3], frame, length));
	frame[length - 1] = '\0';
	assert_false(is_accepted(&kinds[3], frame, length));
	frame[length - 1] = 'x';
	frame[6]--;
	assert_false(is_accepted(&kinds[3], frame, length));
	frame[6] = 64;
	frame[length] = 'x';
	assert_false(is_accepted(&kinds[3], frame, length + 1));
}

/* What comes first is refused for the first thing that is wrong: magic, version, features. */
static void first_frame_is_refused_for_its_reason(void **state)
{
	struct control_observe observe = { .version = CONTROL_OBSERVE_VERSION + 1,
		.features = 1 };
	unsigned char frame[CONTROL_FRAME_MAX];
	size_t length = control_encode_observe(frame, &observe);

	(void)state;
	assert_int_equal(control_decode_observe(&observe, frame, length),
			CONTROL_REFUSE_VERSION);
	/* A later version may be of any length behind that. */
	assert_int_equal(control_decode_observe(&observe, frame, 16),
			CONTROL_REFUSE_VERSION);
	assert_int_equal(control_decode_observe(&observe, frame, 15),
			CONTROL_REFUSE_PROTOCOL);
	frame[12] = CONTROL_OBSERVE_VERSION;
	assert_int_equal(control_decode_observe(&observe, frame, length),
			CONTROL_REFUSE_FEATURES);
	frame[11] ^= 1;
	assert_int_equal(control_decode_observe(&observe, frame, length),
			CONTROL_REFUSE_PROTOCOL);
}

/* A page is sent in one piece by a socket of the receiver's, whatever its lanes are called. */
static void longest_page_fits(void **state)
{
	struct control_lane lane = example_lane();
	struct evchan_receiver_stats totals = EVCHAN_RECEIVER_STATS_INIT;
	unsigned char frame[CONTROL_FRAME_MAX];

	(void)state;
	memset(lane.label, 'x', CONTROL_LABEL_MAX);
	assert_true(OBSERVE_LANES_PER_PAGE * control_encode_lane(frame, &lane) +
					control_encode_totals(frame, &totals) <=
			OBSERVE_PAGE_MAX);
	assert_true(OBSERVE_PAGE_MAX < 4096 - 64);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_encoded_is_decoded),
		cmocka_unit_test(all_members_cross),
		cmocka_unit_test(every_other_length_is_refused),
		cmocka_unit_test(no_other_bytes_are_accepted),
		cmocka_unit_test(bad_labels_are_refused),
		cmocka_unit_test(first_frame_is_refused_for_its_reason),
		cmocka_unit_test(longest_page_fits),
	};

	return cmocka_run_group_tests(tests, make_examples, NULL);
}
