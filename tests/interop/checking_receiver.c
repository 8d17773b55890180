/* SPDX-License-Identifier: MIT */
/*
 * Receives from python_sender.py, one sender with one stream of numbered messages, and knows what each has to be:
 *
 *	checking_receiver ADDRESS FIRST END [killed]
 *
 * takes the messages FIRST to END - 1, each once and in order, and ends; with "killed", it kills itself in the middle of the last. FIRST may
 * be "any": the first that comes says which it is, the others follow it. Prints which came. What is wrong ends it with status 1.
 *
 * Of a sender that begins, message 0 is kept until the sender has found its ring full: so it has to wait for room at least once however
 * slow it is, and says so with times_full.
 */
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <evchan/evchan.h>

enum {
	PATIENCE_S = 60,
	PATIENCE_MS = PATIENCE_S * 1000,
};

/* The same as message() there. */
static size_t expected(char *out, size_t room, unsigned long number)
{
	int length = snprintf(out, room, "%lu ", number);
	size_t size = number * 7 % 200 + 6;

	for (size_t at = (size_t)length; at < size; at++)
		out[at] = (char)('a' + (at - (size_t)length) % 26);
	return size;
}

static int check(const struct evchan_message *message, unsigned long number)
{
	char text[256];
	size_t size = expected(text, sizeof(text), number);

	if (message->type == number % 1000 && message->size == size &&
			memcmp(message->data, text, size) == 0 &&
			strcmp(evchan_lane_label(message->lane), "python") == 0)
		return 0;
	fprintf(stderr, "checking_receiver: not message %lu: type %u, \"%.*s\"\n", number,
			(unsigned)message->type, (int)message->size,
			(const char *)message->data);
	return -1;
}

/* SIGALRM ends us when the sender does not come so far. */
static void wait_until_full(const struct evchan_lane *lane)
{
	struct evchan_lane_stats stats = EVCHAN_LANE_STATS_INIT;

	alarm(PATIENCE_S);
	for (evchan_lane_get_stats(lane, &stats); stats.times_full == 0;
			evchan_lane_get_stats(lane, &stats))
		sched_yield();
	alarm(0);
}

static int receive(struct evchan_receiver *receiver, const char *first, unsigned long end,
		int is_killed)
{
	const struct evchan_message *message;
	unsigned long begin = strtoul(first, NULL, 10), number;
	int is_any = strcmp(first, "any") == 0;
	int r;

	for (number = begin; number < end; number++) {
		r = evchan_receive_wait(&message, receiver, PATIENCE_MS);
		if (r < 0) {
			fprintf(stderr, "checking_receiver: message %lu: %s\n", number,
					evchan_strerror(r));
			return 1;
		}
		if (is_any)
			begin = number = strtoul(message->data, NULL, 10);
		is_any = 0;
		if (check(message, number) < 0)
			return 1;
		if (is_killed && number == end - 1)
			raise(SIGKILL);
		if (number == 0)
			wait_until_full(message->lane);
		evchan_receive_done(receiver);
	}
	printf("%lu to %lu\n", begin, number - 1);
	return 0;
}

int main(int argc, char **argv)
{
	struct evchan_receiver *receiver;
	int r;

	if (argc < 4)
		return 2;
	r = evchan_receiver_new(&receiver, NULL, argv[1], NULL, NULL, NULL);
	if (r < 0) {
		fprintf(stderr, "checking_receiver: %s: %s\n", argv[1],
				evchan_strerror(r));
		return 1;
	}
	r = receive(receiver, argv[2], strtoul(argv[3], NULL, 10), argc > 4);
	evchan_receiver_free(receiver);
	return r;
}
