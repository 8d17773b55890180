/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_EXAMPLES_PROGRAM_H
#define EVCHAN_EXAMPLES_PROGRAM_H

/* What the two programs have in common: how they begin, error lines, and numbers on the command line. */

#include <stdint.h>

#include <evchan/evchan.h>

/* Exit status of a wrong command line; 1 is for all that goes wrong later. */
#define EXIT_USAGE 2

/* First thing in main(). `name` is what error lines begin with, those of getopt_long() included. */
void program_init(char *name, char **argv);

/* One line on standard error, after the program's name. Bytes that could do something to a terminal
 * become '?': parts of these lines are the words of other processes. */
void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* complain() with a pointer to --help, and the end. */
_Noreturn void usage_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A whole number between `least` and `most`, or usage_error(). `option` is how it is called there. */
uint64_t parse_number(const char *option, const char *text, uint64_t least, uint64_t most);

/* A number of bytes above 0, with K, M or G for the powers of 1024, or usage_error(). */
uint64_t parse_size(const char *option, const char *text);

/* "eventfd" or "pipe", or usage_error(). */
enum evchan_bell parse_bell(const char *option, const char *text);

/* Lets a user send: a number, or "any". `*list` grows, and is what the options point to. Or usage_error(). */
void allow_uid(struct evchan_receiver_options *receiver, uid_t **list, const char *text);

/* What --version prints. */
void print_version(void);

#endif
