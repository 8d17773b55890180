/* SPDX-License-Identifier: MIT */
/*
 * P8, the other way round: whatever a false receiver answers, passes or writes into its page, a sender
 * neither crashes nor loses a message. It ends the connection with -EPROTO and offers its ring to the
 * next receiver at the address, from the last position that made sense.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "hostile_peer.h"
#include "scene.h"
#include "shared_memory.h"
#include "stream.h"

#define SOME 10u /* messages sent at a time */

/* ---- The false receiver ------------------------------------------------------------- */

struct impostor {
	int listener;
	struct hostile_peer peer; /* only its socket */
	struct shared_memory page_memory;
	struct ring_page *page;
	int bell;
	struct control_welcome welcome;
};

static int listen_at(const char *address)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	size_t length = strlen(address);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	CHECK(fd >= 0 && *address == '@' && length < sizeof(name.sun_path));
	memcpy(name.sun_path + 1, address + 1, length - 1);
	CHECK_EQUAL(bind(fd, (struct sockaddr *)&name,
				    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length)),
			0);
	CHECK_EQUAL(listen(fd, 10), 0);
	return fd;
}

static void impostor_open(struct impostor *impostor)
{
	memset(impostor, 0, sizeof(*impostor));
	impostor->peer = (struct hostile_peer)HOSTILE_PEER_NONE;
	impostor->listener = listen_at(scene_address());
	CHECK_EQUAL(shared_memory_create(&impostor->page_memory, shared_memory_page_size(), 0, 0),
			0);
	impostor->page = impostor->page_memory.base;
	impostor->page->magic = RING_PAGE_MAGIC;
	impostor->page->version = RING_VERSION;
	impostor->page->header_size = (uint32_t)impostor->page_memory.header_size;
	impostor->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	impostor->welcome = (struct control_welcome){ CONTROL_PROTOCOL_VERSION, 0,
		EVCHAN_BELL_EVENTFD, impostor->page->header_size };
}

static void impostor_close(struct impostor *impostor)
{
	close(impostor->listener);
	close(impostor->bell);
	hostile_close(&impostor->peer);
	shared_memory_deinit(&impostor->page_memory, NULL);
}

/* Takes the sender's connection and hello, and drops the ring that came with it. */
static void impostor_accept(struct impostor *impostor)
{
	unsigned char frame[CONTROL_FRAME_MAX];

	impostor->peer.socket = accept4(impostor->listener, NULL, NULL, SOCK_CLOEXEC);
	CHECK(impostor->peer.socket >= 0);
	CHECK(read(impostor->peer.socket, frame, sizeof(frame)) > 0);
	CHECK_EQUAL(frame[0], CONTROL_HELLO);
}

static void say_welcome(struct impostor *impostor, const int *fds, size_t count)
{
	unsigned char frame[CONTROL_FRAME_MAX];

	hostile_say(&impostor->peer, frame, control_encode_welcome(frame, &impostor->welcome), fds,
			count);
}

/* As it stands. */
static void welcome(struct impostor *impostor)
{
	const int fds[] = { impostor->page_memory.fd, impostor->bell };

	say_welcome(impostor, fds, 2);
}

/* ---- The play ------------------------------------------------------------------------ */

struct play {
	struct stage stage;
	struct impostor impostor;
	struct test_sender sender;
	struct stream stream;
	struct stream_sink sink;
};

static void send_some(struct play *play)
{
	play->stream.count += SOME;
	CHECK_EQUAL(stream_send(&play->stream, play->sender.sender, SOME), 0);
}

static void open_play(struct play *play)
{
	struct evchan_sender_options options = EVCHAN_SENDER_OPTIONS_INIT;

	memset(play, 0, sizeof(*play));
	stage_open(&play->stage, NULL);
	impostor_open(&play->impostor);
	play->stream.most = 1000;
	options.flags = EVCHAN_SENDER_WAIT;
	options.label = "0";
	options.reconnect_min_ms = 1;
	options.reconnect_max_ms = 5;
	test_sender_open(&play->sender, &play->stage, scene_address(), &options);
	send_some(play);
	impostor_accept(&play->impostor);
}

/* Waits until the sender has ended the connection. */
static void await_hang_up(struct play *play)
{
	unsigned char bytes[CONTROL_FRAME_MAX];
	ssize_t got;

	do {
		stage_await(&play->stage, play->impostor.peer.socket);
		got = recv(play->impostor.peer.socket, bytes, sizeof(bytes), MSG_DONTWAIT);
	} while (got > 0);
	CHECK(got == 0 || errno == ECONNRESET);
}

/* The impostor goes and a receiver comes: it gets everything. */
static void close_play(struct play *play)
{
	struct test_receiver receiver = { .act = stream_act, .arg = &play->sink };

	impostor_close(&play->impostor);
	test_receiver_open(&receiver, &play->stage, scene_address(), NULL);
	send_some(play);
	STAGE_UNTIL(&play->stage, play->sink.next[0] == play->stream.next);
	CHECK_EQUAL(play->sender.calls[TOLD_REFUSED], 0);
	test_sender_free(&play->sender);
	test_receiver_free(&receiver);
	stage_close(&play->stage);
}

/* ---- Bad answers ---------------------------------------------------------------------- */

struct answer {
	const char *name;
	void (*say)(struct impostor *impostor);
};

static void say_garbage(struct impostor *impostor)
{
	hostile_say(&impostor->peer, "garbage", 7, NULL, 0);
}

static void say_hello(struct impostor *impostor)
{
	const struct control_hello hello = { .version = CONTROL_PROTOCOL_VERSION };
	unsigned char frame[CONTROL_FRAME_MAX];

	hostile_say(&impostor->peer, frame, control_encode_hello(frame, &hello), NULL, 0);
}

static void say_evicted(struct impostor *impostor)
{
	const struct control_refused refused = { .refusal = CONTROL_REFUSE_POLICY };
	unsigned char frame[CONTROL_FRAME_MAX];

	hostile_say(&impostor->peer, frame,
			control_encode_refused(frame, CONTROL_EVICTED, &refused), NULL, 0);
}

static void hang_up(struct impostor *impostor)
{
	shutdown(impostor->peer.socket, SHUT_WR);
}

static void other_version(struct impostor *impostor)
{
	impostor->welcome.version++;
	welcome(impostor);
}

static void unknown_feature(struct impostor *impostor)
{
	impostor->welcome.features = UINT64_C(1) << 63;
	welcome(impostor);
}

static void unknown_bell(struct impostor *impostor)
{
	impostor->welcome.bell = 99;
	welcome(impostor);
}

static void no_descriptor(struct impostor *impostor)
{
	say_welcome(impostor, NULL, 0);
}

static void one_descriptor(struct impostor *impostor)
{
	say_welcome(impostor, &impostor->page_memory.fd, 1);
}

static void many_descriptors(struct impostor *impostor)
{
	int fds[200];

	for (int i = 0; i < 200; i++)
		fds[i] = impostor->bell;
	say_welcome(impostor, fds, 200);
}

static void page_is_a_bell(struct impostor *impostor)
{
	const int fds[] = { impostor->bell, impostor->bell };

	say_welcome(impostor, fds, 2);
}

static void bell_is_a_page(struct impostor *impostor)
{
	const int fds[] = { impostor->page_memory.fd, impostor->page_memory.fd };

	say_welcome(impostor, fds, 2);
}

static void bell_blocks(struct impostor *impostor)
{
	CHECK_EQUAL(fcntl(impostor->bell, F_SETFL, 0), 0);
	welcome(impostor);
}

static void page_is_shorter(struct impostor *impostor)
{
	impostor->welcome.header_size *= 2;
	welcome(impostor);
}

static void wrong_page_magic(struct impostor *impostor)
{
	impostor->page->magic++;
	welcome(impostor);
}

static void head_beyond_tail(struct impostor *impostor)
{
	atomic_store(&impostor->page->head.value, 1 << 20);
	welcome(impostor);
}

static void head_unaligned(struct impostor *impostor)
{
	atomic_store(&impostor->page->head.value, 4);
	welcome(impostor);
}

/* An answer that makes no sense ends the connection; the ring goes to the next receiver. */
static void bad_answers_lose_nothing(void **state)
{
	static const struct answer answers[] = {
		{ "garbage", say_garbage },
		{ "a hello", say_hello },
		{ "an eviction", say_evicted },
		{ "nothing", hang_up },
		{ "other version", other_version },
		{ "unknown feature", unknown_feature },
		{ "unknown bell", unknown_bell },
		{ "no descriptor", no_descriptor },
		{ "one descriptor", one_descriptor },
		{ "many descriptors", many_descriptors },
		{ "page is a bell", page_is_a_bell },
		{ "bell is a page", bell_is_a_page },
		{ "bell blocks", bell_blocks },
		{ "page is shorter than it says", page_is_shorter },
		{ "wrong page", wrong_page_magic },
		{ "head beyond the tail", head_beyond_tail },
		{ "head unaligned", head_unaligned },
	};
	struct play play;

	(void)state;
	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		check_context = answers[i].name;
		open_play(&play);
		answers[i].say(&play.impostor);
		await_hang_up(&play);
		CHECK_EQUAL(play.sender.calls[TOLD_CONNECTED], 0);
		CHECK_EQUAL(play.sender.calls[TOLD_DISCONNECTED], 0);
		close_play(&play);
	}
	check_context = NULL;
}

/* ---- Bad deeds after a good answer ------------------------------------------------------ */

static void ring(struct impostor *impostor)
{
	hostile_ring(&impostor->peer);
}

static void move_head_beyond_tail(struct impostor *impostor)
{
	atomic_store(&impostor->page->head.value, 1 << 20);
	ring(impostor);
}

static void move_head_back(struct impostor *impostor)
{
	atomic_store(&impostor->page->head.value, 0);
	ring(impostor);
}

static void move_head_unaligned(struct impostor *impostor)
{
	atomic_fetch_add(&impostor->page->head.value, 4);
	ring(impostor);
}

/* The first message counts as consumed: the sender's head is behind it from now on. */
static void release_first(struct play *play)
{
	struct stream first = { .most = play->stream.most };
	unsigned char bytes[1000];
	uint64_t unconsumed = test_sender_unconsumed(&play->sender);
	uint64_t released = ring_record_bytes(stream_write(&first, bytes));

	atomic_store(&play->impostor.page->head.value, released);
	CHECK_EQUAL(test_sender_unconsumed(&play->sender), unconsumed - released);
	play->sink.next[0] = 1;
}

/* Bad positions and words after a good welcome are told as -EPROTO, and cost no message. */
static void bad_deeds_lose_nothing(void **state)
{
	static const struct answer deeds[] = {
		{ "head beyond the tail", move_head_beyond_tail },
		{ "head goes back", move_head_back },
		{ "head unaligned", move_head_unaligned },
		{ "garbage", say_garbage },
		{ "second welcome", no_descriptor },
	};
	struct play play;

	(void)state;
	for (size_t i = 0; i < sizeof(deeds) / sizeof(deeds[0]); i++) {
		check_context = deeds[i].name;
		open_play(&play);
		welcome(&play.impostor);
		STAGE_UNTIL(&play.stage, play.sender.calls[TOLD_CONNECTED]);
		release_first(&play);
		deeds[i].say(&play.impostor);
		await_hang_up(&play);
		STAGE_UNTIL(&play.stage, play.sender.calls[TOLD_DISCONNECTED]);
		CHECK_EQUAL(play.sender.disconnect_error, -EPROTO);
		close_play(&play);
	}
	check_context = NULL;
}

/* A receiver that rings without end wakes the sender, and that is all. */
static void storm_of_rings_is_survived(void **state)
{
	static unsigned char rings[256];
	struct play play;

	(void)state;
	memset(rings, CONTROL_RING, sizeof(rings));
	open_play(&play);
	welcome(&play.impostor);
	STAGE_UNTIL(&play.stage, play.sender.calls[TOLD_CONNECTED]);
	for (unsigned i = 0; i < scene_scaled(200); i++) {
		while (send(play.impostor.peer.socket, rings, sizeof(rings),
				       MSG_DONTWAIT | MSG_NOSIGNAL) > 0)
			;
		stage_look(&play.stage, 1);
	}
	CHECK_EQUAL(play.sender.calls[TOLD_DISCONNECTED], 0);
	close_play(&play);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE_TEST(bad_answers_lose_nothing),
		SCENE_TEST(bad_deeds_lose_nothing),
		SCENE_TEST(storm_of_rings_is_survived),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
