/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_TESTS_FAULTS_H
#define EVCHAN_TESTS_FAULTS_H

/*
 * Calls that can fail, failing when they are told to. Everything that the library asks of the C library and the
 * kernel goes through wrappers here (ld's --wrap); the plan says which of the calls fail, counted from the
 * first, and with which of the errors that call can have.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fault_plan {
	unsigned first;   /* the call that fails, counted from 1; 0: none */
	unsigned row;     /* how many fail, that one included */
	unsigned variant; /* which of its errors the first one has */
	unsigned calls;   /* which may: enum fault_calls */
	bool in_all_threads;
};

enum fault_calls {
	FAULT_MEMORY = 1 << 0, /* malloc, calloc, realloc */
	FAULT_SYSTEM = 1 << 1, /* system calls, pthread_create */
	FAULT_NAMES = 1 << 2, /* those by which names are removed: where they fail, names stay */
	FAULT_EVENTS = 1 << 3, /* libevent's, but for */
	FAULT_TIMERS = 1 << 4, /* setting a timer */
	FAULT_ALL = FAULT_MEMORY | FAULT_SYSTEM | FAULT_NAMES | FAULT_EVENTS |
			FAULT_TIMERS,
};

/* What became of it. Lies in memory that processes share. */
struct fault_report {
	unsigned calls;    /* counted so far */
	unsigned struck;   /* that were made to fail */
	unsigned kinds;    /* and what these were */
	unsigned variants; /* how many errors the first of these can have */
	char function[32]; /* which it was */
	int error;         /* and which of them it had */
	unsigned returned; /* errors that functions of the library returned because of it */
	unsigned told;     /* that callbacks told of it */
};

/* For this process. */
void faults_plan(const struct fault_plan *plan, struct fault_report *report);

/* Between begin and end calls of this thread (or of all) are counted. */
void faults_begin(void);
void faults_end(void);

/* Whether one was made to fail. */
bool faults_struck(void);
struct fault_report *faults_report(void);

/* For the wrappers: whether this call is to fail. Sets errno. `errors` ends with 0; where there is none that is possible
 * the call is not counted. */
bool fault(enum fault_calls kind, const char *function, const int *errors);

#define FAULT_ERRORS(...) ((const int[]){ __VA_ARGS__, 0 })

/* ---- What is left ---------------------------------------------------------------------- */

/* Allocations and bytes of mappings that were made through the wrappers and are still there. */
long faults_allocations(void);
long faults_mapped_bytes(void);

/* ---- Time ------------------------------------------------------------------------------ */

/* The library's clock. It stands still but for what poll(2) should have slept. */
uint64_t faults_clock_ms(void);

/* Called when poll(2) has nothing ready, so that one thread can be both ends. NULL: nobody. */
void faults_when_idle(void (*function)(void *arg), void *arg);

/* Waits until nothing is left for the disposal threads: more eagerly than disposal_wait(), because it happens often. */
void faults_settle(void);

/* For loops of others: the clock goes as it does. */
void faults_use_real_time(void);

#endif
