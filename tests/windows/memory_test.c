/* SPDX-License-Identifier: MIT */
/* Sections as rings, and events as bells: what a peer can be given, and what it can do with it. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "bell.h"
#include "descriptor_windows.h"
#include "scene.h"
#include "shared_memory.h"

#define UNIT ((size_t)65536)

static void make(struct shared_memory *memory, size_t data)
{
	assert_int_equal(shared_memory_create(memory, UNIT, data, 0), 0);
}

/* The byte behind the last one of the data is the first, for the maker and for the reader. */
static void data_is_there_twice(void **state)
{
	struct shared_memory ours, theirs;

	(void)state;
	make(&ours, 4 * UNIT);
	assert_int_equal(shared_memory_accept(&theirs, ours.fd, UNIT, 4 * UNIT, 0), 0);
	for (size_t at = 0; at < 4 * UNIT; at += 4099)
		shared_memory_data(&ours)[at] = (unsigned char)(at + 7);
	assert_memory_equal(shared_memory_data(&ours),
			shared_memory_data(&ours) + 4 * UNIT, 4 * UNIT);
	assert_memory_equal(
			shared_memory_data(&ours), shared_memory_data(&theirs), 4 * UNIT);
	assert_memory_equal(shared_memory_data(&theirs),
			shared_memory_data(&theirs) + 4 * UNIT, 4 * UNIT);
	shared_memory_data(&ours)[4 * UNIT + 5] = 99;
	assert_int_equal(shared_memory_data(&theirs)[5], 99);
	shared_memory_deinit(&theirs, NULL);
	shared_memory_deinit(&ours, NULL);
}

/* A hundred at a time: address space is found for all, and none lies over another. */
static void many_fit_side_by_side(void **state)
{
	static struct shared_memory all[100];

	(void)state;
	for (unsigned i = 0; i < 100; i++) {
		make(&all[i], UNIT);
		memset(all[i].base, (int)i, 2 * UNIT);
	}
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(((unsigned char *)all[i].base)[3 * UNIT - 1], i);
	for (unsigned i = 0; i < 100; i++)
		shared_memory_deinit(&all[i], NULL);
}

#define THREADS 4
#define ROUNDS 100

/* Both ends of a ring, of which nothing is anybody else's. */
static bool ring_is_whole(unsigned char mark)
{
	struct shared_memory ours, theirs;
	const unsigned char *seen;
	bool is_whole;

	if (shared_memory_create(&ours, UNIT, UNIT, 0) < 0)
		return false;
	memset(ours.base, mark, 2 * UNIT);
	is_whole = shared_memory_accept(&theirs, ours.fd, UNIT, UNIT, 0) == 0;
	if (is_whole) {
		seen = theirs.base;
		is_whole = seen[0] == mark && seen[UNIT] == mark &&
				memcmp(seen, seen + 1, 3 * UNIT - 1) == 0;
		shared_memory_deinit(&theirs, NULL);
	}
	shared_memory_deinit(&ours, NULL);
	return is_whole;
}

static DWORD WINAPI make_rings(void *arg)
{
	unsigned char mark = (unsigned char)(uintptr_t)arg;
	unsigned broken = 0;

	for (unsigned i = 0; i < ROUNDS; i++)
		broken += !ring_is_whole(mark);
	return broken;
}

/* Threads that take and free addresses all the time do not get into each other's rings, and all get theirs. */
static void threads_map_side_by_side(void **state)
{
	HANDLE threads[THREADS];
	DWORD broken;

	(void)state;
	for (uintptr_t i = 0; i < THREADS; i++) {
		threads[i] = CreateThread(NULL, 0, make_rings, (void *)(i + 1), 0, NULL);
		assert_non_null(threads[i]);
	}
	for (unsigned i = 0; i < THREADS; i++) {
		WaitForSingleObject(threads[i], INFINITE);
		assert_true(GetExitCodeThread(threads[i], &broken));
		assert_int_equal(broken, 0);
		CloseHandle(threads[i]);
	}
}

static DWORD handle_count(void)
{
	DWORD count;

	assert_true(GetProcessHandleCount(GetCurrentProcess(), &count));
	return count;
}

/* Neither of what is made, nor of what fails, is a handle left. */
static void no_handle_is_left(void **state)
{
	struct shared_memory memory, other;
	struct bell bell;
	DWORD before = handle_count();

	(void)state;
	make(&memory, UNIT);
	assert_int_equal(bell_create(&bell, BELL_EVENTFD, true), 0);
	assert_int_equal(shared_memory_accept(&other, memory.fd, UNIT, 2 * UNIT, 0),
			-EBADMSG);
	assert_int_equal(shared_memory_accept(&other, bell.watch_fd, UNIT, UNIT, 0),
			-EPERM);
	assert_int_equal(
			shared_memory_create(&other, UNIT, SIZE_MAX / 4 / UNIT * UNIT, 0),
			-ENOMEM);
	/* There is no room for so many views, but the size is a possible one. */
	assert_int_equal(shared_memory_create(&other, UNIT, UNIT << 30, 0), -ENOMEM);
	bell_deinit(&bell);
	shared_memory_deinit(&memory, NULL);
	assert_int_equal(handle_count(), before);
}

/* With the handle that is passed on nothing can be mapped to be written. */
static void passed_handle_only_reads(void **state)
{
	struct shared_memory memory;
	void *view;

	(void)state;
	make(&memory, UNIT);
	assert_null(MapViewOfFile(handle_of(memory.fd), FILE_MAP_WRITE, 0, 0, 0));
	view = MapViewOfFile(handle_of(memory.fd), FILE_MAP_READ, 0, 0, 0);
	assert_non_null(view);
	UnmapViewOfFile(view);
	shared_memory_deinit(&memory, NULL);
}

/* Whether somebody who has `fd` can make a copy of it that can do more. */
static bool can_become(int fd, DWORD access)
{
	HANDLE more, self = GetCurrentProcess();

	if (!DuplicateHandle(self, handle_of(fd), self, &more, access, FALSE, 0))
		return false;
	CloseHandle(more);
	return true;
}

/* A copy of a handle can have more rights than it has, unless the object itself forbids it. */
static void passed_handle_cannot_be_copied_to_write(void **state)
{
	struct shared_memory memory;

	(void)state;
	make(&memory, UNIT);
	assert_true(can_become(memory.fd, SECTION_MAP_READ | SECTION_QUERY));
	assert_false(can_become(memory.fd, SECTION_MAP_WRITE));
	assert_false(can_become(memory.fd, SECTION_EXTEND_SIZE));
	assert_false(can_become(memory.fd, SECTION_ALL_ACCESS));
	shared_memory_deinit(&memory, NULL);
}

/* The pages of a peer's view are read-only, whatever the program tries. */
static void readers_view_cannot_be_made_writable(void **state)
{
	struct shared_memory ours, theirs;
	DWORD before;

	(void)state;
	make(&ours, UNIT);
	assert_int_equal(shared_memory_accept(&theirs, ours.fd, UNIT, UNIT, 0), 0);
	assert_false(VirtualProtect(theirs.base, UNIT, PAGE_READWRITE, &before));
	shared_memory_deinit(&theirs, NULL);
	shared_memory_deinit(&ours, NULL);
}

static int accept_section(HANDLE section)
{
	struct shared_memory memory;
	int r = shared_memory_accept(&memory, descriptor_of(section), UNIT, UNIT, 0);

	if (r == 0)
		shared_memory_deinit(&memory, NULL);
	CloseHandle(section);
	return r;
}

/* Memory whose pages come from a file, or may not be there, or that is no memory, is not mapped. */
static void only_memory_that_is_set_aside_is_accepted(void **state)
{
	char folder[MAX_PATH], path[MAX_PATH];
	HANDLE file, section;

	(void)state;
	section = CreateFileMappingW(INVALID_HANDLE_VALUE, NULL,
			PAGE_READWRITE | SEC_COMMIT, 0, 2 * UNIT, NULL);
	assert_int_equal(accept_section(section), 0);
	section = CreateFileMappingW(INVALID_HANDLE_VALUE, NULL,
			PAGE_READWRITE | SEC_RESERVE, 0, 2 * UNIT, NULL);
	assert_int_equal(accept_section(section), -EMEDIUMTYPE);
	section = CreateFileMappingW(
			INVALID_HANDLE_VALUE, NULL, PAGE_READWRITE, 0, 3 * UNIT, NULL);
	assert_int_equal(accept_section(section), -EBADMSG);

	assert_true(GetTempPathA(sizeof(folder), folder) &&
			GetTempFileNameA(folder, "evc", 0, path));
	file = CreateFileA(path, GENERIC_READ | GENERIC_WRITE, 0, NULL, CREATE_ALWAYS,
			FILE_FLAG_DELETE_ON_CLOSE, NULL);
	assert_true(file != INVALID_HANDLE_VALUE);
	section = CreateFileMappingW(file, NULL, PAGE_READWRITE, 0, 2 * UNIT, NULL);
	assert_int_equal(accept_section(section), -EMEDIUMTYPE);
	assert_false(shared_memory_is_acceptable(descriptor_of(file)));
	assert_int_equal(accept_section(file), -EPERM);
	assert_int_equal(accept_section(CreateEventW(NULL, FALSE, FALSE, NULL)), -EPERM);
}

typedef LONG(WINAPI *create_section)(
		HANDLE *, ACCESS_MASK, void *, LARGE_INTEGER *, ULONG, ULONG, HANDLE);

/* What the kernel's own call can make, and CreateFileMapping() cannot. */
static int accept_attributes(ULONG attributes)
{
	create_section create = (create_section)(void *)GetProcAddress(
			GetModuleHandleW(L"ntdll.dll"), "NtCreateSection");
	LARGE_INTEGER size = { .QuadPart = 2 * UNIT };
	HANDLE section;

	assert_non_null(create);
	assert_int_equal(create(&section, SECTION_ALL_ACCESS, NULL, &size, PAGE_READWRITE,
					 attributes, NULL),
			0);
	return accept_section(section);
}

/* One that wants an address of its own, or a protection of its own, cannot be mapped as a ring is. */
static void only_memory_that_can_lie_anywhere_is_accepted(void **state)
{
	const ULONG based = 0x00200000, no_change = 0x00400000;

	(void)state;
	assert_int_equal(accept_attributes(SEC_COMMIT), 0);
	assert_int_equal(accept_attributes(SEC_COMMIT | based), -EMEDIUMTYPE);
	assert_int_equal(accept_attributes(SEC_COMMIT | no_change), -EMEDIUMTYPE);
	assert_int_equal(accept_attributes(SEC_COMMIT | SEC_NOCACHE), -EMEDIUMTYPE);
}

static void sizes_are_whole_units(void **state)
{
	struct shared_memory memory;

	(void)state;
	assert_int_equal(shared_memory_page_size(), UNIT);
	assert_int_equal(shared_memory_create(&memory, 4096, UNIT, 0), -EFBIG);
	assert_int_equal(shared_memory_create(&memory, UNIT, 4096, 0), -EFBIG);
	assert_int_equal(shared_memory_create(&memory, 0, UNIT, 0), -EFBIG);
}

/* A ring is one wake-up, also if nobody waited for it yet, and rings merge. */
static void ring_wakes_once(void **state)
{
	struct bell bell;
	int ringer;

	(void)state;
	assert_int_equal(bell_create(&bell, BELL_EVENTFD, true), 0);
	ringer = bell.ring_fd;
	assert_int_equal(bell_check_ringer(BELL_EVENTFD, ringer), 0);
	assert_int_equal(WaitForSingleObject(handle_of(bell.watch_fd), 0), WAIT_TIMEOUT);
	assert_int_equal(bell_ring(BELL_EVENTFD, ringer), 0);
	assert_int_equal(bell_ring(BELL_EVENTFD, ringer), 0);
	assert_int_equal(WaitForSingleObject(handle_of(bell.watch_fd), 0), WAIT_OBJECT_0);
	assert_int_equal(WaitForSingleObject(handle_of(bell.watch_fd), 0), WAIT_TIMEOUT);
	bell_deinit(&bell);
}

/* The ringer cannot take the listener's rings by waiting for them. */
static void ringer_cannot_listen(void **state)
{
	struct bell bell;

	(void)state;
	assert_int_equal(bell_create(&bell, BELL_EVENTFD, true), 0);
	assert_int_equal(bell_ring(BELL_EVENTFD, bell.ring_fd), 0);
	assert_int_equal(WaitForSingleObject(handle_of(bell.ring_fd), 0), WAIT_FAILED);
	assert_int_equal(WaitForSingleObject(handle_of(bell.watch_fd), 0), WAIT_OBJECT_0);
	bell_deinit(&bell);
}

/* A copy of its handle cannot do more, either. (Whether it could wait is not asked: wine lets an object's owner always.) */
static void ringer_cannot_be_copied_to_do_more(void **state)
{
	struct bell bell;

	(void)state;
	assert_int_equal(bell_create(&bell, BELL_EVENTFD, true), 0);
	assert_true(can_become(bell.ring_fd, EVENT_MODIFY_STATE));
	assert_false(can_become(bell.ring_fd, 1 /* EVENT_QUERY_STATE */));
	assert_false(can_become(bell.ring_fd, EVENT_ALL_ACCESS));
	bell_deinit(&bell);
}

static void other_bells_and_other_handles_are_refused(void **state)
{
	struct shared_memory memory;
	struct bell bell;

	(void)state;
	assert_int_equal(bell_create(&bell, BELL_PIPE, true), -ENOTSUP);
	assert_int_equal(bell_create(&bell, BELL_SOCKET, true), -EINVAL);
	make(&memory, 0);
	assert_int_equal(bell_check_ringer(BELL_EVENTFD, memory.fd), -EBADF);
	assert_int_equal(bell_check_ringer(BELL_EVENTFD, 0x3fffffc), -EBADF);
	shared_memory_deinit(&memory, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE_TEST(data_is_there_twice),
		SCENE_TEST(many_fit_side_by_side),
		SCENE_TEST(threads_map_side_by_side),
		SCENE_TEST(no_handle_is_left),
		SCENE_TEST(passed_handle_only_reads),
		SCENE_TEST(passed_handle_cannot_be_copied_to_write),
		SCENE_TEST(readers_view_cannot_be_made_writable),
		SCENE_TEST(only_memory_that_is_set_aside_is_accepted),
		SCENE_TEST(only_memory_that_can_lie_anywhere_is_accepted),
		SCENE_TEST(sizes_are_whole_units),
		SCENE_TEST(ring_wakes_once),
		SCENE_TEST(ringer_cannot_listen),
		SCENE_TEST(ringer_cannot_be_copied_to_do_more),
		SCENE_TEST(other_bells_and_other_handles_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
