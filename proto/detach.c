/* SPDX-License-Identifier: MIT */
/*
 * Deep copies of messages that the ordinary free function takes.
 *
 * protobuf_c_message_free_unpacked() frees every string, array and message that a struct points to, but for the static
 * defaults; so each gets an allocation of its own, and defaults stay what they are. A copy that cannot be finished is
 * given to that very function: it is consistent after each step, because a pointer is set when what it points to is
 * complete enough to be freed, and a count after its array.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "plan.h"

#include <evchan/proto.h>

static void *take_from_malloc(void *data, size_t size)
{
	(void)data;
	return malloc(size);
}

static void give_to_malloc(void *data, void *pointer)
{
	(void)data;
	free(pointer);
}

static ProtobufCAllocator malloc_allocator = { take_from_malloc, give_to_malloc, NULL };

static int copy_message(ProtobufCMessage **out, const ProtobufCMessage *message,
		ProtobufCAllocator *allocator);

static void *take(ProtobufCAllocator *allocator, size_t size)
{
	return allocator->alloc(allocator->allocator_data, size);
}

static int copy_string(void *out, const void *in, const void *fallback,
		ProtobufCAllocator *allocator)
{
	const char *string;
	size_t size;
	char *copy;

	memcpy(&string, in, sizeof(string));
	/* Nothing, or the type's default, which is all that the free function spares. */
	if (!string || string == fallback) {
		memcpy(out, &string, sizeof(string));
		return 0;
	}
	size = strlen(string) + 1;
	copy = take(allocator, size);
	if (!copy)
		return -ENOMEM;
	memcpy(copy, string, size);
	memcpy(out, &copy, sizeof(copy));
	return 0;
}

static int copy_bytes(void *out, const void *in, const void *fallback,
		ProtobufCAllocator *allocator)
{
	const ProtobufCBinaryData *standard = fallback;
	ProtobufCBinaryData bytes;
	uint8_t *copy;

	memcpy(&bytes, in, sizeof(bytes));
	if (bytes.data && !(standard && bytes.data == standard->data)) {
		copy = take(allocator, bytes.len ? bytes.len : 1);
		if (!copy)
			return -ENOMEM;
		memcpy(copy, bytes.data, bytes.len);
		bytes.data = copy;
	}
	memcpy(out, &bytes, sizeof(bytes));
	return 0;
}

static int copy_value(void *out, const void *in, const ProtobufCFieldDescriptor *field,
		const void *fallback, ProtobufCAllocator *allocator)
{
	const ProtobufCMessage *message;
	ProtobufCMessage *copy = NULL;
	int r;

	if (field->type == PROTOBUF_C_TYPE_STRING)
		return copy_string(out, in, fallback, allocator);
	if (field->type == PROTOBUF_C_TYPE_BYTES)
		return copy_bytes(out, in, fallback, allocator);
	if (field->type != PROTOBUF_C_TYPE_MESSAGE) {
		memcpy(out, in, plan_element_size(field->type));
		return 0;
	}
	memcpy(&message, in, sizeof(message));
	r = message ? copy_message(&copy, message, allocator) : 0;
	memcpy(out, &copy, sizeof(copy));
	return r;
}

static int copy_array(ProtobufCMessage *copy, const ProtobufCMessage *message,
		const ProtobufCFieldDescriptor *field, ProtobufCAllocator *allocator)
{
	size_t element = plan_element_size(field->type), count;
	const unsigned char *in;
	unsigned char *out;
	size_t done = 0;
	int r = 0;

	memcpy(&count, (const unsigned char *)message + field->quantifier_offset,
			sizeof(count));
	memcpy(&in, (const unsigned char *)message + field->offset, sizeof(in));
	if (count == 0 || !in)
		return 0;
	if (count > SIZE_MAX / element)
		return -ENOMEM;
	out = take(allocator, count * element);
	if (!out)
		return -ENOMEM;
	memcpy((unsigned char *)copy + field->offset, &out, sizeof(out));
	if (field->type < PROTOBUF_C_TYPE_STRING) {
		memcpy(out, in, count * element);
		done = count;
		memcpy((unsigned char *)copy + field->quantifier_offset, &done,
				sizeof(done));
	}
	while (done < count && r == 0) {
		/* Nothing to free in a value whose copy fails. */
		memset(out + done * element, 0, element);
		r = copy_value(out + done * element, in + done * element, field, NULL,
				allocator);
		if (r == 0 || field->type == PROTOBUF_C_TYPE_MESSAGE)
			done++;
		memcpy((unsigned char *)copy + field->quantifier_offset, &done,
				sizeof(done));
	}
	return r;
}

/* Whether a field that is not repeated is there at all: of a oneof, only the chosen one is. */
static bool is_chosen(
		const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
	uint32_t chosen;

	if (!(field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF))
		return true;
	memcpy(&chosen, (const unsigned char *)message + field->quantifier_offset,
			sizeof(chosen));
	return chosen == field->id;
}

static int copy_field(ProtobufCMessage *copy, const ProtobufCMessage *message,
		const ProtobufCFieldDescriptor *field, ProtobufCAllocator *allocator)
{
	const unsigned char *in = (const unsigned char *)message;
	unsigned char *out = (unsigned char *)copy;
	/* A oneof's case has four bytes like a has_. */
	size_t quantifier = sizeof(protobuf_c_boolean);
	int r;

	if (field->label == PROTOBUF_C_LABEL_REPEATED)
		return copy_array(copy, message, field, allocator);
	if (!is_chosen(message, field))
		return 0;
	if (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF)
		memset(out + field->offset, 0, plan_element_size(field->type));
	r = copy_value(out + field->offset, in + field->offset, field,
			field->default_value, allocator);
	if (r == 0 || field->type == PROTOBUF_C_TYPE_MESSAGE)
		if (field->quantifier_offset)
			memcpy(out + field->quantifier_offset,
					in + field->quantifier_offset, quantifier);
	return r;
}

static int copy_unknown(ProtobufCMessage *copy, const ProtobufCMessage *message,
		ProtobufCAllocator *allocator)
{
	unsigned count = message->n_unknown_fields;

	if (count == 0)
		return 0;
	copy->unknown_fields = take(allocator, count * sizeof(*copy->unknown_fields));
	if (!copy->unknown_fields)
		return -ENOMEM;
	for (unsigned i = 0; i < count; i++) {
		ProtobufCMessageUnknownField field = message->unknown_fields[i];
		uint8_t *data = take(allocator, field.len ? field.len : 1);

		if (!data)
			return -ENOMEM;
		if (field.len)
			memcpy(data, field.data, field.len);
		field.data = data;
		copy->unknown_fields[i] = field;
		copy->n_unknown_fields = i + 1;
	}
	return 0;
}

static int copy_message(ProtobufCMessage **out, const ProtobufCMessage *message,
		ProtobufCAllocator *allocator)
{
	const ProtobufCMessageDescriptor *descriptor = message->descriptor;
	ProtobufCMessage *copy = take(allocator, descriptor->sizeof_message);
	int r = 0;

	if (!copy)
		return -ENOMEM;
	plan_init_message(descriptor, copy);
	copy->n_unknown_fields = 0;
	copy->unknown_fields = NULL;
	*out = copy;
	for (unsigned i = 0; i < descriptor->n_fields && r == 0; i++)
		r = copy_field(copy, message, &descriptor->fields[i], allocator);
	return r == 0 ? copy_unknown(copy, message, allocator) : r;
}

int evchan_proto_detach(ProtobufCMessage **out, const ProtobufCMessage *message,
		ProtobufCAllocator *allocator)
{
	ProtobufCMessage *copy = NULL;
	int r;

	if (!allocator)
		allocator = &malloc_allocator;
	r = copy_message(&copy, message, allocator);
	if (r == 0)
		*out = copy;
	else if (copy)
		protobuf_c_message_free_unpacked(copy, allocator);
	return r;
}
