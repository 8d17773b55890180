/* SPDX-License-Identifier: MIT */
/*
 * What one hostile process can take away from the honest senders of the same receiver.
 *
 * Honest senders flood the receiver with small messages, on their loops; what arrives
 * of theirs is counted. Once without anybody else; once with one more honest sender, or
 * with a hostile process. With `n` honest senders a fair share is n / (n + 1) of what
 * they have alone: of the receiver, and of the processors, which the hostile process
 * uses as well.
 *
 * The receiver has the first processor for itself, all others share the second: so the
 * receiver is what is fought for, and the scheduler's choices make no difference. Each
 * case is compared with the honest alone just before and just after it, because a
 * machine can be now faster and now slower; medians count.
 *
 * Usage: hostile_share [--rounds N] [--seconds S] [--senders N] [--least SHARE] [--only
 * NAME]; prints a table in Markdown. Status 1 if a median is below SHARE of what is
 * fair, also when all is measured again in three times the rounds; 77 if others were at work, too.
 */

#include <errno.h>
#include <getopt.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/event.h>

#include <evchan/evchan.h>
#include <evchan/libevent.h>

#include "contention.h"
#include "hostile.h"
#include "process.h"

#define SHARE 1000 /* messages before an honest sender goes back to its loop */
#define PAYLOAD 64
#define SENDERS_MAX 16u
#define ROUNDS_MAX 100u
#define CASES_MAX 16u
#define AGAIN 3u        /* times the rounds, before a bad share counts */
#define OTHERS_MOST 0.1 /* of the processors: more makes a measurement worthless */

struct play {
	char address[64];
	_Atomic uint64_t *counts; /* of messages, for each honest sender */
	unsigned number;          /* of a sender */
};

struct settings {
	unsigned rounds;
	unsigned senders;
	double seconds;
	double least;
	const char *only; /* this case; NULL: all */
};

/* ---- The honest
 * -------------------------------------------------------------------------- */

/* To the first or the last of the processors that this process may use. */
static void pin(bool to_first)
{
	cpu_set_t set;
	int cpu = to_first ? 0 : CPU_SETSIZE - 1;

	if (sched_getaffinity(0, sizeof(set), &set) < 0)
		return;
	while (!CPU_ISSET(cpu, &set))
		cpu += to_first ? 1 : -1;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	(void)sched_setaffinity(0, sizeof(set), &set);
}

static struct event_base *open_loop(struct evchan_loop **loop)
{
	struct event_base *base = event_base_new();

	if (!base)
		process_die("event_base_new");
	process_check(evchan_libevent_loop_new(loop, base), "evchan_libevent_loop_new");
	return base;
}

struct source {
	struct evchan_sender *sender;
	struct event *again;
};

static void send_some(struct source *source)
{
	static const unsigned char message[PAYLOAD];
	static const struct timeval now = { 0, 0 };
	int r = 0;

	for (int i = 0; r == 0 && i < SHARE; i++)
		r = evchan_send(source->sender, 1, message, sizeof(message), 0);
	if (r == 0)
		event_add(source->again, &now);
	else if (r != -EAGAIN)
		process_check(r, "evchan_send");
}

static void on_again(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	send_some(arg);
}

static void on_writable(struct evchan_sender *sender, void *arg)
{
	(void)sender;
	send_some(arg);
}

static void send_honestly(void *arg)
{
	const struct play *play = arg;
	struct evchan_sender_options options = EVCHAN_SENDER_OPTIONS_INIT;
	struct evchan_sender_callbacks callbacks = EVCHAN_SENDER_CALLBACKS_INIT;
	struct source source;
	struct evchan_loop *loop;
	struct event_base *base = open_loop(&loop);
	char label[16];

	pin(false);
	snprintf(label, sizeof(label), "%u", play->number);
	options.label = label;
	options.flags = EVCHAN_SENDER_WAIT;
	callbacks.writable = on_writable;
	source.again = evtimer_new(base, on_again, &source);
	process_check(evchan_sender_new(&source.sender, loop, play->address, &options,
				      &callbacks, &source),
			"evchan_sender_new");
	send_some(&source);
	event_base_dispatch(base);
}

static void on_joined(
		struct evchan_receiver *receiver, struct evchan_lane *lane, void *arg)
{
	const struct play *play = arg;
	const char *label = evchan_lane_label(lane);

	(void)receiver;
	if (strcmp(label, "hostile") != 0)
		evchan_lane_set_data(lane,
				(void *)(uintptr_t)&play
						->counts[strtoul(label, NULL, 10)]);
}

static void on_message(struct evchan_receiver *receiver,
		const struct evchan_message *message, void *arg)
{
	_Atomic uint64_t *count = evchan_lane_data(message->lane);

	(void)receiver;
	(void)arg;
	if (count)
		atomic_store_explicit(count,
				atomic_load_explicit(count, memory_order_relaxed) + 1,
				memory_order_relaxed);
}

static void receive(void *arg)
{
	struct play *play = arg;
	struct evchan_receiver_callbacks callbacks = EVCHAN_RECEIVER_CALLBACKS_INIT;
	struct evchan_receiver *receiver;
	struct evchan_loop *loop;
	struct event_base *base = open_loop(&loop);

	pin(true);
	callbacks.joined = on_joined;
	callbacks.message = on_message;
	process_check(evchan_receiver_new(&receiver, loop, play->address, NULL,
				      &callbacks, play),
			"evchan_receiver_new");
	event_base_dispatch(base);
}

/* ---- One measurement
 * ----------------------------------------------------------------------- */

static uint64_t sum(const struct play *play, unsigned senders)
{
	uint64_t all = 0;

	for (unsigned i = 0; i < senders; i++)
		all += atomic_load(&play->counts[i]);
	return all;
}

/* Waits until each of them has got through. */
static void await_all(const struct play *play, unsigned senders)
{
	uint64_t end = process_now_ns() + 20 * SECOND * process_slowdown();

	for (unsigned i = 0; i < senders;) {
		if (atomic_load(&play->counts[i]) > 1000) {
			i++;
			continue;
		}
		process_sleep_ns(MILLISECOND);
		if (process_now_ns() > end)
			process_die("an honest sender is served nothing");
	}
}

struct attack {
	void (*run)(void *address);
	char *address;
};

static void attack(void *arg)
{
	const struct attack *this = arg;

	pin(false);
	this->run(this->address);
}

/* Messages a second of the honest ones, beside one that is `more`, or one that runs
 * this. */
static double measure(
		const struct settings *settings, bool more, void (*run)(void *address))
{
	static unsigned number;
	struct play play = { .counts = process_share(4096) };
	pid_t processes[SENDERS_MAX + 2];
	unsigned count = 0;
	uint64_t before, begun;
	double rate;

	snprintf(play.address, sizeof(play.address), "@evchan-share-%ld-%u",
			(long)getpid(), number++);
	processes[count++] = process_start(receive, &play);
	for (play.number = 0; play.number < settings->senders; play.number++)
		processes[count++] = process_start(send_honestly, &play);
	await_all(&play, settings->senders);
	if (more)
		processes[count++] = process_start(send_honestly, &play);
	if (run)
		processes[count++] = process_start(
				attack, &(struct attack){ run, play.address });
	process_sleep_ns((uint64_t)(settings->seconds / 5 * (double)SECOND));
	before = sum(&play, settings->senders);
	begun = process_now_ns();
	process_sleep_ns((uint64_t)(settings->seconds * (double)SECOND));
	rate = (double)(sum(&play, settings->senders) - before) /
			((double)(process_now_ns() - begun) / (double)SECOND);
	while (count)
		process_kill(processes[--count]);
	return rate;
}

/* ---- All of them
 * ----------------------------------------------------------------------------- */

static int compare(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static double median(double *values, unsigned count)
{
	qsort(values, count, sizeof(double), compare);
	return values[count / 2];
}

static bool is_wanted(const struct settings *settings, unsigned which)
{
	return !settings->only ||
			(which > 0 &&
					strcmp(settings->only,
							hostiles[which - 1].name) == 0);
}

/* What was measured of one case, in each round. */
struct findings {
	double rates[ROUNDS_MAX];
	double ratios[ROUNDS_MAX]; /* to what they have alone, just before and after */
};

/* Case 0: with one more honest sender; then the hostile ones. Returns what they have
 * alone at the end. */
static double run_round(const struct settings *settings, struct findings *findings,
		unsigned round, double alone)
{
	for (unsigned i = 0; i <= hostile_count; i++) {
		double rate, after;

		if (!is_wanted(settings, i))
			continue;
		rate = measure(settings, i == 0, i == 0 ? NULL : hostiles[i - 1].attack);
		after = measure(settings, false, NULL);
		findings[i].rates[round] = rate;
		findings[i].ratios[round] = rate / ((alone + after) / 2);
		alone = after;
	}
	return alone;
}

static bool print_case(const struct settings *settings, const char *what, double rate,
		double ratio)
{
	double share = ratio * (settings->senders + 1) / settings->senders;

	printf("| %s | %.2f M/s | %.2f | %.2f |\n", what, rate / 1e6, ratio, share);
	return share >= settings->least;
}

static bool print_all(const struct settings *settings, struct findings *findings)
{
	bool is_fair = true;

	printf("| beside %u honest senders | they have", settings->senders);
	puts(" | of what they have alone | of a fair share |");
	puts("|---|---|---|---|");
	for (unsigned i = 0; i <= hostile_count; i++)
		if (is_wanted(settings, i))
			is_fair &= print_case(settings,
					i ? hostiles[i - 1].what
					  : "(one more honest sender)",
					median(findings[i].rates, settings->rounds),
					median(findings[i].ratios, settings->rounds));
	return is_fair;
}

static void read_settings(struct settings *settings, int argc, char **argv)
{
	static const struct option options[] = {
		{ "rounds", required_argument, NULL, 'r' },
		{ "seconds", required_argument, NULL, 's' },
		{ "senders", required_argument, NULL, 'n' },
		{ "least", required_argument, NULL, 'l' },
		{ "only", required_argument, NULL, 'o' },
		{ NULL, 0, NULL, 0 },
	};
	int code;

	while ((code = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (code == 'r')
			settings->rounds = (unsigned)strtoul(optarg, NULL, 10);
		else if (code == 's')
			settings->seconds = strtod(optarg, NULL);
		else if (code == 'n')
			settings->senders = (unsigned)strtoul(optarg, NULL, 10);
		else if (code == 'l')
			settings->least = strtod(optarg, NULL);
		else if (code == 'o')
			settings->only = optarg;
		else
			exit(2);
	}
	if (!settings->rounds || settings->rounds > ROUNDS_MAX || !settings->senders ||
			settings->senders > SENDERS_MAX || !(settings->seconds > 0)) {
		fputs("hostile_share: see its first comment for the usage\n", stderr);
		exit(2);
	}
}

/* Whether each case has what is fair; what others had of the processors meanwhile. */
static bool measure_all(const struct settings *settings, double *others)
{
	static struct findings findings[CASES_MAX];
	struct contention contention;
	double alone;

	contention_begin(&contention);
	alone = measure(settings, false, NULL);
	for (unsigned round = 0; round < settings->rounds; round++)
		alone = run_round(settings, findings, round, alone);
	*others = contention_others(&contention);
	return print_all(settings, findings);
}

int main(int argc, char **argv)
{
	struct settings settings = { .rounds = 9, .senders = 4, .seconds = 0.4 };
	double others;

	read_settings(&settings, argc, argv);
	if (measure_all(&settings, &others))
		return 0;
	/* A machine that is shared has bad moments, which are as long as a few short rounds: what counts is a longer look. */
	if (others < OTHERS_MOST && settings.rounds * AGAIN <= ROUNDS_MAX) {
		puts("again, for longer:");
		settings.rounds *= AGAIN;
		if (measure_all(&settings, &others))
			return 0;
	}
	if (others < OTHERS_MOST)
		return 1;
	printf("skipped: others had %.0f %% of the processors, so this says nothing\n",
			100 * others);
	return 77;
}
