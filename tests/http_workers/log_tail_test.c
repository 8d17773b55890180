/* SPDX-License-Identifier: MIT */

/*
 * What a collector of examples/http-workers learns from the log of the one before it, also if that was killed in the middle of a line.
 */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "log_tail.h"

static int make(const char *text)
{
	int fd = memfd_create("log", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	return fd;
}

static void last_of_each_stream_is_known(void **state)
{
	static const char text[] =
			"x 0-aa-1\nx 1-bb-7\nx 0-aa-2\nno line of ours\nx 1-bb-6\n";
	int fd = make(text);
	struct log_tail tail;

	(void)state;
	assert_int_equal(log_tail_read(&tail, fd, 1000), 0);
	assert_int_equal(log_tail_last(&tail, 0xaa), 2);
	assert_int_equal(log_tail_last(&tail, 0xbb), 7);
	assert_int_equal(log_tail_last(&tail, 0xcc), 0);
	assert_int_equal(lseek(fd, 0, SEEK_END), sizeof(text) - 1);
	log_tail_free(&tail);
	close(fd);
}

/* However much of the last line is there, it is cut off, and does not count. */
static void unfinished_line_is_cut_off(void **state)
{
	static const char text[] = "x 0-aa-1\nx 0-aa-2\n";
	struct log_tail tail;

	(void)state;
	for (size_t length = 9; length < sizeof(text) - 1; length++) {
		char cut[sizeof(text)];
		int fd;

		memcpy(cut, text, sizeof(text));
		cut[length] = '\0';
		fd = make(cut);
		assert_int_equal(log_tail_read(&tail, fd, 1000), 0);
		assert_int_equal(log_tail_last(&tail, 0xaa), 1);
		assert_int_equal(lseek(fd, 0, SEEK_END), 9);
		log_tail_free(&tail);
		close(fd);
	}
}

/* Only the end is read; a line whose beginning is not seen counts, its id is at its end. */
static void only_the_end_is_read(void **state)
{
	int fd = make("x 0-aa-1\nx 0-bb-1\nx 0-cc-1\n");
	struct log_tail tail;

	(void)state;
	assert_int_equal(log_tail_read(&tail, fd, 17), 0);
	assert_int_equal(log_tail_last(&tail, 0xaa), 0);
	assert_int_equal(log_tail_last(&tail, 0xbb), 1);
	assert_int_equal(log_tail_last(&tail, 0xcc), 1);
	log_tail_free(&tail);
	close(fd);
}

static void empty_and_foreign_files_are_no_trouble(void **state)
{
	struct log_tail tail;
	int ends[2], fd = make("");

	(void)state;
	assert_int_equal(log_tail_read(&tail, fd, 1000), 0);
	assert_int_equal(tail.count, 0);
	close(fd);
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(log_tail_read(&tail, ends[0], 1000), 0);
	assert_int_equal(tail.count, 0);
	close(ends[0]);
	close(ends[1]);
	/* No newline in sight: nothing that was written here. */
	fd = make("0123456789");
	assert_int_equal(log_tail_read(&tail, fd, 5), -EINVAL);
	assert_int_equal(lseek(fd, 0, SEEK_END), 10);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(last_of_each_stream_is_known),
		cmocka_unit_test(unfinished_line_is_cut_off),
		cmocka_unit_test(only_the_end_is_read),
		cmocka_unit_test(empty_and_foreign_files_are_no_trouble),
	};

	return cmocka_run_group_tests_name("log tail", tests, NULL, NULL);
}
