/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_EXAMPLES_SEND_INPUT_H
#define EVCHAN_EXAMPLES_SEND_INPUT_H

/* The lines of some files, in slices, for a loop. send_input.c tells how. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Read at once; also a good measure for how much to do in one turn of a loop. */
#define INPUT_SLICE ((size_t)64 * 1024)

/* One file, if it is kept in memory. */
struct input_copy {
	char *bytes;
	size_t size;
	size_t allocated;
	bool is_complete;
};

struct input {
	/* what is to be read */
	char **files;
	size_t file_count;
	uint64_t passes;         /* to go, this one included */
	size_t line_max;
	bool has_copies;         /* there are more passes than one */
	struct input_copy *copies; /* one for each file */
	uint64_t kept;           /* bytes of files that are kept though they could be read again */

	/* the file that is being read */
	size_t current;          /* its index + 1; 0: none yet */
	int fd;                  /* -1: none, or its copy is read */
	bool may_block;          /* a pipe, a terminal: read only when the loop says so */
	bool is_readable;        /* the loop has said so */
	bool is_kept;            /* what is read goes to its copy, too */
	bool is_at_end;
	uint64_t line_number;    /* of the last line */

	/* bytes that were read: [start, end) of data; there is no newline in the first `scanned` of them */
	const char *data;
	size_t start;
	size_t end;
	size_t scanned;

	char *buffer;
	size_t buffer_size;
};

/* The lists stay the caller's. Lines have at most `line_max` bytes. Errors: -ENOMEM. */
int input_init(struct input *input, char **files, size_t file_count, uint64_t passes,
		size_t line_max);
void input_deinit(struct input *input);

/*
 * The next line, without its newline; valid until input_fill(). Returns 1; 0: input_fill() first; -EMSGSIZE:
 * line number `line_number` is too long.
 */
int input_next(struct input *input, const char **line, size_t *size);

/*
 * Reads a slice, or goes on to the next file. Returns 1; 0: that was all; -EAGAIN: when input->fd
 * is readable (then set is_readable before); another negative errno of the file input_name(). Closes
 * input->fd if is_at_end is set: watch it no longer then.
 */
int input_fill(struct input *input);

/* How to call the current file in a sentence. */
const char *input_name(const struct input *input);

#endif
