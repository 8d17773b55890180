/* SPDX-License-Identifier: MIT */
/*
 * Lists, which remember the order of everything that has one: lanes, guests, holds,
 * timers. After each step the whole list is walked in both directions: a link that is
 * right in one only shows much later.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "list.h"

struct element {
	int before; /* so that a link's address is not its element's */
	struct list link;
	char name;
};

#define ELEMENTS 8

static void name_all(struct element *elements)
{
	for (int i = 0; i < ELEMENTS; i++) {
		elements[i].name = (char)('a' + i);
		list_init(&elements[i].link);
	}
}

/* The list has exactly the elements named, in this order, also when it is walked from its
 * end. */
static void expect(struct list *list, const char *names)
{
	size_t count = strlen(names), i;
	struct list *link = list;

	for (i = 0; i < count; i++) {
		link = link->next;
		assert_ptr_not_equal(link, list);
		assert_int_equal(
				CONTAINER_OF(link, struct element, link)->name, names[i]);
	}
	assert_ptr_equal(link->next, list);
	link = list;
	for (i = count; i > 0; i--) {
		link = link->previous;
		assert_int_equal(CONTAINER_OF(link, struct element, link)->name,
				names[i - 1]);
	}
	assert_ptr_equal(link->previous, list);
	assert_int_equal(list_is_empty(list), count == 0);
}

static void append(struct list *list, struct element *elements, const char *names)
{
	for (; *names; names++)
		list_append(list, &elements[*names - 'a'].link);
}

/* A new list is empty, and a new link is in none. */
static void new_list_is_empty(void **state)
{
	struct element elements[ELEMENTS];
	struct list list;

	(void)state;
	list_init(&list);
	name_all(elements);
	expect(&list, "");
	assert_false(list_is_linked(&elements[0].link));
}

/* Elements stay in the order in which they were appended. */
static void append_keeps_the_order(void **state)
{
	struct element elements[ELEMENTS];
	struct list list;

	(void)state;
	list_init(&list);
	name_all(elements);
	append(&list, elements, "a");
	expect(&list, "a");
	append(&list, elements, "hbc");
	expect(&list, "ahbc");
	assert_true(list_is_linked(&elements[0].link));
	assert_false(list_is_linked(&elements[4].link));
	assert_ptr_equal(LIST_FIRST(&list, struct element, link), &elements[0]);
}

/* Any element can be removed, and those that stay keep their order. */
static void any_element_can_be_removed(void **state)
{
	static const char *const rest[] = { "bcd", "acd", "abd", "abc" };
	struct element elements[ELEMENTS];
	struct list list;

	(void)state;
	for (int i = 0; i < 4; i++) {
		list_init(&list);
		name_all(elements);
		append(&list, elements, "abcd");
		list_remove(&elements[i].link);
		expect(&list, rest[i]);
		assert_false(list_is_linked(&elements[i].link));
	}
}

/* The last one leaves an empty list, which can be used again. */
static void emptied_list_can_be_filled_again(void **state)
{
	struct element elements[ELEMENTS];
	struct list list;

	(void)state;
	list_init(&list);
	name_all(elements);
	append(&list, elements, "ab");
	list_remove(&elements[1].link);
	list_remove(&elements[0].link);
	expect(&list, "");
	append(&list, elements, "ba");
	expect(&list, "ba");
}

/* What was removed can be removed once more without harm, and be appended again, there or
 * elsewhere. */
static void removing_twice_is_harmless(void **state)
{
	struct element elements[ELEMENTS];
	struct list list, other;

	(void)state;
	list_init(&list);
	list_init(&other);
	name_all(elements);
	append(&list, elements, "abc");
	list_remove(&elements[1].link);
	list_remove(&elements[1].link);
	expect(&list, "ac");
	append(&other, elements, "b");
	expect(&list, "ac");
	expect(&other, "b");
	list_remove(&elements[1].link);
	append(&list, elements, "b");
	expect(&list, "acb");
	expect(&other, "");
}

/* Appending behind another link than the list's head inserts before that link: timers are
 * sorted so. */
static void appending_to_an_element_inserts_before_it(void **state)
{
	struct element elements[ELEMENTS];
	struct list list;

	(void)state;
	list_init(&list);
	name_all(elements);
	append(&list, elements, "ac");
	list_append(&elements[2].link, &elements[1].link);
	expect(&list, "abc");
	list_append(&elements[0].link, &elements[3].link);
	expect(&list, "dabc");
}

/* All of a list goes behind the last of another, in its order, and leaves nothing. */
static void all_can_be_moved(void **state)
{
	static const struct {
		const char *list, *from, *joined;
	} cases[] = {
		{ "", "", "" },
		{ "a", "", "a" },
		{ "", "a", "a" },
		{ "a", "b", "ab" },
		{ "ab", "cde", "abcde" },
		{ "", "cba", "cba" },
	};
	struct element elements[ELEMENTS];
	struct list list, from;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		list_init(&list);
		list_init(&from);
		name_all(elements);
		append(&list, elements, cases[i].list);
		append(&from, elements, cases[i].from);
		list_append_all(&list, &from);
		expect(&list, cases[i].joined);
		expect(&from, "");
		append(&list, elements, "h");
		list_remove(&elements[7].link);
		expect(&list, cases[i].joined);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(new_list_is_empty),
		cmocka_unit_test(append_keeps_the_order),
		cmocka_unit_test(any_element_can_be_removed),
		cmocka_unit_test(emptied_list_can_be_filled_again),
		cmocka_unit_test(removing_twice_is_harmless),
		cmocka_unit_test(appending_to_an_element_inserts_before_it),
		cmocka_unit_test(all_can_be_moved),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
