/* SPDX-License-Identifier: MIT */

/*
 * The lines of files, pipes and terminals, without ever waiting for any of them.
 *
 * Two kinds of descriptors. Regular files are always ready: they are read whenever there is time. What may block is read
 * once each time the loop calls it readable.
 *
 * Memory. Lines are sent straight from the buffer they are read into. When nothing but the
 * beginning of a line is left, it moves to the front and the next slice is read behind it; only a line longer than the
 * buffer makes it larger, and no line is longer than a message. How far the beginning has been searched
 * is remembered, so that a long line is not searched again with each slice.
 *
 * More passes than one. What cannot be read again is kept in memory whole, and so are files up to KEEP_MAX in
 * all: opening a file of one line a million times would take longer than everything else.
 */

#include "send_input.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "system.h"

#define KEEP_MAX ((uint64_t)16 * 1024 * 1024)

int input_init(struct input *input, char **files, size_t file_count, uint64_t passes,
		size_t line_max)
{
	*input = (struct input){
		.files = files,
		.file_count = file_count,
		.passes = passes,
		.line_max = line_max,
		.has_copies = passes > 1,
		.copies = calloc(file_count, sizeof(*input->copies)),
		.fd = -1,
		.is_at_end = true,
		.buffer = malloc(2 * INPUT_SLICE),
		.buffer_size = 2 * INPUT_SLICE,
	};
	input->data = input->buffer;
	if (input->copies && input->buffer)
		return 0;
	input_deinit(input);
	return -ENOMEM;
}

static void close_file(struct input *input)
{
	if (input->fd >= 0)
		system_close_input(input->fd, input->may_block);
	input->fd = -1;
}

void input_deinit(struct input *input)
{
	close_file(input);
	for (size_t i = 0; input->copies && i < input->file_count; i++)
		free(input->copies[i].bytes);
	free(input->copies);
	free(input->buffer);
	*input = (struct input){ .fd = -1 };
}

const char *input_name(const struct input *input)
{
	const char *name = input->files[input->current - 1];

	return strcmp(name, "-") == 0 ? "standard input" : name;
}

/* ---- Lines ------------------------------------------------------------------- */

int input_next(struct input *input, const char **line, size_t *size)
{
	const char *first = input->data + input->start;
	size_t left = input->end - input->start;
	const char *newline = memchr(first + input->scanned, '\n', left - input->scanned);
	size_t length = newline ? (size_t)(newline - first) : left;

	if (!newline && (left == 0 || !input->is_at_end) && left <= input->line_max) {
		input->scanned = left;
		return 0;
	}
	input->line_number++;
	if (length > input->line_max)
		return -EMSGSIZE;
	input->scanned = 0;
	input->start += length + (newline != NULL);
	*line = first;
	*size = length;
	return 1;
}

/* ---- Slices ------------------------------------------------------------------ */

/* Room for one more slice behind what is left in the buffer. Errors: -ENOMEM. */
static int make_room(struct input *input)
{
	size_t left = input->end - input->start;
	size_t size = input->buffer_size;
	char *buffer;

	if (input->start > 0)
		memmove(input->buffer, input->buffer + input->start, left);
	input->start = 0;
	input->end = left;
	if (size - left >= INPUT_SLICE)
		return 0;
	buffer = realloc(input->buffer, 2 * size);
	if (!buffer)
		return -ENOMEM;
	input->buffer = buffer;
	input->buffer_size = 2 * size;
	input->data = buffer;
	return 0;
}

/* Errors: -ENOMEM. */
static int keep(struct input_copy *copy, const char *bytes, size_t size)
{
	size_t needed = copy->size + size;

	if (needed > copy->allocated) {
		size_t allocated = needed < INPUT_SLICE ? needed : 2 * needed;
		char *larger = realloc(copy->bytes, allocated);

		if (!larger)
			return -ENOMEM;
		copy->bytes = larger;
		copy->allocated = allocated;
	}
	memcpy(copy->bytes + copy->size, bytes, size);
	copy->size = needed;
	return 0;
}

static int read_slice(struct input *input)
{
	struct input_copy *copy = &input->copies[input->current - 1];
	ssize_t size;
	int r;

	r = make_room(input);
	if (r < 0)
		return r;
	input->is_readable = false;
	do {
		size = system_read_input(input->fd, input->may_block,
				input->buffer + input->end, INPUT_SLICE);
	} while (size < 0 && errno == EINTR);
	if (size < 0) {
		/* Some devices can block that did not look like it. */
		input->may_block |= errno == EAGAIN;
		return -errno;
	}
	if (size == 0) {
		input->is_at_end = true;
		copy->is_complete = input->is_kept;
		return 1;
	}
	if (input->is_kept) {
		r = keep(copy, input->buffer + input->end, (size_t)size);
		if (r < 0)
			return r;
	}
	input->end += (size_t)size;
	return 1;
}

/* ---- Files ------------------------------------------------------------------- */

static void read_from(struct input *input, const char *data, size_t size)
{
	input->data = data;
	input->start = 0;
	input->end = size;
	input->scanned = 0;
	input->line_number = 0;
}

/* Whether a file that is read for the first time is to be kept for the next passes. */
static bool choose_to_keep(
		struct input *input, const struct system_file *file, const char *name)
{
	if (!input->has_copies)
		return false;
	if (!file->is_regular || strcmp(name, "-") == 0)
		return true;
	if (input->kept + file->size > KEEP_MAX)
		return false;
	input->kept += file->size;
	return true;
}

static int open_file(struct input *input, const char *name)
{
	struct system_file file;
	int r;

	r = system_open_input(&file, name);
	if (r < 0)
		return r;
	input->fd = file.fd;
	input->may_block = file.may_block;
	input->is_kept = choose_to_keep(input, &file, name);
	input->is_readable = false;
	input->is_at_end = false;
	read_from(input, input->buffer, 0);
	return 1;
}

static int open_next(struct input *input)
{
	const struct input_copy *copy;

	close_file(input);
	if (input->passes == 0)
		return 0;
	if (input->current == input->file_count) {
		input->current = 0;
		input->passes--;
	}
	if (input->passes == 0)
		return 0;
	copy = &input->copies[input->current++];
	if (!copy->is_complete)
		return open_file(input, input->files[input->current - 1]);
	read_from(input, copy->size ? copy->bytes : input->buffer, copy->size);
	return 1;
}

int input_fill(struct input *input)
{
	if (input->is_at_end)
		return open_next(input);
	if (input->may_block && !input->is_readable)
		return -EAGAIN;
	return read_slice(input);
}
