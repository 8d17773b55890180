/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_STORM_SUPERVISOR_H
#define EVCHAN_STORM_SUPERVISOR_H

/*
 * Starts, kills, stops and reaps the processes of a storm, and keeps the ledger told.
 * What happens when is decided in schedule.h.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "board.h"
#include "ledger.h"
#include "options.h"
#include "random.h"
#include "storm_receiver.h"
#include "storm_sender.h"

struct slot {
	struct sender_role role;
	pid_t pid;            /* 0: none */
	uint64_t start_at;    /* when the next one is to start */
	uint64_t wake_at;     /* when it is to go on; 0: it is not stopped */
	uint64_t progress;    /* messages of it that were delivered, ... */
	uint64_t progress_at; /* ... and since when no more were */
};

/* The place of the receivers; there is one at a time. */
struct seat {
	struct receiver_role role;
	pid_t pid;
	uint64_t start_at;
	uint64_t wake_at;
	bool is_ending; /* it was told to shut down */
};

struct supervisor {
	const struct storm_options *options;
	struct board *board;
	struct ledger *ledger;
	const char *address;
	struct slot slots[SENDERS_MAX];
	struct seat seat;
	struct random lives; /* how long senders stay */
	uint32_t lanes;
	uint64_t turn_at; /* the last turn's time */
	bool is_over; /* nobody is started any more */
	uint64_t kills_senders, kills_receivers, shutdowns, leaves, stops;
};

void supervisor_open(struct supervisor *supervisor, const struct storm_options *options);

/* What is due: starts, wake-ups, the reaping, the ledger. */
void supervisor_turn(struct supervisor *supervisor);

/* The first slot's sender is a veteran: it stays to the end. */
bool supervisor_may_kill(const struct supervisor *supervisor, unsigned slot);

void supervisor_kill_sender(
		struct supervisor *supervisor, unsigned slot, uint64_t pause_ns);
void supervisor_stop_sender(
		struct supervisor *supervisor, unsigned slot, uint64_t for_ns);
void supervisor_kill_receiver(struct supervisor *supervisor, uint64_t pause_ns);
void supervisor_stop_receiver(struct supervisor *supervisor, uint64_t for_ns);
void supervisor_end_receiver(struct supervisor *supervisor);

/* All senders finish, the receiver shuts down, and the ledger is closed. */
void supervisor_close(struct supervisor *supervisor);

#endif
