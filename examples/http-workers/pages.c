/* SPDX-License-Identifier: MIT */

/*
 * The pages: just enough to be measured, and to be interrupted.
 */

#include "pages.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/buffer.h>

#define BYTES_MAX (1 << 20)
#define SLEEP_MS_MAX 60000

/* A number behind a prefix, and nothing behind that. */
static bool read_number(const char *target, const char *prefix, unsigned long most,
		unsigned long *number)
{
	size_t length = strlen(prefix);
	char *end;

	if (strncmp(target, prefix, length) != 0 ||
			!isdigit((unsigned char)target[length]))
		return false;
	*number = strtoul(target + length, &end, 10);
	return *end == '\0' && *number <= most;
}

static void add_bytes(struct evbuffer *body, unsigned long count)
{
	static const char line[] = "The quick brown fox jumps over the lazy dog.\n";

	for (; count >= sizeof(line) - 1; count -= sizeof(line) - 1)
		evbuffer_add(body, line, sizeof(line) - 1);
	evbuffer_add(body, line, count);
}

struct page page_make(struct evbuffer *body, const char *target, unsigned worker)
{
	struct page page = { .status = 200 };
	unsigned long number;

	if (strcmp(target, "/") == 0) {
		evbuffer_add_printf(
				body, "worker %u, process %ld\n", worker, (long)getpid());
	} else if (read_number(target, "/bytes/", BYTES_MAX, &number)) {
		add_bytes(body, number);
	} else if (read_number(target, "/sleep/", SLEEP_MS_MAX, &number)) {
		evbuffer_add_printf(body, "worker %u has slept\n", worker);
		page.sleep_ms = (uint32_t)number;
	} else {
		evbuffer_add_printf(body, "nothing here\n");
		page.status = 404;
	}
	return page;
}
