/* SPDX-License-Identifier: MIT */

/*
 * Log lines, to the application's hook.
 *
 * The hook is two words, a function and its argument, that belong together: calling one
 * application's function with another's argument would be worse than any lost line. They
 * are therefore read and written as a pair under a mutex, which is never held while the
 * hook runs. Two atomic words cannot give a pair, and a line is rare enough that the lock
 * does not matter. Nobody waits for it longer than two assignments take, so a loop is not
 * held up by another thread's slow hook.
 *
 * What this does not give: evchan_set_log() does not wait for a call of the old hook that
 * is under way in another thread (the disposal thread's, say). Hence the public rule to
 * set it before making handles, and not to free what the old argument points to while
 * handles exist.
 *
 * A fork while another thread is inside those two assignments would leave the child's
 * mutex locked for ever, so the fork itself takes it.
 *
 * Texts quote labels and reasons that strangers chose. A newline in one would forge a
 * second line in somebody's log, an escape sequence would reach a terminal: control
 * characters become '?'.
 */

#include "log.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>

#include "at_fork.h"

#define LINE_MAX_BYTES 511

struct hook {
	void (*log)(enum evchan_log_level level, const char *text, void *arg);
	void *arg;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t fork_handlers = PTHREAD_ONCE_INIT;
static struct hook hook; /* under `lock` */

static void before_fork(void)
{
	pthread_mutex_lock(&lock);
}

static void after_fork(void)
{
	pthread_mutex_unlock(&lock);
}

/* Fails only without memory, and then what is lost is a log line in a child. */
static void install_fork_handlers(void)
{
	(void)at_fork(before_fork, after_fork, after_fork);
}

static struct hook exchange_hook(const struct hook *replacement)
{
	struct hook now;

	pthread_once(&fork_handlers, install_fork_handlers);
	pthread_mutex_lock(&lock);
	if (replacement)
		hook = *replacement;
	now = hook;
	pthread_mutex_unlock(&lock);
	return now;
}

/* Where a text of `length` bytes can be cut to `most` without parting a UTF-8
 * character. */
static size_t whole_characters(const char *text, size_t length, size_t most)
{
	size_t cut = most;

	if (length <= most)
		return length;
	/* Continuation bytes are 10xxxxxx; three of them at most, or it was no UTF-8. */
	while (cut > 0 && most - cut < 3 && ((unsigned char)text[cut] & 0xc0) == 0x80)
		cut--;
	return ((unsigned char)text[cut] & 0xc0) == 0x80 ? most : cut;
}

static void mask_control_characters(char *text)
{
	for (; *text; text++) {
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			*text = '?';
	}
}

void evchan_set_log(void (*log)(enum evchan_log_level level, const char *text, void *arg),
		void *arg)
{
	struct hook replacement = { log, arg };

	exchange_hook(&replacement);
}

/* errno survives, so that an error path may log first and return -errno after. */
void log_line(enum evchan_log_level level, const char *format, ...)
{
	/* Room for the byte behind the cut: only it tells whether a character is
	 * parted. */
	char text[LINE_MAX_BYTES + 2];
	struct hook now = exchange_hook(NULL);
	int saved_errno = errno;
	va_list arguments;
	int length;

	if (now.log == NULL)
		return;
	va_start(arguments, format);
	length = vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	if (length < 0) {
		errno = saved_errno;
		return;
	}
	text[whole_characters(text, (size_t)length, LINE_MAX_BYTES)] = '\0';
	mask_control_characters(text);
	now.log(level, text, now.arg);
	errno = saved_errno;
}
