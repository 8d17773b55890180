/* SPDX-License-Identifier: MIT */
/*
 * The decoder: one pass over the bytes, straight into the structs.
 *
 * The result is that of protobuf_c_message_unpack() (protobuf-c 1.4 and 1.5), quirks included: a wrong wire type or a
 * group makes the whole message invalid; a bool may have any wire type; enums may have any number; each occurrence of
 * a message must have all required fields. The one exception is a message field that comes twice, where that function
 * loses data: here the second is decoded on top of the first, as the specification says.
 *
 * Safe against memory that changes meanwhile. Bytes that decide are loaded once (wire.h). Where an array's room is
 * found by looking ahead, the look is only a guess (decode_array.c).
 *
 * Fields arrive in the order of their numbers, mostly: after one field the bytes that the next would begin with are
 * compared with those that are there, and only if neither that nor the two behind it begin so, a tag is read and
 * searched for. What is read goes from variable to variable, and into no struct but the message, for the sake of
 * speed.
 */

#include "decode.h"

#include "decoder.h"

void decoder_note(struct decoder *decoder, int error, const uint8_t *at, const char *text)
{
	decoder->error = error;
	decoder->problem->offset = (size_t)(at - decoder->start);
	decoder->problem->text = text;
}

/* ---- Values ----------------------------------------------------------------------------- */

const uint8_t *decode_string_slowly(struct decoder *decoder, uint8_t byte,
		const uint8_t *at, const uint8_t *end, void *out)
{
	const uint8_t *text;
	size_t length;
	char *string;

	text = wire_read_length_after(byte, at, end, &length);
	if (!text)
		return decoder_fail_bytes(decoder, at - 1);
	string = arena_take_high(decoder->arena, length + 1);
	if (!string)
		return decoder_fail_memory(decoder, text);
	memcpy(string, text, length);
	string[length] = '\0';
	/* The copy, which nobody changes. */
	if ((decoder->flags & EVCHAN_PROTO_CHECK_UTF8) && !utf8_is_valid(string, length))
		return decoder_fail(decoder, -EILSEQ, text, "a string is not UTF-8");
	memcpy(out, &string, sizeof(string));
	return text + length;
}

/* A value whose wire type is not its field's: of a bool, it is true if any bit of any byte is set, but for each byte's
 * top bit. */
static const uint8_t *take_odd(struct decoder *decoder, const struct plan_field *field,
		unsigned type, const uint8_t *at, const uint8_t *end, void *out)
{
	const uint8_t *behind = wire_skip(at, end, type);
	protobuf_c_boolean value;
	uint8_t bits = 0;

	if (field->kind != KIND_BOOL)
		return decoder_fail(
				decoder, -EBADMSG, at, "a field has another wire type");
	if (!behind)
		return decoder_fail_bytes(decoder, at);
	while (at < behind)
		bits |= wire_load8(at++) & 0x7f;
	value = bits != 0;
	memcpy(out, &value, sizeof(value));
	return behind;
}

/* `out` points to the pointer to the message; what is there already is decoded on top of. */
static const uint8_t *take_message(struct decoder *decoder,
		const struct plan_field *field, const uint8_t *at, const uint8_t *end,
		void *out)
{
	unsigned char *message;

	memcpy(&message, out, sizeof(message));
	if (!message || message == field->descriptor->default_value) {
		message = decoder_new_message(decoder, field->plan);
		if (!message)
			return decoder_fail_memory(decoder, at);
		memcpy(out, &message, sizeof(message));
	}
	return decode_inner(decoder, field->plan, message, at, end);
}

const uint8_t *decode_value(struct decoder *decoder, const struct plan_field *field,
		unsigned type, const uint8_t *at, const uint8_t *end, void *out)
{
	const uint8_t *behind;

	if (type != field->wire)
		return take_odd(decoder, field, type, at, end, out);
	if (field->kind == KIND_STRING)
		return decode_string(decoder, at, end, out);
	if (field->kind == KIND_BYTES)
		return decode_bytes(decoder, at, end, out);
	if (field->kind == KIND_MESSAGE)
		return take_message(decoder, field, at, end, out);
	behind = decode_number((enum plan_kind)field->kind, at, end, out);
	return behind ? behind : decoder_fail_bytes(decoder, at);
}

/* ---- Oneofs ------------------------------------------------------------------------------- */

/* Takes out what was chosen before. Whether there is such a field. */
static bool clear_choice(const struct plan *plan, const struct plan_field *field,
		uint32_t chosen, unsigned char *slot)
{
	const struct plan_field *old = chosen ? plan_find_field(plan, chosen) : field;

	if (!old)
		return false;
	memset(slot, 0, old->element_size);
	return true;
}

__attribute__((noinline)) static const uint8_t *take_oneof(struct decoder *decoder,
		const struct plan *plan, const struct plan_field *field, unsigned type,
		unsigned char *message, const uint8_t *at, const uint8_t *end)
{
	unsigned char *slot = message + field->offset;
	uint32_t chosen;

	memcpy(&chosen, message + field->quantifier, sizeof(chosen));
	/* A message on top of the same message is merged; everything else replaces what was there. */
	if (chosen != field->id || field->kind != KIND_MESSAGE)
		if (!clear_choice(plan, field, chosen, slot))
			return decoder_fail_bytes(decoder, at);
	at = decode_value(decoder, field, type, at, end, slot);
	if (at)
		memcpy(message + field->quantifier, &field->id, sizeof(field->id));
	return at;
}

/* ---- Required fields ------------------------------------------------------------------------ */

/* Which required fields have come: bits, in a word if they are few. */
struct required {
	uint64_t few;
	unsigned char *many; /* NULL: few */
};

/* Makes room to note many. Whether it could be had. */
static bool required_begin(struct decoder *decoder, const struct plan *plan,
		struct required *required)
{
	size_t size = plan->required_count / 8 + 1;

	required->many = arena_take_low(decoder->arena, size);
	if (required->many)
		memset(required->many, 0, size);
	return required->many;
}

static inline void required_note(
		struct required *required, const struct plan_field *field)
{
	unsigned bit = field->required_place - 1u;

	if (required->many)
		required->many[bit / 8] |= (unsigned char)(1u << bit % 8);
	else
		required->few |= UINT64_C(1) << bit;
}

static bool required_is_complete(const struct required *required, const struct plan *plan)
{
	unsigned count = 0;

	if (!required->many)
		return (unsigned)__builtin_popcountll(required->few) ==
				plan->required_count;
	for (unsigned i = 0; i < plan->required_count / 8 + 1; i++)
		count += (unsigned)__builtin_popcount(required->many[i]);
	return count == plan->required_count;
}

/* ---- Messages -------------------------------------------------------------------------------- */

/* Notes that a field has come. */
static inline void mark(struct required *required, const struct plan_field *field,
		unsigned char *message)
{
	const protobuf_c_boolean present = 1;

	if (field->required_place)
		required_note(required, field);
	else
		memcpy(message + field->quantifier, &present, sizeof(present));
}

/*
 * Takes a field behind its tag. Returns NULL also for a number that is none, of which the decoder is not told here.
 */
__attribute__((always_inline)) static inline const uint8_t *take_field(
		struct decoder *decoder, const struct plan *plan,
		const struct plan_field *field, enum plan_kind action, unsigned type,
		unsigned char *message, const uint8_t *at, const uint8_t *end)
{
	unsigned char *slot = message + field->offset;

	switch (action) {
	case KIND_INT32:
		return decode_number(KIND_INT32, at, end, slot);
	case KIND_SINT32:
		return decode_number(KIND_SINT32, at, end, slot);
	case KIND_INT64:
		return decode_number(KIND_INT64, at, end, slot);
	case KIND_SINT64:
		return decode_number(KIND_SINT64, at, end, slot);
	case KIND_BOOL:
		return decode_number(KIND_BOOL, at, end, slot);
	case KIND_FIXED32:
		return decode_number(KIND_FIXED32, at, end, slot);
	case KIND_FIXED64:
		return decode_number(KIND_FIXED64, at, end, slot);
	case KIND_STRING:
		return decode_string(decoder, at, end, slot);
	case KIND_BYTES:
		return decode_bytes(decoder, at, end, slot);
	case KIND_MESSAGE:
		return take_message(decoder, field, at, end, slot);
	case PLAN_ONEOF:
		return take_oneof(decoder, plan, field, type, message, at, end);
	case PLAN_REPEATED:
		return decode_repeated(decoder, field, type, message, at, end);
	case PLAN_PACKED:
		return decode_packed(decoder, field, message, at, end);
	case PLAN_ODD:
		break;
	}
	return take_odd(decoder, field, type, at, end, slot);
}

/* What to do with a field of this wire type, which may not be the one it should have. */
static enum plan_kind choose_action(const struct plan_field *field, unsigned type)
{
	if (type == WIRE_LENGTH && field->is_packable)
		return PLAN_PACKED;
	if (field->rule == RULE_REPEATED)
		return PLAN_REPEATED;
	if (field->rule == RULE_ONEOF)
		return PLAN_ONEOF;
	return type == field->wire ? (enum plan_kind)field->kind : PLAN_ODD;
}

/* Takes any field. *expected becomes the one behind it, if it is known. */
__attribute__((noinline)) static const uint8_t *take_unexpected(struct decoder *decoder,
		const struct plan *plan, struct required *required,
		unsigned char *message, const uint8_t *at, const uint8_t *end,
		const struct plan_field **expected)
{
	const struct plan_field *field;
	const uint8_t *value, *behind;
	unsigned type;
	uint32_t id;

	value = wire_read_tag(at, end, &id, &type);
	if (!value)
		return decoder_fail_bytes(decoder, at);
	field = plan_find_field(plan, id);
	if (!field)
		return decode_unknown(decoder, id, type,
				(ProtobufCMessage *)(void *)message, value, end);
	behind = take_field(decoder, plan, field, choose_action(field, type), type,
			message, value, end);
	if (!behind)
		return decoder->error ? NULL : decoder_fail_bytes(decoder, value);
	if (field->is_marked)
		mark(required, field, message);
	*expected = field + 1;
	return behind;
}

/* The field that begins with these two bytes, if it is `field` or one of the two behind it, else NULL. */
static inline const struct plan_field *expect(
		const struct plan_field *field, uint16_t head)
{
	if (__builtin_expect((head & field->mask) == field->tag, 1))
		return field;
	for (unsigned i = 1; i < PLAN_SENTINELS; i++)
		if ((head & field[i].mask) == field[i].tag)
			return &field[i];
	return NULL;
}

/* The fields that begin where not every number may be read without a check. */
__attribute__((noinline)) static const uint8_t *take_last(struct decoder *decoder,
		const struct plan *plan, struct required *required,
		unsigned char *message, const uint8_t *at, const uint8_t *end,
		const struct plan_field *expected)
{
	const struct plan_field *field;
	const uint8_t *value;

	/* No field has less than two bytes. */
	while (end - at >= 2) {
		field = expect(expected, wire_load16(at));
		if (!field) {
			at = take_unexpected(decoder, plan, required, message, at, end,
					&expected);
			if (!at)
				return NULL;
			continue;
		}
		value = at + field->tag_size;
		at = take_field(decoder, plan, field, (enum plan_kind)field->action,
				field->wire, message, value, end);
		if (!at)
			return decoder->error ? NULL : decoder_fail_bytes(decoder, value);
		if (field->is_marked)
			mark(required, field, message);
		expected = field + 1;
	}
	return at < end ? decoder_fail_bytes(decoder, at) : at;
}

/*
 * Takes a field behind its tag where any number may be read without a check, if not in [at, end) then behind that. What is behind it
 * may therefore be behind `end`. Else as take_field().
 */
__attribute__((always_inline)) static inline const uint8_t *take_freely(
		struct decoder *decoder, const struct plan *plan,
		const struct plan_field *field, unsigned char *message, const uint8_t *at,
		const uint8_t *end)
{
	unsigned char *slot = message + field->offset;

	switch ((enum plan_kind)field->action) {
	case KIND_INT32:
		return decode_number_freely(KIND_INT32, at, slot);
	case KIND_SINT32:
		return decode_number_freely(KIND_SINT32, at, slot);
	case KIND_INT64:
		return decode_number_freely(KIND_INT64, at, slot);
	case KIND_SINT64:
		return decode_number_freely(KIND_SINT64, at, slot);
	case KIND_BOOL:
		return decode_number_freely(KIND_BOOL, at, slot);
	case KIND_FIXED32:
		return decode_number_freely(KIND_FIXED32, at, slot);
	case KIND_FIXED64:
		return decode_number_freely(KIND_FIXED64, at, slot);
	case KIND_STRING:
		return at > end ? NULL : decode_string(decoder, at, end, slot);
	case KIND_BYTES:
	case KIND_MESSAGE:
	case PLAN_ONEOF:
	case PLAN_REPEATED:
	case PLAN_PACKED:
	case PLAN_ODD:
		break;
	}
	return at > end ? NULL
			: take_field(decoder, plan, field, (enum plan_kind)field->action,
					  field->wire, message, at, end);
}

const uint8_t *decode_fields(struct decoder *decoder, const struct plan *plan,
		unsigned char *message, const uint8_t *at, const uint8_t *end)
{
	const uint8_t *free_end = end < decoder->free_end ? end : decoder->free_end;
	const struct plan_field *expected = plan->fields, *field;
	struct required required = { 0, NULL };
	const uint8_t *value;

	if (plan->required_count > 64 && !required_begin(decoder, plan, &required))
		return decoder_fail_memory(decoder, at);
	while (at < free_end) {
		field = expect(expected, wire_load16(at));
		if (__builtin_expect(!field, 0)) {
			/* Its address shall not be known while it is not asked for: it is to stay in a register. */
			const struct plan_field *next = expected;

			at = take_unexpected(decoder, plan, &required, message, at, end,
					&next);
			if (!at)
				return NULL;
			expected = next;
			continue;
		}
		value = at + field->tag_size;
		at = take_freely(decoder, plan, field, message, value, end);
		if (__builtin_expect(!at, 0))
			return decoder->error ? NULL : decoder_fail_bytes(decoder, value);
		if (field->is_marked)
			mark(&required, field, message);
		expected = field + 1;
	}
	if (at > end)
		return decoder_fail_bytes(decoder, end);
	if (at < end && !take_last(decoder, plan, &required, message, at, end, expected))
		return NULL;
	if (plan->required_count && !required_is_complete(&required, plan))
		return decoder_fail(
				decoder, -EBADMSG, end, "a required field is missing");
	return end;
}

int decode_message(const ProtobufCMessage **out, struct evchan_proto_arena *arena,
		const struct plan *plan, const void *data, size_t size,
		const struct decode_rules *rules, struct evchan_proto_problem *problem)
{
	struct decoder decoder = {
		.arena = arena,
		.start = data,
		.end = data,
		.flags = rules->flags,
		.depth_left = rules->max_depth - 1,
		.problem = problem,
	};
	unsigned char *message;

	if (size)
		decoder.end += size;
	decoder.free_end = size < DECODE_FREE ? data : decoder.end - DECODE_FREE + 1;
	if (rules->max_bytes && size > rules->max_bytes) {
		decoder_fail(&decoder, -EMSGSIZE, data, "it is longer than allowed");
		return decoder.error;
	}
	message = decoder_new_message(&decoder, plan);
	if (!message) {
		decoder_fail_memory(&decoder, data);
		return decoder.error;
	}
	/* An empty message may have no address, so what is returned does not tell. */
	(void)decode_fields(&decoder, plan, message, decoder.start, decoder.end);
	if (decoder.error == 0)
		*out = (const ProtobufCMessage *)(const void *)message;
	return decoder.error;
}
