/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_BENCH_PLAN_H
#define EVCHAN_BENCH_PLAN_H

/* What is to be measured, in order. */

#include "options.h"
#include "round.h"

#define PLAN_CASES_MAX 128
#define PLAN_ENTRIES_MAX 24
#define PLAN_NAME_MAX 80

enum plan_kind {
	PLAN_STREAM, /* one way; the receiver reads the first and the last bytes */
	PLAN_TOUCH,  /* the same; the receiver reads all */
	PLAN_SINGLE, /* the same; the sender sends one message in each turn of its loop */
	PLAN_MANY,   /* one way; numbers of senders are compared */
	PLAN_CROWD,  /* one way; some connections are active, all others idle */
	PLAN_RATE,   /* one way, at a fixed rate: latencies, and what a message costs */
	PLAN_ECHO,   /* round trips */
	PLAN_IDLE,   /* nothing is sent */
};

/* One line of a table. */
struct plan_entry {
	const struct transport *transport;
	unsigned senders;
	unsigned idle;
};

/* Lines that are compared: their rounds take turns. */
struct plan_case {
	enum plan_kind kind;
	size_t size;
	double rate;
	enum placement placement;
	struct plan_entry entries[PLAN_ENTRIES_MAX];
	unsigned entry_count;
};

struct plan {
	const struct options *options;
	struct plan_case cases[PLAN_CASES_MAX];
	unsigned case_count;
	unsigned round_count;
	unsigned rounds_done;
};

void plan_init(struct plan *plan, const struct options *options);

/*
 * The name of a figure:
 * 	stream, touch, single, many / SIZE / SENDERS / PLACEMENT / TRANSPORT
 * 	crowd / SENDERS / CONNECTIONS / TRANSPORT
 * 	rate / MESSAGES PER SECOND / PLACEMENT / TRANSPORT
 * 	echo / SIZE / PLACEMENT / TRANSPORT
 * 	idle / CONNECTIONS / TRANSPORT
 */
void plan_name(char name[PLAN_NAME_MAX], const struct plan_case *plan_case,
		const struct plan_entry *entry);

/* Whether system calls are counted, in one more round. */
bool plan_counts_calls(const struct plan_case *plan_case);

void plan_print_names(const struct plan *plan);

#endif
