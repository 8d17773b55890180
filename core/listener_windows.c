/* SPDX-License-Identifier: MIT */
/*
 * Listening on a named pipe.
 *
 * A pipe has instances: each serves one client, and somebody who finds none free is told to try again. Some wait here for
 * clients, all with one event, which the loop watches. It is set while a client may be there. Beginning to wait resets it, in
 * whatever state the others are, so after each beginning all are looked at.
 *
 * One receiver to an address. A lock, an event with a name of its own, exists as long as the receiver does; the kernel ends both
 * together. The pipe's name alone does not tell: it stays for as long as anybody has an instance, and a client that does not
 * notice its receiver's death has one. Whoever has the lock makes one more; the pipe then has to be the own user's: either it is
 * new, or a dead receiver's, or that of its last lanes.
 *
 * Who may connect is in the pipe's security descriptor, by the bits of a socket file's mode; nobody but the own user may make
 * instances, which would take its clients; and nobody may connect from another machine.
 */

#include "listener.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <windows.h>

#include <sddl.h>

#include "descriptor_windows.h"
#include "pipe_windows.h"
#include "user_windows.h"

#define INSTANCES 16
/* Of what is written and not read, each way. Each write costs the system's own memory a record, and a write may be one byte: whoever
 * has itself rung and never reads costs some thousand of them. An answer to an observer fits, as long as it is read. */
#define BUFFER_BYTES 4096

/* Reading and writing, without the making of instances. */
#define CLIENT_ACCESS L"0x12018b"
#define OTHERS_BITS 06
#define GROUP_BITS 060

struct instance {
	HANDLE handle; /* NULL: there is none */
	OVERLAPPED connecting;
	bool is_waiting; /* for a client; else one is there */
};

struct pipe_listener {
	HANDLE event;
	wchar_t name[PIPE_NAME_MAX];
	PSECURITY_DESCRIPTOR security;
	bool is_shut;
	struct instance instances[INSTANCES];
};

/* ---- Who may connect ------------------------------------------------------------------- */

static PSECURITY_DESCRIPTOR make_security(mode_t mode)
{
	wchar_t *user = user_own_text(false), *group = user_own_text(true);
	PSECURITY_DESCRIPTOR security = NULL;
	wchar_t text[1024], more[256] = L"";

	if (user && group) {
		if (mode & GROUP_BITS)
			swprintf(more, 256, L"(A;;" CLIENT_ACCESS L";;;%ls)", group);
		swprintf(text, 1024, L"O:%lsD:P(A;;GA;;;%ls)(A;;GA;;;SY)%ls%ls", user,
				user, more,
				mode & OTHERS_BITS ? L"(A;;" CLIENT_ACCESS L";;;AU)"
						   : L"");
		if (!ConvertStringSecurityDescriptorToSecurityDescriptorW(
				    text, SDDL_REVISION_1, &security, NULL))
			security = NULL;
	}
	LocalFree(user);
	LocalFree(group);
	return security;
}

/* ---- Instances ---------------------------------------------------------------------------- */

static HANDLE make_instance(const struct pipe_listener *pipes, DWORD more)
{
	SECURITY_ATTRIBUTES attributes = { sizeof(attributes), pipes->security, FALSE };
	HANDLE handle = CreateNamedPipeW(pipes->name,
			PIPE_ACCESS_DUPLEX | FILE_FLAG_OVERLAPPED | more,
			PIPE_TYPE_BYTE | PIPE_READMODE_BYTE | PIPE_WAIT |
					PIPE_REJECT_REMOTE_CLIENTS,
			PIPE_UNLIMITED_INSTANCES, BUFFER_BYTES, BUFFER_BYTES, 0,
			&attributes);

	return handle == INVALID_HANDLE_VALUE ? NULL : handle;
}

static bool has_client(const struct instance *instance)
{
	return instance->handle &&
			(!instance->is_waiting ||
					HasOverlappedIoCompleted(&instance->connecting));
}

static bool any_has_client(const struct pipe_listener *pipes)
{
	for (size_t i = 0; i < INSTANCES; i++)
		if (has_client(&pipes->instances[i]))
			return true;
	return false;
}

static void close_instance(struct instance *instance)
{
	CloseHandle(instance->handle);
	instance->handle = NULL;
}

/* A client may have come before, and even have gone: it is there all the same, with what it has said. If it cannot be waited for
 * there is no instance any more. */
static void start_waiting(struct pipe_listener *pipes, struct instance *instance)
{
	DWORD error;

	instance->connecting = (OVERLAPPED){ .hEvent = pipes->event };
	error = ConnectNamedPipe(instance->handle, &instance->connecting)
			? ERROR_SUCCESS
			: GetLastError();
	instance->is_waiting = error == ERROR_IO_PENDING;
	if (error != ERROR_SUCCESS && error != ERROR_IO_PENDING &&
			error != ERROR_PIPE_CONNECTED && error != ERROR_NO_DATA)
		close_instance(instance);
	if (any_has_client(pipes))
		SetEvent(pipes->event);
}

/* Ends a wait for a client, unless one has come. Whether there is none. */
static bool end_waiting(struct instance *instance)
{
	if (!instance->is_waiting)
		return false;
	instance->is_waiting = false;
	return !pipe_take_back(instance->handle, &instance->connecting);
}

/* ---- Opening ---------------------------------------------------------------------------------- */

static void destroy(void *object)
{
	struct pipe_listener *pipes = object;

	for (size_t i = 0; i < INSTANCES; i++) {
		struct instance *instance = &pipes->instances[i];

		if (!instance->handle)
			continue;
		(void)end_waiting(instance);
		close_instance(instance);
	}
	if (pipes->event)
		CloseHandle(pipes->event);
	LocalFree(pipes->security);
	free(pipes);
}

/* An event lives as long as anybody has it open, so nobody may but the own user: whoever may connect could keep the address
 * taken after the receiver's death. Errors: -EADDRINUSE; -ENOMEM. */
static int make_lock(HANDLE *lock, const wchar_t *name)
{
	PSECURITY_DESCRIPTOR security = make_security(0);
	SECURITY_ATTRIBUTES attributes = { sizeof(attributes), security, FALSE };
	DWORD error;

	*lock = security ? CreateEventW(&attributes, TRUE, FALSE, name) : NULL;
	error = security ? GetLastError() : ERROR_NOT_ENOUGH_MEMORY;
	LocalFree(security);
	if (*lock && error == ERROR_ALREADY_EXISTS) {
		CloseHandle(*lock);
		return -EADDRINUSE;
	}
	if (*lock)
		return 0;
	/* Somebody else's, or another kind of thing. */
	return error == ERROR_ACCESS_DENIED || error == ERROR_INVALID_HANDLE ? -EADDRINUSE
									     : -ENOMEM;
}

static int take_lock(struct listener *listener, const struct address *address)
{
	wchar_t name[PIPE_NAME_MAX];
	HANDLE lock;
	int r;

	r = pipe_lock_name(name, address);
	if (r < 0)
		return r;
	r = make_lock(&lock, name);
	if (r < 0)
		return r;
	return descriptor_take(lock, &listener->lock_fd);
}

/*
 * The first instance: of a new pipe, or of one that is left over from another receiver of this user's. Asking for a pipe that is new
 * (FILE_FLAG_FIRST_PIPE_INSTANCE) would have to be followed by this all the same. Who may connect is kept with the pipe and not
 * with its instances, and what is left over would go on to say it.
 */
static int make_first(struct pipe_listener *pipes)
{
	struct instance *first = &pipes->instances[0];

	first->handle = make_instance(pipes, WRITE_DAC);
	if (!first->handle)
		return GetLastError() == ERROR_ACCESS_DENIED ||
						GetLastError() == ERROR_PIPE_BUSY
				? -EADDRINUSE
				: descriptor_error();
	if (user_of_owner(first->handle) != user_own() ||
			!SetKernelObjectSecurity(first->handle, DACL_SECURITY_INFORMATION,
					pipes->security)) {
		close_instance(first);
		return -EADDRINUSE;
	}
	start_waiting(pipes, first);
	return first->handle ? 0 : -ENOMEM;
}

static bool has_instance(const struct pipe_listener *pipes)
{
	for (size_t i = 0; i < INSTANCES; i++)
		if (pipes->instances[i].handle)
			return true;
	return false;
}

/* As many as there can be; at least one, or it is an error. With none left the pipe may be gone, and made by somebody else since. */
static int fill(struct pipe_listener *pipes)
{
	int r = has_instance(pipes) ? 0 : make_first(pipes);

	for (size_t i = 0; i < INSTANCES && r == 0; i++) {
		struct instance *instance = &pipes->instances[i];

		if (instance->handle)
			continue;
		instance->handle = make_instance(pipes, 0);
		if (!instance->handle)
			break;
		start_waiting(pipes, instance);
	}
	return r;
}

static int open_pipes(struct listener *listener, struct pipe_listener *pipes,
		const struct address *address, mode_t mode)
{
	int r;

	r = pipe_name(pipes->name, address);
	if (r < 0)
		return r;
	pipes->event = CreateEventW(NULL, TRUE, FALSE, NULL);
	pipes->security = make_security(mode);
	if (!pipes->event || !pipes->security)
		return -ENOMEM;
	r = take_lock(listener, address);
	if (r < 0)
		return r;
	return fill(pipes);
}

int listener_open(struct listener *out, const struct address *address, mode_t mode)
{
	struct listener listener = LISTENER_NONE;
	struct pipe_listener *pipes = calloc(1, sizeof(*pipes));
	int r;

	if (!pipes)
		return -ENOMEM;
	listener.address = *address;
	r = open_pipes(&listener, pipes, address, mode);
	if (r == 0)
		r = descriptor_own_object(descriptor_of(pipes->event), pipes, destroy);
	if (r < 0) {
		destroy(pipes);
		descriptor_close(listener.lock_fd);
		return r;
	}
	listener.fd = descriptor_of(pipes->event);
	*out = listener;
	return 0;
}

/* ---- Accepting ------------------------------------------------------------------------------------ */

/* Whether the client came, rather than that the wait for it was taken back with the thread that had begun it. */
static bool finish_waiting(struct pipe_listener *pipes, struct instance *instance)
{
	DWORD unused;

	if (!instance->is_waiting)
		return true;
	instance->is_waiting = false;
	if (GetOverlappedResult(instance->handle, &instance->connecting, &unused, FALSE))
		return true;
	/* Whoever came may be gone again: what it has said is there. */
	if (GetLastError() != ERROR_OPERATION_ABORTED)
		return true;
	start_waiting(pipes, instance);
	return false;
}

static HANDLE take_client(struct pipe_listener *pipes)
{
	for (size_t i = 0; i < INSTANCES; i++) {
		struct instance *instance = &pipes->instances[i];
		HANDLE handle = instance->handle;

		if (!has_client(instance) || !finish_waiting(pipes, instance))
			continue;
		instance->handle = NULL;
		return handle;
	}
	return NULL;
}

int listener_accept(struct listener *listener, int *fd)
{
	struct pipe_listener *pipes = descriptor_object(listener->fd);
	HANDLE handle = take_client(pipes);
	int r = pipes->is_shut ? 0 : fill(pipes);
	struct peer_process peer;

	if (!handle) {
		/* Nobody can come, so nothing would set the event again. */
		if (r < 0)
			return r;
		ResetEvent(pipes->event);
		if (any_has_client(pipes))
			SetEvent(pipes->event);
		return -EAGAIN;
	}
	if (peer_open_client(&peer, handle) < 0) {
		CloseHandle(handle);
		return -ECONNABORTED;
	}
	return pipe_new(fd, handle, &peer, true);
}

/* ---- Ending ------------------------------------------------------------------------------------------ */

void listener_shut(struct listener *listener)
{
	struct pipe_listener *pipes = descriptor_object(listener->fd);

	if (!pipes)
		return;
	pipes->is_shut = true;
	for (size_t i = 0; i < INSTANCES; i++)
		if (pipes->instances[i].handle && end_waiting(&pipes->instances[i]))
			close_instance(&pipes->instances[i]);
	if (any_has_client(pipes))
		SetEvent(pipes->event);
}

void listener_give_back(struct listener *listener)
{
	(void)listener;
}

void listener_deinit(struct listener *listener, bool in_child)
{
	(void)in_child;
	descriptor_close(listener->fd);
	descriptor_close(listener->lock_fd);
	listener->fd = -1;
	listener->lock_fd = -1;
}
