/* SPDX-License-Identifier: MIT */

/*
 * Lines of the access log of examples/http-workers: the combined format, whatever a client has sent, and an id that can be read back.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "log_line.h"

static ProtobufCBinaryData bytes(char *text)
{
	return (ProtobufCBinaryData){ strlen(text), (uint8_t *)text };
}

static char client[] = "192.0.2.7", method[] = "GET";

static HttpWorkers__AccessRecord make(char *target, char *referer, char *agent)
{
	HttpWorkers__AccessRecord record = HTTP_WORKERS__ACCESS_RECORD__INIT;

	record.worker = 3;
	record.stream = 0xabc;
	record.sequence = 77;
	record.time_us = UINT64_C(1700000000) * 1000000 + 5;
	record.duration_us = 1234;
	record.dropped = 5;
	record.status = 200;
	record.body_bytes = 4321;
	record.version = 11;
	record.client = client;
	record.method = method;
	record.target = bytes(target);
	record.referer = bytes(referer);
	record.user_agent = bytes(agent);
	return record;
}

static void expect_line(const HttpWorkers__AccessRecord *record, const char *expected)
{
	static char line[LOG_LINE_MAX];
	size_t length = log_line_format(line, record);

	assert_int_equal(length, strlen(expected));
	assert_memory_equal(line, expected, length);
}

static void format_is_the_combined_one(void **state)
{
	char target[] = "/a?b=c", referer[] = "http://example.org/", agent[] = "wrk";
	HttpWorkers__AccessRecord record = make(target, referer, agent);

	(void)state;
	expect_line(&record,
			"192.0.2.7 - - [14/Nov/2023:22:13:20 +0000] \"GET /a?b=c "
			"HTTP/1.1\" 200 4321 "
			"\"http://example.org/\" \"wrk\" 1234 5 3-0000000000000abc-77\n");
}

static void absent_is_a_dash(void **state)
{
	char target[] = "/", nothing[] = "";
	HttpWorkers__AccessRecord record = make(target, nothing, nothing);

	(void)state;
	record.client = nothing;
	expect_line(&record,
			"- - - [14/Nov/2023:22:13:20 +0000] \"GET / HTTP/1.1\" 200 4321 "
			"\"-\" \"-\" "
			"1234 5 3-0000000000000abc-77\n");
}

static void clients_cannot_write_lines_of_their_own(void **state)
{
	char target[] = "/\n\"\\\x7f\xff";
	char referer[] = "\" 200 0 \"-\" \"-\"\n127.0.0.1 - - ", agent[] = "\x1b[2J\r\t";
	HttpWorkers__AccessRecord record = make(target, referer, agent);
	char word[] = "a \"\n";

	(void)state;
	record.client = word;
	expect_line(&record,
			"a??? - - [14/Nov/2023:22:13:20 +0000] "
			"\"GET /\\x0a\\\"\\\\\\x7f\\xff HTTP/1.1\" 200 4321 "
			"\"\\\" 200 0 \\\"-\\\" \\\"-\\\"\\x0a127.0.0.1 - - \" "
			"\"\\x1b[2J\\x0d\\x09\" 1234 5 3-0000000000000abc-77\n");
}

static void longest_line_fits(void **state)
{
	static char line[LOG_LINE_MAX + 1];
	size_t size = 100000;
	char *text = malloc(size + 1);
	HttpWorkers__AccessRecord record;

	(void)state;
	assert_non_null(text);
	memset(text, 1, size);
	text[size] = '\0';
	record = make(text, text, text);
	record.client = text;
	record.method = text;
	record.time_us = record.duration_us = record.body_bytes = UINT64_MAX;
	record.stream = record.sequence = record.dropped = UINT64_MAX;
	record.worker = record.status = record.version = UINT32_MAX;
	line[LOG_LINE_MAX] = 'x';
	assert_true(log_line_format(line, &record) <= LOG_LINE_MAX);
	assert_int_equal(line[LOG_LINE_MAX], 'x');
	free(text);
}

static void id_is_read_back(void **state)
{
	static char line[LOG_LINE_MAX];
	char target[] = "/ 1-2-3", nothing[] = "";
	HttpWorkers__AccessRecord record = make(target, nothing, nothing);
	struct log_id id;
	size_t length;

	(void)state;
	record.stream = UINT64_MAX;
	record.sequence = UINT64_MAX - 1;
	length = log_line_format(line, &record);
	assert_true(log_line_read_id(&id, line, length - 1));
	assert_int_equal(id.worker, 3);
	assert_true(id.stream == UINT64_MAX);
	assert_true(id.sequence == UINT64_MAX - 1);
}

static void other_lines_have_no_id(void **state)
{
	static const char *const lines[] = { "", " ", "word", "a b", "a 1-2", "a 1-2-x",
		"a 1-2-3x", "a 1-2-3-4", "a 1-2-3 " };
	struct log_id id;

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		assert_false(log_line_read_id(&id, lines[i], strlen(lines[i])));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(format_is_the_combined_one),
		cmocka_unit_test(absent_is_a_dash),
		cmocka_unit_test(clients_cannot_write_lines_of_their_own),
		cmocka_unit_test(longest_line_fits),
		cmocka_unit_test(id_is_read_back),
		cmocka_unit_test(other_lines_have_no_id),
	};

	return cmocka_run_group_tests_name("log line", tests, NULL, NULL);
}
