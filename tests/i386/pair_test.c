/* SPDX-License-Identifier: MIT */
/*
 * A sender and a receiver in two processes, which need not be the same program: one may
 * have 32 bits and the other 64. Only the core is used, without an event loop, so that
 * all of it runs where neither libevent nor cmocka is.
 *
 *	pair_test                 both roles are this program
 *	pair_test with PROGRAM    each role once this program and once the other
 *	pair_test send ADDRESS BELL TOTAL
 *	pair_test receive ADDRESS BELL FIRST END TOTAL
 *	pair_test bits            prints its own
 *
 * cross_test.sh compiles the other program. What a message contains follows from its
 * number, so either side knows all of them. A receiver that does not go on to the last
 * one leaves the rest to the next receiver.
 */

#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <evchan/evchan.h>

#include "../support/available.h"
#include "../support/process.h"

#define BITS ((unsigned)sizeof(void *) * CHAR_BIT)
#define NOTE_BITS 1u
#define CAPACITY 8192

/* So many messages go to the first of two receivers. */
#define HANDOVER(total) ((total) / 3)

static unsigned slowdown(void)
{
	const char *text = getenv("EVCHAN_TEST_SLOWDOWN");
	int factor = text ? atoi(text) : 1;

	return factor > 1 ? (unsigned)factor : 1;
}

static int patience_ms(void)
{
	return 20000 * (int)slowdown();
}

/* ---- Messages ---------------------------------------------------------- */

static uint64_t spread(uint64_t number)
{
	return (number + 1) * UINT64_C(0x9e3779b97f4a7c15);
}

/* Small ones, none at all, and some that fill the ring. */
static size_t size_of(uint64_t number, size_t most)
{
	uint64_t drawn = spread(number) >> 24;

	if (drawn % 64 == 0)
		return most;
	return drawn % 8 == 0 ? 0 : (size_t)(drawn / 64 % 500);
}

static uint32_t type_of(uint64_t number)
{
	return (uint32_t)(spread(number) >> 40);
}

static void fill(unsigned char *data, uint64_t number, size_t size)
{
	for (size_t i = 0; i < size; i++)
		data[i] = (unsigned char)(spread(number) + i * 13);
}

static void check_message(const struct evchan_message *message, uint64_t number)
{
	const unsigned char *data = message->data;
	size_t most = (size_t)evchan_lane_capacity(message->lane) - 8;

	CHILD_CHECK(message->size == size_of(number, most));
	CHILD_CHECK(message->type == type_of(number));
	for (size_t i = 0; i < message->size; i++)
		CHILD_CHECK(data[i] == (unsigned char)(spread(number) + i * 13));
}

/* ---- The sender -------------------------------------------------------- */

static struct evchan_sender *open_sender(const char *address, uint32_t bell)
{
	struct evchan_sender_options options = EVCHAN_SENDER_OPTIONS_INIT;
	struct evchan_sender *sender = NULL;
	const uint32_t bits = BITS;

	options.flags = EVCHAN_SENDER_WAIT;
	options.bell = bell;
	options.capacity = CAPACITY;
	options.reconnect_max_ms = 50;
	options.label = "of a pair";
	CHILD_CHECK(evchan_sender_new(&sender, NULL, address, &options, NULL, NULL) == 0);
	CHILD_CHECK(evchan_sender_add_note(sender, NOTE_BITS, &bits, sizeof(bits)) == 0);
	return sender;
}

/* Waits for room as long as there is none, and now and then until the receiver has
 * nothing left to do and sleeps. */
static void send_all(const char *address, uint32_t bell, uint64_t total)
{
	struct evchan_sender *sender = open_sender(address, bell);
	struct evchan_lane_stats stats = EVCHAN_LANE_STATS_INIT;
	size_t most = evchan_sender_message_max(sender), size;
	unsigned char data[CAPACITY];
	uint64_t number;

	CHILD_CHECK(most == CAPACITY - 8);
	for (number = 0; number < total; number++) {
		size = size_of(number, most);
		fill(data, number, size);
		CHILD_CHECK(evchan_send_wait(sender, type_of(number), data, size, 0,
					    patience_ms()) == 0);
		if (number % 500 == 0)
			CHILD_CHECK(evchan_drain_wait(sender, patience_ms()) == 0);
	}
	CHILD_CHECK(evchan_drain_wait(sender, patience_ms()) == 0);
	evchan_sender_get_stats(sender, &stats);
	CHILD_CHECK(stats.messages == total);
	evchan_sender_free(sender);
}

/* ---- The receiver ------------------------------------------------------ */

struct watcher {
	uint64_t first, end;
	uint32_t sender_bits;
	bool has_left;
};

static void on_joined(
		struct evchan_receiver *receiver, struct evchan_lane *lane, void *arg)
{
	const struct watcher *watcher = arg;

	(void)receiver;
	CHILD_CHECK(evchan_lane_capacity(lane) == CAPACITY);
	CHILD_CHECK(evchan_lane_resumed(lane) == (watcher->first > 0));
	CHILD_CHECK(strcmp(evchan_lane_label(lane), "of a pair") == 0);
}

static void on_left(struct evchan_receiver *receiver, struct evchan_lane *lane,
		enum evchan_left_reason reason, void *arg)
{
	struct evchan_lane_stats stats = EVCHAN_LANE_STATS_INIT;
	struct watcher *watcher = arg;

	CHILD_CHECK(reason == EVCHAN_LEFT_CLOSED);
	evchan_lane_get_stats(lane, &stats);
	CHILD_CHECK(stats.messages == watcher->end - watcher->first);
	watcher->has_left = true;
	/* Nobody else will come: this ends the wait for a message. */
	CHILD_CHECK(evchan_receiver_shutdown(receiver) == 0);
}

static void on_error(struct evchan_receiver *receiver, struct evchan_lane *lane,
		int error, const char *text, void *arg)
{
	(void)receiver;
	(void)lane;
	(void)arg;
	fprintf(stderr, "receiver: error %d: %s\n", error, text);
	_exit(1);
}

static struct evchan_receiver *open_receiver(
		const char *address, uint32_t bell, struct watcher *watcher)
{
	struct evchan_receiver_callbacks callbacks = EVCHAN_RECEIVER_CALLBACKS_INIT;
	struct evchan_receiver_options options = EVCHAN_RECEIVER_OPTIONS_INIT;
	struct evchan_receiver *receiver = NULL;

	/* SOCKET is the sender's to ask for; eventfds are not everywhere, and this loop has no edges. */
	if (bell != EVCHAN_BELL_SOCKET &&
			(bell != EVCHAN_BELL_EVENTFD || has_eventfd_for(false)))
		options.bell = bell;
	callbacks.joined = on_joined;
	callbacks.left = on_left;
	callbacks.error = on_error;
	CHILD_CHECK(evchan_receiver_new(&receiver, NULL, address, &options, &callbacks,
				    watcher) == 0);
	return receiver;
}

/* Some messages are held, and looked at once more when they are done with. */
static void receive_one(struct evchan_receiver *receiver, uint64_t number,
		struct watcher *watcher)
{
	const struct evchan_message *message, *held = NULL;
	size_t size = sizeof(watcher->sender_bits);

	CHILD_CHECK(evchan_receive_wait(&message, receiver, patience_ms()) == 0);
	check_message(message, number);
	/* The note was made before any message was sent, though not before the lane
	 * joined. */
	CHILD_CHECK(evchan_lane_get_note(message->lane, NOTE_BITS, &watcher->sender_bits,
				    &size) == 0);
	CHILD_CHECK(size == sizeof(watcher->sender_bits));
	if (number % 50 == 0 && message->size <= CAPACITY / 4)
		CHILD_CHECK(evchan_message_hold(&held, message) == 0);
	if (number % 7 == 0)
		evchan_receive_done(receiver);
	if (held)
		check_message(held, number);
	evchan_message_release(held);
}

static void receive_some(const char *address, uint32_t bell, uint64_t first, uint64_t end,
		uint64_t total)
{
	struct watcher watcher = { .first = first, .end = end };
	struct evchan_receiver *receiver = open_receiver(address, bell, &watcher);
	const struct evchan_message *message;

	for (uint64_t number = first; number < end; number++)
		receive_one(receiver, number, &watcher);
	if (end == total) {
		CHILD_CHECK(evchan_receive_wait(&message, receiver, patience_ms()) ==
				-ESHUTDOWN);
		CHILD_CHECK(watcher.has_left);
	}
	/* What was delivered is done with, or the next receiver would get it once
	 * more. */
	evchan_receive_done(receiver);
	evchan_receiver_free(receiver);
	printf("%u-bit receiver: messages %llu to %llu of a %u-bit sender\n", BITS,
			(unsigned long long)first, (unsigned long long)end - 1,
			watcher.sender_bits);
}

/* ---- Both -------------------------------------------------------------- */

/* Starts a program with these arguments, NULL at the end. */
static pid_t start(const char *program, const char *const *arguments)
{
	const char *list[8] = { program };
	pid_t child;

	for (int i = 0; i < 6 && arguments[i]; i++)
		list[i + 1] = arguments[i];
	fflush(NULL);
	child = fork();
	CHILD_CHECK(child >= 0);
	if (child == 0) {
		execv(program, (char **)(uintptr_t)list);
		CHILD_CHECK(!"the program can be run");
	}
	return child;
}

static pid_t start_sender(const char *program, const char *address, const char *bell,
		uint64_t total)
{
	char count[32];
	const char *arguments[] = { "send", address, bell, count, NULL };

	snprintf(count, sizeof(count), "%llu", (unsigned long long)total);
	return start(program, arguments);
}

static pid_t start_receiver(const char *program, const char *address, const char *bell,
		const uint64_t *range)
{
	char numbers[3][32];
	const char *arguments[] = { "receive", address, bell, numbers[0], numbers[1],
		numbers[2], NULL };

	for (int i = 0; i < 3; i++)
		snprintf(numbers[i], sizeof(numbers[i]), "%llu",
				(unsigned long long)range[i]);
	return start(program, arguments);
}

static bool has_worked(pid_t child, const char *who)
{
	int result = child_result(child);

	if (result != 0)
		fprintf(stderr, "the %s ended with %d\n", who, result);
	return result == 0;
}

/* All messages go from one to the other. */
static bool exchange(const char *sender, const char *receiver, const char *address,
		const char *bell, uint64_t total)
{
	const uint64_t all[] = { 0, total, total };
	pid_t sending = start_sender(sender, address, bell, total);
	pid_t receiving = start_receiver(receiver, address, bell, all);
	bool has_received = has_worked(receiving, "receiver");

	return has_worked(sending, "sender") && has_received;
}

/* The lane goes from one receiver to the next. */
static bool hand_over(const char *sender, const char *first, const char *second,
		const char *address, const char *bell, uint64_t total)
{
	const uint64_t ranges[2][3] = { { 0, HANDOVER(total), total },
		{ HANDOVER(total), total, total } };
	pid_t sending = start_sender(sender, address, bell, total);
	bool has_received;

	has_received = has_worked(start_receiver(first, address, bell, ranges[0]),
			"first receiver");
	if (has_received)
		has_received = has_worked(
				start_receiver(second, address, bell, ranges[1]),
				"second receiver");
	else
		kill(sending, SIGKILL);
	return has_worked(sending, "sender") && has_received;
}

/* Every bell, both roles. */
static int run_pairs(const char *self, const char *other)
{
	static const char *const bells[] = { "0", "1", "2", "3" }; /* enum evchan_bell */
	uint64_t total = 10000 / slowdown();
	char address[64];

	snprintf(address, sizeof(address), "@evchan-pair-%ld", (long)getpid());
	for (size_t i = 0; i < sizeof(bells) / sizeof(bells[0]); i++) {
		if (!exchange(self, other, address, bells[i], total) ||
				!exchange(other, self, address, bells[i], total))
			return 1;
	}
	if (!hand_over(self, self, other, address, "0", total) ||
			!hand_over(other, other, self, address, "0", total))
		return 1;
	return 0;
}

static uint64_t number_of(const char *text)
{
	return strtoull(text, NULL, 10);
}

int main(int argc, char **argv)
{
	const char *role = argc > 1 ? argv[1] : "with";

	alarm(55 * slowdown());
	if (!strcmp(role, "with") && argc <= 3)
		return run_pairs(argv[0], argc == 3 ? argv[2] : argv[0]);
	if (!strcmp(role, "bits"))
		printf("%u\n", BITS);
	else if (!strcmp(role, "send") && argc == 5)
		send_all(argv[2], (uint32_t)number_of(argv[3]), number_of(argv[4]));
	else if (!strcmp(role, "receive") && argc == 7)
		receive_some(argv[2], (uint32_t)number_of(argv[3]), number_of(argv[4]),
				number_of(argv[5]), number_of(argv[6]));
	else
		return 2;
	return 0;
}
