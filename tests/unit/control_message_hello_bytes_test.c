/* SPDX-License-Identifier: MIT */
/*
 * A hello's bytes, good and bad. What holds most of this together is one property, which needs no table of
 * offsets: a frame is accepted only if encoding what was decoded gives the same bytes again. So no byte is ignored,
 * whatever it means, and none has two meanings.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "frame_bytes.h"

static void set_length(struct hello_frame *frame, size_t length)
{
	frame->length = length;
	frame->bytes[2] = (unsigned char)(length & 0xff);
	frame->bytes[3] = (unsigned char)(length >> 8);
}

/* The property above. Returns the refusal. */
static enum control_refusal assert_canonical(const struct hello_frame *frame)
{
	enum control_refusal refusal;
	struct control_hello hello;
	struct hello_frame again;

	if (!is_hello(frame))
		return CONTROL_REFUSE_PROTOCOL;
	refusal = decode_hello(&hello, frame);
	if (refusal)
		return refusal;
	encode_hello(&again, &hello);
	assert_int_equal(again.length, frame->length);
	assert_memory_equal(again.bytes, frame->bytes, frame->length);
	return CONTROL_REFUSE_NONE;
}

/* The first frame with another byte order than ours: one byte or one number of it tells. */
static bool find_other_byte_order(
		struct hello_frame *found, const struct hello_frame *frame)
{
	size_t at, size, i;
	unsigned value;

	for (at = FRAME_HEADER_BYTES; at < frame->length; at++)
		for (value = 0; value < 256; value++) {
			*found = *frame;
			found->bytes[at] = (unsigned char)value;
			if (refusal_of_frame(found) == CONTROL_REFUSE_BYTE_ORDER)
				return true;
		}
	for (size = 2; size <= 8; size *= 2)
		for (at = FRAME_HEADER_BYTES; at + size <= frame->length; at++) {
			*found = *frame;
			for (i = 0; i < size; i++)
				found->bytes[at + i] = frame->bytes[at + size - 1 - i];
			if (refusal_of_frame(found) == CONTROL_REFUSE_BYTE_ORDER)
				return true;
		}
	return false;
}

/* A sender of the other byte order is told that this is why. */
static void other_byte_order_is_named(void **state)
{
	struct control_hello hello = example_hello();
	struct hello_frame frame, other;

	(void)state;
	encode_hello(&frame, &hello);
	assert_true(find_other_byte_order(&other, &frame));
}

/* Whether a wrong byte here is refused as nonsense whatever else is wrong. */
static bool is_magic(const struct hello_frame *frame, size_t at)
{
	struct hello_frame changed = *frame;
	unsigned value;

	for (value = 0; value < 256; value++) {
		changed.bytes[at] = (unsigned char)value;
		if (value != frame->bytes[at] &&
				refusal_of_frame(&changed) != CONTROL_REFUSE_PROTOCOL)
			return false;
	}
	return true;
}

/* Of several reasons the first one counts, in the order: magic, byte order, version, features, the rest. */
static void first_reason_counts(void **state)
{
	struct control_hello hello = example_hello();
	struct hello_frame frame, other;
	unsigned magic = 0;
	size_t at;

	(void)state;
	hello.capacity = 3;
	hello.resume = 3;
	assert_int_equal(refusal_of(&hello), CONTROL_REFUSE_PROTOCOL);
	hello.features = 1;
	assert_int_equal(refusal_of(&hello), CONTROL_REFUSE_FEATURES);
	hello.version++;
	assert_int_equal(refusal_of(&hello), CONTROL_REFUSE_VERSION);
	encode_hello(&frame, &hello);
	assert_true(find_other_byte_order(&other, &frame));
	for (at = FRAME_HEADER_BYTES; at < other.length; at++)
		magic += is_magic(&other, at);
	assert_in_range(magic, 4, 16);
}

/* Whatever single byte is changed to whatever value: refused, or a hello that says just that. */
static void no_byte_is_ignored(void **state)
{
	struct control_hello hello = example_hello();
	unsigned seen[CONTROL_REFUSE_LAST + 1] = { 0 };
	struct hello_frame frame, changed;
	unsigned value;
	size_t at;

	(void)state;
	encode_hello(&frame, &hello);
	for (at = 0; at < frame.length; at++)
		for (value = 0; value < 256; value++) {
			changed = frame;
			changed.bytes[at] = (unsigned char)value;
			seen[assert_canonical(&changed)]++;
		}
	assert_true(seen[CONTROL_REFUSE_NONE] > 16 * 255);
	assert_true(seen[CONTROL_REFUSE_PROTOCOL] > 8 * 255);
	assert_true(seen[CONTROL_REFUSE_VERSION] == 4 * 255);
	assert_true(seen[CONTROL_REFUSE_FEATURES] == 8 * 255);
}

/* The same with several bytes at once, and with lengths that have nothing to do with them. */
static void no_bytes_are_ignored(void **state)
{
	struct control_hello hello = example_hello();
	struct hello_frame frame, changed;
	uint64_t random = 7;
	unsigned i, changes;

	(void)state;
	encode_hello(&frame, &hello);
	for (i = 0; i < 30000; i++) {
		changed = frame;
		if (i % 3 == 0)
			set_length(&changed,
					next_random(&random) % (CONTROL_FRAME_MAX + 1));
		for (changes = (unsigned)(1 + next_random(&random) % 4); changes > 0;
				changes--)
			changed.bytes[next_random(&random) % CONTROL_FRAME_MAX] =
					(unsigned char)next_random(&random);
		assert_canonical(&changed);
	}
}

/* A frame that ends too early or too late is refused, at every length; nothing is read behind its end. */
static void length_is_exact(void **state)
{
	struct control_hello hello = example_hello();
	struct hello_frame frame, changed;
	size_t length, right;

	(void)state;
	hello.label[0] = '\0';
	encode_hello(&frame, &hello);
	right = frame.length;
	for (length = 0; length <= CONTROL_FRAME_MAX; length++) {
		if (length == right)
			continue;
		changed = frame;
		memset(changed.bytes + right, 0, sizeof(changed.bytes) - right);
		set_length(&changed, length);
		assert_int_equal(assert_canonical(&changed), CONTROL_REFUSE_PROTOCOL);
		changed = frame;
		changed.length = length;
		assert_int_not_equal(refusal_of_frame(&changed), CONTROL_REFUSE_NONE);
	}
}

/* Where a hello says how long its label is: the byte that differs, besides the frame's length, when only that does. */
static size_t find_label_length(void)
{
	struct control_hello hello = example_hello();
	struct hello_frame shorter, longer;
	size_t at = FRAME_HEADER_BYTES;

	memset(hello.label, 'x', CONTROL_LABEL_MAX);
	encode_hello(&longer, &hello);
	hello.label[CONTROL_LABEL_MAX - 1] = '\0';
	encode_hello(&shorter, &hello);
	while (at < shorter.length && shorter.bytes[at] == longer.bytes[at])
		at++;
	assert_in_range(at, FRAME_HEADER_BYTES, shorter.length - 1);
	return at;
}

/* A label longer than there is room for is refused, also in a frame that has all of it. */
static void label_is_not_too_long(void **state)
{
	struct control_hello hello = example_hello();
	struct hello_frame frame;
	size_t at = find_label_length(), without_label, length;

	(void)state;
	memset(hello.label, 'x', CONTROL_LABEL_MAX);
	encode_hello(&frame, &hello);
	without_label = frame.length - CONTROL_LABEL_MAX;
	memset(frame.bytes + without_label, 'x', sizeof(frame.bytes) - without_label);
	for (length = 0; length < 256; length++) {
		frame.bytes[at] = (unsigned char)length;
		set_length(&frame, without_label + length);
		assert_int_equal(assert_canonical(&frame),
				length <= CONTROL_LABEL_MAX ? CONTROL_REFUSE_NONE
							    : CONTROL_REFUSE_PROTOCOL);
	}
}

/* A later version's hello may be longer, or know more features: it is told about the version. */
static void longer_hello_of_another_version_is_named(void **state)
{
	struct control_hello hello = example_hello();
	struct hello_frame frame;
	size_t longer;

	(void)state;
	hello.version = CONTROL_PROTOCOL_VERSION + 1;
	hello.features = 1;
	encode_hello(&frame, &hello);
	for (longer = frame.length; longer <= CONTROL_FRAME_MAX; longer += 4) {
		set_length(&frame, longer);
		assert_int_equal(refusal_of_frame(&frame), CONTROL_REFUSE_VERSION);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(other_byte_order_is_named),
		cmocka_unit_test(first_reason_counts),
		cmocka_unit_test(no_byte_is_ignored),
		cmocka_unit_test(no_bytes_are_ignored),
		cmocka_unit_test(length_is_exact),
		cmocka_unit_test(label_is_not_too_long),
		cmocka_unit_test(longer_hello_of_another_version_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
