/* SPDX-License-Identifier: MIT */

/* Errors in words. */

#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include <evchan/evchan.h>

/* What the public headers list after "Errors:", and what refusals are told with. */
static const int listed[] = {
	E2BIG,
	EACCES,
	EADDRINUSE,
	EAGAIN,
	EALREADY,
	EBADF,
	EBADMSG,
	EBUSY,
	ECANCELED,
	ECONNABORTED,
	ECONNREFUSED,
	ECONNRESET,
	EDQUOT,
	EEXIST,
	EFBIG,
	EINTR,
	EINVAL,
	EMFILE,
	EMSGSIZE,
	ENAMETOOLONG,
	ENFILE,
	ENOBUFS,
	ENOENT,
	ENOEXEC,
	ENOMEM,
	ENOSPC,
	ENOTCONN,
	ENOTDIR,
	ENOTSOCK,
	ENOTSUP,
	EOWNERDEAD,
	EPERM,
	EPIPE,
	EPROTO,
	EPROTONOSUPPORT,
	EROFS,
	ESHUTDOWN,
	ETIMEDOUT,
	EUSERS,
};
#define LISTED (sizeof(listed) / sizeof(listed[0]))

/* Each has a phrase, the same for both signs, and no two the same one. */
static void every_listed_error_has_its_phrase(void **state)
{
	const char *unknown = evchan_strerror(INT_MAX);

	(void)state;
	for (size_t i = 0; i < LISTED; i++) {
		const char *phrase = evchan_strerror(-listed[i]);

		assert_string_not_equal(phrase, unknown);
		assert_string_equal(phrase, evchan_strerror(listed[i]));
		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(phrase, evchan_strerror(listed[j]));
	}
}

/* A phrase fits behind "evchan: ": no newline, no full stop, nothing to be freed. */
static void phrases_are_phrases(void **state)
{
	(void)state;
	for (size_t i = 0; i < LISTED; i++) {
		const char *phrase = evchan_strerror(listed[i]);

		assert_true(strlen(phrase) > 5 && strlen(phrase) < 100);
		assert_null(strchr(phrase, '\n'));
		assert_true(phrase[strlen(phrase) - 1] != '.');
		assert_ptr_equal(phrase, evchan_strerror(listed[i]));
	}
}

/* Any int has an answer. */
static void other_numbers_are_unknown(void **state)
{
	(void)state;
	assert_string_equal(evchan_strerror(0), "no error");
	assert_string_equal(evchan_strerror(INT_MAX), "unknown error");
	assert_string_equal(evchan_strerror(INT_MIN), "unknown error");
	assert_string_equal(evchan_strerror(INT_MIN + 1), "unknown error");
	assert_string_equal(evchan_strerror(-EXDEV), "unknown error");
}

/* The version that runs is the one that was compiled against, here. */
static void version_is_that_of_the_header(void **state)
{
	(void)state;
	assert_string_equal(evchan_version(), EVCHAN_VERSION);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_listed_error_has_its_phrase),
		cmocka_unit_test(phrases_are_phrases),
		cmocka_unit_test(other_numbers_are_unknown),
		cmocka_unit_test(version_is_that_of_the_header),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
