/* SPDX-License-Identifier: MIT */

/*
 * The combined log format, and three fields behind it:
 *
 *	CLIENT - - [DAY/MONTH/YEAR:HH:MM:SS +0000] "METHOD TARGET HTTP/1.1" STATUS BYTES "REFERER" "AGENT" MICROSECONDS DROPPED WORKER-STREAM-SEQUENCE
 *
 * The last is the id of the request. With it the log itself tells what is in it: a collector that starts reads
 * the end of the log (log_tail.c) and knows which records it must not write again, and whoever reads the log
 * sees by a gap in the sequence that records are missing. DROPPED is how many the process had dropped by then: as many as are
 * missing of it, or something was lost.
 *
 * Client text is escaped as Apache does it: a quote, a backslash, and every byte that is not printable ASCII. Nobody
 * can begin a line of his own by what he sends.
 */

#include "log_line.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define TEXT_MAX 8192

static char *put(char *at, const char *text, size_t length)
{
	memcpy(at, text, length);
	return at + length;
}

static char *put_string(char *at, const char *text)
{
	return put(at, text, strlen(text));
}

/* Four bytes for one at most. The bytes are in the ring: each is read once. */
static char *put_escaped(char *at, const uint8_t *text, size_t length)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < length && i < TEXT_MAX; i++) {
		uint8_t byte = ((const volatile uint8_t *)text)[i];

		if (byte >= 0x20 && byte < 0x7f && byte != '"' && byte != '\\') {
			*at++ = (char)byte;
		} else if (byte == '"' || byte == '\\') {
			*at++ = '\\';
			*at++ = (char)byte;
		} else {
			at = put(at, "\\x", 2);
			*at++ = digits[byte >> 4];
			*at++ = digits[byte & 15];
		}
	}
	return at;
}

/* Absent is "-". */
static char *put_quoted(char *at, const ProtobufCBinaryData *text)
{
	*at++ = '"';
	if (text->len == 0)
		*at++ = '-';
	else
		at = put_escaped(at, text->data, text->len);
	*at++ = '"';
	return at;
}

/* A word of the worker's, which comes from another process all the same. */
static char *put_word(char *at, const char *word)
{
	size_t length = strnlen(word, 64);

	if (length == 0)
		return put(at, "-", 1);
	for (size_t i = 0; i < length; i++)
		*at++ = word[i] > ' ' && word[i] < 0x7f && word[i] != '"' ? word[i] : '?';
	return at;
}

/* Many records are of one second, and strftime(3) is slow. */
static char *put_time(char *at, uint64_t time_us)
{
	static time_t last = -1;
	static char text[40];
	time_t seconds = (time_t)(time_us / 1000000);
	struct tm parts;

	if (seconds != last) {
		if (!gmtime_r(&seconds, &parts) ||
				strftime(text, sizeof(text),
						" - - [%d/%b/%Y:%H:%M:%S +0000] ",
						&parts) == 0)
			strcpy(text, " - - [01/Jan/1970:00:00:00 +0000] ");
		last = seconds;
	}
	return put_string(at, text);
}

size_t log_line_format(char *line, const HttpWorkers__AccessRecord *record)
{
	char *at = line;

	at = put_word(at, record->client);
	at = put_time(at, record->time_us);
	*at++ = '"';
	at = put_word(at, record->method);
	*at++ = ' ';
	at = put_escaped(at, record->target.data, record->target.len);
	at += sprintf(at, " HTTP/%" PRIu32 ".%" PRIu32 "\" %" PRIu32 " %" PRIu64 " ",
			record->version / 10, record->version % 10, record->status,
			record->body_bytes);
	at = put_quoted(at, &record->referer);
	*at++ = ' ';
	at = put_quoted(at, &record->user_agent);
	at += sprintf(at,
			" %" PRIu64 " %" PRIu64 " %" PRIu32 "-%016" PRIx64 "-%" PRIu64
			"\n",
			record->duration_us, record->dropped, record->worker,
			record->stream, record->sequence);
	return (size_t)(at - line);
}

bool log_line_read_id(struct log_id *id, const char *line, size_t length)
{
	const char *space = memrchr(line, ' ', length);
	char text[64];
	size_t size;
	int end = 0;

	if (!space)
		return false;
	size = length - (size_t)(space + 1 - line);
	if (size >= sizeof(text))
		return false;
	memcpy(text, space + 1, size);
	text[size] = '\0';
	return sscanf(text, "%" SCNu32 "-%" SCNx64 "-%" SCNu64 "%n", &id->worker,
			       &id->stream, &id->sequence, &end) == 3 &&
			(size_t)end == size;
}
