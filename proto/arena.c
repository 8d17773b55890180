/* SPDX-License-Identifier: MIT */
/*
 * Chunks of an arena. Each new chunk is twice as large as all before it together, so that after a reset, which keeps
 * the largest only, the same amount fits after one more allocation at the most, and from then on without any.
 *
 * No chunk has more than a header beyond the limit. As each doubles what there is, all together have at most two and
 * a half times as much.
 */

#include "arena.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

#define CHUNK_MIN ((size_t)4096)
#define LIMIT_DEFAULT ((size_t)64 << 20)

/* What a new chunk shall have, to hold `size` bytes now and as much more as seems wise, but not more than `left`. */
static size_t choose_usable(
		const struct evchan_proto_arena *arena, size_t size, size_t left)
{
	size_t usable = CHUNK_MIN - ARENA_CHUNK_HEADER;

	if (arena->allocated > SIZE_MAX / 4)
		usable = left;
	else if (2 * arena->allocated > usable)
		usable = 2 * arena->allocated;
	if (usable < size)
		usable = size;
	return usable < left ? usable : left;
}

/* A chunk that has room for `size` bytes. Whether it could be had. */
static bool add_chunk(struct evchan_proto_arena *arena, size_t size)
{
	size_t used = evchan_proto_arena_used(arena);
	size_t left = arena->limit - used, usable;
	struct arena_chunk *chunk;

	arena->error = -ENOBUFS;
	if (size > left)
		return false;
	usable = choose_usable(arena, size, left);
	arena->error = -ENOMEM;
	if (usable > SIZE_MAX / 2)
		return false;
	chunk = malloc(ARENA_CHUNK_HEADER + usable);
	if (!chunk)
		return false;
	chunk->usable = usable;
	chunk->next = arena->chunks;
	arena->chunks = chunk;
	arena->allocated += ARENA_CHUNK_HEADER + usable;
	arena->spent = used;
	arena->room = usable;
	arena_rewind(arena);
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

/* Frees all chunks but the largest. */
static struct arena_chunk *keep_largest(struct arena_chunk *chunks)
{
	struct arena_chunk *kept = chunks, *chunk, *next;

	for (chunk = chunks->next; chunk; chunk = chunk->next)
		if (chunk->usable > kept->usable)
			kept = chunk;
	for (chunk = chunks; chunk; chunk = next) {
		next = chunk->next;
		if (chunk != kept)
			free(chunk);
	}
	kept->next = NULL;
	return kept;
}

void evchan_proto_arena_reset(struct evchan_proto_arena *arena)
{
	struct arena_chunk *kept = arena->chunks;

	if (!kept)
		return;
	if (kept->next) {
		kept = keep_largest(kept);
		arena->chunks = kept;
		arena->allocated = ARENA_CHUNK_HEADER + kept->usable;
		arena->room = kept->usable;
		arena->spent = 0;
	}
	arena_rewind(arena);
}

size_t evchan_proto_arena_used(const struct evchan_proto_arena *arena)
{
	return arena->spent + arena->room - arena_free(arena);
}

size_t evchan_proto_arena_allocated(const struct evchan_proto_arena *arena)
{
	return arena->allocated;
}
