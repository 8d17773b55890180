/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_PROTO_DESCRIPTION_H
#define EVCHAN_PROTO_DESCRIPTION_H

/*
 * What a sender tells of a message type, and how a receiver compares it with its own idea. The bytes (docs/protobuf.md):
 *
 *	u8      1, the version of this format
 *	varint  number of types; the first is the one that is described, the others are those it refers to
 *	for each type:
 *	varint  length of its name, then the name (empty: generated without)
 *	varint  number of fields, then for each, in the order of their numbers:
 *	varint      number less that of the field before
 *	u8          class, plus DESCRIPTION_REQUIRED, plus DESCRIPTION_REPEATED
 *	varint      of a message: the place of its type
 *
 * Names of fields, defaults and whether an array is packed are left out: changing them does not change what messages mean.
 */

#include <stddef.h>
#include <stdint.h>

#include "plan.h"

#include <evchan/proto.h>

#define DESCRIPTION_VERSION 1
#define DESCRIPTION_TYPES_MAX 4096u

enum description_class {
	CLASS_INTEGER = 0, /* int32, uint32, int64, uint64, bool, enum */
	CLASS_SIGNED = 1,  /* sint32, sint64 */
	CLASS_FIXED32 = 2, /* fixed32, sfixed32 */
	CLASS_FLOAT = 3,
	CLASS_FIXED64 = 4, /* fixed64, sfixed64 */
	CLASS_DOUBLE = 5,
	CLASS_BYTES = 6, /* string, bytes */
	CLASS_MESSAGE = 7,
};
#define DESCRIPTION_CLASS 0x07u
#define DESCRIPTION_REQUIRED 0x08u /* and without a default */
#define DESCRIPTION_REPEATED 0x10u

enum description_class description_class_of(ProtobufCType type);

/* Writes up to *size bytes; *size becomes how many there are. Errors: -ENOBUFS; -ENOMEM. */
int description_write(const struct plan *plan, uint8_t *buffer, size_t *size);

/* As evchan_proto_compare(). Errors: -EPROTO; -ENOMEM. */
int description_compare(enum evchan_proto_match *match, const struct plan *plan,
		const uint8_t *bytes, size_t size, char *why, size_t why_size);

#endif
