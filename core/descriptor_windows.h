/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_CORE_DESCRIPTOR_WINDOWS_H
#define EVCHAN_CORE_DESCRIPTOR_WINDOWS_H

/*
 * A descriptor is a handle as an int, which loses nothing: handles have 32 significant bits, so that processes of both
 * word sizes can share them. Some handles stand for more than themselves: a connection, say, is known by
 * the event that is set while it has something to tell, and that is what loops watch.
 */

#include <stdint.h>
#include <windows.h>

#include "descriptor.h"

static inline HANDLE handle_of(int fd)
{
	return (HANDLE)(intptr_t)fd;
}

static inline int descriptor_of(HANDLE handle)
{
	return (int)(intptr_t)handle;
}

/* Enters `fd` into the table as the one that `object` is known by. descriptor_close() then calls `destroy`, which closes `fd`, too.
 * Errors: -ENOMEM. */
int descriptor_own_object(int fd, void *object, void (*destroy)(void *object));

/* NULL: it stands for itself only. */
void *descriptor_object(int fd);

/* Whether the table has it. */
bool descriptor_is_owned(int fd);

/* Enters a new handle, or closes it. `*fd` is written on success. Errors: -ENOMEM. */
int descriptor_take(HANDLE made, int *fd);

/*
 * What an object is made with so that no handle to it can become more than it is. DuplicateHandle() gives a copy of a handle any right
 * that the object's own security descriptor allows, whatever the handle itself could do, and an object without a name
 * has none that forbids anything unless it is made with one. This one allows nobody anything: handles are had from
 * the maker, with the rights that it gives them. (But whoever owns an object may change its descriptor: within one user
 * nothing is forbidden. Systems before Windows 8.1 do not look at it where an object has no name.)
 */
struct descriptor_security {
	SECURITY_ATTRIBUTES attributes;
	SECURITY_DESCRIPTOR descriptor;
	ACL nobody;
};

/* The attributes in `*security`, which they stay a part of. NULL if it cannot be: then nothing may be made. */
SECURITY_ATTRIBUTES *descriptor_allow_nobody(struct descriptor_security *security);

/* Whether a handle is of this type of the kernel's: "Section", "Event". Asks nothing of the object itself. */
bool descriptor_has_type(int fd, const wchar_t *type);

/* GetLastError() as a negative errno. */
int descriptor_error(void);

#endif
