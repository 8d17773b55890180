/* SPDX-License-Identifier: MIT */
/*
 * P4: who has nothing to do does nothing. 64 processes are connected to one receiver and
 * idle; while another pair is in full flow for a while, none of them, nor the receiver,
 * uses any CPU or wakes up even once. Then all wake, to show that they were alive.
 *
 * The while is longer than any time-out the idle ones have, so that one that was left set
 * would show.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <event2/event.h>
#include <sched.h>
#include <stdbool.h>

#include "proc_status.h"
#include "scene.h"
#include "stream.h"

#define IDLERS 64u
#define HELLO_TIMEOUT_MS 150u
#define WHILE_MS 500
#define WHILES_MOST 3 /* of which one must be idle */

struct idle_case {
	const char *backend;
	enum evchan_bell bell;
	uint32_t wake_interval_ms;
	uint32_t spin_us;
};

struct gates {
	const struct idle_case *this;
	int ready;   /* opened by each idler that is connected and drained */
	int go;      /* lets an idler send one message */
	int arrived; /* opened by the receiver for each message */
	int end;     /* of the receiver */
};

/* Sends a message, and waits until it is consumed. */
static void say_something(struct test_sender *sender, struct stage *stage)
{
	unsigned drained = sender->calls[TOLD_DRAINED];

	CHECK_EQUAL(evchan_send(sender->sender, 0, "hello", 5, 0), 0);
	CHECK_EQUAL(evchan_sender_notify_drained(sender->sender), 0);
	STAGE_UNTIL(stage, sender->calls[TOLD_DRAINED] > drained);
}

static void idler(void *arg)
{
	const struct gates *gates = arg;
	struct evchan_sender_options options = EVCHAN_SENDER_OPTIONS_INIT;
	struct test_sender sender = { 0 };
	struct stage stage;

	stage_open(&stage, gates->this->backend);
	options.capacity = 4096;
	options.bell = gates->this->bell;
	options.flags = EVCHAN_SENDER_WAIT;
	test_sender_open(&sender, &stage, scene_address(), &options);
	say_something(&sender, &stage);
	scene_open_gate(gates->ready);
	stage_pass_gate(&stage, gates->go);
	say_something(&sender, &stage);
	test_sender_free(&sender);
	stage_close(&stage);
}

static void note_arrival(struct test_receiver *receiver, enum heard heard,
		struct evchan_lane *lane, const struct evchan_message *message)
{
	(void)lane;
	(void)message;
	if (heard == HEARD_MESSAGE)
		scene_open_gate(*(int *)receiver->arg);
}

static void idle_receiver(void *arg)
{
	struct gates *gates = arg;
	struct evchan_receiver_options options = EVCHAN_RECEIVER_OPTIONS_INIT;
	struct test_receiver receiver = { .act = note_arrival, .arg = &gates->arrived };
	struct stage stage;

	stage_open(&stage, gates->this->backend);
	options.hello_timeout_ms = HELLO_TIMEOUT_MS;
	options.wake_interval_ms = gates->this->wake_interval_ms;
	options.spin_us = gates->this->spin_us;
	test_receiver_open(&receiver, &stage, scene_address(), &options);
	stage_pass_gate(&stage, gates->end);
	CHECK_EQUAL(receiver.calls[HEARD_ERROR], 0);
	test_receiver_free(&receiver);
	stage_close(&stage);
}

/* ---- The measurement ----------------------------------------------------- */

struct usage {
	uint64_t ticks;
	uint64_t sleeps;
};

static struct usage usage_of(pid_t process)
{
	return (struct usage){ proc_cpu_ticks(process), proc_sleeps(process) };
}

static void note_time(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	*(int *)arg = 1;
}

/* Another pair in full flow, for a while. */
static void be_busy(void)
{
	const struct timeval duration = { 0, WHILE_MS * 1000 };
	struct stream_sink sink = { 0 };
	struct test_receiver receiver = { .act = stream_act, .arg = &sink };
	struct stage stage;
	int is_over = 0;
	pid_t process;

	scene_change_address();
	stage_open(&stage, NULL);
	test_receiver_open(&receiver, &stage, scene_address(), NULL);
	process = stream_start_endless(0, NULL);
	CHECK_EQUAL(event_base_once(stage.base, -1, EV_TIMEOUT, note_time, &is_over,
				    &duration),
			0);
	STAGE_UNTIL(&stage, is_over && sink.next[0] > 1000);
	scene_kill(process);
	test_receiver_free(&receiver);
	stage_close(&stage);
}

static void await_gates(int gate, unsigned count)
{
	while (count--)
		scene_pass_gate(gate);
}

/* Nobody of these is on the CPU, or about to be. */
static void await_sleep(const pid_t *processes, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		while (!proc_is_asleep(processes[i]))
			sched_yield();
}

/* Whether none of them has done anything during a while. */
static bool have_done_nothing(const pid_t *processes, unsigned count)
{
	struct usage before[IDLERS + 1], after;
	bool nothing = true;

	for (unsigned i = 0; i < count; i++)
		before[i] = usage_of(processes[i]);
	be_busy();
	for (unsigned i = 0; i < count; i++) {
		after = usage_of(processes[i]);
		nothing = nothing && after.ticks == before[i].ticks &&
				after.sleeps == before[i].sleeps;
	}
	return nothing;
}

static void idle_uses_nothing(void **state)
{
	struct gates gates = { *state, scene_gate(), scene_gate(), scene_gate(),
		scene_gate() };
	pid_t processes[IDLERS + 1];
	unsigned i, whiles = 1;

	for (i = 0; i < IDLERS; i++)
		processes[i] = scene_start(idler, &gates);
	processes[IDLERS] = scene_start(idle_receiver, &gates);
	await_gates(gates.ready, IDLERS);
	await_gates(gates.arrived, IDLERS);
	await_sleep(processes, IDLERS + 1);
	/* Who was asleep in a page fault, say, was only on its way to its loop. That happens once. */
	while (!have_done_nothing(processes, IDLERS + 1))
		CHECK(whiles++ < WHILES_MOST);
	for (i = 0; i < IDLERS; i++)
		scene_open_gate(gates.go);
	await_gates(gates.arrived, IDLERS);
	for (i = 0; i < IDLERS; i++)
		scene_join(processes[i]);
	scene_open_gate(gates.end);
	scene_join(processes[IDLERS]);
}

#define IDLE(backend, bell, interval, spin) \
	{ \
		"idle_uses_nothing on " backend ", " #bell ", interval " #interval \
		", spin " #spin, \
				idle_uses_nothing, scene_set_up, scene_tear_down, \
				&(struct idle_case) \
		{ \
			backend, EVCHAN_BELL_##bell, interval, spin \
		} \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IDLE("epoll", EVENTFD, 0, 1000),
		IDLE("epoll", PIPE, 5, 0),
		IDLE("poll", PIPE, 0, 0),
		IDLE("select", SOCKET, 0, 0),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
