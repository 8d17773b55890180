/* SPDX-License-Identifier: MIT */

/*
 * Snapshots as text: for people, for scripts, for programs.
 *
 * Labels are strangers' words, of any bytes. They are escaped like messages in evchan-receive: what is
 * printed is well-formed UTF-8, does nothing to a terminal and can be turned back into the very bytes. In JSON that
 * text is then a string like any other.
 */

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "receive_output.h"
#include "snapshot.h"

#define LABEL_TEXT_MAX (SEEN_LABEL_MAX * OUTPUT_ESCAPED_MAX)

struct label_text {
	char text[LABEL_TEXT_MAX + 1];
};

static struct label_text label_text(const struct seen_lane *lane)
{
	struct label_text label;

	label.text[escape(label.text, lane->label, strlen(lane->label))] = '\0';
	return label;
}

static const char *state_name(enum evchan_lane_state state)
{
	switch (state) {
	case EVCHAN_LANE_OPEN:
		return "open";
	case EVCHAN_LANE_DRAINING:
		return "draining";
	case EVCHAN_LANE_ENDED:
		return "ended";
	case EVCHAN_LANE_HELD:
		break;
	}
	return "held";
}

static const struct flag {
	uint32_t bit;
	const char *name;
} flags[] = {
	{ EVCHAN_OBSERVED_PAUSED, "paused" },
	{ EVCHAN_OBSERVED_RESUMED, "resumed" },
	{ EVCHAN_OBSERVED_COPIED, "copied" },
	{ EVCHAN_OBSERVED_LEFT_ALONE, "left_alone" },
};
#define FLAGS (sizeof(flags) / sizeof(flags[0]))

/* Counters, and how they are called in both forms for machines. */
static const struct counter {
	const char *name;
	size_t offset;
} lane_counters[] = {
	{ "age_ms", offsetof(struct evchan_lane_stats, age) },
	{ "messages", offsetof(struct evchan_lane_stats, messages) },
	{ "bytes", offsetof(struct evchan_lane_stats, bytes) },
	{ "fill", offsetof(struct evchan_lane_stats, fill) },
	{ "deepest_fill", offsetof(struct evchan_lane_stats, deepest_fill) },
	{ "times_full", offsetof(struct evchan_lane_stats, times_full) },
	{ "wakeups", offsetof(struct evchan_lane_stats, wakeups) },
	{ "bells_rung", offsetof(struct evchan_lane_stats, bells_rung) },
	{ "held_messages", offsetof(struct evchan_lane_stats, held_messages) },
	{ "held_bytes", offsetof(struct evchan_lane_stats, held_bytes) },
};
#define LANE_COUNTERS (sizeof(lane_counters) / sizeof(lane_counters[0]))

static const struct counter totals_counters[] = {
	{ "age_ms", offsetof(struct evchan_receiver_stats, age) },
	{ "lanes", offsetof(struct evchan_receiver_stats, lanes) },
	{ "joined", offsetof(struct evchan_receiver_stats, joined) },
	{ "left", offsetof(struct evchan_receiver_stats, left) },
	{ "refused", offsetof(struct evchan_receiver_stats, refused) },
	{ "messages", offsetof(struct evchan_receiver_stats, messages) },
	{ "bytes", offsetof(struct evchan_receiver_stats, bytes) },
	{ "wakeups", offsetof(struct evchan_receiver_stats, wakeups) },
	{ "turns", offsetof(struct evchan_receiver_stats, turns) },
	{ "bells_rung", offsetof(struct evchan_receiver_stats, bells_rung) },
	{ "times_full", offsetof(struct evchan_receiver_stats, times_full) },
	{ "ring_bytes", offsetof(struct evchan_receiver_stats, ring_bytes) },
};
#define TOTALS_COUNTERS (sizeof(totals_counters) / sizeof(totals_counters[0]))

static uint64_t counter_of(const struct counter *counter, const void *stats)
{
	uint64_t value;

	memcpy(&value, (const char *)stats + counter->offset, sizeof(value));
	return value;
}

/* ---- JSON ---------------------------------------------------------------------------------- */

/* The text is well-formed UTF-8 without control characters. */
static void json_string(FILE *file, const char *text)
{
	putc('"', file);
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			putc('\\', file);
		putc(*text, file);
	}
	putc('"', file);
}

static void json_counters(FILE *file, const struct counter *counters, size_t count,
		const void *stats)
{
	for (size_t i = 0; i < count; i++)
		fprintf(file, ",\"%s\":%" PRIu64, counters[i].name,
				counter_of(&counters[i], stats));
}

static void json_rate(FILE *file, const char *name, double value)
{
	if (value < 0)
		fprintf(file, ",\"%s\":null", name);
	else
		fprintf(file, ",\"%s\":%.1f", name, value);
}

static void json_lane(FILE *file, const struct seen_lane *lane)
{
	struct label_text label = label_text(lane);

	fprintf(file, "{\"lane\":%" PRIu64 ",\"label\":", lane->number);
	json_string(file, label.text);
	fprintf(file, ",\"pid\":%ld,\"uid\":%lu,\"gid\":%lu,\"state\":\"%s\"",
			(long)lane->peer.pid, (unsigned long)lane->peer.uid,
			(unsigned long)lane->peer.gid, state_name(lane->state));
	for (size_t i = 0; i < FLAGS; i++)
		fprintf(file, ",\"%s\":%s", flags[i].name,
				lane->flags & flags[i].bit ? "true" : "false");
	fprintf(file, ",\"capacity\":%" PRIu64, lane->capacity);
	json_counters(file, lane_counters, LANE_COUNTERS, &lane->stats);
	json_rate(file, "messages_per_second", lane->messages_rate);
	json_rate(file, "bytes_per_second", lane->bytes_rate);
	json_rate(file, "wakeups_per_second", lane->wakeups_rate);
	putc('}', file);
}

void snapshot_print_json(FILE *file, const struct snapshot *snapshot, const char *address)
{
	size_t length = strlen(address);
	char *text = malloc(length * OUTPUT_ESCAPED_MAX + 1);

	if (text)
		text[escape(text, address, length)] = '\0';
	fputs("{\"address\":", file);
	json_string(file, text ? text : "");
	free(text);
	fprintf(file, ",\"receiver\":{\"pid\":%ld,\"uid\":%lu",
			(long)snapshot->receiver.pid,
			(unsigned long)snapshot->receiver.uid);
	json_counters(file, totals_counters, TOTALS_COUNTERS, &snapshot->totals);
	json_rate(file, "messages_per_second", snapshot->messages_rate);
	json_rate(file, "bytes_per_second", snapshot->bytes_rate);
	json_rate(file, "wakeups_per_second", snapshot->wakeups_rate);
	fputs("},\"lanes\":[", file);
	for (size_t i = 0; i < snapshot->count; i++) {
		if (i)
			putc(',', file);
		json_lane(file, &snapshot->lanes[i]);
	}
	fputs("]}\n", file);
}

/* ---- Lines ------------------------------------------------------------------------------------ */

static void line_counters(FILE *file, const struct counter *counters, size_t count,
		const void *stats)
{
	for (size_t i = 0; i < count; i++)
		fprintf(file, " %s=%" PRIu64, counters[i].name,
				counter_of(&counters[i], stats));
}

static void line_rates(FILE *file, double messages, double bytes, double wakeups)
{
	if (messages >= 0)
		fprintf(file,
				" messages_per_second=%.1f bytes_per_second=%.1f"
				" wakeups_per_second=%.1f",
				messages, bytes, wakeups);
}

static void line_flags(FILE *file, uint32_t set)
{
	const char *between = "";

	fputs(" flags=", file);
	for (size_t i = 0; i < FLAGS; i++) {
		if (!(set & flags[i].bit))
			continue;
		fprintf(file, "%s%s", between, flags[i].name);
		between = ",";
	}
}

static void print_lane_line(FILE *file, const struct seen_lane *lane)
{
	struct label_text label = label_text(lane);

	fprintf(file, "lane=%" PRIu64 " pid=%ld uid=%lu gid=%lu state=%s", lane->number,
			(long)lane->peer.pid, (unsigned long)lane->peer.uid,
			(unsigned long)lane->peer.gid, state_name(lane->state));
	line_flags(file, lane->flags);
	fprintf(file, " capacity=%" PRIu64, lane->capacity);
	line_counters(file, lane_counters, LANE_COUNTERS, &lane->stats);
	line_rates(file, lane->messages_rate, lane->bytes_rate, lane->wakeups_rate);
	/* Last, because it may have blanks. */
	fprintf(file, " label=\"%s\"\n", label.text);
}

void snapshot_print_lines(FILE *file, const struct snapshot *snapshot, bool only_totals)
{
	for (size_t i = 0; i < snapshot->count && !only_totals; i++)
		print_lane_line(file, &snapshot->lanes[i]);
	fprintf(file, "total pid=%ld uid=%lu", (long)snapshot->receiver.pid,
			(unsigned long)snapshot->receiver.uid);
	line_counters(file, totals_counters, TOTALS_COUNTERS, &snapshot->totals);
	line_rates(file, snapshot->messages_rate, snapshot->bytes_rate,
			snapshot->wakeups_rate);
	putc('\n', file);
}
