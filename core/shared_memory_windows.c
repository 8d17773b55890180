/* SPDX-License-Identifier: MIT */
/*
 * Memory objects as sections of the paging file.
 *
 * What seals promise elsewhere is how such a section is: it cannot change its size, its pages cannot be taken back, and memory was
 * set aside for all of it when it was made, so no access to a view can fail. A section of a *file* is another
 * matter (the file's server can be slow, or gone, and then a read of memory raises an exception), so the kernel is
 * asked which of the two a peer's handle is. Who may write is in the handle, and in the object: what is passed on can only be read, no copy of
 * it can do more, and the maker keeps no other; its own view goes on writing.
 *
 * The second picture of the data begins where the first ends. Since Windows 10 a range of addresses is reserved, and its parts
 * replaced by views, without anybody being able to come between. Before that there is nothing but to look for a
 * range that is free and to map into it, and to look for another if somebody was faster.
 *
 * "Page" is the granularity of views here, see shared_memory_page_windows.c.
 *
 * Surprising: no two sections can be told to be the same one. Each acceptance has an identity of its own, and whoever offers one ring
 * as two lanes is found by the lane's id only, which is the writer's word: it then harms nobody but itself.
 */

#include "shared_memory.h"

#include <errno.h>
#include <windows.h>

#include <evchan/system.h>

#include "descriptor_windows.h"
#include "disposal.h"

#define MAP_TRIES 64

/* Of a section: what it is made of (NtQuerySection, class 0). */
struct section_basics {
	void *base;
	ULONG attributes;
	LARGE_INTEGER size;
};

/* Of the kernel's headers: it has an address of its own; protections are what it says. */
#define SEC_BASED 0x00200000
#define SEC_NO_CHANGE 0x00400000

/* Of the system's newer headers. */
#define MEM_RESERVE_PLACEHOLDER 0x00040000
#define MEM_REPLACE_PLACEHOLDER 0x00004000
#define MEM_PRESERVE_PLACEHOLDER 0x00000002

typedef LONG(WINAPI *query_section)(HANDLE, int, void *, SIZE_T, SIZE_T *);
typedef void *(WINAPI *allocate_2)(HANDLE, void *, SIZE_T, ULONG, ULONG, void *, ULONG);
typedef void *(WINAPI *map_view_3)(
		HANDLE, HANDLE, void *, ULONG64, SIZE_T, ULONG, ULONG, void *, ULONG);

static void *function_of(const wchar_t *library, const char *name)
{
	HMODULE module = GetModuleHandleW(library);

	return module ? (void *)GetProcAddress(module, name) : NULL;
}

static bool sizes_fit(size_t header_size, size_t data_size)
{
	size_t page = shared_memory_page_size();

	/* A quarter each: the sum of header and twice the data cannot overflow. */
	return header_size > 0 && header_size % page == 0 && data_size % page == 0 &&
			header_size <= SIZE_MAX / 4 && data_size <= SIZE_MAX / 4;
}

static void note_identity(struct shared_memory *memory)
{
	static volatile LONG64 last;

	memory->device = 0;
	memory->inode = (uint64_t)InterlockedIncrement64(&last);
}

/* ---- Address space -------------------------------------------------------------- */

/* Where, and what: the whole object at `base`, the data once more behind it. */
struct picture {
	HANDLE section;
	size_t header_size;
	size_t once;
	size_t data_size;
	bool is_owner;
};

/* Splits a reserved range in two, each to be replaced by a view. NULL: this system cannot, or no memory. */
static unsigned char *reserve(const struct picture *picture, allocate_2 allocate)
{
	unsigned char *base = allocate(GetCurrentProcess(), NULL,
			picture->once + picture->data_size,
			MEM_RESERVE | MEM_RESERVE_PLACEHOLDER, PAGE_NOACCESS, NULL, 0);

	if (!base || !picture->data_size)
		return base;
	if (VirtualFree(base, picture->once, MEM_RELEASE | MEM_PRESERVE_PLACEHOLDER))
		return base;
	VirtualFree(base, 0, MEM_RELEASE);
	return NULL;
}

static void *map_without_gap(const struct picture *picture)
{
	/* By way of void *, or the compiler warns of what has to be done here. */
	allocate_2 allocate = (allocate_2)function_of(L"kernelbase.dll", "VirtualAlloc2");
	map_view_3 map = (map_view_3)function_of(L"kernelbase.dll", "MapViewOfFile3");
	ULONG protection = picture->is_owner ? PAGE_READWRITE : PAGE_READONLY;
	HANDLE self = GetCurrentProcess();
	unsigned char *base = allocate && map ? reserve(picture, allocate) : NULL;

	if (!base)
		return NULL;
	if (!map(picture->section, self, base, 0, picture->once, MEM_REPLACE_PLACEHOLDER,
			    protection, NULL, 0)) {
		VirtualFree(base, 0, MEM_RELEASE);
		if (picture->data_size)
			VirtualFree(base + picture->once, 0, MEM_RELEASE);
		return NULL;
	}
	if (!picture->data_size ||
			map(picture->section, self, base + picture->once,
					picture->header_size, picture->data_size,
					MEM_REPLACE_PLACEHOLDER, protection, NULL, 0))
		return base;
	UnmapViewOfFile(base);
	VirtualFree(base + picture->once, 0, MEM_RELEASE);
	return NULL;
}

static void *map_view(const struct picture *picture, size_t offset, size_t size, void *at)
{
	DWORD access = picture->is_owner ? FILE_MAP_READ | FILE_MAP_WRITE : FILE_MAP_READ;

	return MapViewOfFileEx(picture->section, access, (DWORD)((uint64_t)offset >> 32),
			(DWORD)offset, size, at);
}

/* One try: somebody else may take a part of the range before it is mapped. NULL: GetLastError() says why. */
static void *map_into_gap(const struct picture *picture)
{
	unsigned char *base = VirtualAlloc(NULL, picture->once + picture->data_size,
			MEM_RESERVE, PAGE_NOACCESS);
	DWORD error;

	if (!base)
		return NULL;
	VirtualFree(base, 0, MEM_RELEASE);
	if (!map_view(picture, 0, picture->once, base))
		return NULL;
	if (!picture->data_size ||
			map_view(picture, picture->header_size, picture->data_size,
					base + picture->once))
		return base;
	error = GetLastError();
	UnmapViewOfFile(base);
	SetLastError(error);
	return NULL;
}

/* What no other place would change is the object's fault: its pages may not be read, or not be mapped like this. */
static int map_error(void)
{
	DWORD error = GetLastError();

	return error == ERROR_INVALID_PARAMETER || error == ERROR_ACCESS_DENIED ? -EPERM
										: -ENOMEM;
}

/* Errors: -EPERM it cannot be mapped; -ENOMEM. */
static int map_object(struct shared_memory *memory, HANDLE section, bool is_owner)
{
	const struct picture picture = { section, memory->header_size,
		memory->header_size + memory->data_size, memory->data_size, is_owner };

	memory->base = map_without_gap(&picture);
	for (int i = 0; !memory->base && i < MAP_TRIES; i++) {
		memory->base = map_into_gap(&picture);
		if (!memory->base && map_error() == -EPERM)
			return -EPERM;
	}
	return memory->base ? 0 : -ENOMEM;
}

static int lock_object(const struct shared_memory *memory, unsigned flags)
{
	if (!(flags & SHARED_MEMORY_LOCK))
		return 0;
	return VirtualLock(memory->base, memory->header_size + memory->data_size)
			? 0
			: -EAGAIN;
}

/* ---- Objects --------------------------------------------------------------------- */

/* Set aside now, given page by page when first touched: LAZY has nothing to add. */
static HANDLE make_section(uint64_t size)
{
	struct descriptor_security security;
	SECURITY_ATTRIBUTES *nobody = descriptor_allow_nobody(&security);

	if (!nobody)
		return NULL;
	return CreateFileMappingW(INVALID_HANDLE_VALUE, nobody,
			PAGE_READWRITE | SEC_COMMIT, (DWORD)(size >> 32), (DWORD)size,
			NULL);
}

/* A handle that can only read, instead of the one that can do everything. Errors: -ENOMEM. */
static int keep_reading_end(struct shared_memory *memory, HANDLE section)
{
	HANDLE reading, self = GetCurrentProcess();
	BOOL is_made = DuplicateHandle(self, section, self, &reading,
			SECTION_MAP_READ | SECTION_QUERY, FALSE, 0);

	CloseHandle(section);
	return is_made ? descriptor_take(reading, &memory->fd) : -ENOMEM;
}

int shared_memory_create(struct shared_memory *out, size_t header_size, size_t data_size,
		unsigned flags)
{
	struct shared_memory memory = SHARED_MEMORY_NONE;
	HANDLE section;
	int r;

	if (!sizes_fit(header_size, data_size))
		return -EFBIG;
	memory.header_size = header_size;
	memory.data_size = data_size;
	section = make_section((uint64_t)header_size + data_size);
	if (!section)
		return descriptor_error() == -EMFILE ? -EMFILE : -ENOMEM;
	r = map_object(&memory, section, true);
	if (r == 0)
		r = lock_object(&memory, flags);
	if (r < 0)
		CloseHandle(section);
	else
		r = keep_reading_end(&memory, section);
	if (r < 0) {
		shared_memory_deinit(&memory, NULL);
		return r;
	}
	note_identity(&memory);
	*out = memory;
	return 0;
}

bool shared_memory_has_seals(void)
{
	return true;
}

bool shared_memory_is_acceptable(int fd)
{
	return descriptor_has_type(fd, L"Section");
}

/* Whether it is memory, all of it set aside, of the size that was announced. */
static int check_object(const struct shared_memory *memory, int fd)
{
	const ULONG unwanted = SEC_FILE | SEC_IMAGE | SEC_RESERVE | SEC_NOCACHE |
			SEC_WRITECOMBINE | SEC_LARGE_PAGES | SEC_BASED | SEC_NO_CHANGE;
	query_section query = (query_section)function_of(L"ntdll.dll", "NtQuerySection");
	struct section_basics basics;

	if (!query || !shared_memory_is_acceptable(fd) ||
			query(handle_of(fd), 0, &basics, sizeof(basics), NULL) < 0)
		return -EPERM;
	if ((basics.attributes & unwanted) || !(basics.attributes & SEC_COMMIT))
		return -EMEDIUMTYPE;
	if ((uint64_t)basics.size.QuadPart !=
			(uint64_t)memory->header_size + memory->data_size)
		return -EBADMSG;
	return 0;
}

int shared_memory_accept(struct shared_memory *out, int fd, size_t header_size,
		size_t data_size, unsigned flags)
{
	struct shared_memory memory = SHARED_MEMORY_NONE;
	int r;

	if (!sizes_fit(header_size, data_size))
		return -EBADMSG;
	memory.header_size = header_size;
	memory.data_size = data_size;
	r = check_object(&memory, fd);
	if (r == 0)
		r = map_object(&memory, handle_of(fd), false);
	if (r == 0)
		r = lock_object(&memory, flags);
	if (r < 0) {
		shared_memory_deinit(&memory, NULL);
		return r;
	}
	note_identity(&memory);
	*out = memory;
	return 0;
}

void shared_memory_close(struct shared_memory *memory)
{
	descriptor_close(memory->fd);
	memory->fd = -1;
}

/* Each view by its own beginning, and none is looked for: as soon as the first is unmapped, what lies there can be somebody else's. */
void shared_memory_deinit(struct shared_memory *memory, struct disposal_account *account)
{
	size_t once = memory->header_size + memory->data_size;

	shared_memory_close(memory);
	if (memory->base)
		disposal_unmap(memory->base, once, account);
	if (memory->base && memory->data_size)
		disposal_unmap((unsigned char *)memory->base + once, memory->data_size,
				account);
	memory->base = NULL;
}
