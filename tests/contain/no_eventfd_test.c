/* SPDX-License-Identifier: MIT */
/*
 * In a sandbox without eventfd2(2) everything works as elsewhere, with pipes for bells.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>

#include "process.h"
#include "scene.h"
#include "stream.h"

struct sandbox {
	int error; /* of eventfd2(2) */
	enum evchan_bell bell;
	int result; /* of evchan_receiver_new() */
	int ready;
	uint64_t count;
};

static void enter(const struct sandbox *sandbox)
{
	if (forbid_system_call(SYS_eventfd2, sandbox->error) < 0)
		_exit(CHILD_SKIPPED);
	CHECK_EQUAL(eventfd(0, EFD_CLOEXEC), -1);
	CHECK_EQUAL(errno, sandbox->error);
}

/* Whether one of this process's descriptors is an eventfd that was not there before. */
static unsigned count_eventfds(void)
{
	unsigned count = 0;
	char path[64], link[64];

	for (int fd = 0; fd < 256; fd++) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		memset(link, 0, sizeof(link));
		count += readlink(path, link, sizeof(link) - 1) > 0 &&
				strstr(link, "[eventfd]") != NULL;
	}
	return count;
}

static void confined_receiver(void *arg)
{
	struct sandbox *sandbox = arg;
	struct stream_sink sink = { 0 };
	struct test_receiver receiver = { .act = stream_act, .arg = &sink };
	struct evchan_receiver_options options = EVCHAN_RECEIVER_OPTIONS_INIT;
	unsigned eventfds;
	struct stage stage;

	enter(sandbox);
	eventfds = count_eventfds();
	options.bell = sandbox->bell;
	stage_open(&stage, NULL);
	CHECK_EQUAL(test_receiver_try(&receiver, &stage, scene_address(), &options),
			sandbox->result);
	scene_open_gate(sandbox->ready);
	if (sandbox->result == 0) {
		STAGE_UNTIL(&stage, receiver.calls[HEARD_LEFT]);
		CHECK_EQUAL(receiver.left_reason, EVCHAN_LEFT_CLOSED);
		CHECK_EQUAL(sink.next[0], sandbox->count);
		CHECK_EQUAL(count_eventfds(), eventfds);
	}
	test_receiver_free(&receiver);
	stage_close(&stage);
}

/* A sender in the same sandbox. */
static void confined_sender(void *arg)
{
	const struct sandbox *sandbox = arg;
	struct stream_role role = { .address = scene_address(),
		.stream = { .count = sandbox->count, .most = 2000 } };

	enter(sandbox);
	stream_role(&role);
}

static void skip_or_join(pid_t process)
{
	int result = scene_wait(process);

	if (result == CHILD_SKIPPED) {
		print_message("no seccomp filter can be installed here\n");
		skip();
	}
	CHECK_EQUAL(result, 0);
}

static void check_stream(int error)
{
	struct sandbox sandbox = {
		.error = error, .ready = scene_gate(), .count = scene_scaled(20000)
	};
	pid_t receiver = scene_start(confined_receiver, &sandbox);
	pid_t sender = scene_start(confined_sender, &sandbox);

	skip_or_join(receiver);
	skip_or_join(sender);
}

/* A stream goes through pipes where the sandbox says that it may not, ... */
static void forbidden_eventfd_is_replaced(void **state)
{
	(void)state;
	check_stream(EPERM);
}

/* ... and where it says that there is no such call. */
static void missing_eventfd_is_replaced(void **state)
{
	(void)state;
	check_stream(ENOSYS);
}

/* Who insists on an eventfd is told that there is none. */
static void demanded_eventfd_is_an_error(void **state)
{
	struct sandbox sandbox = { .error = ENOSYS,
		.bell = EVCHAN_BELL_EVENTFD,
		.result = -ENOTSUP,
		.ready = scene_gate() };

	(void)state;
	skip_or_join(scene_start(confined_receiver, &sandbox));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE_TEST(forbidden_eventfd_is_replaced),
		SCENE_TEST(missing_eventfd_is_replaced),
		SCENE_TEST(demanded_eventfd_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
