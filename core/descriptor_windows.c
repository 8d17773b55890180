/* SPDX-License-Identifier: MIT */
/*
 * The table of owned handles. There are no forks here that it would have to guard against; it is there for what some handles
 * stand for, and to count.
 *
 * Handles are multiples of four, and small: the table is an array, by handle.
 */

#include "descriptor_windows.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include <winternl.h>

unsigned descriptor_fork_generation;

struct entry {
	bool is_owned;
	void *object;
	void (*destroy)(void *object);
};

static SRWLOCK lock = SRWLOCK_INIT;
static struct entry *entries; /* under `lock`, and what follows */
static size_t room;
static unsigned owned;

static size_t place_of(int fd)
{
	return (unsigned)fd / 4;
}

void descriptor_begin(void)
{
}

void descriptor_end(void)
{
}

/* Under the lock. */
static int grow(size_t place)
{
	size_t wanted = room ? room : 256;
	struct entry *grown;

	if (place < room)
		return 0;
	while (wanted <= place)
		wanted *= 2;
	grown = realloc(entries, wanted * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	memset(grown + room, 0, (wanted - room) * sizeof(*grown));
	entries = grown;
	room = wanted;
	return 0;
}

int descriptor_own_object(int fd, void *object, void (*destroy)(void *object))
{
	int r;

	AcquireSRWLockExclusive(&lock);
	r = grow(place_of(fd));
	if (r == 0) {
		struct entry *entry = &entries[place_of(fd)];

		owned += !entry->is_owned;
		*entry = (struct entry){ true, object, destroy };
	}
	ReleaseSRWLockExclusive(&lock);
	return r;
}

int descriptor_own(int fd)
{
	return descriptor_own_object(fd, NULL, NULL);
}

int descriptor_take(HANDLE made, int *fd)
{
	int r = descriptor_own(descriptor_of(made));

	if (r < 0)
		CloseHandle(made);
	else
		*fd = descriptor_of(made);
	return r;
}

/* Takes it out. */
static struct entry take(int fd)
{
	struct entry entry = { false, NULL, NULL };

	AcquireSRWLockExclusive(&lock);
	if (place_of(fd) < room) {
		entry = entries[place_of(fd)];
		entries[place_of(fd)] = (struct entry){ false, NULL, NULL };
		owned -= entry.is_owned;
	}
	ReleaseSRWLockExclusive(&lock);
	return entry;
}

void *descriptor_object(int fd)
{
	void *object = NULL;

	if (fd < 0)
		return NULL;
	AcquireSRWLockShared(&lock);
	if (place_of(fd) < room)
		object = entries[place_of(fd)].object;
	ReleaseSRWLockShared(&lock);
	return object;
}

bool descriptor_is_owned(int fd)
{
	bool is_owned;

	AcquireSRWLockShared(&lock);
	is_owned = place_of(fd) < room && entries[place_of(fd)].is_owned;
	ReleaseSRWLockShared(&lock);
	return is_owned;
}

void descriptor_disown(int fd)
{
	if (fd >= 0)
		(void)take(fd);
}

void descriptor_close(int fd)
{
	struct entry entry;

	if (fd < 0)
		return;
	entry = take(fd);
	if (entry.object)
		entry.destroy(entry.object);
	else
		CloseHandle(handle_of(fd));
}

/* There are sixteen million, and memory runs out before them. */
bool descriptor_has_room(int fd, unsigned wanted)
{
	(void)fd;
	(void)wanted;
	return true;
}

unsigned descriptor_count(void)
{
	unsigned count;

	AcquireSRWLockShared(&lock);
	count = owned;
	ReleaseSRWLockShared(&lock);
	return count;
}

SECURITY_ATTRIBUTES *descriptor_allow_nobody(struct descriptor_security *security)
{
	if (!InitializeAcl(&security->nobody, sizeof(security->nobody), ACL_REVISION) ||
			!InitializeSecurityDescriptor(&security->descriptor,
					SECURITY_DESCRIPTOR_REVISION) ||
			!SetSecurityDescriptorDacl(&security->descriptor, TRUE,
					&security->nobody, FALSE))
		return NULL;
	security->attributes = (SECURITY_ATTRIBUTES){
		.nLength = sizeof(security->attributes),
		.lpSecurityDescriptor = &security->descriptor,
	};
	return &security->attributes;
}

bool descriptor_has_type(int fd, const wchar_t *type)
{
	union {
		PUBLIC_OBJECT_TYPE_INFORMATION information;
		unsigned char bytes[512];
	} room_for;
	size_t length = wcslen(type) * sizeof(*type);
	UNICODE_STRING *name = &room_for.information.TypeName;
	ULONG size;

	if (NtQueryObject(handle_of(fd), ObjectTypeInformation, &room_for,
			    sizeof(room_for), &size) < 0)
		return false;
	return name->Length == length && memcmp(name->Buffer, type, length) == 0;
}

int descriptor_error(void)
{
	switch (GetLastError()) {
	case ERROR_FILE_NOT_FOUND:
	case ERROR_PATH_NOT_FOUND:
		return -ENOENT;
	case ERROR_ACCESS_DENIED:
		return -EACCES;
	case ERROR_PIPE_BUSY:
		return -EAGAIN;
	case ERROR_BROKEN_PIPE:
	case ERROR_NO_DATA:
	case ERROR_PIPE_NOT_CONNECTED:
		return -EPIPE;
	case ERROR_INVALID_NAME:
	case ERROR_BAD_PATHNAME:
		return -EINVAL;
	case ERROR_FILENAME_EXCED_RANGE:
		return -ENAMETOOLONG;
	case ERROR_TOO_MANY_OPEN_FILES:
		return -EMFILE;
	default: /* no memory, no quota, no resources */
		return -ENOMEM;
	}
}
