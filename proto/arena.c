/* SPDX-License-Identifier: MIT */
/*
 * Chunks of an arena. Each new chunk is twice as large as all before it together, so that after a reset, which keeps the largest
 * only, the same amount fits after one more allocation at the most, and from then on without any.
 */

#include "arena.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

#define CHUNK_HEADER ((sizeof(struct arena_chunk) + 7) & ~(size_t)7)
#define CHUNK_MIN ((size_t)4096)
#define LIMIT_DEFAULT ((size_t)64 << 20)

static void use_chunk(struct evchan_proto_arena *arena, struct arena_chunk *chunk)
{
	arena->low = (unsigned char *)chunk + CHUNK_HEADER;
	/* High may be anything, low must stay aligned below it. */
	arena->high = (unsigned char *)chunk + chunk->size;
}

/* A chunk that has room for `size` bytes. Whether it could be had. */
static bool add_chunk(struct evchan_proto_arena *arena, size_t size)
{
	size_t left = arena->limit - arena->allocated;
	size_t wanted = arena->allocated > CHUNK_MIN / 2 ? 2 * arena->allocated : CHUNK_MIN;
	struct arena_chunk *chunk;

	arena->error = -ENOBUFS;
	if (left < CHUNK_HEADER || size > left - CHUNK_HEADER)
		return false;
	if (wanted < size + CHUNK_HEADER)
		wanted = size + CHUNK_HEADER;
	if (wanted > left)
		wanted = left;
	chunk = malloc(wanted);
	arena->error = -ENOMEM;
	if (!chunk)
		return false;
	chunk->size = wanted;
	chunk->next = arena->chunks;
	arena->chunks = chunk;
	arena->allocated += wanted;
	use_chunk(arena, chunk);
	return true;
}

void *arena_take_low_slowly(struct evchan_proto_arena *arena, size_t size)
{
	if (size > SIZE_MAX / 2) {
		arena->error = -ENOBUFS;
		return NULL;
	}
	size = (size + 7) & ~(size_t)7;
	return add_chunk(arena, size) ? arena_take_low(arena, size) : NULL;
}

void *arena_take_high_slowly(struct evchan_proto_arena *arena, size_t size)
{
	return add_chunk(arena, size) ? arena_take_high(arena, size) : NULL;
}

int evchan_proto_arena_new(struct evchan_proto_arena **out, size_t limit)
{
	struct evchan_proto_arena *arena = calloc(1, sizeof(*arena));

	if (!arena)
		return -ENOMEM;
	arena->limit = limit ? limit : LIMIT_DEFAULT;
	*out = arena;
	return 0;
}

void evchan_proto_arena_free(struct evchan_proto_arena *arena)
{
	struct arena_chunk *chunk;

	if (!arena)
		return;
	while ((chunk = arena->chunks)) {
		arena->chunks = chunk->next;
		free(chunk);
	}
	free(arena);
}

void evchan_proto_arena_reset(struct evchan_proto_arena *arena)
{
	struct arena_chunk *kept = arena->chunks, *chunk, *next;

	if (!kept)
		return;
	if (!kept->next) {
		use_chunk(arena, kept);
		return;
	}
	for (chunk = kept->next; chunk; chunk = chunk->next)
		if (chunk->size > kept->size)
			kept = chunk;
	for (chunk = arena->chunks; chunk; chunk = next) {
		next = chunk->next;
		if (chunk != kept)
			free(chunk);
	}
	kept->next = NULL;
	arena->chunks = kept;
	arena->allocated = kept->size;
	use_chunk(arena, kept);
}

size_t evchan_proto_arena_used(const struct evchan_proto_arena *arena)
{
	return arena->allocated - (size_t)(arena->high - arena->low);
}

size_t evchan_proto_arena_allocated(const struct evchan_proto_arena *arena)
{
	return arena->allocated;
}
