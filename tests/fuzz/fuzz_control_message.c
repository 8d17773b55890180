/* SPDX-License-Identifier: MIT */
/*
 * The frames of the control socket as attacker input. What a decoder accepts it has understood: encoded again
 * it is the same frame. And how long a frame is does not depend on how much of it has arrived.
 */

#include <errno.h>
#include <stdbool.h>

#include "control_message.h"
#include "fuzz.h"
#include "observe_message.h"

#define FRAME_HEADER 4u

/* All prefixes agree: first too short to tell, then for ever the same length, or for ever wrong. */
static int check_length(const uint8_t *bytes, size_t size)
{
	enum control_type type = 0, last_type = 0;
	int last = 0, length;

	for (size_t prefix = 0; prefix <= size; prefix++) {
		uint8_t *exact = fuzz_exact_copy(bytes, prefix);

		length = control_frame_length(&type, exact, prefix);
		free(exact);
		FUZZ_CHECK(length == -EPROTO ||
				(length >= 0 && (size_t)length <= prefix));
		FUZZ_CHECK(last == 0 || length == last);
		FUZZ_CHECK(length <= (int)CONTROL_FRAME_MAX);
		FUZZ_CHECK(length < 0 || prefix <= 1 || last_type == 0 ||
				type == last_type);
		last = length;
		last_type = type;
	}
	return last;
}

/* What is behind the header has to be the same, but for what the decoder says it does not look at. */
static void check_hello(const uint8_t *frame, size_t length)
{
	unsigned char again[CONTROL_FRAME_MAX];
	struct control_hello hello;
	enum control_refusal refusal;

	refusal = control_decode_hello(&hello, frame, length);
	FUZZ_CHECK(refusal <= CONTROL_REFUSE_LAST);
	if (refusal)
		return;
	FUZZ_CHECK(strnlen(hello.label, sizeof(hello.label)) <= CONTROL_LABEL_MAX);
	FUZZ_CHECK(control_encode_hello(again, &hello) == length);
	FUZZ_CHECK(memcmp(again + FRAME_HEADER, frame + FRAME_HEADER,
				   length - FRAME_HEADER) == 0);
}

static void check_welcome(const uint8_t *frame, size_t length)
{
	unsigned char again[CONTROL_FRAME_MAX];
	struct control_welcome welcome;
	int r;

	r = control_decode_welcome(&welcome, frame, length);
	FUZZ_CHECK(r == 0 || r == -EPROTO || r == -EPROTONOSUPPORT);
	if (r < 0)
		return;
	FUZZ_CHECK(control_encode_welcome(again, &welcome) == length);
	FUZZ_CHECK(memcmp(again + FRAME_HEADER, frame + FRAME_HEADER,
				   length - FRAME_HEADER) == 0);
}

static bool is_printable(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			return false;
	return true;
}

/* Its text is cleaned, so only what comes of that stays the same. */
static void check_refused(const uint8_t *frame, size_t length)
{
	unsigned char again[CONTROL_FRAME_MAX];
	struct control_refused refused, second;
	int r;

	r = control_decode_refused(&refused, frame, length);
	FUZZ_CHECK(r == 0 || r == -EPROTO);
	if (r < 0)
		return;
	FUZZ_CHECK(is_printable(refused.text));
	FUZZ_CHECK(control_refusal_error(refused.refusal) < 0);
	FUZZ_CHECK(control_refusal_text(refused.refusal));
	FUZZ_CHECK(control_encode_refused(again, CONTROL_REFUSED, &refused) == length);
	FUZZ_CHECK(control_decode_refused(&second, again, length) == 0);
	FUZZ_CHECK(second.refusal == refused.refusal && second.final == refused.final);
	FUZZ_CHECK(second.retry_after_ms == refused.retry_after_ms);
	FUZZ_CHECK(strcmp(second.text, refused.text) == 0);
}

/* Those of observers, each decoder as if the frame were its own. A label may have any bytes, so all that was
 * accepted comes out again. */
static size_t encode_seen_again(
		unsigned char *again, unsigned kind, const uint8_t *frame, size_t length)
{
	struct evchan_receiver_stats totals;
	struct control_observe observe;
	struct control_lane lane;
	bool next;

	switch (kind) {
	case 0:
		return control_decode_observe(&observe, frame, length)
				? 0
				: control_encode_observe(again, &observe);
	case 1:
		return control_decode_observed(&observe, frame, length) < 0
				? 0
				: control_encode_observed(again, &observe);
	case 2:
		return control_decode_ask(&next, frame, length) < 0
				? 0
				: control_encode_ask(again, next);
	case 3:
		return control_decode_lane(&lane, frame, length) < 0
				? 0
				: control_encode_lane(again, &lane);
	case 4:
		return control_decode_more(frame, length) < 0
				? 0
				: control_encode_more(again);
	default:
		return control_decode_totals(&totals, frame, length) < 0
				? 0
				: control_encode_totals(again, &totals);
	}
}

static void check_observing(const uint8_t *frame, size_t length)
{
	unsigned char again[CONTROL_FRAME_MAX];

	for (unsigned kind = 0; kind < 6; kind++) {
		size_t size = encode_seen_again(again, kind, frame, length);

		FUZZ_CHECK(size == 0 || size == length);
		FUZZ_CHECK(size == 0 ||
				memcmp(again + FRAME_HEADER, frame + FRAME_HEADER,
						size - FRAME_HEADER) == 0);
	}
}

/* A text is cut only if it is too long, and then by no more than what is left of a character. */
static void check_text(const uint8_t *bytes, size_t size)
{
	struct control_refused refused;
	char *text = malloc(size + 1);
	size_t whole, kept;

	FUZZ_CHECK(text);
	memcpy(text, bytes, size);
	text[size] = '\0';
	control_set_text(&refused, text);
	whole = strlen(text);
	kept = strlen(refused.text);
	FUZZ_CHECK(memcmp(refused.text, text, kept) == 0);
	FUZZ_CHECK(whole > CONTROL_TEXT_MAX ? kept <= CONTROL_TEXT_MAX &&
							kept > CONTROL_TEXT_MAX - 4
					    : kept == whole);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	size_t length = size < CONTROL_FRAME_MAX ? size : CONTROL_FRAME_MAX;
	uint8_t *frame;
	int whole;

	check_text(bytes, size);
	whole = check_length(bytes, length + (size > length));
	/* As the length says, and as if it had not been asked. */
	if (whole > 0)
		length = (size_t)whole;
	if (length < FRAME_HEADER)
		return 0;
	frame = fuzz_exact_copy(bytes, length);
	check_hello(frame, length);
	check_welcome(frame, length);
	check_refused(frame, length);
	check_observing(frame, length);
	free(frame);
	return 0;
}
