/* SPDX-License-Identifier: MIT */
/*
 * The sender's end of a ring: what is not on the path of every message. That path is in the header.
 *
 * The receiver's page comes and goes; the ring stays. What was released under one receiver is remembered in
 * `head` and offered to the next as the position to resume at, so a detach takes one last look
 * at the dead receiver's page. Its kernel mapping is ours: no death can take it away.
 */

#include "ring_writer.h"

#include <errno.h>
#include <string.h>

/* Whole pages, and a power of two: what a hello may announce. */
static size_t header_size_for(size_t notes)
{
	size_t size = shared_memory_page_size();

	while (size - sizeof(struct ring_header) < notes)
		size *= 2;
	return size;
}

int ring_writer_init(struct ring_writer *writer, uint64_t capacity, size_t notes,
		const uint8_t lane_id[16], unsigned flags)
{
	struct ring_header *header;
	int r;

	memset(writer, 0, sizeof(*writer));
	writer->memory = (struct shared_memory)SHARED_MEMORY_NONE;
	writer->page_memory = (struct shared_memory)SHARED_MEMORY_NONE;
	r = shared_memory_create(&writer->memory, header_size_for(notes), (size_t)capacity, flags);
	if (r < 0)
		return r;
	header = writer->memory.base;
	header->magic = RING_HEADER_MAGIC;
	header->version = RING_VERSION;
	header->header_size = (uint32_t)writer->memory.header_size;
	header->capacity = capacity;
	memcpy(header->lane_id, lane_id, sizeof(header->lane_id));
	writer->header = header;
	writer->data = shared_memory_data(&writer->memory);
	writer->capacity = capacity;
	writer->tail.position = &header->tail;
	return 0;
}

void ring_writer_deinit(struct ring_writer *writer)
{
	shared_memory_deinit(&writer->page_memory, NULL);
	shared_memory_deinit(&writer->memory, NULL);
	writer->header = NULL;
	writer->page = NULL;
	writer->tail.peer_wish = NULL;
}

int ring_writer_attach(struct ring_writer *writer, int page_fd, size_t header_size)
{
	struct shared_memory memory = SHARED_MEMORY_NONE;
	const struct ring_page *page;
	int r;

	r = shared_memory_accept(&memory, page_fd, header_size, 0, 0);
	if (r < 0)
		return r;
	page = memory.base;
	r = -EPROTO;
	if (page->magic != RING_PAGE_MAGIC || page->version != RING_VERSION ||
			page->header_size != header_size)
		goto fail;
	r = ring_writer_accept_head(writer, cursor_observe(&page->head));
	if (r < 0)
		goto fail;
	writer->page_memory = memory;
	writer->page = page;
	writer->tail.peer_wish = &page->wake_at;
	/* So that the first look covers all that was published before there was a wish. */
	writer->tail.checked = writer->head;
	return 0;

fail:
	shared_memory_deinit(&memory, NULL);
	return r;
}

void ring_writer_detach(struct ring_writer *writer)
{
	if (!writer->page)
		return;
	/* A last head that is impossible is not taken: the next receiver starts from the last
	 * good one, and repeats rather than loses. */
	(void)ring_writer_observe(writer);
	writer->page = NULL;
	writer->tail.peer_wish = NULL;
	shared_memory_deinit(&writer->page_memory, NULL);
}

int ring_writer_arm(struct ring_writer *writer, uint64_t position)
{
	int r;

	if (!writer->page)
		return writer->head >= position;
	r = ring_writer_accept_head(writer,
			cursor_arm(&writer->header->wake_at, position, &writer->page->head));
	if (r < 0)
		return r;
	return writer->head >= position;
}

void ring_writer_tell_times_full(struct ring_writer *writer, uint64_t times)
{
	cursor_set(&writer->header->times_full, times);
}

/* Our own words: nobody else can write them. */
static bool ring_writer_has_note(const struct ring_writer *writer, uint32_t key)
{
	const unsigned char *at = (const unsigned char *)(writer->header + 1);
	const unsigned char *end = at + cursor_get(&writer->header->notes_end);
	uint32_t size, other;

	for (; at < end; at += ring_record_bytes(size)) {
		cursor_record_load((const struct ring_record *)(const void *)at, &size, &other);
		if (other == key)
			return true;
	}
	return false;
}

int ring_writer_add_note(struct ring_writer *writer, uint32_t key, const void *data, size_t size)
{
	size_t room = writer->memory.header_size - sizeof(struct ring_header);
	size_t used = (size_t)cursor_get(&writer->header->notes_end);
	unsigned char *at = (unsigned char *)(writer->header + 1) + used;

	if (ring_writer_has_note(writer, key))
		return -EEXIST;
	if (size > room || ring_record_bytes(size) > room - used)
		return -ENOSPC;
	cursor_record_store((struct ring_record *)(void *)at, (uint32_t)size, key);
	if (size)
		memcpy(at + RING_RECORD_HEADER, data, size);
	cursor_set_after(&writer->header->notes_end, used + ring_record_bytes(size));
	return 0;
}
