/* SPDX-License-Identifier: MIT */
/*
 * Arrays: repeated fields, packed or not, and unknown fields.
 *
 * An array has its capacity in the 8 bytes before it. When it is full, the run of values of the same field that
 * follows is counted, which is all of them as encoders write; otherwise it doubles, so that the copies stay few. What is
 * counted is only a guess, because the bytes may change: each store is checked against the room that was really taken.
 */

#include "decoder.h"

/* Before each array that is ours. */
struct array_header {
	uint64_t capacity;
};

struct array {
	unsigned char *data;
	size_t count;
	size_t capacity;
};

/* An array that points into the input has no header, and is full. */
static struct array array_of(const struct decoder *decoder, void *data, size_t count)
{
	struct array array = { data, count, count };
	uintptr_t at = (uintptr_t)data;

	if (data && !(at >= (uintptr_t)decoder->start && at < (uintptr_t)decoder->end))
		array.capacity = (size_t)((struct array_header *)data - 1)->capacity;
	return array;
}

/* Makes room for `more` values. Whether it could be had. */
static bool array_grow(struct decoder *decoder, struct array *array, size_t element_size,
		size_t more)
{
	size_t capacity = array->count + more;
	struct array_header *header;

	if (capacity <= array->capacity)
		return true;
	/* The first time exactly, then at least twice as many. */
	if (array->count && capacity < 2 * array->count)
		capacity = 2 * array->count;
	if (capacity > (SIZE_MAX / 2 - sizeof(*header)) / element_size) {
		decoder->arena->error = -ENOBUFS;
		return false;
	}
	header = arena_take_low(
			decoder->arena, sizeof(*header) + capacity * element_size);
	if (!header)
		return false;
	header->capacity = capacity;
	if (array->count)
		memcpy(header + 1, array->data, array->count * element_size);
	array->data = (unsigned char *)(header + 1);
	array->capacity = capacity;
	return true;
}

static struct array field_array(const struct decoder *decoder,
		const struct plan_field *field, const unsigned char *message)
{
	size_t count;
	void *data;

	memcpy(&count, message + field->quantifier, sizeof(count));
	memcpy(&data, message + field->offset, sizeof(data));
	return array_of(decoder, data, count);
}

static void set_field_array(const struct plan_field *field, unsigned char *message,
		const struct array *array)
{
	memcpy(message + field->quantifier, &array->count, sizeof(array->count));
	memcpy(message + field->offset, &array->data, sizeof(array->data));
}

/* ---- One value, one tag ------------------------------------------------------------------ */

/* Short things behind tags of one byte, as long as there are some: *at is moved behind their last tag. */
static size_t count_short_run(const uint8_t **at, const uint8_t *end, uint8_t tag)
{
	const uint8_t *next = *at;
	size_t count = 0;

	for (;;) {
		uint8_t length = wire_load8(next);

		if (length >= 0x80 || end - next < length + 3 ||
				wire_load8(next + length + 1) != tag)
			break;
		count++;
		next += length + 2;
	}
	*at = next;
	return count;
}

/* How many values of this field follow each other from here, this one (whose tag was taken) included. */
static size_t count_run(const uint8_t *at, const uint8_t *end,
		const struct plan_field *field, unsigned type)
{
	size_t count = 0;
	unsigned next_type;
	uint32_t id;

	if (type == WIRE_LENGTH && field->tag_size == 1 && at < end)
		count = count_short_run(&at, end, (uint8_t)field->tag);
	do {
		count++;
		at = wire_skip(at, end, type);
		if (at)
			at = wire_read_tag(at, end, &id, &next_type);
	} while (at && id == field->id && next_type == type);
	return count;
}

/* Whether the same tag comes again, as encoders write it. */
static inline bool is_run(
		const struct plan_field *field, const uint8_t *at, const uint8_t *end)
{
	return end - at >= 2 && (wire_load16(at) & field->mask) == field->tag;
}

static inline const uint8_t *take_element(struct decoder *decoder,
		const struct plan_field *field, unsigned type, const uint8_t *at,
		const uint8_t *end, unsigned char *out)
{
	unsigned char *message;

	if (field->kind != KIND_MESSAGE || type != WIRE_LENGTH)
		return decode_value(decoder, field, type, at, end, out);
	message = decoder_new_message(decoder, field->plan);
	if (!message)
		return decoder_fail_memory(decoder, at);
	memcpy(out, &message, sizeof(message));
	return decode_inner(decoder, field->plan, message, at, end);
}

const uint8_t *decode_repeated(struct decoder *decoder, const struct plan_field *field,
		unsigned type, unsigned char *message, const uint8_t *at,
		const uint8_t *end)
{
	struct array array = field_array(decoder, field, message);
	bool may_run = field->action == PLAN_REPEATED && type == field->wire;

	for (;;) {
		if (array.count == array.capacity &&
				!array_grow(decoder, &array, field->element_size,
						count_run(at, end, field, type)))
			return decoder_fail_memory(decoder, at);
		at = take_element(decoder, field, type, at, end,
				array.data + array.count * field->element_size);
		if (!at)
			return NULL;
		array.count++;
		if (!may_run || !is_run(field, at, end))
			break;
		at += field->tag_size;
	}
	set_field_array(field, message, &array);
	return at;
}

/* ---- Many values, one tag ------------------------------------------------------------------ */

static bool may_borrow(const struct decoder *decoder, const struct plan_field *field,
		const struct array *array, const uint8_t *at)
{
#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
	return false;
#endif
	return (decoder->flags & EVCHAN_PROTO_BORROW_PACKED) &&
			!(decoder->flags & EVCHAN_PROTO_COPY_BYTES) &&
			array->count == 0 && (uintptr_t)at % field->element_size == 0;
}

static void append_fixed(struct array *array, const struct plan_field *field,
		const uint8_t *at, size_t count)
{
	size_t size = field->element_size;
	unsigned char *out = array->data + array->count * size;

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	memcpy(out, at, count * size);
#else
	for (size_t i = 0; i < count; i++)
		(void)decode_number((enum plan_kind)field->kind, at + i * size,
				at + (i + 1) * size, out + i * size);
#endif
	array->count += count;
}

static const uint8_t *take_packed_fixed(struct decoder *decoder,
		const struct plan_field *field, struct array *array, const uint8_t *at,
		const uint8_t *end)
{
	size_t bytes = (size_t)(end - at);
	size_t count = bytes / field->element_size;

	if (bytes % field->element_size)
		return decoder_fail(
				decoder, -EBADMSG, at, "a packed field has half a value");
	if (count == 0)
		return end;
	if (may_borrow(decoder, field, array, at)) {
		array->data = (unsigned char *)(uintptr_t)at;
		array->count = count;
		return end;
	}
	if (!array_grow(decoder, array, field->element_size, count))
		return decoder_fail_memory(decoder, at);
	append_fixed(array, field, at, count);
	return end;
}

/* Values in [at, end): each ends with a byte without its top bit. */
static size_t count_varints(const uint8_t *at, const uint8_t *end)
{
	size_t count = 0;

	for (; end - at >= 8; at += 8) {
		uint64_t ends = ~wire_load64(at) >> 7 & UINT64_C(0x0101010101010101);

		/* The sum of its bytes. */
		count += (size_t)(ends * UINT64_C(0x0101010101010101) >> 56);
	}
	while (at < end)
		count += *at++ < 0x80;
	return count;
}

/* NULL: what is no number, or more numbers than room, because bytes have changed since they were counted. */
__attribute__((always_inline)) static inline const uint8_t *append_varints(
		struct array *array, enum plan_kind kind, size_t size, const uint8_t *at,
		const uint8_t *end)
{
	unsigned char *out = array->data + array->count * size;

	while (at < end) {
		if (array->count == array->capacity)
			return NULL;
		at = decode_number(kind, at, end, out);
		if (!at)
			return NULL;
		out += size;
		array->count++;
	}
	return at;
}

/* A loop for each kind, instead of a choice for each value. */
static const uint8_t *append_varints_of(struct array *array, enum plan_kind kind,
		const uint8_t *at, const uint8_t *end)
{
	switch ((int)kind) {
	case KIND_INT32:
		return append_varints(array, KIND_INT32, 4, at, end);
	case KIND_SINT32:
		return append_varints(array, KIND_SINT32, 4, at, end);
	case KIND_INT64:
		return append_varints(array, KIND_INT64, 8, at, end);
	case KIND_SINT64:
		return append_varints(array, KIND_SINT64, 8, at, end);
	default:
		return append_varints(
				array, KIND_BOOL, sizeof(protobuf_c_boolean), at, end);
	}
}

static const uint8_t *take_packed_varints(struct decoder *decoder,
		const struct plan_field *field, struct array *array, const uint8_t *at,
		const uint8_t *end)
{
	size_t count = count_varints(at, end);
	const uint8_t *behind;

	if (count == 0)
		return at == end ? at : decoder_fail_bytes(decoder, at);
	if (!array_grow(decoder, array, field->element_size, count))
		return decoder_fail_memory(decoder, at);
	behind = append_varints_of(array, (enum plan_kind)field->kind, at, end);
	return behind ? behind : decoder_fail_bytes(decoder, at);
}

const uint8_t *decode_packed(struct decoder *decoder, const struct plan_field *field,
		unsigned char *message, const uint8_t *at, const uint8_t *end)
{
	struct array array = field_array(decoder, field, message);
	size_t length;

	at = decode_length(decoder, at, end, &length);
	if (!at)
		return NULL;
	if (field->wire == WIRE_VARINT)
		at = take_packed_varints(decoder, field, &array, at, at + length);
	else
		at = take_packed_fixed(decoder, field, &array, at, at + length);
	if (at)
		set_field_array(field, message, &array);
	return at;
}

/* ---- Unknown fields --------------------------------------------------------------------------- */

const uint8_t *decode_unknown(struct decoder *decoder, uint32_t id, unsigned type,
		ProtobufCMessage *message, const uint8_t *at, const uint8_t *end)
{
	struct array array = array_of(
			decoder, message->unknown_fields, message->n_unknown_fields);
	ProtobufCMessageUnknownField field = { .tag = id };
	const uint8_t *behind = wire_skip(at, end, type);

	if (!behind)
		return decoder_fail_bytes(decoder, at);
	field.wire_type = (ProtobufCWireType)type;
	field.len = (size_t)(behind - at);
	field.data = decoder_keep(decoder, at, field.len);
	if (!field.data || !array_grow(decoder, &array, sizeof(field), 1))
		return decoder_fail_memory(decoder, at);
	memcpy(array.data + array.count++ * sizeof(field), &field, sizeof(field));
	message->unknown_fields = (ProtobufCMessageUnknownField *)(void *)array.data;
	message->n_unknown_fields = (unsigned)array.count;
	return behind;
}
