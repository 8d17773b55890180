/* SPDX-License-Identifier: MIT */
/*
 * Pipes, one for each sender, of the largest size that the kernel gives to everybody (1
 * MiB). The same framing and buffers as bench_socket.c: framed.c. They are made before
 * the processes, because a pipe has no address.
 */

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <event2/event.h>

#include "framed.h"
#include "process.h"

#define PIPE_BYTES (1 << 20)

static int pipes[BOARD_SENDERS_MAX][2];
static unsigned pipe_count;

/* The driver's own copies of the round before are closed here. */
static void prepare(unsigned senders)
{
	while (pipe_count > 0) {
		pipe_count--;
		close(pipes[pipe_count][0]);
		close(pipes[pipe_count][1]);
	}
	for (; pipe_count < senders; pipe_count++) {
		if (pipe2(pipes[pipe_count], O_NONBLOCK | O_CLOEXEC) < 0)
			process_die("pipe: error %d", errno);
		(void)fcntl(pipes[pipe_count][1], F_SETPIPE_SZ, PIPE_BYTES);
	}
}

/* Each process keeps the ends that are its own: or nobody would notice that the other
 * is gone. */
static void close_ends(int end, unsigned but)
{
	for (unsigned i = 0; i < pipe_count; i++)
		if (i != but)
			close(pipes[i][end]);
}

static void send_stream(struct sender_task *task)
{
	unsigned number = (unsigned)(task->payload.number >> PAYLOAD_SENDER_SHIFT);

	close_ends(0, BOARD_SENDERS_MAX);
	close_ends(1, number);
	framed_send(task, pipes[number][1]);
}

static void receive_stream(struct receiver_task *task)
{
	struct framed_sink sink = { .task = task, .base = event_base_new() };

	close_ends(1, BOARD_SENDERS_MAX);
	for (unsigned i = 0; i < pipe_count; i++)
		framed_receive_from(&sink, pipes[i][0]);
	transport_ready(task->tally.board);
	event_base_dispatch(sink.base);
	framed_sink_deinit(&sink);
	event_base_free(sink.base);
}

const struct transport transport_pipe = {
	.name = "pipe",
	.prepare = prepare,
	.send = send_stream,
	.is_paced = true,
	.receive = receive_stream,
};
