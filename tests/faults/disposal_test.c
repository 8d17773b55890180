/* SPDX-License-Identifier: MIT */
/*
 * The disposal threads, with each call of theirs failing in turn: everything is closed and unmapped all the same, by
 * whatever thread. Only one thread works at a time, so that the calls of all can be counted.
 */

#include "world.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control_socket.h"
#include "descriptor.h"
#include "disposal.h"

static int own_socket(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	CHECK(fd >= 0);
	CHECK_EQUAL(descriptor_own(fd), 0);
	return fd;
}

static struct disposal_account *new_account(void)
{
	struct disposal_account *account = UNTOUCHED;
	int r;

	while ((r = disposal_account_new(&account)) < 0) {
		CHECK_EQUAL(r, -ENOMEM);
		CHECK(faults_struck() && account == UNTOUCHED);
	}
	return account;
}

static void close_and_unmap(void)
{
	int fds[2] = { own_socket(), own_socket() };
	size_t size = DISPOSAL_LARGE_MAPPING;
	void *mapped = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct disposal_account *account;

	CHECK(mapped != MAP_FAILED);
	faults_begin();
	account = new_account();
	disposal_close(fds[0], account);
	faults_settle();
	disposal_unmap(mapped, size, account);
	faults_settle();
	disposal_close(fds[1], NULL);
	faults_settle();
	faults_end();
	CHECK_EQUAL(disposal_account_pending(account), 0);
	disposal_account_release(account);
	CHECK_EQUAL(fcntl(fds[0], F_GETFD), -1);
	CHECK_EQUAL(fcntl(fds[1], F_GETFD), -1);
}

/* A socket in whose queue there is a descriptor, as a stranger leaves it. */
static void end_a_socket_with_a_full_queue(void)
{
	const unsigned char nonsense[] = "nonsense";
	struct control_socket control;
	struct control_ancillary ancillary = { .fd_count = 1 };
	struct control_socket stranger;
	int pair[2];

	CHECK_EQUAL(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	CHECK_EQUAL(descriptor_own(pair[0]), 0);
	control_socket_init(&control, pair[0]);
	control_socket_init(&stranger, pair[1]);
	ancillary.fds = &pair[1];
	CHECK_EQUAL(control_socket_send(
				    &stranger, nonsense, sizeof(nonsense), &ancillary),
			0);
	faults_begin();
	control_socket_deinit(&control, NULL);
	faults_settle();
	faults_end();
	close(pair[1]);
}

SCENARIOS({ .name = "close_and_unmap", .play = close_and_unmap, .in_all_threads = true },
		{ .name = "end_a_socket_with_a_full_queue",
				.play = end_a_socket_with_a_full_queue,
				.in_all_threads = true })
