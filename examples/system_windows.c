/* SPDX-License-Identifier: MIT */

/*
 * What the programs ask of Windows.
 *
 * libevent waits for sockets only. A pipe or a terminal is therefore read by a thread of its own, which passes everything on through
 * a pair of sockets, and is slowed down by it when nobody takes what has come. Files on a disk are read directly.
 *
 * Lines end as they do in the messages: what is printed is binary.
 */

#include "system.h"

#include <errno.h>
#include <fcntl.h>
#include <io.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <winsock2.h>

#include <event2/util.h>

#include "program.h"

void system_begin(void)
{
	WSADATA data;

	/* Nobody can make an event_base without. Ends with the process. */
	if (WSAStartup(MAKEWORD(2, 2), &data) != 0)
		exit(EXIT_FAILURE);
	(void)_setmode(_fileno(stdin), _O_BINARY);
	(void)_setmode(_fileno(stdout), _O_BINARY);
}

void system_ignore_broken_pipes(void)
{
}

void system_let_signal_interrupt(int signal_number)
{
	(void)signal_number;
}

int system_write_output(const char *data, size_t size, size_t *written)
{
	int result = _write(
			_fileno(stdout), data, size > INT_MAX ? INT_MAX : (unsigned)size);

	*written = result < 0 ? 0 : (size_t)result;
	if (result >= 0)
		return 0;
	/* A pipe that nobody reads any more: the C library calls that an invalid argument. */
	return _doserrno == ERROR_NO_DATA ? -EPIPE : -errno;
}

/* ---- Input ----------------------------------------------------------------- */

struct pump {
	int fd; /* of the C library; closed at the end if it is not standard input */
	evutil_socket_t to;
};

/* Whether all of it could be passed on. */
static bool pass_on(evutil_socket_t to, const char *bytes, DWORD size)
{
	while (size > 0) {
		int sent = send(to, bytes, (int)size, 0);

		if (sent <= 0)
			return false;
		bytes += sent;
		size -= (DWORD)sent;
	}
	return true;
}

/* Whether there is more. Whoever writes nothing into a pipe makes its reader read nothing, and that is not the end. */
static bool read_more(HANDLE from, char *bytes, DWORD room, DWORD *size)
{
	do {
		if (!ReadFile(from, bytes, room, size, NULL))
			return false;
	} while (*size == 0 && PeekNamedPipe(from, NULL, 0, NULL, NULL, NULL));
	return *size > 0;
}

static DWORD WINAPI run_pump(void *arg)
{
	struct pump *pump = arg;
	HANDLE from = (HANDLE)_get_osfhandle(pump->fd);
	char bytes[16384];
	DWORD size;

	while (read_more(from, bytes, sizeof(bytes), &size) &&
			pass_on(pump->to, bytes, size))
		;
	if (pump->fd > _fileno(stdin))
		_close(pump->fd);
	evutil_closesocket(pump->to);
	free(pump);
	return 0;
}

/* The socket at which everything from `fd` arrives. Errors: -ENOMEM. */
static int start_pump(int fd)
{
	struct pump *pump = malloc(sizeof(*pump));
	evutil_socket_t pair[2];
	HANDLE thread;

	if (!pump || evutil_socketpair(AF_INET, SOCK_STREAM, 0, pair) < 0) {
		free(pump);
		return -ENOMEM;
	}
	*pump = (struct pump){ fd, pair[1] };
	evutil_make_socket_nonblocking(pair[0]);
	thread = CreateThread(NULL, 0, run_pump, pump, 0, NULL);
	if (!thread) {
		evutil_closesocket(pair[0]);
		evutil_closesocket(pair[1]);
		free(pump);
		return -ENOMEM;
	}
	CloseHandle(thread);
	return (int)pair[0];
}

int system_open_input(struct system_file *file, const char *name)
{
	bool is_standard = strcmp(name, "-") == 0;
	int fd = is_standard ? _fileno(stdin)
			     : _open(name, _O_RDONLY | _O_BINARY | _O_NOINHERIT);
	HANDLE handle;
	LARGE_INTEGER size = { .QuadPart = 0 };

	if (fd < 0)
		return -errno;
	handle = (HANDLE)_get_osfhandle(fd);
	file->is_regular = GetFileType(handle) == FILE_TYPE_DISK;
	file->may_block = !file->is_regular;
	if (file->is_regular)
		GetFileSizeEx(handle, &size);
	file->size = (uint64_t)size.QuadPart;
	file->fd = file->may_block ? start_pump(fd) : fd;
	return file->fd < 0 ? file->fd : 0;
}

ssize_t system_read_input(int fd, bool may_block, void *to, size_t size)
{
	int got;

	if (!may_block)
		return _read(fd, to, (unsigned)size);
	got = recv((SOCKET)fd, to, (int)size, 0);
	if (got < 0)
		errno = WSAGetLastError() == WSAEWOULDBLOCK ? EAGAIN : EIO;
	return got;
}

void system_close_input(int fd, bool may_block)
{
	if (may_block)
		evutil_closesocket(fd);
	else if (fd > _fileno(stdin))
		_close(fd);
}

/* ---- Users ----------------------------------------------------------------- */

uid_t system_parse_user(const char *option, const char *text)
{
	uid_t user;

	if (evchan_windows_uid(&user, text) < 0)
		usage_error("%s: '%s' is no security identifier (S-1-...)", option, text);
	return user;
}

void *system_reallocarray(void *old, size_t count, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(count, size, &bytes))
		return NULL;
	return realloc(old, bytes);
}
