/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_BENCH_PLAN_H
#define EVCHAN_BENCH_PLAN_H

/* What is to be measured, in order. */

#include "options.h"
#include "round.h"

#define PLAN_CASES_MAX 128
#define PLAN_TRANSPORTS_MAX 16
#define PLAN_NAME_MAX 80

enum plan_kind {
	PLAN_STREAM, /* one way; the receiver reads the first and the last bytes */
	PLAN_TOUCH,  /* the same; the receiver reads all */
	PLAN_SINGLE, /* the same; the sender sends one message in each turn of its loop */
	PLAN_ECHO,   /* round trips */
};

/* Transports that are compared: their rounds take turns. */
struct plan_case {
	enum plan_kind kind;
	size_t size;
	unsigned senders;
	enum placement placement;
	const struct transport *transports[PLAN_TRANSPORTS_MAX];
	unsigned transport_count;
};

struct plan {
	const struct options *options;
	struct plan_case cases[PLAN_CASES_MAX];
	unsigned case_count;
	unsigned round_count;
	unsigned rounds_done;
};

void plan_init(struct plan *plan, const struct options *options);

/* The name of a figure: KIND/SIZE/SENDERS/PLACEMENT/TRANSPORT, or
 * echo/SIZE/PLACEMENT/TRANSPORT. */
void plan_name(char name[PLAN_NAME_MAX], const struct plan_case *plan_case,
		const struct transport *transport);

void plan_print_names(const struct plan *plan);

#endif
