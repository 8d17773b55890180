/* SPDX-License-Identifier: MIT */

/*
 * What the loop on poll(2) has beyond the contract of all loops
 * (tests/loop/poll_contract_test.c): its public functions, loops that run inside their
 * own callbacks, and forked children.
 */

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "clock.h"
#include "descriptor.h"
#include "poll_loop.h"

#define PATIENCE_MS 10000

/* A watch on an eventfd, or a timer. */
struct probe {
	struct evchan_loop *loop;
	struct evchan_watch *watch;
	struct evchan_timer *timer;
	int fd;
	unsigned calls;
	unsigned events;
	uint64_t turn;
	void (*act)(struct probe *probe);
	struct probe *other;
};

static int set_up(void **state)
{
	struct evchan_loop *loop;

	assert_int_equal(evchan_poll_loop_new(&loop), 0);
	*state = loop;
	return 0;
}

static int tear_down(void **state)
{
	evchan_poll_loop_free(*state);
	return 0;
}

static void on_ready(void *arg, unsigned events)
{
	struct probe *probe = arg;

	probe->calls++;
	probe->events = events;
	probe->turn = probe->loop->ops->turn(probe->loop);
	if (probe->act)
		probe->act(probe);
}

static void on_fired(void *arg)
{
	on_ready(arg, 0);
}

static void add(struct probe *probe, unsigned events)
{
	assert_int_equal(probe->loop->ops->watch_add(probe->loop, &probe->watch,
					 probe->fd, events, on_ready, probe),
			0);
}

/* A watch on an eventfd of its own that is ready to be read, and to be written. */
static struct probe begin(struct evchan_loop *loop)
{
	return (struct probe){ .loop = loop, .fd = eventfd(1, EFD_CLOEXEC) };
}

static void forget(struct probe *probe)
{
	probe->loop->ops->watch_remove(probe->loop, probe->watch);
	probe->watch = NULL;
}

static void end(struct probe *probe)
{
	if (probe->watch)
		forget(probe);
	close(probe->fd);
}

static void add_timer(struct probe *probe)
{
	assert_int_equal(probe->loop->ops->timer_add(
					 probe->loop, &probe->timer, on_fired, probe),
			0);
}

static void set_timer(struct probe *probe, uint32_t milliseconds)
{
	assert_int_equal(probe->loop->ops->timer_set(
					 probe->loop, probe->timer, milliseconds),
			0);
}

static void end_timer(struct probe *probe)
{
	probe->loop->ops->timer_remove(probe->loop, probe->timer);
}

/* ---- Whose loop it is -------------------------------------------------------- */

/* A loop of another table, and none at all, are refused everywhere. */
static void strangers_are_refused(void **state)
{
	static const struct evchan_loop_ops ops = { .size = sizeof(ops) };
	struct evchan_loop stranger = { .ops = &ops };
	struct evchan_loop *const loops[] = { &stranger, NULL };
	size_t count = 99;
	int wait = 99;

	assert_true(poll_loop_is(*state));
	for (int i = 0; i < 2; i++) {
		assert_false(poll_loop_is(loops[i]));
		assert_int_equal(evchan_poll_loop_run_once(loops[i], 0), -EINVAL);
		assert_int_equal(evchan_poll_loop_prepare(
						 loops[i], NULL, 0, &count, &wait),
				-EINVAL);
		assert_int_equal(evchan_poll_loop_dispatch(loops[i], NULL, 0), -EINVAL);
		evchan_poll_loop_free(loops[i]);
	}
	assert_int_equal(count, 99);
	assert_int_equal(wait, 99);
}

/* ---- Waiting ----------------------------------------------------------------- */

/* An empty loop waits as long as it is told, and no longer. */
static void empty_loop_waits(void **state)
{
	uint64_t before = clock_milliseconds();

	assert_int_equal(evchan_poll_loop_run_once(*state, 0), 0);
	assert_int_equal(evchan_poll_loop_run_once(*state, 20), 0);
	assert_in_range(clock_milliseconds() - before, 20, 20 + PATIENCE_MS);
}

/* A timer ends the wait, be it without end. */
static void timer_ends_the_wait(void **state)
{
	struct probe timer = { .loop = *state };
	uint64_t before = clock_milliseconds();

	add_timer(&timer);
	set_timer(&timer, 20);
	assert_int_equal(evchan_poll_loop_run_once(*state, -1), 0);
	assert_int_equal(timer.calls, 1);
	assert_in_range(clock_milliseconds() - before, 20, 20 + PATIENCE_MS);
	end_timer(&timer);
}

static void on_signal(int number)
{
	(void)number;
}

/* A signal handler ends the wait, and the caller hears of it. */
static void signal_ends_the_wait(void **state)
{
	/* Again and again, in case one comes before the wait. */
	const struct itimerval often = { { 0, 5000 }, { 0, 5000 } },
			       never = { { 0, 0 }, { 0, 0 } };
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESTART },
			 before;
	int r;

	assert_int_equal(sigaction(SIGALRM, &action, &before), 0);
	assert_int_equal(setitimer(ITIMER_REAL, &often, NULL), 0);
	r = evchan_poll_loop_run_once(*state, -1);
	assert_int_equal(setitimer(ITIMER_REAL, &never, NULL), 0);
	assert_int_equal(sigaction(SIGALRM, &before, NULL), 0);
	assert_int_equal(r, -EINTR);
}

/* ---- In a loop of another kind ----------------------------------------------- */

static int time_to_wait(struct evchan_loop *loop)
{
	size_t count;
	int wait;

	assert_int_equal(evchan_poll_loop_prepare(loop, NULL, 0, &count, &wait), 0);
	return wait;
}

static void pass_milliseconds(uint64_t milliseconds)
{
	uint64_t before = clock_milliseconds();

	while (clock_milliseconds() - before < milliseconds)
		continue;
}

/* How long to wait is the time until the next timer: without end if there is none, the
 * longest that poll(2) takes if it is further off. */
static void prepare_tells_how_long(void **state)
{
	struct probe early = { .loop = *state }, late = { .loop = *state };

	assert_int_equal(time_to_wait(*state), -1);
	add_timer(&early);
	add_timer(&late);
	assert_int_equal(time_to_wait(*state), -1);
	set_timer(&late, UINT32_MAX);
	assert_int_equal(time_to_wait(*state), INT_MAX);
	set_timer(&late, 5000000);
	assert_in_range(time_to_wait(*state), 4000000, 5000000);
	set_timer(&early, 0);
	assert_int_equal(time_to_wait(*state), 0);
	pass_milliseconds(2);
	assert_int_equal(time_to_wait(*state), 0);
	early.loop->ops->timer_clear(early.loop, early.timer);
	assert_in_range(time_to_wait(*state), 4000000, 5000000);
	end_timer(&early);
	end_timer(&late);
}

/* What to wait for is what the watches wait for; those that wait for nothing, and
 * those that are gone, are not listed. */
static void prepare_tells_what_for(void **state)
{
	static const unsigned events[] = { EVCHAN_LOOP_READ, EVCHAN_LOOP_WRITE, 0,
		EVCHAN_LOOP_READ | EVCHAN_LOOP_WRITE, EVCHAN_LOOP_READ };
	struct probe probes[5];
	struct pollfd fds[5];
	size_t count;
	int wait;

	for (int i = 0; i < 5; i++) {
		probes[i] = begin(*state);
		add(&probes[i], events[i]);
	}
	forget(&probes[0]);
	memset(fds, 0x55, sizeof(fds));
	assert_int_equal(evchan_poll_loop_prepare(*state, fds, 5, &count, &wait), 0);
	assert_int_equal(count, 3);
	assert_int_equal(wait, -1);
	assert_int_equal(fds[0].fd, probes[1].fd);
	assert_int_equal(fds[0].events, POLLOUT);
	assert_int_equal(fds[0].revents, 0);
	assert_int_equal(fds[1].fd, probes[3].fd);
	assert_int_equal(fds[1].events, POLLIN | POLLOUT);
	assert_int_equal(fds[2].fd, probes[4].fd);
	assert_int_equal(fds[2].events, POLLIN);
	for (int i = 0; i < 5; i++)
		end(&probes[i]);
}

/* An array that is too small is filled as far as it goes; the count says how many
 * there are. */
static void prepare_respects_the_capacity(void **state)
{
	struct probe probes[3];
	struct pollfd fds[3];
	size_t count;
	int wait;

	for (int i = 0; i < 3; i++) {
		probes[i] = begin(*state);
		add(&probes[i], EVCHAN_LOOP_READ);
	}
	memset(fds, 0x55, sizeof(fds));
	assert_int_equal(evchan_poll_loop_prepare(*state, fds, 2, &count, &wait), 0);
	assert_int_equal(count, 3);
	assert_int_equal(fds[1].fd, probes[1].fd);
	assert_int_equal(fds[2].fd, 0x55555555);
	for (int i = 0; i < 3; i++)
		end(&probes[i]);
}

/* Entries that nobody has watched or that nobody watches any more are passed over, in
 * any order and any number. */
static void dispatch_passes_strangers_over(void **state)
{
	struct probe first = begin(*state), second = begin(*state);
	struct pollfd fds[4];
	size_t count;
	int wait;

	add(&first, EVCHAN_LOOP_READ);
	add(&second, EVCHAN_LOOP_READ);
	assert_int_equal(evchan_poll_loop_prepare(*state, fds, 4, &count, &wait), 0);
	assert_int_equal(count, 2);
	fds[2] = (struct pollfd){ .fd = -1, .revents = POLLIN };
	fds[3] = (struct pollfd){ .fd = INT_MAX, .revents = POLLIN };
	fds[0].revents = POLLIN;
	fds[1].revents = POLLIN;
	forget(&first);
	assert_int_equal(evchan_poll_loop_dispatch(*state, fds, 4), 0);
	assert_int_equal(first.calls, 0);
	assert_int_equal(second.calls, 1);
	assert_int_equal(evchan_poll_loop_dispatch(*state, fds, 0), 0);
	assert_int_equal(second.calls, 1);
	end(&first);
	end(&second);
}

/* Readiness of a descriptor that was closed since the last prepare is not told to a
 * new watch on the same number, also if room had to be made for it. */
static void dispatch_tells_no_stale_readiness(void **state)
{
	enum {
		MORE = 100
	};
	struct probe old = begin(*state), more[MORE];
	struct pollfd fds[1];
	size_t count;
	int wait;

	add(&old, EVCHAN_LOOP_READ);
	assert_int_equal(evchan_poll_loop_prepare(*state, fds, 1, &count, &wait), 0);
	fds[0].revents = POLLIN;
	for (int i = 0; i < MORE; i++) {
		more[i] = (struct probe){ .loop = *state, .fd = old.fd };
		if (i == 1)
			forget(&old);
		add(&more[i], EVCHAN_LOOP_READ);
	}
	assert_int_equal(evchan_poll_loop_dispatch(*state, fds, 1), 0);
	for (int i = 0; i < MORE; i++) {
		assert_int_equal(more[i].calls, 0);
		forget(&more[i]);
	}
	assert_int_equal(old.calls, 0);
	end(&old);
}

/* Two watches on one descriptor are both served. */
static void descriptor_can_have_two_watches(void **state)
{
	struct probe reader = begin(*state), writer;
	struct pollfd fds[2];
	size_t count;
	int wait;

	writer = (struct probe){ .loop = *state, .fd = reader.fd };
	add(&reader, EVCHAN_LOOP_READ);
	add(&writer, EVCHAN_LOOP_WRITE);
	assert_int_equal(evchan_poll_loop_prepare(*state, fds, 2, &count, &wait), 0);
	assert_int_equal(poll(fds, count, wait), 2);
	assert_int_equal(evchan_poll_loop_dispatch(*state, fds, count), 0);
	assert_int_equal(reader.events, EVCHAN_LOOP_READ);
	assert_int_equal(writer.events, EVCHAN_LOOP_WRITE);
	forget(&writer);
	end(&reader);
}

/* A descriptor that is closed under its watch counts as ready: the owner will find
 * out. */
static void closed_descriptor_is_ready(void **state)
{
	struct probe probe = begin(*state);

	add(&probe, EVCHAN_LOOP_READ | EVCHAN_LOOP_WRITE);
	close(probe.fd);
	assert_int_equal(evchan_poll_loop_run_once(*state, PATIENCE_MS), 0);
	assert_int_equal(probe.events, EVCHAN_LOOP_READ | EVCHAN_LOOP_WRITE);
	forget(&probe);
}

/* ---- Slots ------------------------------------------------------------------- */

/* Watches that come and go between turns, in any order, are all served and no other. */
static void watches_come_and_go(void **state)
{
	enum {
		COUNT = 64,
		ROUNDS = 2000
	};
	struct probe probes[COUNT];
	unsigned calls[COUNT];
	unsigned random = 1;

	for (int i = 0; i < COUNT; i++)
		probes[i] = begin(*state);
	for (int round = 0; round < ROUNDS; round++) {
		struct probe *probe;

		random = random * 1103515245 + 12345;
		probe = &probes[random >> 16 & (COUNT - 1)];
		if (probe->watch)
			forget(probe);
		else
			add(probe, EVCHAN_LOOP_READ);
		if (round % 7 != 0)
			continue;
		for (int i = 0; i < COUNT; i++)
			calls[i] = probes[i].calls;
		assert_int_equal(evchan_poll_loop_run_once(*state, 0), 0);
		for (int i = 0; i < COUNT; i++)
			assert_int_equal(probes[i].calls - calls[i],
					probes[i].watch != NULL);
	}
	for (int i = 0; i < COUNT; i++)
		end(&probes[i]);
}

static void act_add_and_drop_others(struct probe *probe)
{
	struct probe *added = probe->other;

	/* Behind the added one in the chain are those to go. */
	for (struct probe *other = added->other; other; other = other->other)
		forget(other);
	add(added, EVCHAN_LOOP_READ);
}

/* A callback that removes earlier watches and adds others, so that room is wanted,
 * delays none of those that are still to be served in the turn. */
static void coming_and_going_delays_nobody(void **state)
{
	enum {
		COUNT = 64
	}; /* some power of two will be what there is room for */
	struct probe probes[COUNT], added;

	for (int count = 5; count <= COUNT; count++) {
		for (int i = 0; i < count; i++) {
			probes[i] = begin(*state);
			add(&probes[i], EVCHAN_LOOP_READ);
		}
		added = begin(*state);
		probes[3].act = act_add_and_drop_others;
		probes[3].other = &added;
		added.other = &probes[0];
		probes[0].other = &probes[1];
		probes[1].other = &probes[2];
		assert_int_equal(evchan_poll_loop_run_once(*state, 0), 0);
		for (int i = 0; i < count; i++)
			assert_int_equal(probes[i].calls, 1);
		assert_int_equal(added.calls, 0);
		for (int i = 0; i < count; i++)
			end(&probes[i]);
		end(&added);
	}
}

static void act_replace_other(struct probe *probe)
{
	if (probe->other->calls > 0 || probe->calls > 1)
		return;
	forget(probe->other);
	add(probe->other, EVCHAN_LOOP_READ);
}

/* A watch that replaces a removed one on the same descriptor in the same turn is not
 * told of it before the next. */
static void replacement_waits_for_the_next_turn(void **state)
{
	struct probe probes[2] = { begin(*state), begin(*state) };

	for (int i = 0; i < 2; i++) {
		probes[i].other = &probes[1 - i];
		probes[i].act = act_replace_other;
		add(&probes[i], EVCHAN_LOOP_READ);
	}
	assert_int_equal(evchan_poll_loop_run_once(*state, 0), 0);
	assert_int_equal(probes[0].calls + probes[1].calls, 1);
	assert_int_equal(evchan_poll_loop_run_once(*state, 0), 0);
	assert_int_equal(probes[0].calls + probes[1].calls, 3);
	end(&probes[0]);
	end(&probes[1]);
}

/* ---- A loop inside its own callback ------------------------------------------ */

static void act_run_loop(struct probe *probe)
{
	if (probe->calls == 1)
		assert_int_equal(evchan_poll_loop_run_once(probe->loop, 0), 0);
}

static void act_drop_others(struct probe *probe)
{
	for (struct probe *other = probe->other; other; other = other->other) {
		if (other->watch)
			forget(other);
	}
}

/* A callback may run the loop; what the inner turn has served or removed is not served
 * once more by the outer one. */
static void loop_can_run_in_a_callback(void **state)
{
	struct probe first = begin(*state), second = begin(*state), third = begin(*state);

	/* Inner turn: the first again (it is ready still), then the second, which
	 * removes the third. */
	first.act = act_run_loop;
	second.act = act_drop_others;
	second.other = &third;
	add(&first, EVCHAN_LOOP_READ);
	add(&second, EVCHAN_LOOP_READ);
	add(&third, EVCHAN_LOOP_READ);
	assert_int_equal(evchan_poll_loop_run_once(*state, 0), 0);
	assert_int_equal(first.calls, 2);
	assert_int_equal(second.calls, 1);
	assert_int_equal(third.calls, 0);
	end(&first);
	end(&second);
	end(&third);
}

static void act_free_loop(struct probe *probe)
{
	struct evchan_loop *loop = probe->loop;

	for (struct probe *other = probe->other; other; other = other->other)
		forget(other);
	forget(probe);
	evchan_poll_loop_free(loop);
}

/* The innermost of several turns may free the loop. */
static void loop_can_be_freed_in_an_inner_turn(void **state)
{
	struct evchan_loop *loop;
	struct probe first, second;

	(void)state;
	assert_int_equal(evchan_poll_loop_new(&loop), 0);
	first = begin(loop);
	second = begin(loop);
	first.act = act_run_loop;
	second.act = act_free_loop;
	second.other = &first;
	add(&first, EVCHAN_LOOP_READ);
	add(&second, EVCHAN_LOOP_READ);
	assert_int_equal(evchan_poll_loop_run_once(loop, 0), 0);
	assert_int_equal(first.calls, 2);
	assert_int_equal(second.calls, 1);
	close(first.fd);
	close(second.fd);
}

static void act_run_loop_and_set(struct probe *probe)
{
	set_timer(probe, 0);
	act_run_loop(probe);
}

/* A timer that was due is fired by the inner turn, not by both; the inner turn is a
 * later one. */
static void timers_fire_once_in_nested_turns(void **state)
{
	struct probe timers[2] = { { .loop = *state }, { .loop = *state } };

	timers[0].act = act_run_loop_and_set;
	for (int i = 0; i < 2; i++) {
		add_timer(&timers[i]);
		set_timer(&timers[i], 0);
	}
	assert_int_equal(evchan_poll_loop_run_once(*state, 0), 0);
	assert_int_equal(timers[0].calls, 2);
	assert_int_equal(timers[1].calls, 1);
	end_timer(&timers[0]);
	end_timer(&timers[1]);
}

static void act_forget_and_prepare(struct probe *probe)
{
	struct pollfd fds[3];
	size_t count;
	int wait;

	forget(probe->other);
	assert_int_equal(evchan_poll_loop_prepare(probe->loop, fds, 3, &count, &wait), 0);
	assert_int_equal(count, 1);
	assert_int_equal(fds[0].fd, probe->fd);
	/* A timer is due and has not fired yet. */
	assert_int_equal(wait, 0);
}

/* Prepare may be called in a callback: what was removed in it is not listed, and what
 * is due now is not to be waited for. */
static void prepare_can_be_called_in_a_callback(void **state)
{
	struct probe first = begin(*state), second = begin(*state),
		     timer = { .loop = *state };

	first.act = act_forget_and_prepare;
	first.other = &second;
	add_timer(&timer);
	set_timer(&timer, 0);
	add(&first, EVCHAN_LOOP_READ);
	add(&second, EVCHAN_LOOP_READ);
	assert_int_equal(evchan_poll_loop_run_once(*state, 0), 0);
	assert_int_equal(first.calls, 1);
	assert_int_equal(timer.calls, 1);
	end(&first);
	end(&second);
	end_timer(&timer);
}

static void act_expect_other_later(struct probe *probe)
{
	assert_int_equal(probe->other->calls, 0);
}

/* Of timers with the same deadline the one that was set first fires first. */
static void equal_timers_keep_their_order(void **state)
{
	struct probe timers[2] = { { .loop = *state }, { .loop = *state } };

	timers[0].act = act_expect_other_later;
	timers[0].other = &timers[1];
	add_timer(&timers[1]);
	add_timer(&timers[0]);
	for (unsigned i = 0; i < 100; i++) {
		timers[1].calls = 0;
		set_timer(&timers[0], 1);
		set_timer(&timers[1], 1);
		while (timers[1].calls == 0)
			assert_int_equal(evchan_poll_loop_run_once(*state, PATIENCE_MS),
					0);
	}
	assert_int_equal(timers[0].calls, 100);
	end_timer(&timers[0]);
	end_timer(&timers[1]);
}

/* ---- The end ----------------------------------------------------------------- */

/* A loop frees what is left on it: a forked child's handles leave theirs (and a leak
 * checker would tell of it here). */
static void loop_frees_what_is_left(void **state)
{
	struct evchan_loop *loop;
	struct probe probes[3], timers[2];

	(void)state;
	assert_int_equal(evchan_poll_loop_new(&loop), 0);
	for (int i = 0; i < 3; i++) {
		probes[i] = begin(loop);
		add(&probes[i], i == 1 ? 0 : EVCHAN_LOOP_READ);
		close(probes[i].fd);
	}
	forget(&probes[0]);
	for (int i = 0; i < 2; i++) {
		timers[i] = (struct probe){ .loop = loop };
		add_timer(&timers[i]);
	}
	set_timer(&timers[0], 5);
	evchan_poll_loop_free(loop);
}

/* Exits with the number of the first statement that fails. */
static int in_the_child(struct evchan_loop *loop)
{
	struct evchan_loop *own;
	size_t count;
	int wait;

	if (evchan_poll_loop_run_once(loop, 0) != -EOWNERDEAD)
		return 1;
	if (evchan_poll_loop_prepare(loop, NULL, 0, &count, &wait) != -EOWNERDEAD)
		return 2;
	if (evchan_poll_loop_dispatch(loop, NULL, 0) != -EOWNERDEAD)
		return 3;
	evchan_poll_loop_free(loop);
	if (evchan_poll_loop_new(&own) != 0)
		return 4;
	if (evchan_poll_loop_run_once(own, 0) != 0)
		return 5;
	evchan_poll_loop_free(own);
	return 0;
}

/* A forked child cannot run its parent's loop, but free it, and make one of its own. */
static void child_has_no_part_in_it(void **state)
{
	struct probe probe = begin(*state);
	pid_t child;
	int status;

	/* Whoever has a descriptor in the table has been here. */
	descriptor_begin();
	descriptor_end();
	add(&probe, EVCHAN_LOOP_READ);
	child = fork();
	assert_true(child >= 0);
	if (child == 0)
		_exit(in_the_child(*state));
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_int_equal(evchan_poll_loop_run_once(*state, 0), 0);
	assert_int_equal(probe.calls, 1);
	end(&probe);
}

int main(void)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(strangers_are_refused),
		TEST(empty_loop_waits),
		TEST(timer_ends_the_wait),
		TEST(signal_ends_the_wait),
		TEST(prepare_tells_how_long),
		TEST(prepare_tells_what_for),
		TEST(prepare_respects_the_capacity),
		TEST(dispatch_passes_strangers_over),
		TEST(dispatch_tells_no_stale_readiness),
		TEST(descriptor_can_have_two_watches),
		TEST(closed_descriptor_is_ready),
		TEST(watches_come_and_go),
		TEST(coming_and_going_delays_nobody),
		TEST(replacement_waits_for_the_next_turn),
		TEST(loop_can_run_in_a_callback),
		TEST(loop_can_be_freed_in_an_inner_turn),
		TEST(timers_fire_once_in_nested_turns),
		TEST(prepare_can_be_called_in_a_callback),
		TEST(equal_timers_keep_their_order),
		TEST(loop_frees_what_is_left),
		TEST(child_has_no_part_in_it),
	};
#undef TEST

	return cmocka_run_group_tests(tests, NULL, NULL);
}
