/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_SYSTEM_H
#define EVCHAN_SYSTEM_H

/*
 * The one header that asks for which system it is compiled: the types and error numbers of the public headers that
 * not every system has.
 *
 * On Windows users are numbered by this process (evchan_windows_uid(), below), a descriptor is a HANDLE as an int (handles
 * have 32 significant bits), and a pid is a process id. Error numbers that the C library lacks are its own numbers' neighbours:
 * they mean something to this library only.
 */

#ifdef _WIN32

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define EVCHAN_API

typedef uint32_t uid_t;
typedef uint32_t gid_t;

struct iovec {
	void *iov_base;
	size_t iov_len;
};

#ifndef EUSERS
#define EUSERS 10068
#endif
#ifndef EDQUOT
#define EDQUOT 10069
#endif
#ifndef ESHUTDOWN
#define ESHUTDOWN 10058
#endif
#ifndef ETOOMANYREFS
#define ETOOMANYREFS 10059
#endif
#ifndef EMEDIUMTYPE
#define EMEDIUMTYPE 10124
#endif

#ifdef __cplusplus
extern "C" {
#endif

/** The number that stands for a user in this process: for allow_uids, receiver_uids and struct evchan_peer. `sid` is a security
 *  identifier as text, "S-1-5-...". 0 is the system itself (S-1-5-18). Errors: -EINVAL no such text; -ENOMEM. */
EVCHAN_API int evchan_windows_uid(uid_t *uid, const char *sid);

#ifdef __cplusplus
}
#endif

#else

#include <sys/types.h>
#include <sys/uio.h>

#define EVCHAN_API __attribute__((visibility("default")))

#endif
#endif
