/* SPDX-License-Identifier: MIT */
/*
 * The plan: which transports, sizes, numbers of senders and placements.
 *
 * Everything in every combination would take hours, so the less telling combinations
 * are left out: reading all bytes matters from 1 KiB on, one message per turn up to
 * there; placement is shown for one small size.
 */

#include "plan.h"

#include <stdio.h>
#include <string.h>

#define TOUCH_SIZE_MIN 1024
#define SINGLE_SIZE_MAX 1024
#define SMALL_SIZE 64

void plan_name(char name[PLAN_NAME_MAX], const struct plan_case *plan_case,
		const struct transport *transport)
{
	static const char *const kinds[] = { "stream", "touch", "single", "echo" };
	const char *placement = placement_name(plan_case->placement);

	if (plan_case->kind == PLAN_ECHO)
		snprintf(name, PLAN_NAME_MAX, "echo/%zu/%s/%s", plan_case->size,
				placement, transport->name);
	else
		snprintf(name, PLAN_NAME_MAX, "%s/%zu/%u/%s/%s", kinds[plan_case->kind],
				plan_case->size, plan_case->senders, placement,
				transport->name);
}

static bool takes_part(
		const struct transport *transport, const struct plan_case *plan_case)
{
	if (plan_case->kind == PLAN_ECHO)
		return transport->echo;
	if (!transport->send)
		return false;
	return !transport->is_extra ||
			(plan_case->kind == PLAN_STREAM && plan_case->senders == 1);
}

static void add_case(struct plan *plan, enum plan_kind kind, uint64_t size,
		uint64_t senders, enum placement placement)
{
	struct plan_case *plan_case = &plan->cases[plan->case_count];
	char name[PLAN_NAME_MAX];

	if (plan->case_count == PLAN_CASES_MAX)
		process_die("too many cases");
	plan_case->kind = kind;
	plan_case->size = (size_t)size;
	plan_case->senders = (unsigned)senders;
	plan_case->placement = placement;
	for (unsigned i = 0; transports[i]; i++) {
		plan_name(name, plan_case, transports[i]);
		if (takes_part(transports[i], plan_case) &&
				options_want_peer(plan->options, transports[i]->name) &&
				options_want(plan->options, name))
			plan_case->transports[plan_case->transport_count++] =
					transports[i];
	}
	if (plan_case->transport_count == 0)
		return;
	plan->case_count++;
	plan->round_count += plan_case->transport_count * plan->options->repeat;
}

static void add_streams(struct plan *plan)
{
	const struct options *options = plan->options;

	for (unsigned i = 0; i < options->senders.count; i++)
		for (unsigned j = 0; j < options->sizes.count; j++)
			add_case(plan, PLAN_STREAM, options->sizes.values[j],
					options->senders.values[i], options->placement);
	for (unsigned j = 0; j < options->sizes.count; j++)
		if (options->sizes.values[j] >= TOUCH_SIZE_MIN)
			add_case(plan, PLAN_TOUCH, options->sizes.values[j], 1,
					options->placement);
	for (unsigned j = 0; j < options->sizes.count; j++)
		if (options->sizes.values[j] <= SINGLE_SIZE_MAX)
			add_case(plan, PLAN_SINGLE, options->sizes.values[j], 1,
					options->placement);
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

void plan_init(struct plan *plan, const struct options *options)
{
	memset(plan, 0, sizeof(*plan));
	plan->options = options;
	add_streams(plan);
	add_placements(plan, PLAN_STREAM, true);
	add_placements(plan, PLAN_ECHO, false);
}

void plan_print_names(const struct plan *plan)
{
	char name[PLAN_NAME_MAX];

	for (unsigned i = 0; i < plan->case_count; i++)
		for (unsigned j = 0; j < plan->cases[i].transport_count; j++) {
			plan_name(name, &plan->cases[i], plan->cases[i].transports[j]);
			puts(name);
		}
}
