/* SPDX-License-Identifier: MIT */

/*
 * Snapshots as a table. Each line is made in memory first and cut to the width of the terminal there, by characters:
 * a line that is too long would push all others out of place.
 */

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "receive_output.h"
#include "snapshot.h"

#define LINE_ROOM 1024
#define NUMBER_ROOM 24
/* Lines above the lanes. */
#define HEADING_LINES 4

struct number {
	char text[NUMBER_ROOM];
};

/* Four digits and a letter for a power of `step`, or "-" for what is not known. */
static struct number short_number(double value, double step)
{
	static const char letters[] = "\0KMGTPE";
	const char *letter = letters;
	struct number number;

	if (value < 0)
		return (struct number){ "-" };
	/* What would be rounded up to a fifth digit takes the next letter. */
	while (value >= 9999.5 && letter < letters + sizeof(letters) - 2) {
		value /= step;
		letter++;
	}
	if (letter == letters || value >= 99.95)
		snprintf(number.text, sizeof(number.text), "%.0f%.1s", value, letter);
	else
		snprintf(number.text, sizeof(number.text), "%.1f%.1s", value, letter);
	return number;
}

static struct number megabytes(double bytes)
{
	struct number number;

	if (bytes < 0)
		return (struct number){ "-" };
	snprintf(number.text, sizeof(number.text), bytes < 99.95e6 ? "%.2f" : "%.1f",
			bytes / 1e6);
	return number;
}

static struct number percent(uint64_t part, uint64_t whole)
{
	struct number number;

	snprintf(number.text, sizeof(number.text), "%.0f%%",
			whole ? 100 * (double)part / (double)whole : 0);
	return number;
}

static struct number age(uint64_t milliseconds)
{
	uint64_t seconds = milliseconds / 1000;
	struct number number;

	if (seconds < 60)
		snprintf(number.text, sizeof(number.text), "%.1fs",
				(double)milliseconds / 1000);
	else if (seconds < 3600)
		snprintf(number.text, sizeof(number.text), "%" PRIu64 "m%02us",
				seconds / 60, (unsigned)(seconds % 60));
	else if (seconds < 100 * 3600)
		snprintf(number.text, sizeof(number.text), "%" PRIu64 "h%02um",
				seconds / 3600, (unsigned)(seconds / 60 % 60));
	else
		snprintf(number.text, sizeof(number.text), "%" PRIu64 "d",
				seconds / 86400);
	return number;
}

/* Bytes of the first `columns` characters, if each takes one column. */
static size_t cut_to(const char *text, unsigned columns)
{
	size_t length = 0;

	for (; text[length]; length++)
		/* Not a continuation of a character in UTF-8. */
		if (((unsigned char)text[length] & 0xc0) != 0x80 && columns-- == 0)
			break;
	return length;
}

__attribute__((format(printf, 4, 5))) static void print_line(FILE *file,
		const struct table_style *style, bool is_heading, const char *format, ...)
{
	char text[LINE_ROOM];
	va_list arguments;
	size_t length;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	length = style->columns ? cut_to(text, style->columns) : strlen(text);
	fprintf(file, "%s%.*s%s%s\n", is_heading ? style->bold : "", (int)length, text,
			is_heading ? style->plain : "", style->clear);
}

static void print_heading(FILE *file, const struct snapshot *snapshot,
		const char *address, const struct table_style *style)
{
	const struct evchan_receiver_stats *totals = &snapshot->totals;

	print_line(file, style, false, "evchan-top  %s  receiver pid %ld uid %lu  up %s",
			address, (long)snapshot->receiver.pid,
			(unsigned long)snapshot->receiver.uid, age(totals->age).text);
	print_line(file, style, false,
			"%s msg/s  %s MB/s  %s wake-ups/s  %" PRIu64 " lanes  rings %sB  "
			"joined %" PRIu64 " left %" PRIu64 " refused %" PRIu64
			"  full %" PRIu64,
			short_number(snapshot->messages_rate, 1000).text,
			megabytes(snapshot->bytes_rate).text,
			short_number(snapshot->wakeups_rate, 1000).text, totals->lanes,
			short_number((double)totals->ring_bytes, 1024).text,
			totals->joined, totals->left, totals->refused,
			totals->times_full);
	print_line(file, style, false, "sorted by %s%s", sort_key_name(style->key),
			style->reversed ? ", reversed" : "");
	print_line(file, style, true,
			"%7s %7s %6s %7s %9s %5s %5s %7s %7s %6s %7s %-3s %s", "LANE",
			"PID", "UID", "MSG/S", "MB/S", "FILL", "PEAK", "FULL", "WAKE/S",
			"HELD", "AGE", "ST", "LABEL");
}

/* One letter for the state and one for each flag. */
static struct number status_letters(const struct seen_lane *lane)
{
	static const char states[] = "?ODEH";
	struct number letters;
	char *at = letters.text;

	*at++ = states[lane->state];
	if (lane->flags & EVCHAN_OBSERVED_PAUSED)
		*at++ = 'p';
	if (lane->flags & EVCHAN_OBSERVED_RESUMED)
		*at++ = 'r';
	if (lane->flags & EVCHAN_OBSERVED_LEFT_ALONE)
		*at++ = '!';
	*at = '\0';
	return letters;
}

static void print_row(
		FILE *file, const struct seen_lane *lane, const struct table_style *style)
{
	char label[SEEN_LABEL_MAX * OUTPUT_ESCAPED_MAX + 1];
	const struct evchan_lane_stats *stats = &lane->stats;

	label[escape(label, lane->label, strlen(lane->label))] = '\0';
	print_line(file, style, false,
			"%7" PRIu64 " %7ld %6lu %7s %9s %5s %5s %7s %7s %6s %7s %-3s %s",
			lane->number, (long)lane->peer.pid, (unsigned long)lane->peer.uid,
			short_number(lane->messages_rate, 1000).text,
			megabytes(lane->bytes_rate).text,
			percent(stats->fill, lane->capacity).text,
			percent(stats->deepest_fill, lane->capacity).text,
			short_number((double)stats->times_full, 1000).text,
			short_number(lane->wakeups_rate, 1000).text,
			short_number((double)stats->held_messages, 1000).text,
			age(stats->age).text, status_letters(lane).text, label);
}

/* How many lanes the table has room for, less a line that says how many are missing. */
static size_t rows_for_lanes(
		const struct snapshot *snapshot, const struct table_style *style)
{
	size_t room;

	if (style->rows == 0)
		return snapshot->count;
	room = style->rows > HEADING_LINES ? style->rows - HEADING_LINES : 0;
	if (snapshot->count <= room)
		return snapshot->count;
	return room > 0 ? room - 1 : 0;
}

void snapshot_print_table(FILE *file, const struct snapshot *snapshot,
		const char *address, const struct table_style *style)
{
	const struct seen_lane **sorted =
			snapshot_sorted(snapshot, style->key, style->reversed);
	size_t rows = rows_for_lanes(snapshot, style);

	print_heading(file, snapshot, address, style);
	if (!sorted) {
		print_line(file, style, false, "out of memory");
		return;
	}
	for (size_t i = 0; i < rows; i++)
		print_row(file, sorted[i], style);
	if (rows < snapshot->count)
		print_line(file, style, false, "%7s (%zu more lanes)", "...",
				snapshot->count - rows);
	free(sorted);
}
