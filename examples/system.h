/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_EXAMPLES_SYSTEM_H
#define EVCHAN_EXAMPLES_SYSTEM_H

/* What the programs ask of the system, and not every system in the same way. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <evchan/evchan.h>

/* First thing in main(): see program.c; and what the libraries need. */
void system_begin(void);

/* A reader that is gone is an error of writing, and not the death of this process. And signals end a write that waits: libevent
 * wants system calls to go on after a signal; one that waits for ever must not. Behind the making of their events. */
void system_ignore_broken_pipes(void);
void system_let_signal_interrupt(int signal_number);

/* Writes some of it to standard output, waits if need be. `*written` is set in any case. Returns 0; -EINTR: a signal ended the
 * wait; another negative errno. */
int system_write_output(const char *data, size_t size, size_t *written);

struct system_file {
	int fd;         /* to be watched by the loop if it may block */
	bool may_block; /* a pipe, a terminal: read only when the loop says so */
	bool is_regular;
	uint64_t size; /* then */
};

/* For reading. "-" is standard input. Errors: negative errno. */
int system_open_input(struct system_file *file, const char *name);
ssize_t system_read_input(int fd, bool may_block, void *to, size_t size); /* as read(2) */
void system_close_input(int fd, bool may_block);

/* A user as the command line names it. Or usage_error(). */
uid_t system_parse_user(const char *option, const char *text);

/* reallocarray(3). */
void *system_reallocarray(void *old, size_t count, size_t size);

#endif
