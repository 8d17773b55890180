/* SPDX-License-Identifier: MIT */
/*
 * Two thousand senders on one receiver: all connect, send one message each, which
 * arrives, and stay. What an idle lane then costs the receiver, in memory and
 * descriptors, is measured and printed.
 *
 * The memory is what the kernel calls resident. That counts pages of a sender's ring
 * which the receiver has looked at, though they are the sender's; for small rings it is a
 * page or two.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <event2/event.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <unistd.h>

#include "proc_status.h"
#include "process.h"
#include "scene.h"
#include "test_receiver.h"
#include "test_sender.h"

#define SENDERS 2000u
#define PER_PROCESS 100u
#define PROCESSES (SENDERS / PER_PROCESS)
#define LANE_BYTES_MOST (32u << 10)
#define SPARE_DESCRIPTORS 64u

struct crowd {
	unsigned senders; /* of each process */
	int end;          /* gate: passed by each process at the end */
};

static void crowd(void *arg)
{
	const struct crowd *crowd = arg;
	struct evchan_sender_options options = EVCHAN_SENDER_OPTIONS_INIT;
	struct test_sender senders[PER_PROCESS] = { 0 };
	struct stage stage;

	stage_open(&stage, NULL);
	options.capacity = 4096;
	options.flags = EVCHAN_SENDER_WAIT;
	options.reconnect_max_ms = 50;
	for (unsigned i = 0; i < crowd->senders; i++) {
		test_sender_open(&senders[i], &stage, scene_address(), &options);
		CHECK_EQUAL(evchan_send(senders[i].sender, 0, "here", 4, 0), 0);
	}
	stage_pass_gate(&stage, crowd->end);
	for (unsigned i = 0; i < crowd->senders; i++) {
		STAGE_UNTIL(&stage, senders[i].calls[TOLD_CONNECTED]);
		CHECK_EQUAL(test_sender_unconsumed(&senders[i]), 0);
		test_sender_free(&senders[i]);
	}
	stage_close(&stage);
}

/* What the receiver uses. */
struct cost {
	uint64_t bytes;
	unsigned descriptors;
};

static struct cost cost_now(void)
{
	return (struct cost){ proc_resident(getpid()), count_open_descriptors() };
}

static void check_cost(const struct cost *before, unsigned lanes)
{
	struct cost now = cost_now();
	double bytes = (double)(now.bytes - before->bytes) / lanes;
	double descriptors = (double)(now.descriptors - before->descriptors) / lanes;

	print_message("%u idle lanes: %.1f KiB and %.2f descriptors each\n", lanes,
			bytes / 1024, descriptors);
	CHECK(descriptors <= 2.1);
	/* With shadow memory it means nothing. */
	if (scene_slowdown() == 1)
		CHECK(bytes < LANE_BYTES_MOST);
}

/* Senders of each process, so that the receiver has descriptors for all. */
static unsigned senders_per_process(const struct stage *stage)
{
	struct rlimit limit;
	unsigned senders = scene_scaled(PER_PROCESS);

	CHECK_EQUAL(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = limit.rlim_max;
	CHECK_EQUAL(setrlimit(RLIMIT_NOFILE, &limit), 0);
	if (strcmp(event_base_get_method(stage->base), "select") == 0)
		limit.rlim_cur = FD_SETSIZE;
	while (senders > 1 &&
			2 * senders * PROCESSES + SPARE_DESCRIPTORS > limit.rlim_cur)
		senders--;
	return senders;
}

/* All are admitted, heard, cheap while they idle, and gone when they are gone. */
static void two_thousand_senders_are_served(void **state)
{
	struct crowd crowd_role = { 0, scene_gate() };
	unsigned lanes;
	struct test_receiver receiver = { 0 };
	pid_t processes[PROCESSES];
	struct cost before;
	struct stage stage;

	(void)state;
	stage_open(&stage, NULL);
	crowd_role.senders = senders_per_process(&stage);
	lanes = PROCESSES * crowd_role.senders;
	test_receiver_open(&receiver, &stage, scene_address(), NULL);
	before = cost_now();
	for (unsigned i = 0; i < PROCESSES; i++)
		processes[i] = scene_start(crowd, &crowd_role);
	STAGE_UNTIL(&stage, receiver.calls[HEARD_MESSAGE] == lanes);
	stage_look(&stage, 10);
	CHECK_EQUAL(receiver.calls[HEARD_JOINED], lanes);
	CHECK_EQUAL(receiver.calls[HEARD_LEFT], 0);
	check_cost(&before, lanes);
	for (unsigned i = 0; i < PROCESSES; i++)
		scene_open_gate(crowd_role.end);
	STAGE_UNTIL(&stage, receiver.calls[HEARD_LEFT] == lanes);
	CHECK_EQUAL(receiver.left_reason, EVCHAN_LEFT_CLOSED);
	CHECK_EQUAL(receiver.calls[HEARD_ERROR], 0);
	for (unsigned i = 0; i < PROCESSES; i++)
		scene_join(processes[i]);
	test_receiver_free(&receiver);
	stage_close(&stage);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE_TEST(two_thousand_senders_are_served),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
