/* SPDX-License-Identifier: MIT */
/* What the programs ask of the system: errors of writing are those of the other systems, and reading ends where the input does. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <io.h>
#include <stdio.h>
#include <string.h>
#include <winsock2.h>

#include "check.h"
#include "scene.h"
#include "system.h"

/* A pipe, of which one end takes the place of `fd` of the C library. Returns the other. */
static HANDLE replace(int fd, bool by_reading_end)
{
	HANDLE reading, writing;
	int end;

	CHECK(CreatePipe(&reading, &writing, NULL, 0));
	end = _open_osfhandle((intptr_t)(by_reading_end ? reading : writing), _O_BINARY);
	CHECK(end >= 0 && _dup2(end, fd) == 0);
	_close(end);
	return by_reading_end ? writing : reading;
}

/* Nobody reads any more. */
static void broken_output_is_a_broken_pipe(void **state)
{
	int output = _fileno(stdout);
	int kept = _dup(output);
	size_t written;
	int r;

	(void)state;
	CloseHandle(replace(output, false));
	r = system_write_output("text", 4, &written);
	CHECK(_dup2(kept, output) == 0);
	_close(kept);
	assert_int_equal(r, -EPIPE);
	assert_int_equal(written, 0);
}

/* As a loop would: reads when there is something. */
static size_t read_some(int fd, char *to, size_t size)
{
	struct timeval patience = { 20, 0 };
	ssize_t got;
	fd_set set;

	FD_ZERO(&set);
	FD_SET((SOCKET)fd, &set);
	CHECK_EQUAL(select(0, &set, NULL, NULL, &patience), 1);
	got = system_read_input(fd, true, to, size);
	CHECK(got >= 0);
	return (size_t)got;
}

static void write_all(HANDLE writing, const char *text)
{
	DWORD written;

	CHECK(WriteFile(writing, text, (DWORD)strlen(text), &written, NULL));
	CHECK_EQUAL(written, strlen(text));
}

/* Whoever writes nothing has not ended. (Wine does not pass nothing on; Windows does.) */
static void input_ends_with_its_writer(void **state)
{
	HANDLE writing = replace(_fileno(stdin), true);
	struct system_file file;
	char text[16];
	size_t size = 0;

	(void)state;
	assert_int_equal(system_open_input(&file, "-"), 0);
	assert_true(file.may_block && !file.is_regular);
	write_all(writing, "first");
	write_all(writing, "");
	while (size < 5)
		size += read_some(file.fd, text + size, sizeof(text) - size);
	write_all(writing, "last");
	while (size < 9)
		size += read_some(file.fd, text + size, sizeof(text) - size);
	assert_memory_equal(text, "firstlast", 9);
	CloseHandle(writing);
	assert_int_equal(read_some(file.fd, text, sizeof(text)), 0);
	system_close_input(file.fd, true);
}

static void file_is_read_directly(void **state)
{
	char folder[MAX_PATH], path[MAX_PATH], text[16];
	struct system_file file;
	FILE *stream;

	(void)state;
	assert_true(GetTempPathA(sizeof(folder), folder) &&
			GetTempFileNameA(folder, "evc", 0, path));
	stream = fopen(path, "wb");
	assert_non_null(stream);
	fputs("a\r\n\x1a", stream);
	fclose(stream);
	assert_int_equal(system_open_input(&file, path), 0);
	assert_true(file.is_regular && !file.may_block && file.size == 4);
	assert_int_equal(system_read_input(file.fd, false, text, sizeof(text)), 4);
	assert_memory_equal(text, "a\r\n\x1a", 4);
	assert_int_equal(system_read_input(file.fd, false, text, sizeof(text)), 0);
	system_close_input(file.fd, false);
	assert_int_equal(remove(path), 0);
	assert_int_equal(system_open_input(&file, path), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE_TEST(broken_output_is_a_broken_pipe),
		SCENE_TEST(input_ends_with_its_writer),
		SCENE_TEST(file_is_read_directly),
	};

	system_begin();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
