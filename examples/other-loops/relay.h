/* SPDX-License-Identifier: MIT */
#ifndef OTHER_LOOPS_RELAY_H
#define OTHER_LOOPS_RELAY_H

/* Receives at one address and sends to another, on a loop of whatever kind. */

struct evchan_loop;
struct relay;

struct relay_options {
	const char *from;
	const char *to;
	/* Called once, when everything that was received has been handed on; `status` is for exit(). */
	void (*ended)(int status, void *arg);
	void *arg;
};

/* Reads the command line of `program`, whose loop is called so. Ends the process if it is wrong. */
void relay_read_arguments(struct relay_options *options, char *program,
		const char *loop_name, int argc, char **argv);

/* Ends the process with a message if it cannot be had. */
struct relay *relay_open(struct evchan_loop *loop, const struct relay_options *options);

/* Receives no more, hands on what is there, and calls `ended`. */
void relay_end(struct relay *relay);

void relay_close(struct relay *relay);

#endif
