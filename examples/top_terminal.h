/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_EXAMPLES_TOP_TERMINAL_H
#define EVCHAN_EXAMPLES_TOP_TERMINAL_H

/* The terminal of evchan-top: a screen of its own, keys one by one, its size. */

#include <stdbool.h>

struct terminal {
	bool is_screen; /* standard output is one */
	bool has_keys;  /* standard input is one */
	unsigned rows;
	unsigned columns;
};

/* Finds out what there is; takes over what is a terminal. Whatever ends the process in order gives it back. */
void terminal_open(struct terminal *terminal);
void terminal_close(const struct terminal *terminal);

/* Looks at the size. */
void terminal_measure(struct terminal *terminal);

#define TERMINAL_HOME "\033[H"
#define TERMINAL_CLEAR_LINE "\033[K"
#define TERMINAL_CLEAR_REST "\033[J"
#define TERMINAL_BOLD "\033[7m"
#define TERMINAL_PLAIN "\033[0m"

#endif
