/* SPDX-License-Identifier: MIT */
/*
 * UNIX sockets that keep messages apart (SOCK_SEQPACKET): no framing, one message for
 * each system call, or, as here, many with sendmmsg(2) and recvmmsg(2). The sender
 * blocks, the receiver waits in a libevent loop.
 */

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <event2/event.h>

#include "pacer.h"
#include "process.h"
#include "transport.h"

#define BATCH 64u
/* Larger messages are queued one at a time anyway. */
#define BATCH_BYTES (1u << 20)

static int open_socket(const char *address, struct sockaddr_un *name, socklen_t *length)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	if (fd < 0)
		process_die("seqpacket: socket: %s", strerror(errno));
	memset(name, 0, sizeof(*name));
	name->sun_family = AF_UNIX;
	memcpy(name->sun_path + 1, address + 1, strlen(address) - 1);
	*length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(address));
	transport_raise_buffers(fd);
	return fd;
}

struct batch {
	struct mmsghdr messages[BATCH];
	struct iovec vectors[BATCH];
	unsigned count;
};

static void batch_init(struct batch *batch, size_t size)
{
	memset(batch, 0, sizeof(*batch));
	batch->count = size * BATCH > BATCH_BYTES ? (unsigned)(BATCH_BYTES / size) + 1 : BATCH;
	for (unsigned i = 0; i < batch->count; i++) {
		batch->messages[i].msg_hdr.msg_iov = &batch->vectors[i];
		batch->messages[i].msg_hdr.msg_iovlen = 1;
		batch->vectors[i].iov_len = size;
	}
}

/* A slot's number changes when it is sent again: no more at once than there are slots. */
static unsigned fill(struct batch *batch, struct payload *payload, unsigned most)
{
	unsigned count = batch->count < payload->slots ? batch->count : payload->slots;

	if (count > most)
		count = most;
	for (unsigned i = 0; i < count; i++) {
		unsigned slot = (payload->slot + i) % payload->slots;

		/* The next round's numbers are not there yet. */
		if (slot < payload->slot)
			return i;
		batch->vectors[i].iov_base = payload->buffer + slot * payload->size;
	}
	return count;
}

static void send_stream(struct sender_task *task)
{
	struct payload *payload = &task->payload;
	struct sockaddr_un name;
	struct batch batch;
	socklen_t length;
	int fd = open_socket(task->address, &name, &length);
	struct pace pace = { task->pace_fd, 0 };

	if (connect(fd, (struct sockaddr *)&name, length) < 0)
		process_die("seqpacket: connect: %s", strerror(errno));
	batch_init(&batch, payload->size);
	for (;;) {
		unsigned most = pace_next(&pace, payload) ? 1 : task->turn_messages;
		unsigned count = fill(&batch, payload, most);
		int sent = sendmmsg(fd, batch.messages, count, MSG_NOSIGNAL);

		if (sent < 0 && errno != EINTR)
			break;
		while (sent-- > 0)
			payload_advance(payload);
	}
	close(fd);
}

struct sink {
	struct receiver_task *task;
	struct event_base *base;
	struct batch batch;
	unsigned char *buffer;
};

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct sink *sink = arg;
	struct batch *batch = &sink->batch;
	int got = recvmmsg(fd, batch->messages, batch->count, MSG_DONTWAIT, NULL);

	(void)what;
	if (got < 0 && errno != EAGAIN && errno != EINTR)
		process_die("seqpacket: recvmmsg: %s", strerror(errno));
	for (int i = 0; i < got; i++)
		if (tally_message(&sink->task->tally, batch->vectors[i].iov_base,
				    batch->messages[i].msg_len))
			event_base_loopbreak(sink->base);
}

static void on_connection(evutil_socket_t listener, short what, void *arg)
{
	struct sink *sink = arg;
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

	(void)what;
	if (fd < 0)
		process_die("seqpacket: accept: %s", strerror(errno));
	transport_raise_buffers(fd);
	event_add(event_new(sink->base, fd, EV_READ | EV_PERSIST, on_readable, sink), NULL);
}

/* Its process ends with the round: nothing is given back. */
static void receive_stream(struct receiver_task *task)
{
	static struct sink sink;
	struct sockaddr_un name;
	socklen_t length;
	int fd = open_socket(task->address, &name, &length);

	if (bind(fd, (struct sockaddr *)&name, length) < 0 || listen(fd, SOMAXCONN) < 0)
		process_die("seqpacket: listen: %s", strerror(errno));
	sink.task = task;
	sink.base = event_base_new();
	batch_init(&sink.batch, task->tally.size);
	sink.buffer = malloc(sink.batch.count * task->tally.size);
	if (!sink.base || !sink.buffer)
		process_die("seqpacket: no memory");
	for (unsigned i = 0; i < sink.batch.count; i++)
		sink.batch.vectors[i].iov_base = sink.buffer + i * task->tally.size;
	event_add(event_new(sink.base, fd, EV_READ | EV_PERSIST, on_connection, &sink), NULL);
	transport_ready(task->tally.board);
	event_base_dispatch(sink.base);
}

const struct transport transport_seqpacket = {
	.name = "seqpacket",
	.send = send_stream,
	.is_paced = true,
	.size_max = 1 << 20, /* more does not fit into the socket's buffer */
	.receive = receive_stream,
};
