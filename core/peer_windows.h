/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_CORE_PEER_WINDOWS_H
#define EVCHAN_CORE_PEER_WINDOWS_H

/* The process at the other end of a pipe. */

#include <stdbool.h>
#include <windows.h>

#include <evchan/evchan.h>

struct peer_process {
	HANDLE process; /* NULL: it may not be opened */
	struct evchan_peer peer;
};

/*
 * Opens it, and reads who it is from its token. Of the client also what is needed to move handles between it and this
 * process. If it may not be opened, a client's user is USER_UNKNOWN, and a server's the one that owns the pipe; that is success.
 * Errors: -EPIPE it is gone.
 */
int peer_open_client(struct peer_process *peer, HANDLE pipe);
int peer_open_server(struct peer_process *peer, HANDLE pipe);

/* Whether the client's user is the one that the pipe itself knows. For after something was read from it. */
bool peer_is_client(const struct peer_process *peer, HANDLE pipe);

void peer_close(struct peer_process *peer);

#endif
