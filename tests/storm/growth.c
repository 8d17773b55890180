/* SPDX-License-Identifier: MIT */
/*
 * Samples of memory and descriptors. Both go up and down: what dead senders have left
 * is kept until it is delivered, and a sender without a receiver has fewer descriptors
 * than one that is connected. So it counts as growth if the lowest value of the run's
 * last quarter is above the highest of its second; the first is for warming up.
 */

#include "growth.h"

#include <inttypes.h>
#include <stdio.h>

#include "process.h"

#define SAMPLES_LEAST 16u
#define PRINTS 30u

/* A sanitizer keeps what was freed. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define IS_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define IS_SANITIZED 1
#endif
#endif
#ifdef IS_SANITIZED
#define BYTES_ALLOWED UINT64_C(0x100000000)
#else
#define BYTES_ALLOWED UINT64_C(0x40000)
#endif

void growth_open(struct growth *growth, const struct storm_options *options)
{
	double seconds = options->seconds;

	growth->is_soak = options->is_soak;
	growth->count = 0;
	growth->begun_at = process_now_ns();
	growth->interval = (uint64_t)(seconds / (GROWTH_SAMPLES / 4) * (double)SECOND);
	if (growth->interval < 10 * MILLISECOND)
		growth->interval = 10 * MILLISECOND;
	growth->next_at = growth->begun_at + growth->interval;
	growth->next_print = growth->begun_at;
}

static struct growth_sample sample_of(pid_t pid)
{
	return (struct growth_sample){ process_anonymous_bytes(pid),
		process_descriptors(pid) };
}

static void print_sample(
		struct growth *growth, const struct supervisor *supervisor, uint64_t now)
{
	const struct growth_sample *sample = &growth->receiver[growth->count];

	if (!growth->is_soak || now < growth->next_print)
		return;
	growth->next_print = now + growth->interval * (GROWTH_SAMPLES / 4) / PRINTS;
	printf("%7.1f s  the receiver has %5" PRIu64 " KiB and %3u descriptors; ",
			(double)(now - growth->begun_at) / (double)SECOND,
			sample->bytes / 1024, sample->descriptors);
	printf("%6" PRIu64 " senders killed, %" PRIu64 " messages\n",
			supervisor->kills_senders,
			ledger_totals(supervisor->ledger)->delivered);
	fflush(stdout);
}

void growth_look(struct growth *growth, const struct supervisor *supervisor)
{
	uint64_t now = process_now_ns();

	if (now < growth->next_at || growth->count == GROWTH_SAMPLES ||
			!supervisor->slots[0].pid || !supervisor->seat.pid)
		return;
	growth->next_at = now + growth->interval;
	growth->veteran[growth->count] = sample_of(supervisor->slots[0].pid);
	growth->receiver[growth->count] = sample_of(supervisor->seat.pid);
	print_sample(growth, supervisor, now);
	growth->count++;
}

struct growth_range {
	struct growth_sample low;
	struct growth_sample high;
};

static struct growth_range range_of(const struct growth_sample *samples, unsigned count)
{
	struct growth_range range = { samples[0], samples[0] };

	for (unsigned i = 1; i < count; i++) {
		const struct growth_sample *sample = &samples[i];

		if (sample->bytes < range.low.bytes)
			range.low.bytes = sample->bytes;
		if (sample->bytes > range.high.bytes)
			range.high.bytes = sample->bytes;
		if (sample->descriptors < range.low.descriptors)
			range.low.descriptors = sample->descriptors;
		if (sample->descriptors > range.high.descriptors)
			range.high.descriptors = sample->descriptors;
	}
	return range;
}

static void print_range(const char *when, const struct growth_range *range)
{
	printf("  %-14s %5" PRIu64 " to %5" PRIu64 " KiB, %3u to %3u descriptors\n", when,
			range->low.bytes / 1024, range->high.bytes / 1024,
			range->low.descriptors, range->high.descriptors);
}

static bool compare(const char *who, const struct growth_sample *samples, unsigned count)
{
	struct growth_range before = range_of(samples + count / 4, count / 4);
	struct growth_range after = range_of(samples + count - count / 4, count / 4);

	printf("%s\n", who);
	print_range("second quarter", &before);
	print_range("last quarter", &after);
	return after.low.bytes <= before.high.bytes + BYTES_ALLOWED &&
			after.low.descriptors <= before.high.descriptors;
}

bool growth_close(const struct growth *growth)
{
	bool is_flat;

	if (growth->count < SAMPLES_LEAST)
		return true;
	is_flat = compare("a sender that saw all receivers:", growth->veteran,
			growth->count);
	if (growth->is_soak)
		is_flat = compare("the receiver:", growth->receiver, growth->count) &&
				is_flat;
	return is_flat;
}
