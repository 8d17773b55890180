/* SPDX-License-Identifier: MIT */
/*
 * Reading a control socket: a stream of bytes becomes frames, whatever pieces it comes in, and a hang-up comes
 * last. Descriptors and credentials are in control_socket_descriptors_test.c.
 *
 * Rings may be returned one by one or several at once, because a ring is a hint: the tests count
 * them, and look at what came between.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "control_pair.h"

static const enum control_type framed_types[] = { CONTROL_HELLO, CONTROL_WELCOME,
	CONTROL_REFUSED, CONTROL_EVICTED, CONTROL_BYE };

static uint32_t next_random(uint32_t *random)
{
	*random = *random * 1664525 + 1013904223;
	return *random >> 8;
}

/* Any frame of this type and length. */
static void make_frame(unsigned char *frame, enum control_type type, size_t length)
{
	size_t i;

	frame[0] = (unsigned char)type;
	frame[1] = 0;
	frame[2] = (unsigned char)(length & 0xff);
	frame[3] = (unsigned char)(length >> 8);
	for (i = 4; i < length; i++)
		frame[i] = (unsigned char)(i * 7 + length);
}

/* ---- Whole frames ------------------------------------------------------------------- */

/* Nothing sent, nothing there: no waiting, and no end either. */
static void silence_is_no_frame(void **state)
{
	struct pair pair;

	(void)state;
	pair_open(&pair);
	assert_int_equal(receive(&pair), -EAGAIN);
	assert_int_equal(receive(&pair), -EAGAIN);
	pass_hello(&pair);
	assert_int_equal(receive(&pair), -EAGAIN);
	assert_int_equal(receive(&pair), -EAGAIN);
	pair_close(&pair);
}

/* Each type, in every length, comes back as it was sent, as the first frame and as a later one; it lies in
 * the control socket's own buffer. */
static void every_frame_is_returned(void **state)
{
	unsigned char frame[CONTROL_FRAME_MAX];
	struct pair pair;
	size_t length;
	int again;

	(void)state;
	for (length = 4; length <= CONTROL_FRAME_MAX; length++) {
		make_frame(frame, framed_types[length % 5], length);
		pair_open(&pair);
		for (again = 0; again < 2; again++) {
			peer_send(&pair, frame, length);
			assert_true(receives_frame(&pair, frame, length));
			assert_true(pair.frame >= pair.control.buffer &&
					pair.frame + length <= pair.control.buffer +
									sizeof(pair.control.buffer));
			assert_int_equal(receive(&pair), -EAGAIN);
		}
		pair_close(&pair);
	}
}

/* A first frame without anything beside it says so. */
static void nothing_arrives_beside_a_plain_frame(void **state)
{
	unsigned char hello[CONTROL_FRAME_MAX];
	size_t length = make_hello(hello);
	struct pair pair;

	(void)state;
	pair_open(&pair);
	peer_send(&pair, hello, length);
	assert_true(receives_frame(&pair, hello, length));
	assert_int_equal(pair.arrival.fd_count, 0);
	assert_int_equal(pair.arrival.fds[0], -1);
	assert_int_equal(pair.arrival.fds[1], -1);
	assert_false(pair.arrival.has_credentials);
	pair_close(&pair);
}

/* After the first frame nobody needs to ask for what may come beside one. */
static void later_frames_need_no_arrival(void **state)
{
	const unsigned char *frame;
	enum control_type type;
	struct pair pair;

	(void)state;
	pair_open(&pair);
	pass_hello(&pair);
	assert_int_equal(control_socket_receive(&pair.control, &type, &frame, NULL, NULL),
			-EAGAIN);
	peer_send(&pair, bye_frame, sizeof(bye_frame));
	assert_int_equal(control_socket_receive(&pair.control, &type, &frame, NULL, NULL),
			4);
	assert_int_equal(type, CONTROL_BYE);
	assert_memory_equal(frame, bye_frame, sizeof(bye_frame));
	pair_close(&pair);
}

/* ---- Pieces of frames ---------------------------------------------------------------- */

/* A frame in two pieces, cut anywhere, is no frame before the second; as the first frame and as a later one. */
static void frame_in_two_pieces_is_whole(void **state)
{
	unsigned char hello[CONTROL_FRAME_MAX];
	size_t length = make_hello(hello), cut;
	struct pair pair;
	int again;

	(void)state;
	for (cut = 1; cut < length; cut++) {
		pair_open(&pair);
		for (again = 0; again < 2; again++) {
			peer_send(&pair, hello, cut);
			assert_int_equal(receive(&pair), -EAGAIN);
			assert_int_equal(receive(&pair), -EAGAIN);
			peer_send(&pair, hello + cut, length - cut);
			assert_true(receives_frame(&pair, hello, length));
			assert_int_equal(receive(&pair), -EAGAIN);
		}
		pair_close(&pair);
	}
}

/* So it is when every byte comes alone, whether or not somebody looks in between. */
static void frame_in_single_bytes_is_whole(void **state)
{
	unsigned char frame[CONTROL_FRAME_MAX];
	struct pair pair;
	int looks, again;
	size_t i;

	(void)state;
	make_frame(frame, CONTROL_HELLO, 100);
	for (looks = 0; looks < 2; looks++) {
		pair_open(&pair);
		for (again = 0; again < 2; again++) {
			for (i = 0; i < 100; i++) {
				if (looks)
					assert_int_equal(receive(&pair), -EAGAIN);
				peer_send(&pair, frame + i, 1);
			}
			assert_true(receives_frame(&pair, frame, 100));
		}
		pair_close(&pair);
	}
}

/* Rings in bulk: hundreds that wait are taken with few calls, and none is missing or made up. */
static void rings_are_read_in_bulk(void **state)
{
	struct pair pair;
	unsigned i;

	(void)state;
	pair_open(&pair);
	pass_hello(&pair);
	for (i = 0; i < 200; i++)
		peer_send(&pair, &ring_frame, 1);
	assert_true(take_rings(&pair, 200) <= 4);
	assert_int_equal(receive(&pair), -EAGAIN);
	peer_send(&pair, &ring_frame, 1);
	assert_int_equal(take_rings(&pair, 1), 1);
	pair_close(&pair);
}

/* More rings at once than any buffer holds are only more calls. */
static void no_number_of_rings_is_too_many(void **state)
{
	unsigned char rings[3000];
	struct pair pair;

	(void)state;
	memset(rings, CONTROL_RING, sizeof(rings));
	pair_open(&pair);
	pass_hello(&pair);
	peer_send(&pair, rings, sizeof(rings));
	assert_true(take_rings(&pair, sizeof(rings)) <= 30);
	assert_int_equal(receive(&pair), -EAGAIN);
	pair_close(&pair);
}

/* Several frames and rings in one piece keep their order; a first frame too, whatever follows in its piece. */
static void frames_in_one_piece_keep_their_order(void **state)
{
	unsigned char bytes[3 * CONTROL_FRAME_MAX], hello[CONTROL_FRAME_MAX];
	size_t length = make_hello(hello), size = 0;
	struct pair pair;

	(void)state;
	memcpy(bytes, hello, length);
	size += length;
	memset(bytes + size, CONTROL_RING, 3);
	size += 3;
	memcpy(bytes + size, bye_frame, 4);
	memcpy(bytes + size + 4, bye_frame, 4);
	size += 8;
	bytes[size++] = CONTROL_RING;
	memcpy(bytes + size, hello, length);
	size += length;
	pair_open(&pair);
	peer_send(&pair, bytes, size);
	assert_true(receives_frame(&pair, hello, length));
	take_rings(&pair, 3);
	assert_true(receives_frame(&pair, bye_frame, 4));
	assert_true(receives_frame(&pair, bye_frame, 4));
	take_rings(&pair, 1);
	assert_true(receives_frame(&pair, hello, length));
	assert_int_equal(receive(&pair), -EAGAIN);
	pair_close(&pair);
}

/* ---- Against a model ------------------------------------------------------------------- */

#define STREAM_MAX 40000

struct stream {
	unsigned char bytes[STREAM_MAX];
	size_t size;
	size_t sent;
	size_t taken; /* bytes that have come back in frames */
};

static void stream_fill(struct stream *stream, uint32_t *random)
{
	size_t length;

	stream->size = stream->sent = stream->taken = 0;
	while (stream->size + CONTROL_FRAME_MAX < STREAM_MAX) {
		if (next_random(random) % 3 == 0) {
			length = 1 + next_random(random) % 40;
			memset(stream->bytes + stream->size, CONTROL_RING, length);
		} else {
			length = next_random(random) % 4 ? 4 + next_random(random) % 100
							 : 4 + next_random(random) % 509;
			make_frame(stream->bytes + stream->size,
					framed_types[next_random(random) % 5], length);
		}
		stream->size += length;
	}
}

/* Whatever is received must be the next bytes of the stream, and a whole frame, or rings. */
static void stream_take(struct stream *stream, struct pair *pair)
{
	size_t length;
	int i;

	while (receive(pair) > 0) {
		length = (size_t)pair->result;
		assert_true(stream->taken + length <= stream->sent);
		assert_memory_equal(pair->frame, stream->bytes + stream->taken, length);
		assert_int_equal(pair->type, pair->frame[0]);
		if (pair->type == CONTROL_RING)
			for (i = 0; i < pair->result; i++)
				assert_int_equal(pair->frame[i], CONTROL_RING);
		else
			assert_int_equal(length, pair->frame[2] | pair->frame[3] << 8);
		stream->taken += length;
	}
	assert_int_equal(pair->result, -EAGAIN);
	assert_true(stream->sent - stream->taken < CONTROL_FRAME_MAX);
}

/* In pieces of any size, read at any time, a stream is the same sequence of frames. */
static void any_pieces_make_the_same_frames(void **state)
{
	static struct stream stream;
	unsigned round, rounds = 20 / slowdown() + 1;
	uint32_t random = 3;
	struct pair pair;
	size_t piece;

	(void)state;
	for (round = 0; round < rounds; round++) {
		pair_open(&pair);
		stream_fill(&stream, &random);
		while (stream.sent < stream.size) {
			piece = 1 + next_random(&random) % (round % 2 ? 20 : 1200);
			if (piece > stream.size - stream.sent)
				piece = stream.size - stream.sent;
			peer_send(&pair, stream.bytes + stream.sent, piece);
			stream.sent += piece;
			if (next_random(&random) % 4 == 0)
				stream_take(&stream, &pair);
		}
		stream_take(&stream, &pair);
		assert_int_equal(stream.taken, stream.size);
		pair_close(&pair);
	}
}

/* A socket that was handed in may have been told where its peeks begin: frames are those in the queue all the same, and
 * each comes once. */
static void peek_offset_is_taken_back(void **state)
{
	static const int offsets[] = { 0, 1, 1000 };
	struct pair pair;

	(void)state;
	for (size_t i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++) {
		pair_open(&pair);
		MUST(setsockopt(pair.control.fd, SOL_SOCKET, SO_PEEK_OFF, &offsets[i],
				     sizeof(int)) == 0);
		control_socket_init(&pair.control, pair.control.fd);
		pass_hello(&pair);
		peer_send(&pair, &ring_frame, 1);
		peer_send(&pair, bye_frame, sizeof(bye_frame));
		assert_int_equal(receive(&pair), 1);
		assert_true(receives_frame(&pair, bye_frame, sizeof(bye_frame)));
		assert_int_equal(receive(&pair), -EAGAIN);
		pair_close(&pair);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(silence_is_no_frame),
		TEST(every_frame_is_returned),
		TEST(nothing_arrives_beside_a_plain_frame),
		TEST(later_frames_need_no_arrival),
		TEST(frame_in_two_pieces_is_whole),
		TEST(frame_in_single_bytes_is_whole),
		TEST(rings_are_read_in_bulk),
		TEST(no_number_of_rings_is_too_many),
		TEST(frames_in_one_piece_keep_their_order),
		TEST(any_pieces_make_the_same_frames),
		TEST(peek_offset_is_taken_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
