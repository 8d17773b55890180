/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_EXAMPLES_SEND_OPTIONS_H
#define EVCHAN_EXAMPLES_SEND_OPTIONS_H

/* The command line of evchan-send. */

#include <stdbool.h>
#include <stdint.h>
#include <sys/time.h>

#include <evchan/evchan.h>

struct send_options {
	const char *address;
	char **files;            /* at least one; "-" is standard input, at most once */
	size_t file_count;
	uint64_t repeat;         /* at least 1 */
	bool waits;              /* for a receiver */
	const char *wait_text;   /* how long at most, as given; NULL: without end */
	struct timeval wait_time;
	bool with_stats;
	struct evchan_sender_options sender;
};

/* Reads the command line; ends the program if it is wrong, or only asks for help. */
void send_options_init(struct send_options *options, int argc, char **argv);

#endif
