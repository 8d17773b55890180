/* SPDX-License-Identifier: MIT */
/*
 * Both ways in which rings are mapped: views that replace a reserved range, as Windows 10 and later have them, against a model; and
 * views that take a free range, with somebody else who is faster.
 *
 * There is no system here that has them, so what the core calls is played: VirtualAlloc2(), MapViewOfFile3(), VirtualFree() and
 * UnmapViewOfFile() as Microsoft documents them, with every condition that is documented for placeholders checked, and each range
 * written down until it is let go of. Each call can be made to fail: then the older way is taken, and nothing is left behind.
 *
 * The files of the core are a part of this one, so that their calls can be caught; the library's own copies are not linked then.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>
#include <windows.h>

#include "check.h"
#include "scene.h"

#define UNIT ((size_t)65536)
#define PAGE ((size_t)4096)

/* ---- The model ------------------------------------------------------------------ */

static FARPROC WINAPI model_address_of(HMODULE module, const char *name);
static BOOL WINAPI model_free(void *address, SIZE_T size, DWORD type);
static BOOL WINAPI model_unmap(const void *address);
static void *WINAPI model_map(HANDLE section, DWORD access, DWORD high, DWORD low,
		SIZE_T size, void *address);

#define GetProcAddress model_address_of
#define VirtualFree model_free
#define UnmapViewOfFile model_unmap
#define MapViewOfFileEx model_map
#include "../../core/disposal_windows.c"
#include "../../core/shared_memory_windows.c"
#undef GetProcAddress
#undef VirtualFree
#undef UnmapViewOfFile
#undef MapViewOfFileEx

struct range {
	unsigned char *base;
	size_t size;
	bool is_view; /* or a placeholder, which is a real reservation */
};

static struct range ranges[8];
static size_t range_count;
static unsigned calls;    /* of what can fail */
static unsigned fails_at; /* the how manieth does; 0: none */
static unsigned replaced; /* placeholders, by views */
static HANDLE taker;      /* what takes a place that becomes free */
static void *taken;
static SRWLOCK unmapping = SRWLOCK_INIT;

static bool fails(void)
{
	return ++calls == fails_at;
}

static void add_range(unsigned char *base, size_t size, bool is_view)
{
	CHECK(range_count < sizeof(ranges) / sizeof(ranges[0]));
	ranges[range_count++] = (struct range){ base, size, is_view };
}

static struct range *find_range(const void *base, bool is_view)
{
	for (size_t i = 0; i < range_count; i++)
		if (ranges[i].base == base && ranges[i].is_view == is_view)
			return &ranges[i];
	return NULL;
}

static void remove_range(struct range *range)
{
	*range = ranges[--range_count];
}

static void reserve_really(unsigned char *base, size_t size)
{
	CHECK(VirtualAlloc(base, size, MEM_RESERVE, PAGE_NOACCESS) == base);
}

/* "To create a placeholder, call VirtualAlloc2 with MEM_RESERVE | MEM_RESERVE_PLACEHOLDER and PageProtection set to PAGE_NOACCESS." */
static void *WINAPI model_allocate_2(HANDLE process, void *address, SIZE_T size,
		ULONG type, ULONG protection, void *parameters, ULONG count)
{
	unsigned char *base;

	CHECK(process == GetCurrentProcess() && !address && !parameters && count == 0);
	CHECK(size > 0 && size % PAGE == 0);
	CHECK_EQUAL(type, MEM_RESERVE | MEM_RESERVE_PLACEHOLDER);
	CHECK_EQUAL(protection, PAGE_NOACCESS);
	if (fails())
		return NULL;
	base = VirtualAlloc(NULL, size, MEM_RESERVE, PAGE_NOACCESS);
	CHECK(base);
	add_range(base, size, false);
	return base;
}

/* "To split a placeholder into two placeholders, specify MEM_RELEASE | MEM_PRESERVE_PLACEHOLDER." */
static BOOL split(unsigned char *base, size_t size)
{
	struct range *whole = find_range(base, false);
	size_t rest;

	CHECK(whole && size > 0 && size % PAGE == 0 && size < whole->size);
	if (fails())
		return FALSE;
	rest = whole->size - size;
	whole->size = size;
	CHECK(VirtualFree(base, 0, MEM_RELEASE));
	reserve_really(base, size);
	reserve_really(base + size, rest);
	add_range(base + size, rest, false);
	return TRUE;
}

/* "If the dwFreeType parameter is MEM_RELEASE, this parameter [the size] must be 0." */
static BOOL WINAPI model_free(void *address, SIZE_T size, DWORD type)
{
	struct range *placeholder;

	if (type == (MEM_RELEASE | MEM_PRESERVE_PLACEHOLDER))
		return split(address, size);
	CHECK(type == MEM_RELEASE && size == 0);
	placeholder = find_range(address, false);
	if (placeholder)
		remove_range(placeholder);
	return VirtualFree(address, 0, MEM_RELEASE);
}

/* "BaseAddress and ViewSize must exactly match those of the placeholder"; the offset is 64k aligned. Sections may be mapped to be
 * written only by a handle that can. */
static void *WINAPI model_map_3(HANDLE section, HANDLE process, void *address,
		ULONG64 offset, SIZE_T size, ULONG type, ULONG protection,
		void *parameters, ULONG count)
{
	struct range *placeholder = find_range(address, false);
	DWORD access = protection == PAGE_READWRITE ? FILE_MAP_READ | FILE_MAP_WRITE
						    : FILE_MAP_READ;

	CHECK(process == GetCurrentProcess() && !parameters && count == 0);
	CHECK_EQUAL(type, MEM_REPLACE_PLACEHOLDER);
	CHECK(protection == PAGE_READWRITE || protection == PAGE_READONLY);
	CHECK_EQUAL(offset % UNIT, 0);
	CHECK(placeholder && placeholder->size == size);
	if (fails())
		return NULL;
	CHECK(VirtualFree(address, 0, MEM_RELEASE));
	CHECK(MapViewOfFileEx(section, access, (DWORD)(offset >> 32), (DWORD)offset, size,
			      address) == address);
	placeholder->is_view = true;
	replaced++;
	return address;
}

/* Whatever is unmapped may be somebody else's in the next moment: then it is at once. Called by the threads that let go of what is
 * large, too. */
static BOOL WINAPI model_unmap(const void *address)
{
	struct range *view;

	AcquireSRWLockExclusive(&unmapping);
	view = find_range(address, true);
	if (view)
		remove_range(view);
	CHECK(UnmapViewOfFile(address));
	if (taker && !taken)
		taken = MapViewOfFileEx(taker, FILE_MAP_READ, 0, 0, UNIT,
				(void *)((uintptr_t)address + UNIT));
	ReleaseSRWLockExclusive(&unmapping);
	return TRUE;
}

/* The older way: so many times, of so many from the next on, it fails like this. */
static struct {
	unsigned passes, times, calls;
	DWORD error;
} trouble;

static void *WINAPI model_map(HANDLE section, DWORD access, DWORD high, DWORD low,
		SIZE_T size, void *address)
{
	unsigned call = trouble.calls++;

	if (call >= trouble.passes && call < trouble.passes + trouble.times) {
		SetLastError(trouble.error);
		return NULL;
	}
	return MapViewOfFileEx(section, access, high, low, size, address);
}

static FARPROC WINAPI model_address_of(HMODULE module, const char *name)
{
	void *function = NULL;

	if (strcmp(name, "VirtualAlloc2") == 0)
		function = (void *)model_allocate_2;
	else if (strcmp(name, "MapViewOfFile3") == 0)
		function = (void *)model_map_3;
	return function ? (FARPROC)function : GetProcAddress(module, name);
}

/* ---- What is asked of it ------------------------------------------------------------ */

static void begin(unsigned failure)
{
	calls = replaced = 0;
	fails_at = failure;
	range_count = 0;
}

static void expect_picture(struct shared_memory *memory, struct shared_memory *peers)
{
	unsigned char *data = shared_memory_data(memory);
	size_t size = memory->data_size;

	data[1] = 7;
	data[size - 1] = 9;
	CHECK(data[size + 1] == 7 && data[2 * size - 1] == 9);
	CHECK(shared_memory_data(peers)[1] == 7 &&
			shared_memory_data(peers)[size + 1] == 7);
}

/* Makes both ends of a ring, and lets go of them. */
static void make_and_unmake(size_t data_size)
{
	struct shared_memory memory, peers;

	CHECK_EQUAL(shared_memory_create(&memory, UNIT, data_size, 0), 0);
	CHECK_EQUAL(shared_memory_accept(&peers, memory.fd, UNIT, data_size, 0), 0);
	if (data_size)
		expect_picture(&memory, &peers);
	shared_memory_deinit(&peers, NULL);
	shared_memory_deinit(&memory, NULL);
	CHECK_EQUAL(disposal_wait(10000), 0);
	CHECK_EQUAL(range_count, 0);
}

static void views_replace_a_reserved_range(void **state)
{
	(void)state;
	begin(0);
	make_and_unmake(4 * UNIT);
	assert_int_equal(replaced, 4);
	/* By way of the threads that let go of what is large. */
	make_and_unmake(DISPOSAL_LARGE_MAPPING);
	assert_int_equal(replaced, 8);
	/* A receiver's page has no data. */
	make_and_unmake(0);
	assert_int_equal(replaced, 10);
}

/* Whichever call fails, the ring is mapped in the older way, and nothing is left of the newer one. */
static void failures_lead_to_the_older_way(void **state)
{
	(void)state;
	for (unsigned failure = 1; failure <= 8; failure++) {
		begin(failure);
		make_and_unmake(2 * UNIT);
		assert_int_equal(replaced < 4, 1);
		assert_true(calls >= failure);
	}
	for (unsigned failure = 1; failure <= 4; failure++) {
		begin(failure);
		make_and_unmake(0);
		assert_true(replaced < 2);
	}
}

/* Somebody who maps something where the first view was, while the second is still there, keeps it: also if a part of the first had
 * been given another protection, so that it looked like several. */
static void nothing_of_others_is_unmapped(void **state)
{
	struct shared_memory memory;
	DWORD before;

	(void)state;
	begin(0);
	taker = CreateFileMappingW(
			INVALID_HANDLE_VALUE, NULL, PAGE_READWRITE, 0, UNIT, NULL);
	assert_non_null(taker);
	assert_int_equal(shared_memory_create(&memory, UNIT, 2 * UNIT, 0), 0);
	assert_true(VirtualProtect(memory.base, UNIT, PAGE_READONLY, &before));
	shared_memory_deinit(&memory, NULL);
	assert_int_equal(range_count, 0);
	assert_non_null(taken);
	assert_true(UnmapViewOfFile(taken));
	CloseHandle(taker);
	taker = NULL;
}

/* ---- The older way ------------------------------------------------------------------- */

/* Like make_and_unmake(), while `times` calls of MapViewOfFileEx() fail, from the one after `passes` on. */
static int accept_in_trouble(unsigned passes, unsigned times, DWORD error)
{
	struct shared_memory memory, peers;
	int r;

	begin(1);
	CHECK_EQUAL(shared_memory_create(&memory, UNIT, UNIT, 0), 0);
	begin(1);
	trouble.passes = passes;
	trouble.times = times;
	trouble.calls = 0;
	trouble.error = error;
	r = shared_memory_accept(&peers, memory.fd, UNIT, UNIT, 0);
	trouble.times = 0;
	if (r == 0)
		shared_memory_deinit(&peers, NULL);
	shared_memory_deinit(&memory, NULL);
	return r;
}

/* Somebody else takes the range, or its second half, before it is mapped: another is looked for, but not for ever. */
static void range_that_is_taken_is_given_up(void **state)
{
	(void)state;
	assert_int_equal(accept_in_trouble(0, 1, ERROR_INVALID_ADDRESS), 0);
	assert_int_equal(accept_in_trouble(1, 1, ERROR_INVALID_ADDRESS), 0);
	assert_int_equal(accept_in_trouble(0, 50, ERROR_INVALID_ADDRESS), 0);
	assert_int_equal(accept_in_trouble(1, 10000, ERROR_INVALID_ADDRESS), -ENOMEM);
	assert_int_equal(accept_in_trouble(0, 10000, ERROR_NOT_ENOUGH_MEMORY), -ENOMEM);
}

/* A section that cannot be mapped anywhere is its maker's fault, and not this process's want of memory, after which the maker would be
 * asked to try again. */
static void section_that_cannot_be_mapped_is_refused(void **state)
{
	(void)state;
	assert_int_equal(accept_in_trouble(0, 1, ERROR_INVALID_PARAMETER), -EPERM);
	assert_int_equal(accept_in_trouble(1, 1, ERROR_ACCESS_DENIED), -EPERM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE_TEST(views_replace_a_reserved_range),
		SCENE_TEST(failures_lead_to_the_older_way),
		SCENE_TEST(nothing_of_others_is_unmapped),
		SCENE_TEST(range_that_is_taken_is_given_up),
		SCENE_TEST(section_that_cannot_be_mapped_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
