/* SPDX-License-Identifier: MIT */
#ifndef HTTP_WORKERS_ACCESS_LOG_H
#define HTTP_WORKERS_ACCESS_LOG_H

/* A file of lines, with a buffer in front of it. */

#include <stdbool.h>
#include <stddef.h>

#include "access.pb-c.h"
#include "log_tail.h"
#include "totals.h"

/* The buffer. After a flush that succeeds there is room for many lines, after one that fails perhaps for none. */
#define ACCESS_LOG_SIZE (256 * 1024)

struct access_log {
	int fd;
	size_t used;
	struct totals *totals;
	char buffer[ACCESS_LOG_SIZE];
};

/* Opens or makes the file, and reads its end. Returns 0 or a negative errno. */
int access_log_open(struct access_log *log, struct log_tail *tail, const char *path,
		struct totals *totals);

void access_log_close(struct access_log *log);

/* Whether one more line surely fits. */
bool access_log_has_room(const struct access_log *log);

/* Only while there is room. */
void access_log_append(struct access_log *log, const HttpWorkers__AccessRecord *record);

/* Writes all lines. Returns 0 or a negative errno; then what is not written stays, and can be tried again. */
int access_log_flush(struct access_log *log);

#endif
