/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_EXAMPLES_LOOK_OPTIONS_H
#define EVCHAN_EXAMPLES_LOOK_OPTIONS_H

/* The command lines of evchan-top and evchan-stat, and what both end with. */

#include <stdbool.h>
#include <stdint.h>

/* Exit statuses besides 0, 1 and 2 (program.h). */
#define EXIT_NOBODY 3
#define EXIT_REFUSED 4
#define EXIT_TOO_LATE 5

struct look_options {
	const char *address;
	uint32_t interval_ms; /* 0: one snapshot (evchan-stat) */
	uint32_t timeout_ms;  /* for an answer */
	int key;              /* see snapshot.h */
	bool reversed;
	bool once;
	bool as_json;
	bool only_totals;
};

/* Exits with status 2 if the line is wrong, with 0 after --help and --version. */
void look_options_of_top(struct look_options *options, int argc, char **argv);
void look_options_of_stat(struct look_options *options, int argc, char **argv);

/* Says why there is nothing to see, and returns the exit status for it. `error`: of evchan_observer_new(), or what
 * `ended` was told, with its text. */
int look_failed(const struct look_options *options, int error, const char *text);

#endif
