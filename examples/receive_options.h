/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_EXAMPLES_RECEIVE_OPTIONS_H
#define EVCHAN_EXAMPLES_RECEIVE_OPTIONS_H

/* The command line of evchan-receive. */

#include <stdbool.h>
#include <stdint.h>

#include <evchan/evchan.h>

struct receive_options {
	const char *address;
	bool is_raw;
	bool with_label;
	bool is_quiet;
	bool with_stats;
	uint64_t count;     /* messages after which to end; 0: none */
	uint64_t slow_usec; /* pause after each message; 0: none */
	struct evchan_receiver_options receiver;
	uid_t *allow_uids;  /* what receiver.allow_uids points to */
};

/* Reads the command line; ends the program if it is wrong, or only asks for help. */
void receive_options_init(struct receive_options *options, int argc, char **argv);
void receive_options_deinit(struct receive_options *options);

#endif
