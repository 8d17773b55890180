/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_EXAMPLES_RECEIVE_OUTPUT_H
#define EVCHAN_EXAMPLES_RECEIVE_OUTPUT_H

/* Standard output of evchan-receive: a buffer in front of write(2), and C escapes. */

#include <stdbool.h>
#include <stddef.h>

#define OUTPUT_SIZE ((size_t)256 * 1024)

/* Bytes that one byte can become when it is escaped. */
#define OUTPUT_ESCAPED_MAX 4

struct output {
	/* A signal that finds write(2) waiting ends it, with -EINTR. The first such signal sets it. */
	bool ends_on_signal;
	size_t used;
	char buffer[OUTPUT_SIZE];
};

static inline size_t output_room(const struct output *output)
{
	return OUTPUT_SIZE - output->used;
}

/* Appends bytes as they are. There is room for them. */
void output_bytes(struct output *output, const void *data, size_t size);

/* Appends bytes as the inside of a C string. There is room for OUTPUT_ESCAPED_MAX times as many. */
void output_escaped(struct output *output, const void *data, size_t size);

/* Hands the buffer to write(2), which may block. Returns 0 or a negative errno; what was not written then is
 * forgotten. */
int output_flush(struct output *output);

/* Writes any number of bytes behind the buffer, past it where they are many. Returns as output_flush(). */
int output_write_bytes(struct output *output, const void *data, size_t size);
int output_write_escaped(struct output *output, const void *data, size_t size);

/* Escapes into memory of the caller's that has room; returns the number of bytes. */
size_t escape(char *out, const void *data, size_t size);

#endif
