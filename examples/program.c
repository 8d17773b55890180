/* SPDX-License-Identifier: MIT */

/*
 * How the programs begin, error lines, and numbers on the command line.
 *
 * A process may be started with standard input or output closed. Then the first descriptors it makes get
 * these numbers, and lines are written into an epoll instance or a stranger's socket. So the
 * numbers are taken first, by descriptors that cannot be used: whoever reads or writes there gets the
 * same -EBADF as if nothing were there.
 *
 * Numbers are read strictly: strtoull(3) alone takes "-1" for a very large number, skips blanks,
 * stops at the first letter and calls all that a success.
 */

#include "program.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "system.h"

static const char *program_name = "";

void program_init(char *name, char **argv)
{
	program_name = name;
	argv[0] = name;
	system_begin();
}

__attribute__((format(printf, 1, 0)))
static void print_line(const char *format, va_list arguments, const char *ending)
{
	char text[1024];

	vsnprintf(text, sizeof(text), format, arguments);
	for (char *at = text; *at; at++)
		if ((unsigned char)*at < 0x20 || *at == 0x7f)
			*at = '?';
	fprintf(stderr, "%s: %s%s\n", program_name, text, ending);
}

void complain(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	print_line(format, arguments, "");
	va_end(arguments);
}

void usage_error(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	print_line(format, arguments, " (--help tells more)");
	va_end(arguments);
	exit(EXIT_USAGE);
}

/* The digits at the beginning; where they end goes to `*end`. */
static uint64_t parse_digits(const char *option, const char *text, char **end)
{
	unsigned long long value;

	if (!isdigit((unsigned char)text[0]))
		usage_error("%s: '%s' is not a number", option, text);
	errno = 0;
	value = strtoull(text, end, 10);
	if (errno)
		usage_error("%s: '%s' is too large", option, text);
	return value;
}

uint64_t parse_number(const char *option, const char *text, uint64_t least, uint64_t most)
{
	char *end;
	uint64_t value = parse_digits(option, text, &end);

	if (*end)
		usage_error("%s: '%s' is not a number", option, text);
	if (value < least || value > most)
		usage_error("%s: '%s' is not between %llu and %llu", option, text,
				(unsigned long long)least, (unsigned long long)most);
	return value;
}

uint64_t parse_size(const char *option, const char *text)
{
	static const char suffixes[] = "KMG";
	char *end;
	uint64_t value = parse_digits(option, text, &end);
	const char *suffix = *end ? strchr(suffixes, toupper((unsigned char)*end)) : NULL;

	if (*end && (!suffix || end[1]))
		usage_error("%s: '%s' is not a number of bytes (suffixes: K, M, G)", option, text);
	for (const char *power = suffixes; suffix && power <= suffix; power++)
		if (__builtin_mul_overflow(value, 1024u, &value))
			usage_error("%s: '%s' is too large", option, text);
	if (value == 0)
		usage_error("%s: it must be more than 0", option);
	return value;
}

enum evchan_bell parse_bell(const char *option, const char *text)
{
	if (strcmp(text, "eventfd") == 0)
		return EVCHAN_BELL_EVENTFD;
	if (strcmp(text, "pipe") == 0)
		return EVCHAN_BELL_PIPE;
	usage_error("%s: '%s' is neither 'eventfd' nor 'pipe'", option, text);
}

/* Users are allowed by number only, or what stands for one. Allowing any makes the socket of a path open to all (mode 0666): the
 * permissions of a file cannot express a list of users, and the receiver asks the kernel who is connecting anyway. */
void allow_uid(struct evchan_receiver_options *receiver, uid_t **list, const char *text)
{
	uid_t *longer;

	receiver->socket_mode = 0666;
	if (strcmp(text, "any") == 0) {
		receiver->flags |= EVCHAN_RECEIVER_ANY_UID;
		return;
	}
	longer = system_reallocarray(
			*list, receiver->allow_uid_count + 1, sizeof(*longer));
	if (!longer)
		usage_error("--allow-uid: out of memory");
	longer[receiver->allow_uid_count++] = system_parse_user("--allow-uid", text);
	*list = longer;
	receiver->allow_uids = longer;
}

void print_version(void)
{
	printf("%s %s\n", program_name, evchan_version());
}
