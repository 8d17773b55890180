/* SPDX-License-Identifier: MIT */
/*
 * The control socket on named pipes.
 *
 * What the kernel does with descriptors on UNIX sockets is done here by the
 * receiver alone: behind the first frame in each direction comes a trailer with the numbers of up to two handles.
 * Those behind a hello are the sender's, and the receiver duplicates them out of the sender's process, with the rights it needs and
 * no others; those behind a welcome it has put into the sender's process before. So a sender needs no right to anything
 * of its receiver's, and nobody's word is ever taken for a handle of the receiver's own.
 *
 * A receiver's word is taken for handles of the sender's: it has the right to move any in and out of that process, and so no need to lie.
 * But it may be one that has no such right, and whose sender trusts anybody. So what can be looked at is looked at: nothing that
 * this library owns already, nothing of another type, nothing with other rights than those that a receiver gives.
 *
 * What is lost against a socket: a handle lives in its process. A hello whose process is gone cannot be taken any more; one whose
 * sender was merely freed can, because its connection lingers.
 */

#include "control_socket_receive.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <windows.h>

#include <winternl.h>

#include "descriptor_windows.h"
#include "disposal_windows.h"
#include "pipe_windows.h"
#include "wire_bytes.h"

enum {
	TRAILER_COUNT = 0,   /* u32 */
	TRAILER_HANDLES = 4, /* u32 each */
	TRAILER_LENGTH = TRAILER_HANDLES + 4 * CONTROL_DESCRIPTORS_MAX,
};

/* Of those that the system gives. */
#define HANDLE_LIMIT (UINT64_C(1) << 26)

/* ---- Making -------------------------------------------------------------------------- */

void control_socket_init(struct control_socket *control, int fd)
{
	*control = (struct control_socket){ .fd = fd };
}

/* Pipes cannot be handed in: who is at the other end could not be told. */
int control_socket_adopt(struct control_socket *control, int fd)
{
	(void)control;
	return control_socket_check(fd);
}

int control_socket_check(int fd)
{
	DWORD flags;

	return fd >= 0 && GetHandleInformation(handle_of(fd), &flags) ? -ENOTSOCK
								      : -EBADF;
}

/* What says elsewhere that nobody is there. */
static int connect_error(const struct address *address, int error)
{
	if (error == -EPIPE || (error == -ENOENT && address->kind == ADDRESS_ABSTRACT))
		return -ECONNREFUSED;
	return error;
}

int control_socket_connect(struct control_socket *control, const struct address *address)
{
	/* Not GENERIC_WRITE, which includes the making of further instances, and so is not given to everybody. */
	const DWORD access = FILE_READ_DATA | FILE_WRITE_DATA | FILE_READ_ATTRIBUTES |
			FILE_WRITE_ATTRIBUTES | READ_CONTROL | SYNCHRONIZE;
	struct peer_process peer;
	wchar_t name[PIPE_NAME_MAX];
	HANDLE handle;
	int fd, r;

	r = pipe_name(name, address);
	if (r < 0)
		return r;
	/* Whoever listens may know who this is, and not act as if it were this. */
	handle = CreateFileW(name, access, 0, NULL, OPEN_EXISTING,
			FILE_FLAG_OVERLAPPED | SECURITY_SQOS_PRESENT |
					SECURITY_IDENTIFICATION,
			NULL);
	if (handle == INVALID_HANDLE_VALUE)
		return connect_error(address, descriptor_error());
	r = peer_open_server(&peer, handle);
	if (r < 0) {
		CloseHandle(handle);
		return -ECONNREFUSED;
	}
	r = pipe_new(&fd, handle, &peer, false);
	if (r < 0)
		return r;
	control_socket_init(control, fd);
	return 0;
}

int control_socket_peer(const struct control_socket *control, struct evchan_peer *peer)
{
	*peer = pipe_peer(pipe_of(control->fd))->peer;
	return 0;
}

/* There is one write at a time: nothing to bound, no room to make. */
void control_socket_prepare_accepted(
		struct control_socket *control, bool want_credentials)
{
	(void)control;
	(void)want_credentials;
}

void control_socket_prepare_last(struct control_socket *control)
{
	(void)control;
}

bool control_socket_outlives_sender(void)
{
	return false;
}

/* ---- Sending ----------------------------------------------------------------------------- */

static HANDLE process_of(const struct pipe *pipe)
{
	return pipe_peer(pipe)->process;
}

/* Why a handle could not be moved: because the process is gone, mostly. While it goes its handles are closed one by one, this end of
 * the pipe among them, and only then is it known to be gone. */
static int move_error(struct pipe *pipe, int otherwise)
{
	HANDLE process = process_of(pipe);
	bool is_gone = process && WaitForSingleObject(process, 0) == WAIT_OBJECT_0;

	return is_gone || pipe_has_hung_up(pipe) ? -EPIPE : otherwise;
}

/* Takes back what was put into the peer's process. */
static void take_back(const struct pipe *pipe, const uint32_t *numbers, size_t count)
{
	for (size_t i = 0; i < count; i++)
		(void)DuplicateHandle(process_of(pipe), handle_of((int)numbers[i]), NULL,
				NULL, 0, FALSE, DUPLICATE_CLOSE_SOURCE);
}

/* The numbers by which the peer finds the handles. Errors: -EPIPE; -ENOMEM. */
static int name_handles(struct pipe *pipe, const struct control_ancillary *ancillary,
		uint32_t *numbers)
{
	HANDLE moved;

	for (size_t i = 0; i < ancillary->fd_count; i++) {
		if (!pipe_is_server(pipe)) {
			/* One that cannot be had twice is there as long as its owner keeps it. */
			if (pipe_keep(pipe, ancillary->fds[i], &numbers[i]) < 0)
				numbers[i] = (uint32_t)ancillary->fds[i];
			continue;
		}
		if (!process_of(pipe) ||
				!DuplicateHandle(GetCurrentProcess(),
						handle_of(ancillary->fds[i]),
						process_of(pipe), &moved, 0, FALSE,
						DUPLICATE_SAME_ACCESS)) {
			take_back(pipe, numbers, i);
			return move_error(pipe, -ENOMEM);
		}
		numbers[i] = (uint32_t)descriptor_of(moved);
	}
	return 0;
}

static int send_first(struct pipe *pipe, const unsigned char *frame, size_t length,
		const struct control_ancillary *ancillary)
{
	static const struct control_ancillary nothing;
	unsigned char bytes[PIPE_WRITE_MAX];
	uint32_t numbers[CONTROL_DESCRIPTORS_MAX] = { 0 };
	int r;

	if (length > sizeof(bytes) - TRAILER_LENGTH)
		return -EPROTO;
	if (!ancillary)
		ancillary = &nothing;
	r = name_handles(pipe, ancillary, numbers);
	if (r < 0)
		return r;
	memcpy(bytes, frame, length);
	wire_put(bytes + length + TRAILER_COUNT, ancillary->fd_count, 4);
	for (size_t i = 0; i < CONTROL_DESCRIPTORS_MAX; i++)
		wire_put(bytes + length + TRAILER_HANDLES + 4 * i, numbers[i], 4);
	r = pipe_write(pipe, bytes, length + TRAILER_LENGTH);
	if (r < 0 && pipe_is_server(pipe))
		take_back(pipe, numbers, ancillary->fd_count);
	return r;
}

int control_socket_send(struct control_socket *control, const unsigned char *frame,
		size_t length, const struct control_ancillary *ancillary)
{
	struct pipe *pipe = pipe_of(control->fd);

	if (pipe_is_fresh(pipe))
		return send_first(pipe, frame, length, ancillary);
	if (frame[0] == CONTROL_BYE)
		pipe_note_goodbye(pipe);
	return pipe_write(pipe, frame, length);
}

int control_socket_ring(struct control_socket *control)
{
	const unsigned char ring = CONTROL_RING;
	int r = control_socket_send(control, &ring, 1, NULL);

	/* What is not taken yet will wake the peer. */
	return r == -EAGAIN ? 0 : r;
}

/* ---- Receiving ---------------------------------------------------------------------------- */

int control_socket_receive_more(struct control_socket *control)
{
	int r = pipe_read(pipe_of(control->fd), control->buffer + control->filled,
			CONTROL_FRAME_MAX - control->filled);

	if (r < 0)
		return r;
	control->filled += (size_t)r;
	return 0;
}

/* The sender's handle, as one of ours that can only read memory. Errors: -EPROTO; -EPIPE the sender is gone. */
static int pull_handle(struct pipe *pipe, uint64_t number, int *fd)
{
	HANDLE pulled;

	if (!process_of(pipe) ||
			!DuplicateHandle(process_of(pipe), handle_of((int)number),
					GetCurrentProcess(), &pulled,
					SECTION_MAP_READ | SECTION_QUERY, FALSE, 0))
		return move_error(pipe, -EPROTO);
	return descriptor_take(pulled, fd);
}

/* The rights that go with a handle, and no object is asked. 0: there is none. */
static ACCESS_MASK rights_of(int fd)
{
	PUBLIC_OBJECT_BASIC_INFORMATION information;

	if (NtQueryObject(handle_of(fd), ObjectBasicInformation, &information,
			    sizeof(information), NULL) < 0)
		return 0;
	return information.GrantedAccess;
}

/* What the receiver says it has put here: memory first, then a bell. Each with so few rights that hardly any of the application's own
 * could be taken for it. */
static int accept_handle(uint64_t number, size_t place, int *fd)
{
	static const struct {
		const wchar_t *type;
		ACCESS_MASK rights;
	} given[CONTROL_DESCRIPTORS_MAX] = {
		{ L"Section", SECTION_MAP_READ | SECTION_QUERY },
		{ L"Event", EVENT_MODIFY_STATE },
	};
	int r;

	if (descriptor_is_owned((int)number) ||
			!descriptor_has_type((int)number, given[place].type) ||
			rights_of((int)number) != given[place].rights)
		return -EPROTO;
	r = descriptor_own((int)number);
	if (r == 0)
		*fd = (int)number;
	return r;
}

static void close_arrival(
		struct control_arrival *arrival, struct disposal_account *account)
{
	for (size_t i = 0; i < CONTROL_DESCRIPTORS_MAX; i++) {
		disposal_close(arrival->fds[i], account);
		arrival->fds[i] = -1;
	}
	arrival->fd_count = 0;
}

static int receive_handles(struct pipe *pipe, const unsigned char *trailer,
		struct control_arrival *arrival)
{
	uint64_t count = wire_get(trailer + TRAILER_COUNT, 4);
	int r = 0;

	if (count > CONTROL_DESCRIPTORS_MAX)
		return -EPROTO;
	for (size_t i = 0; i < count && r == 0; i++) {
		uint64_t number = wire_get(trailer + TRAILER_HANDLES + 4 * i, 4);

		if (number == 0 || number % 4 || number >= HANDLE_LIMIT)
			return -EPROTO;
		r = pipe_is_server(pipe) ? pull_handle(pipe, number, &arrival->fds[i])
					 : accept_handle(number, i, &arrival->fds[i]);
		arrival->fd_count += r == 0;
	}
	return r;
}

/* The first frame, and who says it. */
static int take_first(struct control_socket *control, size_t length,
		struct control_arrival *arrival, struct disposal_account *account)
{
	struct pipe *pipe = pipe_of(control->fd);
	int r;

	if (pipe_is_server(pipe) && pipe_peer(pipe)->process && !pipe_peer_is_true(pipe))
		return move_error(pipe, -EPROTO);
	r = receive_handles(pipe, control->buffer + length, arrival);
	if (r < 0) {
		close_arrival(arrival, account);
		return r;
	}
	/* It was answered: the peer has taken what it wanted. */
	pipe_let_go(pipe);
	control->first_done = true;
	control->taken = length + TRAILER_LENGTH;
	return (int)length;
}

int control_socket_receive_first(struct control_socket *control, enum control_type *type,
		struct control_arrival *arrival, struct disposal_account *account)
{
	for (;;) {
		int length = control_frame_length(type, control->buffer, control->filled);
		int r;

		if (length < 0 || (size_t)length + TRAILER_LENGTH > CONTROL_FRAME_MAX)
			return -EPROTO;
		if (length > 0 && control->filled >= (size_t)length + TRAILER_LENGTH)
			return take_first(control, (size_t)length, arrival, account);
		r = control_socket_receive_more(control);
		if (r < 0)
			return r;
	}
}

bool control_socket_has_hung_up(const struct control_socket *control)
{
	return pipe_has_hung_up(pipe_of(control->fd));
}

bool control_socket_has_first(const struct control_socket *control)
{
	unsigned char bytes[CONTROL_FRAME_MAX];
	enum control_type type;
	int r;

	memcpy(bytes, control->buffer, control->filled);
	r = pipe_peek(pipe_of(control->fd), bytes + control->filled,
			sizeof(bytes) - control->filled);
	return r > 0 &&
			control_frame_length(&type, bytes, control->filled + (size_t)r) >
			0;
}

/* ---- Ending ---------------------------------------------------------------------------------- */

/* Until the answer comes, or the end. What an answer brings is not wanted any more. */
static void await_answer(void *arg)
{
	struct control_socket *control = arg;
	struct control_arrival arrival;
	const unsigned char *frame;
	enum control_type type;
	int r;

	while ((r = control_socket_receive(control, &type, &frame, &arrival, NULL)) ==
			-EAGAIN)
		(void)WaitForSingleObject(handle_of(control->fd), INFINITE);
	close_arrival(&arrival, NULL);
	descriptor_close(control->fd);
	free(control);
}

/*
 * A hello that is not answered yet names handles of this process, and whoever said it has said goodbye since: the connection and
 * the handles stay until the receiver has taken them, so that what was published arrives. That holds as long as the process
 * does. Whether it is so.
 */
static bool linger(const struct control_socket *control)
{
	const struct pipe *pipe = pipe_of(control->fd);
	struct control_socket *copy;

	if (!pipe || pipe_is_server(pipe) || control->first_done ||
			!pipe_keeps_any(pipe) || !pipe_has_said_goodbye(pipe))
		return false;
	copy = malloc(sizeof(*copy));
	if (!copy)
		return false;
	*copy = *control;
	if (disposal_run(await_answer, copy))
		return true;
	free(copy);
	return false;
}

void control_socket_deinit(
		struct control_socket *control, struct disposal_account *account)
{
	(void)account;
	if (!linger(control))
		descriptor_close(control->fd);
	control->fd = -1;
}

void control_socket_shut(struct control_socket *control)
{
	pipe_shut(pipe_of(control->fd));
}

void control_socket_abandon(struct control_socket *control)
{
	descriptor_close(control->fd);
	control->fd = -1;
}
