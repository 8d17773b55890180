/* SPDX-License-Identifier: MIT */
/*
 * Making and ringing a pipe on Linux.
 *
 * Surprising is only the ringer's side: writing to a pipe whose listener is gone raises SIGPIPE, which
 * kills by default, and a library must neither die of it nor touch the application's handler. Newer
 * kernels can be asked not to raise it. On others the signal is blocked in this thread, and, because it
 * is sent to the very thread that wrote, can be taken back there before anybody sees it.
 */

#include "bell_pipe.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <time.h>
#include <unistd.h>

#include "linux_compat.h"

/* One page instead of sixteen, of what one user may have in pipes: a hint needs no more. */
#define PIPE_BYTES 4096

int bell_pipe_open(int ends[2])
{
	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
		return -errno;
	fcntl(ends[1], F_SETPIPE_SZ, PIPE_BYTES);
	return 0;
}

/* -ENOTSUP: this kernel cannot write without a signal. */
static int write_without_signal(int fd)
{
	char byte = 0;
	struct iovec vector = { &byte, 1 };

	/* NOWAIT beside it, because the listener's process could clear O_NONBLOCK. */
	if (linux_writev2(fd, &vector, 1, RWF_NOSIGNAL | RWF_NOWAIT) == 1)
		return 0;
	switch (errno) {
	case EOPNOTSUPP: /* flag unknown */
	case EINVAL:
	case ENOSYS: /* Linux before 4.6 */
	case EPERM:  /* a sandbox */
		return -ENOTSUP;
	default:
		return -errno;
	}
}

/* Takes back the signal that our own write has raised. */
static void consume_sigpipe(const sigset_t *sigpipe)
{
	const struct timespec now = { 0, 0 };

	while (sigtimedwait(sigpipe, NULL, &now) < 0 && errno == EINTR)
		;
}

static int write_with_signal_blocked(int fd)
{
	sigset_t sigpipe, before, pending;
	int r = 0;

	sigemptyset(&sigpipe);
	sigaddset(&sigpipe, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &sigpipe, &before);
	sigpending(&pending);
	if (write(fd, "", 1) < 0)
		r = -errno;
	/* One that was pending before is the application's; ours has merged with it. */
	if (r == -EPIPE && !sigismember(&pending, SIGPIPE))
		consume_sigpipe(&sigpipe);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return r;
}

int bell_pipe_ring(int fd)
{
	/* Per thread, so that no two threads share it: it is learnt once by each. */
	static _Thread_local bool must_block_signal;
	int r = -ENOTSUP;

	if (!must_block_signal)
		r = write_without_signal(fd);
	if (r == -ENOTSUP) {
		must_block_signal = true;
		r = write_with_signal_blocked(fd);
	}
	return r == -EAGAIN ? 0 : r;
}
