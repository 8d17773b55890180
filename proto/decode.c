/* SPDX-License-Identifier: MIT */
/*
 * The decoder: one pass over the bytes, straight into the structs.
 *
 * The result is that of protobuf_c_message_unpack() (protobuf-c 1.4 and 1.5), quirks included: a wrong wire type or a group
 * makes the whole message invalid; a bool may have any wire type; enums may have any number; each occurrence of a message must have
 * all required fields. The one exception is a message field that comes twice, where that function loses data: here the
 * second is decoded on top of the first, as the specification says.
 *
 * Safe against memory that changes meanwhile. Bytes that decide are read once (wire.h). Where an array's room is found by looking
 * ahead, the look is only a guess: each store is checked against the room that was really taken.
 *
 * Arrays of repeated fields have their capacity in the 8 bytes before them. When one is full, the run of values of the same field that
 * follows is counted, which is all of them as encoders write; otherwise it doubles, so that the copies stay few.
 *
 * Fields arrive in the order of their numbers, mostly: after one field the next is looked for at the same place of the plan (an
 * array goes on) and the one behind it, before it is searched for.
 */

#include "decode.h"

#include <errno.h>
#include <string.h>

#include "utf8.h"
#include "wire.h"

struct decoder {
	struct evchan_proto_arena *arena;
	const uint8_t *start; /* of the whole message */
	const uint8_t *end;
	unsigned flags;
	uint32_t depth_left;
	int error;
	struct evchan_proto_problem *problem;
};

static int fill_message(struct decoder *decoder, const struct plan *plan, ProtobufCMessage *message,
		struct wire *wire);

/* ---- Failing -------------------------------------------------------------------------- */

static int fail(struct decoder *decoder, int error, const uint8_t *at, const char *text)
{
	decoder->problem->offset = (size_t)(at - decoder->start);
	decoder->problem->text = text;
	return error;
}

static int fail_bytes(struct decoder *decoder, const struct wire *wire)
{
	return fail(decoder, -EBADMSG, wire->at, "the bytes are no valid encoding");
}

static int fail_memory(struct decoder *decoder, const struct wire *wire)
{
	int error = decoder->arena->error;

	return fail(decoder, error, wire->at,
			error == -ENOMEM ? "no memory" : "it needs more memory than is allowed");
}

/* ---- Single values ---------------------------------------------------------------------- */

/* A bool that has come with another wire type than its own: true if any bit of any byte is set, but for
 * each byte's top bit. */
static bool odd_truth(const uint8_t *at, const uint8_t *end)
{
	uint8_t bits = 0;

	while (at < end)
		bits |= wire_byte(at++) & 0x7f;
	return bits != 0;
}

static bool take_bool(struct wire *wire, unsigned type, void *out)
{
	const uint8_t *start = wire->at;
	protobuf_c_boolean value;
	bool truth;

	if (type == WIRE_VARINT) {
		if (!wire_truth(wire, &truth))
			return false;
	} else {
		if (!wire_skip(wire, type))
			return false;
		truth = odd_truth(start, wire->at);
	}
	value = truth;
	memcpy(out, &value, sizeof(value));
	return true;
}

/*
 * Reads a number of a type that is not made of a length, at `at`, into `out`, which has the type's size. Returns what is behind
 * it, NULL: there is none. Inline, and without a struct in between: this is most of what there is to do.
 */
__attribute__((always_inline)) static inline const uint8_t *read_number(const uint8_t *at,
		const uint8_t *end, unsigned type, void *out)
{
	uint64_t value = 0;
	uint32_t word;

	switch ((ProtobufCType)type) {
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_ENUM:
		at = wire_read_varint(at, end, &value);
		word = (uint32_t)value;
		memcpy(out, &word, 4);
		return at;
	case PROTOBUF_C_TYPE_SINT32:
		at = wire_read_varint(at, end, &value);
		word = (uint32_t)wire_zigzag32((uint32_t)value);
		memcpy(out, &word, 4);
		return at;
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_UINT64:
		at = wire_read_varint(at, end, &value);
		memcpy(out, &value, 8);
		return at;
	case PROTOBUF_C_TYPE_SINT64:
		at = wire_read_varint(at, end, &value);
		value = (uint64_t)wire_zigzag64(value);
		memcpy(out, &value, 8);
		return at;
	case PROTOBUF_C_TYPE_SFIXED32:
	case PROTOBUF_C_TYPE_FIXED32:
	case PROTOBUF_C_TYPE_FLOAT:
		if (end - at < 4)
			return NULL;
		word = wire_load32(at);
		memcpy(out, &word, 4);
		return at + 4;
	case PROTOBUF_C_TYPE_SFIXED64:
	case PROTOBUF_C_TYPE_FIXED64:
	case PROTOBUF_C_TYPE_DOUBLE:
		if (end - at < 8)
			return NULL;
		value = wire_load64(at);
		memcpy(out, &value, 8);
		return at + 8;
	case PROTOBUF_C_TYPE_BOOL: {
		struct wire wire = { at, end };

		return take_bool(&wire, WIRE_VARINT, out) ? wire.at : NULL;
	}
	case PROTOBUF_C_TYPE_STRING:
	case PROTOBUF_C_TYPE_BYTES:
	case PROTOBUF_C_TYPE_MESSAGE:
		break;
	}
	return NULL;
}

static bool take_number(struct wire *wire, unsigned type, void *out)
{
	const uint8_t *behind = read_number(wire->at, wire->end, type, out);

	if (!behind)
		return false;
	wire->at = behind;
	return true;
}

static int take_string(struct decoder *decoder, struct wire *wire, void *out)
{
	size_t length;
	char *string;

	if (!wire_length(wire, &length))
		return fail_bytes(decoder, wire);
	string = arena_take_high(decoder->arena, length + 1);
	if (!string)
		return fail_memory(decoder, wire);
	memcpy(string, wire->at, length);
	string[length] = '\0';
	/* The copy, which nobody changes. */
	if ((decoder->flags & EVCHAN_PROTO_CHECK_UTF8) && !utf8_is_valid(string, length))
		return fail(decoder, -EILSEQ, wire->at, "a string is not UTF-8");
	memcpy(out, &string, sizeof(string));
	wire->at += length;
	return 0;
}

/* What `bytes` or an unknown field shall point to. NULL: no memory. */
static uint8_t *keep_bytes(struct decoder *decoder, const uint8_t *at, size_t length)
{
	uint8_t *copy;

	if (!(decoder->flags & EVCHAN_PROTO_COPY_BYTES))
		return (uint8_t *)(uintptr_t)at;
	copy = arena_take_high(decoder->arena, length);
	if (copy)
		memcpy(copy, at, length);
	return copy;
}

static int take_bytes(struct decoder *decoder, struct wire *wire, void *out)
{
	ProtobufCBinaryData bytes = { 0, NULL };

	if (!wire_length(wire, &bytes.len))
		return fail_bytes(decoder, wire);
	if (bytes.len) {
		bytes.data = keep_bytes(decoder, wire->at, bytes.len);
		if (!bytes.data)
			return fail_memory(decoder, wire);
	}
	memcpy(out, &bytes, sizeof(bytes));
	wire->at += bytes.len;
	return 0;
}

/* `out` points to the pointer to the message; what is there already is decoded on top of. */
static int take_message(struct decoder *decoder, const struct plan_field *field, struct wire *wire,
		void *out)
{
	const struct plan *plan = field->plan;
	ProtobufCMessage *message;
	struct wire inner;
	size_t length;
	int r;

	if (!wire_length(wire, &length))
		return fail_bytes(decoder, wire);
	memcpy(&message, out, sizeof(message));
	if (!message || message == field->descriptor->default_value) {
		message = arena_take_low(decoder->arena, plan->size);
		if (!message)
			return fail_memory(decoder, wire);
		memcpy(message, plan->image, plan->size);
	}
	if (decoder->depth_left == 0)
		return fail(decoder, -ELOOP, wire->at, "messages are nested too deeply");
	inner.at = wire->at;
	inner.end = wire->at + length;
	decoder->depth_left--;
	r = fill_message(decoder, plan, message, &inner);
	decoder->depth_left++;
	if (r < 0)
		return r;
	memcpy(out, &message, sizeof(message));
	wire->at += length;
	return 0;
}

/* One value of any type. */
static inline int take_value(struct decoder *decoder, const struct plan_field *field, unsigned type,
		struct wire *wire, void *out)
{
	if (type != field->wire) {
		if (field->type != PROTOBUF_C_TYPE_BOOL)
			return fail(decoder, -EBADMSG, wire->at, "a field has another wire type");
		return take_bool(wire, type, out) ? 0 : fail_bytes(decoder, wire);
	}
	if (type != WIRE_LENGTH)
		return take_number(wire, field->type, out) ? 0 : fail_bytes(decoder, wire);
	if (field->type == PROTOBUF_C_TYPE_MESSAGE)
		return take_message(decoder, field, wire, out);
	if (field->type == PROTOBUF_C_TYPE_STRING)
		return take_string(decoder, wire, out);
	return take_bytes(decoder, wire, out);
}

/* ---- Arrays --------------------------------------------------------------------------------- */

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
	const uint8_t *at = data;

	if (data && !(at >= decoder->start && at < decoder->end))
		array.capacity = (size_t)((struct array_header *)data - 1)->capacity;
	return array;
}

/* Makes room for `more` values. */
static int array_grow(struct decoder *decoder, struct array *array, size_t element_size, size_t more)
{
	size_t capacity = array->count + more;
	struct array_header *header;

	if (capacity <= array->capacity)
		return 0;
	/* The first time exactly, then at least twice as many. */
	if (array->count && capacity < 2 * array->count)
		capacity = 2 * array->count;
	if (capacity > (SIZE_MAX / 2 - sizeof(*header)) / element_size) {
		decoder->arena->error = -ENOBUFS;
		return -ENOBUFS;
	}
	header = arena_take_low(decoder->arena, sizeof(*header) + capacity * element_size);
	if (!header)
		return -ENOBUFS;
	header->capacity = capacity;
	if (array->count)
		memcpy(header + 1, array->data, array->count * element_size);
	array->data = (unsigned char *)(header + 1);
	array->capacity = capacity;
	return 0;
}

/* How many values of this field follow each other from here, this one (whose tag was taken) included. A guess. */
static size_t count_run(struct wire wire, const struct plan_field *field, unsigned type)
{
	size_t count = 0;
	unsigned next_type;
	uint32_t id;

	do {
		count++;
		if (!wire_skip(&wire, type))
			break;
	} while (wire_tag(&wire, &id, &next_type) && id == field->id && next_type == type);
	return count;
}

static struct array field_array(const struct decoder *decoder, const struct plan_field *field,
		const ProtobufCMessage *message)
{
	const unsigned char *base = (const unsigned char *)message;
	size_t count;
	void *data;

	memcpy(&count, base + field->quantifier, sizeof(count));
	memcpy(&data, base + field->offset, sizeof(data));
	return array_of(decoder, data, count);
}

static void set_field_array(const struct plan_field *field, ProtobufCMessage *message,
		const struct array *array)
{
	unsigned char *base = (unsigned char *)message;

	memcpy(base + field->quantifier, &array->count, sizeof(array->count));
	memcpy(base + field->offset, &array->data, sizeof(array->data));
}

static int take_repeated(struct decoder *decoder, const struct plan_field *field, unsigned type,
		struct wire *wire, ProtobufCMessage *message)
{
	struct array array = field_array(decoder, field, message);
	unsigned char *at;
	int r;

	if (array.count == array.capacity &&
			array_grow(decoder, &array, field->element_size,
					count_run(*wire, field, type)) < 0)
		return fail_memory(decoder, wire);
	at = array.data + array.count * field->element_size;
	if (field->wire == WIRE_LENGTH)
		memset(at, 0, field->element_size); /* no message there to decode on top of */
	r = take_value(decoder, field, type, wire, at);
	if (r < 0)
		return r;
	array.count++;
	set_field_array(field, message, &array);
	return 0;
}

/* ---- Packed arrays ---------------------------------------------------------------------------- */

static bool may_borrow(const struct decoder *decoder, const struct plan_field *field,
		const struct array *array, const uint8_t *at)
{
#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
	return false;
#endif
	return (decoder->flags & EVCHAN_PROTO_BORROW_PACKED) &&
	       !(decoder->flags & EVCHAN_PROTO_COPY_BYTES) && array->count == 0 &&
	       (uintptr_t)at % field->element_size == 0;
}

static int take_packed_fixed(struct decoder *decoder, const struct plan_field *field,
		struct wire *inner, struct array *array)
{
	size_t bytes = wire_left(inner);
	size_t count = bytes / field->element_size;

	if (bytes % field->element_size)
		return fail(decoder, -EBADMSG, inner->at, "a packed field has half a value");
	if (count == 0)
		return 0;
	if (may_borrow(decoder, field, array, inner->at)) {
		array->data = (unsigned char *)(uintptr_t)inner->at;
		array->count = count;
		return 0;
	}
	if (array_grow(decoder, array, field->element_size, count) < 0)
		return fail_memory(decoder, inner);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	memcpy(array->data + array->count * field->element_size, inner->at, bytes);
	array->count += count;
#else
	while (wire_left(inner)) {
		take_number(inner, field->type, array->data + array->count * field->element_size);
		array->count++;
	}
#endif
	return 0;
}

/* Values that begin in [at, end): each ends with a byte without its top bit. A guess. */
static size_t count_varints(const uint8_t *at, const uint8_t *end)
{
	size_t count = 0;

	while (at < end)
		count += *at++ < 0x80;
	return count;
}

static int take_packed_varints(struct decoder *decoder, const struct plan_field *field,
		struct wire *inner, struct array *array)
{
	size_t count = count_varints(inner->at, inner->end);

	if (count && array_grow(decoder, array, field->element_size, count) < 0)
		return fail_memory(decoder, inner);
	while (wire_left(inner)) {
		/* The bytes have changed since they were counted. */
		if (array->count == array->capacity)
			return fail_bytes(decoder, inner);
		if (!take_number(inner, field->type,
				    array->data + array->count * field->element_size))
			return fail_bytes(decoder, inner);
		array->count++;
	}
	return 0;
}

static int take_packed(struct decoder *decoder, const struct plan_field *field, struct wire *wire,
		ProtobufCMessage *message)
{
	struct array array = field_array(decoder, field, message);
	struct wire inner;
	size_t length;
	int r;

	if (!wire_length(wire, &length))
		return fail_bytes(decoder, wire);
	inner.at = wire->at;
	inner.end = wire->at + length;
	if (field->wire == WIRE_VARINT)
		r = take_packed_varints(decoder, field, &inner, &array);
	else
		r = take_packed_fixed(decoder, field, &inner, &array);
	if (r < 0)
		return r;
	set_field_array(field, message, &array);
	wire->at += length;
	return 0;
}

/* ---- Other kinds of fields --------------------------------------------------------------------- */

static int take_oneof(struct decoder *decoder, const struct plan *plan,
		const struct plan_field *field, unsigned type, struct wire *wire,
		ProtobufCMessage *message)
{
	unsigned char *base = (unsigned char *)message;
	const struct plan_field *old;
	uint32_t chosen;
	int r;

	memcpy(&chosen, base + field->quantifier, sizeof(chosen));
	/* A message on top of the same message is merged; everything else replaces what was there. */
	if (chosen && !(chosen == field->id && field->type == PROTOBUF_C_TYPE_MESSAGE)) {
		old = plan_find_field(plan, chosen);
		if (!old)
			return fail_bytes(decoder, wire);
		memset(base + field->offset, 0, old->element_size);
	}
	if (!chosen && field->type == PROTOBUF_C_TYPE_MESSAGE)
		memset(base + field->offset, 0, field->element_size);
	r = take_value(decoder, field, type, wire, base + field->offset);
	if (r < 0)
		return r;
	memcpy(base + field->quantifier, &field->id, sizeof(field->id));
	return 0;
}

static int take_unknown(struct decoder *decoder, uint32_t id, unsigned type, struct wire *wire,
		ProtobufCMessage *message)
{
	struct array array = array_of(decoder, message->unknown_fields, message->n_unknown_fields);
	const uint8_t *start = wire->at;
	ProtobufCMessageUnknownField field = { .tag = id };

	field.wire_type = (ProtobufCWireType)type;
	if (!wire_skip(wire, type))
		return fail_bytes(decoder, wire);
	field.len = (size_t)(wire->at - start);
	field.data = keep_bytes(decoder, start, field.len);
	if (!field.data || array_grow(decoder, &array, sizeof(field), 1) < 0)
		return fail_memory(decoder, wire);
	memcpy(array.data + array.count++ * sizeof(field), &field, sizeof(field));
	message->unknown_fields = (ProtobufCMessageUnknownField *)(void *)array.data;
	message->n_unknown_fields = (unsigned)array.count;
	return 0;
}

static inline int take_single(struct decoder *decoder, const struct plan_field *field, unsigned type,
		struct wire *wire, ProtobufCMessage *message)
{
	const protobuf_c_boolean present = 1;
	unsigned char *base = (unsigned char *)message;
	int r;

	r = take_value(decoder, field, type, wire, base + field->offset);
	if (r == 0 && field->quantifier)
		memcpy(base + field->quantifier, &present, sizeof(present));
	return r;
}

/* A number, as most fields are. */
__attribute__((always_inline)) static inline int take_plain(struct decoder *decoder,
		const struct plan_field *field, struct wire *wire, ProtobufCMessage *message)
{
	const protobuf_c_boolean present = 1;
	unsigned char *base = (unsigned char *)message;
	const uint8_t *behind = read_number(wire->at, wire->end, field->type, base + field->offset);

	if (!behind)
		return fail_bytes(decoder, wire);
	wire->at = behind;
	if (field->quantifier)
		memcpy(base + field->quantifier, &present, sizeof(present));
	return 0;
}

/* ---- Messages ------------------------------------------------------------------------------------ */

/* Which required fields have come: bits, in a word if they are few. */
struct required {
	uint64_t few;
	unsigned char *many; /* NULL: few */
};

static inline void required_note(struct required *required, const struct plan_field *field)
{
	unsigned bit;

	if (!field->required_place)
		return;
	bit = field->required_place - 1u;
	if (required->many)
		required->many[bit / 8] |= (unsigned char)(1u << bit % 8);
	else
		required->few |= UINT64_C(1) << bit;
}

static bool required_is_complete(const struct required *required, const struct plan *plan)
{
	unsigned count = 0;

	if (!required->many)
		return (unsigned)__builtin_popcountll(required->few) == plan->required_count;
	for (unsigned i = 0; i < (plan->required_count + 7) / 8; i++)
		count += (unsigned)__builtin_popcount(required->many[i]);
	return count == plan->required_count;
}

static inline int take_field(struct decoder *decoder, const struct plan *plan,
		const struct plan_field *field, unsigned type, struct wire *wire,
		ProtobufCMessage *message)
{
	switch ((enum plan_rule)field->rule) {
	case RULE_REPEATED:
		if (type == WIRE_LENGTH && field->is_packable)
			return take_packed(decoder, field, wire, message);
		return take_repeated(decoder, field, type, wire, message);
	case RULE_ONEOF:
		return take_oneof(decoder, plan, field, type, wire, message);
	case RULE_SINGLE:
		break;
	}
	return take_single(decoder, field, type, wire, message);
}

/* The field with this number, looked for at `place` first. */
static const struct plan_field *find_field(const struct plan *plan, unsigned place, uint32_t id)
{
	if (place < plan->field_count && plan->fields[place].id == id)
		return &plan->fields[place];
	return plan_find_field(plan, id);
}

/*
 * Takes the next tag. `*place` is where in the plan its field is expected: an array goes on there, other fields come one
 * place later. Tags of one byte, which are most, are compared as they are.
 * Returns the field, or NULL: unknown, or (*type out of range) no tag.
 */
static inline const struct plan_field *next_field(struct wire *wire, const struct plan *plan,
		unsigned *place, uint32_t *id, unsigned *type)
{
	const struct plan_field *field = &plan->fields[*place];
	uint8_t byte = wire_byte(wire->at);

	for (unsigned i = 0; i < 2; i++, field++) {
		if (byte == field->tag && byte) {
			wire->at++;
			*type = field->wire;
			*place += i;
			return field;
		}
	}
	if (!wire_tag(wire, id, type)) {
		*type = UINT_MAX;
		return NULL;
	}
	field = find_field(plan, *place, *id);
	if (field)
		*place = (unsigned)(field - plan->fields);
	return field;
}

/* Room to note many required fields. */
static int begin_required(struct decoder *decoder, const struct plan *plan, struct required *required,
		const struct wire *wire)
{
	size_t size = plan->required_count / 8 + 1;

	if (plan->required_count <= 64)
		return 0;
	required->many = arena_take_low(decoder->arena, size);
	if (!required->many)
		return fail_memory(decoder, wire);
	memset(required->many, 0, size);
	return 0;
}

static int fill_message(struct decoder *decoder, const struct plan *plan, ProtobufCMessage *message,
		struct wire *wire)
{
	struct required required = { 0, NULL };
	unsigned place = 0, type;
	uint32_t id = 0;
	int r;

	r = begin_required(decoder, plan, &required, wire);
	if (r < 0)
		return r;
	while (wire->at < wire->end) {
		const struct plan_field *field = next_field(wire, plan, &place, &id, &type);

		if (field) {
			required_note(&required, field);
			r = field->is_plain && type == field->wire
					    ? take_plain(decoder, field, wire, message)
					    : take_field(decoder, plan, field, type, wire, message);
		} else if (type != UINT_MAX) {
			r = take_unknown(decoder, id, type, wire, message);
		} else {
			r = fail_bytes(decoder, wire);
		}
		if (r < 0)
			return r;
	}
	if (plan->required_count && !required_is_complete(&required, plan))
		return fail(decoder, -EBADMSG, wire->end, "a required field is missing");
	return 0;
}

int decode_message(const ProtobufCMessage **out, struct evchan_proto_arena *arena,
		const struct plan *plan, const void *data, size_t size,
		const struct decode_rules *rules, struct evchan_proto_problem *problem)
{
	struct decoder decoder = {
		.arena = arena,
		.start = data,
		.flags = rules->flags,
		.depth_left = rules->max_depth - 1,
		.problem = problem,
	};
	struct wire wire = { data, data };
	ProtobufCMessage *message;
	int r;

	if (rules->max_bytes && size > rules->max_bytes)
		return fail(&decoder, -EMSGSIZE, data, "it is longer than allowed");
	if (size)
		wire.end += size;
	decoder.end = wire.end;
	message = arena_take_low(arena, plan->size);
	if (!message)
		return fail_memory(&decoder, &wire);
	memcpy(message, plan->image, plan->size);
	r = fill_message(&decoder, plan, message, &wire);
	if (r == 0)
		*out = message;
	return r;
}
