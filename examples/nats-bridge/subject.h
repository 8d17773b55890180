/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_NATS_SUBJECT_H
#define EVCHAN_NATS_SUBJECT_H

/* The subject of a message, made by a template: "sensors.{label}.{type}". */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Room for any subject that a template of at most this many characters makes. */
#define SUBJECT_TEMPLATE_MAX 256
#define SUBJECT_MAX 2048

/* What the words in braces stand for. */
struct subject_words {
	const char *label; /* any bytes */
	const char *type;  /* a full name, or a number */
	uid_t uid;
};

/* NULL, or what is wrong with the template, in English. */
const char *subject_check(const char *template);

/* Writes the subject. The template must have passed the check. Returns false if it is longer than SUBJECT_MAX. */
bool subject_make(char text[SUBJECT_MAX], const char *template,
		const struct subject_words *words);

/* Writes what a stream must listen to for this template: each word in braces becomes '*'. */
void subject_pattern(char text[SUBJECT_MAX], const char *template);

#endif
