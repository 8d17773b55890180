/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_BENCH_PLAN_H
#define EVCHAN_BENCH_PLAN_H

/* What is to be measured, in order. */

#include "options.h"
#include "round.h"

#define PLAN_CASES_MAX 128
#define PLAN_ENTRIES_MAX 24
#define PLAN_LIMITS_MAX 24
#define PLAN_NAME_MAX 80

enum plan_kind {
	PLAN_STREAM, /* one way; the receiver reads the first and the last bytes */
	PLAN_TOUCH,  /* the same; the receiver reads all */
	PLAN_SINGLE, /* the same; the sender sends one message in each turn of its loop */
	PLAN_MANY,   /* one way; numbers of senders are compared */
	PLAN_CROWD,  /* one way; some connections are active, all others idle */
	PLAN_FRAME,  /* one way, written in place: no byte is copied */
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

/* Of the machine, without any transport. */
enum limit_kind {
	LIMIT_SYSTEM_CALL,
	LIMIT_LINE,
	LIMIT_MEMCPY,
	LIMIT_READ,
};

struct plan_limit {
	enum limit_kind kind;
	size_t size; /* 0 where it has none */
	char name[PLAN_NAME_MAX];
};

struct plan {
	const struct options *options;
	struct plan_case cases[PLAN_CASES_MAX];
	unsigned case_count;
	struct plan_limit limits[PLAN_LIMITS_MAX];
	unsigned limit_count;
	unsigned round_count; /* of all, repeats and those that count calls included */
};

void plan_init(struct plan *plan, const struct options *options);

/*
 * The name of a figure:
 * 	stream, touch, single, many / SIZE / SENDERS / PLACEMENT / TRANSPORT
 * 	frame / SIZE / PLACEMENT / TRANSPORT
 * 	crowd / SENDERS / CONNECTIONS / TRANSPORT
 * 	rate / MESSAGES PER SECOND / PLACEMENT / TRANSPORT
 * 	echo / SIZE / PLACEMENT / TRANSPORT
 * 	idle / CONNECTIONS / TRANSPORT
 * 	limit / WHAT / SIZE
 */
void plan_name(char name[PLAN_NAME_MAX], const struct plan_case *plan_case,
		const struct plan_entry *entry);

/* Whether system calls are counted, in one more round. */
bool plan_counts_calls(const struct plan_case *plan_case);

double plan_limit_ns(const struct plan_limit *limit, const struct options *options);

void plan_print_names(const struct plan *plan);

#endif
