/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_EXAMPLES_SNAPSHOT_H
#define EVCHAN_EXAMPLES_SNAPSHOT_H

/* What evchan-top and evchan-stat have seen of a receiver: its lanes at one time, and what changed since the time before. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <evchan/observe.h>

#define SEEN_LABEL_MAX 63

struct seen_lane {
	uint64_t number;
	struct evchan_peer peer;
	enum evchan_lane_state state;
	uint32_t flags;
	uint64_t capacity;
	char label[SEEN_LABEL_MAX + 1];
	struct evchan_lane_stats stats;
	/* In a second since the snapshot before; negative: it was not in that one. */
	double messages_rate;
	double bytes_rate;
	double wakeups_rate;
};

/* All zero at first. */
struct snapshot {
	struct seen_lane *lanes; /* in the order of their numbers, as they are told */
	size_t count;
	size_t room;
	struct evchan_peer receiver;
	struct evchan_receiver_stats totals;
	double messages_rate; /* as above */
	double bytes_rate;
	double wakeups_rate;
	bool is_whole;
};

/* Adds a lane. Errors: -ENOMEM. */
int snapshot_add(struct snapshot *snapshot, const struct evchan_observed_lane *lane);

/* All lanes are there: works out the rates since `before`, which may be empty. */
void snapshot_finish(struct snapshot *snapshot,
		const struct evchan_receiver_stats *totals,
		const struct snapshot *before);

/* Makes it empty; memory is kept for the next one. */
void snapshot_clear(struct snapshot *snapshot);
void snapshot_deinit(struct snapshot *snapshot);

/* ---- Order -------------------------------------------------------------------------- */

/* A key by its name: its number, from 0 on; -1: there is none of this name. */
int sort_key_find(const char *name);
/* NULL: there are no more. */
const char *sort_key_name(int key);
#define SORT_KEY_MESSAGES 0

/* Pointers to the lanes in this order, in memory of malloc(3); NULL: out of memory. */
const struct seen_lane **snapshot_sorted(
		const struct snapshot *snapshot, int key, bool reversed);

/* ---- Text ----------------------------------------------------------------------------- */

/* One JSON object and a newline. `address` is what the user called it. */
void snapshot_print_json(
		FILE *file, const struct snapshot *snapshot, const char *address);

/* One line of name=value for each lane, and one for the receiver. */
void snapshot_print_lines(FILE *file, const struct snapshot *snapshot, bool only_totals);

/* A table of at most `rows` lines and `columns` columns (0: no limit), whose first column says how it is sorted.
 * `clear` ends each line, `bold` and `plain` are around headings: control sequences, or "". */
struct table_style {
	unsigned rows;
	unsigned columns;
	int key;
	bool reversed;
	const char *clear;
	const char *bold;
	const char *plain;
};
void snapshot_print_table(FILE *file, const struct snapshot *snapshot,
		const char *address, const struct table_style *style);

#endif
