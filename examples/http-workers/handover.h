/* SPDX-License-Identifier: MIT */
#ifndef HTTP_WORKERS_HANDOVER_H
#define HTTP_WORKERS_HANDOVER_H

/* A worker's way to the collector, and its policy for when there is no room. */

#include <stdint.h>

#include <evchan/evchan.h>

#include "access.pb-c.h"

struct handover;

struct handover_options {
	const char *address; /* the collector's */
	uint64_t capacity;
	uint32_t worker;
	uint32_t incarnation;
};

/* Returns 0 or a negative errno. */
int handover_open(struct handover **handover, struct evchan_loop *loop,
		const struct handover_options *options);

/* NULL is allowed. */
void handover_close(struct handover *handover);

/* Hands a record over, or drops and counts it. Fills in whose it is and which. */
void handover_record(struct handover *handover, HttpWorkers__AccessRecord *record);

/* Calls `done` when the collector has everything, a last report included. No record after this. */
void handover_finish(struct handover *handover, void (*done)(void *arg), void *arg);

/* Bytes that the collector has not taken. */
uint64_t handover_pending(const struct handover *handover);

#endif
