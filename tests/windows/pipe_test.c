/* SPDX-License-Identifier: MIT */
/* Listening on named pipes, and what goes over them: frames, handles, the end. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <aclapi.h>
#include <sddl.h>

#include "bell.h"
#include "check.h"
#include "control_socket.h"
#include "descriptor_windows.h"
#include "listener.h"
#include "pipe_windows.h"
#include "scene.h"
#include "shared_memory.h"
#include "user_windows.h"

#define PATIENCE_MS 10000
#define UNIT ((size_t)65536)

/* Both ends of a connection, in one process: handles move between it and itself. */
struct both {
	struct address address;
	struct listener listener;
	struct control_socket client, server;
};

static void parse(struct address *address, const char *text)
{
	CHECK_EQUAL(address_parse(address, text, ADDRESS_OF_RECEIVER), 0);
}

static void open_listener(struct listener *listener, const char *text)
{
	struct address address;

	parse(&address, text);
	CHECK_EQUAL(listener_open(listener, &address, 0600), 0);
}

static bool is_set(int fd)
{
	return WaitForSingleObject(handle_of(fd), 0) == WAIT_OBJECT_0;
}

static void await(int fd)
{
	CHECK_EQUAL(WaitForSingleObject(handle_of(fd), PATIENCE_MS), WAIT_OBJECT_0);
}

static void accept_one(struct listener *listener, struct control_socket *server)
{
	int fd;

	await(listener->fd);
	CHECK_EQUAL(listener_accept(listener, &fd), 0);
	control_socket_init(server, fd);
}

static void connect_both(struct both *both)
{
	memset(both, 0, sizeof(*both));
	parse(&both->address, scene_address());
	CHECK_EQUAL(listener_open(&both->listener, &both->address, 0600), 0);
	CHECK_EQUAL(control_socket_connect(&both->client, &both->address), 0);
	accept_one(&both->listener, &both->server);
}

static void end_both(struct both *both)
{
	control_socket_deinit(&both->client, NULL);
	control_socket_deinit(&both->server, NULL);
	listener_deinit(&both->listener, false);
}

static size_t bye(unsigned char *frame)
{
	return control_encode_bye(frame);
}

static void send_bye(struct control_socket *control, const int *fds, size_t count)
{
	const struct control_ancillary ancillary = { .fds = fds, .fd_count = count };
	unsigned char frame[CONTROL_FRAME_MAX];

	CHECK_EQUAL(control_socket_send(control, frame, bye(frame), &ancillary), 0);
}

static int receive(struct control_socket *control, enum control_type *type,
		struct control_arrival *arrival)
{
	const unsigned char *frame;

	return control_socket_receive(control, type, &frame, arrival, NULL);
}

static int receive_soon(struct control_socket *control, enum control_type *type,
		struct control_arrival *arrival)
{
	int r;

	while ((r = receive(control, type, arrival)) == -EAGAIN)
		await(control->fd);
	return r;
}

/* ---- Listening -------------------------------------------------------------------- */

static void nobody_is_told_as_elsewhere(void **state)
{
	struct control_socket control;
	struct address address;

	(void)state;
	parse(&address, scene_address());
	assert_int_equal(control_socket_connect(&control, &address), -ECONNREFUSED);
	parse(&address, "some\\where");
	assert_int_equal(control_socket_connect(&control, &address), -ENOENT);
}

static void address_has_one_listener(void **state)
{
	struct listener first, second;
	struct address address;

	(void)state;
	open_listener(&first, scene_address());
	parse(&address, scene_address());
	assert_int_equal(listener_open(&second, &address, 0600), -EADDRINUSE);
	listener_deinit(&first, false);
	assert_int_equal(listener_open(&second, &address, 0600), 0);
	listener_deinit(&second, false);
}

/* Names of pipes that differ in case only are one name; so two receivers at them would take each other's senders. */
static void case_makes_no_other_address(void **state)
{
	struct listener first, second;
	struct address address;
	char text[64];

	(void)state;
	snprintf(text, sizeof(text), "%s-\xc3\xa4", scene_address());
	open_listener(&first, text);
	/* The same letter, as a capital. */
	snprintf(text, sizeof(text), "%s-\xc3\x84", scene_address());
	for (char *at = text; *at; at++)
		if (*at >= 'a' && *at <= 'z')
			*at = (char)(*at - 'a' + 'A');
	parse(&address, text);
	assert_int_equal(listener_open(&second, &address, 0600), -EADDRINUSE);
	listener_deinit(&first, false);
}

/* Whether whoever connects there is let in here. */
static bool leads_to(struct listener *listener, const char *text)
{
	struct control_socket client;
	struct address address;
	bool it_does;
	int fd;

	parse(&address, text);
	CHECK_EQUAL(control_socket_connect(&client, &address), 0);
	it_does = WaitForSingleObject(handle_of(listener->fd), PATIENCE_MS) ==
					WAIT_OBJECT_0 &&
			listener_accept(listener, &fd) == 0;
	control_socket_deinit(&client, NULL);
	if (it_does)
		descriptor_close(fd);
	return it_does;
}

/* An address is a name and not a path: what the system would resolve in one makes another address. */
static void address_is_taken_as_it_is(void **state)
{
	static const char *const endings[] = { ".", " ", "/", "/.", "//x", "/../y",
		"/x" };
	struct listener plain, other;
	char text[64];

	(void)state;
	open_listener(&plain, scene_address());
	for (unsigned i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
		snprintf(text, sizeof(text), "%s%s", scene_address(), endings[i]);
		open_listener(&other, text);
		assert_true(leads_to(&other, text));
		assert_true(leads_to(&plain, scene_address()));
		listener_deinit(&other, false);
	}
	listener_deinit(&plain, false);
}

/* Nor does it lead to anything that is no pipe of this library's. */
static void address_leads_nowhere_else(void **state)
{
	struct control_socket control;
	struct address address;
	HANDLE pipe;

	(void)state;
	pipe = CreateNamedPipeW(L"\\\\.\\pipe\\evchan-test-stranger", PIPE_ACCESS_DUPLEX,
			0, 1, 0, 0, 0, NULL);
	assert_true(pipe != INVALID_HANDLE_VALUE);
	parse(&address, "x/../evchan-test-stranger");
	assert_int_equal(control_socket_connect(&control, &address), -ENOENT);
	CloseHandle(pipe);
}

/* A client that has not noticed its receiver's end, or does not want to, does not keep the address. */
static void address_is_free_though_clients_linger(void **state)
{
	struct both both;
	struct listener next;
	struct control_socket server;

	(void)state;
	connect_both(&both);
	control_socket_deinit(&both.server, NULL);
	listener_deinit(&both.listener, false);
	assert_int_equal(listener_open(&next, &both.address, 0600), 0);
	control_socket_deinit(&both.client, NULL);
	assert_int_equal(control_socket_connect(&both.client, &both.address), 0);
	accept_one(&next, &server);
	control_socket_deinit(&server, NULL);
	control_socket_deinit(&both.client, NULL);
	listener_deinit(&next, false);
}

static unsigned count_entries(HANDLE object, SE_OBJECT_TYPE type)
{
	PSECURITY_DESCRIPTOR security;
	unsigned count;
	PACL list;

	CHECK_EQUAL(GetSecurityInfo(object, type, DACL_SECURITY_INFORMATION, NULL, NULL,
				    &list, NULL, &security),
			ERROR_SUCCESS);
	CHECK(list);
	count = list->AceCount;
	LocalFree(security);
	return count;
}

/* The own user and the system. */
#define OWN_ENTRIES 2u

/* Others may connect, if they are let, but not keep the address when the receiver is gone: the lock lives as long as anybody
 * has it open. */
static void lock_is_the_own_users(void **state)
{
	wchar_t name[PIPE_NAME_MAX];
	struct listener listener;
	struct address address;
	HANDLE lock;

	(void)state;
	parse(&address, scene_address());
	assert_int_equal(listener_open(&listener, &address, 0666), 0);
	assert_int_equal(pipe_lock_name(name, &address), 0);
	lock = OpenEventW(READ_CONTROL, FALSE, name);
	assert_non_null(lock);
	assert_int_equal(count_entries(lock, SE_KERNEL_OBJECT), OWN_ENTRIES);
	CloseHandle(lock);
	listener_deinit(&listener, false);
}

/* Who may connect is this receiver's to say, though the pipe is one that another of the user's, with other wishes, has left. */
static void left_over_pipe_does_not_say_who_may_connect(void **state)
{
	struct control_socket client, lane;
	struct listener before, after;
	wchar_t name[PIPE_NAME_MAX];
	struct address address;
	HANDLE pipe;

	(void)state;
	parse(&address, scene_address());
	assert_int_equal(pipe_name(name, &address), 0);
	assert_int_equal(listener_open(&before, &address, 0666), 0);
	assert_int_equal(control_socket_connect(&client, &address), 0);
	accept_one(&before, &lane);
	listener_deinit(&before, false);
	assert_int_equal(listener_open(&after, &address, 0600), 0);
	pipe = CreateFileW(name, READ_CONTROL, 0, NULL, OPEN_EXISTING, 0, NULL);
	assert_true(pipe != INVALID_HANDLE_VALUE);
	assert_int_equal(count_entries(pipe, SE_KERNEL_OBJECT), OWN_ENTRIES);
	CloseHandle(pipe);
	control_socket_deinit(&client, NULL);
	control_socket_deinit(&lane, NULL);
	listener_deinit(&after, false);
}

/* Nobody else's pipe is joined, whether it has room for another instance or not; what is sent to it is not ours. */
static void foreign_pipe_is_not_taken_for_a_dead_receivers(void **state)
{
	static const DWORD most[] = { 1, PIPE_UNLIMITED_INSTANCES };
	SECURITY_ATTRIBUTES attributes = { .nLength = sizeof(attributes) };
	wchar_t name[PIPE_NAME_MAX];
	struct listener listener;
	struct address address;
	HANDLE squatter;

	(void)state;
	parse(&address, scene_address());
	assert_int_equal(pipe_name(name, &address), 0);
	/* The administrators', and all may do everything. */
	assert_true(ConvertStringSecurityDescriptorToSecurityDescriptorA(
			"O:BAD:(A;;GA;;;WD)", SDDL_REVISION_1,
			&attributes.lpSecurityDescriptor, NULL));
	for (unsigned i = 0; i < 2; i++) {
		squatter = CreateNamedPipeW(name, PIPE_ACCESS_DUPLEX, 0, most[i], 0, 0, 0,
				&attributes);
		assert_true(squatter != INVALID_HANDLE_VALUE);
		assert_int_equal(listener_open(&listener, &address, 0600), -EADDRINUSE);
		CloseHandle(squatter);
	}
	LocalFree(attributes.lpSecurityDescriptor);
}

/* More than there are instances: whoever finds none is told to come again, and gets in then. */
static void crowd_gets_in(void **state)
{
	struct control_socket clients[40], server;
	struct listener listener;
	struct address address;
	int r;

	(void)state;
	open_listener(&listener, scene_address());
	parse(&address, scene_address());
	for (unsigned i = 0; i < 40; i++) {
		while ((r = control_socket_connect(&clients[i], &address)) == -EAGAIN) {
			accept_one(&listener, &server);
			control_socket_deinit(&server, NULL);
		}
		assert_int_equal(r, 0);
	}
	while (is_set(listener.fd) && listener_accept(&listener, &r) == 0)
		descriptor_close(r);
	assert_false(is_set(listener.fd));
	for (unsigned i = 0; i < 40; i++)
		control_socket_deinit(&clients[i], NULL);
	listener_deinit(&listener, false);
}

/* A pipe of the own user's that has room for so many instances. */
static HANDLE make_small_pipe(const struct address *address, DWORD instances)
{
	SECURITY_ATTRIBUTES attributes = { .nLength = sizeof(attributes) };
	wchar_t name[PIPE_NAME_MAX], text[256], *user = user_own_text(false);
	HANDLE pipe;

	CHECK_EQUAL(pipe_name(name, address), 0);
	swprintf(text, 256, L"O:%lsD:(A;;GA;;;%ls)", user, user);
	CHECK(ConvertStringSecurityDescriptorToSecurityDescriptorW(
			text, SDDL_REVISION_1, &attributes.lpSecurityDescriptor, NULL));
	pipe = CreateNamedPipeW(
			name, PIPE_ACCESS_DUPLEX, 0, instances, 0, 0, 0, &attributes);
	CHECK(pipe != INVALID_HANDLE_VALUE);
	LocalFree(attributes.lpSecurityDescriptor);
	LocalFree(user);
	return pipe;
}

/* A receiver that could not make another instance for a while lets people in again when it can. */
static void listener_without_instances_recovers(void **state)
{
	struct control_socket early, late, server;
	struct listener listener;
	struct address address;
	HANDLE pipe, client;
	wchar_t name[PIPE_NAME_MAX];
	int fd;

	(void)state;
	parse(&address, scene_address());
	pipe = make_small_pipe(&address, 2);
	assert_int_equal(pipe_name(name, &address), 0);
	client = CreateFileW(name, GENERIC_READ, 0, NULL, OPEN_EXISTING, 0, NULL);
	assert_true(client != INVALID_HANDLE_VALUE);
	open_listener(&listener, scene_address());
	assert_int_equal(control_socket_connect(&early, &address), 0);
	accept_one(&listener, &server);
	assert_int_equal(control_socket_connect(&late, &address), -EAGAIN);
	/* It says so, again and again, and does not go to sleep. */
	for (unsigned i = 0; i < 3; i++) {
		await(listener.fd);
		assert_int_not_equal(listener_accept(&listener, &fd), -EAGAIN);
	}
	CloseHandle(client);
	CloseHandle(pipe);
	await(listener.fd);
	assert_int_equal(listener_accept(&listener, &fd), -EAGAIN);
	assert_int_equal(control_socket_connect(&late, &address), 0);
	control_socket_deinit(&early, NULL);
	control_socket_deinit(&server, NULL);
	accept_one(&listener, &server);
	control_socket_deinit(&late, NULL);
	control_socket_deinit(&server, NULL);
	listener_deinit(&listener, false);
}

struct made_elsewhere {
	struct listener listener;
	HANDLE is_made;
	HANDLE is_over;
};

/* What a thread has begun is ended in that thread, at some later moment, whoever asks for it. */
static DWORD WINAPI listen_in_thread(void *arg)
{
	struct made_elsewhere *made = arg;

	open_listener(&made->listener, scene_address());
	SetEvent(made->is_made);
	WaitForSingleObject(made->is_over, INFINITE);
	return 0;
}

static void shut_once(void)
{
	struct made_elsewhere made = { .is_made = CreateEventW(NULL, TRUE, FALSE, NULL),
		.is_over = CreateEventW(NULL, TRUE, FALSE, NULL) };
	struct control_socket client, server;
	struct address address;
	HANDLE thread;
	int fd;

	thread = CreateThread(NULL, 0, listen_in_thread, &made, 0, NULL);
	CHECK_EQUAL(WaitForSingleObject(made.is_made, PATIENCE_MS), WAIT_OBJECT_0);
	parse(&address, scene_address());
	assert_int_equal(control_socket_connect(&client, &address), 0);
	await(made.listener.fd);
	/* The event is set, and no wait for another client is over. */
	listener_shut(&made.listener);
	accept_one(&made.listener, &server);
	assert_int_equal(listener_accept(&made.listener, &fd), -EAGAIN);
	control_socket_deinit(&client, NULL);
	control_socket_deinit(&server, NULL);
	listener_deinit(&made.listener, false);
	SetEvent(made.is_over);
	CHECK_EQUAL(WaitForSingleObject(thread, PATIENCE_MS), WAIT_OBJECT_0);
	CloseHandle(thread);
	CloseHandle(made.is_made);
	CloseHandle(made.is_over);
}

/* An event that is set for another reason is not taken for the end of an operation, whose memory would go while the system has
 * it. */
static void operation_is_over_before_its_memory_goes(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 20; i++) {
		shut_once();
		scene_change_address();
	}
}

/* Who waits when the door is shut is let in, and nobody after. */
static void shut_listener_still_serves_its_queue(void **state)
{
	struct control_socket early, late, server;
	struct listener listener;
	struct address address;

	(void)state;
	open_listener(&listener, scene_address());
	parse(&address, scene_address());
	assert_int_equal(control_socket_connect(&early, &address), 0);
	listener_shut(&listener);
	assert_true(control_socket_connect(&late, &address) < 0);
	accept_one(&listener, &server);
	control_socket_deinit(&early, NULL);
	control_socket_deinit(&server, NULL);
	listener_deinit(&listener, false);
}

static void peers_are_known(void **state)
{
	struct evchan_peer peer;
	struct both both;

	(void)state;
	connect_both(&both);
	assert_int_equal(control_socket_peer(&both.server, &peer), 0);
	assert_int_equal(peer.pid, GetCurrentProcessId());
	assert_int_equal(peer.uid, user_own());
	assert_int_equal(control_socket_peer(&both.client, &peer), 0);
	assert_int_equal(peer.pid, GetCurrentProcessId());
	assert_int_equal(peer.uid, user_own());
	end_both(&both);
}

/* ---- Frames and handles -------------------------------------------------------------- */

/* The event is set as long as something is there, and not before or after. */
static void descriptor_is_ready_while_there_is_something(void **state)
{
	enum control_type type;
	struct both both;

	(void)state;
	connect_both(&both);
	assert_false(is_set(both.server.fd));
	assert_int_equal(receive(&both.server, &type, NULL), -EAGAIN);
	send_bye(&both.client, NULL, 0);
	await(both.server.fd);
	assert_true(is_set(both.server.fd));
	assert_true(receive_soon(&both.server, &type, NULL) > 0);
	assert_int_equal(type, CONTROL_BYE);
	assert_int_equal(receive(&both.server, &type, NULL), -EAGAIN);
	assert_false(is_set(both.server.fd));
	end_both(&both);
}

/* To see who says hello takes acting for the client, and the thread may have been acting for somebody. */
static void thread_acts_for_whom_it_did(void **state)
{
	enum control_type type;
	HANDLE token, again;
	struct both both;

	(void)state;
	connect_both(&both);
	send_bye(&both.client, NULL, 0);
	assert_true(ImpersonateSelf(SecurityImpersonation));
	assert_true(OpenThreadToken(GetCurrentThread(), TOKEN_QUERY, TRUE, &token));
	assert_true(receive_soon(&both.server, &type, NULL) > 0);
	assert_true(OpenThreadToken(GetCurrentThread(), TOKEN_QUERY, TRUE, &again));
	CloseHandle(token);
	CloseHandle(again);
	RevertToSelf();
	end_both(&both);
	connect_both(&both);
	send_bye(&both.client, NULL, 0);
	assert_true(receive_soon(&both.server, &type, NULL) > 0);
	assert_false(OpenThreadToken(GetCurrentThread(), TOKEN_QUERY, TRUE, &again));
	assert_int_equal(GetLastError(), ERROR_NO_TOKEN);
	end_both(&both);
}

/* The receiver takes the sender's handle; what it has then can be read and nothing else. */
static void sender_names_its_memory(void **state)
{
	struct shared_memory ours, theirs;
	struct control_arrival arrival;
	enum control_type type;
	struct both both;

	(void)state;
	connect_both(&both);
	assert_int_equal(shared_memory_create(&ours, UNIT, UNIT, 0), 0);
	send_bye(&both.client, &ours.fd, 1);
	assert_true(receive_soon(&both.server, &type, &arrival) > 0);
	assert_int_equal(arrival.fd_count, 1);
	assert_int_not_equal(arrival.fds[0], ours.fd);
	assert_int_equal(shared_memory_accept(&theirs, arrival.fds[0], UNIT, UNIT, 0), 0);
	shared_memory_data(&ours)[3] = 42;
	assert_int_equal(shared_memory_data(&theirs)[3], 42);
	descriptor_close(arrival.fds[0]);
	shared_memory_deinit(&theirs, NULL);
	shared_memory_deinit(&ours, NULL);
	end_both(&both);
}

/* The receiver puts its handles into the sender's process: memory, and a bell. */
static void receiver_hands_over_memory_and_bell(void **state)
{
	struct control_arrival arrival;
	struct shared_memory page;
	enum control_type type;
	struct both both;
	struct bell bell;
	int fds[2];

	(void)state;
	connect_both(&both);
	assert_int_equal(shared_memory_create(&page, UNIT, 0, 0), 0);
	assert_int_equal(bell_create(&bell, BELL_EVENTFD, false), 0);
	fds[0] = page.fd;
	fds[1] = bell.ring_fd;
	send_bye(&both.server, fds, 2);
	bell_given_away(&bell);
	assert_true(receive_soon(&both.client, &type, &arrival) > 0);
	assert_int_equal(arrival.fd_count, 2);
	assert_int_equal(bell_check_ringer(BELL_EVENTFD, arrival.fds[1]), 0);
	assert_int_equal(bell_ring(BELL_EVENTFD, arrival.fds[1]), 0);
	await(bell.watch_fd);
	descriptor_close(arrival.fds[0]);
	descriptor_close(arrival.fds[1]);
	bell_deinit(&bell);
	shared_memory_deinit(&page, NULL);
	end_both(&both);
}

static void send_raw(struct both *both, const void *bytes, size_t size)
{
	CHECK_EQUAL(pipe_write(pipe_of(both->client.fd), bytes, size), 0);
}

/* A goodbye whose trailer names one handle by this number. */
static void name_handle(struct both *both, uint32_t number)
{
	const uint32_t trailer[] = { 1, number, 0 };
	unsigned char bytes[CONTROL_FRAME_MAX];
	size_t length = bye(bytes);

	memcpy(bytes + length, trailer, sizeof(trailer));
	send_raw(both, bytes, length + sizeof(trailer));
}

/* Numbers of no handle end the connection: the system's own names for "this process" and "this thread" are among them. */
static void sender_names_nonsense(void **state)
{
	static const uint32_t numbers[] = { 0, 3, 0x3fffffc, UINT32_MAX, UINT32_MAX - 1,
		0x7ffffffc };
	enum control_type type;

	(void)state;
	for (unsigned i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		struct both both;

		connect_both(&both);
		name_handle(&both, numbers[i]);
		assert_int_equal(receive_soon(&both.server, &type, NULL), -EPROTO);
		end_both(&both);
	}
}

/* The receiver's word, with such a trailer, to a sender that has said its own. */
static int answer_with(struct both *both, uint32_t count, uint32_t first, uint32_t second)
{
	const uint32_t trailer[] = { count, first, second };
	unsigned char bytes[CONTROL_FRAME_MAX];
	size_t length = bye(bytes);
	enum control_type type;

	memcpy(bytes + length, trailer, sizeof(trailer));
	CHECK_EQUAL(pipe_write(pipe_of(both->server.fd), bytes, length + sizeof(trailer)),
			0);
	return receive_soon(&both->client, &type, NULL);
}

/* A receiver that may not open its sender's process can name handles in it all the same: the one that the hello has named, and
 * those of the application. */
static void receiver_names_what_it_has_not_given(void **state)
{
	HANDLE event = CreateEventW(NULL, FALSE, FALSE, NULL);
	HANDLE section = CreateFileMappingW(
			INVALID_HANDLE_VALUE, NULL, PAGE_READWRITE, 0, UNIT, NULL);
	unsigned char said[4 + 12];
	struct shared_memory ours;
	uint32_t number, page;
	struct both both;
	DWORD flags;
	HANDLE given;

	(void)state;
	assert_int_equal(shared_memory_create(&ours, UNIT, UNIT, 0), 0);
	connect_both(&both);
	send_bye(&both.client, &ours.fd, 1);
	await(both.server.fd);
	assert_int_equal(pipe_read(pipe_of(both.server.fd), said, sizeof(said)),
			sizeof(said));
	memcpy(&number, said + 8, 4);
	assert_int_equal(answer_with(&both, 1, number, 0), -EPROTO);
	end_both(&both);
	connect_both(&both);
	assert_int_equal(answer_with(&both, 1, (uint32_t)descriptor_of(section), 0),
			-EPROTO);
	end_both(&both);
	/* Such as a receiver gives; it is the second that is wrong. */
	assert_true(DuplicateHandle(GetCurrentProcess(), section, GetCurrentProcess(),
			&given, SECTION_MAP_READ | SECTION_QUERY, FALSE, 0));
	page = (uint32_t)descriptor_of(given);
	connect_both(&both);
	assert_int_equal(answer_with(&both, 2, page, (uint32_t)descriptor_of(event)),
			-EPROTO);
	end_both(&both);
	assert_true(GetHandleInformation(event, &flags));
	assert_true(GetHandleInformation(section, &flags));
	shared_memory_deinit(&ours, NULL);
	CloseHandle(event);
	CloseHandle(section);
}

/* A trailer that counts more handles than there may be, and bytes that are no frame. */
static void nonsense_is_no_frame(void **state)
{
	unsigned char many[CONTROL_FRAME_MAX + 64] = { 0 };
	enum control_type type;
	struct both both;

	(void)state;
	connect_both(&both);
	(void)bye(many);
	many[4] = 3;
	send_raw(&both, many, 4 + 12);
	assert_int_equal(receive_soon(&both.server, &type, NULL), -EPROTO);
	end_both(&both);
	connect_both(&both);
	send_raw(&both, "GET / HTTP/1.1\r\n", 16);
	assert_int_equal(receive_soon(&both.server, &type, NULL), -EPROTO);
	end_both(&both);
}

/* Half a frame is waited for. */
static void frame_comes_in_pieces(void **state)
{
	unsigned char frame[CONTROL_FRAME_MAX] = { 0 };
	enum control_type type;
	struct both both;

	(void)state;
	connect_both(&both);
	(void)bye(frame);
	for (unsigned i = 0; i < 4 + 12; i++) {
		assert_int_equal(receive(&both.server, &type, NULL), -EAGAIN);
		send_raw(&both, frame + i, 1);
		await(both.server.fd);
	}
	assert_int_equal(receive_soon(&both.server, &type, NULL), 4);
	end_both(&both);
}

/* What may lie there, in bytes: a few pages, and not a few pages' worth of records for each. */
#define UNREAD_MAX 8192u

/* A peer that does not read makes nobody wait: what it has not taken is bounded, and rings are no error. */
static void nobody_waits_for_a_peer_that_does_not_read(void **state)
{
	unsigned char frame[CONTROL_FRAME_MAX];
	struct both both;
	unsigned sent = 0;
	int r;

	(void)state;
	connect_both(&both);
	while ((r = control_socket_send(&both.server, frame, bye(frame), NULL)) == 0 &&
			sent < 1000000)
		sent++;
	assert_int_equal(r, -EAGAIN);
	assert_true(sent * 4 <= UNREAD_MAX);
	assert_int_equal(control_socket_ring(&both.server), 0);
	end_both(&both);
}

/* ---- The end ---------------------------------------------------------------------------- */

/* All that was said before is heard before it. */
static void end_comes_behind_the_last_frame(void **state)
{
	enum control_type type;
	struct both both;

	(void)state;
	connect_both(&both);
	send_bye(&both.client, NULL, 0);
	assert_int_equal(control_socket_ring(&both.client), 0);
	control_socket_deinit(&both.client, NULL);
	assert_true(receive_soon(&both.server, &type, NULL) > 0);
	assert_int_equal(type, CONTROL_BYE);
	assert_true(receive_soon(&both.server, &type, NULL) > 0);
	assert_int_equal(type, CONTROL_RING);
	assert_int_equal(receive_soon(&both.server, &type, NULL), -EPIPE);
	assert_true(control_socket_has_hung_up(&both.server));
	assert_true(is_set(both.server.fd));
	end_both(&both);
}

static void server_says_why_and_goes(void **state)
{
	enum control_type type;
	struct both both;

	(void)state;
	connect_both(&both);
	send_bye(&both.server, NULL, 0);
	control_socket_deinit(&both.server, NULL);
	assert_true(receive_soon(&both.client, &type, NULL) > 0);
	assert_int_equal(receive_soon(&both.client, &type, NULL), -EPIPE);
	assert_true(control_socket_send(&both.client, (const unsigned char *)"\001", 1,
				    NULL) < 0);
	end_both(&both);
}

/* Connected, said its word and gone before anybody was let in. */
static void word_outlives_its_connection(void **state)
{
	struct control_socket client, server;
	struct listener listener;
	struct address address;
	enum control_type type;

	(void)state;
	open_listener(&listener, scene_address());
	parse(&address, scene_address());
	assert_int_equal(control_socket_connect(&client, &address), 0);
	send_bye(&client, NULL, 0);
	control_socket_deinit(&client, NULL);
	accept_one(&listener, &server);
	assert_true(receive_soon(&server, &type, NULL) > 0);
	assert_int_equal(type, CONTROL_BYE);
	assert_int_equal(receive_soon(&server, &type, NULL), -EPIPE);
	control_socket_deinit(&server, NULL);
	listener_deinit(&listener, false);
}

static DWORD WINAPI connect_in_thread(void *arg)
{
	struct both *both = arg;

	connect_both(both);
	return 0;
}

/* The system takes back what a thread has under way when it ends. */
static void thread_that_made_it_may_end(void **state)
{
	enum control_type type;
	struct control_socket second;
	struct both both;
	HANDLE thread;

	(void)state;
	thread = CreateThread(NULL, 0, connect_in_thread, &both, 0, NULL);
	assert_int_equal(WaitForSingleObject(thread, PATIENCE_MS), WAIT_OBJECT_0);
	CloseHandle(thread);
	assert_int_equal(receive(&both.server, &type, NULL), -EAGAIN);
	send_bye(&both.client, NULL, 0);
	assert_true(receive_soon(&both.server, &type, NULL) > 0);
	control_socket_deinit(&both.client, NULL);
	control_socket_deinit(&both.server, NULL);
	(void)listener_accept(&both.listener, &(int){ -1 });
	assert_int_equal(control_socket_connect(&second, &both.address), 0);
	accept_one(&both.listener, &both.server);
	control_socket_deinit(&second, NULL);
	end_both(&both);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE_TEST(nobody_is_told_as_elsewhere),
		SCENE_TEST(address_has_one_listener),
		SCENE_TEST(case_makes_no_other_address),
		SCENE_TEST(address_is_taken_as_it_is),
		SCENE_TEST(address_leads_nowhere_else),
		SCENE_TEST(address_is_free_though_clients_linger),
		SCENE_TEST(lock_is_the_own_users),
		SCENE_TEST(left_over_pipe_does_not_say_who_may_connect),
		SCENE_TEST(foreign_pipe_is_not_taken_for_a_dead_receivers),
		SCENE_TEST(crowd_gets_in),
		SCENE_TEST(listener_without_instances_recovers),
		SCENE_TEST(operation_is_over_before_its_memory_goes),
		SCENE_TEST(shut_listener_still_serves_its_queue),
		SCENE_TEST(peers_are_known),
		SCENE_TEST(descriptor_is_ready_while_there_is_something),
		SCENE_TEST(thread_acts_for_whom_it_did),
		SCENE_TEST(sender_names_its_memory),
		SCENE_TEST(receiver_hands_over_memory_and_bell),
		SCENE_TEST(sender_names_nonsense),
		SCENE_TEST(receiver_names_what_it_has_not_given),
		SCENE_TEST(nonsense_is_no_frame),
		SCENE_TEST(frame_comes_in_pieces),
		SCENE_TEST(nobody_waits_for_a_peer_that_does_not_read),
		SCENE_TEST(end_comes_behind_the_last_frame),
		SCENE_TEST(server_says_why_and_goes),
		SCENE_TEST(word_outlives_its_connection),
		SCENE_TEST(thread_that_made_it_may_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
