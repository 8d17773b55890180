/* SPDX-License-Identifier: MIT */
/*
 * Constructors on each kind of address, with each call in them failing in turn: an error leaves nothing behind, writes
 * nothing, and the descriptor that was handed in is the caller's as before.
 */

#include "world.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "available.h"

/* ---- Receivers ------------------------------------------------------------------------------- */

static void make_receiver_at(
		const char *address, const struct evchan_receiver_options *options)
{
	struct world world;

	world_init(&world);
	snprintf(world.address, sizeof(world.address), "%s", address);
	if (options)
		world.receiver_options = *options;
	faults_begin();
	world_make_receiver(&world);
	evchan_receiver_free(world.receiver);
	faults_end();
}

static void receiver_at_a_name(void)
{
	make_receiver_at("@evchan-faults-name", NULL);
}

static void receiver_at_a_private_name(void)
{
	make_receiver_at("", NULL);
}

static const char *path_of(const char *name)
{
	static char path[108];

	snprintf(path, sizeof(path), "%s/%s", scenario_folder(), name);
	return path;
}

static void receiver_at_a_path(void)
{
	make_receiver_at(path_of("socket"), NULL);
}

static void bind_to(int fd, const char *path)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };

	snprintf(name.sun_path, sizeof(name.sun_path), "%s", path);
	CHECK_EQUAL(bind(fd, (const struct sockaddr *)&name, sizeof(name)), 0);
}

/* What a killed receiver leaves behind. */
static void receiver_at_a_stale_path(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	(void)unlink(path_of("socket"));
	bind_to(fd, path_of("socket"));
	close(fd);
	close(open(path_of("socket.lock"), O_CREAT | O_RDWR, 0600));
	make_receiver_at(path_of("socket"), NULL);
}

static void receiver_with_all_options(void)
{
	const uid_t uids[2] = { 0, getuid() };
	const gid_t gids[2] = { 0, getgid() };
	struct evchan_receiver_options options = EVCHAN_RECEIVER_OPTIONS_INIT;

	options.allow_uids = uids;
	options.allow_uid_count = 2;
	options.allow_gids = gids;
	options.allow_gid_count = 2;
	options.bell = has_eventfd() ? EVCHAN_BELL_EVENTFD : EVCHAN_BELL_DEFAULT;
	make_receiver_at("@evchan-faults-name", &options);
}

/* ---- Descriptors that are handed in ------------------------------------------------------------ */

/* Open, and what it was. */
static void check_is_callers(int fd)
{
	int type = 0;
	socklen_t size = sizeof(type);

	faults_end();
	CHECK(fcntl(fd, F_GETFD) >= 0);
	CHECK_EQUAL(getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size), 0);
	CHECK_EQUAL(type, SOCK_STREAM);
	faults_begin();
}

static void receiver_on_descriptor(int fd)
{
	struct evchan_receiver *receiver = UNTOUCHED;
	char address[16];
	int r;

	snprintf(address, sizeof(address), "fd:%d", fd);
	faults_begin();
	do {
		r = scenario_result(EVCHAN_RECEIVER_NEW,
				evchan_receiver_new(&receiver, NULL, address, NULL, NULL,
						NULL));
		CHECK((r < 0) == (receiver == UNTOUCHED));
		if (r < 0)
			check_is_callers(fd);
	} while (r < 0);
	evchan_receiver_free(receiver);
	faults_end();
}

static void receiver_on_a_listening_socket(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	(void)unlink(path_of("socket"));
	bind_to(fd, path_of("socket"));
	CHECK_EQUAL(listen(fd, 5), 0);
	receiver_on_descriptor(fd);
	unlink(path_of("socket"));
}

static void receiver_on_a_connected_socket(void)
{
	int pair[2];

	CHECK_EQUAL(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	receiver_on_descriptor(pair[0]);
	close(pair[1]);
}

static void adopt(void)
{
	struct world world;
	int pair[2], r;

	world_init(&world);
	CHECK_EQUAL(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	world_make_receiver(&world);
	faults_begin();
	do {
		r = scenario_result(EVCHAN_RECEIVER_ADOPT,
				evchan_receiver_adopt(world.receiver, pair[0]));
		if (r < 0)
			check_is_callers(pair[0]);
	} while (r < 0);
	evchan_receiver_free(world.receiver);
	faults_end();
	close(pair[1]);
}

/* ---- Senders --------------------------------------------------------------------------------- */

static void make_sender_with(const struct evchan_sender_options *options)
{
	struct world world;

	world_init(&world);
	world_make_receiver(&world);
	world.sender_options = *options;
	faults_begin();
	world_make_sender(&world);
	evchan_sender_free(world.sender);
	faults_end();
	evchan_receiver_free(world.receiver);
}

static void sender_by_default(void)
{
	const struct evchan_sender_options options = EVCHAN_SENDER_OPTIONS_INIT;

	make_sender_with(&options);
}

static void sender_with_all_options(void)
{
	const uid_t uids[2] = { 0, getuid() };
	struct evchan_sender_options options = EVCHAN_SENDER_OPTIONS_INIT;

	options.flags = EVCHAN_SENDER_LAZY | EVCHAN_SENDER_LOCK_MEMORY;
	options.capacity = 8192;
	options.notes_size = 8192;
	options.label = "label";
	options.receiver_uids = uids;
	options.receiver_uid_count = 2;
	options.bell = EVCHAN_BELL_SOCKET;
	make_sender_with(&options);
}

static void sender_of_any_receiver(void)
{
	struct evchan_sender_options options = EVCHAN_SENDER_OPTIONS_INIT;

	options.flags = EVCHAN_SENDER_ANY_RECEIVER;
	make_sender_with(&options);
}

static void sender_without_receiver(void)
{
	struct world world;

	world_init(&world);
	faults_begin();
	world_make_sender(&world);
	evchan_sender_free(world.sender);
	faults_end();
}

static void sender_that_is_not_to_wait(void)
{
	struct evchan_sender *sender = UNTOUCHED;
	int r;

	faults_begin();
	do {
		r = evchan_sender_new(
				&sender, NULL, "@evchan-faults-nobody", NULL, NULL, NULL);
		CHECK((r < 0) == (sender == UNTOUCHED));
		if (r == 0) {
			/* A receiver that has no room for connections at present looks like that. */
			CHECK(faults_struck());
			evchan_sender_free(sender);
			sender = UNTOUCHED;
		} else if (r != -ECONNREFUSED) {
			(void)scenario_result(EVCHAN_SENDER_NEW, r);
		}
	} while (r != -ECONNREFUSED);
	faults_end();
}

static void sender_on_a_descriptor(void)
{
	struct evchan_sender *sender = UNTOUCHED;
	char address[16];
	int pair[2], r;

	CHECK_EQUAL(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	snprintf(address, sizeof(address), "fd:%d", pair[0]);
	faults_begin();
	do {
		r = scenario_result(EVCHAN_SENDER_NEW,
				evchan_sender_new(&sender, NULL, address, NULL, NULL,
						NULL));
		CHECK((r < 0) == (sender == UNTOUCHED));
		if (r < 0)
			check_is_callers(pair[0]);
	} while (r < 0);
	evchan_sender_free(sender);
	faults_end();
	close(pair[1]);
}

SCENARIOS({ .name = "receiver_at_a_name", .play = receiver_at_a_name },
		{ .name = "receiver_at_a_private_name",
				.play = receiver_at_a_private_name },
		{ .name = "receiver_at_a_path", .play = receiver_at_a_path },
		{ .name = "receiver_at_a_stale_path", .play = receiver_at_a_stale_path },
		{ .name = "receiver_with_all_options",
				.play = receiver_with_all_options },
		{ .name = "receiver_on_a_listening_socket",
				.play = receiver_on_a_listening_socket },
		{ .name = "receiver_on_a_connected_socket",
				.play = receiver_on_a_connected_socket },
		{ .name = "adopt", .play = adopt },
		{ .name = "sender_by_default", .play = sender_by_default },
		{ .name = "sender_with_all_options", .play = sender_with_all_options },
		{ .name = "sender_of_any_receiver", .play = sender_of_any_receiver },
		{ .name = "sender_without_receiver", .play = sender_without_receiver },
		{ .name = "sender_that_is_not_to_wait",
				.play = sender_that_is_not_to_wait },
		{ .name = "sender_on_a_descriptor", .play = sender_on_a_descriptor })
