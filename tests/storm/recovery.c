/* SPDX-License-Identifier: MIT */
/*
 * Times after a SIGKILL, thousands of times over.
 *
 * Receiver: a standby process exists already, as a service manager has one process of
 * its own. At the kill it waits until the kernel says that the receiver is gone,
 * executes the new receiver's program, which opens the address and serves. Measured
 * from kill(2) to the callback with the first message, and where the time went.
 *
 * Sender: measured from kill(2) to the receiver's `left`, that is until all that the
 * sender had published was delivered. Once nothing else goes on, once with other
 * senders in full flow.
 *
 * Usage: recovery [--samples N] [--histograms FOLDER]; prints rows for a table in
 * Markdown.
 */

#include "recovery.h"

#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "process.h"
#include "random.h"
#include "samples.h"

#define BUSY_SENDERS 3
#define SETTLE_MESSAGES 5 /* of the victim, before it is killed */

static int board_fd;
static struct random randomness = { 1 };

static struct recovery_board *map_board(int fd)
{
	void *memory = mmap(NULL, sizeof(struct recovery_board), PROT_READ | PROT_WRITE,
			MAP_SHARED, fd, 0);

	if (memory == MAP_FAILED)
		process_die("mmap of the board");
	return memory;
}

/* Waits until a word of the board is at least this. */
static void await(const _Atomic uint64_t *word, uint64_t least)
{
	uint64_t end = process_now_ns() + 60 * SECOND;

	while (atomic_load(word) < least) {
		process_sleep_ns(MILLISECOND / 10);
		if (process_now_ns() > end)
			process_die("waits in vain");
	}
}

static void sleep_a_little(void)
{
	process_sleep_ns(random_below(&randomness, 2000) * 1000);
}

/* ---- Receivers --------------------------------------------------------------------- */

struct standby {
	const char *address;
	int go; /* end of a pipe */
};

/* Executes this program as a receiver when it is told to. */
static void stand_by(void *arg)
{
	const struct standby *standby = arg;
	char fd[16];
	char byte;

	snprintf(fd, sizeof(fd), "%d", board_fd);
	if (read(standby->go, &byte, 1) != 1)
		_exit(0);
	execl("/proc/self/exe", "recovery", "--serve", fd, standby->address,
			(char *)NULL);
	process_die("execl");
}

struct receiver_times {
	struct samples whole, death, start, reconnect;
};

/* Kills the receiver and lets the standby take over. Returns the new receiver. */
static pid_t replace(pid_t receiver, struct recovery_board *board, const char *address,
		struct receiver_times *times)
{
	struct standby standby = { .address = address };
	uint64_t killed, gone;
	pid_t next;
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		process_die("pipe2");
	standby.go = ends[0];
	next = process_start(stand_by, &standby);
	close(ends[0]);
	await(&board->served, atomic_load(&board->served) + SETTLE_MESSAGES);
	sleep_a_little();
	atomic_store(&board->first_at, 1); /* not by a message that is in between */
	killed = process_now_ns();
	process_kill(receiver);
	gone = process_now_ns();
	atomic_store(&board->listening_at, 0);
	atomic_store(&board->first_at, 0);
	if (write(ends[1], "", 1) != 1)
		process_die("write");
	close(ends[1]);
	await(&board->first_at, 1);
	samples_add(&times->death, gone - killed);
	samples_add(&times->start, atomic_load(&board->listening_at) - gone);
	samples_add(&times->reconnect,
			atomic_load(&board->first_at) -
					atomic_load(&board->listening_at));
	samples_add(&times->whole, atomic_load(&board->first_at) - killed);
	return next;
}

static void print_all(struct samples *const *all, unsigned count, const char *folder)
{
	for (unsigned i = 0; i < count; i++) {
		samples_print(all[i]);
		if (folder && all[i]->name)
			samples_write_histogram(all[i], folder);
		samples_close(all[i]);
	}
}

static void measure_receivers(struct receiver_times *times, uint32_t reconnect_min_ms,
		unsigned samples, const char *folder)
{
	struct recovery_board *board = map_board(board_fd);
	struct recovery_role role = { .board = board,
		.address = process_path(),
		.label = "source",
		.reconnect_min_ms = reconnect_min_ms,
		.interval_us = 1000 };
	struct samples *const all[] = { &times->whole, &times->death, &times->start,
		&times->reconnect };
	pid_t receiver = process_start(recovery_receiver, &role);
	pid_t sender = process_start(recovery_sender, &role);

	for (unsigned i = 0; i < samples; i++)
		receiver = replace(receiver, board, role.address, times);
	process_kill(sender);
	process_kill(receiver);
	print_all(all, 4, folder);
}

/* ---- Senders
 * ------------------------------------------------------------------------- */

static void measure_one_sender(struct recovery_role *victim, struct samples *times)
{
	struct recovery_board *board = victim->board;
	uint64_t served = atomic_load(&board->victim_served);
	pid_t sender = process_start(recovery_sender, victim);
	uint64_t killed;

	await(&board->victim_served, served + SETTLE_MESSAGES);
	sleep_a_little();
	atomic_store(&board->left_at, 0);
	killed = process_now_ns();
	process_kill(sender);
	await(&board->left_at, 1);
	samples_add(times, atomic_load(&board->left_at) - killed);
}

/* `others`: senders in full flow, of which the victim is then one more. */
static void measure_senders(struct samples *times, unsigned others, unsigned samples,
		const char *folder)
{
	struct recovery_board *board = map_board(board_fd);
	struct recovery_role role = {
		.board = board, .address = process_path(), .label = "other"
	};
	struct recovery_role victim = { .board = board,
		.address = process_path(),
		.label = "victim",
		.interval_us = others ? 0 : 200 };
	pid_t receiver = process_start(recovery_receiver, &role);
	pid_t processes[BUSY_SENDERS];

	for (unsigned i = 0; i < others; i++)
		processes[i] = process_start(recovery_sender, &role);
	for (unsigned i = 0; i < samples; i++)
		measure_one_sender(&victim, times);
	for (unsigned i = 0; i < others; i++)
		process_kill(processes[i]);
	process_kill(receiver);
	print_all(&times, 1, folder);
}

/* ---- All of it
 * ------------------------------------------------------------------------- */

static void open_times(struct receiver_times *times, const char *name, const char *title,
		unsigned samples)
{
	samples_open(&times->whole, name, title, samples);
	samples_open(&times->death, NULL, "... of it: until the kernel has reaped it",
			samples);
	samples_open(&times->start, NULL, "... until the new one listens (exec, address)",
			samples);
	samples_open(&times->reconnect, NULL,
			"... until its first message (the sender's back-off)", samples);
}

static void measure(unsigned samples, const char *folder)
{
	struct receiver_times by_default, at_once;
	struct samples idle, busy;

	board_fd = memfd_create("recovery", 0);
	if (board_fd < 0 || ftruncate(board_fd, sizeof(struct recovery_board)) < 0)
		process_die("memfd_create");
	open_times(&by_default, "receiver-default",
			"receiver killed, to the next one's first message; defaults",
			samples);
	open_times(&at_once, "receiver-1ms", "the same, reconnect_min_ms = 1", samples);
	samples_open(&idle, "sender-idle", "sender killed, to its `left`; all else idle",
			samples);
	samples_open(&busy, "sender-busy",
			"the same; it and three others in full flow, on all processors",
			samples);
	puts("| | samples | median | 99 % | longest |\n|---|---|---|---|---|");
	measure_receivers(&by_default, 0, samples, folder);
	measure_receivers(&at_once, 1, samples, folder);
	measure_senders(&idle, 0, samples, folder);
	measure_senders(&busy, BUSY_SENDERS, samples, folder);
}

/* What the standby executes. */
static void serve(const char *fd, const char *address)
{
	struct recovery_role role = { .board = map_board(atoi(fd)), .address = address };

	recovery_receiver(&role);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "samples", required_argument, NULL, 's' },
		{ "histograms", required_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	const char *folder = NULL;
	unsigned samples = 3000;
	int code;

	if (argc == 4 && strcmp(argv[1], "--serve") == 0) {
		serve(argv[2], argv[3]);
		return 0;
	}
	while ((code = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (code == 's')
			samples = (unsigned)strtoul(optarg, NULL, 10);
		else if (code == 'h')
			folder = optarg;
		else
			return 2;
	}
	if (!samples || optind < argc) {
		fprintf(stderr, "usage: recovery [--samples N] [--histograms FOLDER]\n");
		return 2;
	}
	measure(samples, folder);
	return 0;
}
