/* SPDX-License-Identifier: MIT */

/*
 * Errors in words. The library returns the system's numbers, but means something narrower
 * by each: "Resource temporarily unavailable" does not tell a sender that its ring is
 * full. So every number that <evchan/evchan.h> lists has a phrase of this library's own
 * here, and tests/unit/error_test.c compares the two.
 *
 * Constant strings, no strerror(3) for the rest: that one may write to a buffer shared by
 * all threads and depends on the locale.
 */

#include <errno.h>

#include <evchan/evchan.h>

/* Takes the negative form of every number: negating a positive int always works,
 * negating INT_MIN does not. */
static const char *phrase(int error)
{
	switch (error) {
	case 0:
		return "no error";
	case -E2BIG:
		return "a struct asks for more than this version of the library knows";
	case -EACCES:
		return "this user may not, or the other side is not to be trusted";
	case -EADDRINUSE:
		return "a live receiver, or what is not a socket, has the address";
	case -EAGAIN:
		return "no room, or nothing there, at the moment";
	case -EALREADY:
		return "it is held, or under way, already";
	case -EBADF:
		return "not an open descriptor";
	case -EBADMSG:
		return "the bytes are not a valid message";
	case -EBUSY:
		return "a reservation is open, or the ring is still in use elsewhere";
	case -ECANCELED:
		return "a callback freed the handle";
	case -ECONNABORTED:
		return "the receiver ended the lane";
	case -ECONNREFUSED:
		return "no receiver is there, or it does not want this lane any more";
	case -ECONNRESET:
		return "the receiver died";
	case -EDQUOT:
		return "this user's rings take all the memory the receiver grants them";
	case -EEXIST:
		return "there is one already";
	case -EFBIG:
		return "the ring is larger than a limit allows";
	case -EINTR:
		return "a signal handler ran before anything happened";
	case -EINVAL:
		return "an argument, an option or the kind of handle is not valid here";
	case -EMFILE:
		return "the process has no descriptor left";
	case -EMSGSIZE:
		return "the message can never fit into the ring";
	case -ENAMETOOLONG:
		return "the address is too long for a socket";
	case -ENFILE:
		return "the system has no descriptor left";
	case -ENOBUFS:
		return "the held messages, or all rings together, are at their limit";
	case -ENOENT:
		return "nothing has this address or name";
	case -ENOEXEC:
		return "the other side has another byte order";
	case -ENOMEM:
		return "out of memory";
	case -ENOSPC:
		return "no memory left for the ring, or no room for the socket file";
	case -ENOTCONN:
		return "the lane has ended already";
	case -ENOTDIR:
		return "a part of the address's path is not a directory";
	case -ENOTSOCK:
		return "the descriptor is not a socket";
	case -ENOTSUP:
		return "this kind of bell cannot be had here";
	case -EOWNERDEAD:
		return "the handle belongs to the parent of this forked process";
	case -EPERM:
		return "not permitted, or the ring's memory is not of the kind required";
	case -EPIPE:
		return "the sender was refused for good";
	case -EPROTO:
		return "the other side broke the protocol";
	case -EPROTONOSUPPORT:
		return "the other side speaks another version of the protocol";
	case -EROFS:
		return "the address is on a read-only file system";
	case -ESHUTDOWN:
		return "the receiver is shutting down";
	case -ETIMEDOUT:
		return "it did not happen in time";
	case -EUSERS:
		return "the receiver has as many senders as it takes";
	default:
		return "unknown error";
	}
}

const char *evchan_strerror(int error)
{
	return phrase(error < 0 ? error : -error);
}
