/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_STORM_CONTENTION_H
#define EVCHAN_STORM_CONTENTION_H

/*
 * Whether others were at work on this machine: then how fast something was says little.
 */

struct contention {
	double at;   /* seconds, all */
	double busy; /* of all processors together */
	double own;  /* of this process and of those it has reaped */
};

void contention_begin(struct contention *contention);

/* The part of the machine's CPU time since then that others had, from 0 to 1. */
double contention_others(const struct contention *since);

#endif
