/* SPDX-License-Identifier: MIT */

/*
 * What the bridge knows of one lane: whose it is, and what its types are called.
 *
 * A typed sender describes each type in a note before its first message of it (docs/protobuf.md, section 3). The bridge
 * reads no more of that than the name, which is what the description begins with, and a hash of the whole: it needs no
 * protobuf to pass protobuf on.
 *
 * A type is looked up once per lane and then remembered, whether it was described or not, in an array that is bounded: a
 * hostile sender may use four thousand million types, and behind TYPES_MAX they are looked up each time. What has no
 * description when its first message comes gets none later.
 */

#include "source.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TYPES_MAX 64
#define DESCRIPTION_VERSION 1
#define DESCRIPTION_MAX 65536

struct source *source_new(struct evchan_lane *lane)
{
	struct source *source = calloc(1, sizeof(*source));

	if (!source)
		return NULL;
	source->lane = lane;
	source->uid = evchan_lane_peer(lane).uid;
	evchan_lane_id(lane, source->id);
	evchan_lane_set_data(lane, source);
	return source;
}

void source_free(struct source *source)
{
	if (!source)
		return;
	free(source->types);
	free(source);
}

/* A varint of at most two bytes: neither names nor numbers of types need more here. Returns its length or 0. */
static size_t read_varint(const uint8_t *bytes, size_t size, size_t *value)
{
	if (size < 1)
		return 0;
	*value = bytes[0] & 0x7fu;
	if (!(bytes[0] & 0x80))
		return 1;
	if (size < 2 || bytes[1] & 0x80)
		return 0;
	*value |= (size_t)bytes[1] << 7;
	return 2;
}

/* Whether it is a name as protobuf allows it. */
static bool is_name(const uint8_t *bytes, size_t size)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWX"
				      "YZ0123456789_.";

	for (size_t i = 0; i < size; i++)
		if (!bytes[i] || !strchr(allowed, bytes[i]))
			return false;
	return size > 0 && !(bytes[0] >= '0' && bytes[0] <= '9');
}

/* The name at the beginning of a description. */
static bool read_name(char name[TYPE_NAME_MAX + 1], const uint8_t *bytes, size_t size)
{
	size_t at = 1, length, step;

	if (size < 1 || bytes[0] != DESCRIPTION_VERSION)
		return false;
	step = read_varint(bytes + at, size - at, &length);
	if (step == 0)
		return false;
	at += step;
	step = read_varint(bytes + at, size - at, &length);
	if (step == 0)
		return false;
	at += step;
	if (length > TYPE_NAME_MAX || length > size - at || !is_name(bytes + at, length))
		return false;
	memcpy(name, bytes + at, length);
	name[length] = '\0';
	return true;
}

/* Fills in what the note says, if there is one. The bytes were copied, so the sender cannot change them now. */
static void read_description(struct source_type *type, const struct evchan_lane *lane)
{
	size_t size = 0;
	uint8_t *bytes;

	if (evchan_lane_get_note(lane, type->type, NULL, &size) == -ENOENT || size == 0 ||
			size > DESCRIPTION_MAX)
		return;
	bytes = malloc(size);
	if (!bytes)
		return;
	if (evchan_lane_get_note(lane, type->type, bytes, &size) == 0 &&
			read_name(type->name, bytes, size)) {
		schema_signature(type->signature, bytes, size);
		type->is_described = true;
	}
	free(bytes);
}

/* The place of a type that is asked for the first time, or, behind the bound, the last place. */
static struct source_type *new_type(struct source *source)
{
	struct source_type *types;

	if (source->type_count == TYPES_MAX)
		return &source->types[TYPES_MAX - 1];
	types = reallocarray(source->types, source->type_count + 1, sizeof(*types));
	if (!types)
		return NULL;
	source->types = types;
	return &types[source->type_count++];
}

const struct source_type *source_type(struct source *source, uint32_t number)
{
	struct source_type *type;

	if (source->type_count > 0 && source->types[source->last_type].type == number)
		return &source->types[source->last_type];
	for (size_t i = 0; i < source->type_count; i++)
		if (source->types[i].type == number) {
			source->last_type = i;
			return &source->types[i];
		}
	type = new_type(source);
	if (!type)
		return NULL;
	*type = (struct source_type){ .type = number };
	snprintf(type->name, sizeof(type->name), "%" PRIu32, number);
	read_description(type, source->lane);
	source->last_type = (size_t)(type - source->types);
	return type;
}
