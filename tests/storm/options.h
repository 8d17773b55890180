/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_STORM_OPTIONS_H
#define EVCHAN_STORM_OPTIONS_H

/*
 * The command line of `storm`.
 */

#include <stdbool.h>
#include <stdint.h>

#include <evchan/evchan.h>

#define SENDERS_MAX 256u
#define CAPACITIES_MAX 16u
#define KILLS_MOST 100000u

enum storm_bell {
	BELLS_MIXED,
	BELLS_EVENTFD,
	BELLS_PIPE,
	BELLS_SOCKET
};

struct storm_options {
	uint64_t seed;
	double seconds;
	unsigned kills_senders; /* wanted in that time */
	unsigned kills_receivers;
	uint64_t messages; /* wanted, at least */
	unsigned senders;
	uint64_t capacities[CAPACITIES_MAX];
	unsigned capacity_count;
	enum storm_bell bell;
	bool hold;
	bool is_soak; /* nobody kills the receiver, and it must not grow */
};

void options_read(struct storm_options *options, int argc, char **argv);

/* What a slot's senders, and each receiver, are like. */
struct evchan_sender_options options_of_sender(
		const struct storm_options *options, unsigned slot);

struct receiver_traits {
	struct evchan_receiver_options options;
	bool pulls; /* it has no loop */
	bool holds;
};
struct receiver_traits options_of_receiver(
		const struct storm_options *options, uint32_t generation);

#endif
