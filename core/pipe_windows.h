/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_CORE_PIPE_WINDOWS_H
#define EVCHAN_CORE_PIPE_WINDOWS_H

/*
 * One end of a connected named pipe: bytes in and out without waiting, and the peer's death. Known by a descriptor: an
 * event that is set as long as there is something to read, or the end.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <windows.h>

#include "address.h"
#include "peer_windows.h"

#define PIPE_WRITE_MAX 4096u

struct pipe;

/* The name of an address's pipe, and of the lock beside it. Errors: -EINVAL it is no UTF-8, or no name. */
#define PIPE_NAME_MAX 160
int pipe_name(wchar_t name[PIPE_NAME_MAX], const struct address *address);
int pipe_lock_name(wchar_t name[PIPE_NAME_MAX], const struct address *address);

/* Takes over a connected pipe, made for overlapped operations, and the peer's process; closes both on error. `*fd` is in the
 * table of descriptors, and closing it closes everything. Errors: -ENOMEM. */
int pipe_new(int *fd, HANDLE handle, const struct peer_process *peer, bool is_server);

/* NULL: not a pipe. */
struct pipe *pipe_of(int fd);

const struct peer_process *pipe_peer(const struct pipe *pipe);
bool pipe_is_server(const struct pipe *pipe);

/* See peer_is_client(). */
bool pipe_peer_is_true(const struct pipe *pipe);

/* Up to `size` bytes. Returns how many; -EAGAIN none; -EPIPE the end. */
int pipe_read(struct pipe *pipe, void *to, size_t size);

/* The same without taking them. */
int pipe_peek(struct pipe *pipe, void *to, size_t size);

/* All or nothing; at most PIPE_WRITE_MAX bytes. Errors: -EAGAIN what was written before is not taken yet; -EPIPE; -ENOMEM. */
int pipe_write(struct pipe *pipe, const void *bytes, size_t size);

/* A handle of this process that the peer may take from it until pipe_let_go(), by the number that is written to `*number`: a
 * duplicate, so that its owner may close the other. At most PIPE_KEPT_MAX. Errors: -ENOMEM. */
#define PIPE_KEPT_MAX 2u
int pipe_keep(struct pipe *pipe, int fd, uint32_t *number);
void pipe_let_go(struct pipe *pipe);
bool pipe_keeps_any(const struct pipe *pipe);

/* Notes, and tells, that this side has said goodbye. */
void pipe_note_goodbye(struct pipe *pipe);
bool pipe_has_said_goodbye(const struct pipe *pipe);

/* Whether nothing was written to it yet. */
bool pipe_is_fresh(const struct pipe *pipe);

bool pipe_has_hung_up(struct pipe *pipe);

/* Ends an operation that is under way on a pipe, and waits until it is over: before that its memory is the system's. Whether it has
 * succeeded all the same. Its event may be reset, though others have set it. */
bool pipe_take_back(HANDLE handle, OVERLAPPED *operation);

/* No more bytes either way: the next read says so, and so does the event. */
void pipe_shut(struct pipe *pipe);

#endif
