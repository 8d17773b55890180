/* SPDX-License-Identifier: MIT */
/*
 * nng: push to pull over ipc, in the abstract namespace. Buffers of its largest depth
 * on both sides; messages are allocated by the library, filled by the sender, and read
 * in place by the receiver.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <nng/nng.h>
#include <nng/protocol/pipeline0/pull.h>
#include <nng/protocol/pipeline0/push.h>

#include "pacer.h"
#include "process.h"
#include "transport.h"

/* Messages that each side may queue, and bytes of them. */
#define DEPTH 8192
#define QUEUE_BYTES (64u << 20)

static void check(int r, const char *what)
{
	if (r)
		process_die("nng: %s: %s", what, nng_strerror(r));
}

static int depth_for(size_t size)
{
	size_t depth = QUEUE_BYTES / size + 1;

	return depth < DEPTH ? (int)depth : DEPTH;
}

static void url_of(char *url, size_t size, const char *address)
{
	snprintf(url, size, "abstract://%s", address + 1);
}

/* Until it is killed. */
static void send_stream(struct sender_task *task)
{
	struct payload *payload = &task->payload;
	struct pace pace = { task->pace_fd, 0 };
	nng_socket socket;
	char url[128];

	url_of(url, sizeof(url), task->address);
	check(nng_push0_open(&socket), "open");
	(void)nng_socket_set_int(socket, NNG_OPT_SENDBUF, depth_for(payload->size));
	check(nng_dial(socket, url, NULL, 0), "dial");
	for (;;) {
		nng_msg *message;

		pace_next(&pace, payload);
		check(nng_msg_alloc(&message, payload->size), "alloc");
		memcpy(nng_msg_body(message), payload_next(payload), payload->size);
		if (nng_sendmsg(socket, message, 0))
			return;
		payload_advance(payload);
	}
}

static void receive_stream(struct receiver_task *task)
{
	bool is_over = false;
	nng_socket socket;
	char url[128];

	url_of(url, sizeof(url), task->address);
	check(nng_pull0_open(&socket), "open");
	(void)nng_socket_set_int(socket, NNG_OPT_RECVBUF, depth_for(task->tally.size));
	(void)nng_socket_set_size(socket, NNG_OPT_RECVMAXSZ, 0);
	check(nng_listen(socket, url, NULL, 0), "listen");
	transport_ready(task->tally.board);
	while (!is_over) {
		nng_msg *message;

		check(nng_recvmsg(socket, &message, 0), "receive");
		is_over = tally_message(&task->tally, nng_msg_body(message),
				nng_msg_len(message));
		nng_msg_free(message);
	}
	exit(0);
}

const struct transport transport_nng = {
	.name = "nng",
	.is_not_told = true,
	.send = send_stream,
	.is_paced = true,
	.receive = receive_stream,
};
