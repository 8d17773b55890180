/* SPDX-License-Identifier: MIT */

/* Log lines reach the hook whole, clean, and with the argument that belongs to it. */

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "log.h"

#define MOST 511

struct sink {
	unsigned lines;
	enum evchan_log_level level;
	char text[1024];
};

static void keep(enum evchan_log_level level, const char *text, void *arg)
{
	struct sink *sink = arg;

	sink->lines++;
	sink->level = level;
	strncpy(sink->text, text, sizeof(sink->text) - 1);
	errno = EXDEV;
}

static int without_hook(void **state)
{
	(void)state;
	evchan_set_log(NULL, NULL);
	return 0;
}

/* A line arrives formatted, with its level. */
static void line_reaches_the_hook(void **state)
{
	struct sink sink = { 0 };

	(void)state;
	evchan_set_log(keep, &sink);
	log_line(EVCHAN_LOG_WARNING, "pid %d: %s", 42, "gone");
	assert_int_equal(sink.lines, 1);
	assert_int_equal(sink.level, EVCHAN_LOG_WARNING);
	assert_string_equal(sink.text, "pid 42: gone");
}

/* Without a hook, lines are dropped; the hook can be taken away. */
static void no_hook_drops_lines(void **state)
{
	struct sink sink = { 0 };

	(void)state;
	log_line(EVCHAN_LOG_ERROR, "nobody hears");
	evchan_set_log(keep, &sink);
	evchan_set_log(NULL, &sink);
	log_line(EVCHAN_LOG_ERROR, "nobody hears");
	assert_int_equal(sink.lines, 0);
}

/* errno is as before, whatever the hook did to it. */
static void errno_survives(void **state)
{
	struct sink sink = { 0 };

	(void)state;
	evchan_set_log(keep, &sink);
	errno = EBUSY;
	log_line(EVCHAN_LOG_DEBUG, "%s", "text");
	assert_int_equal(sink.lines, 1);
	assert_int_equal(errno, EBUSY);
}

/* What a stranger put into a text makes no second line and no escape sequence. */
static void control_characters_are_masked(void **state)
{
	struct sink sink = { 0 };

	(void)state;
	evchan_set_log(keep, &sink);
	log_line(EVCHAN_LOG_INFO, "label \"%s\"", "a\nb\x1b[31m\tc\x7f\r\xc3\xa4");
	assert_string_equal(sink.text, "label \"a?b?[31m?c??\xc3\xa4\"");
}

/* A text of exactly the longest length is whole; longer ones are cut there. */
static void long_lines_are_cut(void **state)
{
	struct sink sink = { 0 };
	char text[2000];

	(void)state;
	evchan_set_log(keep, &sink);
	memset(text, 'x', sizeof(text));
	for (size_t length = MOST - 2; length < MOST + 5; length++) {
		log_line(EVCHAN_LOG_INFO, "%.*s", (int)length, text);
		assert_int_equal(strlen(sink.text), length < MOST ? length : MOST);
	}
	log_line(EVCHAN_LOG_INFO, "%.*s", (int)sizeof(text), text);
	assert_int_equal(strlen(sink.text), MOST);
}

/* A cut parts no UTF-8 character, and is not misled by bytes that are no UTF-8. */
static void cut_parts_no_character(void **state)
{
	static const char *const characters[] = { "\xc3\xa4", "\xe2\x82\xac",
		"\xf0\x9f\x94\x94" };
	struct sink sink = { 0 };
	char text[MOST + 20];

	(void)state;
	evchan_set_log(keep, &sink);
	for (size_t i = 0; i < 3; i++) {
		size_t size = strlen(characters[i]);

		/* The character begins at each place from which it reaches the cut or
		 * passes it. */
		for (size_t start = MOST - size; start <= MOST; start++) {
			memset(text, 'x', sizeof(text));
			memcpy(text + start, characters[i], size);
			log_line(EVCHAN_LOG_INFO, "%.*s", (int)sizeof(text), text);
			assert_int_equal(strlen(sink.text),
					start + size <= MOST ? MOST : start);
		}
	}
	memset(text, 0x80, sizeof(text));
	log_line(EVCHAN_LOG_INFO, "%.*s", (int)sizeof(text), text);
	assert_int_equal(strlen(sink.text), MOST);
}

/* ---- Threads ----------------------------------------------------------------- */

#define ROUNDS 20000

/* Two hooks, each of which knows its own argument. */
static int first_arg, second_arg;
static bool mismatch; /* read when all threads are gone */

static void first_hook(enum evchan_log_level level, const char *text, void *arg)
{
	(void)level;
	(void)text;
	if (arg != &first_arg)
		__atomic_store_n(&mismatch, true, __ATOMIC_RELAXED);
}

static void second_hook(enum evchan_log_level level, const char *text, void *arg)
{
	(void)level;
	(void)text;
	if (arg != &second_arg)
		__atomic_store_n(&mismatch, true, __ATOMIC_RELAXED);
}

static void *log_all_the_time(void *arg)
{
	(void)arg;
	for (int i = 0; i < ROUNDS; i++)
		log_line(EVCHAN_LOG_INFO, "round %d", i);
	return NULL;
}

/* However threads meet, no hook ever gets another one's argument. */
static void hook_and_argument_stay_together(void **state)
{
	pthread_t threads[2];

	(void)state;
	mismatch = false;
	for (int i = 0; i < 2; i++)
		assert_int_equal(
				pthread_create(&threads[i], NULL, log_all_the_time, NULL),
				0);
	for (int i = 0; i < ROUNDS; i++) {
		evchan_set_log(first_hook, &first_arg);
		evchan_set_log(second_hook, &second_arg);
	}
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	assert_false(mismatch);
}

static bool is_over;

static void *set_all_the_time(void *arg)
{
	(void)arg;
	while (!__atomic_load_n(&is_over, __ATOMIC_RELAXED))
		evchan_set_log(first_hook, &first_arg);
	return NULL;
}

/* A child that is forked while another thread is busy with the hook can log itself. */
static void forked_child_can_log(void **state)
{
	pthread_t thread;

	(void)state;
	is_over = false;
	assert_int_equal(pthread_create(&thread, NULL, set_all_the_time, NULL), 0);
	for (int i = 0; i < 100; i++) {
		pid_t child = fork();
		int status;

		assert_true(child >= 0);
		if (child == 0) {
			alarm(20);
			log_line(EVCHAN_LOG_INFO, "from the child");
			/* Not _exit(), at which TSan misses the thread the parent has. */
			syscall(SYS_exit_group, 0);
		}
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_int_equal(status, 0);
	}
	__atomic_store_n(&is_over, true, __ATOMIC_RELAXED);
	assert_int_equal(pthread_join(thread, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(line_reaches_the_hook, without_hook),
		cmocka_unit_test_teardown(no_hook_drops_lines, without_hook),
		cmocka_unit_test_teardown(errno_survives, without_hook),
		cmocka_unit_test_teardown(control_characters_are_masked, without_hook),
		cmocka_unit_test_teardown(long_lines_are_cut, without_hook),
		cmocka_unit_test_teardown(cut_parts_no_character, without_hook),
		cmocka_unit_test_teardown(hook_and_argument_stay_together, without_hook),
		cmocka_unit_test_teardown(forked_child_can_log, without_hook),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
