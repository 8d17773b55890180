/* SPDX-License-Identifier: MIT */
/*
 * The plan: which transports, sizes, numbers of senders and placements.
 *
 * Everything in every combination would take hours, so the less telling combinations
 * are left out: many senders matter for small messages, very many for one size; reading
 * all bytes matters from 1 KiB on, one message per turn up to there; placement is shown for
 * one small size.
 * What is asked for on the command line is not left out.
 */

#include "plan.h"

#include <stdio.h>
#include <string.h>

#include "limits.h"

#define TOUCH_SIZE_MIN 1024
#define SMALL_SIZE_MAX 1024
#define SMALL_SIZE 64
#define LARGE_SIZE_MIN 16384
#define SENDERS_OF_ALL_SIZES 16

/* Written in place: a picture of 4K video, an eighth of it and eight times as much. As many
 * of each fit into their ring, so only the size differs. */
static const uint64_t frame_sizes[] = { 12441600 / 8, 12441600, 12441600 * 8 };

/* Read by one CPU when another has just written them: within a CPU's own caches, about
 * as large as those, and far larger. */
static const uint64_t read_sizes[] = { 1 << 16, 1 << 20, 12441600 };

static void name_stream(char name[PLAN_NAME_MAX], const char *kind,
		const struct plan_case *plan_case, const struct plan_entry *entry)
{
	snprintf(name, PLAN_NAME_MAX, "%s/%zu/%u/%s/%s", kind, plan_case->size,
			entry->senders, placement_name(plan_case->placement),
			entry->transport->name);
}

void plan_name(char name[PLAN_NAME_MAX], const struct plan_case *plan_case,
		const struct plan_entry *entry)
{
	static const char *const kinds[] = { "stream", "touch", "single", "many" };
	const char *placement = placement_name(plan_case->placement);
	const char *transport = entry->transport->name;

	switch (plan_case->kind) {
	case PLAN_STREAM:
	case PLAN_TOUCH:
	case PLAN_SINGLE:
	case PLAN_MANY:
		name_stream(name, kinds[plan_case->kind], plan_case, entry);
		break;
	case PLAN_CROWD:
		snprintf(name, PLAN_NAME_MAX, "crowd/%u/%u/%s", entry->senders,
				entry->senders + entry->idle, transport);
		break;
	case PLAN_FRAME:
		snprintf(name, PLAN_NAME_MAX, "frame/%zu/%s/%s", plan_case->size,
				placement, transport);
		break;
	case PLAN_RATE:
		snprintf(name, PLAN_NAME_MAX, "rate/%.0f/%s/%s", plan_case->rate,
				placement, transport);
		break;
	case PLAN_ECHO:
		snprintf(name, PLAN_NAME_MAX, "echo/%zu/%s/%s", plan_case->size,
				placement, transport);
		break;
	case PLAN_IDLE:
		snprintf(name, PLAN_NAME_MAX, "idle/%u/%s", entry->idle, transport);
		break;
	}
}

bool plan_counts_calls(const struct plan_case *plan_case)
{
	switch (plan_case->kind) {
	case PLAN_RATE:
	case PLAN_MANY:
		return true;
	case PLAN_STREAM:
		return plan_case->size == SMALL_SIZE || plan_case->size >= LARGE_SIZE_MIN;
	case PLAN_TOUCH:
	case PLAN_SINGLE:
	case PLAN_CROWD:
	case PLAN_FRAME:
	case PLAN_ECHO:
	case PLAN_IDLE:
		break;
	}
	return false;
}

static bool fits(const struct transport *transport, size_t size)
{
	return size >= transport->size_min &&
			(transport->size_max == 0 || size <= transport->size_max);
}

/* Sends all it can, of whatever size. */
static bool has_streams(const struct transport *transport)
{
	return transport->send && !(transport->is_limit && transport->is_paced);
}

static bool takes_part(const struct plan_case *plan_case, const struct plan_entry *entry)
{
	const struct transport *transport = entry->transport;

	switch (plan_case->kind) {
	case PLAN_ECHO:
		return transport->echo;
	case PLAN_RATE:
		return transport->is_paced;
	case PLAN_MANY: /* the others are in the streams' tables */
	case PLAN_CROWD:
	case PLAN_IDLE:
		return transport->idle;
	case PLAN_STREAM:
		if (!fits(transport, plan_case->size))
			return false;
		if (transport->is_extra)
			return entry->senders == 1;
		return has_streams(transport);
	case PLAN_TOUCH:
		return has_streams(transport) &&
				(transport->is_limit || !transport->is_extra) &&
				fits(transport, plan_case->size);
	case PLAN_SINGLE:
		return has_streams(transport) && !transport->is_extra &&
				fits(transport, plan_case->size);
	case PLAN_FRAME:
		return transport == &transport_evchan_in_place;
	}
	return false;
}

/* ---- Making cases ---------------------------------------------------------------- */

static struct plan_case *begin_case(struct plan *plan, enum plan_kind kind, size_t size,
		enum placement placement)
{
	struct plan_case *plan_case = &plan->cases[plan->case_count];

	if (plan->case_count == PLAN_CASES_MAX)
		process_die("too many cases");
	plan_case->kind = kind;
	plan_case->size = size;
	plan_case->placement = placement;
	return plan_case;
}

/* One line for each transport that is wanted. */
static void add_entries(const struct plan *plan, struct plan_case *plan_case,
		unsigned senders, unsigned idle)
{
	char name[PLAN_NAME_MAX];

	for (unsigned i = 0; transports[i]; i++) {
		struct plan_entry entry = { transports[i], senders, idle };

		plan_name(name, plan_case, &entry);
		if (!takes_part(plan_case, &entry) ||
				!options_want_peer(
						plan->options, entry.transport->name) ||
				!options_want(plan->options, name))
			continue;
		if (plan_case->entry_count == PLAN_ENTRIES_MAX)
			process_die("too many lines in a table");
		plan_case->entries[plan_case->entry_count++] = entry;
	}
}

static void end_case(struct plan *plan, const struct plan_case *plan_case)
{
	if (plan_case->entry_count == 0)
		return;
	plan->case_count++;
	plan->round_count += plan_case->entry_count * plan->options->repeat;
	for (unsigned i = 0; i < plan_case->entry_count; i++)
		plan->round_count += plan_counts_calls(plan_case) &&
				!plan_case->entries[i].transport->limit_ns;
}

static void add_case(struct plan *plan, enum plan_kind kind, uint64_t size,
		uint64_t senders, enum placement placement)
{
	struct plan_case *plan_case = begin_case(plan, kind, (size_t)size, placement);

	add_entries(plan, plan_case, (unsigned)senders, 0);
	end_case(plan, plan_case);
}

/* By itself, that is if nobody has asked for it. */
static bool is_telling(uint64_t size, uint64_t senders)
{
	if (senders == 1)
		return true;
	return senders > SENDERS_OF_ALL_SIZES ? size == SMALL_SIZE
					      : size <= SMALL_SIZE_MAX;
}

static void add_streams(struct plan *plan)
{
	const struct options *options = plan->options;
	const struct number_list *sizes = &options->sizes;
	const struct number_list *senders = &options->senders;

	for (unsigned i = 0; i < senders->count; i++)
		for (unsigned j = 0; j < sizes->count; j++)
			if (senders->is_asked_for ||
					is_telling(sizes->values[j], senders->values[i]))
				add_case(plan, PLAN_STREAM, sizes->values[j],
						senders->values[i], options->placement);
	for (unsigned j = 0; j < sizes->count; j++)
		if (sizes->values[j] >= TOUCH_SIZE_MIN)
			add_case(plan, PLAN_TOUCH, sizes->values[j], 1,
					options->placement);
	for (unsigned j = 0; j < sizes->count; j++)
		if (sizes->values[j] <= SMALL_SIZE_MAX)
			add_case(plan, PLAN_SINGLE, sizes->values[j], 1,
					options->placement);
}

static void add_frames(struct plan *plan)
{
	for (unsigned i = 0; i < sizeof(frame_sizes) / sizeof(frame_sizes[0]); i++)
		add_case(plan, PLAN_FRAME, frame_sizes[i], 1, plan->options->placement);
}

/* The placements that were not asked for away, the first of them excepted if `others`. */
static void add_placements(struct plan *plan, enum plan_kind kind, bool others)
{
	for (enum placement i = PLACEMENT_FREE; i <= PLACEMENT_TOGETHER; i++) {
		if (others && i == plan->options->placement)
			continue;
		if (plan->options->is_pinned && i != plan->options->placement)
			continue;
		if (i == PLACEMENT_APART && process_cpu_count() < 2)
			continue;
		add_case(plan, kind, SMALL_SIZE, 1, i);
	}
}

/* All numbers of senders in one case, so that their ratios are of the same minutes. */
static void add_many(struct plan *plan)
{
	struct plan_case *plan_case =
			begin_case(plan, PLAN_MANY, SMALL_SIZE, plan->options->placement);
	const struct number_list *senders = &plan->options->senders;

	for (unsigned i = 0; i < senders->count; i++)
		add_entries(plan, plan_case, (unsigned)senders->values[i], 0);
	end_case(plan, plan_case);
}

static void add_crowds(struct plan *plan)
{
	const struct options *options = plan->options;
	const struct number_list *active = &options->active;

	for (unsigned i = 0; i < active->count; i++) {
		struct plan_case *plan_case = begin_case(
				plan, PLAN_CROWD, SMALL_SIZE, options->placement);
		unsigned senders = (unsigned)active->values[i];
		unsigned crowd = (unsigned)options->idle.values[options->idle.count - 1];

		add_entries(plan, plan_case, senders, 0);
		if (crowd > senders)
			add_entries(plan, plan_case, senders, crowd - senders);
		end_case(plan, plan_case);
	}
}

static void add_rates(struct plan *plan)
{
	const struct number_list *rates = &plan->options->rates;

	for (unsigned i = 0; i < rates->count; i++) {
		struct plan_case *plan_case = begin_case(
				plan, PLAN_RATE, SMALL_SIZE, plan->options->placement);

		plan_case->rate = (double)rates->values[i];
		add_entries(plan, plan_case, 1, 0);
		end_case(plan, plan_case);
	}
}

static void add_idle(struct plan *plan)
{
	struct plan_case *plan_case =
			begin_case(plan, PLAN_IDLE, SMALL_SIZE, plan->options->placement);
	const struct number_list *idle = &plan->options->idle;

	for (unsigned i = 0; i < idle->count; i++)
		add_entries(plan, plan_case, 0, (unsigned)idle->values[i]);
	end_case(plan, plan_case);
}

/* ---- Limits ---------------------------------------------------------------------- */

static void add_limit(struct plan *plan, enum limit_kind kind, uint64_t size)
{
	static const char *const names[] = { "system-call", "line-ping-pong", "memcpy",
		"read-fresh" };
	struct plan_limit *limit = &plan->limits[plan->limit_count];

	if (plan->limit_count == PLAN_LIMITS_MAX)
		process_die("too many limits");
	limit->kind = kind;
	limit->size = (size_t)size;
	snprintf(limit->name, PLAN_NAME_MAX, size ? "limit/%s/%zu" : "limit/%s",
			names[kind], limit->size);
	if (!options_want(plan->options, limit->name))
		return;
	plan->limit_count++;
	plan->round_count += plan->options->repeat;
}

static void add_limits(struct plan *plan)
{
	const struct number_list *sizes = &plan->options->sizes;

	add_limit(plan, LIMIT_SYSTEM_CALL, 0);
	for (unsigned i = 0; i < sizes->count; i++)
		add_limit(plan, LIMIT_MEMCPY, sizes->values[i]);
	if (process_cpu_count() < 2)
		return;
	add_limit(plan, LIMIT_LINE, 0);
	for (unsigned i = 0; i < sizeof(read_sizes) / sizeof(read_sizes[0]); i++)
		add_limit(plan, LIMIT_READ, read_sizes[i]);
}

double plan_limit_ns(const struct plan_limit *limit, const struct options *options)
{
	struct round_setup setup = { .size = limit->size,
		.capacity = options_capacity(options, limit->size) };
	double seconds = options->seconds / 5;

	switch (limit->kind) {
	case LIMIT_SYSTEM_CALL:
		return limit_system_call_ns(seconds);
	case LIMIT_LINE:
		return limit_line_ns(seconds);
	case LIMIT_MEMCPY:
		return limit_memcpy_ns(limit->size, round_capacity(&setup), seconds);
	case LIMIT_READ:
		return limit_read_ns(limit->size, seconds);
	}
	return 0;
}

void plan_init(struct plan *plan, const struct options *options)
{
	memset(plan, 0, sizeof(*plan));
	plan->options = options;
	add_limits(plan);
	add_streams(plan);
	add_frames(plan);
	add_placements(plan, PLAN_STREAM, true);
	add_many(plan);
	add_crowds(plan);
	add_rates(plan);
	add_placements(plan, PLAN_ECHO, false);
	add_idle(plan);
}

void plan_print_names(const struct plan *plan)
{
	char name[PLAN_NAME_MAX];

	for (unsigned i = 0; i < plan->limit_count; i++)
		puts(plan->limits[i].name);
	for (unsigned i = 0; i < plan->case_count; i++)
		for (unsigned j = 0; j < plan->cases[i].entry_count; j++) {
			plan_name(name, &plan->cases[i], &plan->cases[i].entries[j]);
			puts(name);
		}
}
