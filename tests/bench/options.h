/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_BENCH_OPTIONS_H
#define EVCHAN_BENCH_OPTIONS_H

/* The command line. */

#include <regex.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "process.h"

#define OPTIONS_LIST_MAX 16

struct number_list {
	uint64_t values[OPTIONS_LIST_MAX];
	unsigned count;
	bool is_asked_for; /* not the default */
};

struct options {
	struct number_list sizes;
	struct number_list senders;
	struct number_list rates;
	struct number_list idle;   /* connections over which nothing is sent */
	struct number_list active; /* senders among them */
	uint64_t capacity;         /* of a ring; 0: see options_capacity() */
	unsigned repeat;
	double seconds;
	double warm_up;
	bool is_pinned; /* `placement` was asked for */
	enum placement placement;
	bool lists; /* print the names of the figures and stop */
	const char *json;
	const char *command; /* what was typed, for the facts */
	const char *count;   /* a transport: one round, print how many came */
	const char *added[OPTIONS_LIST_MAX]; /* CASE=VALUE, measured by somebody else */
	unsigned added_count;
	const char *peers; /* a list of transports; NULL: all */
	bool has_filter;
	regex_t filter;
};

/* Ends the process for --help and for what it does not understand. */
void options_read(struct options *options, int argc, char **argv);

/* Of the ring for messages of this size: what was asked for, or the default. */
uint64_t options_capacity(const struct options *options, size_t size);

/* Whether --peers wants this transport. */
bool options_want_peer(const struct options *options, const char *name);

/* Whether --only wants this figure. */
bool options_want(const struct options *options, const char *name);

#endif
