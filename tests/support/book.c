/* SPDX-License-Identifier: MIT */
/*
 * An entry counts when `count` has gone past it. A receiver killed before that has not
 * got the message, as far as anybody can tell, and the next one overwrites what it wrote.
 */

#include "book.h"

#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "scene.h"
#include "stream.h"

struct book *book_new(uint64_t room)
{
	struct book *book = scene_share(sizeof(*book) + room * sizeof(struct book_entry));

	book->room = room;
	return book;
}

void book_write(struct book *book, uint32_t receiver,
		const struct evchan_message *message)
{
	struct book_entry *entry = &book->entries[book->count];

	CHECK(book->count < book->room);
	entry->number = message->type; /* all are below 2^24 */
	entry->sequence = message->sequence;
	entry->receiver = receiver;
	entry->stream = stream_of(message->lane);
	entry->is_resumed = evchan_lane_resumed(message->lane);
	stream_check(message, entry->stream, entry->number);
	book->count++;
}

static void book_read_entry(struct book_reading *reading, const struct book_entry *entry,
		uint64_t window)
{
	uint64_t number = entry->number;
	uint64_t *sequence = &reading->sequences[number];

	if (entry->receiver == reading->receiver) {
		CHECK_EQUAL(number, reading->next);
	} else {
		CHECK(number <= reading->next);
		CHECK(reading->next - number <= window);
		/* Of an earlier receiver that admitted the lane nothing need be in the
		 * book. */
		CHECK(entry->is_resumed || reading->receiver == UINT32_MAX);
		reading->repeats += reading->next - number;
		reading->receiver = entry->receiver;
		reading->resumed_at = number;
	}
	if (*sequence == BOOK_NO_NUMBER)
		*sequence = entry->sequence;
	CHECK_EQUAL(entry->sequence, *sequence);
	CHECK(number == 0 || *sequence > reading->sequences[number - 1]);
	reading->next = number + 1;
}

struct book_reading book_read(
		const struct book *book, uint32_t stream, uint64_t count, uint64_t window)
{
	struct book_reading reading = { .receiver = UINT32_MAX };

	reading.sequences = malloc(count * sizeof(uint64_t));
	CHECK(reading.sequences);
	memset(reading.sequences, 0xff, count * sizeof(uint64_t));
	for (uint64_t i = 0; i < book->count; i++)
		if (book->entries[i].stream == stream)
			book_read_entry(&reading, &book->entries[i], window);
	CHECK_EQUAL(reading.next, count);
	free(reading.sequences);
	reading.sequences = NULL;
	return reading;
}
