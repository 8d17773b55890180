/* SPDX-License-Identifier: MIT */
#ifndef HTTP_WORKERS_LOG_TAIL_H
#define HTTP_WORKERS_LOG_TAIL_H

/* What the log already has: for each stream, its last record among the last lines. */

#include <stddef.h>
#include <stdint.h>

struct log_tail {
	struct log_tail_stream {
		uint64_t stream;
		uint64_t last; /* sequence */
	} * streams;
	size_t count;
};

/*
 * Reads the last `size` bytes of a log that is open for reading and writing, and cuts off a last line that has no end.
 * Returns 0 or a negative errno.
 */
int log_tail_read(struct log_tail *tail, int fd, size_t size);

void log_tail_free(struct log_tail *tail);

/* The last sequence of a stream that the log has; 0: none. */
uint64_t log_tail_last(const struct log_tail *tail, uint64_t stream);

#endif
