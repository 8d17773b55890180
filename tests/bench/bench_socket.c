/* SPDX-License-Identifier: MIT */
/*
 * The same UNIX stream socket and framing as bench_bufferevent.c, but with buffers
 * written by hand over plain libevent events: the sender fills a buffer of 1 MiB and
 * writes it, the receiver reads into one and parses in place. libevent 2.1 reads at
 * most 4096 bytes per call into an evbuffer; this shows what the socket itself can do,
 * for those who write their own.
 */

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>
#include <event2/listener.h>

#include "process.h"
#include "transport.h"

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
	struct buffer buffer;
	int fd;
};

static void fill(struct buffer *buffer, struct payload *payload, unsigned messages)
{
	size_t frame = HEADER + payload->size;
	uint32_t length = (uint32_t)payload->size;
	size_t at = 0;

	do {
		memcpy(buffer->data + at, &length, HEADER);
		memcpy(buffer->data + at + HEADER, payload_next(payload), payload->size);
		payload_advance(payload);
		at += frame;
	} while (at + frame <= BUFFER && --messages > 0);
	buffer->begin = 0;
	buffer->end = at;
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct source *source = arg;
	struct buffer *buffer = &source->buffer;
	ssize_t written;

	(void)what;
	if (buffer->begin == buffer->end)
		fill(buffer, &source->task->payload, source->task->turn_messages);
	written = send(fd, buffer->data + buffer->begin, buffer->end - buffer->begin,
			MSG_NOSIGNAL);
	if (written >= 0)
		buffer->begin += (size_t)written;
	else if (errno != EAGAIN && errno != EINTR)
		event_base_loopbreak(source->base);
}

static void send_stream(struct sender_task *task)
{
	struct source source = { .task = task, .base = event_base_new() };
	struct event *event;

	source.fd = transport_connect(task->address);
	transport_raise_buffers(source.fd);
	buffer_init(&source.buffer, task->payload.size);
	event = event_new(source.base, source.fd, EV_WRITE | EV_PERSIST, on_writable,
			&source);
	event_add(event, NULL);
	event_base_dispatch(source.base);
	event_free(event);
	event_base_free(source.base);
	free(source.buffer.data);
	close(source.fd);
}

/* ---- Receiving --------------------------------------------------------------- */

struct sink {
	struct receiver_task *task;
	struct event_base *base;
	struct connection *connections;
};

struct connection {
	struct sink *sink;
	struct connection *next;
	struct event *event;
	struct buffer buffer;
};

/* Takes the whole frames; what is left moves to the beginning. */
static void take_frames(struct connection *connection)
{
	struct buffer *buffer = &connection->buffer;
	struct sink *sink = connection->sink;
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
	struct connection *connection = arg;
	struct buffer *buffer = &connection->buffer;
	ssize_t got;

	(void)what;
	got = read(fd, buffer->data + buffer->end, buffer->size - buffer->end);
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got <= 0)
		process_die("socket: a connection ended: %s", strerror(errno));
	buffer->end += (size_t)got;
	take_frames(connection);
}

static void on_accepted(struct evconnlistener *listener, evutil_socket_t fd,
		struct sockaddr *address, int length, void *arg)
{
	struct sink *sink = arg;
	struct connection *connection = calloc(1, sizeof(*connection));

	(void)listener;
	(void)address;
	(void)length;
	if (!connection)
		process_die("no memory for a connection");
	transport_raise_buffers(fd);
	connection->sink = sink;
	connection->next = sink->connections;
	sink->connections = connection;
	buffer_init(&connection->buffer, sink->task->tally.size);
	connection->event = event_new(
			sink->base, fd, EV_READ | EV_PERSIST, on_readable, connection);
	event_add(connection->event, NULL);
}

static void close_connections(struct connection *connection)
{
	struct connection *next;

	for (; connection; connection = next) {
		next = connection->next;
		close(event_get_fd(connection->event));
		event_free(connection->event);
		free(connection->buffer.data);
		free(connection);
	}
}

static void receive_stream(struct receiver_task *task)
{
	struct sink sink = { .task = task, .base = event_base_new() };
	struct evconnlistener *listener;

	listener = evconnlistener_new(sink.base, on_accepted, &sink,
			LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0,
			transport_listen(task->address));
	if (!listener)
		process_die("evconnlistener_new");
	transport_ready(task->tally.board);
	event_base_dispatch(sink.base);
	close_connections(sink.connections);
	evconnlistener_free(listener);
	event_base_free(sink.base);
}

const struct transport transport_socket = {
	.name = "socket",
	.send = send_stream,
	.receive = receive_stream,
};
