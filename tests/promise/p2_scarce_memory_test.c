/* SPDX-License-Identifier: MIT */
/*
 * P2 when the receiver is short of memory: what a sender that is gone has left is nowhere
 * else, so it waits until there is memory, and keeps nobody else waiting.
 *
 * Memory is made scarce by a limit on the address space, in processes of their own.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/resource.h>
#include <unistd.h>

#include "disposal.h"
#include "process.h"
#include "scene.h"
#include "test_receiver.h"
#include "test_sender.h"

#define LARGE_RING (UINT64_C(32) << 20)
#define LARGE_MESSAGE ((size_t)12 << 20)
#define SMALL_RING UINT64_C(65536)
#define LEFT ((rlim_t)4 << 20) /* less than any of the large ones, enough for the small */
#define PATIENCE_MS 20000

/* From now on this process gets a few megabytes more, and no more. */
static void make_memory_scarce(void)
{
	struct rlimit limit;
	unsigned long pages;
	FILE *file = fopen("/proc/self/statm", "re");

	CHECK(file && fscanf(file, "%lu", &pages) == 1);
	fclose(file);
	CHECK_EQUAL(getrlimit(RLIMIT_AS, &limit), 0);
	limit.rlim_cur = (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE) + LEFT;
	CHECK_EQUAL(setrlimit(RLIMIT_AS, &limit), 0);
}

static void make_memory_plentiful(void)
{
	struct rlimit limit;

	CHECK_EQUAL(getrlimit(RLIMIT_AS, &limit), 0);
	limit.rlim_cur = limit.rlim_max;
	CHECK_EQUAL(setrlimit(RLIMIT_AS, &limit), 0);
}

/* Turns that sleep until the receiver tries again. */
static void let_it_try(struct stage *stage)
{
	for (int i = 0; i < 5; i++)
		stage_turn(stage);
}

/* Sends one message and is gone, mapping and all. */
static void send_and_go(uint64_t capacity, size_t size)
{
	static const unsigned char message[LARGE_MESSAGE];
	struct evchan_sender_options options = EVCHAN_SENDER_OPTIONS_INIT;
	struct test_sender sender = { 0 };

	options.capacity = capacity;
	test_sender_open(&sender, NULL, scene_address(), &options);
	CHECK_EQUAL(evchan_send(sender.sender, 0, message, size, 0), 0);
	test_sender_free(&sender);
	CHECK_EQUAL(disposal_wait(PATIENCE_MS), 0);
}

/* ---- The hello ----------------------------------------------------------- */

static void admit_without_memory(void *unused)
{
	struct test_receiver receiver = { 0 };
	struct stage stage;

	(void)unused;
	stage_open(&stage, NULL);
	test_receiver_open(&receiver, &stage, scene_address(), NULL);
	send_and_go(LARGE_RING, 1);
	make_memory_scarce();
	let_it_try(&stage);
	CHECK_EQUAL(receiver.calls[HEARD_JOINED], 0);

	send_and_go(SMALL_RING, 1);
	STAGE_UNTIL(&stage, receiver.calls[HEARD_LEFT] == 1);
	CHECK_EQUAL(receiver.calls[HEARD_MESSAGE], 1);

	make_memory_plentiful();
	STAGE_UNTIL(&stage, receiver.calls[HEARD_LEFT] == 2);
	CHECK_EQUAL(receiver.calls[HEARD_MESSAGE], 2);
	CHECK_EQUAL(receiver.left_reason, EVCHAN_LEFT_CLOSED);
	CHECK_EQUAL(receiver.calls[HEARD_ERROR], 0);
	test_receiver_free(&receiver);
	stage_close(&stage);
}

static void run_scarce(void (*role)(void *unused))
{
	if (HAS_ADDRESS_SANITIZER || HAS_THREAD_SANITIZER || is_under_valgrind()) {
		print_message("the address space is the sanitizer's\n");
		skip();
	}
	scene_join(scene_start(role, NULL));
}

/* The ring of a sender that is gone, and that cannot be mapped now, is mapped later;
 * others get in meanwhile. */
static void ring_of_the_dead_waits_for_memory(void **state)
{
	(void)state;
	run_scarce(admit_without_memory);
}

static void end_without_memory(void *unused)
{
	struct test_receiver receiver = { 0 };
	struct stage stage;

	(void)unused;
	stage_open(&stage, NULL);
	test_receiver_open(&receiver, &stage, scene_address(), NULL);
	send_and_go(LARGE_RING, 1);
	make_memory_scarce();
	let_it_try(&stage);
	CHECK_EQUAL(receiver.calls[HEARD_JOINED], 0);
	test_receiver_free(&receiver);
	stage_close(&stage);
}

/* A receiver may be freed while one waits. */
static void waiting_ring_is_freed_with_its_receiver(void **state)
{
	(void)state;
	run_scarce(end_without_memory);
}

/* One of a living sender, which still has it, is refused for now. */
static void refuse_without_memory(void *unused)
{
	struct evchan_sender_options options = EVCHAN_SENDER_OPTIONS_INIT;
	struct test_receiver receiver = { 0 };
	struct test_sender sender = { 0 };
	struct stage stage;

	(void)unused;
	options.capacity = LARGE_RING;
	stage_open(&stage, NULL);
	test_receiver_open(&receiver, &stage, scene_address(), NULL);
	test_sender_open(&sender, &stage, scene_address(), &options);
	make_memory_scarce();
	STAGE_UNTIL(&stage, sender.calls[TOLD_REFUSED]);
	CHECK_EQUAL(sender.refusal, -ENOMEM);
	CHECK(!sender.is_final);
	make_memory_plentiful();
	STAGE_UNTIL(&stage, sender.calls[TOLD_CONNECTED]);
	test_sender_free(&sender);
	test_receiver_free(&receiver);
	stage_close(&stage);
}

static void ring_of_the_living_is_refused_for_now(void **state)
{
	(void)state;
	run_scarce(refuse_without_memory);
}

/* ---- A copy -------------------------------------------------------------- */

static void copy_without_memory(void *unused)
{
	struct evchan_receiver_options options = EVCHAN_RECEIVER_OPTIONS_INIT;
	struct test_receiver receiver = { 0 };
	struct stage stage;

	(void)unused;
	options.flags = EVCHAN_RECEIVER_COPY;
	stage_open(&stage, NULL);
	test_receiver_open(&receiver, &stage, scene_address(), &options);
	evchan_receiver_pause(receiver.receiver);
	send_and_go(LARGE_RING, LARGE_MESSAGE);
	STAGE_UNTIL(&stage, receiver.calls[HEARD_HUNG_UP]);
	make_memory_scarce();
	evchan_receiver_resume(receiver.receiver);
	let_it_try(&stage);
	CHECK_EQUAL(receiver.calls[HEARD_MESSAGE], 0);
	CHECK_EQUAL(receiver.calls[HEARD_LEFT], 0);
	CHECK_EQUAL(receiver.calls[HEARD_ERROR], 1);
	CHECK_EQUAL(receiver.error, -ENOMEM);
	make_memory_plentiful();
	STAGE_UNTIL(&stage, receiver.calls[HEARD_LEFT]);
	CHECK_EQUAL(receiver.calls[HEARD_MESSAGE], 1);
	CHECK_EQUAL(receiver.left_reason, EVCHAN_LEFT_CLOSED);
	test_receiver_free(&receiver);
	stage_close(&stage);
}

/* A message of a sender that is gone, and that cannot be copied now, is copied later. The
 * application is told once. */
static void message_of_the_dead_waits_for_memory(void **state)
{
	(void)state;
	run_scarce(copy_without_memory);
}

/* glibc's; other C libraries have no arenas. */
#define ARENA_MAX (-8)
extern int mallopt(int parameter, int value) __attribute__((weak));

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE_TEST(ring_of_the_dead_waits_for_memory),
		SCENE_TEST(waiting_ring_is_freed_with_its_receiver),
		SCENE_TEST(ring_of_the_living_is_refused_for_now),
		SCENE_TEST(message_of_the_dead_waits_for_memory),
	};

	/* Another thread's arena would have address space in reserve. */
	if (mallopt)
		mallopt(ARENA_MAX, 1);

	return cmocka_run_group_tests(tests, NULL, NULL);
}
