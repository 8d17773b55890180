/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_TESTS_SINGLE_STEP_H
#define EVCHAN_TESTS_SINGLE_STEP_H

/*
 * A forked process that is run instruction by instruction, by ptrace(2), between two
 * marks that it passes.
 *
 * The first such process is stepped all the way, which makes a trace (step_trace.h);
 * others are brought to a place on it by a breakpoint, as a rule, because a step takes
 * some 20 us.
 */

#include <stdbool.h>
#include <sys/types.h>

#include "step_trace.h"

/* Whether it can be done here. If not, says why, and the test program ends with status
 * 77. */
bool step_is_possible(void);

/* ---- In the stepped process ------------------------------------------------------ */

/* The marks. What lies between must not wait for another process: that one may be
 * waiting for the stepped one to get somewhere. */
void step_from_here(void);
/* Waits to be killed there. */
void step_to_here(void) __attribute__((noreturn));

/* ---- In the process that forked it ----------------------------------------------- */

/* Waits until the process is at the first mark. */
void step_await(pid_t process);

/* From the first mark to the second, instruction by instruction. */
void step_through(pid_t process, struct step_trace *trace);

enum step_end {
	STEP_THERE, /* at the place */
	STEP_CALL,  /* a system call came before it: just after that one */
	STEP_DONE,  /* it has come to the second mark */
};

/* From the first mark: brings it to where the traced one was before this step, by its
 * system calls, and then step by step. */
enum step_end step_to(pid_t process, const struct step_trace *trace, unsigned step);

/* The same by a shortcut. Anything else than STEP_THERE may mean that it went another
 * way than the traced one. */
enum step_end step_shortly_to(
		pid_t process, const struct step_trace *trace, unsigned step);

/* Where it is, for a reader: "FILE 0xOFFSET", which addr2line(1) understands. Static. */
const char *step_describe(pid_t process);

#endif
