/* SPDX-License-Identifier: MIT */
/*
 * Of the control socket what is the same on all systems: bytes become frames.
 *
 * Bytes are read as many as there are, and frames are handed out from the buffer. The invariant of the buffer: its
 * first `taken` bytes are the frame that was returned last, and are dropped by the next call; the rest up to `filled` is
 * the beginning of what follows.
 *
 * The first frame is special because handles or descriptors may come with it, and how they do is each system's own.
 */

#include "control_socket_receive.h"

#include <string.h>

static void drop_taken(struct control_socket *control)
{
	control->filled -= control->taken;
	memmove(control->buffer, control->buffer + control->taken, control->filled);
	control->taken = 0;
}

/* Rings that follow a ring in the buffer are one with it. */
static int merge_rings(const struct control_socket *control)
{
	size_t count = 1;

	while (count < control->filled && control->buffer[count] == CONTROL_RING)
		count++;
	return (int)count;
}

/* The frame at the front of the buffer. Returns its length, 0 if it is not whole, or -EPROTO. */
static int take_buffered(struct control_socket *control, enum control_type *type)
{
	int length = control_frame_length(type, control->buffer, control->filled);

	if (length > 0 && *type == CONTROL_RING)
		length = merge_rings(control);
	if (length > 0)
		control->taken = (size_t)length;
	return length;
}

static void no_arrival(struct control_arrival *arrival)
{
	arrival->fd_count = 0;
	arrival->has_credentials = false;
	for (size_t i = 0; i < CONTROL_DESCRIPTORS_MAX; i++)
		arrival->fds[i] = -1;
}

int control_socket_receive(struct control_socket *control, enum control_type *type,
		const unsigned char **frame, struct control_arrival *arrival,
		struct disposal_account *account)
{
	struct control_arrival unwanted;
	int length, r;

	if (!arrival)
		arrival = &unwanted;
	no_arrival(arrival);
	drop_taken(control);
	*frame = control->buffer;
	if (!control->first_done)
		return control_socket_receive_first(control, type, arrival, account);
	length = take_buffered(control, type);
	while (length == 0) {
		r = control_socket_receive_more(control);
		if (r < 0)
			return r;
		length = take_buffered(control, type);
	}
	return length;
}
