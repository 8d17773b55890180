/* SPDX-License-Identifier: MIT */
/*
 * Who is at the other end of a pipe.
 *
 * The kernel tells the number of the process, and a number can be somebody else's by the time it is looked up: the process has
 * ended, its end of the pipe lives on in another to which it was passed. What the user of the process is called is
 * therefore compared with what the pipe itself knows of its client (by impersonation, at the lowest level), and that is
 * the user that opened it. It can be asked only once something was read.
 *
 * Of the server the pipe itself knows who owns it: nobody else can have made it, or an instance of it. That is to be had also where
 * the process may not be opened, as a service of the system's may not by those who send to it; and where it may, the two have to
 * say the same.
 */

#include "peer_windows.h"

#include <errno.h>
#include <stdlib.h>

#include "user_windows.h"

static int open_process(struct peer_process *peer, ULONG pid, DWORD access)
{
	HANDLE token;

	*peer = (struct peer_process){ NULL, { (pid_t)pid, USER_UNKNOWN, USER_UNKNOWN } };
	peer->process = OpenProcess(access, FALSE, pid);
	if (!peer->process)
		return GetLastError() == ERROR_INVALID_PARAMETER ? -EPIPE : 0;
	if (OpenProcessToken(peer->process, TOKEN_QUERY, &token)) {
		user_of_token(token, &peer->peer.uid, &peer->peer.gid);
		CloseHandle(token);
	}
	return 0;
}

int peer_open_client(struct peer_process *peer, HANDLE pipe)
{
	ULONG pid;

	if (!GetNamedPipeClientProcessId(pipe, &pid))
		return -EPIPE;
	return open_process(peer, pid,
			PROCESS_DUP_HANDLE | PROCESS_QUERY_LIMITED_INFORMATION |
					SYNCHRONIZE);
}

int peer_open_server(struct peer_process *peer, HANDLE pipe)
{
	uid_t owner = user_of_owner(pipe);
	ULONG pid;
	int r;

	if (!GetNamedPipeServerProcessId(pipe, &pid))
		return -EPIPE;
	r = open_process(peer, pid, PROCESS_QUERY_LIMITED_INFORMATION | SYNCHRONIZE);
	if (r < 0)
		return r;
	if (peer->peer.uid == USER_UNKNOWN)
		peer->peer.uid = owner;
	else if (peer->peer.uid != owner)
		peer->peer.uid = USER_UNKNOWN;
	return 0;
}

/* The user that the thread acts for; USER_UNKNOWN if that is nobody else, or a secret. As this process: what the client may look at
 * does not matter. */
static uid_t acting_for(void)
{
	uid_t user = USER_UNKNOWN;
	gid_t group;
	HANDLE token;

	if (OpenThreadToken(GetCurrentThread(), TOKEN_QUERY, TRUE, &token)) {
		user_of_token(token, &user, &group);
		CloseHandle(token);
	}
	return user;
}

bool peer_is_client(const struct peer_process *peer, HANDLE pipe)
{
	uid_t user = USER_UNKNOWN;
	HANDLE before = NULL;

	/* The application may act for somebody itself, and then goes on to. */
	if (!OpenThreadToken(GetCurrentThread(), TOKEN_IMPERSONATE, TRUE, &before) &&
			GetLastError() != ERROR_NO_TOKEN)
		return false;
	if (ImpersonateNamedPipeClient(pipe)) {
		user = acting_for();
		/* To go on as somebody else would be worse than to end. */
		if (!SetThreadToken(NULL, before))
			abort();
	}
	if (before)
		CloseHandle(before);
	return user != USER_UNKNOWN && user == peer->peer.uid;
}

void peer_close(struct peer_process *peer)
{
	if (peer->process)
		CloseHandle(peer->process);
	peer->process = NULL;
}
