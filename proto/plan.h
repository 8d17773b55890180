/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_PROTO_PLAN_H
#define EVCHAN_PROTO_PLAN_H

/*
 * What the decoder must know of a message type, compiled once from the public descriptor so that a field costs no
 * search: its fields in the order of their numbers, which is the order in which they mostly arrive, and the message
 * as it is before anything was decoded into it.
 *
 * Plans refer to each other (types are recursive), and belong together to a table. They never change once made, so
 * any number of threads may use them.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <protobuf-c/protobuf-c.h>

enum plan_rule {
	RULE_SINGLE, /* required, optional, or without presence */
	RULE_ONEOF,
	RULE_REPEATED,
};

/* What a value is to the decoder. Types that are read alike are one kind. */
enum plan_kind {
	KIND_INT32, /* a varint, its low 32 bits */
	KIND_SINT32,
	KIND_INT64,
	KIND_SINT64,
	KIND_BOOL,
	KIND_FIXED32,
	KIND_FIXED64,
	KIND_STRING,
	KIND_BYTES,
	KIND_MESSAGE,
	/* What comes with the tag that the field should have is one value of a field that is RULE_SINGLE, of the kinds above, or: */
	PLAN_ONEOF,
	PLAN_REPEATED,
	PLAN_PACKED,
	/* Never what a field should have. */
	PLAN_ODD,
};

/* What tells whether a field is there. */
enum plan_presence {
	PRESENCE_NOT_ZERO, /* its value */
	PRESENCE_ALWAYS,
	PRESENCE_FLAG,    /* its has_ */
	PRESENCE_POINTER, /* that is neither NULL nor the default's */
	PRESENCE_CASE,    /* of the oneof; and the pointer, if it is one */
	PRESENCE_COUNT,   /* of the array */
};

/* How the packer takes a field that is there unless it is zero or empty, with a tag of one or two bytes. */
enum plan_packing {
	PACKING_OTHER = 0, /* any other field */
	PACKING_INT32,
	PACKING_UINT32,
	PACKING_SINT32,
	PACKING_INT64,
	PACKING_SINT64,
	PACKING_BOOL,
	PACKING_FIXED32,
	PACKING_FLOAT, /* minus zero is zero */
	PACKING_FIXED64,
	PACKING_DOUBLE, /* likewise */
	PACKING_STRING,
	PACKING_END, /* behind the last */
};

struct plan;

struct plan_field {
	uint16_t tag; /* the bytes it begins with, where `mask` has ones, if they are one or two; ... */
	uint16_t mask; /* ... else none, and no bytes equal the tag */
	uint8_t tag_size;
	uint8_t action;   /* enum plan_kind: what to do when it begins with them */
	uint8_t kind;     /* enum plan_kind: of one value */
	uint8_t rule;     /* enum plan_rule */
	uint8_t type;     /* ProtobufCType */
	uint8_t presence; /* enum plan_presence */
	uint8_t wire;     /* enum wire_type of one value */
	bool is_packable; /* repeated, and a length may hold many */
	bool is_marked; /* that it came is noted: in its has_, or because it is required */
	uint8_t packing; /* enum plan_packing */
	uint16_t element_size;
	uint16_t required_place; /* its place among the checked required fields + 1; 0: not one */
	uint32_t id;
	uint32_t offset;
	uint32_t quantifier; /* offset of has_, of the count, or of the case; 0: none */
	const struct plan *plan; /* of a message field */
	const ProtobufCFieldDescriptor *descriptor;
};

/* Structs are copied in pieces of so many bytes. */
#define PLAN_BLOCK 32

/* Fields behind the last that begin with no bytes: one may look so far ahead without a check. */
#define PLAN_SENTINELS 3

struct plan {
	const ProtobufCMessageDescriptor *descriptor;
	struct plan_field *fields;
	unsigned field_count;
	unsigned required_count; /* checked ones: those without a default */
	size_t size;             /* of the struct, rounded up to PLAN_BLOCK */
	const void *image;       /* an initialised one */
};

/* Plans by descriptor. */
struct plan_table {
	struct plan **plans;
	size_t count;
	size_t room;
};
#define PLAN_TABLE_NONE \
	{ \
		NULL, 0, 0 \
	}

/* Finds a descriptor's plan, or makes it and those of all message types it refers to. Errors: -ENOMEM; -EINVAL not a
 * descriptor. On error the table has the plans it had. */
int plan_table_add(struct plan_table *table, const struct plan **plan,
		const ProtobufCMessageDescriptor *descriptor);

/* NULL: not in the table. */
const struct plan *plan_table_find(const struct plan_table *table,
		const ProtobufCMessageDescriptor *descriptor);

void plan_table_deinit(struct plan_table *table);

/* The field of a number; NULL: unknown. */
const struct plan_field *plan_find_field(const struct plan *plan, uint32_t id);

/* Initialises a struct as protobuf_c_message_init() does, also by descriptors without that function. */
void plan_init_message(
		const ProtobufCMessageDescriptor *descriptor, ProtobufCMessage *message);

/* Bytes of one value in a struct or array; 0: no such type. */
size_t plan_element_size(ProtobufCType type);

/* enum wire_type of one value. */
unsigned plan_wire_type(ProtobufCType type);

#endif
