/* SPDX-License-Identifier: MIT */
/*
 * One end of a connected named pipe.
 *
 * A read is always under way, into memory of this object, or its result is not used up yet. The event belongs to that read: the
 * system resets it when a read begins and sets it when one ends. So it is set exactly as long as there is something to
 * take, and a loop that looks at it again and again sees what a level-triggered descriptor would show. The end is
 * never followed by another read.
 *
 * A write is given to the system, which keeps it until there is room for it; there is one at a time, so what a peer
 * that does not read costs is bounded.
 *
 * The peer's death is told by the pipe, whose other end goes with its process; but another process can have been given that end. So
 * the process itself is waited for, too. All it has written is there by then: if no read has ended
 * after its death was noted, none will. What its exit code says is of no interest: a process can end with any.
 *
 * Surprising: the system takes back what a thread has under way when the thread ends. A handle may be made in one thread
 * and used in another; a read that was taken back is begun again.
 */

#include "pipe_windows.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include "descriptor_windows.h"

#define READ_SIZE 1024u
/*
 * A question mark, not a dot. What follows a dot is taken for a path: "..", empty parts, trailing dots and spaces are resolved
 * before the pipe is looked for (Microsoft, "File path formats on Windows systems", normalization), so that two addresses
 * could be one pipe, and one could lead out of all pipes. Nor is a slash a backslash then, behind which a pipe could not be as long as
 * there is one by the name of what stands before it.
 */
#define PIPE_PREFIX L"\\\\?\\pipe\\evchan."
#define LOCK_PREFIX L"Global\\evchan.lock."

struct pipe {
	HANDLE handle;
	HANDLE event; /* the descriptor */
	struct peer_process peer;
	HANDLE death_wait; /* NULL: none */
	volatile LONG is_dead;
	bool is_server;
	bool has_written;
	bool has_said_goodbye;
	bool is_reading;
	bool is_writing;
	bool is_over; /* nothing more will be read */
	OVERLAPPED reading;
	OVERLAPPED writing;
	int kept[PIPE_KEPT_MAX]; /* in the table */
	unsigned kept_count;
	size_t start, end; /* what was read and not taken */
	unsigned char incoming[READ_SIZE];
	unsigned char outgoing[PIPE_WRITE_MAX];
};

/* ---- Names ------------------------------------------------------------------------ */

static int make_name(wchar_t name[PIPE_NAME_MAX], const wchar_t *prefix,
		const struct address *address)
{
	size_t length = wcslen(prefix);

	if (address->kind == ADDRESS_DESCRIPTOR)
		return -EINVAL;
	wcscpy(name, prefix);
	if (!MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, address->text, -1,
			    name + length, (int)(PIPE_NAME_MAX - length)))
		return -EINVAL;
	/* The one character that may not be in a name. */
	for (wchar_t *at = name + length; *at; at++)
		if (*at == L'\\')
			*at = L'/';
	return 0;
}

int pipe_name(wchar_t name[PIPE_NAME_MAX], const struct address *address)
{
	return make_name(name, PIPE_PREFIX, address);
}

/* Of ntdll.dll, documented for drivers. */
WCHAR WINAPI RtlUpcaseUnicodeChar(WCHAR character);

/* Names of pipes that differ in case only are one name, those of events are not: so the lock's is in capitals, by the table that
 * the system has for pipes. */
int pipe_lock_name(wchar_t name[PIPE_NAME_MAX], const struct address *address)
{
	int r = make_name(name, LOCK_PREFIX, address);

	if (r < 0)
		return r;
	for (wchar_t *at = name + wcslen(LOCK_PREFIX); *at; at++)
		*at = RtlUpcaseUnicodeChar(*at);
	return 0;
}

/* ---- Reading ------------------------------------------------------------------------ */

static void end_reading(struct pipe *pipe)
{
	pipe->is_reading = false;
	pipe->is_over = true;
	SetEvent(pipe->event);
}

static void start_reading(struct pipe *pipe)
{
	pipe->reading = (OVERLAPPED){ .hEvent = pipe->event };
	pipe->is_reading = true;
	if (!ReadFile(pipe->handle, pipe->incoming, READ_SIZE, NULL, &pipe->reading) &&
			GetLastError() != ERROR_IO_PENDING)
		end_reading(pipe);
	/* The read has reset the event; if the peer's end was noted just before, that would be lost. */
	if (pipe->is_dead)
		SetEvent(pipe->event);
}

/* Of the read, which is over. */
static void take_result(struct pipe *pipe, bool was_dead)
{
	DWORD size;

	pipe->is_reading = false;
	if (GetOverlappedResult(pipe->handle, &pipe->reading, &size, FALSE)) {
		pipe->start = 0;
		pipe->end = size;
		if (size == 0)
			start_reading(pipe);
	} else if (GetLastError() == ERROR_OPERATION_ABORTED && !was_dead) {
		start_reading(pipe);
	} else {
		end_reading(pipe);
	}
}

/* Takes the result of the read that is under way, if there is one. Of a dead peer none is waited for any more: the read is taken
 * back, which sets the event when it is done, unless it brings something after all. */
static void collect(struct pipe *pipe)
{
	/* Before the look at the read: see above. */
	bool was_dead = pipe->is_dead;

	if (pipe->is_reading && was_dead)
		(void)CancelIoEx(pipe->handle, &pipe->reading);
	while (pipe->is_reading && HasOverlappedIoCompleted(&pipe->reading))
		take_result(pipe, was_dead);
}

/* Nothing is there, so the event must not say so: of a read that another thread began its end can be seen before its event is set. */
static void be_quiet(struct pipe *pipe)
{
	ResetEvent(pipe->event);
	if (pipe->is_dead || HasOverlappedIoCompleted(&pipe->reading))
		SetEvent(pipe->event);
}

/* Whether there are bytes to take: their number, -EAGAIN, -EPIPE. */
static int available(struct pipe *pipe)
{
	if (pipe->start == pipe->end)
		collect(pipe);
	if (pipe->start < pipe->end)
		return (int)(pipe->end - pipe->start);
	if (pipe->is_over)
		return -EPIPE;
	be_quiet(pipe);
	return -EAGAIN;
}

int pipe_peek(struct pipe *pipe, void *to, size_t size)
{
	int r = available(pipe);

	if (r < 0)
		return r;
	if (size > (size_t)r)
		size = (size_t)r;
	memcpy(to, pipe->incoming + pipe->start, size);
	return (int)size;
}

int pipe_read(struct pipe *pipe, void *to, size_t size)
{
	int r = pipe_peek(pipe, to, size);

	if (r <= 0)
		return r;
	pipe->start += (size_t)r;
	if (pipe->start == pipe->end)
		start_reading(pipe);
	return r;
}

/* ---- Writing ------------------------------------------------------------------------- */

/* Whether another write can begin. */
static bool may_write(struct pipe *pipe)
{
	if (pipe->is_writing && HasOverlappedIoCompleted(&pipe->writing))
		pipe->is_writing = false;
	return !pipe->is_writing;
}

int pipe_write(struct pipe *pipe, const void *bytes, size_t size)
{
	HANDLE event = pipe->writing.hEvent;

	if (size > PIPE_WRITE_MAX || !may_write(pipe))
		return -EAGAIN;
	memcpy(pipe->outgoing, bytes, size);
	pipe->writing = (OVERLAPPED){ .hEvent = event };
	pipe->has_written = true;
	if (WriteFile(pipe->handle, pipe->outgoing, (DWORD)size, NULL, &pipe->writing))
		return 0;
	if (GetLastError() == ERROR_IO_PENDING) {
		pipe->is_writing = true;
		return 0;
	}
	return descriptor_error() == -EPIPE ? -EPIPE : -ENOMEM;
}

/* In the table, so that a peer which names them in its turn is not believed. */
int pipe_keep(struct pipe *pipe, int fd, uint32_t *number)
{
	HANDLE self = GetCurrentProcess(), kept;
	int *place = &pipe->kept[pipe->kept_count];

	if (pipe->kept_count == PIPE_KEPT_MAX ||
			!DuplicateHandle(self, handle_of(fd), self, &kept, 0, FALSE,
					DUPLICATE_SAME_ACCESS) ||
			descriptor_take(kept, place) < 0)
		return -ENOMEM;
	pipe->kept_count++;
	*number = (uint32_t)*place;
	return 0;
}

void pipe_let_go(struct pipe *pipe)
{
	while (pipe->kept_count)
		descriptor_close(pipe->kept[--pipe->kept_count]);
}

bool pipe_keeps_any(const struct pipe *pipe)
{
	return pipe->kept_count > 0;
}

void pipe_note_goodbye(struct pipe *pipe)
{
	pipe->has_said_goodbye = true;
}

bool pipe_has_said_goodbye(const struct pipe *pipe)
{
	return pipe->has_said_goodbye;
}

bool pipe_is_fresh(const struct pipe *pipe)
{
	return !pipe->has_written;
}

/* ---- The end ---------------------------------------------------------------------------- */

static void CALLBACK on_death(void *arg, BOOLEAN timed_out)
{
	struct pipe *pipe = arg;

	(void)timed_out;
	InterlockedExchange(&pipe->is_dead, 1);
	SetEvent(pipe->event);
}

bool pipe_has_hung_up(struct pipe *pipe)
{
	DWORD there;

	collect(pipe);
	return pipe->is_dead || pipe->is_over ||
			!PeekNamedPipe(pipe->handle, NULL, 0, NULL, &there, NULL);
}

bool pipe_take_back(HANDLE handle, OVERLAPPED *operation)
{
	DWORD unused;

	(void)CancelIoEx(handle, operation);
	/* GetOverlappedResult() that waits would wait for the event only, and take one that somebody else has set for the
	 * end. The result is there before the event is set. */
	while (!HasOverlappedIoCompleted(operation)) {
		ResetEvent(operation->hEvent);
		if (!HasOverlappedIoCompleted(operation))
			(void)WaitForSingleObject(operation->hEvent, INFINITE);
	}
	return GetOverlappedResult(handle, operation, &unused, FALSE);
}

static void cancel(struct pipe *pipe)
{
	if (pipe->is_reading)
		(void)pipe_take_back(pipe->handle, &pipe->reading);
	if (pipe->is_writing)
		(void)pipe_take_back(pipe->handle, &pipe->writing);
	pipe->is_reading = false;
	pipe->is_writing = false;
}

void pipe_shut(struct pipe *pipe)
{
	cancel(pipe);
	pipe->start = pipe->end;
	end_reading(pipe);
}

static void destroy(void *object)
{
	struct pipe *pipe = object;

	/* Waits for the callback, should it be running: it ends at once. */
	if (pipe->death_wait)
		(void)UnregisterWaitEx(pipe->death_wait, INVALID_HANDLE_VALUE);
	cancel(pipe);
	pipe_let_go(pipe);
	CloseHandle(pipe->handle);
	peer_close(&pipe->peer);
	if (pipe->event)
		CloseHandle(pipe->event);
	if (pipe->writing.hEvent)
		CloseHandle(pipe->writing.hEvent);
	free(pipe);
}

static bool make_parts(struct pipe *pipe)
{
	pipe->event = CreateEventW(NULL, TRUE, FALSE, NULL);
	pipe->writing.hEvent = CreateEventW(NULL, TRUE, FALSE, NULL);
	if (!pipe->event || !pipe->writing.hEvent)
		return false;
	return !pipe->peer.process ||
			RegisterWaitForSingleObject(&pipe->death_wait, pipe->peer.process,
					on_death, pipe, INFINITE,
					WT_EXECUTEONLYONCE | WT_EXECUTEINWAITTHREAD);
}

int pipe_new(int *fd, HANDLE handle, const struct peer_process *peer, bool is_server)
{
	struct pipe *pipe = calloc(1, sizeof(*pipe));

	if (!pipe) {
		struct peer_process unwanted = *peer;

		CloseHandle(handle);
		peer_close(&unwanted);
		return -ENOMEM;
	}
	pipe->handle = handle;
	pipe->peer = *peer;
	pipe->is_server = is_server;
	if (!make_parts(pipe) ||
			descriptor_own_object(descriptor_of(pipe->event), pipe, destroy) <
					0) {
		destroy(pipe);
		return -ENOMEM;
	}
	start_reading(pipe);
	*fd = descriptor_of(pipe->event);
	return 0;
}

struct pipe *pipe_of(int fd)
{
	return descriptor_object(fd);
}

const struct peer_process *pipe_peer(const struct pipe *pipe)
{
	return &pipe->peer;
}

bool pipe_is_server(const struct pipe *pipe)
{
	return pipe->is_server;
}

bool pipe_peer_is_true(const struct pipe *pipe)
{
	return peer_is_client(&pipe->peer, pipe->handle);
}
