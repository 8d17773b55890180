/* SPDX-License-Identifier: MIT */
/*
 * The receiver's end of a ring: what is not on the path of every message. That path is in the header.
 *
 * The constants in the sender's header are read once, here, and compared with what the hello said; after that
 * only the private copies count. A position handed over by a dead receiver (`resume`) is checked like any other:
 * it is the sender's word.
 */

#include "ring_reader.h"

#include <string.h>

static int ring_reader_make_page(struct ring_reader *reader, uint64_t resume)
{
	struct ring_page *page;
	int r;

	r = shared_memory_create(&reader->page_memory, shared_memory_page_size(), 0, 0);
	if (r < 0)
		return r;
	page = reader->page_memory.base;
	page->magic = RING_PAGE_MAGIC;
	page->version = RING_VERSION;
	page->header_size = (uint32_t)reader->page_memory.header_size;
	cursor_set(&page->head, resume);
	reader->page = page;
	reader->space.position = &page->head;
	return 0;
}

/* The header is mapped shared and hostile: each constant is copied once, then compared. */
static int ring_reader_check_constants(const struct ring_header *header, size_t header_size,
		uint64_t capacity, const uint8_t lane_id[16])
{
	struct ring_header copy;

	memcpy(&copy, header, offsetof(struct ring_header, tail));
	if (copy.magic != RING_HEADER_MAGIC || copy.version != RING_VERSION ||
			copy.header_size != header_size || copy.capacity != capacity ||
			memcmp(copy.lane_id, lane_id, sizeof(copy.lane_id)) != 0)
		return -EPROTO;
	return 0;
}

int ring_reader_init(struct ring_reader *reader, int fd, size_t header_size, uint64_t capacity,
		const uint8_t lane_id[16], uint64_t resume, unsigned flags, bool *own_fault)
{
	int r;

	memset(reader, 0, sizeof(*reader));
	reader->memory = (struct shared_memory)SHARED_MEMORY_NONE;
	reader->page_memory = (struct shared_memory)SHARED_MEMORY_NONE;
	list_init(&reader->holds);

	r = shared_memory_accept(&reader->memory, fd, header_size, (size_t)capacity, flags);
	*own_fault = r == -ENOMEM || r == -EAGAIN;
	if (r < 0)
		return r;
	reader->header = reader->memory.base;
	reader->data = shared_memory_data(&reader->memory);
	reader->capacity = capacity;
	r = ring_reader_check_constants(reader->header, header_size, capacity, lane_id);
	if (r < 0)
		goto fail;
	r = -EPROTO;
	if (resume % 8 || resume >= RING_POSITION_LIMIT)
		goto fail;
	reader->read = resume;
	reader->head = resume;
	reader->tail = resume;
	r = ring_reader_accept_tail(reader, cursor_observe(&reader->header->tail));
	if (r < 0)
		goto fail;
	*own_fault = true;
	r = ring_reader_make_page(reader, resume);
	if (r < 0)
		goto fail;
	reader->space.peer_wish = &reader->header->wake_at;
	reader->space.checked = resume;
	return 0;

fail:
	ring_reader_deinit(reader, NULL);
	return r;
}

void ring_reader_deinit(struct ring_reader *reader, struct disposal_account *account)
{
	shared_memory_deinit(&reader->memory, account);
	shared_memory_deinit(&reader->page_memory, NULL);
	reader->header = NULL;
	reader->data = NULL;
	reader->page = NULL;
	reader->space.peer_wish = NULL;
}

int ring_reader_page_fd(const struct ring_reader *reader)
{
	return reader->page_memory.fd;
}

void ring_reader_page_given_away(struct ring_reader *reader)
{
	shared_memory_close(&reader->page_memory);
}

bool ring_reader_release(struct ring_reader *reader)
{
	uint64_t head = reader->read;

	reader->unpublished = 0;
	if (!list_is_empty(&reader->holds))
		head = LIST_FIRST(&reader->holds, struct ring_hold, link)->position;
	/* `checked` is behind the head only if a ring is owed. */
	if (head == reader->head && reader->space.checked == head)
		return false;
	reader->head = head;
	return cursor_publish(&reader->space, head);
}

int ring_reader_arm(struct ring_reader *reader, uint64_t bytes)
{
	int r;

	r = ring_reader_accept_tail(reader, cursor_arm(&reader->page->wake_at, reader->read + bytes,
							    &reader->header->tail));
	if (r < 0)
		return r;
	return reader->tail > reader->read;
}

int ring_reader_close(struct ring_reader *reader)
{
	if (reader->is_closed)
		return 0;
	reader->is_closed = true;
	return ring_reader_accept_tail(reader, cursor_observe(&reader->header->tail));
}

uint64_t ring_reader_seen_tail(struct ring_reader *reader)
{
	/* What is wrong with it is found, and said, by the look that follows. */
	if (!reader->is_closed)
		(void)ring_reader_accept_tail(reader, cursor_observe(&reader->header->tail));
	return reader->tail;
}

uint64_t ring_reader_unread(struct ring_reader *reader)
{
	return ring_reader_seen_tail(reader) - reader->read;
}

void ring_reader_hold(struct ring_reader *reader, struct ring_hold *hold, uint64_t position,
		uint32_t size)
{
	hold->position = position;
	hold->bytes = ring_record_bytes(size);
	reader->held_bytes += hold->bytes;
	reader->held_messages++;
	list_append(&reader->holds, &hold->link);
}

void ring_reader_unhold(struct ring_reader *reader, struct ring_hold *hold)
{
	reader->held_bytes -= hold->bytes;
	reader->held_messages--;
	list_remove(&hold->link);
}

uint64_t ring_reader_fill(const struct ring_reader *reader)
{
	uint64_t tail = reader->is_closed ? reader->tail : cursor_get(&reader->header->tail);

	/* One that makes no sense ends the lane when it is read; until then the last good one counts. */
	if (tail < reader->tail || tail - reader->head > reader->capacity)
		tail = reader->tail;
	return tail - reader->head;
}

uint64_t ring_reader_times_full(const struct ring_reader *reader)
{
	return cursor_get(&reader->header->times_full);
}

int ring_reader_get_note(const struct ring_reader *reader, uint32_t key, void *buffer, size_t *size)
{
	const unsigned char *notes = (const unsigned char *)(reader->header + 1);
	size_t room = reader->memory.header_size - sizeof(struct ring_header);
	uint64_t end = cursor_observe(&reader->header->notes_end);
	uint64_t at = 0;

	if (end > room || end % 8)
		return -EPROTO;
	while (at < end) {
		uint32_t note_size, note_key;

		cursor_record_load((const struct ring_record *)(const void *)(notes + at),
				&note_size, &note_key);
		if (ring_record_bytes(note_size) > end - at)
			return -EPROTO;
		if (note_key == key) {
			bool fits = note_size <= *size;

			*size = note_size;
			if (fits && note_size)
				memcpy(buffer, notes + at + RING_RECORD_HEADER, note_size);
			return fits ? 0 : -ENOBUFS;
		}
		at += ring_record_bytes(note_size);
	}
	return -ENOENT;
}
