/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_PROTO_ARENA_H
#define EVCHAN_PROTO_ARENA_H

/*
 * Memory that is taken piece by piece and given back all at once. Structs and arrays grow from the low end of a chunk,
 * 8-aligned; strings from the high end, unaligned: so neither wastes room for the other.
 *
 * The limit is on what is taken, not on the chunks it comes from: whether a message fits must not depend on what
 * earlier messages, somebody else's maybe, have left behind.
 */

#include <stddef.h>

#include <evchan/proto.h>

struct arena_chunk {
	struct arena_chunk *next; /* older and, but for one, smaller */
	size_t usable;            /* bytes behind this header */
};

#define ARENA_CHUNK_HEADER ((sizeof(struct arena_chunk) + 7) & ~(size_t)7)

struct evchan_proto_arena {
	unsigned char *low; /* free is [low, high) of the newest chunk */
	unsigned char *high;
	struct arena_chunk *chunks;
	size_t room; /* of the newest chunk, what may be taken without crossing the limit */
	size_t spent;     /* taken from the others */
	size_t allocated; /* bytes of all chunks */
	size_t limit;
	int error; /* why the last one failed: -ENOMEM or -ENOBUFS */
};

/* Slow paths: another chunk. NULL: arena->error tells why. */
void *arena_take_low_slowly(struct evchan_proto_arena *arena, size_t size);
void *arena_take_high_slowly(struct evchan_proto_arena *arena, size_t size);

static inline size_t arena_free(const struct evchan_proto_arena *arena)
{
	return (size_t)(arena->high - arena->low);
}

/* Nothing of the newest chunk is taken. */
static inline void arena_rewind(struct evchan_proto_arena *arena)
{
	arena->low = (unsigned char *)arena->chunks + ARENA_CHUNK_HEADER;
	/* High may be anything, low must stay aligned below it. */
	arena->high = arena->low + arena->room;
}

/* As evchan_proto_arena_reset(). */
static inline void arena_reset(struct evchan_proto_arena *arena)
{
	if (arena->chunks && !arena->chunks->next)
		arena_rewind(arena);
	else
		evchan_proto_arena_reset(arena);
}

/* 8-aligned. `size` is not 0. */
static inline void *arena_take_low(struct evchan_proto_arena *arena, size_t size)
{
	size_t rounded = (size + 7) & ~(size_t)7;
	unsigned char *taken = arena->low;

	if (rounded < size || rounded > arena_free(arena))
		return arena_take_low_slowly(arena, size);
	arena->low += rounded;
	return taken;
}

/* Unaligned. `size` is not 0. */
static inline void *arena_take_high(struct evchan_proto_arena *arena, size_t size)
{
	if (size > arena_free(arena))
		return arena_take_high_slowly(arena, size);
	/* Low is 8-aligned and stays so whatever high is. */
	arena->high -= size;
	return arena->high;
}

#endif
