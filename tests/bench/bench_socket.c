/* SPDX-License-Identifier: MIT */
/*
 * The same UNIX stream socket and framing as bench_bufferevent.c, but with buffers
 * written by hand: framed.c. For those who write their own.
 */

#include <unistd.h>

#include <event2/listener.h>

#include "framed.h"
#include "process.h"

static void send_stream(struct sender_task *task)
{
	int fd = transport_connect(task->address);

	transport_raise_buffers(fd);
	framed_send(task, fd);
}

static void on_accepted(struct evconnlistener *listener, evutil_socket_t fd,
		struct sockaddr *address, int length, void *arg)
{
	(void)listener;
	(void)address;
	(void)length;
	transport_raise_buffers(fd);
	framed_receive_from(arg, fd);
}

static void receive_stream(struct receiver_task *task)
{
	struct framed_sink sink = { .task = task, .base = event_base_new() };
	struct evconnlistener *listener;

	listener = evconnlistener_new(sink.base, on_accepted, &sink,
			LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0,
			transport_listen(task->address));
	if (!listener)
		process_die("evconnlistener_new");
	transport_ready(task->tally.board);
	event_base_dispatch(sink.base);
	framed_sink_deinit(&sink);
	evconnlistener_free(listener);
	event_base_free(sink.base);
}

const struct transport transport_socket = {
	.name = "socket",
	.send = send_stream,
	.is_paced = true,
	.receive = receive_stream,
};
