/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_STORM_HOSTILE_H
#define EVCHAN_STORM_HOSTILE_H

/*
 * Processes that try to take more of a receiver than their share. Each goes on until it
 * is killed: who is cut off comes back.
 */

struct hostile {
	const char *name;
	const char *what; /* for a table */
	/* For process_start(), with the receiver's address, which is abstract. */
	void (*attack)(void *address);
};

extern const struct hostile hostiles[];
extern const unsigned hostile_count;

#endif
