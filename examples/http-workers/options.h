/* SPDX-License-Identifier: MIT */
#ifndef HTTP_WORKERS_OPTIONS_H
#define HTTP_WORKERS_OPTIONS_H

/* The command line. */

#include <stdint.h>

#define WORKERS_MAX 64

struct options {
	const char *host; /* address to listen on, in numbers */
	uint16_t port;
	uint16_t status_port;
	unsigned workers;
	const char *log_path;
	uint64_t capacity;   /* of each worker's ring */
	unsigned patience_s; /* how long a worker that is to end waits for the collector */
};

/* Ends the program if it is wrong, or if only help is wanted. */
void options_read(struct options *options, int argc, char **argv);

#endif
