/* SPDX-License-Identifier: MIT */

/*
 * Subjects: whatever a label or a name of a type is, the subject has the tokens that the template has, and nothing that
 * means something to NATS; different words give different tokens.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "subject.h"

static void assert_subject(const char *template, const char *label, const char *type,
		const char *expected)
{
	struct subject_words words = { .label = label, .type = type, .uid = 1000 };
	char text[SUBJECT_MAX];

	assert_null(subject_check(template));
	assert_true(subject_make(text, template, &words));
	assert_string_equal(text, expected);
}

static void words_are_put_into_the_template(void **state)
{
	(void)state;
	assert_subject("a.{label}.{type}", "cam-1", "demo.Frame", "a.cam-1.demo-Frame");
	assert_subject("a.{uid}.x{label}y", "b_2", "7", "a.1000.xb_2y");
	assert_subject("plain", "b", "7", "plain");
}

static void hostile_words_stay_one_token(void **state)
{
	(void)state;
	assert_subject("a.{label}", "b.c", "0", "a.b%2Ec");
	assert_subject("a.{label}", ">", "0", "a.%3E");
	assert_subject("a.{label}", "*", "0", "a.%2A");
	assert_subject("a.{label}", "x\r\nPUB y 1\r\n", "0",
			"a.x%0D%0APUB%20y%201%0D%0A");
	assert_subject("a.{label}", "", "0", "a.%");
	assert_subject("a.{label}", "\xff\x01", "0", "a.%FF%01");
	assert_subject("a.{type}", "", "x-y z", "a.x%2Dy%20z");
}

static void count_other_bytes(const char *text, size_t tokens)
{
	size_t dots = 0;

	for (; *text; text++) {
		dots += *text == '.';
		assert_true(*text > ' ' && *text < 0x7f && *text != '*' && *text != '>');
	}
	assert_int_equal(dots + 1, tokens);
}

static void any_label_makes_a_legal_subject(void **state)
{
	char label[64], text[SUBJECT_MAX];
	struct subject_words words = { .label = label, .type = "0" };

	(void)state;
	srandom(1);
	for (int round = 0; round < 20000; round++) {
		size_t length = (size_t)random() % sizeof(label);

		for (size_t i = 0; i < length; i++)
			label[i] = (char)(1 + random() % 255);
		label[length] = '\0';
		assert_true(subject_make(text, "a.{label}.{type}", &words));
		count_other_bytes(text, 3);
	}
}

static void different_labels_differ(void **state)
{
	static const char *const labels[] = { "", "%", "%25", "a.b", "a%2Eb", "a-b",
		"a_b", ">", "%3E" };
	char texts[sizeof(labels) / sizeof(labels[0])][SUBJECT_MAX];
	size_t count = sizeof(labels) / sizeof(labels[0]);

	(void)state;
	for (size_t i = 0; i < count; i++) {
		struct subject_words words = { .label = labels[i], .type = "0" };

		assert_true(subject_make(texts[i], "{label}", &words));
		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(texts[i], texts[j]);
	}
}

static void bad_templates_are_refused(void **state)
{
	static const char *const templates[] = { "", ".a", "a.", "a..b", "a b", "a.*",
		"a.>", "{lable}", "a.}", "$JS.API.x", "a\n", "\xc3\xa4" };

	(void)state;
	for (size_t i = 0; i < sizeof(templates) / sizeof(templates[0]); i++)
		assert_non_null(subject_check(templates[i]));
}

static void too_long_a_subject_is_told(void **state)
{
	char template[SUBJECT_TEMPLATE_MAX + 2] = "";
	char label[64], text[SUBJECT_MAX];
	struct subject_words words = { .label = label, .type = "0" };

	(void)state;
	memset(label, '.', sizeof(label) - 1);
	label[sizeof(label) - 1] = '\0';
	for (int i = 0; i < 30; i++)
		strcat(template, "{label}");
	assert_null(subject_check(template));
	assert_false(subject_make(text, template, &words));
	memset(template, 'a', sizeof(template) - 1);
	assert_non_null(subject_check(template));
}

static void patterns_have_a_wildcard_for_each_word(void **state)
{
	char text[SUBJECT_MAX];

	(void)state;
	subject_pattern(text, "a.{label}.{type}");
	assert_string_equal(text, "a.*.*");
	subject_pattern(text, "a.x{label}y.b{uid}");
	assert_string_equal(text, "a.*.*");
	subject_pattern(text, "a.b");
	assert_string_equal(text, "a.b");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_are_put_into_the_template),
		cmocka_unit_test(hostile_words_stay_one_token),
		cmocka_unit_test(any_label_makes_a_legal_subject),
		cmocka_unit_test(different_labels_differ),
		cmocka_unit_test(bad_templates_are_refused),
		cmocka_unit_test(too_long_a_subject_is_told),
		cmocka_unit_test(patterns_have_a_wildcard_for_each_word),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
