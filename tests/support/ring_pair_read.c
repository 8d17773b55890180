/* SPDX-License-Identifier: MIT */
/*
 * The reader's thread of a ring_pair: checks every record, keeps some of them for a
 * while, and sleeps when there is nothing.
 */

#include "ring_pair.h"

#define HOLDS 16 /* at once, at most */

/* A record that the reader keeps. */
struct kept {
	struct ring_hold hold;
	uint64_t number;
	const unsigned char *data;
	uint32_t size;
};

struct keeper {
	struct kept kept[HOLDS];
	unsigned count;
};

static void keep(struct pair *pair, struct keeper *keeper, const struct ring_view *view,
		uint64_t number)
{
	struct kept *kept = &keeper->kept[keeper->count++];

	kept->number = number;
	kept->data = view->data;
	kept->size = view->size;
	ring_reader_hold(&pair->reader, &kept->hold, view->position, view->size);
}

/* Whether it is still what it was. */
static bool let_go(struct pair *pair, struct keeper *keeper, unsigned which)
{
	struct kept *kept = &keeper->kept[which], *last = &keeper->kept[--keeper->count];
	bool is_whole = is_content(kept->data, kept->number, kept->size);

	ring_reader_unhold(&pair->reader, &kept->hold);
	if (kept != last) {
		/* The list has its address: another takes its place there. */
		*kept = *last;
		kept->hold.link.next->previous = &kept->hold.link;
		kept->hold.link.previous->next = &kept->hold.link;
	}
	return is_whole;
}

static unsigned oldest_kept(const struct keeper *keeper)
{
	unsigned oldest = 0;

	for (unsigned i = 1; i < keeper->count; i++)
		if (keeper->kept[i].number < keeper->kept[oldest].number)
			oldest = i;
	return oldest;
}

static bool reader_release(struct pair *pair, const struct keeper *keeper)
{
	struct ring_reader *reader = &pair->reader;

	if (ring_reader_release(reader))
		ring_other(&pair->reading, &pair->writing);
	return reader->head ==
			(keeper->count ? keeper->kept[oldest_kept(keeper)].hold.position
				       : reader->read);
}

/* A note is there before the record that was written after it. */
static bool is_announced(const struct pair *pair, uint64_t number)
{
	uint64_t note;
	size_t size = sizeof(note);

	if (!has_note(number))
		return true;
	return ring_reader_get_note(&pair->reader, (uint32_t)number, &note, &size) == 0 &&
			size == sizeof(note) && note == number;
}

/* Nothing there: gives back what could keep the writer from going on, then sleeps. */
static bool reader_wait(struct pair *pair, struct keeper *keeper)
{
	int r;

	while (keeper->count > 0)
		if (!let_go(pair, keeper, oldest_kept(keeper)))
			return false;
	if (!reader_release(pair, keeper))
		return false;
	r = ring_reader_arm(&pair->reader, 1);
	return r > 0 || (r == 0 && sleep_until_rung(&pair->reading));
}

/* Some are kept, and given back in any order. */
static bool keep_some(struct pair *pair, struct keeper *keeper,
		const struct ring_view *view, uint64_t number)
{
	struct end *own = &pair->reading;

	if (!pair->flow.holds)
		return true;
	if (keeper->count < HOLDS && one_in(own, 4))
		keep(pair, keeper, view, number);
	while (keeper->count > 0 && one_in(own, 3))
		if (!let_go(pair, keeper, (unsigned)(random_number(own) % keeper->count)))
			return false;
	return true;
}

/* Takes one record. Returns what went wrong, or NULL. */
static const char *take(
		struct pair *pair, struct keeper *keeper, const struct ring_view *view)
{
	uint64_t number = pair->reading.records++;

	if (!is_record(pair, view, number))
		return "another record was expected";
	if (!is_announced(pair, number))
		return "a note was missing";
	if (!keep_some(pair, keeper, view, number))
		return "a record changed while it was held";
	ring_reader_advance(&pair->reader, view->size);
	if (ring_reader_should_release(&pair->reader) && !reader_release(pair, keeper))
		return "the head is not at the oldest hold";
	return NULL;
}

/* Everything is given back, and the writer told. */
static const char *take_end(struct pair *pair, struct keeper *keeper)
{
	ring_reader_advance(&pair->reader, 0);
	while (keeper->count > 0)
		if (!let_go(pair, keeper, 0))
			return "a record changed while it was held";
	return reader_release(pair, keeper) ? NULL : "the head is not at the end";
}

void *ring_pair_read_all(void *arg)
{
	struct pair *pair = arg;
	struct end *own = &pair->reading;
	struct keeper keeper = { .count = 0 };
	const char *error = NULL;
	struct ring_view view;
	int r;

	while (!error) {
		r = ring_reader_next(&pair->reader, &view);
		if (r > 0 && is_end(&view, own->records)) {
			error = take_end(pair, &keeper);
			break;
		}
		if (r > 0)
			error = take(pair, &keeper, &view);
		else if (r < 0)
			error = "the ring makes no sense";
		else if (!reader_wait(pair, &keeper) || pair->writing.error)
			error = "was never rung, or a hold broke";
	}
	return error ? give_up(own, &pair->writing, error) : NULL;
}
