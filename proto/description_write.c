/* SPDX-License-Identifier: MIT */
/* Writing descriptions. The types are listed in the order in which they are first referred to. */

#include "description.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "pack.h"

/* Counts on when there is no room. */
struct output {
	uint8_t *buffer;
	size_t room;
	size_t size;
};

struct listed {
	const struct plan **plans;
	size_t count;
	size_t room;
};

enum description_class description_class_of(ProtobufCType type)
{
	switch (type) {
	case PROTOBUF_C_TYPE_SINT32:
	case PROTOBUF_C_TYPE_SINT64:
		return CLASS_SIGNED;
	case PROTOBUF_C_TYPE_SFIXED32:
	case PROTOBUF_C_TYPE_FIXED32:
		return CLASS_FIXED32;
	case PROTOBUF_C_TYPE_FLOAT:
		return CLASS_FLOAT;
	case PROTOBUF_C_TYPE_SFIXED64:
	case PROTOBUF_C_TYPE_FIXED64:
		return CLASS_FIXED64;
	case PROTOBUF_C_TYPE_DOUBLE:
		return CLASS_DOUBLE;
	case PROTOBUF_C_TYPE_STRING:
	case PROTOBUF_C_TYPE_BYTES:
		return CLASS_BYTES;
	case PROTOBUF_C_TYPE_MESSAGE:
		return CLASS_MESSAGE;
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_ENUM:
	case PROTOBUF_C_TYPE_BOOL:
		break;
	}
	return CLASS_INTEGER;
}

static void put(struct output *output, const void *bytes, size_t size)
{
	if (output->size <= output->room && size <= output->room - output->size)
		memcpy(output->buffer + output->size, bytes, size);
	output->size += size;
}

static void put_byte(struct output *output, unsigned value)
{
	uint8_t byte = (uint8_t)value;

	put(output, &byte, 1);
}

static void put_number(struct output *output, uint64_t value)
{
	uint8_t bytes[PACK_VARINT_MAX];

	put(output, bytes, (size_t)(pack_put_varint(bytes, value) - bytes));
}

static int list_append(struct listed *listed, const struct plan *plan)
{
	size_t room = listed->room ? 2 * listed->room : 8;
	const struct plan **grown;

	if (listed->count == listed->room) {
		grown = realloc(listed->plans, room * sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		listed->plans = grown;
		listed->room = room;
	}
	listed->plans[listed->count++] = plan;
	return 0;
}

/* The place of a type in the list, at whose end it is put if it is not there. */
static int list_place(struct listed *listed, const struct plan *plan, size_t *place)
{
	for (*place = 0; *place < listed->count; ++*place)
		if (listed->plans[*place] == plan)
			return 0;
	return list_append(listed, plan);
}

static int put_type(struct output *output, struct listed *listed, const struct plan *plan)
{
	const char *name = plan->descriptor->name ? plan->descriptor->name : "";
	uint32_t before = 0;

	put_number(output, strlen(name));
	put(output, name, strlen(name));
	put_number(output, plan->field_count);
	for (unsigned i = 0; i < plan->field_count; i++) {
		const struct plan_field *field = &plan->fields[i];
		size_t place;
		int r;

		put_number(output, field->id - before);
		before = field->id;
		put_byte(output,
				description_class_of(field->descriptor->type) |
						(field->required_place ? DESCRIPTION_REQUIRED
								       : 0) |
						(field->rule == RULE_REPEATED ? DESCRIPTION_REPEATED
									      : 0));
		if (field->kind != KIND_MESSAGE)
			continue;
		r = list_place(listed, field->plan, &place);
		if (r < 0)
			return r;
		put_number(output, place);
	}
	return 0;
}

/* All types in the list, which grows under way. */
static int put_types(struct output *output, struct listed *listed)
{
	int r = 0;

	for (size_t i = 0; i < listed->count && r == 0; i++)
		r = put_type(output, listed, listed->plans[i]);
	return r;
}

int description_write(const struct plan *plan, uint8_t *buffer, size_t *size)
{
	struct output nothing = { NULL, 0, 0 };
	struct output output = { buffer, *size, 0 };
	struct listed listed = { NULL, 0, 0 };
	int r;

	/* Once for the number of types, once for good. */
	r = list_append(&listed, plan);
	if (r == 0)
		r = put_types(&nothing, &listed);
	if (r == 0) {
		put_byte(&output, DESCRIPTION_VERSION);
		put_number(&output, listed.count);
		r = put_types(&output, &listed);
	}
	free(listed.plans);
	if (r < 0)
		return r;
	*size = output.size;
	return output.size <= output.room ? 0 : -ENOBUFS;
}
