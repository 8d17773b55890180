/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_TESTS_RAW_SENDMSG_H
#define EVCHAN_TESTS_RAW_SENDMSG_H

/* sendmsg(2) itself: musl's function of that name refuses more than a kilobyte of ancillary data, and a stranger does not ask
 * its C library. */

#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static inline ssize_t raw_sendmsg(int fd, const struct msghdr *message, int flags)
{
	return syscall(SYS_sendmsg, (long)fd, message, (long)flags);
}

#endif
