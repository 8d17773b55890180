/* SPDX-License-Identifier: MIT */
/*
 * Compiling plans.
 *
 * The table is filled depth first. A plan is entered before its fields are looked at, so that a type that contains itself
 * finds itself there. Should memory run out half-way, the plans made since are taken out again: one that refers to
 * a plan that does not exist must not be found later.
 */

#include "plan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "wire.h"

size_t plan_element_size(ProtobufCType type)
{
	switch (type) {
	case PROTOBUF_C_TYPE_SINT32:
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_SFIXED32:
	case PROTOBUF_C_TYPE_FIXED32:
	case PROTOBUF_C_TYPE_FLOAT:
	case PROTOBUF_C_TYPE_ENUM:
		return 4;
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_SFIXED64:
	case PROTOBUF_C_TYPE_FIXED64:
	case PROTOBUF_C_TYPE_DOUBLE:
		return 8;
	case PROTOBUF_C_TYPE_BOOL:
		return sizeof(protobuf_c_boolean);
	case PROTOBUF_C_TYPE_STRING:
	case PROTOBUF_C_TYPE_MESSAGE:
		return sizeof(void *);
	case PROTOBUF_C_TYPE_BYTES:
		return sizeof(ProtobufCBinaryData);
	}
	return 0;
}

unsigned plan_wire_type(ProtobufCType type)
{
	switch (type) {
	case PROTOBUF_C_TYPE_SFIXED32:
	case PROTOBUF_C_TYPE_FIXED32:
	case PROTOBUF_C_TYPE_FLOAT:
		return WIRE_32BIT;
	case PROTOBUF_C_TYPE_SFIXED64:
	case PROTOBUF_C_TYPE_FIXED64:
	case PROTOBUF_C_TYPE_DOUBLE:
		return WIRE_64BIT;
	case PROTOBUF_C_TYPE_STRING:
	case PROTOBUF_C_TYPE_BYTES:
	case PROTOBUF_C_TYPE_MESSAGE:
		return WIRE_LENGTH;
	case PROTOBUF_C_TYPE_SINT32:
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_ENUM:
	case PROTOBUF_C_TYPE_BOOL:
		break;
	}
	return WIRE_VARINT;
}

/* ---- The message before decoding --------------------------------------------------- */

void plan_init_message(
		const ProtobufCMessageDescriptor *descriptor, ProtobufCMessage *message)
{
	if (descriptor->message_init) {
		descriptor->message_init(message);
		return;
	}
	memset(message, 0, descriptor->sizeof_message);
	message->descriptor = descriptor;
	for (unsigned i = 0; i < descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *field = &descriptor->fields[i];
		unsigned char *at = (unsigned char *)message + field->offset;

		if (!field->default_value || field->label == PROTOBUF_C_LABEL_REPEATED)
			continue;
		/* Strings and messages are the pointers to them. */
		if (field->type == PROTOBUF_C_TYPE_STRING ||
				field->type == PROTOBUF_C_TYPE_MESSAGE)
			memcpy(at, &field->default_value, sizeof(void *));
		else
			memcpy(at, field->default_value, plan_element_size(field->type));
	}
}

/* ---- Fields ------------------------------------------------------------------------------ */

static enum plan_rule rule_of(const ProtobufCFieldDescriptor *field)
{
	if (field->label == PROTOBUF_C_LABEL_REPEATED)
		return RULE_REPEATED;
	/* The flag counts on optional fields and on those without a label only. */
	if ((field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) &&
			field->label != PROTOBUF_C_LABEL_REQUIRED)
		return RULE_ONEOF;
	return RULE_SINGLE;
}

static enum plan_kind kind_of(ProtobufCType type)
{
	switch (type) {
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_ENUM:
		break;
	case PROTOBUF_C_TYPE_SINT32:
		return KIND_SINT32;
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_UINT64:
		return KIND_INT64;
	case PROTOBUF_C_TYPE_SINT64:
		return KIND_SINT64;
	case PROTOBUF_C_TYPE_BOOL:
		return KIND_BOOL;
	case PROTOBUF_C_TYPE_SFIXED32:
	case PROTOBUF_C_TYPE_FIXED32:
	case PROTOBUF_C_TYPE_FLOAT:
		return KIND_FIXED32;
	case PROTOBUF_C_TYPE_SFIXED64:
	case PROTOBUF_C_TYPE_FIXED64:
	case PROTOBUF_C_TYPE_DOUBLE:
		return KIND_FIXED64;
	case PROTOBUF_C_TYPE_STRING:
		return KIND_STRING;
	case PROTOBUF_C_TYPE_BYTES:
		return KIND_BYTES;
	case PROTOBUF_C_TYPE_MESSAGE:
		return KIND_MESSAGE;
	}
	return KIND_INT32;
}

static enum plan_kind action_of(const struct plan_field *field, bool is_packed)
{
	switch ((enum plan_rule)field->rule) {
	case RULE_ONEOF:
		return PLAN_ONEOF;
	case RULE_REPEATED:
		return is_packed ? PLAN_PACKED : PLAN_REPEATED;
	case RULE_SINGLE:
		break;
	}
	return (enum plan_kind)field->kind;
}

static enum plan_presence presence_of(const ProtobufCFieldDescriptor *field)
{
	if (field->label == PROTOBUF_C_LABEL_REPEATED)
		return PRESENCE_COUNT;
	if (field->label == PROTOBUF_C_LABEL_REQUIRED)
		return PRESENCE_ALWAYS;
	if (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF)
		return PRESENCE_CASE;
	if (field->label == PROTOBUF_C_LABEL_NONE)
		return PRESENCE_NOT_ZERO;
	if (field->type == PROTOBUF_C_TYPE_STRING ||
			field->type == PROTOBUF_C_TYPE_MESSAGE)
		return PRESENCE_POINTER;
	return PRESENCE_FLAG;
}

static enum plan_packing packing_of(ProtobufCType type)
{
	switch (type) {
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_ENUM:
		return PACKING_INT32;
	case PROTOBUF_C_TYPE_UINT32:
		return PACKING_UINT32;
	case PROTOBUF_C_TYPE_SINT32:
		return PACKING_SINT32;
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_UINT64:
		return PACKING_INT64;
	case PROTOBUF_C_TYPE_SINT64:
		return PACKING_SINT64;
	case PROTOBUF_C_TYPE_BOOL:
		return PACKING_BOOL;
	case PROTOBUF_C_TYPE_SFIXED32:
	case PROTOBUF_C_TYPE_FIXED32:
		return PACKING_FIXED32;
	case PROTOBUF_C_TYPE_FLOAT:
		return PACKING_FLOAT;
	case PROTOBUF_C_TYPE_SFIXED64:
	case PROTOBUF_C_TYPE_FIXED64:
		return PACKING_FIXED64;
	case PROTOBUF_C_TYPE_DOUBLE:
		return PACKING_DOUBLE;
	case PROTOBUF_C_TYPE_STRING:
		return PACKING_STRING;
	case PROTOBUF_C_TYPE_BYTES:
	case PROTOBUF_C_TYPE_MESSAGE:
		break;
	}
	return PACKING_OTHER;
}

/* What it looks like at the beginning. */
static void compile_tag(struct plan_field *field, unsigned wire)
{
	uint32_t tag = field->id << 3 | wire;

	field->tag = UINT16_MAX; /* masked with nothing, no bytes are that */
	if (field->id < 1u << 4) {
		field->tag_size = 1;
		field->mask = 0xff;
		field->tag = (uint16_t)tag;
	} else if (field->id < 1u << 11) {
		field->tag_size = 2;
		field->mask = 0xffff;
		field->tag = (uint16_t)((tag & 0x7f) | 0x80 | tag >> 7 << 8);
	}
}

static void compile_field(struct plan *plan, struct plan_field *field,
		const ProtobufCFieldDescriptor *descriptor)
{
	bool is_packed;

	field->id = descriptor->id;
	field->kind = (uint8_t)kind_of(descriptor->type);
	field->wire = (uint8_t)plan_wire_type(descriptor->type);
	field->rule = (uint8_t)rule_of(descriptor);
	field->type = (uint8_t)descriptor->type;
	field->presence = (uint8_t)presence_of(descriptor);
	field->element_size = (uint16_t)plan_element_size(descriptor->type);
	field->is_packable = field->rule == RULE_REPEATED && field->wire != WIRE_LENGTH;
	field->offset = descriptor->offset;
	field->quantifier = descriptor->quantifier_offset;
	field->descriptor = descriptor;
	is_packed = field->is_packable &&
			(descriptor->flags & PROTOBUF_C_FIELD_FLAG_PACKED);
	field->action = (uint8_t)action_of(field, is_packed);
	compile_tag(field, is_packed ? WIRE_LENGTH : field->wire);
	/* A required field with a default is as good as there. */
	if (descriptor->label == PROTOBUF_C_LABEL_REQUIRED && !descriptor->default_value)
		field->required_place = (uint16_t)++plan->required_count;
	if (field->presence == PRESENCE_NOT_ZERO && field->mask)
		field->packing = (uint8_t)packing_of(descriptor->type);
	field->is_marked = field->required_place ||
			(field->rule == RULE_SINGLE && field->quantifier);
}

const struct plan_field *plan_find_field(const struct plan *plan, uint32_t id)
{
	unsigned low = 0, high = plan->field_count;

	while (low < high) {
		unsigned middle = (low + high) / 2;

		if (plan->fields[middle].id == id)
			return &plan->fields[middle];
		if (plan->fields[middle].id < id)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

/* ---- The table ---------------------------------------------------------------------------- */

static bool descriptor_is_valid(const ProtobufCMessageDescriptor *descriptor)
{
	if (!descriptor || descriptor->magic != PROTOBUF_C__MESSAGE_DESCRIPTOR_MAGIC ||
			descriptor->sizeof_message < sizeof(ProtobufCMessage) ||
			descriptor->n_fields > UINT16_MAX)
		return false;
	for (unsigned i = 0; i < descriptor->n_fields; i++) {
		if (plan_element_size(descriptor->fields[i].type) == 0 ||
				descriptor->fields[i].id == 0)
			return false;
		/* protobuf-c's own search relies on it, too. */
		if (i > 0 && descriptor->fields[i].id <= descriptor->fields[i - 1].id)
			return false;
	}
	return true;
}

const struct plan *plan_table_find(const struct plan_table *table,
		const ProtobufCMessageDescriptor *descriptor)
{
	for (size_t i = 0; i < table->count; i++)
		if (table->plans[i]->descriptor == descriptor)
			return table->plans[i];
	return NULL;
}

static void plan_free(struct plan *plan)
{
	free(plan->fields);
	free((void *)(uintptr_t)plan->image);
	free(plan);
}

static void table_shrink(struct plan_table *table, size_t count)
{
	while (table->count > count)
		plan_free(table->plans[--table->count]);
}

void plan_table_deinit(struct plan_table *table)
{
	table_shrink(table, 0);
	free(table->plans);
	*table = (struct plan_table)PLAN_TABLE_NONE;
}

static int table_append(struct plan_table *table, struct plan *plan)
{
	size_t room = table->room ? 2 * table->room : 8;
	struct plan **grown;

	if (table->count == table->room) {
		grown = realloc(table->plans, room * sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		table->plans = grown;
		table->room = room;
	}
	table->plans[table->count++] = plan;
	return 0;
}

static struct plan *plan_new(const ProtobufCMessageDescriptor *descriptor)
{
	struct plan *plan = calloc(1, sizeof(*plan));
	void *image;

	if (!plan)
		return NULL;
	plan->descriptor = descriptor;
	plan->size = (descriptor->sizeof_message + PLAN_BLOCK - 1) &
			~(size_t)(PLAN_BLOCK - 1);
	plan->field_count = descriptor->n_fields;
	plan->fields = calloc((size_t)descriptor->n_fields + PLAN_SENTINELS,
			sizeof(*plan->fields));
	image = calloc(1, plan->size);
	plan->image = image;
	if (!plan->fields || !image) {
		plan_free(plan);
		return NULL;
	}
	plan_init_message(descriptor, image);
	for (unsigned i = 0; i < plan->field_count; i++)
		compile_field(plan, &plan->fields[i], &descriptor->fields[i]);
	for (unsigned i = 0; i < PLAN_SENTINELS; i++) {
		plan->fields[plan->field_count + i].tag = UINT16_MAX;
		plan->fields[plan->field_count + i].packing = PACKING_END;
	}
	return plan;
}

/* Makes a plan and enters it. Errors: -ENOMEM; -EINVAL. */
static int table_make(struct plan_table *table, struct plan **out,
		const ProtobufCMessageDescriptor *descriptor)
{
	struct plan *plan;
	int r;

	if (!descriptor_is_valid(descriptor))
		return -EINVAL;
	plan = plan_new(descriptor);
	if (!plan)
		return -ENOMEM;
	r = table_append(table, plan);
	if (r < 0) {
		plan_free(plan);
		return r;
	}
	*out = plan;
	return 0;
}

/* The plans of the message types that `plan` refers to. Recursion as deep as the schema is nested. */
static int table_complete(struct plan_table *table, struct plan *plan)
{
	int r;

	for (unsigned i = 0; i < plan->field_count; i++) {
		struct plan_field *field = &plan->fields[i];
		struct plan *other;

		if (field->kind != KIND_MESSAGE)
			continue;
		field->plan = plan_table_find(table, field->descriptor->descriptor);
		if (field->plan)
			continue;
		r = table_make(table, &other, field->descriptor->descriptor);
		if (r < 0)
			return r;
		field->plan = other;
		r = table_complete(table, other);
		if (r < 0)
			return r;
	}
	return 0;
}

int plan_table_add(struct plan_table *table, const struct plan **out,
		const ProtobufCMessageDescriptor *descriptor)
{
	size_t count = table->count;
	struct plan *plan;
	int r;

	*out = plan_table_find(table, descriptor);
	if (*out)
		return 0;
	r = table_make(table, &plan, descriptor);
	if (r < 0)
		return r;
	r = table_complete(table, plan);
	if (r < 0) {
		table_shrink(table, count);
		return r;
	}
	*out = plan;
	return 0;
}
