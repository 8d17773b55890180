/* SPDX-License-Identifier: MIT */
#ifndef HTTP_WORKERS_LOG_LINE_H
#define HTTP_WORKERS_LOG_LINE_H

/* A record as a line of the access log, and the id of a line. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "access.pb-c.h"

/* The longest line. What a client says is cut at 8 KiB each. */
#define LOG_LINE_MAX (4 * 3 * 8192 + 1024)

/* Writes a line, its newline included, to a buffer of LOG_LINE_MAX bytes. Returns its length. */
size_t log_line_format(char *line, const HttpWorkers__AccessRecord *record);

/* Which request a line is about. */
struct log_id {
	uint32_t worker;
	uint64_t stream;
	uint64_t sequence;
};

/* Finds the id at the end of a line (`length` bytes, without the newline). */
bool log_line_read_id(struct log_id *id, const char *line, size_t length);

#endif
