/* SPDX-License-Identifier: MIT */
/*
 * Memory objects without seals: what takes the place of each promise that seals would make, and that what
 * cannot be promised is not taken from strangers. Where there are seals, shared_memory_test.c says it all.
 */

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
#include "process.h"
#include "shared_memory.h"

static size_t page(void)
{
	return shared_memory_page_size();
}

static struct shared_memory make(size_t data_size, unsigned flags)
{
	struct shared_memory memory = SHARED_MEMORY_NONE;

	assert_int_equal(shared_memory_create(&memory, page(), data_size, flags), 0);
	return memory;
}

/* An object of somebody's with these permissions, that can be written; `name` stays if `is_named`. */
static int make_foreign(const char *name, size_t size, mode_t mode, bool is_named)
{
	int fd = shm_open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(fchmod(fd, mode), 0);
	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	if (!is_named)
		assert_int_equal(shm_unlink(name), 0);
	return fd;
}

static void refuse(int fd, size_t header_size, size_t data_size, int error)
{
	struct shared_memory memory = SHARED_MEMORY_NONE;

	assert_int_equal(shared_memory_accept(&memory, fd, header_size, data_size, 0), error);
	assert_null(memory.base);
}

/* What is passed on can neither be written nor made shorter, nor can a mapping of it be made so. */
static void the_passed_descriptor_only_reads(void **state)
{
	struct shared_memory memory = make(4 * page(), 0);

	(void)state;
	assert_int_equal(fcntl(memory.fd, F_GETFL) & O_ACCMODE, O_RDONLY);
	assert_true(fcntl(memory.fd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(ftruncate(memory.fd, 0), -1);
	assert_int_equal(pwrite(memory.fd, "x", 1, 0), -1);
	assert_ptr_equal(mmap(NULL, page(), PROT_READ | PROT_WRITE, MAP_SHARED, memory.fd, 0),
			MAP_FAILED);
	assert_int_equal(descriptor_count(), 1);
	shared_memory_deinit(&memory, NULL);
}

/* It has no name and nobody else's permissions, and all its pages are there before anybody reads them. */
static void a_new_object_is_private_and_whole(void **state)
{
	struct shared_memory memory = make(300 * page(), 0);
	struct stat status;

	(void)state;
	assert_int_equal(fstat(memory.fd, &status), 0);
	assert_int_equal(status.st_nlink, 0);
	assert_int_equal(status.st_mode & (S_IRWXG | S_IRWXO), 0);
	assert_int_equal(status.st_size, 301 * page());
	assert_true((size_t)status.st_blocks * 512 >= 301 * page());
	shared_memory_deinit(&memory, NULL);
}

/* Exactly the announced size, whole pages, and a reader that cannot write. */
static void size_must_be_exact(void **state)
{
	struct shared_memory owner = make(2 * page(), 0), reader = SHARED_MEMORY_NONE;

	(void)state;
	refuse(owner.fd, page(), page(), -EBADMSG);
	refuse(owner.fd, page(), 3 * page(), -EBADMSG);
	refuse(owner.fd, page() + 1, 2 * page() - 1, -EBADMSG);
	refuse(owner.fd, 0, 3 * page(), -EBADMSG);
	assert_int_equal(shared_memory_accept(&reader, owner.fd, page(), 2 * page(), 0), 0);
	assert_int_equal(reader.inode, owner.inode);
	memcpy(shared_memory_data(&owner) + 2 * page() - 2, "data", 4);
	assert_memory_equal(shared_memory_data(&reader), "ta", 2);
	assert_int_equal(mprotect(reader.base, page(), PROT_READ | PROT_WRITE), -1);
	shared_memory_deinit(&reader, NULL);
	shared_memory_deinit(&owner, NULL);
}

/* Who could come by a writable descriptor through a name, or through permissions, could make it shorter. */
static void objects_that_others_can_open_are_refused(void **state)
{
	struct shared_memory memory = SHARED_MEMORY_NONE;
	char name[32];
	int fd;

	(void)state;
	snprintf(name, sizeof(name), "/test-%ld", (long)getpid());
	fd = make_foreign(name, 2 * page(), 0600, true);
	refuse(fd, page(), page(), -EPERM);
	assert_int_equal(shm_unlink(name), 0);
	assert_int_equal(shared_memory_accept(&memory, fd, page(), page(), 0), 0);
	shared_memory_deinit(&memory, NULL);
	close(fd);
	fd = make_foreign(name, 2 * page(), 0660, false);
	refuse(fd, page(), page(), -EPERM);
	close(fd);
	fd = make_foreign(name, 2 * page(), 0602, false);
	refuse(fd, page(), page(), -EPERM);
	close(fd);
}

/* An object of another user's is refused, whoever passes it. */
static void objects_of_other_users_are_refused(void **state)
{
	char name[32];
	int fd;

	(void)state;
	if (geteuid() != 0)
		skip();
	snprintf(name, sizeof(name), "/test-%ld", (long)getpid());
	fd = make_foreign(name, 2 * page(), 0600, false);
	assert_int_equal(fchown(fd, 65534, 65534), 0);
	refuse(fd, page(), page(), -EPERM);
	close(fd);
}

/* Nothing else is memory. */
static void other_descriptors_are_refused(void **state)
{
	int ends[2], file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	int device = open("/dev/zero", O_RDWR | O_CLOEXEC);

	(void)state;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	refuse(ends[0], page(), page(), -EMEDIUMTYPE);
	refuse(device, page(), page(), -EMEDIUMTYPE);
	refuse(file, page(), page(), -EPERM); /* it has a name */
	refuse(-1, page(), page(), -EPERM);
	close(ends[0]);
	close(ends[1]);
	close(file);
	close(device);
}

/* The danger that the rules above are about is real: a process of the own user that still has a writable descriptor
 * takes the pages away, and the reader dies. This is what is not promised without seals. */
static void read_what_was_taken_away(void *unused)
{
	struct shared_memory memory = SHARED_MEMORY_NONE;
	char name[32];
	int fd;

	(void)unused;
	snprintf(name, sizeof(name), "/test-%ld", (long)getpid());
	fd = shm_open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	shm_unlink(name);
	CHILD_CHECK(fd >= 0 && ftruncate(fd, (off_t)(2 * page())) == 0);
	CHILD_CHECK(shared_memory_accept(&memory, fd, page(), page(), 0) == 0);
	CHILD_CHECK(ftruncate(fd, 0) == 0);
	signal(SIGBUS, SIG_DFL);
	_exit(*(volatile unsigned char *)memory.base);
}

static void own_processes_can_take_pages_away(void **state)
{
	(void)state;
	assert_int_equal(in_child(read_what_was_taken_away, NULL), -SIGBUS);
}

static void create_without_descriptors(void *unused)
{
	struct shared_memory memory = SHARED_MEMORY_NONE;
	struct rlimit limit;
	int next = dup(0);

	(void)unused;
	close(next);
	CHILD_CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
	/* Room for none, then for one of the two. */
	for (int room = 0; room < 2; room++) {
		limit.rlim_cur = (rlim_t)(next + room);
		CHILD_CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
		CHILD_CHECK(shared_memory_create(&memory, page(), page(), 0) == -EMFILE);
		CHILD_CHECK(descriptor_count() == 0);
		CHILD_CHECK(dup(0) == (room ? next : -1));
		close(next);
	}
}

/* A want of descriptors is told and leaves none behind, half way too. */
static void no_descriptor_is_told(void **state)
{
	(void)state;
	assert_int_equal(in_child(create_without_descriptors, NULL), 0);
}

static int note_descriptors(void **state)
{
	*state = (void *)(uintptr_t)count_open_descriptors();
	return 0;
}

static int compare_descriptors(void **state)
{
	return descriptor_count() == 0 && count_open_descriptors() == (uintptr_t)*state ? 0 : -1;
}

#define TEST(function) \
	cmocka_unit_test_setup_teardown(function, note_descriptors, compare_descriptors)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_passed_descriptor_only_reads),
		TEST(a_new_object_is_private_and_whole),
		TEST(size_must_be_exact),
		TEST(objects_that_others_can_open_are_refused),
		TEST(objects_of_other_users_are_refused),
		TEST(other_descriptors_are_refused),
		TEST(own_processes_can_take_pages_away),
		TEST(no_descriptor_is_told),
	};

	if (shared_memory_has_seals()) {
		print_message("memory is sealed here: see shared_memory_test\n");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
