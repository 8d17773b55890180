/* SPDX-License-Identifier: MIT */
/*
 * libzmq: PUSH to PULL over ipc, in the abstract namespace. The high-water marks are
 * raised so that its I/O threads always have something to batch; messages are copied in
 * by zmq_send() and read in place by the receiver.
 */

#include <stdio.h>
#include <stdlib.h>

#include <zmq.h>

#include "pacer.h"
#include "process.h"
#include "transport.h"

/* Bytes that each side may queue. */
#define QUEUE_BYTES (16u << 20)

static void *open_socket(void **context, int type, size_t size)
{
	int mark = (int)(QUEUE_BYTES / size) + 4, linger = 0;
	void *socket;

	*context = zmq_ctx_new();
	socket = *context ? zmq_socket(*context, type) : NULL;
	if (!socket)
		process_die("zmq: %s", zmq_strerror(zmq_errno()));
	zmq_setsockopt(socket, ZMQ_SNDHWM, &mark, sizeof(mark));
	zmq_setsockopt(socket, ZMQ_RCVHWM, &mark, sizeof(mark));
	zmq_setsockopt(socket, ZMQ_LINGER, &linger, sizeof(linger));
	return socket;
}

static void endpoint_of(char *endpoint, size_t size, const char *address)
{
	snprintf(endpoint, size, "ipc://%s", address);
}

/* Until it is killed. */
static void send_stream(struct sender_task *task)
{
	struct payload *payload = &task->payload;
	struct pace pace = { task->pace_fd, 0 };
	void *context, *socket = open_socket(&context, ZMQ_PUSH, payload->size);
	char endpoint[128];
	int r;

	endpoint_of(endpoint, sizeof(endpoint), task->address);
	if (zmq_connect(socket, endpoint) < 0)
		process_die("zmq: connect: %s", zmq_strerror(zmq_errno()));
	do {
		pace_next(&pace, payload);
		r = zmq_send(socket, payload_next(payload), payload->size, 0);
		payload_advance(payload);
	} while (r >= 0);
}

static void receive_stream(struct receiver_task *task)
{
	void *context, *socket = open_socket(&context, ZMQ_PULL, task->tally.size);
	bool is_over = false;
	char endpoint[128];
	zmq_msg_t message;

	endpoint_of(endpoint, sizeof(endpoint), task->address);
	if (zmq_bind(socket, endpoint) < 0)
		process_die("zmq: bind: %s", zmq_strerror(zmq_errno()));
	transport_ready(task->tally.board);
	zmq_msg_init(&message);
	while (!is_over) {
		if (zmq_msg_recv(&message, socket, 0) < 0)
			process_die("zmq: receive: %s", zmq_strerror(zmq_errno()));
		is_over = tally_message(&task->tally, zmq_msg_data(&message),
				zmq_msg_size(&message));
	}
	zmq_msg_close(&message);
	/* Its threads end with the process. */
	exit(0);
}

const struct transport transport_zmq = {
	.name = "zmq",
	.is_not_told = true,
	.send = send_stream,
	.is_paced = true,
	.receive = receive_stream,
};
