/* SPDX-License-Identifier: MIT */

/*
 * What every loop owes the core. The tests see nothing but the operations table; peers
 * are pipes, socketpairs and eventfds. Where something must *not* happen, a few turns
 * that only look are run: everything that could happen is ready before them, so nothing
 * has to be waited for.
 */

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "loop_contract.h"

#define HANG_SECONDS 120  /* a test that hangs is killed */
#define PATIENCE_MS 10000 /* longest wait of one turn for what must come */

struct fixture {
	const struct loop_contract_adapter *adapter;
	struct evchan_loop *loop; /* NULL: freed by the test */
	void *host;
	unsigned clock;       /* counts callbacks, for their order */
	struct probe *all[3]; /* for act_end_all_and_free_loop() */
};

/* A watch or a timer that counts, and does something when called. */
struct probe {
	struct fixture *fixture;
	struct evchan_watch *watch;
	struct evchan_timer *timer;
	int fd;
	unsigned calls;
	unsigned events; /* of the last call */
	unsigned when;   /* fixture->clock at the last call */
	uint64_t turn;   /* loop's number in the last call */
	void (*act)(struct probe *probe);
	struct probe *other; /* for `act` */
};

/* ---- Helpers ----------------------------------------------------------------- */

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	assert_non_null(fixture);
	fixture->adapter = *state;
	assert_int_equal(fixture->adapter->make(&fixture->loop, &fixture->host), 0);
	alarm(HANG_SECONDS);
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	alarm(0);
	if (fixture->loop)
		fixture->adapter->free_loop(fixture->loop);
	fixture->adapter->free_host(fixture->host);
	free(fixture);
	return 0;
}

static void probe_called(struct probe *probe, unsigned events)
{
	struct evchan_loop *loop = probe->fixture->loop;

	probe->calls++;
	probe->events = events;
	probe->when = ++probe->fixture->clock;
	if (loop->ops->turn)
		probe->turn = loop->ops->turn(loop);
	if (probe->act)
		probe->act(probe);
}

static void on_ready(void *arg, unsigned events)
{
	probe_called(arg, events);
}

static void on_fired(void *arg)
{
	probe_called(arg, 0);
}

static int add(struct probe *probe, unsigned events)
{
	struct evchan_loop *loop = probe->fixture->loop;

	return loop->ops->watch_add(
			loop, &probe->watch, probe->fd, events, on_ready, probe);
}

/* Watches `fd`. */
static struct probe watch(struct fixture *fixture, int fd)
{
	return (struct probe){ .fixture = fixture, .fd = fd };
}

static void begin(struct probe *probe, unsigned events)
{
	assert_int_equal(add(probe, events), 0);
	assert_int_equal(probe->calls, 0);
}

static void change(struct probe *probe, unsigned events)
{
	struct evchan_loop *loop = probe->fixture->loop;
	unsigned calls = probe->calls;

	assert_int_equal(loop->ops->watch_change(loop, probe->watch, events), 0);
	assert_int_equal(probe->calls, calls);
}

static void end(struct probe *probe)
{
	struct evchan_loop *loop = probe->fixture->loop;

	loop->ops->watch_remove(loop, probe->watch);
	probe->watch = NULL;
}

static void begin_timer(struct probe *probe)
{
	struct evchan_loop *loop = probe->fixture->loop;

	assert_int_equal(loop->ops->timer_add(loop, &probe->timer, on_fired, probe), 0);
}

static void set_timer(struct probe *probe, uint32_t milliseconds)
{
	struct evchan_loop *loop = probe->fixture->loop;
	unsigned calls = probe->calls;

	assert_int_equal(loop->ops->timer_set(loop, probe->timer, milliseconds), 0);
	assert_int_equal(probe->calls, calls);
}

static void clear_timer(struct probe *probe)
{
	struct evchan_loop *loop = probe->fixture->loop;

	loop->ops->timer_clear(loop, probe->timer);
}

static void end_timer(struct probe *probe)
{
	struct evchan_loop *loop = probe->fixture->loop;

	loop->ops->timer_remove(loop, probe->timer);
	probe->timer = NULL;
}

static void run(struct fixture *fixture, int timeout_ms)
{
	assert_int_equal(fixture->adapter->run_turn(fixture->host, timeout_ms), 0);
}

/* Turns that only look. */
static void look(struct fixture *fixture, unsigned turns)
{
	while (turns-- > 0)
		run(fixture, 0);
}

/* Turns until the probe was called `calls` times in all. */
static void run_until(struct probe *probe, unsigned calls)
{
	for (unsigned turns = 0; probe->calls < calls; turns++) {
		assert_in_range(turns, 0, 1000);
		run(probe->fixture, PATIENCE_MS);
	}
}

static void make_pipe(int ends[2])
{
	assert_int_equal(pipe(ends), 0);
}

static void make_pair(int ends[2])
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
}

static void close_both(const int ends[2])
{
	close(ends[0]);
	close(ends[1]);
}

/* The shortest edge, on a pipe, a socket or an eventfd. */
static void poke(int fd)
{
	const uint64_t one = 1;

	assert_int_equal(write(fd, &one, sizeof(one)), sizeof(one));
}

static void consume(int fd)
{
	uint64_t one;

	assert_int_equal(read(fd, &one, sizeof(one)), sizeof(one));
}

/* Until nothing more can be written, not even one byte. */
static void fill(int fd)
{
	char bytes[4096] = { 0 };
	int flags = fcntl(fd, F_GETFL);

	assert_int_equal(fcntl(fd, F_SETFL, flags | O_NONBLOCK), 0);
	for (size_t size = sizeof(bytes); size > 0; size /= 2) {
		while (write(fd, bytes, size) > 0)
			continue;
		assert_int_equal(errno, EAGAIN);
	}
	assert_int_equal(fcntl(fd, F_SETFL, flags), 0);
}

static bool has_edges(const struct fixture *fixture)
{
	return fixture->loop->ops->features & EVCHAN_LOOP_EDGE;
}

static uint64_t milliseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* What probes do when called. */

static void act_consume(struct probe *probe)
{
	consume(probe->fd);
}

static void act_end(struct probe *probe)
{
	end(probe);
}

static void act_end_other(struct probe *probe)
{
	if (probe->other->watch)
		end(probe->other);
}

static void act_end_other_timer(struct probe *probe)
{
	if (probe->other->timer)
		end_timer(probe->other);
}

static void act_end_timer(struct probe *probe)
{
	end_timer(probe);
}

static void act_set_timer_to_zero(struct probe *probe)
{
	set_timer(probe, 0);
}

static void free_loop(struct fixture *fixture)
{
	fixture->adapter->free_loop(fixture->loop);
	fixture->loop = NULL;
}

static void act_end_and_free_loop(struct probe *probe)
{
	end(probe);
	free_loop(probe->fixture);
}

static void act_end_timer_and_free_loop(struct probe *probe)
{
	end_timer(probe);
	free_loop(probe->fixture);
}

/* ---- The table --------------------------------------------------------------- */

/* The table tells its size and has everything but what is optional. */
static void table_is_complete(void **state)
{
	struct fixture *fixture = *state;
	const struct evchan_loop_ops *ops = fixture->loop->ops;

	assert_int_equal(ops->size, sizeof(*ops));
	assert_int_equal(ops->features & ~EVCHAN_LOOP_EDGE, 0);
	assert_non_null(ops->watch_add);
	assert_non_null(ops->watch_change);
	assert_non_null(ops->watch_remove);
	assert_non_null(ops->timer_add);
	assert_non_null(ops->timer_set);
	assert_non_null(ops->timer_clear);
	assert_non_null(ops->timer_remove);
}

/* What is no descriptor is refused, and nothing is written. */
static void no_descriptor_is_refused(void **state)
{
	struct probe probe = watch(*state, -1);

	assert_int_equal(add(&probe, EVCHAN_LOOP_READ), -EBADF);
	assert_null(probe.watch);
}

/* ---- Watches ----------------------------------------------------------------- */

/* Nothing is called back from inside a function, however ready the descriptor is; the
 * next turn does it (`begin`, `change` and `set_timer` check that throughout). */
static void calls_back_from_a_turn_only(void **state)
{
	struct fixture *fixture = *state;
	struct probe probe;
	int ends[2];

	make_pipe(ends);
	poke(ends[1]);
	probe = watch(fixture, ends[0]);
	begin(&probe, EVCHAN_LOOP_READ);
	change(&probe, EVCHAN_LOOP_READ | EVCHAN_LOOP_WRITE);
	change(&probe, EVCHAN_LOOP_READ);
	run_until(&probe, 1);
	assert_int_equal(probe.events, EVCHAN_LOOP_READ);
	end(&probe);
	close_both(ends);
}

/* A watch is called when its descriptor becomes ready, and not before. */
static void readiness_is_told(void **state)
{
	struct fixture *fixture = *state;
	struct probe probe;
	int ends[2];

	make_pipe(ends);
	probe = watch(fixture, ends[0]);
	probe.act = act_consume;
	begin(&probe, EVCHAN_LOOP_READ);
	look(fixture, 3);
	assert_int_equal(probe.calls, 0);
	poke(ends[1]);
	run_until(&probe, 1);
	look(fixture, 3);
	assert_int_equal(probe.calls, 1);
	poke(ends[1]);
	run_until(&probe, 2);
	end(&probe);
	close_both(ends);
}

/* Without the wish for edges, readiness that nobody consumes is told in every turn. */
static void level_is_told_again(void **state)
{
	struct fixture *fixture = *state;
	struct probe probe;
	int ends[2];

	make_pipe(ends);
	poke(ends[1]);
	probe = watch(fixture, ends[0]);
	begin(&probe, EVCHAN_LOOP_READ);
	run_until(&probe, 10);
	end(&probe);
	close_both(ends);
}

/* Of read and write a watch is told no more than it waits for. */
static void only_the_interest_is_told(void **state)
{
	struct fixture *fixture = *state;
	struct probe probe;
	int ends[2];

	make_pair(ends);
	poke(ends[1]);
	probe = watch(fixture, ends[0]);
	begin(&probe, EVCHAN_LOOP_WRITE);
	run_until(&probe, 1);
	assert_int_equal(probe.events, EVCHAN_LOOP_WRITE);
	change(&probe, EVCHAN_LOOP_READ);
	run_until(&probe, 2);
	assert_int_equal(probe.events, EVCHAN_LOOP_READ);
	change(&probe, EVCHAN_LOOP_READ | EVCHAN_LOOP_WRITE);
	run_until(&probe, 3);
	assert_int_equal(probe.events, EVCHAN_LOOP_READ | EVCHAN_LOOP_WRITE);
	end(&probe);
	close_both(ends);
}

/* A watch may wait for nothing, and take up again what it missed. */
static void interest_can_be_nothing(void **state)
{
	struct fixture *fixture = *state;
	struct probe probe;
	int ends[2];

	make_pair(ends);
	probe = watch(fixture, ends[0]);
	begin(&probe, 0);
	poke(ends[1]);
	close(ends[1]);
	look(fixture, 3);
	assert_int_equal(probe.calls, 0);
	change(&probe, EVCHAN_LOOP_READ);
	run_until(&probe, 1);
	change(&probe, 0);
	look(fixture, 3);
	assert_int_equal(probe.calls, 1);
	change(&probe, EVCHAN_LOOP_READ);
	run_until(&probe, 2);
	end(&probe);
	close(ends[0]);
}

static void act_wait_for_nothing(struct probe *probe)
{
	change(probe, 0);
	if (probe->other->watch)
		change(probe->other, 0);
}

/* A callback may change its own interest and another's, and what it took away is told
 * no more, even if it was waiting in the present turn. */
static void interest_can_change_in_a_callback(void **state)
{
	struct fixture *fixture = *state;
	struct probe probes[2];
	int ends[2][2];

	for (int i = 0; i < 2; i++) {
		make_pipe(ends[i]);
		poke(ends[i][1]);
		probes[i] = watch(fixture, ends[i][0]);
		probes[i].act = act_wait_for_nothing;
		probes[i].other = &probes[1 - i];
		begin(&probes[i], EVCHAN_LOOP_READ);
	}
	run(fixture, PATIENCE_MS);
	look(fixture, 3);
	assert_int_equal(probes[0].calls + probes[1].calls, 1);
	for (int i = 0; i < 2; i++) {
		change(&probes[i], EVCHAN_LOOP_READ);
		run_until(&probes[i], 1);
		end(&probes[i]);
		close_both(ends[i]);
	}
}

/* The end of a peer counts as readable and as writable. */
static void hang_up_is_told(void **state)
{
	static const unsigned interests[] = {
		EVCHAN_LOOP_READ,
		EVCHAN_LOOP_WRITE,
		EVCHAN_LOOP_READ | EVCHAN_LOOP_WRITE,
		EVCHAN_LOOP_READ | EVCHAN_LOOP_EDGE,
		EVCHAN_LOOP_WRITE | EVCHAN_LOOP_EDGE,
		EVCHAN_LOOP_READ | EVCHAN_LOOP_WRITE | EVCHAN_LOOP_EDGE,
	};
	struct fixture *fixture = *state;

	for (size_t i = 0; i < sizeof(interests) / sizeof(interests[0]); i++) {
		struct probe probe;
		int ends[2];

		make_pair(ends);
		fill(ends[0]);
		probe = watch(fixture, ends[0]);
		begin(&probe, interests[i]);
		look(fixture, 3);
		assert_int_equal(probe.calls, 0);
		close(ends[1]);
		run_until(&probe, 1);
		assert_int_equal(probe.events, interests[i] & ~EVCHAN_LOOP_EDGE);
		end(&probe);
		close(ends[0]);
	}
}

/* So does the end of the readers of a pipe, for the one who writes, also if there is
 * no room in it. */
static void error_is_told(void **state)
{
	struct fixture *fixture = *state;
	struct probe probe;
	int ends[2];

	make_pipe(ends);
	probe = watch(fixture, ends[1]);
	probe.act = act_end;
	fill(ends[1]);
	begin(&probe, EVCHAN_LOOP_WRITE);
	look(fixture, 3);
	assert_int_equal(probe.calls, 0);
	close(ends[0]);
	run_until(&probe, 1);
	assert_int_equal(probe.events, EVCHAN_LOOP_WRITE);
	close(ends[1]);
}

/* A removed watch is silent, and the descriptor stays open. */
static void removed_watch_is_silent(void **state)
{
	struct fixture *fixture = *state;
	struct probe probe;
	int ends[2];

	make_pipe(ends);
	probe = watch(fixture, ends[0]);
	begin(&probe, EVCHAN_LOOP_READ);
	poke(ends[1]);
	end(&probe);
	look(fixture, 3);
	assert_int_equal(probe.calls, 0);
	consume(ends[0]);
	close_both(ends);
}

/* A watch may remove itself in its callback. */
static void watch_can_remove_itself(void **state)
{
	struct fixture *fixture = *state;
	struct probe probe;
	int ends[2];

	make_pipe(ends);
	poke(ends[1]);
	probe = watch(fixture, ends[0]);
	probe.act = act_end;
	begin(&probe, EVCHAN_LOOP_READ);
	run_until(&probe, 1);
	look(fixture, 3);
	assert_int_equal(probe.calls, 1);
	close_both(ends);
}

/* One that was removed by another's callback is not called, although its event was
 * waiting in the same turn. */
static void watch_can_remove_a_waiting_one(void **state)
{
	struct fixture *fixture = *state;
	struct probe probes[2];
	int ends[2][2];

	for (int i = 0; i < 2; i++) {
		make_pipe(ends[i]);
		poke(ends[i][1]);
		probes[i] = watch(fixture, ends[i][0]);
		probes[i].act = act_end_other;
		probes[i].other = &probes[1 - i];
		begin(&probes[i], EVCHAN_LOOP_READ);
	}
	run(fixture, PATIENCE_MS);
	look(fixture, 3);
	/* Whichever came first has silenced the other. */
	assert_true(probes[0].calls == 0 || probes[1].calls == 0);
	assert_true(probes[0].calls > 0 || probes[1].calls > 0);
	for (int i = 0; i < 2; i++) {
		if (probes[i].watch)
			end(&probes[i]);
		close_both(ends[i]);
	}
}

/* Closes the other's descriptor while its event is waiting, and watches a new one that
 * gets the same number. */
static void act_replace_other(struct probe *probe)
{
	struct probe *other = probe->other;
	int ends[2];

	if (other->watch == NULL || other->calls > 0 || probe->calls > 1)
		return;
	end(other);
	close(other->fd);
	make_pipe(ends);
	assert_int_equal(ends[0], other->fd);
	close(ends[1]);
	/* The end of file makes the new one ready at once, so that it must be called. */
	other->act = act_end;
	assert_int_equal(add(other, EVCHAN_LOOP_READ), 0);
}

/* A descriptor's number may be used again in the turn in which its watch was removed. */
static void descriptor_can_be_used_again(void **state)
{
	struct fixture *fixture = *state;
	struct probe probes[2];
	int ends[2][2];

	for (int i = 0; i < 2; i++) {
		make_pipe(ends[i]);
		poke(ends[i][1]);
		probes[i] = watch(fixture, ends[i][0]);
		probes[i].other = &probes[1 - i];
		probes[i].act = act_replace_other;
		begin(&probes[i], EVCHAN_LOOP_READ);
	}
	run_until(&probes[0], 1);
	run_until(&probes[1], 1);
	for (int i = 0; i < 2; i++) {
		if (probes[i].watch)
			end(&probes[i]);
		close_both(ends[i]);
	}
}

static void act_end_and_spawn(struct probe *probe)
{
	end(probe);
	probe->other->fd = probe->fd;
	begin(probe->other, EVCHAN_LOOP_READ);
}

/* A callback may add watches, on its own descriptor too. */
static void watch_can_add_another(void **state)
{
	struct fixture *fixture = *state;
	struct probe first, second;
	int ends[2];

	make_pipe(ends);
	poke(ends[1]);
	first = watch(fixture, ends[0]);
	second = watch(fixture, -1);
	first.act = act_end_and_spawn;
	first.other = &second;
	begin(&first, EVCHAN_LOOP_READ);
	run_until(&second, 1);
	assert_int_equal(first.calls, 1);
	end(&second);
	close_both(ends);
}

#define MANY 200

/* Every one of many ready watches is served, while others come and go. */
static void many_watches_are_served(void **state)
{
	struct fixture *fixture = *state;
	struct probe *probes = calloc(MANY, sizeof(*probes));
	int(*ends)[2] = calloc(MANY, sizeof(*ends));

	assert_non_null(probes);
	assert_non_null(ends);
	for (int i = 0; i < MANY; i++) {
		make_pipe(ends[i]);
		probes[i] = watch(fixture, ends[i][0]);
		begin(&probes[i], EVCHAN_LOOP_READ);
	}
	/* Every third goes before the turn, every third in its own callback. */
	for (int i = 0; i < MANY; i++) {
		poke(ends[i][1]);
		if (i % 3 == 0)
			end(&probes[i]);
		if (i % 3 == 1)
			probes[i].act = act_end;
	}
	for (int i = 0; i < MANY; i++) {
		if (i % 3 != 0)
			run_until(&probes[i], 1);
	}
	look(fixture, 2);
	for (int i = 0; i < MANY; i++) {
		if (i % 3 == 0)
			assert_int_equal(probes[i].calls, 0);
		if (i % 3 == 1)
			assert_int_equal(probes[i].calls, 1);
		if (probes[i].watch)
			end(&probes[i]);
		close_both(ends[i]);
	}
	free(ends);
	free(probes);
}

/* A watch that is always ready keeps no other from being served. */
static void busy_watch_starves_nobody(void **state)
{
	struct fixture *fixture = *state;
	struct probe busy, other;
	int ends[2][2];

	make_pipe(ends[0]);
	make_pipe(ends[1]);
	poke(ends[0][1]);
	busy = watch(fixture, ends[0][0]);
	other = watch(fixture, ends[1][0]);
	other.act = act_consume;
	begin(&busy, EVCHAN_LOOP_READ);
	begin(&other, EVCHAN_LOOP_READ);
	for (unsigned i = 1; i <= 10; i++) {
		poke(ends[1][1]);
		look(fixture, 2);
		assert_int_equal(other.calls, i);
	}
	end(&busy);
	end(&other);
	close_both(ends[0]);
	close_both(ends[1]);
}

/* ---- Edges ------------------------------------------------------------------- */

static void need_edges(const struct fixture *fixture)
{
	if (!has_edges(fixture))
		skip();
}

/* With edges, readiness that nobody consumes is told once. */
static void edge_is_told_once(void **state)
{
	struct fixture *fixture = *state;
	struct probe probe;
	int fd;

	need_edges(fixture);
	fd = eventfd(0, EFD_NONBLOCK);
	probe = watch(fixture, fd);
	begin(&probe, EVCHAN_LOOP_READ | EVCHAN_LOOP_EDGE);
	look(fixture, 3);
	assert_int_equal(probe.calls, 0);
	poke(fd);
	run_until(&probe, 1);
	look(fixture, 10);
	assert_int_equal(probe.calls, 1);
	end(&probe);
	close(fd);
}

/* Each change is told although the descriptor was ready already: an eventfd that
 * nobody ever reads is a bell. */
static void each_edge_is_told(void **state)
{
	struct fixture *fixture = *state;
	struct probe probe;
	int fd;

	need_edges(fixture);
	fd = eventfd(0, EFD_NONBLOCK);
	probe = watch(fixture, fd);
	begin(&probe, EVCHAN_LOOP_READ | EVCHAN_LOOP_EDGE);
	for (unsigned i = 1; i <= 20; i++) {
		poke(fd);
		run_until(&probe, i);
		look(fixture, 2);
		assert_int_equal(probe.calls, i);
	}
	end(&probe);
	close(fd);
}

/* A descriptor that is ready when its watch begins is told. */
static void edge_before_the_watch_is_told(void **state)
{
	struct fixture *fixture = *state;
	struct probe probe;
	int fd;

	need_edges(fixture);
	fd = eventfd(1, EFD_NONBLOCK);
	probe = watch(fixture, fd);
	for (unsigned i = 1; i <= 3; i++) {
		assert_int_equal(add(&probe, EVCHAN_LOOP_READ | EVCHAN_LOOP_EDGE), 0);
		run_until(&probe, i);
		look(fixture, 2);
		assert_int_equal(probe.calls, i);
		end(&probe);
	}
	close(fd);
}

/* A change of interest loses no edge: what is ready under the new interest is told. */
static void change_loses_no_edge(void **state)
{
	struct fixture *fixture = *state;
	struct probe probe;
	int ends[2];

	need_edges(fixture);
	make_pair(ends);
	probe = watch(fixture, ends[0]);
	begin(&probe, EVCHAN_LOOP_READ | EVCHAN_LOOP_EDGE);
	look(fixture, 2);
	change(&probe, EVCHAN_LOOP_READ | EVCHAN_LOOP_WRITE | EVCHAN_LOOP_EDGE);
	run_until(&probe, 1);
	assert_true(probe.events & EVCHAN_LOOP_WRITE);
	look(fixture, 3);
	assert_int_equal(probe.calls, 1);

	/* An edge that comes right before the change. */
	poke(ends[1]);
	change(&probe, EVCHAN_LOOP_READ | EVCHAN_LOOP_EDGE);
	run_until(&probe, 2);
	assert_int_equal(probe.events, EVCHAN_LOOP_READ);
	look(fixture, 3);
	assert_int_equal(probe.calls, 2);
	end(&probe);
	close_both(ends);
}

/* ---- Timers ------------------------------------------------------------------ */

/* A timer fires once for each time it is set, and never by itself. */
static void timer_fires_once(void **state)
{
	struct fixture *fixture = *state;
	struct probe timer = watch(fixture, -1);

	begin_timer(&timer);
	look(fixture, 3);
	assert_int_equal(timer.calls, 0);
	for (unsigned i = 1; i <= 3; i++) {
		set_timer(&timer, i - 1);
		run_until(&timer, i);
		look(fixture, 3);
		assert_int_equal(timer.calls, i);
	}
	end_timer(&timer);
}

/* A timer takes about its time. libevent's clock lags by a tick, hence the wide lower
 * bound. */
static void timer_takes_its_time(void **state)
{
	struct fixture *fixture = *state;
	struct probe timer = watch(fixture, -1);
	uint64_t before = milliseconds();

	begin_timer(&timer);
	set_timer(&timer, 100);
	run_until(&timer, 1);
	assert_in_range(milliseconds() - before, 60, 100 + PATIENCE_MS);
	end_timer(&timer);
}

/* Timers fire in the order of their times, not of their setting. */
static void timers_fire_in_order(void **state)
{
	static const uint32_t times[] = { 90, 0, 120, 30, 60 };
	enum {
		COUNT = sizeof(times) / sizeof(times[0])
	};
	struct fixture *fixture = *state;
	struct probe timers[COUNT];

	for (int i = 0; i < COUNT; i++) {
		timers[i] = watch(fixture, -1);
		begin_timer(&timers[i]);
		set_timer(&timers[i], times[i]);
	}
	run_until(&timers[2], 1);
	assert_int_equal(timers[1].when, 1);
	assert_int_equal(timers[3].when, 2);
	assert_int_equal(timers[4].when, 3);
	assert_int_equal(timers[0].when, 4);
	for (int i = 0; i < COUNT; i++)
		end_timer(&timers[i]);
}

/* Setting a timer that is set moves it, both ways. */
static void setting_moves_a_timer(void **state)
{
	struct fixture *fixture = *state;
	struct probe timer = watch(fixture, -1);

	begin_timer(&timer);
	set_timer(&timer, 0);
	set_timer(&timer, UINT32_MAX);
	look(fixture, 3);
	assert_int_equal(timer.calls, 0);
	set_timer(&timer, 0);
	run_until(&timer, 1);
	look(fixture, 3);
	assert_int_equal(timer.calls, 1);
	end_timer(&timer);
}

/* A cleared timer is silent until it is set again; clearing is harmless at any time. */
static void cleared_timer_is_silent(void **state)
{
	struct fixture *fixture = *state;
	struct probe timer = watch(fixture, -1);

	begin_timer(&timer);
	clear_timer(&timer);
	set_timer(&timer, 0);
	clear_timer(&timer);
	clear_timer(&timer);
	look(fixture, 3);
	assert_int_equal(timer.calls, 0);
	set_timer(&timer, 0);
	run_until(&timer, 1);
	end_timer(&timer);
}

static void act_set_and_poke(struct probe *probe)
{
	consume(probe->fd);
	set_timer(probe->other, 0);
	poke(probe->other->fd);
}

/* A timer that a callback sets to 0 fires on a later turn, and behind what became
 * ready by then. */
static void zero_is_a_later_turn(void **state)
{
	struct fixture *fixture = *state;
	struct probe first, second, timer;
	int ends[2][2];

	make_pipe(ends[0]);
	make_pipe(ends[1]);
	first = watch(fixture, ends[0][0]);
	second = watch(fixture, ends[1][0]);
	timer = watch(fixture, ends[1][1]);
	begin_timer(&timer);
	first.act = act_set_and_poke;
	first.other = &timer;
	second.act = act_consume;
	begin(&first, EVCHAN_LOOP_READ);
	begin(&second, EVCHAN_LOOP_READ);

	poke(ends[0][1]);
	run(fixture, PATIENCE_MS);
	assert_int_equal(first.calls, 1);
	assert_int_equal(second.calls, 0);
	assert_int_equal(timer.calls, 0);
	run_until(&timer, 1);
	assert_int_equal(second.calls, 1);
	assert_true(second.when < timer.when);

	end(&first);
	end(&second);
	end_timer(&timer);
	close_both(ends[0]);
	close_both(ends[1]);
}

/* A timer that sets itself to 0 each time fires once a turn, and lets ready
 * descriptors in between. */
static void zero_starves_nobody(void **state)
{
	struct fixture *fixture = *state;
	struct probe timer = watch(fixture, -1), other;
	int ends[2];

	make_pipe(ends);
	other = watch(fixture, ends[0]);
	other.act = act_consume;
	begin(&other, EVCHAN_LOOP_READ);
	timer.act = act_set_timer_to_zero;
	begin_timer(&timer);
	set_timer(&timer, 0);
	for (unsigned i = 1; i <= 10; i++) {
		poke(ends[1]);
		look(fixture, 1);
		assert_int_equal(other.calls, i);
		assert_in_range(timer.calls, i - 1, i);
	}
	end(&other);
	end_timer(&timer);
	close_both(ends);
}

/* A timer may remove itself in its callback. */
static void timer_can_remove_itself(void **state)
{
	struct fixture *fixture = *state;
	struct probe timer = watch(fixture, -1);

	timer.act = act_end_timer;
	begin_timer(&timer);
	set_timer(&timer, 0);
	run_until(&timer, 1);
	look(fixture, 3);
	assert_int_equal(timer.calls, 1);
}

/* One that was removed by another's callback does not fire, although its time had come
 * in the same turn. */
static void timer_can_remove_a_waiting_one(void **state)
{
	struct fixture *fixture = *state;
	struct probe timers[2];

	for (int i = 0; i < 2; i++) {
		timers[i] = watch(fixture, -1);
		timers[i].act = act_end_other_timer;
		timers[i].other = &timers[1 - i];
		begin_timer(&timers[i]);
	}
	set_timer(&timers[0], 0);
	set_timer(&timers[1], 0);
	run(fixture, PATIENCE_MS);
	look(fixture, 3);
	assert_int_equal(timers[0].calls + timers[1].calls, 1);
	for (int i = 0; i < 2; i++) {
		if (timers[i].timer)
			end_timer(&timers[i]);
	}
}

static void act_end_other_of_any_kind(struct probe *probe)
{
	consume(probe->fd);
	end_timer(probe->other);
}

/* A watch may remove a timer that is due in the same turn. */
static void watch_can_remove_a_due_timer(void **state)
{
	struct fixture *fixture = *state;
	struct probe timer = watch(fixture, -1), first;
	int ends[2];

	make_pipe(ends);
	first = watch(fixture, ends[0]);
	first.act = act_end_other_of_any_kind;
	first.other = &timer;
	begin_timer(&timer);
	begin(&first, EVCHAN_LOOP_READ);
	set_timer(&timer, 0);
	poke(ends[1]);
	run(fixture, PATIENCE_MS);
	look(fixture, 3);
	assert_int_equal(first.calls, 1);
	assert_int_equal(timer.calls, 0);
	end(&first);
	close_both(ends);
}

/* A timer that nobody sets, and one that is set, can both be removed at any time. */
static void timer_can_be_removed(void **state)
{
	struct fixture *fixture = *state;
	struct probe idle = watch(fixture, -1), set = watch(fixture, -1);

	begin_timer(&idle);
	begin_timer(&set);
	set_timer(&set, 0);
	end_timer(&idle);
	end_timer(&set);
	look(fixture, 3);
	assert_int_equal(idle.calls + set.calls, 0);
}

/* ---- Freeing the loop -------------------------------------------------------- */

/* The last watch may free the loop in its callback. */
static void watch_can_free_the_loop(void **state)
{
	struct fixture *fixture = *state;
	struct probe probe;
	int ends[2];

	make_pipe(ends);
	poke(ends[1]);
	probe = watch(fixture, ends[0]);
	probe.act = act_end_and_free_loop;
	begin(&probe, EVCHAN_LOOP_READ);
	run(fixture, PATIENCE_MS);
	assert_int_equal(probe.calls, 1);
	assert_null(fixture->loop);
	close_both(ends);
}

/* So may the last timer. */
static void timer_can_free_the_loop(void **state)
{
	struct fixture *fixture = *state;
	struct probe timer = watch(fixture, -1);

	timer.act = act_end_timer_and_free_loop;
	begin_timer(&timer);
	set_timer(&timer, 0);
	run(fixture, PATIENCE_MS);
	assert_int_equal(timer.calls, 1);
	assert_null(fixture->loop);
}

static void act_end_all_and_free_loop(struct probe *probe)
{
	struct fixture *fixture = probe->fixture;

	for (int i = 0; i < 3; i++) {
		if (fixture->all[i]->watch)
			end(fixture->all[i]);
		if (fixture->all[i]->timer)
			end_timer(fixture->all[i]);
	}
	free_loop(fixture);
}

/* The loop may be freed in a callback while others, removed just now, were waiting for
 * their turn. */
static void loop_can_be_freed_with_others_waiting(void **state)
{
	struct fixture *fixture = *state;
	struct probe probes[3];
	int ends[2][2];

	for (int i = 0; i < 3; i++) {
		probes[i] = watch(fixture, -1);
		probes[i].act = act_end_all_and_free_loop;
		fixture->all[i] = &probes[i];
	}
	for (int i = 0; i < 2; i++) {
		make_pipe(ends[i]);
		poke(ends[i][1]);
		probes[i].fd = ends[i][0];
		begin(&probes[i], EVCHAN_LOOP_READ);
	}
	begin_timer(&probes[2]);
	set_timer(&probes[2], 0);
	run(fixture, PATIENCE_MS);
	assert_int_equal(probes[0].calls + probes[1].calls + probes[2].calls, 1);
	assert_null(fixture->loop);
	close_both(ends[0]);
	close_both(ends[1]);
}

/* ---- Turns ------------------------------------------------------------------- */

static void need_turns(const struct fixture *fixture)
{
	if (fixture->loop->ops->turn == NULL)
		skip();
}

/* All callbacks of one pass see one number, those of the next pass another, and never
 * 0. */
static void turn_is_one_number_per_pass(void **state)
{
	struct fixture *fixture = *state;
	struct probe probes[3];
	uint64_t last;
	int ends[3][2];

	need_turns(fixture);
	for (int i = 0; i < 3; i++) {
		make_pipe(ends[i]);
		poke(ends[i][1]);
		probes[i] = watch(fixture, ends[i][0]);
		begin(&probes[i], EVCHAN_LOOP_READ);
	}
	last = 0;
	for (unsigned i = 1; i <= 1000; i++) {
		look(fixture, 1);
		for (int j = 0; j < 3; j++) {
			assert_int_equal(probes[j].calls, i);
			assert_int_equal(probes[j].turn, probes[0].turn);
		}
		assert_int_not_equal(probes[0].turn, last);
		last = probes[0].turn;
	}
	for (int i = 0; i < 3; i++) {
		end(&probes[i]);
		close_both(ends[i]);
	}
}

/* A timer set to 0 in a callback sees another number than that callback. */
static void zero_timer_has_another_turn(void **state)
{
	struct fixture *fixture = *state;
	struct probe timer = watch(fixture, -1);
	uint64_t last;

	need_turns(fixture);
	timer.act = act_set_timer_to_zero;
	begin_timer(&timer);
	set_timer(&timer, 0);
	last = 0;
	for (unsigned i = 1; i <= 1000; i++) {
		run_until(&timer, i);
		assert_int_not_equal(timer.turn, last);
		last = timer.turn;
	}
	end_timer(&timer);
}

/* The number can be asked for outside a turn, too, and is not 0 there. */
static void turn_is_never_zero(void **state)
{
	struct fixture *fixture = *state;

	need_turns(fixture);
	assert_int_not_equal(fixture->loop->ops->turn(fixture->loop), 0);
	look(fixture, 3);
	assert_int_not_equal(fixture->loop->ops->turn(fixture->loop), 0);
}

/* ---- The suite --------------------------------------------------------------- */

int loop_contract_run(const struct loop_contract_adapter *adapter)
{
	/* The state is the adapter, which nobody writes to. */
	union {
		const void *adapter;
		void *state;
	} initial = { .adapter = adapter };
#define CONTRACT(test) \
	cmocka_unit_test_prestate_setup_teardown(test, set_up, tear_down, initial.state)
	const struct CMUnitTest tests[] = {
		CONTRACT(table_is_complete),
		CONTRACT(no_descriptor_is_refused),
		CONTRACT(calls_back_from_a_turn_only),
		CONTRACT(readiness_is_told),
		CONTRACT(level_is_told_again),
		CONTRACT(only_the_interest_is_told),
		CONTRACT(interest_can_be_nothing),
		CONTRACT(interest_can_change_in_a_callback),
		CONTRACT(hang_up_is_told),
		CONTRACT(error_is_told),
		CONTRACT(removed_watch_is_silent),
		CONTRACT(watch_can_remove_itself),
		CONTRACT(watch_can_remove_a_waiting_one),
		CONTRACT(descriptor_can_be_used_again),
		CONTRACT(watch_can_add_another),
		CONTRACT(many_watches_are_served),
		CONTRACT(busy_watch_starves_nobody),
		CONTRACT(edge_is_told_once),
		CONTRACT(each_edge_is_told),
		CONTRACT(edge_before_the_watch_is_told),
		CONTRACT(change_loses_no_edge),
		CONTRACT(timer_fires_once),
		CONTRACT(timer_takes_its_time),
		CONTRACT(timers_fire_in_order),
		CONTRACT(setting_moves_a_timer),
		CONTRACT(cleared_timer_is_silent),
		CONTRACT(zero_is_a_later_turn),
		CONTRACT(zero_starves_nobody),
		CONTRACT(timer_can_remove_itself),
		CONTRACT(timer_can_remove_a_waiting_one),
		CONTRACT(watch_can_remove_a_due_timer),
		CONTRACT(timer_can_be_removed),
		CONTRACT(watch_can_free_the_loop),
		CONTRACT(timer_can_free_the_loop),
		CONTRACT(loop_can_be_freed_with_others_waiting),
		CONTRACT(turn_is_one_number_per_pass),
		CONTRACT(zero_timer_has_another_turn),
		CONTRACT(turn_is_never_zero),
	};
#undef CONTRACT

	return _cmocka_run_group_tests(adapter->name, tests,
			sizeof(tests) / sizeof(tests[0]), NULL, NULL);
}
