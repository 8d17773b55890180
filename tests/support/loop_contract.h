/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_TESTS_LOOP_CONTRACT_H
#define EVCHAN_TESTS_LOOP_CONTRACT_H

/*
 * The contract of <evchan/loop.h>, one test for each sentence of it, for any adapter that
 * can tell how to make a loop and how to run one turn of it.
 */

#include <evchan/loop.h>

struct loop_contract_adapter {
	const char *name;
	/* Makes a loop, and `*host`: whatever the two below need. 0 or a negative
	 * errno. */
	int (*make)(struct evchan_loop **loop, void **host);
	void (*free_loop)(struct evchan_loop *loop);
	/* After the loop is freed. */
	void (*free_host)(void *host);
	/* One turn: waits until something is ready, at most `timeout_ms` milliseconds
	 * (0: only looks), then runs what is due. 0 or a negative errno. */
	int (*run_turn)(void *host, int timeout_ms);
};

/* Runs all of it as one group of tests. Returns how many failed. */
int loop_contract_run(const struct loop_contract_adapter *adapter);

#endif
