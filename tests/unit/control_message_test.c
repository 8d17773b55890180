/* SPDX-License-Identifier: MIT */
/*
 * The frames other than the hello: what is in them, what is refused, and what the reasons for refusals mean. The hello
 * is in control_message_hello_test.c, and where a frame ends in control_message_frame_test.c.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <evchan/evchan.h>

#include "frame_bytes.h"

/* ---- Refusals ------------------------------------------------------------------- */

struct expected {
	enum control_refusal refusal;
	int number; /* on the wire, for ever */
	int error;
	bool final;
};

static const struct expected refusals[] = {
	{ CONTROL_REFUSE_POLICY, 1, -EACCES, true },
	{ CONTROL_REFUSE_SENDERS, 2, -EUSERS, false },
	{ CONTROL_REFUSE_UID_SENDERS, 3, -EUSERS, false },
	{ CONTROL_REFUSE_CAPACITY, 4, -EFBIG, true },
	{ CONTROL_REFUSE_MEMORY, 5, -ENOBUFS, false },
	{ CONTROL_REFUSE_UID_MEMORY, 6, -EDQUOT, false },
	{ CONTROL_REFUSE_DESCRIPTORS, 7, -EMFILE, false },
	{ CONTROL_REFUSE_NO_MEMORY, 8, -ENOMEM, false },
	{ CONTROL_REFUSE_VERSION, 9, -EPROTONOSUPPORT, true },
	{ CONTROL_REFUSE_FEATURES, 10, -EPROTONOSUPPORT, true },
	{ CONTROL_REFUSE_BYTE_ORDER, 11, -ENOEXEC, true },
	{ CONTROL_REFUSE_PROTOCOL, 12, -EPROTO, true },
	{ CONTROL_REFUSE_MEMORY_OBJECT, 13, -EPERM, true },
	{ CONTROL_REFUSE_LAZY, 14, -EPERM, true },
	{ CONTROL_REFUSE_BUSY, 15, -EBUSY, false },
	{ CONTROL_REFUSE_EVICTED, 16, -ECONNREFUSED, true },
	{ CONTROL_REFUSE_SHUTDOWN, 17, -ESHUTDOWN, false },
	{ CONTROL_REFUSE_POSITIONS, 18, -EPROTO, true },
	{ CONTROL_REFUSE_APPLICATION, 19, -ECONNABORTED, true },
	{ CONTROL_REFUSE_TIMEOUT, 20, -ETIMEDOUT, false },
	{ CONTROL_REFUSE_OBSERVERS, 21, -EUSERS, false },
	{ CONTROL_REFUSE_NOT_OBSERVED, 22, -EACCES, true },
};

#define REFUSALS (sizeof(refusals) / sizeof(refusals[0]))

/* Each refusal has the error, and is as final, as the header says; none is left out. */
static void every_refusal_has_its_error(void **state)
{
	size_t i;

	(void)state;
	assert_int_equal(REFUSALS, CONTROL_REFUSE_LAST);
	for (i = 0; i < REFUSALS; i++) {
		assert_int_equal(refusals[i].refusal, refusals[i].number);
		assert_int_equal(control_refusal_error(refusals[i].refusal),
				refusals[i].error);
		assert_int_equal(control_refusal_is_final(refusals[i].refusal),
				refusals[i].final);
	}
}

/* Each has a phrase of its own, and evchan_strerror() knows its error. */
static void every_refusal_is_told_in_words(void **state)
{
	const char *unknown = evchan_strerror(-100000);
	size_t i, other;

	(void)state;
	for (i = 0; i < REFUSALS; i++) {
		assert_in_range(strlen(control_refusal_text(refusals[i].refusal)), 8,
				CONTROL_TEXT_MAX);
		assert_string_not_equal(evchan_strerror(refusals[i].error), unknown);
		for (other = 0; other < i; other++)
			assert_string_not_equal(control_refusal_text(refusals[i].refusal),
					control_refusal_text(refusals[other].refusal));
	}
}

/* A later version's reasons are unknown here, and final: asking again would not help to understand. */
static void unknown_refusal_is_final(void **state)
{
	static const uint32_t unknown[] = { CONTROL_REFUSE_LAST + 1, 255, 256, 65536,
		1u << 31, UINT32_MAX };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
		assert_int_equal(control_refusal_error(unknown[i]), -ECONNREFUSED);
		assert_true(control_refusal_is_final(unknown[i]));
		assert_true(strlen(control_refusal_text(unknown[i])) > 0);
	}
}

/* ---- BYE ------------------------------------------------------------------------ */

/* A bye is a type and a length. */
static void bye_has_four_bytes(void **state)
{
	static const unsigned char expected[] = { CONTROL_BYE, 0, 4, 0 };
	unsigned char frame[CONTROL_FRAME_MAX];
	enum control_type type;

	(void)state;
	memset(frame, 0xa5, sizeof(frame));
	assert_int_equal(control_encode_bye(frame), sizeof(expected));
	assert_memory_equal(frame, expected, sizeof(expected));
	assert_int_equal(frame_length(&type, frame, sizeof(frame)), sizeof(expected));
	assert_int_equal(type, CONTROL_BYE);
}

/* ---- WELCOME -------------------------------------------------------------------- */

static struct control_welcome example_welcome(void)
{
	struct control_welcome welcome = {
		.version = CONTROL_PROTOCOL_VERSION,
		.bell = 1,
		.header_size = 4096,
	};

	return welcome;
}

static int decode_welcome(struct control_welcome *welcome, const unsigned char *frame,
		size_t length)
{
	unsigned char *exact = copy_exact(frame, length);
	int r;

	memset(welcome, 0xa5, sizeof(*welcome));
	r = control_decode_welcome(welcome, exact, length);
	free(exact);
	return r;
}

static int result_of_welcome(const struct control_welcome *welcome)
{
	unsigned char frame[CONTROL_FRAME_MAX];
	struct control_welcome decoded;

	return decode_welcome(&decoded, frame, control_encode_welcome(frame, welcome));
}

/* Every bell with every page size arrives; the frame says what it is. */
static void welcome_arrives(void **state)
{
	struct control_welcome welcome = example_welcome(), decoded;
	unsigned char frame[CONTROL_FRAME_MAX];
	enum control_type type;
	size_t length;

	(void)state;
	for (welcome.bell = 1; welcome.bell <= 3; welcome.bell++)
		for (welcome.header_size = 4096; welcome.header_size <= 65536;
				welcome.header_size *= 2) {
			memset(frame, 0xa5, sizeof(frame));
			length = control_encode_welcome(frame, &welcome);
			assert_int_equal(frame_length(&type, frame, sizeof(frame)),
					length);
			assert_int_equal(type, CONTROL_WELCOME);
			assert_int_equal(decode_welcome(&decoded, frame, length), 0);
			assert_int_equal(decoded.version, welcome.version);
			assert_true(decoded.features == 0);
			assert_int_equal(decoded.bell, welcome.bell);
			assert_int_equal(decoded.header_size, welcome.header_size);
		}
}

/* Values that no receiver of this version can mean. */
static void impossible_welcome_is_refused(void **state)
{
	static const uint32_t bells[] = { 0, 4, 255, 257, UINT32_MAX };
	static const uint32_t sizes[] = { 0, 1, 2048, 4097, 6144, 65537, 131072,
		UINT32_MAX };
	struct control_welcome welcome = example_welcome();
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bells) / sizeof(bells[0]); i++) {
		welcome.bell = bells[i];
		assert_int_equal(result_of_welcome(&welcome), -EPROTO);
	}
	welcome = example_welcome();
	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		welcome.header_size = sizes[i];
		assert_int_equal(result_of_welcome(&welcome), -EPROTO);
	}
}

/* Another version or a feature of later is named as such, whatever else may be wrong. */
static void welcome_of_another_version_is_named(void **state)
{
	struct control_welcome welcome = example_welcome();
	unsigned bit;

	(void)state;
	for (bit = 0; bit < 32; bit++) {
		welcome.version = CONTROL_PROTOCOL_VERSION ^ (1u << bit);
		assert_int_equal(result_of_welcome(&welcome), -EPROTONOSUPPORT);
	}
	welcome = example_welcome();
	for (bit = 0; bit < 64; bit++) {
		welcome.features = UINT64_C(1) << bit;
		assert_int_equal(result_of_welcome(&welcome), -EPROTONOSUPPORT);
	}
}

/* A single byte changed is refused, or is a welcome that says just that; other lengths are refused. */
static void no_byte_of_a_welcome_is_ignored(void **state)
{
	struct control_welcome welcome = example_welcome(), decoded;
	unsigned char frame[CONTROL_FRAME_MAX] = { 0 }, changed[CONTROL_FRAME_MAX];
	unsigned char again[CONTROL_FRAME_MAX];
	size_t length = control_encode_welcome(frame, &welcome), at, other;
	unsigned value, refused = 0;

	(void)state;
	for (at = 4; at < length; at++)
		for (value = 0; value < 256; value++) {
			memcpy(changed, frame, sizeof(changed));
			changed[at] = (unsigned char)value;
			if (decode_welcome(&decoded, changed, length) < 0) {
				refused++;
				continue;
			}
			assert_int_equal(control_encode_welcome(again, &decoded), length);
			assert_memory_equal(again, changed, length);
		}
	/* Two other bells and three other page sizes differ from this in one byte. */
	assert_int_equal(refused, 255 * (length - 4) - 2 - 3);
	for (other = 0; other <= CONTROL_FRAME_MAX; other++)
		if (other != length)
			assert_int_equal(decode_welcome(&decoded, frame, other), -EPROTO);
}

/* ---- REFUSED and EVICTED ---------------------------------------------------------- */

static int decode_refused(struct control_refused *refused, const unsigned char *frame,
		size_t length)
{
	unsigned char *exact = copy_exact(frame, length);
	int r;

	memset(refused, 0xa5, sizeof(*refused));
	r = control_decode_refused(refused, exact, length);
	free(exact);
	return r;
}

static void assert_refused_arrives(
		enum control_type type, const struct control_refused *refused)
{
	unsigned char frame[CONTROL_FRAME_MAX];
	struct control_refused decoded;
	enum control_type found;
	size_t length;

	memset(frame, 0xa5, sizeof(frame));
	length = control_encode_refused(frame, type, refused);
	assert_int_equal(frame_length(&found, frame, sizeof(frame)), length);
	assert_int_equal(found, type);
	assert_int_equal(decode_refused(&decoded, frame, length), 0);
	assert_int_equal(decoded.refusal, refused->refusal);
	assert_int_equal(decoded.final, refused->final);
	assert_int_equal(decoded.retry_after_ms, refused->retry_after_ms);
	assert_string_equal(decoded.text, refused->text);
}

/* Every reason, time and text arrives, those of later versions too, with both frames. */
static void refused_arrives(void **state)
{
	static const uint32_t numbers[] = { 0, 1, 20, 21, 255, 256, 65536, UINT32_MAX };
	static const char *const texts[] = { "", "no",
		"a text with spaces, and \"quotes\" ~",
		"\xc3\xa4\xe2\x82\xac\xf0\x9f\x94\x94" };
	size_t i, many = sizeof(numbers) / sizeof(numbers[0]);

	(void)state;
	for (i = 0; i < 16 * many; i++) {
		struct control_refused refused = {
			.refusal = numbers[i % many],
			.final = i % 2,
			.retry_after_ms = numbers[(i / 2) % many],
		};

		strcpy(refused.text, texts[(i / 4) % 4]);
		assert_refused_arrives(
				i % 3 ? CONTROL_REFUSED : CONTROL_EVICTED, &refused);
	}
}

/* A text may have every length up to the longest. */
static void every_length_of_text_arrives(void **state)
{
	struct control_refused refused = { .refusal = 1 };
	size_t length;

	(void)state;
	for (length = 0; length <= CONTROL_TEXT_MAX; length++) {
		memset(refused.text, 0, sizeof(refused.text));
		memset(refused.text, 'x', length);
		assert_refused_arrives(CONTROL_REFUSED, &refused);
	}
}

static void assert_text_is_cut_to(const char *piece, size_t length)
{
	struct control_refused refused = { .refusal = 1 }, decoded;
	unsigned char frame[CONTROL_FRAME_MAX];
	size_t i;

	for (i = 0; i < sizeof(refused.text); i++)
		refused.text[i] = piece[i % strlen(piece)];
	i = control_encode_refused(frame, CONTROL_REFUSED, &refused);
	assert_in_range(i, 4, CONTROL_FRAME_MAX);
	assert_int_equal(decode_refused(&decoded, frame, i), 0);
	assert_int_equal(strlen(decoded.text), length);
	assert_memory_equal(decoded.text, refused.text, length);
}

/* A text that fills its array to the end is cut, where a character ends. */
static void long_text_is_cut_at_a_character(void **state)
{
	(void)state;
	assert_text_is_cut_to("x", 200);
	assert_text_is_cut_to("\xc3\xa4", 200);
	assert_text_is_cut_to("\xe2\x82\xac", 198);
	assert_text_is_cut_to("x\xc3\xa4", 199);
	assert_text_is_cut_to("\xf0\x9f\x94\x94"
			      "x",
			200);
	assert_text_is_cut_to("xx\xf0\x9f\x94\x94", 200);
	assert_text_is_cut_to("xxx\xf0\x9f\x94\x94", 199);
}

/* The text goes to logs and terminals: no byte of it moves a cursor or ends a line or the string. */
static void text_is_printable(void **state)
{
	struct control_refused refused = { .refusal = 1, .text = "ABCDEFGH" }, decoded;
	unsigned char frame[CONTROL_FRAME_MAX], *text;
	size_t length = control_encode_refused(frame, CONTROL_REFUSED, &refused), i;
	unsigned value;

	(void)state;
	text = memmem(frame, length, "ABCDEFGH", 8);
	assert_non_null(text);
	for (value = 0; value < 256; value++)
		for (i = 0; i < 8; i++) {
			unsigned char kept = text[i];

			if (value >= 0x80)
				continue;
			text[i] = (unsigned char)value;
			assert_int_equal(decode_refused(&decoded, frame, length), 0);
			assert_int_equal(strlen(decoded.text), 8);
			assert_int_equal(decoded.text[i],
					value < 0x20 || value == 0x7f ? '?'
								      : (char)value);
			text[i] = kept;
		}
}

/* A single byte changed is refused, or is one that says just that; a frame too short or too long is refused. */
static void no_byte_of_a_refused_is_ignored(void **state)
{
	struct control_refused refused = { .refusal = 1,
		.final = true,
		.retry_after_ms = 7 },
			       decoded;
	unsigned char frame[CONTROL_FRAME_MAX] = { 0 }, changed[CONTROL_FRAME_MAX];
	unsigned char again[CONTROL_FRAME_MAX];
	size_t length = control_encode_refused(frame, CONTROL_REFUSED, &refused), at,
	       other;
	unsigned value, accepted = 0;

	(void)state;
	for (at = 4; at < length; at++)
		for (value = 0; value < 256; value++) {
			memcpy(changed, frame, sizeof(changed));
			changed[at] = (unsigned char)value;
			if (decode_refused(&decoded, changed, length) < 0)
				continue;
			accepted++;
			assert_int_equal(control_encode_refused(again, CONTROL_REFUSED,
							 &decoded),
					length);
			assert_memory_equal(again, changed, length);
		}
	/* Two numbers of four bytes may be anything, `final` two things, the rest one. */
	assert_int_equal(accepted, 8 * 256 + 2 + (length - 4 - 8 - 1));
	for (other = 0; other < length; other++)
		assert_int_equal(decode_refused(&decoded, frame, other), -EPROTO);
	memset(frame + length, 'x', sizeof(frame) - length);
	for (other = length + CONTROL_TEXT_MAX + 1; other <= CONTROL_FRAME_MAX; other++)
		assert_int_equal(decode_refused(&decoded, frame, other), -EPROTO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_refusal_has_its_error),
		cmocka_unit_test(every_refusal_is_told_in_words),
		cmocka_unit_test(unknown_refusal_is_final),
		cmocka_unit_test(bye_has_four_bytes),
		cmocka_unit_test(welcome_arrives),
		cmocka_unit_test(impossible_welcome_is_refused),
		cmocka_unit_test(welcome_of_another_version_is_named),
		cmocka_unit_test(no_byte_of_a_welcome_is_ignored),
		cmocka_unit_test(refused_arrives),
		cmocka_unit_test(every_length_of_text_arrives),
		cmocka_unit_test(long_text_is_cut_at_a_character),
		cmocka_unit_test(text_is_printable),
		cmocka_unit_test(no_byte_of_a_refused_is_ignored),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
