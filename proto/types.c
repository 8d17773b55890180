/* SPDX-License-Identifier: MIT */
/*
 * Sets of types. A set grows until its first use and is read-only from then on, which is why threads can share it without a
 * lock: handing the pointer to another thread orders what was written before.
 */

#include "types.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "description.h"

/* FNV-1a, 32 bits (draft-eastlake-fnv). Part of the wire format: docs/protobuf.md. */
uint32_t evchan_proto_name_id(const char *full_name)
{
	uint32_t hash = 2166136261u;

	for (const unsigned char *at = (const unsigned char *)full_name; *at; at++)
		hash = (hash ^ *at) * 16777619u;
	/* 0 stands for "not chosen", the highest belong to the library. */
	if (hash == 0)
		return 1;
	return hash < EVCHAN_TYPE_RESERVED ? hash : hash & 0x7fffffffu;
}

int evchan_proto_types_new(struct evchan_proto_types **out)
{
	struct evchan_proto_types *types = calloc(1, sizeof(*types));

	if (!types)
		return -ENOMEM;
	atomic_init(&types->references, 1);
	atomic_init(&types->is_frozen, false);
	*out = types;
	return 0;
}

void evchan_proto_types_free(struct evchan_proto_types *types)
{
	if (!types ||
			atomic_fetch_sub_explicit(
					&types->references, 1, memory_order_acq_rel) > 1)
		return;
	plan_table_deinit(&types->plans);
	free(types->types);
	free(types);
}

void types_use(struct evchan_proto_types *types)
{
	atomic_fetch_add_explicit(&types->references, 1, memory_order_relaxed);
	types_freeze(types);
}

/* Where `id` is, or belongs. */
static size_t place_of(const struct evchan_proto_types *types, uint32_t id)
{
	size_t low = 0, high = types->count;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (types->types[middle].id < id)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

const struct known_type *types_by_id(const struct evchan_proto_types *types, uint32_t id)
{
	size_t place = place_of(types, id);

	return place < types->count && types->types[place].id == id ? &types->types[place]
								    : NULL;
}

const struct known_type *types_by_descriptor(const struct evchan_proto_types *types,
		const ProtobufCMessageDescriptor *descriptor)
{
	for (size_t i = 0; i < types->count; i++)
		if (types->types[i].plan->descriptor == descriptor)
			return &types->types[i];
	return NULL;
}

static int choose_id(uint32_t *id, const ProtobufCMessageDescriptor *descriptor)
{
	if (!descriptor || descriptor->magic != PROTOBUF_C__MESSAGE_DESCRIPTOR_MAGIC)
		return -EINVAL;
	if (*id == 0 && descriptor->name && descriptor->name[0])
		*id = evchan_proto_name_id(descriptor->name);
	return *id == 0 || *id >= EVCHAN_TYPE_RESERVED ? -EINVAL : 0;
}

int evchan_proto_types_add(struct evchan_proto_types *types,
		const ProtobufCMessageDescriptor *descriptor, uint32_t id)
{
	struct known_type *grown;
	const struct plan *plan;
	size_t place;
	int r;

	if (atomic_load_explicit(&types->is_frozen, memory_order_relaxed))
		return -EBUSY;
	r = choose_id(&id, descriptor);
	if (r < 0)
		return r;
	if (types_by_id(types, id) || types_by_descriptor(types, descriptor))
		return -EEXIST;
	grown = realloc(types->types, (types->count + 1) * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	types->types = grown;
	r = plan_table_add(&types->plans, &plan, descriptor);
	if (r < 0)
		return r;
	place = place_of(types, id);
	memmove(grown + place + 1, grown + place,
			(types->count - place) * sizeof(*grown));
	grown[place] = (struct known_type){ id, plan };
	types->count++;
	return 0;
}

uint32_t evchan_proto_types_id(const struct evchan_proto_types *types,
		const ProtobufCMessageDescriptor *descriptor)
{
	const struct known_type *known = types_by_descriptor(types, descriptor);

	return known ? known->id : 0;
}

const ProtobufCMessageDescriptor *evchan_proto_types_find(
		const struct evchan_proto_types *types, uint32_t id)
{
	const struct known_type *known = types_by_id(types, id);

	return known ? known->plan->descriptor : NULL;
}

/* ---- Descriptions ------------------------------------------------------------------- */

int evchan_proto_describe(const struct evchan_proto_types *types,
		const ProtobufCMessageDescriptor *descriptor, void *buffer, size_t *size)
{
	const struct known_type *known = types_by_descriptor(types, descriptor);

	return known ? description_write(known->plan, buffer, size) : -ENOENT;
}

int evchan_proto_compare(enum evchan_proto_match *match,
		const struct evchan_proto_types *types,
		const ProtobufCMessageDescriptor *descriptor, const void *description,
		size_t size, char *why, size_t why_size)
{
	const struct known_type *known = types_by_descriptor(types, descriptor);

	if (!known)
		return -ENOENT;
	return description_compare(match, known->plan, description, size, why, why_size);
}
