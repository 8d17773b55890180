/* SPDX-License-Identifier: MIT */
/*
 * Peers that do not keep to the rules: what they bring, what they say, what they write into their rings. Whatever it is, it costs the
 * one lane it comes from, its culprit is named, and an honest sender's messages go on.
 *
 * The hostile ones speak through the core's own control socket, and make their rings by hand.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>
#include <windows.h>

#include <sddl.h>

#include "control_socket.h"
#include "descriptor_windows.h"
#include "disposal.h"
#include "listener.h"
#include "pipe_windows.h"
#include "ring_format.h"
#include "scene.h"
#include "shared_memory.h"
#include "stream.h"
#include "user_windows.h"

#define UNIT ((size_t)65536)
#define PATIENCE_MS 10000
#define HANDLES_LOOKED_AT 8000

/* A receiver, an honest sender that goes on sending, and a hostile one. */
struct play {
	struct stage stage;
	struct test_receiver receiver;
	struct stream_sink sink;
	struct test_sender honest;
	struct stream stream;
	struct control_socket control;
	struct shared_memory memory;
	struct ring_header *header;
};

static void hear(struct test_receiver *receiver, enum heard heard,
		struct evchan_lane *lane, const struct evchan_message *message)
{
	/* The honest one is labelled. */
	if (heard == HEARD_MESSAGE && *evchan_lane_label(message->lane))
		stream_act(receiver, heard, lane, message);
}

static void go_on(struct play *play)
{
	play->stream.count += 10;
	CHECK_EQUAL(stream_send(&play->stream, play->honest.sender, UINT64_MAX), 0);
	STAGE_UNTIL(&play->stage, play->sink.next[0] == play->stream.count);
}

static void begin(struct play *play)
{
	struct evchan_sender_options options = EVCHAN_SENDER_OPTIONS_INIT;

	memset(play, 0, sizeof(*play));
	stage_open(&play->stage, NULL);
	play->receiver.act = hear;
	play->receiver.arg = &play->sink;
	play->stream.most = 500;
	test_receiver_open(&play->receiver, &play->stage, scene_address(), NULL);
	options.label = "0";
	test_sender_open(&play->honest, &play->stage, scene_address(), &options);
	play->control = (struct control_socket)CONTROL_SOCKET_NONE;
	play->memory = (struct shared_memory)SHARED_MEMORY_NONE;
	go_on(play);
}

static void end(struct play *play)
{
	go_on(play);
	control_socket_deinit(&play->control, NULL);
	shared_memory_deinit(&play->memory, NULL);
	test_sender_free(&play->honest);
	test_receiver_free(&play->receiver);
	stage_close(&play->stage);
}

static void dial(struct play *play)
{
	struct address address;

	CHECK_EQUAL(address_parse(&address, scene_address(), ADDRESS_OF_SENDER), 0);
	CHECK_EQUAL(control_socket_connect(&play->control, &address), 0);
}

/* A ring as an honest sender would make it. */
static struct control_hello make_ring(struct play *play)
{
	struct control_hello hello = {
		.version = CONTROL_PROTOCOL_VERSION,
		.capacity = UNIT,
		.header_size = UNIT,
		.lane_id = { 1, 2, 3 },
	};

	CHECK_EQUAL(shared_memory_create(&play->memory, UNIT, UNIT, 0), 0);
	play->header = play->memory.base;
	play->header->magic = RING_HEADER_MAGIC;
	play->header->version = RING_VERSION;
	play->header->header_size = UNIT;
	play->header->capacity = UNIT;
	memcpy(play->header->lane_id, hello.lane_id, sizeof(hello.lane_id));
	return hello;
}

static void say_hello(struct play *play, const struct control_hello *hello,
		const int *fds, size_t count)
{
	const struct control_ancillary ancillary = { .fds = fds, .fd_count = count };
	unsigned char frame[CONTROL_FRAME_MAX];

	CHECK_EQUAL(control_socket_send(&play->control, frame,
				    control_encode_hello(frame, hello), &ancillary),
			0);
}

static void close_arrival(const struct control_arrival *arrival)
{
	for (size_t i = 0; i < arrival->fd_count; i++)
		descriptor_close(arrival->fds[i]);
}

/* What the receiver answers, and what comes with it. */
static enum control_type receive_answer(
		struct play *play, struct control_arrival *brought)
{
	const unsigned char *frame;
	enum control_type type;
	int r;

	while ((r = control_socket_receive(
				&play->control, &type, &frame, brought, NULL)) == -EAGAIN)
		stage_look(&play->stage, 1);
	CHECK(r > 0);
	return type;
}

static enum control_type answer(struct play *play)
{
	struct control_arrival arrival;
	enum control_type type = receive_answer(play, &arrival);

	close_arrival(&arrival);
	return type;
}

/* In, with an empty ring. */
static void join(struct play *play)
{
	struct control_hello hello;

	begin(play);
	dial(play);
	hello = make_ring(play);
	say_hello(play, &hello, &play->memory.fd, 1);
	CHECK_EQUAL(answer(play), CONTROL_WELCOME);
	STAGE_UNTIL(&play->stage, play->receiver.calls[HEARD_JOINED] == 2);
}

static void ring(struct play *play)
{
	CHECK_EQUAL(control_socket_ring(&play->control), 0);
}

/* It is cut off, and named. */
static void expect_end(struct play *play)
{
	STAGE_UNTIL(&play->stage, play->receiver.calls[HEARD_LEFT]);
	assert_int_equal(play->receiver.left_reason, EVCHAN_LEFT_BROKEN);
	assert_int_equal(play->receiver.error, -EPROTO);
	assert_int_equal(play->receiver.peer.pid, GetCurrentProcessId());
	end(play);
}

static void expect_refusal(struct play *play, int error)
{
	assert_int_equal(answer(play), CONTROL_REFUSED);
	STAGE_UNTIL(&play->stage, play->receiver.calls[HEARD_ERROR]);
	assert_int_equal(play->receiver.error, error);
	assert_int_equal(play->receiver.calls[HEARD_JOINED], 1);
	end(play);
}

/* ---- Rings ---------------------------------------------------------------------------- */

static void impossible_tail_ends_the_lane(void **state)
{
	static const uint64_t tails[] = { 4, UNIT + 8, RING_POSITION_LIMIT,
		UINT64_MAX - 7, UINT64_MAX };

	(void)state;
	for (unsigned i = 0; i < sizeof(tails) / sizeof(tails[0]); i++) {
		struct play play;

		join(&play);
		atomic_store(&play.header->tail.value, tails[i]);
		ring(&play);
		expect_end(&play);
		scene_change_address();
	}
}

static void tail_that_moves_back_ends_the_lane(void **state)
{
	struct ring_record *record;
	struct play play;

	(void)state;
	join(&play);
	record = (void *)shared_memory_data(&play.memory);
	record->size = 8;
	atomic_store(&play.header->tail.value, 16);
	ring(&play);
	STAGE_UNTIL(&play.stage, play.receiver.calls[HEARD_MESSAGE] > play.stream.count);
	atomic_store(&play.header->tail.value, 8);
	ring(&play);
	expect_end(&play);
}

static void impossible_record_ends_the_lane(void **state)
{
	static const uint32_t sizes[] = { 9, 100, UNIT, UINT32_MAX - 7, UINT32_MAX };

	(void)state;
	for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct ring_record *record;
		struct play play;

		join(&play);
		record = (void *)shared_memory_data(&play.memory);
		record->size = sizes[i];
		atomic_store(&play.header->tail.value, 16);
		ring(&play);
		expect_end(&play);
		scene_change_address();
	}
}

static void reserved_type_ends_the_lane(void **state)
{
	struct ring_record *record;
	struct play play;

	(void)state;
	join(&play);
	record = (void *)shared_memory_data(&play.memory);
	record->type = EVCHAN_TYPE_RESERVED;
	atomic_store(&play.header->tail.value, 8);
	ring(&play);
	expect_end(&play);
}

/* A sender that rings its bell without end is left alone, then cut off. */
static void storm_is_weathered(void **state)
{
	struct play play;

	(void)state;
	join(&play);
	while (!play.receiver.calls[HEARD_LEFT]) {
		for (unsigned i = 0; i < 200; i++)
			(void)control_socket_ring(&play.control);
		stage_look(&play.stage, 1);
	}
	expect_end(&play);
}

/* The same by the event, which costs whoever sets it nothing but a call that cannot fail. */
static void storm_of_events_is_weathered(void **state)
{
	struct control_arrival welcome;
	struct control_hello hello;
	struct play play;

	(void)state;
	begin(&play);
	dial(&play);
	hello = make_ring(&play);
	say_hello(&play, &hello, &play.memory.fd, 1);
	assert_int_equal(receive_answer(&play, &welcome), CONTROL_WELCOME);
	assert_int_equal(welcome.fd_count, 2);
	while (!play.receiver.calls[HEARD_LEFT]) {
		assert_true(SetEvent(handle_of(welcome.fds[1])));
		stage_turn(&play.stage);
	}
	close_arrival(&welcome);
	expect_end(&play);
}

/* ---- Hellos ---------------------------------------------------------------------------- */

static void constants_must_be_what_was_said(void **state)
{
	struct control_hello hello;
	struct play play;

	(void)state;
	begin(&play);
	dial(&play);
	hello = make_ring(&play);
	play.header->capacity = 2 * UNIT;
	say_hello(&play, &hello, &play.memory.fd, 1);
	expect_refusal(&play, -EPROTO);
}

static void memory_must_be_as_large_as_was_said(void **state)
{
	struct control_hello hello;
	struct play play;

	(void)state;
	begin(&play);
	dial(&play);
	hello = make_ring(&play);
	hello.capacity = 16 * UNIT;
	say_hello(&play, &hello, &play.memory.fd, 1);
	expect_refusal(&play, -EPERM);
}

static void hello_needs_memory(void **state)
{
	struct control_hello hello;
	struct play play;

	(void)state;
	begin(&play);
	dial(&play);
	hello = make_ring(&play);
	say_hello(&play, &hello, NULL, 0);
	expect_refusal(&play, -EPROTO);
}

/* An event, a file, this very process: looked at by type only, and let go of. */
static void handles_of_other_kinds_are_refused(void **state)
{
	char folder[MAX_PATH], path[MAX_PATH];

	(void)state;
	for (unsigned kind = 0; kind < 3; kind++) {
		struct control_hello hello;
		struct play play;
		HANDLE handle;
		int fd;

		begin(&play);
		dial(&play);
		hello = make_ring(&play);
		if (kind == 0)
			handle = CreateEventW(NULL, FALSE, FALSE, NULL);
		else if (kind == 1)
			handle = OpenProcess(
					PROCESS_ALL_ACCESS, FALSE, GetCurrentProcessId());
		else if (GetTempPathA(sizeof(folder), folder) &&
				GetTempFileNameA(folder, "evc", 0, path))
			handle = CreateFileA(path, GENERIC_READ | GENERIC_WRITE, 0, NULL,
					CREATE_ALWAYS, FILE_FLAG_DELETE_ON_CLOSE, NULL);
		fd = descriptor_of(handle);
		say_hello(&play, &hello, &fd, 1);
		expect_refusal(&play, -EPERM);
		CloseHandle(handle);
		scene_change_address();
	}
}

/* A number that is nobody's handle. */
static void numbers_of_no_handle_are_refused(void **state)
{
	const int none = 0x3fffffc;
	struct control_hello hello;
	struct play play;

	(void)state;
	begin(&play);
	dial(&play);
	hello = make_ring(&play);
	say_hello(&play, &hello, &none, 1);
	expect_refusal(&play, -EPROTO);
}

/* Two lanes of one ring, the second under the same id, are one too many. */
static void ring_is_offered_once(void **state)
{
	struct control_socket second;
	struct control_hello hello;
	struct play play;

	(void)state;
	begin(&play);
	dial(&play);
	hello = make_ring(&play);
	say_hello(&play, &hello, &play.memory.fd, 1);
	assert_int_equal(answer(&play), CONTROL_WELCOME);
	second = play.control;
	dial(&play);
	say_hello(&play, &hello, &play.memory.fd, 1);
	assert_int_equal(answer(&play), CONTROL_REFUSED);
	control_socket_deinit(&second, NULL);
	end(&play);
}

/* Who says nothing is shown out, and who hangs up without a word is forgotten. */
static void silent_connections_end(void **state)
{
	struct evchan_receiver_options options = EVCHAN_RECEIVER_OPTIONS_INIT;
	struct test_receiver receiver = { 0 };
	struct play play;

	(void)state;
	begin(&play);
	dial(&play);
	control_socket_deinit(&play.control, NULL);
	options.hello_timeout_ms = 30;
	scene_change_address();
	test_receiver_open(&receiver, &play.stage, scene_address(), &options);
	dial(&play);
	STAGE_UNTIL(&play.stage, receiver.calls[HEARD_ERROR]);
	assert_int_equal(receiver.error, -ETIMEDOUT);
	test_receiver_free(&receiver);
	end(&play);
}

/* ---- Whatever is said ------------------------------------------------------------------------ */

/* A hello of a ring's, with a trailer as it pleases, of which so many bytes are sent. */
static void say_bytes(struct play *play, const uint32_t trailer[3], size_t most)
{
	struct control_hello hello = make_ring(play);
	unsigned char bytes[CONTROL_FRAME_MAX];
	size_t length = control_encode_hello(bytes, &hello);

	memcpy(bytes + length, trailer, 12);
	length += 12;
	CHECK_EQUAL(pipe_write(pipe_of(play->control.fd), bytes,
				    length < most ? length : most),
			0);
}

/* A sender that dies loses its handles one by one. That the one which it has named is gone already says nothing against it. */
static void dying_sender_is_no_culprit(void **state)
{
	/* As if it had been one. */
	const uint32_t trailer[] = { 1, 0x3fffffc, 0 };
	struct play play;

	(void)state;
	begin(&play);
	for (unsigned i = 0; i < 20; i++) {
		dial(&play);
		say_bytes(&play, trailer, SIZE_MAX);
		control_socket_deinit(&play.control, NULL);
		shared_memory_deinit(&play.memory, NULL);
		go_on(&play);
	}
	assert_int_equal(play.receiver.calls[HEARD_JOINED], 1);
	assert_int_equal(play.receiver.calls[HEARD_ERROR], 0);
	end(&play);
}

/* One of all the ways to get nowhere. The connection may be closed before the receiver has seen it. */
static void try_something(struct play *play, unsigned what, HANDLE event)
{
	const uint32_t own = (uint32_t)descriptor_of(event);
	const uint32_t trailers[][3] = { { 0, 0, 0 }, { 1, own, 0 }, { 2, own, own },
		{ 3, own, own }, { 1, UINT32_MAX, 0 }, { 2, own, UINT32_MAX - 3 },
		{ 2, own, 0x3fffffc }, { UINT32_MAX, own, own } };
	const unsigned kinds = sizeof(trailers) / sizeof(trailers[0]);

	dial(play);
	if (what % 12 < kinds)
		say_bytes(play, trailers[what % 12], SIZE_MAX);
	else if (what % 12 < 10)
		say_bytes(play, trailers[1], what % 97);
	else if (what % 12 == 10)
		CHECK_EQUAL(pipe_write(pipe_of(play->control.fd), "GET / HTTP/1.1\r\n",
					    16),
				0);
	if (what % 5)
		stage_look(&play->stage, 1);
	control_socket_deinit(&play->control, NULL);
	shared_memory_deinit(&play->memory, NULL);
}

/* One by one: wine does not tell their number. */
static unsigned count_handles(struct play *play)
{
	unsigned count = 0;
	DWORD flags;

	go_on(play);
	CHECK_EQUAL(disposal_wait(PATIENCE_MS), 0);
	for (int fd = 4; fd < HANDLES_LOOKED_AT; fd += 4)
		count += GetHandleInformation(handle_of(fd), &flags) != 0;
	return count;
}

/* All that is closed again, in whichever way it has failed; the honest sender goes on meanwhile. */
static void failures_leave_no_handles(void **state)
{
	HANDLE event = CreateEventW(NULL, FALSE, FALSE, NULL);
	struct play play;
	unsigned before;

	(void)state;
	begin(&play);
	for (unsigned i = 0; i < 60; i++)
		try_something(&play, i, event);
	before = count_handles(&play);
	for (unsigned i = 0; i < 300; i++)
		try_something(&play, i, event);
	/* The system's pool may have taken some for itself. */
	assert_true(count_handles(&play) <= before + 10);
	end(&play);
	CloseHandle(event);
}

/* ---- Users --------------------------------------------------------------------------------- */

static int refusal_of(const struct evchan_receiver_options *options)
{
	struct test_receiver receiver = { 0 };
	struct test_sender sender = { 0 };
	struct stage stage;
	int r;

	stage_open(&stage, NULL);
	test_receiver_open(&receiver, &stage, scene_address(), options);
	test_sender_open(&sender, &stage, scene_address(), NULL);
	STAGE_UNTIL(&stage, sender.calls[TOLD_CONNECTED] || sender.calls[TOLD_REFUSED]);
	r = sender.refusal;
	assert_true(r == 0 || sender.is_final);
	test_sender_free(&sender);
	test_receiver_free(&receiver);
	stage_close(&stage);
	return r;
}

static void only_listed_users_get_in(void **state)
{
	struct evchan_receiver_options options = EVCHAN_RECEIVER_OPTIONS_INIT;
	uid_t users[2];

	(void)state;
	assert_int_equal(evchan_windows_uid(&users[0], "S-1-5-21-1-2-3-1001"), 0);
	assert_int_equal(evchan_windows_uid(&users[1], "S-1-5-18"), 0);
	assert_int_equal(users[1], 0);
	assert_int_not_equal(users[0], user_own());
	options.allow_uids = users;
	options.allow_uid_count = 2;
	assert_int_equal(refusal_of(&options), -EACCES);
	users[1] = user_own();
	assert_int_equal(refusal_of(&options), 0);
}

static void identifiers_are_read_strictly(void **state)
{
	uid_t one, other;

	(void)state;
	assert_int_equal(evchan_windows_uid(&one, "root"), -EINVAL);
	assert_int_equal(evchan_windows_uid(&one, NULL), -EINVAL);
	assert_int_equal(evchan_windows_uid(&one, "S-1-5-21-1-2-3-500"), 0);
	assert_int_equal(evchan_windows_uid(&other, "S-1-5-21-1-2-4-500"), 0);
	assert_int_not_equal(one, other);
	assert_int_equal(evchan_windows_uid(&other, "S-1-5-21-1-2-3-500"), 0);
	assert_int_equal(one, other);
}

static void set_token_access(HANDLE token, const char *text)
{
	PSECURITY_DESCRIPTOR security;

	CHECK(ConvertStringSecurityDescriptorToSecurityDescriptorA(
			text, SDDL_REVISION_1, &security, NULL));
	CHECK(SetKernelObjectSecurity(token, DACL_SECURITY_INFORMATION, security));
	LocalFree(security);
}

/* A process that cannot tell who it is takes nobody for its own user, and least of all those who cannot be told either. */
static void unknown_users_are_not_the_own_one(void **state)
{
	HANDLE token;
	uid_t own;

	(void)state;
	CHECK(OpenProcessToken(GetCurrentProcess(), WRITE_DAC, &token));
	set_token_access(token, "D:(D;;GA;;;WD)");
	own = user_own();
	set_token_access(token, "D:(A;;GA;;;WD)");
	CloseHandle(token);
	assert_int_equal(own, USER_NOBODY);
	assert_int_not_equal(own, USER_UNKNOWN);
	assert_int_not_equal(user_own(), USER_NOBODY);
}

/* A sender trusts its own user's receivers and the system's; with a list, those on it. */
static void ring_is_for_trusted_receivers(void **state)
{
	struct evchan_sender_options options = EVCHAN_SENDER_OPTIONS_INIT;
	struct test_receiver receiver = { 0 };
	struct test_sender sender = { 0 };
	struct stage stage;
	uid_t other;

	(void)state;
	assert_int_equal(evchan_windows_uid(&other, "S-1-5-21-1-2-3-1001"), 0);
	options.receiver_uids = &other;
	options.receiver_uid_count = 1;
	stage_open(&stage, NULL);
	test_receiver_open(&receiver, &stage, scene_address(), NULL);
	assert_int_equal(test_sender_try(&sender, &stage, scene_address(), &options),
			-EACCES);
	options.flags = EVCHAN_SENDER_ANY_RECEIVER;
	test_sender_open(&sender, &stage, scene_address(), &options);
	STAGE_UNTIL(&stage, sender.calls[TOLD_CONNECTED]);
	test_sender_free(&sender);
	test_receiver_free(&receiver);
	stage_close(&stage);
}

/* The pipe says whose it is, whatever process has the number that it names: that may have ended, and another user's have it now. */
static void receiver_is_who_owns_the_pipe(void **state)
{
	SECURITY_ATTRIBUTES attributes = { .nLength = sizeof(attributes) };
	struct test_sender sender = { 0 };
	wchar_t name[PIPE_NAME_MAX];
	struct address address;
	struct stage stage;
	HANDLE pipe;

	(void)state;
	CHECK_EQUAL(address_parse(&address, scene_address(), ADDRESS_OF_SENDER), 0);
	CHECK_EQUAL(pipe_name(name, &address), 0);
	/* The administrators'. */
	CHECK(ConvertStringSecurityDescriptorToSecurityDescriptorA("O:BAD:(A;;GA;;;WD)",
			SDDL_REVISION_1, &attributes.lpSecurityDescriptor, NULL));
	pipe = CreateNamedPipeW(name, PIPE_ACCESS_DUPLEX, 0, 1, 0, 0, 0, &attributes);
	CHECK(pipe != INVALID_HANDLE_VALUE);
	LocalFree(attributes.lpSecurityDescriptor);
	stage_open(&stage, NULL);
	assert_int_equal(
			test_sender_try(&sender, &stage, scene_address(), NULL), -EACCES);
	stage_close(&stage);
	CloseHandle(pipe);
}

/* ---- Receivers --------------------------------------------------------------------------------- */

/* What a hostile receiver welcomes a sender with. */
struct false_welcome {
	struct stage stage;
	struct listener listener;
	struct control_socket control;
	struct test_sender sender;
};

static void expect_sender(struct false_welcome *play)
{
	struct evchan_sender_options options = EVCHAN_SENDER_OPTIONS_INIT;
	struct control_arrival arrival;
	struct address address;
	const unsigned char *frame;
	enum control_type type;
	int fd, r;

	memset(play, 0, sizeof(*play));
	stage_open(&play->stage, NULL);
	CHECK_EQUAL(address_parse(&address, scene_address(), ADDRESS_OF_RECEIVER), 0);
	CHECK_EQUAL(listener_open(&play->listener, &address, 0600), 0);
	options.reconnect_min_ms = options.reconnect_max_ms = 60000;
	test_sender_open(&play->sender, &play->stage, scene_address(), &options);
	CHECK_EQUAL(WaitForSingleObject(handle_of(play->listener.fd), PATIENCE_MS),
			WAIT_OBJECT_0);
	CHECK_EQUAL(listener_accept(&play->listener, &fd), 0);
	control_socket_init(&play->control, fd);
	while ((r = control_socket_receive(&play->control, &type, &frame, &arrival,
				NULL)) == -EAGAIN)
		CHECK_EQUAL(WaitForSingleObject(handle_of(fd), PATIENCE_MS),
				WAIT_OBJECT_0);
	CHECK(r > 0);
	close_arrival(&arrival);
}

/* As bytes, because the control socket itself would not say such things. */
static void welcome_with(struct false_welcome *play, uint32_t first, uint32_t second)
{
	const struct control_welcome welcome = {
		.version = CONTROL_PROTOCOL_VERSION, .bell = 1, .header_size = UNIT
	};
	const uint32_t trailer[] = { 2, first, second };
	unsigned char bytes[CONTROL_FRAME_MAX];
	size_t length = control_encode_welcome(bytes, &welcome);

	memcpy(bytes + length, trailer, sizeof(trailer));
	CHECK_EQUAL(pipe_write(pipe_of(play->control.fd), bytes,
				    length + sizeof(trailer)),
			0);
}

/* The sender gives the receiver up, and has touched nothing of its own. */
static void expect_farewell(struct false_welcome *play)
{
	while (!control_socket_has_hung_up(&play->control))
		stage_look(&play->stage, 1);
	assert_int_equal(play->sender.calls[TOLD_CONNECTED], 0);
	test_sender_free(&play->sender);
	control_socket_deinit(&play->control, NULL);
	listener_deinit(&play->listener, false);
	stage_close(&play->stage);
}

static bool is_alive(HANDLE handle)
{
	DWORD flags;

	return GetHandleInformation(handle, &flags);
}

/* Handles of the sender's process that the receiver has not put there are neither used nor closed. */
static void senders_own_handles_are_left_alone(void **state)
{
	HANDLE event = CreateEventW(NULL, FALSE, FALSE, NULL);
	struct shared_memory own;
	struct false_welcome play;

	(void)state;
	assert_int_equal(shared_memory_create(&own, UNIT, 0, 0), 0);
	expect_sender(&play);
	welcome_with(&play, (uint32_t)own.fd, (uint32_t)descriptor_of(event));
	expect_farewell(&play);
	assert_true(is_alive(handle_of(own.fd)));
	expect_sender(&play);
	welcome_with(&play, (uint32_t)descriptor_of(event),
			(uint32_t)descriptor_of(event));
	expect_farewell(&play);
	expect_sender(&play);
	welcome_with(&play, 0x3fffffc, 12345);
	expect_farewell(&play);
	assert_true(is_alive(event));
	CloseHandle(event);
	shared_memory_deinit(&own, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE_TEST(impossible_tail_ends_the_lane),
		SCENE_TEST(tail_that_moves_back_ends_the_lane),
		SCENE_TEST(impossible_record_ends_the_lane),
		SCENE_TEST(reserved_type_ends_the_lane),
		SCENE_TEST(storm_is_weathered),
		SCENE_TEST(storm_of_events_is_weathered),
		SCENE_TEST(constants_must_be_what_was_said),
		SCENE_TEST(memory_must_be_as_large_as_was_said),
		SCENE_TEST(hello_needs_memory),
		SCENE_TEST(handles_of_other_kinds_are_refused),
		SCENE_TEST(numbers_of_no_handle_are_refused),
		SCENE_TEST(ring_is_offered_once),
		SCENE_TEST(silent_connections_end),
		SCENE_TEST(dying_sender_is_no_culprit),
		SCENE_TEST(failures_leave_no_handles),
		SCENE_TEST(only_listed_users_get_in),
		SCENE_TEST(identifiers_are_read_strictly),
		SCENE_TEST(unknown_users_are_not_the_own_one),
		SCENE_TEST(ring_is_for_trusted_receivers),
		SCENE_TEST(receiver_is_who_owns_the_pipe),
		SCENE_TEST(senders_own_handles_are_left_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
