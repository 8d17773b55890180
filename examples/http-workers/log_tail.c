/* SPDX-License-Identifier: MIT */

/*
 * How a collector learns what the one before it has written.
 *
 * A collector that is killed between write(2) and the release of the records leaves these records in the rings: the next
 * one gets them again. They are the last lines of the log, no more than fit into the dead one's buffer, so looking at the
 * end of the file is enough, however long the file is.
 *
 * A line without an end was being written when the collector was killed. Its record was not released either: it
 * comes again, as a whole, so the piece is cut off.
 */

#include "log_tail.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include "log_line.h"

static struct log_tail_stream *find(const struct log_tail *tail, uint64_t stream)
{
	for (size_t i = 0; i < tail->count; i++)
		if (tail->streams[i].stream == stream)
			return &tail->streams[i];
	return NULL;
}

static int remember(struct log_tail *tail, const struct log_id *id)
{
	struct log_tail_stream *found = find(tail, id->stream), *streams;

	if (!found) {
		streams = reallocarray(tail->streams, tail->count + 1, sizeof(*streams));
		if (!streams)
			return -ENOMEM;
		tail->streams = streams;
		found = &streams[tail->count++];
		*found = (struct log_tail_stream){ .stream = id->stream };
	}
	if (found->last < id->sequence)
		found->last = id->sequence;
	return 0;
}

/* Lines that are not ours, of another program say, are passed over. */
static int read_lines(struct log_tail *tail, const char *text, size_t length)
{
	const char *end = text + length;
	struct log_id id;
	int r = 0;

	while (r == 0 && text < end) {
		const char *newline = memchr(text, '\n', (size_t)(end - text));

		if (!newline)
			break;
		if (log_line_read_id(&id, text, (size_t)(newline - text)))
			r = remember(tail, &id);
		text = newline + 1;
	}
	return r;
}

/* Cuts the file behind its last newline. If there is none in sight this is no log, and left alone. */
static int cut(int fd, off_t begin, const char *text, size_t length)
{
	const char *newline = memrchr(text, '\n', length);

	if (length == 0 || (newline && newline == text + length - 1))
		return 0;
	if (!newline && begin > 0)
		return -EINVAL;
	return ftruncate(fd, begin + (newline ? newline + 1 - text : 0)) < 0 ? -errno : 0;
}

static int read_all(int fd, char *text, size_t length, off_t begin)
{
	size_t done = 0;

	while (done < length) {
		ssize_t n = pread(fd, text + done, length - done, begin + (off_t)done);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n == 0)
			return -EIO;
		if (n > 0)
			done += (size_t)n;
	}
	return 0;
}

int log_tail_read(struct log_tail *tail, int fd, size_t size)
{
	off_t end = lseek(fd, 0, SEEK_END);
	off_t begin = end > (off_t)size ? end - (off_t)size : 0;
	size_t length;
	char *text;
	int r;

	*tail = (struct log_tail){ 0 };
	if (end < 0) /* a pipe or a terminal keeps nothing */
		return errno == ESPIPE ? 0 : -errno;
	length = (size_t)(end - begin);
	text = malloc(length + 1);
	if (!text)
		return -ENOMEM;
	r = read_all(fd, text, length, begin);
	if (r == 0)
		r = cut(fd, begin, text, length);
	if (r == 0)
		r = read_lines(tail, text, length);
	free(text);
	if (r < 0)
		log_tail_free(tail);
	return r;
}

void log_tail_free(struct log_tail *tail)
{
	free(tail->streams);
	*tail = (struct log_tail){ 0 };
}

uint64_t log_tail_last(const struct log_tail *tail, uint64_t stream)
{
	const struct log_tail_stream *found = find(tail, stream);

	return found ? found->last : 0;
}
