/* SPDX-License-Identifier: MIT */

/*
 * The file of the access log. It is opened for appending, so it may be truncated by others (logrotate's copytruncate).
 *
 * write(2) to a file can wait for the disk. A collector that waits lets rings fill, and workers drop and count; that is what they
 * are told to do. What it must not do is lose what it has released, so lines leave the buffer only when they are written.
 */

#include "access_log.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "log_line.h"

/* Of the file's end: more than a buffer, for the lines that its last writer did not release any more. */
#define TAIL_SIZE (4 * ACCESS_LOG_SIZE)

int access_log_open(struct access_log *log, struct log_tail *tail, const char *path,
		struct totals *totals)
{
	int r;

	log->fd = open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
	if (log->fd < 0)
		return -errno;
	log->used = 0;
	log->totals = totals;
	r = log_tail_read(tail, log->fd, TAIL_SIZE);
	if (r < 0)
		close(log->fd);
	return r;
}

void access_log_close(struct access_log *log)
{
	close(log->fd);
}

bool access_log_has_room(const struct access_log *log)
{
	return ACCESS_LOG_SIZE - log->used >= LOG_LINE_MAX;
}

void access_log_append(struct access_log *log, const HttpWorkers__AccessRecord *record)
{
	size_t length = log_line_format(log->buffer + log->used, record);

	log->used += length;
	log->totals->log_lines++;
	log->totals->log_bytes += length;
}

int access_log_flush(struct access_log *log)
{
	size_t done = 0;
	int r = 0;

	while (done < log->used && r == 0) {
		ssize_t n = write(log->fd, log->buffer + done, log->used - done);

		if (n >= 0)
			done += (size_t)n;
		else if (errno != EINTR)
			r = -errno;
	}
	log->used -= done;
	memmove(log->buffer, log->buffer + done, log->used);
	if (r < 0)
		log->totals->log_failures++;
	return r;
}
