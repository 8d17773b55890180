/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_CORE_BELL_PIPE_H
#define EVCHAN_CORE_BELL_PIPE_H

/* What differs from system to system of a pipe as a bell: bell_pipe_linux.c, bell_pipe_macos.c. */

/* A pipe, as small as can be had; both ends close-on-exec and non-blocking. Returns 0 or -errno. */
int bell_pipe_open(int ends[2]);

/* bell_operations.ring: never raises SIGPIPE. */
int bell_pipe_ring(int fd);

#endif
