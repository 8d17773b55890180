/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_CORE_POLL_LOOP_H
#define EVCHAN_CORE_POLL_LOOP_H

/*
 * The operations table on poll(2). The public face is in <evchan/loop.h>; handles made
 * without a loop own one. Freeing a loop frees the watches and timers still on it, which
 * only a forked child leaves there; run_once, prepare and dispatch return -EOWNERDEAD in
 * a forked child.
 */

#include <stdbool.h>

#include <evchan/loop.h>

/* Whether this loop is one of evchan_poll_loop_new()'s. */
bool poll_loop_is(const struct evchan_loop *loop);

#endif
