/* SPDX-License-Identifier: MIT */
/*
 * libqb: IPC over shared memory, from its clients to its server, in libqb's own loop.
 * The server reads requests in place (QB_IPCS_RATE_FAST). A client whose ring is full
 * is told so, and tries again: libqb has no callback for room in this direction.
 */

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <qb/qbipcc.h>
#include <qb/qbipcs.h>
#include <qb/qbloop.h>

#include "pacer.h"
#include "process.h"
#include "transport.h"

#define HEADER sizeof(struct qb_ipc_request_header)

static struct receiver_task *receiving;
static qb_loop_t *loop;

/* ---- Sending --------------------------------------------------------------------- */

static size_t ring_size(size_t message, uint64_t capacity)
{
	size_t least = 4 * (message + HEADER);

	return capacity > least ? (size_t)capacity : least;
}

static void send_stream(struct sender_task *task)
{
	struct payload *payload = &task->payload;
	struct pace pace = { task->pace_fd, 0 };
	size_t size = HEADER + payload->size;
	qb_ipcc_connection_t *connection =
			qb_ipcc_connect(task->address + 1, ring_size(payload->size, task->capacity));
	struct qb_ipc_request_header *request = malloc(size);
	ssize_t r;

	if (!connection || !request)
		process_die("qb: connect: %s", strerror(errno));
	request->id = QB_IPC_MSG_USER_START + 1;
	request->size = (int32_t)size;
	do {
		pace_next(&pace, payload);
		memcpy(request + 1, payload_next(payload), payload->size);
		do {
			r = qb_ipcc_send(connection, request, size);
			if (r == -EAGAIN)
				sched_yield();
		} while (r == -EAGAIN);
		payload_advance(payload);
	} while (r >= 0);
}

/* ---- Receiving -------------------------------------------------------------------- */

static int32_t add_job(enum qb_loop_priority priority, void *data, qb_loop_job_dispatch_fn run)
{
	return qb_loop_job_add(loop, priority, data, run);
}

static int32_t add_watch(enum qb_loop_priority priority, int32_t fd, int32_t events, void *data,
		qb_ipcs_dispatch_fn_t run)
{
	return qb_loop_poll_add(loop, priority, fd, events, data, run);
}

static int32_t change_watch(enum qb_loop_priority priority, int32_t fd, int32_t events, void *data,
		qb_ipcs_dispatch_fn_t run)
{
	return qb_loop_poll_mod(loop, priority, fd, events, data, run);
}

static int32_t remove_watch(int32_t fd)
{
	return qb_loop_poll_del(loop, fd);
}

static int32_t accept_anybody(qb_ipcs_connection_t *connection, uid_t uid, gid_t gid)
{
	(void)connection;
	(void)uid;
	(void)gid;
	return 0;
}

/* What libqb leaves in /dev/shm when a client is killed. */
static void remove_files(void)
{
	char command[64];

	snprintf(command, sizeof(command), "rm -rf /dev/shm/qb-%ld-*", (long)getpid());
	if (system(command) != 0)
		process_die("qb: cannot remove what it left");
}

static int32_t on_message(qb_ipcs_connection_t *connection, void *data, size_t size)
{
	(void)connection;
	if (tally_message(&receiving->tally, (unsigned char *)data + HEADER, size - HEADER)) {
		remove_files();
		exit(0);
	}
	return 0;
}

static void receive_stream(struct receiver_task *task)
{
	struct qb_ipcs_service_handlers handlers = {
		.connection_accept = accept_anybody,
		.msg_process = on_message,
	};
	struct qb_ipcs_poll_handlers polling = { add_job, add_watch, change_watch, remove_watch };
	qb_ipcs_service_t *service;

	receiving = task;
	loop = qb_loop_create();
	service = qb_ipcs_create(task->address + 1, 0, QB_IPC_SHM, &handlers);
	if (!loop || !service)
		process_die("qb: no service");
	qb_ipcs_enforce_buffer_size(service, (uint32_t)ring_size(task->tally.size, 1u << 20));
	qb_ipcs_poll_handlers_set(service, &polling);
	if (qb_ipcs_run(service) < 0)
		process_die("qb: run");
	qb_ipcs_request_rate_limit(service, QB_IPCS_RATE_FAST);
	transport_ready(task->tally.board);
	qb_loop_run(loop);
}

const struct transport transport_qb = {
	.name = "libqb",
	.is_not_told = true,
	.send = send_stream,
	.is_paced = true,
	.size_max = 1 << 20,
	.receive = receive_stream,
};
