/* SPDX-License-Identifier: MIT */
/* Copied by hand from the comments of include/evchan/evchan.h, loop.h, libevent.h and proto.h: a promise that is changed there has
 * to be changed here, too. */

#include "documented.h"

#include <errno.h>
#include <stddef.h>

#define SEND_ERRORS EAGAIN, EMSGSIZE, EBUSY, EINVAL, EPIPE, EOWNERDEAD
#define HOLD_ERRORS ENOMEM, ENOBUFS, EALREADY, EINVAL, EOWNERDEAD
#define DECODE_ERRORS EBADMSG, ELOOP, ENOBUFS, EMSGSIZE, EILSEQ, ENOMEM, EINVAL, E2BIG

static const struct {
	const char *name;
	int errors[24]; /* up to the first 0 */
} functions[] = {
	[EVCHAN_RECEIVER_NEW] = { "evchan_receiver_new",
			{ EADDRINUSE, EACCES, ENOENT, ENOTDIR, ENAMETOOLONG, EROFS,
					EINVAL, EBADF, ENOTSOCK, ENOTSUP, E2BIG, EMFILE,
					ENFILE, ENOMEM, ENOSPC, EDQUOT, ENOLCK, EPERM,
					ELOOP, EAGAIN } },
	[EVCHAN_RECEIVER_ADOPT] = { "evchan_receiver_adopt",
			{ EBADF, ENOTSOCK, EINVAL, ENOMEM, EMFILE, ESHUTDOWN,
					EOWNERDEAD } },
	[EVCHAN_RECEIVER_SHUTDOWN] = { "evchan_receiver_shutdown",
			{ EALREADY, ENOMEM, EOWNERDEAD } },
	[EVCHAN_LANE_EVICT] = { "evchan_lane_evict", { ENOTCONN, EOWNERDEAD } },
	[EVCHAN_LANE_GET_NOTE] = { "evchan_lane_get_note",
			{ ENOENT, ENOBUFS, EPROTO, EOWNERDEAD } },
	[EVCHAN_MESSAGE_HOLD] = { "evchan_message_hold", { HOLD_ERRORS } },
	[EVCHAN_SENDER_NEW] = { "evchan_sender_new",
			{ ENOENT, ECONNREFUSED, EACCES, EINVAL, ENAMETOOLONG, ENOTDIR,
					EBADF, ENOTSOCK, E2BIG, ENOMEM, ENOSPC, EFBIG,
					EMFILE, ENFILE, EPERM, EPROTOTYPE, ELOOP, EAGAIN,
					ENOSYS, ENOBUFS, ETOOMANYREFS } },
	[EVCHAN_SENDER_ADD_NOTE] = { "evchan_sender_add_note",
			{ ENOSPC, EEXIST, EINVAL, EOWNERDEAD } },
	[EVCHAN_SENDER_NOTIFY_DRAINED] = { "evchan_sender_notify_drained",
			{ EPIPE, ENOMEM, EOWNERDEAD } },
	[EVCHAN_SEND] = { "evchan_send", { SEND_ERRORS } },
	[EVCHAN_RECEIVE_WAIT] = { "evchan_receive_wait",
			{ ETIMEDOUT, EAGAIN, EINTR, EINVAL, ESHUTDOWN, ENOMEM, ECANCELED,
					EOWNERDEAD } },
	[EVCHAN_SEND_WAIT] = { "evchan_send_wait",
			{ ETIMEDOUT, EINTR, EINVAL, ECANCELED, ENOMEM, SEND_ERRORS } },
	[EVCHAN_DRAIN_WAIT] = { "evchan_drain_wait",
			{ ETIMEDOUT, EAGAIN, EINTR, EINVAL, EPIPE, ECANCELED, ENOMEM,
					EOWNERDEAD } },
	[EVCHAN_POLL_LOOP_NEW] = { "evchan_poll_loop_new", { ENOMEM } },
	[EVCHAN_POLL_LOOP_RUN_ONCE] = { "evchan_poll_loop_run_once",
			{ EINTR, EINVAL, ENOMEM } },
	[EVCHAN_LIBEVENT_LOOP_NEW] = { "evchan_libevent_loop_new", { EINVAL, ENOMEM } },
	[EVCHAN_PROTO_TYPES_NEW] = { "evchan_proto_types_new", { ENOMEM } },
	[EVCHAN_PROTO_TYPES_ADD] = { "evchan_proto_types_add",
			{ EEXIST, EINVAL, EBUSY, ENOMEM } },
	[EVCHAN_PROTO_DESCRIBE] = { "evchan_proto_describe",
			{ ENOBUFS, ENOENT, ENOMEM } },
	[EVCHAN_PROTO_COMPARE] = { "evchan_proto_compare", { ENOENT, EPROTO, ENOMEM } },
	[EVCHAN_PROTO_ARENA_NEW] = { "evchan_proto_arena_new", { ENOMEM } },
	[EVCHAN_PROTO_DECODE] = { "evchan_proto_decode", { DECODE_ERRORS } },
	[EVCHAN_PROTO_DETACH] = { "evchan_proto_detach", { ENOMEM } },
	[EVCHAN_PROTO_SENDER_NEW] = { "evchan_proto_sender_new", { ENOMEM } },
	[EVCHAN_PROTO_SEND] = { "evchan_proto_send",
			{ ENOENT, ENOSPC, ENOMEM, SEND_ERRORS } },
	[EVCHAN_PROTO_RECEIVER_NEW] = { "evchan_proto_receiver_new",
			{ EINVAL, E2BIG, ENOMEM } },
	[EVCHAN_PROTO_ON] = { "evchan_proto_on", { ENOENT, ENOMEM } },
	[EVCHAN_PROTO_DISPATCH] = { "evchan_proto_dispatch",
			{ EPROTOTYPE, ENOENT, DECODE_ERRORS } },
	[EVCHAN_PROTO_HOLD] = { "evchan_proto_hold", { HOLD_ERRORS } },
};

const char *documented_name(enum documented function)
{
	return functions[function].name;
}

bool documented_has(enum documented function, int error)
{
	for (const int *known = functions[function].errors; *known; known++)
		if (error == -*known)
			return true;
	return false;
}
