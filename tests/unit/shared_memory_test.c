/* SPDX-License-Identifier: MIT */
/* Memory objects: what their owner makes, and what a reader accepts from a stranger. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "descriptor.h"
#include "disposal.h"
#include "linux_compat.h"
#include "process.h"
#include "shared_memory.h"

#define ALL_SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL)

static size_t page(void)
{
	return shared_memory_page_size();
}

static bool is_mapped(const void *address)
{
	unsigned char resident;

	return mincore((void *)(uintptr_t)address, 1, &resident) == 0;
}

/* How objects without seals differ is shared_memory_shm_test.c's. */
static void need_seals(void)
{
	if (!shared_memory_has_seals())
		skip();
}

static struct shared_memory make(size_t data_size, unsigned flags)
{
	struct shared_memory memory = SHARED_MEMORY_NONE;

	assert_int_equal(shared_memory_create(&memory, page(), data_size, flags), 0);
	return memory;
}

/* Pages that are there: written, as the owner's own are. */
static void write_pages(int fd, size_t size)
{
	static const char zeros[4096];

	for (size_t at = 0; at < size; at += sizeof(zeros))
		assert_int_equal(pwrite(fd, zeros, sizeof(zeros), (off_t)at), sizeof(zeros));
}

/* A stranger's object: `size` bytes, all of them there if `is_allocated`, with these seals. */
static int make_foreign(size_t size, bool is_allocated, int seals)
{
	int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	if (is_allocated)
		write_pages(fd, size);
	if (seals)
		assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
	return fd;
}

static void refuse(int fd, size_t header_size, size_t data_size, unsigned flags, int error)
{
	struct shared_memory memory = SHARED_MEMORY_NONE;

	assert_int_equal(shared_memory_accept(&memory, fd, header_size, data_size, flags), error);
	assert_null(memory.base);
}

/* The byte behind the data's last is its first, in both directions; the header is apart. */
static void data_is_mapped_twice(void **state)
{
	struct shared_memory memory = make(4 * page(), 0);
	unsigned char *data = shared_memory_data(&memory);
	size_t size = memory.data_size, i;

	(void)state;
	for (i = 0; i < size; i += 511) {
		data[i] = (unsigned char)(i / 511 + 1);
		assert_int_equal(data[size + i], data[i]);
		data[size + i] ^= 0xff;
		assert_int_equal(data[size + i], data[i]);
	}
	memcpy(data + size - 3, "across", 6);
	assert_memory_equal(data, "oss", 3);
	assert_int_equal(*(unsigned char *)memory.base, 0);
	assert_int_equal(shared_memory_span(&memory), 9 * page());
	shared_memory_deinit(&memory, NULL);
}

/* A new object is all zero and as large as asked for, with and without a data area. */
static void new_object_is_zero(void **state)
{
	const size_t sizes[] = { 0, page(), 64 * page() };
	size_t i, at;

	(void)state;
	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct shared_memory memory = make(sizes[i], 0);
		const unsigned char *base = memory.base;
		struct stat status;

		assert_int_equal(fstat(memory.fd, &status), 0);
		assert_int_equal(status.st_size, page() + sizes[i]);
		assert_true((size_t)status.st_blocks * 512 >= page() + sizes[i]);
		for (at = 0; at < shared_memory_span(&memory); at++)
			assert_int_equal(base[at], 0);
		shared_memory_deinit(&memory, NULL);
	}
}

/* Once made, an object cannot be resized, punched or written but through its owner's mapping,
 * not even by its owner. */
static void new_object_is_sealed(void **state)
{
	struct shared_memory memory;
	int seals;

	(void)state;
	need_seals();
	memory = make(4 * page(), 0);
	seals = fcntl(memory.fd, F_GET_SEALS);
	assert_int_equal(seals & ALL_SEALS, ALL_SEALS);
	assert_true(shared_memory_is_acceptable(memory.fd));
	assert_true(fcntl(memory.fd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(ftruncate(memory.fd, 0), -1);
	assert_int_equal(pwrite(memory.fd, "x", 1, 0), -1);
	assert_int_equal(fallocate(memory.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
			(off_t)page()), -1);
	shared_memory_deinit(&memory, NULL);
}

/* What the owner writes, the reader sees, at both places, and it has no way to write itself. */
static void reader_sees_and_cannot_write(void **state)
{
	struct shared_memory owner = make(2 * page(), 0), reader = SHARED_MEMORY_NONE;

	(void)state;
	assert_int_equal(shared_memory_accept(&reader, owner.fd, page(), 2 * page(), 0), 0);
	assert_int_equal(reader.fd, -1);
	assert_int_equal(reader.device, owner.device);
	assert_int_equal(reader.inode, owner.inode);
	memcpy(owner.base, "header", 6);
	memcpy(shared_memory_data(&owner) + 2 * page() - 2, "data", 4);
	assert_memory_equal(reader.base, "header", 6);
	assert_memory_equal(shared_memory_data(&reader) + 2 * page() - 2, "data", 4);
	assert_memory_equal(shared_memory_data(&reader), "ta", 2);
	assert_int_equal(mprotect(reader.base, page(), PROT_READ | PROT_WRITE), -1);
	assert_int_equal(errno, EACCES);
	shared_memory_deinit(&reader, NULL);
	shared_memory_deinit(&owner, NULL);
}

/* Objects are told apart by device and inode. */
static void identity_is_unique(void **state)
{
	struct shared_memory a = make(0, 0), b = make(0, 0);

	(void)state;
	assert_true(a.device != b.device || a.inode != b.inode);
	shared_memory_deinit(&a, NULL);
	shared_memory_deinit(&b, NULL);
}

/* Each of the four seals is required; more do no harm. */
static void every_seal_is_required(void **state)
{
	const int required[] = { F_SEAL_SHRINK, F_SEAL_GROW, F_SEAL_FUTURE_WRITE, F_SEAL_SEAL };
	struct shared_memory memory = SHARED_MEMORY_NONE;
	size_t i;
	int fd;

	(void)state;
	need_seals();
	for (i = 0; i < sizeof(required) / sizeof(required[0]); i++) {
		fd = make_foreign(2 * page(), true, ALL_SEALS & ~required[i]);
		assert_false(shared_memory_is_acceptable(fd));
		refuse(fd, page(), page(), 0, -EPERM);
		close(fd);
	}
	fd = make_foreign(2 * page(), true, ALL_SEALS | F_SEAL_WRITE);
	assert_int_equal(shared_memory_accept(&memory, fd, page(), page(), 0), 0);
	shared_memory_deinit(&memory, NULL);
	close(fd);
}

/* Nothing but a memfd is one, and the question is harmless for all of them. */
static void other_descriptors_are_refused(void **state)
{
	int ends[2], file, device;

	(void)state;
	need_seals();
	file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	device = open("/dev/zero", O_RDWR | O_CLOEXEC);
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	refuse(ends[0], page(), page(), 0, -EPERM);
	refuse(file, page(), page(), 0, -EPERM);
	refuse(device, page(), page(), 0, -EPERM);
	refuse(-1, page(), page(), 0, -EPERM);
	close(ends[0]);
	close(ends[1]);
	close(file);
	close(device);
}

/* A memfd of huge pages is sealed as well, and refused all the same. */
static void huge_pages_are_refused(void **state)
{
	int fd;

	(void)state;
	need_seals();
	fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_HUGETLB);
	if (fd < 0)
		skip();
	assert_int_equal(fcntl(fd, F_ADD_SEALS, ALL_SEALS), 0);
	assert_true(shared_memory_is_acceptable(fd));
	refuse(fd, page(), page(), SHARED_MEMORY_LAZY, -EMEDIUMTYPE);
	close(fd);
}

/* The size must be the announced one, exactly, and whole pages of ours. */
static void size_must_be_exact(void **state)
{
	struct shared_memory memory = SHARED_MEMORY_NONE;
	int fd;

	(void)state;
	need_seals();
	fd = make_foreign(3 * page(), true, ALL_SEALS);
	refuse(fd, page(), page(), 0, -EBADMSG);
	refuse(fd, page(), 3 * page(), 0, -EBADMSG);
	refuse(fd, page() + 1, 2 * page() - 1, 0, -EBADMSG);
	refuse(fd, page() / 2, 2 * page() + page() / 2, 0, -EBADMSG);
	refuse(fd, 0, 3 * page(), 0, -EBADMSG);
	refuse(fd, page(), SIZE_MAX - page() + 1, 0, -EBADMSG);
	refuse(fd, SIZE_MAX - page() + 1, 0, 0, -EBADMSG);
	assert_int_equal(shared_memory_accept(&memory, fd, page(), 2 * page(), 0), 0);
	shared_memory_deinit(&memory, NULL);
	close(fd);
}

/* Memory that is not there yet is accepted only by who said so. */
static void lazy_memory_needs_the_flag(void **state)
{
	struct shared_memory owner, reader = SHARED_MEMORY_NONE;

	(void)state;
	need_seals();
	owner = make(64 * page(), SHARED_MEMORY_LAZY);
	refuse(owner.fd, page(), 64 * page(), 0, -ENODATA);
	assert_int_equal(shared_memory_accept(&reader, owner.fd, page(), 64 * page(),
			SHARED_MEMORY_LAZY), 0);
	memset(shared_memory_data(&owner), 7, 64 * page());
	assert_int_equal(shared_memory_data(&reader)[64 * page() + 1], 7);
	shared_memory_deinit(&reader, NULL);
	*(char *)owner.base = 1;
	assert_int_equal(shared_memory_accept(&reader, owner.fd, page(), 64 * page(), 0), 0);
	shared_memory_deinit(&reader, NULL);
	shared_memory_deinit(&owner, NULL);
}

/* Blocks are no proof of pages: some may lie beyond the end, where nobody reads. */
static void blocks_beyond_the_end_do_not_count(void **state)
{
	const size_t size = 16 * page();
	struct stat status;
	int fd;

	(void)state;
	need_seals();
	fd = make_foreign(size, false, 0);
	if (fallocate(fd, FALLOC_FL_KEEP_SIZE, (off_t)size, (off_t)size) < 0) {
		close(fd);
		skip();
	}
	assert_int_equal(fcntl(fd, F_ADD_SEALS, ALL_SEALS), 0);
	assert_int_equal(fstat(fd, &status), 0);
	assert_int_equal(status.st_size, size);
	assert_true((size_t)status.st_blocks * 512 >= size);
	refuse(fd, page(), size - page(), 0, -ENODATA);
	close(fd);
}

/* One page that is not there is enough, wherever it is. */
static void every_page_must_be_there(void **state)
{
	(void)state;
	need_seals();
	for (size_t missing = 0; missing < 4; missing++) {
		int fd = make_foreign(4 * page(), true, 0);

		assert_int_equal(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
						 (off_t)(missing * page()), (off_t)page()), 0);
		assert_int_equal(fcntl(fd, F_ADD_SEALS, ALL_SEALS), 0);
		refuse(fd, page(), 3 * page(), 0, -ENODATA);
		close(fd);
	}
}

/* The owner's pages are there from the start, for a peer that looks, before anything was written. */
static void new_object_has_no_holes(void **state)
{
	struct shared_memory memory = make(300 * page(), 0);

	(void)state;
	assert_int_equal(lseek(memory.fd, 0, SEEK_HOLE), 301 * page());
	shared_memory_deinit(&memory, NULL);
}

static void create_without_populate(void *unused)
{
	struct shared_memory memory = SHARED_MEMORY_NONE;

	(void)unused;
	if (forbid_system_call(SYS_madvise, EINVAL) < 0)
		_exit(CHILD_SKIPPED);
	CHILD_CHECK(shared_memory_create(&memory, page(), 300 * page(), 0) == 0);
	CHILD_CHECK(lseek(memory.fd, 0, SEEK_HOLE) == (off_t)(301 * page()));
}

/* On kernels without MADV_POPULATE_WRITE as well. */
static void older_kernels_have_no_holes_either(void **state)
{
	int result = in_child(create_without_populate, NULL);

	(void)state;
	if (result == CHILD_SKIPPED)
		skip();
	assert_int_equal(result, 0);
}

static void create_above_the_limit(void *unused)
{
	struct rlimit limit = { 16 * page(), RLIM_INFINITY };
	struct shared_memory memory = SHARED_MEMORY_NONE;

	(void)unused;
	CHILD_CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
	CHILD_CHECK(shared_memory_create(&memory, page(), 16 * page(), 0) == -EFBIG);
	CHILD_CHECK(shared_memory_create(&memory, page(), 16 * page(), SHARED_MEMORY_LAZY) == -EFBIG);
	CHILD_CHECK(descriptor_count() == 0);
	CHILD_CHECK(shared_memory_create(&memory, page(), 15 * page(), 0) == 0);
}

/* RLIMIT_FSIZE gives an error, not SIGXFSZ. */
static void file_size_limit_is_an_error(void **state)
{
	(void)state;
	assert_int_equal(in_child(create_above_the_limit, NULL), 0);
}

/* Sizes that are not whole pages, or that cannot be added up, are refused. */
static void odd_sizes_are_refused(void **state)
{
	struct shared_memory memory = SHARED_MEMORY_NONE;

	(void)state;
	assert_int_equal(shared_memory_create(&memory, 0, page(), 0), -EFBIG);
	assert_int_equal(shared_memory_create(&memory, page(), 1, 0), -EFBIG);
	assert_int_equal(shared_memory_create(&memory, page() - 8, page(), 0), -EFBIG);
	assert_int_equal(shared_memory_create(&memory, page(), SIZE_MAX - page() + 1, 0), -EFBIG);
	assert_int_equal(memory.fd, -1);
	assert_int_equal(descriptor_count(), 0);
}

static void create_without_memfd(void *arg)
{
	struct shared_memory memory = SHARED_MEMORY_NONE;

	if (forbid_system_call(SYS_memfd_create, *(int *)arg) < 0)
		_exit(CHILD_SKIPPED);
	CHILD_CHECK(shared_memory_create(&memory, page(), page(), 0) == -ENOSYS);
}

/* A sandbox or kernel without memfds is told apart from a want of anything else. */
static void no_memfd_is_told(void **state)
{
	int errors[] = { ENOSYS, EPERM }, result, i;

	(void)state;
	need_seals();
	for (i = 0; i < 2; i++) {
		result = in_child(create_without_memfd, &errors[i]);
		if (result == CHILD_SKIPPED)
			skip();
		assert_int_equal(result, 0);
	}
}

static void create_without_descriptors(void *unused)
{
	struct shared_memory memory = SHARED_MEMORY_NONE;
	struct rlimit limit;

	(void)unused;
	CHILD_CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
	limit.rlim_cur = 0;
	CHILD_CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
	CHILD_CHECK(shared_memory_create(&memory, page(), page(), 0) == -EMFILE);
}

/* So is the want of descriptors. */
static void no_descriptor_is_told(void **state)
{
	(void)state;
	assert_int_equal(in_child(create_without_descriptors, NULL), 0);
}

static void create_when_interrupted(void *unused)
{
	struct shared_memory memory = SHARED_MEMORY_NONE;
	struct stat status;

	(void)unused;
	if (forbid_large_fourth_argument(SYS_fallocate, 100000, EINTR) < 0)
		_exit(CHILD_SKIPPED);
	CHILD_CHECK(shared_memory_create(&memory, page(), (size_t)4 << 20, 0) == 0);
	CHILD_CHECK(fstat(memory.fd, &status) == 0);
	CHILD_CHECK(status.st_blocks >= (4 << 20) / 512);
}

/* Signals that come faster than a large allocation can be made do not fail it, nor keep it up for ever:
 * here every allocation above 100 kB is interrupted, as by a timer of the application's. */
static void allocation_survives_signals(void **state)
{
	int result = in_child(create_when_interrupted, NULL);

	(void)state;
	if (result == CHILD_SKIPPED)
		skip();
	assert_int_equal(result, 0);
}

/* Whether mlock(2) is the kernel's: the sanitizers' does nothing and says 0. */
static bool has_mlock(void)
{
	return mlock(NULL, page()) < 0;
}

/* Locked memory is resident, on both sides, or the refusal is told. */
static void memory_can_be_locked(void **state)
{
	struct shared_memory owner = SHARED_MEMORY_NONE, reader = SHARED_MEMORY_NONE;
	unsigned char resident[5];
	size_t i;
	int r;

	(void)state;
	if (!has_mlock())
		skip();
	r = shared_memory_create(&owner, page(), 4 * page(), SHARED_MEMORY_LOCK);
	if (r == -EPERM || r == -EAGAIN)
		skip();
	assert_int_equal(r, 0);
	assert_int_equal(shared_memory_accept(&reader, owner.fd, page(), 4 * page(),
			SHARED_MEMORY_LOCK), 0);
	assert_int_equal(mincore(reader.base, 5 * page(), resident), 0);
	for (i = 0; i < 5; i++)
		assert_true(resident[i] & 1);
	shared_memory_deinit(&reader, NULL);
	shared_memory_deinit(&owner, NULL);
}

static void lock_without_permission(void *unused)
{
	struct shared_memory owner = SHARED_MEMORY_NONE, reader = SHARED_MEMORY_NONE;
	struct rlimit none = { 0, 0 };
	int r;

	(void)unused;
	CHILD_CHECK(setrlimit(RLIMIT_MEMLOCK, &none) == 0);
	/* Root may lock whatever the limit says. */
	if (geteuid() == 0 && (setgid(65534) < 0 || setuid(65534) < 0))
		_exit(CHILD_SKIPPED);
	r = shared_memory_create(&owner, page(), page(), SHARED_MEMORY_LOCK);
	CHILD_CHECK(r == -EPERM || r == -EAGAIN);
	CHILD_CHECK(descriptor_count() == 0);
	CHILD_CHECK(shared_memory_create(&owner, page(), page(), 0) == 0);
	CHILD_CHECK(shared_memory_accept(&reader, owner.fd, page(), page(), SHARED_MEMORY_LOCK) ==
		    -EAGAIN);
	CHILD_CHECK(!reader.base);
}

/* A lock that is refused is told apart from everything else that can be wrong. */
static void refused_lock_is_told(void **state)
{
	int result;

	(void)state;
	if (!has_mlock())
		skip();
	result = in_child(lock_without_permission, NULL);
	if (result == CHILD_SKIPPED)
		skip();
	assert_int_equal(result, 0);
}

/* Without its descriptor the mapping lives on; the end takes both, and a second end nothing. */
static void close_and_deinit(void **state)
{
	struct shared_memory memory = make(page(), 0), none = SHARED_MEMORY_NONE;
	unsigned char *base = memory.base;

	(void)state;
	assert_int_equal(descriptor_count(), 1);
	shared_memory_close(&memory);
	assert_int_equal(memory.fd, -1);
	assert_int_equal(descriptor_count(), 0);
	base[0] = 1;
	shared_memory_deinit(&memory, NULL);
	assert_null(memory.base);
	assert_false(is_mapped(base));
	assert_false(is_mapped(base + 2 * page()));
	shared_memory_deinit(&memory, NULL);
	shared_memory_deinit(&none, NULL);
}

/* A large mapping goes by way of disposal. */
static void large_mappings_are_disposed_of(void **state)
{
	struct shared_memory memory = make(DISPOSAL_LARGE_MAPPING, 0);
	const void *base = memory.base;

	(void)state;
	shared_memory_deinit(&memory, NULL);
	assert_null(memory.base);
	assert_int_equal(disposal_wait(20000), 0);
	assert_false(is_mapped(base));
}

static int note_descriptors(void **state)
{
	*state = (void *)(uintptr_t)count_open_descriptors();
	return 0;
}

static int compare_descriptors(void **state)
{
	return disposal_wait(20000) == 0 && descriptor_count() == 0 &&
			       count_open_descriptors() == (uintptr_t)*state ? 0 : -1;
}

#define TEST(function) \
	cmocka_unit_test_setup_teardown(function, note_descriptors, compare_descriptors)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(data_is_mapped_twice),
		TEST(new_object_is_zero),
		TEST(new_object_is_sealed),
		TEST(reader_sees_and_cannot_write),
		TEST(identity_is_unique),
		TEST(every_seal_is_required),
		TEST(other_descriptors_are_refused),
		TEST(huge_pages_are_refused),
		TEST(size_must_be_exact),
		TEST(lazy_memory_needs_the_flag),
		TEST(blocks_beyond_the_end_do_not_count),
		TEST(every_page_must_be_there),
		TEST(new_object_has_no_holes),
		TEST(older_kernels_have_no_holes_either),
		TEST(file_size_limit_is_an_error),
		TEST(odd_sizes_are_refused),
		TEST(no_memfd_is_told),
		TEST(no_descriptor_is_told),
		TEST(allocation_survives_signals),
		TEST(memory_can_be_locked),
		TEST(refused_lock_is_told),
		TEST(close_and_deinit),
		TEST(large_mappings_are_disposed_of),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
