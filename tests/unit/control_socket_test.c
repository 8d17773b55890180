/* SPDX-License-Identifier: MIT */
/*
 * Writing to a control socket. A frame goes out whole or not at all, nothing waits and no signal comes, whatever the
 * other side does. What is received is in control_socket_receive_test.c.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "control_pair.h"

#define NOBODY 65534

/* The largest frame there is. */
static void make_largest(unsigned char *frame)
{
	memset(frame, 'x', CONTROL_FRAME_MAX);
	frame[0] = CONTROL_REFUSED;
	frame[1] = 0;
	frame[2] = CONTROL_FRAME_MAX & 0xff;
	frame[3] = CONTROL_FRAME_MAX >> 8;
}

/* Sends until there is no room. How many frames went out. */
static size_t fill(struct pair *pair, const unsigned char *frame, size_t length)
{
	size_t sent = 0;
	int r;

	while ((r = control_socket_send(&pair->control, frame, length, NULL)) == 0)
		sent++;
	MUST(r == -EAGAIN);
	return sent;
}

/* Reads all that is there. How many bytes. */
static size_t peer_drain(const struct pair *pair)
{
	char bytes[4096];
	size_t total = 0;
	ssize_t got;

	while ((got = peer_get(pair, bytes, sizeof(bytes))) > 0)
		total += (size_t)got;
	return total;
}

/* ---- Sending ----------------------------------------------------------------------------- */

/* The bytes, no more and no fewer, in one message. */
static void frame_goes_out_as_it_is(void **state)
{
	unsigned char largest[CONTROL_FRAME_MAX], got[2 * CONTROL_FRAME_MAX];
	struct pair pair;

	(void)state;
	make_largest(largest);
	pair_open(&pair);
	assert_int_equal(send_bye(&pair), 0);
	assert_int_equal(peer_get(&pair, got, sizeof(got)), sizeof(bye_frame));
	assert_memory_equal(got, bye_frame, sizeof(bye_frame));
	assert_int_equal(control_socket_send(
					 &pair.control, largest, sizeof(largest), NULL),
			0);
	assert_int_equal(peer_get(&pair, got, sizeof(got)), sizeof(largest));
	assert_memory_equal(got, largest, sizeof(largest));
	assert_int_equal(peer_get(&pair, got, sizeof(got)), -1);
	pair_close(&pair);
}

/* Descriptors travel beside it, and stay the sender's too. */
static void descriptors_are_lent(void **state)
{
	struct control_ancillary ancillary = { .fd_count = 2 };
	struct control_socket receiver;
	struct control_arrival arrival;
	const unsigned char *frame;
	enum control_type type;
	struct stat sent, got;
	struct pair pair;
	int fds[2], i;

	(void)state;
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	ancillary.fds = fds;
	pair_open(&pair);
	assert_int_equal(control_socket_send(&pair.control, bye_frame, sizeof(bye_frame),
					 &ancillary),
			0);
	assert_true(is_open(fds[0]) && is_open(fds[1]));
	assert_int_equal(control_socket_adopt(&receiver, pair.peer), 0);
	assert_int_equal(control_socket_receive(&receiver, &type, &frame, &arrival, NULL),
			sizeof(bye_frame));
	assert_int_equal(arrival.fd_count, 2);
	for (i = 0; i < 2; i++) {
		assert_int_equal(fstat(fds[i], &sent), 0);
		assert_int_equal(fstat(arrival.fds[i], &got), 0);
		assert_int_equal(sent.st_ino, got.st_ino);
		descriptor_close(arrival.fds[i]);
		close(fds[i]);
	}
	control_socket_deinit(&receiver, NULL);
	control_socket_deinit(&pair.control, NULL);
}

/* A full socket refuses a frame and has nothing of it; with room again it goes on, and no frame was ever cut. */
static void full_socket_takes_nothing(void **state)
{
	unsigned char largest[CONTROL_FRAME_MAX], got[CONTROL_FRAME_MAX];
	struct pair pair;
	size_t sent, i;

	(void)state;
	make_largest(largest);
	pair_open(&pair);
	control_socket_prepare_accepted(&pair.control, false);
	sent = fill(&pair, largest, sizeof(largest));
	assert_true(sent >= 1);
	assert_int_equal(control_socket_send(
					 &pair.control, largest, sizeof(largest), NULL),
			-EAGAIN);
	for (i = 0; i < sent; i++) {
		assert_int_equal(peer_get(&pair, got, sizeof(got)), sizeof(got));
		assert_memory_equal(got, largest, sizeof(got));
	}
	assert_int_equal(peer_get(&pair, got, sizeof(got)), -1);
	assert_int_equal(control_socket_send(
					 &pair.control, largest, sizeof(largest), NULL),
			0);
	assert_int_equal(peer_drain(&pair), sizeof(largest));
	pair_close(&pair);
}

/* The same with frames of all sizes that come and go: at any time the peer has whole frames only. */
static void frames_are_never_cut(void **state)
{
	unsigned char frame[CONTROL_FRAME_MAX];
	unsigned i, rounds = 2000 / slowdown();
	size_t length = 4, sent = 0;
	struct pair pair;
	int r;

	(void)state;
	make_largest(frame);
	pair_open(&pair);
	control_socket_prepare_accepted(&pair.control, false);
	for (i = 0; i < rounds; i++) {
		length = 4 + (length * 31 + i) % (CONTROL_FRAME_MAX - 3);
		r = control_socket_send(&pair.control, frame, length, NULL);
		assert_true(r == 0 || r == -EAGAIN);
		if (r == 0) {
			sent += length;
			continue;
		}
		assert_int_equal(peer_drain(&pair), sent);
		sent = 0;
	}
	pair_close(&pair);
}

/* What is larger than the buffer may go out in part: then the stream is useless, and that is told. */
static void short_write_is_no_success(void **state)
{
	static const unsigned char bytes[1 << 20];
	struct pair pair;

	(void)state;
	pair_open(&pair);
	control_socket_prepare_accepted(&pair.control, false);
	assert_int_equal(control_socket_send(&pair.control, bytes, sizeof(bytes), NULL),
			-EPROTO);
	pair_close(&pair);
}

/* ---- Ringing ------------------------------------------------------------------------------- */

/* A ring is a byte. */
static void ring_is_one_byte(void **state)
{
	unsigned char got[8];
	struct pair pair;

	(void)state;
	pair_open(&pair);
	assert_int_equal(control_socket_ring(&pair.control), 0);
	assert_int_equal(peer_get(&pair, got, sizeof(got)), 1);
	assert_int_equal(got[0], CONTROL_RING);
	pair_close(&pair);
}

/* A peer that never reads is rung without end: it costs no more memory, and is no error, because it will wake for what
 * is queued. */
static void ring_on_a_full_socket_is_rung(void **state)
{
	struct pair pair;
	unsigned i;

	(void)state;
	pair_open(&pair);
	control_socket_prepare_accepted(&pair.control, false);
	for (i = 0; i < 20000; i++)
		assert_int_equal(control_socket_ring(&pair.control), 0);
	assert_in_range(peer_drain(&pair), 1, 1000);
	assert_int_equal(control_socket_ring(&pair.control), 0);
	assert_int_equal(peer_drain(&pair), 1);
	pair_close(&pair);
}

/* It is no error either where frames take all the room, and none of them is harmed. */
static void ring_behind_frames_is_rung(void **state)
{
	unsigned char largest[CONTROL_FRAME_MAX];
	struct pair pair;
	size_t sent;
	int i;

	(void)state;
	make_largest(largest);
	pair_open(&pair);
	control_socket_prepare_accepted(&pair.control, false);
	sent = fill(&pair, largest, sizeof(largest)) * sizeof(largest);
	for (i = 0; i < 1000; i++)
		assert_int_equal(control_socket_ring(&pair.control), 0);
	assert_in_range(peer_drain(&pair), sent, sent + 1000);
	pair_close(&pair);
}

/* ---- What an accepted socket may queue ------------------------------------------------------ */

/* Its side's buffer is small, but has room for any one frame with what goes beside it. */
static void accepted_socket_queues_little(void **state)
{
	unsigned char largest[CONTROL_FRAME_MAX];
	struct control_ancillary ancillary = { .fd_count = 2 };
	struct pair usual, prepared;
	size_t queued;
	int fds[2];

	(void)state;
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	ancillary.fds = fds;
	make_largest(largest);
	pair_open(&usual);
	pair_open(&prepared);
	control_socket_prepare_accepted(&prepared.control, false);
	assert_int_equal(control_socket_send(&prepared.control, largest, sizeof(largest),
					 &ancillary),
			0);
	peer_drain(&prepared);
	queued = fill(&prepared, largest, sizeof(largest));
	assert_in_range(queued, 1, fill(&usual, largest, sizeof(largest)) / 2);
	assert_true(queued * sizeof(largest) <= 16384);
	pair_close(&usual);
	pair_close(&prepared);
	close(fds[0]);
	close(fds[1]);
}

/* Full of whatever the peer does not read, it can be made to take one frame more: the last word. */
static void last_word_finds_room(void **state)
{
	unsigned char largest[CONTROL_FRAME_MAX];
	struct pair pair;
	size_t queued;
	int i, variant;

	(void)state;
	make_largest(largest);
	for (variant = 0; variant < 4; variant++) {
		pair_open(&pair);
		control_socket_prepare_accepted(&pair.control, false);
		queued = 0;
		if (variant & 1)
			queued = sizeof(largest) * fill(&pair, largest, sizeof(largest));
		for (i = 0; i < 1000; i++)
			assert_int_equal(control_socket_ring(&pair.control), 0);
		queued += sizeof(bye_frame) * fill(&pair, bye_frame, sizeof(bye_frame));
		control_socket_prepare_last(&pair.control);
		if (variant & 2)
			assert_int_equal(send_bye(&pair), 0);
		else
			assert_int_equal(control_socket_send(&pair.control, largest,
							 sizeof(largest), NULL),
					0);
		assert_true(peer_drain(&pair) > queued);
		pair_close(&pair);
	}
}

/* ---- A peer that does its worst ------------------------------------------------------------- */

/* Whoever shares the open file description can make it blocking: sending does not wait for that. */
static void blocking_description_does_not_block(void **state)
{
	struct pair pair;
	unsigned i;

	(void)state;
	pair_open(&pair);
	control_socket_prepare_accepted(&pair.control, false);
	make_blocking(pair.control.fd);
	fill(&pair, bye_frame, sizeof(bye_frame));
	assert_int_equal(send_bye(&pair), -EAGAIN);
	for (i = 0; i < 1000; i++)
		assert_int_equal(control_socket_ring(&pair.control), 0);
	pair_close(&pair);
}

static void send_to_nobody(void *arg)
{
	bool unread = *(bool *)arg;
	struct pair pair;
	int r;

	CHILD_CHECK(signal(SIGPIPE, SIG_DFL) != SIG_ERR);
	pair_open(&pair);
	if (unread)
		CHILD_CHECK(send_bye(&pair) == 0);
	peer_close(&pair);
	r = send_bye(&pair);
	CHILD_CHECK(r == -EPIPE || r == -ECONNRESET);
	CHILD_CHECK(control_socket_ring(&pair.control) == -EPIPE);
	CHILD_CHECK(send_bye(&pair) < 0);
	pair_close(&pair);

	pair_open(&pair);
	if (unread)
		CHILD_CHECK(control_socket_ring(&pair.control) == 0);
	peer_close(&pair);
	CHILD_CHECK(control_socket_ring(&pair.control) == -EPIPE);
	r = send_bye(&pair);
	CHILD_CHECK(r == -EPIPE || r == -ECONNRESET);
	pair_close(&pair);
}

/* A hang-up is an error, never a signal, whether or not the peer left something unread. */
static void hang_up_raises_no_signal(void **state)
{
	bool unread;

	(void)state;
	unread = false;
	assert_int_equal(in_child(send_to_nobody, &unread), 0);
	unread = true;
	assert_int_equal(in_child(send_to_nobody, &unread), 0);
}

static void send_too_many_descriptors(void *unused)
{
	struct rlimit limit = { 40, 40 };
	struct control_ancillary ancillary = { .fd_count = 2 };
	struct pair pair;
	int fds[2], i, r = 0;

	(void)unused;
	pair_open(&pair);
	CHILD_CHECK(pipe2(fds, O_CLOEXEC) == 0);
	CHILD_CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
	if (getuid() == 0) {
		CHILD_CHECK(setgid(NOBODY) == 0);
		CHILD_CHECK(setuid(NOBODY) == 0);
	}
	ancillary.fds = fds;
	for (i = 0; i < 100 && r == 0; i++)
		r = control_socket_send(
				&pair.control, bye_frame, sizeof(bye_frame), &ancillary);
	CHILD_CHECK(r == -ETOOMANYREFS);
	peer_close(&pair);
	pair_open(&pair);
	CHILD_CHECK(control_socket_send(&pair.control, bye_frame, sizeof(bye_frame),
				    &ancillary) == 0);
	pair_close(&pair);
}

/* Too many descriptors on their way are an error of their own, which passes. */
static void descriptors_in_flight_are_limited(void **state)
{
	(void)state;
	if (!can_limit_numbers())
		skip();
	assert_int_equal(in_child(send_too_many_descriptors, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(frame_goes_out_as_it_is),
		TEST(descriptors_are_lent),
		TEST(full_socket_takes_nothing),
		TEST(frames_are_never_cut),
		TEST(short_write_is_no_success),
		TEST(ring_is_one_byte),
		TEST(ring_on_a_full_socket_is_rung),
		TEST(ring_behind_frames_is_rung),
		TEST(accepted_socket_queues_little),
		TEST(last_word_finds_room),
		TEST(blocking_description_does_not_block),
		TEST(hang_up_raises_no_signal),
		TEST(descriptors_in_flight_are_limited),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
