/* SPDX-License-Identifier: MIT */

/*
 * Snapshots of a receiver, and what has changed between two.
 *
 * Lanes are told in the order of their numbers, which are never used again, so two snapshots are compared like two
 * sorted lists. The time that has passed between them is taken from the ages that the receiver tells with each lane: a
 * large receiver makes a snapshot over many turns of its loop, and the observer's own clock would not know when.
 */

#include "snapshot.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "system.h"

int snapshot_add(struct snapshot *snapshot, const struct evchan_observed_lane *lane)
{
	struct seen_lane *seen;

	if (snapshot->count == snapshot->room) {
		size_t room = snapshot->room ? 2 * snapshot->room : 64;
		struct seen_lane *lanes = system_reallocarray(
				snapshot->lanes, room, sizeof(*lanes));

		if (!lanes)
			return -ENOMEM;
		snapshot->lanes = lanes;
		snapshot->room = room;
	}
	seen = &snapshot->lanes[snapshot->count++];
	*seen = (struct seen_lane){
		.number = lane->number,
		.peer = lane->peer,
		.state = lane->state,
		.flags = lane->flags,
		.capacity = lane->capacity,
		.stats = *lane->stats,
	};
	snprintf(seen->label, sizeof(seen->label), "%s", lane->label);
	return 0;
}

void snapshot_clear(struct snapshot *snapshot)
{
	struct seen_lane *lanes = snapshot->lanes;
	size_t room = snapshot->room;

	*snapshot = (struct snapshot){ .lanes = lanes, .room = room };
}

void snapshot_deinit(struct snapshot *snapshot)
{
	free(snapshot->lanes);
	*snapshot = (struct snapshot){ 0 };
}

/* ---- Rates ---------------------------------------------------------------------------- */

/* Counters only ever rise. One that does not is a stranger's joke, and counts as none. */
static double rate(uint64_t now, uint64_t before, uint64_t milliseconds)
{
	if (milliseconds == 0 || now < before)
		return 0;
	return (double)(now - before) * 1000 / (double)milliseconds;
}

static void lane_set_rates(struct seen_lane *lane, const struct seen_lane *before)
{
	const struct evchan_lane_stats *now = &lane->stats, *then = &before->stats;
	uint64_t passed = now->age > then->age ? now->age - then->age : 0;

	lane->messages_rate = rate(now->messages, then->messages, passed);
	lane->bytes_rate = rate(now->bytes, then->bytes, passed);
	lane->wakeups_rate = rate(now->wakeups, then->wakeups, passed);
}

static void lanes_set_rates(struct snapshot *snapshot, const struct snapshot *before)
{
	const struct seen_lane *old = before->lanes, *end = old + before->count;

	for (size_t i = 0; i < snapshot->count; i++) {
		struct seen_lane *lane = &snapshot->lanes[i];

		lane->messages_rate = lane->bytes_rate = lane->wakeups_rate = -1;
		while (old < end && old->number < lane->number)
			old++;
		if (old < end && old->number == lane->number)
			lane_set_rates(lane, old);
	}
}

void snapshot_finish(struct snapshot *snapshot,
		const struct evchan_receiver_stats *totals, const struct snapshot *before)
{
	const struct evchan_receiver_stats *then = &before->totals;
	uint64_t passed = totals->age > then->age ? totals->age - then->age : 0;
	/* A receiver that is younger than what was seen before is another. */
	bool is_same = before->is_whole &&
			before->receiver.pid == snapshot->receiver.pid &&
			totals->age >= then->age;
	static const struct snapshot none;

	snapshot->totals = *totals;
	snapshot->is_whole = true;
	lanes_set_rates(snapshot, is_same ? before : &none);
	snapshot->messages_rate =
			is_same ? rate(totals->messages, then->messages, passed) : -1;
	snapshot->bytes_rate = is_same ? rate(totals->bytes, then->bytes, passed) : -1;
	snapshot->wakeups_rate =
			is_same ? rate(totals->wakeups, then->wakeups, passed) : -1;
}

/* ---- Order -------------------------------------------------------------------------------- */

/* What is most comes first, but for names and numbers. */
#define BY_MOST(name, member) \
	static int by_##name(const struct seen_lane *a, const struct seen_lane *b) \
	{ \
		return (a->member < b->member) - (a->member > b->member); \
	}
#define BY_LEAST(name, member) \
	static int by_##name(const struct seen_lane *a, const struct seen_lane *b) \
	{ \
		return (a->member > b->member) - (a->member < b->member); \
	}

BY_MOST(messages, messages_rate)
BY_MOST(bytes, bytes_rate)
BY_MOST(full, stats.times_full)
BY_MOST(wakeups, wakeups_rate)
BY_MOST(held, stats.held_messages)
BY_MOST(age, stats.age)
BY_LEAST(pid, peer.pid)
BY_LEAST(uid, peer.uid)
BY_LEAST(lane, number)

static double share(uint64_t part, uint64_t whole)
{
	return whole ? (double)part / (double)whole : 0;
}

static int by_fill(const struct seen_lane *a, const struct seen_lane *b)
{
	double left = share(a->stats.fill, a->capacity),
	       right = share(b->stats.fill, b->capacity);

	return (left < right) - (left > right);
}

static int by_peak(const struct seen_lane *a, const struct seen_lane *b)
{
	double left = share(a->stats.deepest_fill, a->capacity);
	double right = share(b->stats.deepest_fill, b->capacity);

	return (left < right) - (left > right);
}

static int by_label(const struct seen_lane *a, const struct seen_lane *b)
{
	return strcmp(a->label, b->label);
}

static const struct sort_key {
	const char *name;
	int (*compare)(const struct seen_lane *a, const struct seen_lane *b);
} sort_keys[] = {
	[SORT_KEY_MESSAGES] = { "messages", by_messages },
	{ "bytes", by_bytes },
	{ "fill", by_fill },
	{ "peak", by_peak },
	{ "full", by_full },
	{ "wakeups", by_wakeups },
	{ "held", by_held },
	{ "age", by_age },
	{ "pid", by_pid },
	{ "uid", by_uid },
	{ "label", by_label },
	{ "lane", by_lane },
};
#define SORT_KEYS ((int)(sizeof(sort_keys) / sizeof(sort_keys[0])))

const char *sort_key_name(int key)
{
	return key >= 0 && key < SORT_KEYS ? sort_keys[key].name : NULL;
}

int sort_key_find(const char *name)
{
	for (int key = 0; key < SORT_KEYS; key++)
		if (strcmp(sort_keys[key].name, name) == 0)
			return key;
	return -1;
}

/* For compare(): each system has a sort with an argument of its own. */
static struct order {
	int key;
	bool reversed;
} order;

/* Lanes that are equal come in the order of their numbers, so that lines do not jump about. */
static int compare(const void *left, const void *right)
{
	const struct seen_lane *const *a = left, *const *b = right;
	int r = sort_keys[order.key].compare(*a, *b);

	if (r == 0)
		return by_lane(*a, *b);
	return order.reversed ? -r : r;
}

const struct seen_lane **snapshot_sorted(
		const struct snapshot *snapshot, int key, bool reversed)
{
	const struct seen_lane **sorted = calloc(snapshot->count + 1, sizeof(*sorted));

	if (!sorted)
		return NULL;
	for (size_t i = 0; i < snapshot->count; i++)
		sorted[i] = &snapshot->lanes[i];
	order = (struct order){ key, reversed };
	qsort(sorted, snapshot->count, sizeof(*sorted), compare);
	return sorted;
}
