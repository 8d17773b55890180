/* SPDX-License-Identifier: MIT */
/*
 * P6: a peer's death is told in the loop, by the kernel, in whatever way it dies, and
 * nothing else is taken for it. "Promptly" is shown without a clock: once waitpid(2) says
 * that the process is gone, turns that only look find the news.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include "scene.h"
#include "test_receiver.h"
#include "test_sender.h"

#define LOOKS 10u
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* ---- Ways to die --------------------------------------------------------- */

struct victim {
	void (*die)(const struct victim *victim);
	int ready; /* gate: it is connected */
	int go;    /* gate: it may die */
	int never; /* gate that is never opened */
};

static void be_killed(const struct victim *victim)
{
	(void)victim;
	raise(SIGKILL);
}

static void leave_quietly(const struct victim *victim)
{
	(void)victim;
	_exit(0);
}

/* By a signal that would leave a core file behind. */
static void crash(int signal_number)
{
	const struct rlimit none = { 0, 0 };

	setrlimit(RLIMIT_CORE, &none);
	signal(signal_number, SIG_DFL);
	raise(signal_number);
}

static void abort_loudly(const struct victim *victim)
{
	(void)victim;
	crash(SIGABRT);
}

static void be_terminated(const struct victim *victim)
{
	(void)victim;
	crash(SIGTERM);
}

/* The process lives on, and so would all that is not close-on-exec. */
static void become_another_program(const struct victim *victim)
{
	CHECK(dup2(victim->never, STDIN_FILENO) >= 0);
	execlp("cat", "cat", (char *)NULL);
	_exit(1);
}

static const struct death {
	const char *name;
	void (*die)(const struct victim *victim);
} deaths[] = {
	{ "killed", be_killed },
	{ "leaves", leave_quietly },
	{ "aborts", abort_loudly },
	{ "terminated", be_terminated },
	{ "executes another program", become_another_program },
};

static struct victim prepare(const struct death *death)
{
	check_context = death->name;
	return (struct victim){ death->die, scene_gate(), scene_gate(), scene_gate() };
}

/* Lets it die. The news must be there when it has, and once. */
static void let_die(const struct victim *victim, pid_t process, struct stage *stage,
		const unsigned *news)
{
	CHECK_EQUAL(*news, 0);
	scene_open_gate(victim->go);
	if (victim->die == become_another_program)
		STAGE_UNTIL(stage, *news);
	else
		(void)scene_wait(process);
	stage_look(stage, LOOKS);
	CHECK_EQUAL(*news, 1);
	if (victim->die == become_another_program)
		scene_kill(process);
	check_context = NULL;
}

/* ---- Senders ------------------------------------------------------------- */

static void dying_sender(void *arg)
{
	const struct victim *victim = arg;
	struct test_sender sender = { 0 };
	struct stage stage;

	stage_open(&stage, NULL);
	test_sender_open(&sender, &stage, scene_address(), NULL);
	STAGE_UNTIL(&stage, sender.calls[TOLD_CONNECTED]);
	scene_open_gate(victim->ready);
	scene_pass_gate(victim->go);
	victim->die(victim);
}

static void check_dying_sender(const struct death *death)
{
	struct victim victim = prepare(death);
	struct test_receiver receiver = { 0 };
	struct stage stage;
	pid_t process;

	stage_open(&stage, NULL);
	test_receiver_open(&receiver, &stage, scene_address(), NULL);
	process = scene_start(dying_sender, &victim);
	stage_pass_gate(&stage, victim.ready);
	let_die(&victim, process, &stage, &receiver.calls[HEARD_HUNG_UP]);
	CHECK_EQUAL(receiver.hung_up_reason, EVCHAN_LEFT_CRASHED);
	CHECK_EQUAL(receiver.calls[HEARD_LEFT], 1);
	CHECK_EQUAL(receiver.left_reason, EVCHAN_LEFT_CRASHED);
	CHECK_EQUAL(receiver.peer.pid, process);
	CHECK_EQUAL(receiver.peer.uid, geteuid());
	CHECK_EQUAL(receiver.calls[HEARD_ERROR], 0);
	test_receiver_free(&receiver);
	stage_close(&stage);
}

/* However a sender dies, its receiver is told at once, and of whom. */
static void death_of_a_sender_is_told(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(deaths); i++)
		check_dying_sender(&deaths[i]);
}

/* A death is told at once also while the receiver, or the lane, is paused; `left`
 * comes when it has delivered the rest. */
static void death_is_told_while_paused(void **state)
{
	struct victim victim = prepare(&deaths[0]);
	struct test_receiver receiver = { 0 };
	struct stage stage;
	pid_t process;

	(void)state;
	stage_open(&stage, NULL);
	test_receiver_open(&receiver, &stage, scene_address(), NULL);
	process = scene_start(dying_sender, &victim);
	stage_pass_gate(&stage, victim.ready);
	evchan_receiver_pause(receiver.receiver);
	evchan_lane_pause(receiver.lane);
	let_die(&victim, process, &stage, &receiver.calls[HEARD_HUNG_UP]);
	/* There is no rest to be delivered. */
	CHECK_EQUAL(receiver.calls[HEARD_LEFT], 1);
	test_receiver_free(&receiver);
	stage_close(&stage);
}

/* Many that die at once are all told, each once. */
static void many_deaths_are_told(void **state)
{
	struct victim victim = prepare(&deaths[0]);
	struct test_receiver receiver = { 0 };
	pid_t processes[20];
	struct stage stage;

	(void)state;
	stage_open(&stage, NULL);
	test_receiver_open(&receiver, &stage, scene_address(), NULL);
	for (size_t i = 0; i < COUNT(processes); i++)
		processes[i] = scene_start(dying_sender, &victim);
	for (size_t i = 0; i < COUNT(processes); i++)
		stage_pass_gate(&stage, victim.ready);
	for (size_t i = 0; i < COUNT(processes); i++)
		scene_kill(processes[i]);
	stage_look(&stage, LOOKS);
	CHECK_EQUAL(receiver.calls[HEARD_HUNG_UP], COUNT(processes));
	CHECK_EQUAL(receiver.calls[HEARD_LEFT], COUNT(processes));
	test_receiver_free(&receiver);
	stage_close(&stage);
	check_context = NULL;
}

/* A receiver without a loop is told inside the call that waits. */
static void death_ends_no_wait_but_is_told_in_it(void **state)
{
	struct victim victim = prepare(&deaths[0]);
	struct test_receiver receiver = { 0 };
	const struct evchan_message *message;
	pid_t process;

	(void)state;
	test_receiver_open(&receiver, NULL, scene_address(), NULL);
	process = scene_start(dying_sender, &victim);
	while (!receiver.calls[HEARD_JOINED])
		CHECK_EQUAL(evchan_receive_wait(&message, receiver.receiver, 1),
				-ETIMEDOUT);
	scene_pass_gate(victim.ready);
	scene_kill(process);
	CHECK_EQUAL(evchan_receive_wait(&message, receiver.receiver, 0), -EAGAIN);
	CHECK_EQUAL(receiver.calls[HEARD_LEFT], 1);
	CHECK_EQUAL(receiver.left_reason, EVCHAN_LEFT_CRASHED);
	test_receiver_free(&receiver);
	check_context = NULL;
}

/* ---- Receivers ----------------------------------------------------------- */

static void dying_receiver(void *arg)
{
	const struct victim *victim = arg;
	struct test_receiver receiver = { 0 };
	struct stage stage;

	stage_open(&stage, NULL);
	test_receiver_open(&receiver, &stage, scene_address(), NULL);
	scene_open_gate(victim->ready);
	STAGE_UNTIL(&stage, receiver.calls[HEARD_JOINED]);
	scene_pass_gate(victim->go);
	if (victim->die)
		victim->die(victim);
	test_receiver_free(&receiver);
	stage_close(&stage);
}

/* A sender is told of its receiver's end with this error. */
static void check_dying_receiver(const struct death *death, int error)
{
	struct victim victim = prepare(death);
	struct test_sender sender = { 0 };
	struct stage stage;
	pid_t process;

	stage_open(&stage, NULL);
	process = scene_start(dying_receiver, &victim);
	stage_pass_gate(&stage, victim.ready);
	test_sender_open(&sender, &stage, scene_address(), NULL);
	STAGE_UNTIL(&stage, sender.calls[TOLD_CONNECTED]);
	let_die(&victim, process, &stage, &sender.calls[TOLD_DISCONNECTED]);
	CHECK_EQUAL(sender.disconnect_error, error);
	CHECK_EQUAL(sender.calls[TOLD_REFUSED], 0);
	test_sender_free(&sender);
	stage_close(&stage);
}

/* However a receiver dies, its senders are told at once; and a clean end is told
 * apart. */
static void death_of_a_receiver_is_told(void **state)
{
	static const struct death clean = { "frees", NULL };

	(void)state;
	for (size_t i = 0; i < COUNT(deaths); i++)
		check_dying_receiver(&deaths[i], -ECONNRESET);
	check_dying_receiver(&clean, 0);
}

/* A sender that was not to reconnect is ended by it, for good. */
static void sender_may_end_with_its_receiver(void **state)
{
	struct victim victim = prepare(&deaths[0]);
	struct evchan_sender_options options = EVCHAN_SENDER_OPTIONS_INIT;
	struct test_sender sender = { 0 };
	struct stage stage;
	pid_t process;

	(void)state;
	stage_open(&stage, NULL);
	process = scene_start(dying_receiver, &victim);
	stage_pass_gate(&stage, victim.ready);
	options.flags = EVCHAN_SENDER_NO_RECONNECT;
	test_sender_open(&sender, &stage, scene_address(), &options);
	STAGE_UNTIL(&stage, sender.calls[TOLD_CONNECTED]);
	let_die(&victim, process, &stage, &sender.calls[TOLD_DISCONNECTED]);
	CHECK_EQUAL(sender.calls[TOLD_REFUSED], 1);
	CHECK_EQUAL(sender.refusal, -EPIPE);
	CHECK(sender.is_final);
	CHECK_EQUAL(evchan_send(sender.sender, 0, NULL, 0, 0), -EPIPE);
	test_sender_free(&sender);
	stage_close(&stage);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE_TEST(death_of_a_sender_is_told),
		SCENE_TEST(death_is_told_while_paused),
		SCENE_TEST(many_deaths_are_told),
		SCENE_TEST(death_ends_no_wait_but_is_told_in_it),
		SCENE_TEST(death_of_a_receiver_is_told),
		SCENE_TEST(sender_may_end_with_its_receiver),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
