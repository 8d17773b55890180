/* SPDX-License-Identifier: MIT */
/*
 * Addresses in words: what each form becomes, and that everything else is refused. Whether a socket
 * address is right is not read off its bytes but tried: bind it, and ask the kernel what it took.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <limits.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "address.h"
#include "process.h"

#define PATH_MAX_BYTES (sizeof(((struct sockaddr_un *)0)->sun_path))

static const enum address_role roles[] = { ADDRESS_OF_RECEIVER, ADDRESS_OF_SENDER };

static int parse(struct address *address, const char *text, enum address_role role)
{
	memset(address, 0xa5, sizeof(*address));
	return address_parse(address, text, role);
}

static int result_of(const char *text, enum address_role role)
{
	struct address address;

	return parse(&address, text, role);
}

/* Binds a socket to it; what getsockname says of that has `length` bytes. */
static void bind_and_ask(const struct address *address, struct sockaddr_un *name,
		socklen_t *length)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (const struct sockaddr *)&address->unix_address,
					 address->unix_length),
			0);
	*length = sizeof(*name);
	memset(name, 0, sizeof(*name));
	assert_int_equal(getsockname(fd, (struct sockaddr *)name, length), 0);
	close(fd);
}

/* A path becomes a socket address that leads to this very file, and stays readable as it was given. */
static void path_names_a_file(void **state)
{
	char folder[] = "/tmp/evchan-address-XXXXXX", path[64];
	struct sockaddr_un name;
	struct address address;
	struct stat status;
	socklen_t length;
	size_t i;

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/socket", folder);
	for (i = 0; i < 2; i++) {
		assert_int_equal(parse(&address, path, roles[i]), 0);
		assert_int_equal(address.kind, ADDRESS_PATH);
		assert_string_equal(address.text, path);
		assert_int_equal(address.unix_address.sun_family, AF_UNIX);
		assert_string_equal(address.unix_address.sun_path, path);
		bind_and_ask(&address, &name, &length);
		assert_string_equal(name.sun_path, path);
		assert_int_equal(lstat(path, &status), 0);
		assert_int_equal(unlink(path), 0);
	}
	assert_int_equal(rmdir(folder), 0);
}

/* Whatever is none of the other forms is a path: relative ones, and such as only contain their marks. */
static void everything_else_is_a_path(void **state)
{
	static const char *const texts[] = { "socket", "a/b", ".", "./@name", "./fd:3",
		"./systemd:", "name@host", "fd", "fdx:3", "systemd", " ", " @name",
		"\xc3\xa4" };
	struct address address;
	size_t i, role;

	(void)state;
	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		for (role = 0; role < 2; role++) {
			assert_int_equal(parse(&address, texts[i], roles[role]), 0);
			assert_int_equal(address.kind, ADDRESS_PATH);
			assert_string_equal(address.unix_address.sun_path, texts[i]);
			assert_string_equal(address.text, texts[i]);
		}
}

/* An abstract name is the bytes behind the mark, all of them and no more. */
static void abstract_name_has_exactly_its_bytes(void **state)
{
	struct sockaddr_un name;
	struct address address;
	socklen_t length;
	char text[64];
	size_t i;

	(void)state;
	snprintf(text, sizeof(text), "@evchan-address-test-%ld/@fd:", (long)getpid());
	for (i = 0; i < 2; i++) {
		assert_int_equal(parse(&address, text, roles[i]), 0);
		assert_int_equal(address.kind, ADDRESS_ABSTRACT);
		assert_string_equal(address.text, text);
		bind_and_ask(&address, &name, &length);
		assert_int_equal(length,
				offsetof(struct sockaddr_un, sun_path) + strlen(text));
		assert_int_equal(name.sun_path[0], 0);
		assert_memory_equal(name.sun_path + 1, text + 1, strlen(text) - 1);
	}
}

static void assert_length_limit(const char *start, enum address_kind kind, size_t longest)
{
	char text[400];
	struct address address;
	size_t length, role;

	for (role = 0; role < 2; role++)
		for (length = strlen(start); length < sizeof(text); length++) {
			memset(text, 'x', length);
			memcpy(text, start, strlen(start));
			text[length] = '\0';
			if (length > longest) {
				assert_int_equal(parse(&address, text, roles[role]),
						-ENAMETOOLONG);
				continue;
			}
			assert_int_equal(parse(&address, text, roles[role]), 0);
			assert_int_equal(address.kind, kind);
			assert_string_equal(address.text, text);
		}
}

/* A path needs room for its NUL, an abstract name for the NUL before it: one byte less than the kernel's
 * array has, or all of them. */
static void too_long_is_refused(void **state)
{
	(void)state;
	assert_length_limit("/a", ADDRESS_PATH, PATH_MAX_BYTES - 1);
	assert_length_limit("@a", ADDRESS_ABSTRACT, PATH_MAX_BYTES);
}

/* The longest abstract name is a name like any other. */
static void longest_abstract_name_works(void **state)
{
	char text[PATH_MAX_BYTES + 1];
	struct sockaddr_un name;
	struct address address;
	socklen_t length;

	(void)state;
	memset(text, 'x', sizeof(text));
	snprintf(text, sizeof(text), "@evchan-longest-%ld", (long)getpid());
	text[strlen(text)] = '-';
	text[PATH_MAX_BYTES] = '\0';
	assert_int_equal(strlen(text), PATH_MAX_BYTES);
	assert_int_equal(parse(&address, text, ADDRESS_OF_RECEIVER), 0);
	bind_and_ask(&address, &name, &length);
	assert_int_equal(length, sizeof(name));
	assert_memory_equal(name.sun_path + 1, text + 1, PATH_MAX_BYTES - 1);
}

/* No text, and texts that say nothing, are no addresses. */
static void nothing_is_refused(void **state)
{
	(void)state;
	assert_int_equal(result_of(NULL, ADDRESS_OF_RECEIVER), -EINVAL);
	assert_int_equal(result_of(NULL, ADDRESS_OF_SENDER), -EINVAL);
	assert_int_equal(result_of("@", ADDRESS_OF_RECEIVER), -EINVAL);
	assert_int_equal(result_of("@", ADDRESS_OF_SENDER), -EINVAL);
	assert_int_equal(result_of("", ADDRESS_OF_SENDER), -EINVAL);
}

/* A descriptor is a plain decimal number that fits. */
static void descriptor_is_a_number(void **state)
{
	static const int numbers[] = { 0, 3, 10, 1023, INT_MAX };
	struct address address;
	char text[32];
	size_t i;

	(void)state;
	for (i = 0; i < 2 * sizeof(numbers) / sizeof(numbers[0]); i++) {
		snprintf(text, sizeof(text), "fd:%d", numbers[i / 2]);
		assert_int_equal(parse(&address, text, roles[i % 2]), 0);
		assert_int_equal(address.kind, ADDRESS_DESCRIPTOR);
		assert_int_equal(address.fd, numbers[i / 2]);
		assert_false(address.from_systemd);
		assert_string_equal(address.text, text);
	}
}

/* Anything else behind the mark is no number: signs, spaces, other bases, more than an int holds. */
static void bad_number_is_refused(void **state)
{
	static const char *const texts[] = { "fd:", "fd:-1", "fd:-0", "fd:+3", "fd: 3",
		"fd:3 ", "fd:3x", "fd:x", "fd:0x3", "fd:3.0", "fd:3,4", "fd:\t3",
		"fd:2147483648", "fd:4294967299", "fd:18446744073709551619",
		"fd:99999999999999999999999999999999" };
	size_t i;

	(void)state;
	for (i = 0; i < 2 * sizeof(texts) / sizeof(texts[0]); i++)
		assert_int_equal(result_of(texts[i / 2], roles[i % 2]), -EINVAL);
}

/* The empty address is an abstract name of the receiver's own, which its text tells to senders. */
static void empty_address_is_a_fresh_name(void **state)
{
	struct sockaddr_un name;
	struct address address, again;
	socklen_t length;

	(void)state;
	assert_int_equal(parse(&address, "", ADDRESS_OF_RECEIVER), 0);
	assert_int_equal(address.kind, ADDRESS_ABSTRACT);
	assert_int_equal(parse(&again, address.text, ADDRESS_OF_SENDER), 0);
	assert_int_equal(again.kind, ADDRESS_ABSTRACT);
	assert_int_equal(again.unix_length, address.unix_length);
	assert_memory_equal(
			&again.unix_address, &address.unix_address, address.unix_length);
	bind_and_ask(&address, &name, &length);
	assert_int_equal(length, address.unix_length);
	assert_memory_equal(&name, &address.unix_address, length);
}

static int compare_texts(const void *a, const void *b)
{
	return strcmp((const char *)a, (const char *)b);
}

#define FRESH_NAMES 2000

/* No two are the same, and a name is long enough to carry 128 bits: nobody guesses it. */
static void fresh_names_do_not_repeat(void **state)
{
	static char texts[FRESH_NAMES][sizeof(((struct address *)0)->text)];
	struct address address;
	size_t i;

	(void)state;
	for (i = 0; i < FRESH_NAMES; i++) {
		assert_int_equal(parse(&address, "", ADDRESS_OF_RECEIVER), 0);
		assert_true(strlen(address.text) >= 1 + 128 / 6);
		memcpy(texts[i], address.text, sizeof(texts[i]));
	}
	qsort(texts, FRESH_NAMES, sizeof(texts[0]), compare_texts);
	for (i = 1; i < FRESH_NAMES; i++)
		assert_string_not_equal(texts[i - 1], texts[i]);
}

static void parse_without_random_numbers(void *unused)
{
	struct address address;

	(void)unused;
	if (forbid_system_call(SYS_getrandom, EAGAIN) < 0)
		_exit(CHILD_SKIPPED);
	CHILD_CHECK(address_parse(&address, "", ADDRESS_OF_RECEIVER) == -EAGAIN);
	CHILD_CHECK(address_parse(&address, "@name", ADDRESS_OF_RECEIVER) == 0);
}

/* Without random numbers there is no fresh name, rather than one that can be guessed. */
static void fresh_name_needs_random_numbers(void **state)
{
	int result = in_child(parse_without_random_numbers, NULL);

	(void)state;
	if (result == CHILD_SKIPPED)
		skip();
	assert_int_equal(result, 0);
}

/* ---- systemd: ----------------------------------------------------------------------- */

static void set_variable(const char *name, const char *value)
{
	assert_int_equal(value ? setenv(name, value, 1) : unsetenv(name), 0);
}

/* `pid` NULL: this process's. */
static void pretend_systemd(const char *pid, const char *fds, const char *names)
{
	char own[32];

	snprintf(own, sizeof(own), "%ld", (long)getpid());
	set_variable("LISTEN_PID", pid ? pid : own);
	set_variable("LISTEN_FDS", fds);
	set_variable("LISTEN_FDNAMES", names);
}

static int forget_systemd(void **state)
{
	(void)state;
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	return 0;
}

static void assert_systemd_gives(const char *text, int fd)
{
	struct address address;

	assert_int_equal(parse(&address, text, ADDRESS_OF_RECEIVER), 0);
	assert_int_equal(address.kind, ADDRESS_DESCRIPTOR);
	assert_int_equal(address.fd, fd);
	assert_true(address.from_systemd);
	assert_true(memchr(address.text, '\0', sizeof(address.text)) != NULL);
}

/* The first socket is descriptor 3; a name means the one at the same place in the list of names. */
static void systemd_sockets_are_found(void **state)
{
	(void)state;
	pretend_systemd(NULL, "1", NULL);
	assert_systemd_gives("systemd:", 3);
	pretend_systemd(NULL, "3", "first:second:third");
	assert_systemd_gives("systemd:", 3);
	assert_systemd_gives("systemd:first", 3);
	assert_systemd_gives("systemd:second", 4);
	assert_systemd_gives("systemd:third", 5);
}

/* A name is found whole, not by how it begins or ends, also behind an empty one. */
static void systemd_names_are_compared_whole(void **state)
{
	(void)state;
	pretend_systemd(NULL, "6", "abc:ab:bc::a:c");
	assert_systemd_gives("systemd:ab", 4);
	assert_systemd_gives("systemd:bc", 5);
	assert_systemd_gives("systemd:a", 7);
	assert_systemd_gives("systemd:c", 8);
	assert_int_equal(result_of("systemd:b", ADDRESS_OF_RECEIVER), -ENOENT);
	assert_int_equal(result_of("systemd:abcd", ADDRESS_OF_RECEIVER), -ENOENT);
	assert_int_equal(result_of("systemd:ab:bc", ADDRESS_OF_RECEIVER), -ENOENT);
}

/* Two sockets of one name: the first. */
static void systemd_name_may_repeat(void **state)
{
	(void)state;
	pretend_systemd(NULL, "3", "x:same:same");
	assert_systemd_gives("systemd:same", 4);
}

/* What systemd has not passed, to this process, is not there. */
static void absent_systemd_socket_is_told(void **state)
{
	char text[32];

	(void)state;
	forget_systemd(NULL);
	assert_int_equal(result_of("systemd:", ADDRESS_OF_RECEIVER), -ENOENT);
	assert_int_equal(result_of("systemd:name", ADDRESS_OF_RECEIVER), -ENOENT);

	pretend_systemd(NULL, "0", "");
	assert_int_equal(result_of("systemd:", ADDRESS_OF_RECEIVER), -ENOENT);
	pretend_systemd(NULL, NULL, "name");
	assert_int_equal(result_of("systemd:", ADDRESS_OF_RECEIVER), -ENOENT);
	pretend_systemd(NULL, "1", NULL);
	assert_int_equal(result_of("systemd:name", ADDRESS_OF_RECEIVER), -ENOENT);
	pretend_systemd(NULL, "1", "name:beyond");
	assert_int_equal(result_of("systemd:beyond", ADDRESS_OF_RECEIVER), -ENOENT);

	snprintf(text, sizeof(text), "%ld", (long)getppid());
	pretend_systemd(text, "1", "name");
	assert_int_equal(result_of("systemd:", ADDRESS_OF_RECEIVER), -ENOENT);
	assert_int_equal(result_of("systemd:name", ADDRESS_OF_RECEIVER), -ENOENT);
	set_variable("LISTEN_PID", NULL);
	assert_int_equal(result_of("systemd:", ADDRESS_OF_RECEIVER), -ENOENT);
}

static void assert_systemd_gives_nothing(void)
{
	int r = result_of("systemd:", ADDRESS_OF_RECEIVER);

	assert_true(r == -ENOENT || r == -EINVAL);
}

/* Variables that are no numbers, or too large ones, give no descriptor. */
static void nonsense_in_the_environment_is_refused(void **state)
{
	static const char *const numbers[] = { "", "x", "-1", "1x", "4294967297",
		"2147483647", "18446744073709551617", "99999999999999999999999" };
	char pid[64];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		/* As many as there are numbers for is no nonsense by itself. */
		if (strcmp(numbers[i], "2147483647") != 0) {
			pretend_systemd(NULL, numbers[i], NULL);
			assert_systemd_gives_nothing();
		}
		pretend_systemd(numbers[i], "1", NULL);
		assert_systemd_gives_nothing();
	}
	snprintf(pid, sizeof(pid), "%ldx", (long)getpid());
	pretend_systemd(pid, "1", NULL);
	assert_systemd_gives_nothing();
	snprintf(pid, sizeof(pid), "%llu", 4294967296ull + (unsigned long long)getpid());
	pretend_systemd(pid, "1", NULL);
	assert_systemd_gives_nothing();
}

/* The environment is only looked at: another library of the process may want the same. */
static void environment_is_left_as_it_is(void **state)
{
	char pid[32];

	(void)state;
	snprintf(pid, sizeof(pid), "%ld", (long)getpid());
	pretend_systemd(NULL, "2", "first:second");
	assert_systemd_gives("systemd:second", 4);
	assert_systemd_gives("systemd:", 3);
	assert_string_equal(getenv("LISTEN_PID"), pid);
	assert_string_equal(getenv("LISTEN_FDS"), "2");
	assert_string_equal(getenv("LISTEN_FDNAMES"), "first:second");
}

/* systemd passes listening sockets: nothing for a sender, whether there are any or not. */
static void systemd_is_for_receivers(void **state)
{
	(void)state;
	assert_int_equal(result_of("systemd:", ADDRESS_OF_SENDER), -EINVAL);
	pretend_systemd(NULL, "1", "name");
	assert_int_equal(result_of("systemd:", ADDRESS_OF_SENDER), -EINVAL);
	assert_int_equal(result_of("systemd:name", ADDRESS_OF_SENDER), -EINVAL);
}

#define SYSTEMD_TEST(function) \
	cmocka_unit_test_setup_teardown(function, forget_systemd, forget_systemd)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(path_names_a_file),
		cmocka_unit_test(everything_else_is_a_path),
		cmocka_unit_test(abstract_name_has_exactly_its_bytes),
		cmocka_unit_test(too_long_is_refused),
		cmocka_unit_test(longest_abstract_name_works),
		cmocka_unit_test(nothing_is_refused),
		cmocka_unit_test(descriptor_is_a_number),
		cmocka_unit_test(bad_number_is_refused),
		cmocka_unit_test(empty_address_is_a_fresh_name),
		cmocka_unit_test(fresh_names_do_not_repeat),
		cmocka_unit_test(fresh_name_needs_random_numbers),
		SYSTEMD_TEST(systemd_sockets_are_found),
		SYSTEMD_TEST(systemd_names_are_compared_whole),
		SYSTEMD_TEST(systemd_name_may_repeat),
		SYSTEMD_TEST(absent_systemd_socket_is_told),
		SYSTEMD_TEST(nonsense_in_the_environment_is_refused),
		SYSTEMD_TEST(environment_is_left_as_it_is),
		SYSTEMD_TEST(systemd_is_for_receivers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
