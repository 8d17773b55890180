/* SPDX-License-Identifier: MIT */

/*
 * The subject of a message, made by a template.
 *
 * Labels are words of strangers: any bytes but NUL. In a subject, a dot would add a token, a blank or a newline would
 * end the subject and begin something else in NATS' protocol, '*' and '>' mean many subjects. So letters,
 * digits, '-' and '_' stand for themselves, every other byte is written as '%' and two hexadecimal digits. Different
 * words give different tokens, since '%' itself is written so; a word without bytes, which NATS does not allow,
 * is "%".
 *
 * A type's name has dots of its own; they become '-', and its token stays readable. Names that protobuf allows have no
 * '-'; what others have is written with '%', so nothing is confused here, either.
 *
 * A label is whatever its sender says. Who may be trusted to be who is told by {uid}, which comes from the kernel.
 */

#include "subject.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum word {
	WORD_NONE,
	WORD_LABEL,
	WORD_TYPE,
	WORD_UID
};

static const struct {
	const char *text;
	enum word word;
} known_words[] = {
	{ "{label}", WORD_LABEL },
	{ "{type}", WORD_TYPE },
	{ "{uid}", WORD_UID },
};

static bool is_plain(unsigned char byte)
{
	return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
			(byte >= '0' && byte <= '9') || byte == '-' || byte == '_';
}

/* The word in braces at the beginning of `text`, and its length. */
static enum word word_at(const char *text, size_t *length)
{
	for (size_t i = 0; i < sizeof(known_words) / sizeof(known_words[0]); i++) {
		*length = strlen(known_words[i].text);
		if (strncmp(text, known_words[i].text, *length) == 0)
			return known_words[i].word;
	}
	*length = 1;
	return WORD_NONE;
}

static const char *check_byte(const char *template, const char *at)
{
	bool is_first = at == template || at[-1] == '.';

	if (*at == '{' || *at == '}')
		return "the words in braces are {label}, {type} and {uid}";
	if (*at == '*' || *at == '>')
		return "it has a wildcard";
	if (*at == '$' && at == template)
		return "subjects that begin with '$' are the server's own";
	if (*at == '.' && (is_first || !at[1]))
		return "it has an empty token";
	if ((unsigned char)*at <= ' ' || (unsigned char)*at >= 0x7f)
		return "it has a blank, a control character or a byte above 127";
	return NULL;
}

const char *subject_check(const char *template)
{
	const char *problem;
	size_t length;

	if (!*template)
		return "it is empty";
	if (strlen(template) > SUBJECT_TEMPLATE_MAX)
		return "it is too long";
	for (const char *at = template; *at; at += length) {
		if (word_at(at, &length) != WORD_NONE)
			continue;
		problem = check_byte(template, at);
		if (problem)
			return problem;
	}
	return NULL;
}

/* ---- Writing ------------------------------------------------------------------ */

struct writer {
	char *text;
	size_t used;
	bool is_full;
};

static void put(struct writer *writer, char byte)
{
	if (writer->used + 1 >= SUBJECT_MAX)
		writer->is_full = true;
	else
		writer->text[writer->used++] = byte;
}

static void put_escaped(struct writer *writer, unsigned char byte)
{
	static const char digits[] = "0123456789ABCDEF";

	put(writer, '%');
	put(writer, digits[byte >> 4]);
	put(writer, digits[byte & 15]);
}

static void put_word(struct writer *writer, const char *word, bool is_type)
{
	if (!*word)
		put(writer, '%');
	for (; *word; word++) {
		unsigned char byte = (unsigned char)*word;

		if (is_type && byte == '.')
			put(writer, '-');
		else if (is_plain(byte) && !(is_type && byte == '-'))
			put(writer, *word);
		else
			put_escaped(writer, byte);
	}
}

static void put_uid(struct writer *writer, uid_t uid)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", (unsigned)uid);
	put_word(writer, text, false);
}

bool subject_make(char text[SUBJECT_MAX], const char *template,
		const struct subject_words *words)
{
	struct writer writer = { .text = text };
	size_t length;

	for (const char *at = template; *at; at += length) {
		switch (word_at(at, &length)) {
		case WORD_NONE:
			put(&writer, *at);
			break;
		case WORD_LABEL:
			put_word(&writer, words->label, false);
			break;
		case WORD_TYPE:
			put_word(&writer, words->type, true);
			break;
		case WORD_UID:
			put_uid(&writer, words->uid);
			break;
		}
	}
	text[writer.used] = '\0';
	return !writer.is_full;
}

/* A wildcard stands for a whole token, whatever else the template has there. */
void subject_pattern(char text[SUBJECT_MAX], const char *template)
{
	size_t start = 0, used = 0, length;
	bool is_wild = false;

	for (const char *at = template; *at; at += length) {
		is_wild |= word_at(at, &length) != WORD_NONE;
		text[used++] = *at;
		if (*at == '.') {
			start = used;
			is_wild = false;
		} else if (is_wild) {
			used = start;
			text[used++] = '*';
		}
	}
	text[used] = '\0';
}
