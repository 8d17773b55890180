/* SPDX-License-Identifier: MIT */
/*
 * The timers of the loop on poll(2), on a clock that stands still until the test moves
 * it: this program has its own clock_milliseconds(), which the linker takes before the
 * library's. So every test says to the millisecond what is due, and none of them waits.
 * How a turn uses these lists is tested with the whole loop.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <limits.h>
#include <string.h>

#include "clock.h"
#include "timer_list.h"

/* Above what 32 bits can count, as on a machine that has been up for two months. */
#define START UINT64_C(5000000000)

static uint64_t now;

uint64_t clock_milliseconds(void)
{
	return now;
}

struct probe {
	struct timer_list *timers;
	struct evchan_timer *timer;
	char name;
	void (*act)(struct probe *probe);
	struct probe *other;
};

/* Names of those that fired. */
static char fired[32];

static void on_fired(void *arg)
{
	struct probe *probe = arg;
	size_t length = strlen(fired);

	assert_true(length + 1 < sizeof(fired));
	fired[length] = probe->name;
	fired[length + 1] = '\0';
	if (probe->act)
		probe->act(probe);
}

static int set_up(void **state)
{
	static struct timer_list timers;

	now = START;
	fired[0] = '\0';
	timer_list_init(&timers);
	*state = &timers;
	return 0;
}

static int tear_down(void **state)
{
	timer_list_deinit(*state);
	return 0;
}

static void add(struct timer_list *timers, struct probe *probe, char name)
{
	memset(probe, 0, sizeof(*probe));
	probe->timers = timers;
	probe->name = name;
	assert_int_equal(timer_list_add(timers, &probe->timer, on_fired, probe), 0);
}

static void set(struct probe *probe, uint32_t milliseconds)
{
	timer_list_set(probe->timers, probe->timer, milliseconds);
}

/* One turn of a loop, so many milliseconds later. These fire, in this order. */
static void turn(struct timer_list *timers, uint64_t later, const char *names)
{
	now += later;
	fired[0] = '\0';
	timer_list_collect(timers);
	timer_list_fire(timers);
	assert_string_equal(fired, names);
}

/* A timer that nobody sets does not fire, and nothing has to be waited for. */
static void unset_timer_is_silent(void **state)
{
	struct timer_list *timers = *state;
	struct probe probe;

	assert_int_equal(timer_list_wait(timers, -1), -1);
	add(timers, &probe, 'a');
	assert_int_equal(timer_list_wait(timers, -1), -1);
	assert_int_equal(timer_list_wait(timers, 7), 7);
	assert_int_equal(timer_list_wait(timers, 0), 0);
	turn(timers, 1000000, "");
}

/* A timer fires when its time has come, not a millisecond before, and once. */
static void timer_fires_in_time_and_once(void **state)
{
	struct timer_list *timers = *state;
	struct probe probe;

	add(timers, &probe, 'a');
	set(&probe, 10);
	turn(timers, 0, "");
	turn(timers, 9, "");
	turn(timers, 1, "a");
	turn(timers, 0, "");
	turn(timers, 1000, "");
	set(&probe, 3);
	turn(timers, 50, "a");
}

/* However they were set, the earliest fires first; of two with one deadline, the one that
 * was set first. */
static void earliest_fires_first(void **state)
{
	struct timer_list *timers = *state;
	struct probe probes[6];

	for (int i = 0; i < 6; i++)
		add(timers, &probes[i], (char)('a' + i));
	set(&probes[0], 30);
	set(&probes[1], 10);
	set(&probes[2], 20);
	set(&probes[3], 10);
	set(&probes[4], 0);
	now += 5;
	set(&probes[5], 5); /* the deadline of b and d */
	turn(timers, 5, "ebdf");
	turn(timers, 100, "ca");
}

/* Setting a timer that is set moves it, in either direction; of equals it is then the
 * last. */
static void setting_moves(void **state)
{
	struct timer_list *timers = *state;
	struct probe a, b;

	add(timers, &a, 'a');
	add(timers, &b, 'b');
	set(&a, 10);
	set(&b, 20);
	set(&a, 30);
	turn(timers, 20, "b");
	set(&b, 30);
	set(&b, 5);
	turn(timers, 5, "b");
	set(&b, 5);
	set(&a, 5);
	set(&b, 5);
	turn(timers, 5, "ab");
}

/* A timer that is cleared does not fire, also if its time had come in the turn that is
 * running. */
static void cleared_timer_is_silent(void **state)
{
	struct timer_list *timers = *state;
	struct probe a, b;

	add(timers, &a, 'a');
	add(timers, &b, 'b');
	timer_list_clear(timers, a.timer);
	set(&a, 10);
	set(&b, 10);
	timer_list_clear(timers, a.timer);
	timer_list_clear(timers, a.timer);
	turn(timers, 10, "b");
	set(&a, 0);
	timer_list_collect(timers);
	timer_list_clear(timers, a.timer);
	assert_int_equal(timer_list_wait(timers, -1), -1);
	timer_list_fire(timers);
	assert_string_equal(fired, "b");
}

/* One that is set again between collect and fire has a new time. */
static void due_timer_can_be_moved(void **state)
{
	struct timer_list *timers = *state;
	struct probe probe;

	add(timers, &probe, 'a');
	set(&probe, 0);
	timer_list_collect(timers);
	set(&probe, 10);
	timer_list_fire(timers);
	assert_string_equal(fired, "");
	turn(timers, 10, "a");
}

static void act_set_to_zero(struct probe *probe)
{
	set(probe, 0);
	if (probe->other)
		set(probe->other, 0);
	probe->other = NULL;
}

/* What a callback sets to 0 fires in the next turn, not in this one: no callback keeps a
 * turn from ending. */
static void zero_is_the_next_turn(void **state)
{
	struct timer_list *timers = *state;
	struct probe a, b;

	add(timers, &a, 'a');
	add(timers, &b, 'b');
	a.act = act_set_to_zero;
	a.other = &b;
	set(&a, 0);
	turn(timers, 0, "a");
	turn(timers, 0, "ab");
	turn(timers, 0, "a");
	assert_int_equal(timer_list_wait(timers, -1), 0);
}

static void act_remove_both(struct probe *probe)
{
	timer_list_remove(probe->timer);
	timer_list_remove(probe->other->timer);
}

/* A callback may remove its own timer, and one that is due behind it. */
static void callback_can_remove(void **state)
{
	struct timer_list *timers = *state;
	struct probe a, b, c;

	add(timers, &a, 'a');
	add(timers, &b, 'b');
	add(timers, &c, 'c');
	a.act = act_remove_both;
	a.other = &b;
	set(&a, 0);
	set(&b, 0);
	set(&c, 0);
	turn(timers, 0, "ac");
}

static void act_end_all(struct probe *probe)
{
	timer_list_deinit(probe->timers);
}

/* It may end everything. */
static void callback_can_end_all(void **state)
{
	struct timer_list *timers = *state;
	struct probe probes[4];

	for (int i = 0; i < 4; i++)
		add(timers, &probes[i], (char)('a' + i));
	probes[0].act = act_end_all;
	set(&probes[0], 0);
	set(&probes[1], 0);
	set(&probes[2], 50);
	turn(timers, 0, "a");
}

/* The wait is until the first deadline, no longer than the caller would like. */
static void wait_is_for_the_first(void **state)
{
	struct timer_list *timers = *state;
	struct probe a, b;

	add(timers, &a, 'a');
	add(timers, &b, 'b');
	set(&a, 100);
	set(&b, 40);
	assert_int_equal(timer_list_wait(timers, -1), 40);
	assert_int_equal(timer_list_wait(timers, 39), 39);
	assert_int_equal(timer_list_wait(timers, 41), 40);
	assert_int_equal(timer_list_wait(timers, 0), 0);
	now += 39;
	assert_int_equal(timer_list_wait(timers, -1), 1);
	now += 1;
	assert_int_equal(timer_list_wait(timers, -1), 0);
	now += 1000;
	assert_int_equal(timer_list_wait(timers, -1), 0);
}

/* While a turn has not fired all that is due, a loop inside it does not wait. */
static void due_timers_are_not_waited_for(void **state)
{
	struct timer_list *timers = *state;
	struct probe probe;

	add(timers, &probe, 'a');
	set(&probe, 0);
	timer_list_collect(timers);
	assert_int_equal(timer_list_wait(timers, -1), 0);
	assert_int_equal(timer_list_wait(timers, 10), 0);
	timer_list_fire(timers);
	assert_int_equal(timer_list_wait(timers, -1), -1);
}

/* The longest time that can be set does not overflow what poll(2) takes: it wakes early,
 * with nothing due. */
static void longest_time_is_waited_for_in_parts(void **state)
{
	struct timer_list *timers = *state;
	struct probe probe;

	add(timers, &probe, 'a');
	set(&probe, UINT32_MAX);
	assert_int_equal(timer_list_wait(timers, -1), INT_MAX);
	turn(timers, INT_MAX, "");
	assert_int_equal(timer_list_wait(timers, -1), INT_MAX);
	turn(timers, INT_MAX, "");
	assert_int_equal(timer_list_wait(timers, -1), 1);
	turn(timers, 1, "a");
}

/* The end frees timers in whatever state they are (a leak checker sees to that), and can
 * come twice. */
static void end_frees_all(void **state)
{
	struct timer_list *timers = *state;
	struct probe idle, pending, due;

	add(timers, &idle, 'a');
	add(timers, &pending, 'b');
	add(timers, &due, 'c');
	set(&pending, 10);
	set(&due, 0);
	timer_list_collect(timers);
	timer_list_deinit(timers);
	turn(timers, 100, "");
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(unset_timer_is_silent),
		TEST(timer_fires_in_time_and_once),
		TEST(earliest_fires_first),
		TEST(setting_moves),
		TEST(cleared_timer_is_silent),
		TEST(due_timer_can_be_moved),
		TEST(zero_is_the_next_turn),
		TEST(callback_can_remove),
		TEST(callback_can_end_all),
		TEST(wait_is_for_the_first),
		TEST(due_timers_are_not_waited_for),
		TEST(longest_time_is_waited_for_in_parts),
		TEST(end_frees_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
