/* SPDX-License-Identifier: MIT */
/* Threads by number: asked whether one could be sent a signal, the kernel knows it until it has left for good. */

#include "disposal_thread.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

long disposal_thread_self(void)
{
	return syscall(SYS_gettid);
}

bool disposal_thread_is_gone(long thread)
{
	return syscall(SYS_tgkill, (long)getpid(), thread, 0L) < 0 && errno == ESRCH;
}

void disposal_keep_from_children(void *base, size_t size)
{
	(void)madvise(base, size, MADV_DONTFORK);
}
