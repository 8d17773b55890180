/* SPDX-License-Identifier: MIT */
/*
 * What a hello says: every value arrives as it was sent, and every value that cannot be is refused, for the reason
 * that is the first in order. The same for its bytes is in control_message_hello_bytes_test.c.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "frame_bytes.h"

#define LARGEST_CAPACITY ((uint64_t)1 << 30)

static void assert_same(const struct control_hello *a, const struct control_hello *b)
{
	assert_int_equal(a->version, b->version);
	assert_true(a->features == b->features);
	assert_true(a->capacity == b->capacity);
	assert_true(a->resume == b->resume);
	assert_int_equal(a->header_size, b->header_size);
	assert_int_equal(a->bell, b->bell);
	assert_memory_equal(a->lane_id, b->lane_id, sizeof(a->lane_id));
	assert_int_equal(a->was_connected, b->was_connected);
	assert_int_equal(a->lazy, b->lazy);
	assert_string_equal(a->label, b->label);
}

static void assert_round_trip(const struct control_hello *hello)
{
	struct control_hello decoded;
	struct hello_frame frame;

	encode_hello(&frame, hello);
	assert_true(is_hello(&frame));
	assert_int_equal(decode_hello(&decoded, &frame), CONTROL_REFUSE_NONE);
	assert_same(&decoded, hello);
}

static void make_label(char *label, size_t length, uint64_t *random)
{
	size_t i;

	memset(label, 0, CONTROL_LABEL_MAX + 1);
	for (i = 0; i < length; i++)
		label[i] = (char)(1 + next_random(random) % 255);
}

/* Every value arrives as it was sent, whatever the others are; labels are any bytes but NUL. */
static void every_value_arrives(void **state)
{
	struct control_hello hello = example_hello();
	uint64_t random = 1;
	size_t i, id;

	(void)state;
	for (i = 0; i < 5000; i++) {
		hello.capacity = (uint64_t)4096 << next_random(&random) % 17;
		hello.resume = (next_random(&random) << 31 | next_random(&random)) &
				~UINT64_C(7);
		hello.header_size = 4096u << next_random(&random) % 5;
		hello.bell = (uint32_t)(next_random(&random) % 4);
		for (id = 0; id < sizeof(hello.lane_id); id++)
			hello.lane_id[id] = (uint8_t)next_random(&random);
		hello.was_connected = next_random(&random) % 2;
		hello.lazy = next_random(&random) % 2;
		make_label(hello.label, next_random(&random) % (CONTROL_LABEL_MAX + 1),
				&random);
		assert_round_trip(&hello);
	}
}

/* The frame begins as the header says: type, zero, length, low byte first; and it is no longer than one may be. */
static void frame_has_type_and_length(void **state)
{
	struct control_hello hello = example_hello();
	struct hello_frame frame;

	(void)state;
	memset(hello.label, 'x', CONTROL_LABEL_MAX);
	encode_hello(&frame, &hello);
	assert_int_equal(frame.bytes[0], CONTROL_HELLO);
	assert_int_equal(frame.bytes[1], 0);
	assert_int_equal(frame.bytes[2] | frame.bytes[3] << 8, frame.length);
}

/* Numbers are on the wire with the low byte first. */
static void numbers_are_little_endian(void **state)
{
	static const unsigned char capacity[] = { 8, 7, 6, 5, 4, 3, 2, 1 };
	static const unsigned char header_size[] = { 0xd4, 0xc3, 0xb2, 0xa1 };
	struct control_hello hello = example_hello();
	struct hello_frame frame;

	(void)state;
	hello.capacity = UINT64_C(0x0102030405060708);
	hello.header_size = 0xa1b2c3d4;
	encode_hello(&frame, &hello);
	assert_non_null(memmem(frame.bytes, frame.length, capacity, sizeof(capacity)));
	assert_non_null(memmem(
			frame.bytes, frame.length, header_size, sizeof(header_size)));
}

/* Encoding is a function of the values: no byte of the struct's padding, or behind a label's end, gets out. */
static void nothing_else_gets_onto_the_wire(void **state)
{
	struct control_hello a, b, value = example_hello();
	struct hello_frame first, second;

	(void)state;
	memset(&a, 0x11, sizeof(a));
	memset(&b, 0xee, sizeof(b));
	a.version = b.version = value.version;
	a.features = b.features = 0;
	a.capacity = b.capacity = value.capacity;
	a.resume = b.resume = value.resume;
	a.header_size = b.header_size = value.header_size;
	a.bell = b.bell = value.bell;
	memcpy(a.lane_id, value.lane_id, sizeof(a.lane_id));
	memcpy(b.lane_id, value.lane_id, sizeof(b.lane_id));
	a.was_connected = b.was_connected = true;
	a.lazy = b.lazy = false;
	strcpy(a.label, "label");
	strcpy(b.label, "label");
	encode_hello(&first, &a);
	encode_hello(&second, &b);
	assert_int_equal(first.length, second.length);
	assert_memory_equal(first.bytes, second.bytes, first.length);
	assert_int_equal(refusal_of_frame(&first), CONTROL_REFUSE_NONE);
}

/* ---- Values that are refused ------------------------------------------------------ */

/* No other capacity is one: neither those between the powers, nor zero, nor what nobody could map. */
static void capacity_is_a_power_of_two_within_bounds(void **state)
{
	struct control_hello hello = example_hello();
	enum control_refusal refusal;
	unsigned bit;

	(void)state;
	for (bit = 0; bit < 64; bit++) {
		hello.capacity = UINT64_C(1) << bit;
		refusal = refusal_of(&hello);
		if (hello.capacity < 4096)
			assert_int_equal(refusal, CONTROL_REFUSE_PROTOCOL);
		else if (hello.capacity > LARGEST_CAPACITY)
			/* Too large for anybody, or for this receiver: both are true. */
			assert_true(refusal == CONTROL_REFUSE_PROTOCOL ||
					refusal == CONTROL_REFUSE_CAPACITY);
		else
			assert_int_equal(refusal, CONTROL_REFUSE_NONE);
		hello.capacity += bit < 13 ? 1 : 4096;
		if ((hello.capacity & (hello.capacity - 1)) != 0)
			assert_int_not_equal(refusal_of(&hello), CONTROL_REFUSE_NONE);
		hello.capacity = (UINT64_C(1) << bit) - 1;
		if ((hello.capacity & (hello.capacity - 1)) != 0 || hello.capacity < 4096)
			assert_int_not_equal(refusal_of(&hello), CONTROL_REFUSE_NONE);
	}
	hello.capacity = 0;
	assert_int_equal(refusal_of(&hello), CONTROL_REFUSE_PROTOCOL);
}

/* The header is one page, of any size that pages have. */
static void header_size_is_a_page_size(void **state)
{
	static const uint32_t wrong[] = { 0, 1, 384, 2048, 4095, 4097, 6144, 8191, 12288,
		65535, 65537, 69632, 131072, 1u << 31, 0xfffff000, UINT32_MAX };
	struct control_hello hello = example_hello();
	size_t i;

	(void)state;
	for (hello.header_size = 4096; hello.header_size <= 65536; hello.header_size *= 2)
		assert_int_equal(refusal_of(&hello), CONTROL_REFUSE_NONE);
	for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		hello.header_size = wrong[i];
		assert_int_equal(refusal_of(&hello), CONTROL_REFUSE_PROTOCOL);
	}
}

/* A ring is resumed where a record may begin, below the end of all positions. */
static void resume_is_a_possible_position(void **state)
{
	struct control_hello hello = example_hello();
	unsigned bit;

	(void)state;
	for (bit = 0; bit < 64; bit++) {
		hello.resume = UINT64_C(1) << bit;
		assert_int_equal(refusal_of(&hello),
				bit < 3 || bit >= 62 ? CONTROL_REFUSE_PROTOCOL
						     : CONTROL_REFUSE_NONE);
		if (bit >= 3) {
			hello.resume += 1 + bit % 7;
			assert_int_equal(refusal_of(&hello), CONTROL_REFUSE_PROTOCOL);
		}
	}
	hello.resume = (UINT64_C(1) << 62) - 8;
	assert_int_equal(refusal_of(&hello), CONTROL_REFUSE_NONE);
	hello.resume = UINT64_MAX - 7;
	assert_int_equal(refusal_of(&hello), CONTROL_REFUSE_PROTOCOL);
}

/* A wish for a bell that does not exist is no wish. */
static void bell_is_a_known_one(void **state)
{
	struct control_hello hello = example_hello();

	(void)state;
	for (hello.bell = 0; hello.bell <= 3; hello.bell++)
		assert_int_equal(refusal_of(&hello), CONTROL_REFUSE_NONE);
	for (hello.bell = 4; hello.bell <= 255; hello.bell++)
		assert_int_equal(refusal_of(&hello), CONTROL_REFUSE_PROTOCOL);
}

/* Every version but this one is refused as such. */
static void other_versions_are_refused(void **state)
{
	struct control_hello hello = example_hello();
	unsigned bit;

	(void)state;
	hello.version = 0;
	assert_int_equal(refusal_of(&hello), CONTROL_REFUSE_VERSION);
	for (bit = 0; bit < 32; bit++) {
		hello.version = CONTROL_PROTOCOL_VERSION ^ (1u << bit);
		assert_int_equal(refusal_of(&hello), CONTROL_REFUSE_VERSION);
	}
}

/* Every feature bit is refused as such: none is known yet. */
static void unknown_features_are_refused(void **state)
{
	struct control_hello hello = example_hello();
	unsigned bit;

	(void)state;
	for (bit = 0; bit < 64; bit++) {
		hello.features = UINT64_C(1) << bit;
		assert_int_equal(refusal_of(&hello), CONTROL_REFUSE_FEATURES);
	}
}

/* ---- Labels -------------------------------------------------------------------------- */

/* Where in a frame with the label of `hello` that label is. */
static size_t label_offset(const struct hello_frame *frame, const char *label)
{
	const unsigned char *found =
			memmem(frame->bytes, frame->length, label, strlen(label));

	assert_non_null(found);
	return (size_t)(found - frame->bytes);
}

/* A label ends where its frame says, not earlier. */
static void label_has_no_nul_in_the_middle(void **state)
{
	struct control_hello hello = example_hello();
	struct hello_frame frame, changed;
	size_t offset, i;

	(void)state;
	memset(hello.label, 'L', CONTROL_LABEL_MAX);
	encode_hello(&frame, &hello);
	offset = label_offset(&frame, hello.label);
	for (i = 0; i + 1 < CONTROL_LABEL_MAX; i++) {
		changed = frame;
		changed.bytes[offset + i] = '\0';
		assert_int_equal(refusal_of_frame(&changed), CONTROL_REFUSE_PROTOCOL);
	}
}

/* Repeats `piece` over all of the label: there is no NUL left. */
static void fill_label(struct control_hello *hello, const char *piece)
{
	size_t i;

	for (i = 0; i < sizeof(hello->label); i++)
		hello->label[i] = piece[i % strlen(piece)];
}

static void assert_label_is_cut_to(const char *piece, size_t length)
{
	struct control_hello hello = example_hello(), decoded;
	struct hello_frame frame;

	fill_label(&hello, piece);
	encode_hello(&frame, &hello);
	assert_int_equal(decode_hello(&decoded, &frame), CONTROL_REFUSE_NONE);
	assert_int_equal(strlen(decoded.label), length);
	assert_memory_equal(decoded.label, hello.label, length);
}

/* A label that fills its array to the end is cut, where a character ends. */
static void long_label_is_cut_at_a_character(void **state)
{
	(void)state;
	assert_label_is_cut_to("a", 63);
	assert_label_is_cut_to("\xc3\xa4", 62);
	assert_label_is_cut_to("\xe2\x82\xac", 63);
	assert_label_is_cut_to("\xf0\x9f\x94\x94", 60);
	assert_label_is_cut_to("abcd\xe2\x82\xac", 63);
	assert_label_is_cut_to("\xe2\x82\xac"
			       "abcde",
			63);
	assert_label_is_cut_to("\xf0\x9f\x94\x94"
			       "a",
			60);
}

/* Bytes that are no UTF-8 are cut somewhere, too. */
static void long_label_of_other_bytes_is_cut(void **state)
{
	static const char *const pieces[] = { "\x80", "\xff", "\xf0", "\xc3",
		"\xbf\xbf\xbf\xe2" };
	struct control_hello hello = example_hello(), decoded;
	struct hello_frame frame;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		fill_label(&hello, pieces[i]);
		encode_hello(&frame, &hello);
		assert_int_equal(decode_hello(&decoded, &frame), CONTROL_REFUSE_NONE);
		assert_true(strlen(decoded.label) <= CONTROL_LABEL_MAX);
		assert_memory_equal(decoded.label, hello.label, strlen(decoded.label));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_value_arrives),
		cmocka_unit_test(frame_has_type_and_length),
		cmocka_unit_test(numbers_are_little_endian),
		cmocka_unit_test(nothing_else_gets_onto_the_wire),
		cmocka_unit_test(capacity_is_a_power_of_two_within_bounds),
		cmocka_unit_test(header_size_is_a_page_size),
		cmocka_unit_test(resume_is_a_possible_position),
		cmocka_unit_test(bell_is_a_known_one),
		cmocka_unit_test(other_versions_are_refused),
		cmocka_unit_test(unknown_features_are_refused),
		cmocka_unit_test(label_has_no_nul_in_the_middle),
		cmocka_unit_test(long_label_is_cut_at_a_character),
		cmocka_unit_test(long_label_of_other_bytes_is_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
