/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_TESTS_FUZZ_RING_MEMORY_H
#define EVCHAN_TESTS_FUZZ_RING_MEMORY_H

/*
 * A sender's memory, for targets that are the sender. It is made once, because that takes long, and is as new
 * for each input.
 */

#include "fuzz.h"
#include "ring_reader.h"

struct ring_memory {
	struct shared_memory memory;
	struct ring_header *header;
	unsigned char *data;
};

static const uint8_t ring_memory_id[16] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14,
	15, 16 };

/* One page of header and one of data; or, `is_large`, two and four. */
static inline struct ring_memory *ring_memory_new(bool is_large)
{
	static struct ring_memory both[2];
	struct ring_memory *ring = &both[is_large];
	size_t page = shared_memory_page_size();

	if (!ring->header) {
		FUZZ_CHECK(shared_memory_create(&ring->memory, is_large ? 2 * page : page,
					   is_large ? 4 * page : page, 0) == 0);
		ring->header = ring->memory.base;
		ring->data = shared_memory_data(&ring->memory);
	}
	memset(ring->memory.base, 0, ring->memory.header_size + ring->memory.data_size);
	ring->header->magic = RING_HEADER_MAGIC;
	ring->header->version = RING_VERSION;
	ring->header->header_size = (uint32_t)ring->memory.header_size;
	ring->header->capacity = ring->memory.data_size;
	memcpy(ring->header->lane_id, ring_memory_id, sizeof(ring_memory_id));
	return ring;
}

static inline int ring_memory_read(struct ring_reader *reader,
		const struct ring_memory *ring, uint64_t resume, bool *own_fault)
{
	return ring_reader_init(reader, ring->memory.fd, ring->memory.header_size,
			ring->memory.data_size, ring_memory_id, resume, 0, own_fault);
}

static inline struct ring_record *ring_memory_record(
		const struct ring_memory *ring, uint64_t position)
{
	return (struct ring_record *)(void *)(ring->data +
			(position & (ring->memory.data_size - 8)));
}

static inline struct ring_record *ring_memory_note(
		const struct ring_memory *ring, uint64_t offset)
{
	size_t room = ring->memory.header_size - sizeof(struct ring_header);

	return (struct ring_record *)(void *)((unsigned char *)(ring->header + 1) +
			offset % room / 8 * 8);
}

#endif
