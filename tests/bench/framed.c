/* SPDX-License-Identifier: MIT */
/*
 * The best that one can write by hand over a byte stream. libevent 2.1 reads at most
 * 4096 bytes per call into an evbuffer; this reads all there is, and shows what the
 * socket or the pipe itself can do.
 */

#include "framed.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pacer.h"
#include "process.h"

#define BUFFER (1u << 20)
#define HEADER 4u

struct buffer {
	unsigned char *data;
	size_t size;
	size_t begin;
	size_t end;
};

/* A buffer for frames of such messages: for several of them. */
static void buffer_init(struct buffer *buffer, size_t message_size)
{
	buffer->begin = 0;
	buffer->end = 0;
	buffer->size = BUFFER + 2 * (HEADER + message_size);
	buffer->data = malloc(buffer->size);
	if (!buffer->data)
		process_die("no memory for a buffer");
}

/* ---- Sending ----------------------------------------------------------------- */

struct source {
	struct sender_task *task;
	struct event_base *base;
	struct event *writable;
	struct buffer buffer;
	int fd;
};

/* Appends one frame; there is room. */
static void append(struct buffer *buffer, struct payload *payload)
{
	uint32_t length = (uint32_t)payload->size;

	memcpy(buffer->data + buffer->end, &length, HEADER);
	memcpy(buffer->data + buffer->end + HEADER, payload_next(payload), payload->size);
	payload_advance(payload);
	buffer->end += HEADER + payload->size;
}

static void fill(struct buffer *buffer, struct payload *payload, unsigned messages)
{
	do {
		append(buffer, payload);
	} while (buffer->end + HEADER + payload->size <= BUFFER && --messages > 0);
}

/* Whether all is written. */
static bool write_out(struct source *source)
{
	struct buffer *buffer = &source->buffer;
	ssize_t written;

	written = write(source->fd, buffer->data + buffer->begin,
			buffer->end - buffer->begin);
	if (written >= 0)
		buffer->begin += (size_t)written;
	else if (errno != EAGAIN && errno != EINTR)
		event_base_loopbreak(source->base);
	if (buffer->begin < buffer->end)
		return false;
	buffer->begin = 0;
	buffer->end = 0;
	return true;
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct source *source = arg;
	struct sender_task *task = source->task;

	(void)fd;
	(void)what;
	if (task->pace_fd < 0 && source->buffer.end == 0)
		fill(&source->buffer, &task->payload, task->turn_messages);
	if (write_out(source) && task->pace_fd >= 0)
		event_del(source->writable);
}

/* Written at once: that is where a program that cares for latency would not wait for
 * the next turn. */
static void on_due(void *arg, unsigned messages)
{
	struct source *source = arg;

	for (unsigned i = 0; i < messages && source->buffer.end < BUFFER; i++) {
		payload_stamp(&source->task->payload);
		append(&source->buffer, &source->task->payload);
	}
	if (!write_out(source))
		event_add(source->writable, NULL);
}

void framed_send(struct sender_task *task, int fd)
{
	struct source source = { .task = task, .base = event_base_new(), .fd = fd };
	struct pacer pacer = { .event = NULL };

	buffer_init(&source.buffer, task->payload.size);
	source.writable = event_new(
			source.base, fd, EV_WRITE | EV_PERSIST, on_writable, &source);
	if (!source.base || !source.writable)
		process_die("no event base");
	if (task->pace_fd >= 0)
		pacer_start(&pacer, source.base, task->pace_fd, on_due, &source);
	else
		event_add(source.writable, NULL);
	event_base_dispatch(source.base);
	pacer_stop(&pacer);
	event_free(source.writable);
	event_base_free(source.base);
	free(source.buffer.data);
	close(fd);
}

/* ---- Receiving --------------------------------------------------------------- */

struct framed_connection {
	struct framed_sink *sink;
	struct framed_connection *next;
	struct event *event;
	struct buffer buffer;
};

/* Takes the whole frames; what is left moves to the beginning. */
static void take_frames(struct framed_connection *connection)
{
	struct buffer *buffer = &connection->buffer;
	struct framed_sink *sink = connection->sink;
	uint32_t length;

	while (buffer->end - buffer->begin >= HEADER) {
		const unsigned char *at = buffer->data + buffer->begin;

		memcpy(&length, at, HEADER);
		if (length > buffer->end - buffer->begin - HEADER)
			break;
		if (tally_message(&sink->task->tally, at + HEADER, length))
			event_base_loopbreak(sink->base);
		buffer->begin += HEADER + length;
	}
	memmove(buffer->data, buffer->data + buffer->begin, buffer->end - buffer->begin);
	buffer->end -= buffer->begin;
	buffer->begin = 0;
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct framed_connection *connection = arg;
	struct buffer *buffer = &connection->buffer;
	ssize_t got;

	(void)what;
	got = read(fd, buffer->data + buffer->end, buffer->size - buffer->end);
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got <= 0)
		process_die("a connection ended: %s", strerror(errno));
	buffer->end += (size_t)got;
	take_frames(connection);
}

void framed_receive_from(struct framed_sink *sink, int fd)
{
	struct framed_connection *connection = calloc(1, sizeof(*connection));

	if (!connection)
		process_die("no memory for a connection");
	connection->sink = sink;
	connection->next = sink->connections;
	sink->connections = connection;
	buffer_init(&connection->buffer, sink->task->tally.size);
	connection->event = event_new(
			sink->base, fd, EV_READ | EV_PERSIST, on_readable, connection);
	event_add(connection->event, NULL);
}

void framed_sink_deinit(struct framed_sink *sink)
{
	struct framed_connection *connection, *next;

	for (connection = sink->connections; connection; connection = next) {
		next = connection->next;
		close(event_get_fd(connection->event));
		event_free(connection->event);
		free(connection->buffer.data);
		free(connection);
	}
}
