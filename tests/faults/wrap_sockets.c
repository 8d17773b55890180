/* SPDX-License-Identifier: MIT */
/* Sockets, threads, and libevent's events. */

#include <pthread.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/types.h>

#include <event2/event.h>

#include "wrap.h"

WRAP(int, socket, (int domain, int type, int protocol), (domain, type, protocol), EMFILE,
		ENFILE, ENOMEM)
WRAP(int, connect, (int fd, const struct sockaddr *address, socklen_t length),
		(fd, address, length), EAGAIN, ECONNREFUSED, ENOENT, EACCES, ENOMEM)
WRAP(int, accept4, (int fd, struct sockaddr *address, socklen_t *length, int flags),
		(fd, address, length, flags), EMFILE, ENFILE, ENOMEM, ECONNABORTED, EINTR,
		EPERM)
WRAP(int, bind, (int fd, const struct sockaddr *address, socklen_t length),
		(fd, address, length), EADDRINUSE, EACCES, ENOMEM, ENOSPC, EROFS)
WRAP(int, listen, (int fd, int backlog), (fd, backlog), ENOMEM)
WRAP(int, getsockopt, (int fd, int level, int option, void *value, socklen_t *size),
		(fd, level, option, value, size), EPERM)
WRAP(int, setsockopt, (int fd, int level, int option, const void *value, socklen_t size),
		(fd, level, option, value, size), ENOPROTOOPT, ENOMEM)
WRAP(int, getpeername, (int fd, struct sockaddr *address, socklen_t *length),
		(fd, address, length), EPERM)
WRAP(int, getsockname, (int fd, struct sockaddr *address, socklen_t *length),
		(fd, address, length), EPERM)
WRAP(ssize_t, recv, (int fd, void *bytes, size_t size, int flags),
		(fd, bytes, size, flags), ENOMEM)

/* Nothing is made for bytes that are there, as a peek has shown. */
static bool recvmsg_strikes(const struct msghdr *message, int flags)
{
	if (message->msg_control || (flags & MSG_PEEK))
		return fault(FAULT_SYSTEM, "recvmsg",
				FAULT_ERRORS(ENOMEM, EINTR, EAGAIN));
	return fault(FAULT_SYSTEM, "recvmsg", FAULT_ERRORS(EINTR));
}

ssize_t __real_recvmsg(int fd, struct msghdr *message, int flags);
ssize_t __wrap_recvmsg(int fd, struct msghdr *message, int flags);
ssize_t __wrap_recvmsg(int fd, struct msghdr *message, int flags)
{
	return recvmsg_strikes(message, flags) ? -1 : __real_recvmsg(fd, message, flags);
}

/* "Try again" would say of a ring that others are queued. */
static bool sendmsg_strikes(const struct msghdr *message)
{
	if (message->msg_iov[0].iov_len == 1)
		return fault(FAULT_SYSTEM, "sendmsg(ring)", FAULT_ERRORS(ENOBUFS, EINTR));
	if (message->msg_control)
		return fault(FAULT_SYSTEM, "sendmsg",
				FAULT_ERRORS(ENOBUFS, EAGAIN, ENOMEM, ETOOMANYREFS,
						EINTR));
	return fault(FAULT_SYSTEM, "sendmsg", FAULT_ERRORS(ENOBUFS, EAGAIN, EINTR));
}

ssize_t __real_sendmsg(int fd, const struct msghdr *message, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *message, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *message, int flags)
{
	return sendmsg_strikes(message) ? -1 : __real_sendmsg(fd, message, flags);
}

int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
		void *(*function)(void *arg), void *arg);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
		void *(*function)(void *arg), void *arg);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
		void *(*function)(void *arg), void *arg)
{
	if (fault(FAULT_SYSTEM, "pthread_create", FAULT_ERRORS(EAGAIN, EPERM)))
		return errno;
	return __real_pthread_create(thread, attributes, function, arg);
}

struct event *__real_event_new(struct event_base *base, evutil_socket_t fd, short events,
		event_callback_fn callback, void *arg);
struct event *__wrap_event_new(struct event_base *base, evutil_socket_t fd, short events,
		event_callback_fn callback, void *arg);
struct event *__wrap_event_new(struct event_base *base, evutil_socket_t fd, short events,
		event_callback_fn callback, void *arg)
{
	if (fault(FAULT_EVENTS, "event_new", FAULT_ERRORS(ENOMEM)))
		return NULL;
	return __real_event_new(base, fd, events, callback, arg);
}

int __real_event_add(struct event *event, const struct timeval *timeout);
int __wrap_event_add(struct event *event, const struct timeval *timeout);
int __wrap_event_add(struct event *event, const struct timeval *timeout)
{
	if (fault(timeout ? FAULT_TIMERS : FAULT_EVENTS,
			    timeout ? "event_add(timer)" : "event_add",
			    FAULT_ERRORS(ENOMEM)))
		return -1;
	return __real_event_add(event, timeout);
}
