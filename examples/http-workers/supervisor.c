/* SPDX-License-Identifier: MIT */

/*
 * The parent of all.
 *
 * It makes no handle of evchan's and no event base: a child would inherit them, and an epoll instance
 * would even be shared with it. It waits for signals and nothing else (sigtimedwait(2)), so it
 * has no callbacks, and nothing that a request could disturb.
 *
 * A child that dies is started again at once, unless it has not lived for a second: then each start waits twice as
 * long as the one before it, up to two seconds, and a program that cannot run does not eat a processor.
 *
 * The end has an order: first the workers, which wait until the collector has taken their last
 * records, and only then the collector. If the collector dies while workers wait for it, it is
 * started again for their sake.
 *
 * If the supervisor itself is killed, the kernel tells the children (PR_SET_PDEATHSIG): workers end as if
 * asked to, the collector when the last of them is gone.
 */

#include "supervisor.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "collector.h"
#include "program.h"
#include "worker.h"

#define FULL_LIFE_MS 1000
#define DELAY_MIN_MS 20
#define DELAY_MAX_MS 2000

/* Of the children: the collector's index, and behind it the workers'. */
#define COLLECTOR 0

struct child {
	pid_t pid; /* 0: not running */
	unsigned incarnation;
	uint64_t started_ms;
	uint64_t due_ms; /* when to start it, if it is not running */
	uint32_t delay_ms;
};

struct supervisor {
	const struct options *options;
	const struct sockets *sockets;
	struct child children[1 + WORKERS_MAX];
	unsigned count;
	sigset_t signals;
	bool is_ending;
	bool collector_may_end;
	int exit_status;
};

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static const char *name_of(unsigned index, char name[32])
{
	if (index == COLLECTOR)
		snprintf(name, 32, "collector");
	else
		snprintf(name, 32, "worker %u", index - 1);
	return name;
}

/* ---- Starting ------------------------------------------------------------------ */

/* The child's part of a start: everything that it must not share, or must not inherit, goes. */
static _Noreturn void be_child(
		const struct supervisor *supervisor, unsigned index, pid_t parent)
{
	const struct sockets *sockets = supervisor->sockets;
	unsigned incarnation = supervisor->children[index].incarnation;
	int signal_of_orphans = index == COLLECTOR ? SIGUSR1 : SIGTERM;

	prctl(PR_SET_PDEATHSIG, signal_of_orphans);
	/* It may have died before that. */
	if (getppid() != parent)
		raise(signal_of_orphans);
	if (index == COLLECTOR) {
		close(sockets->http);
		exit(collector_run(supervisor->options, sockets, incarnation,
				&supervisor->signals));
	}
	close(sockets->status);
	close(sockets->channel);
	exit(worker_run(supervisor->options, sockets, index - 1, incarnation,
			&supervisor->signals));
}

static void start(struct supervisor *supervisor, unsigned index)
{
	struct child *child = &supervisor->children[index];
	pid_t parent = getpid(), pid;
	char name[32];

	/* Or the child would print it once more. */
	fflush(NULL);
	pid = fork();
	if (pid == 0)
		be_child(supervisor, index, parent);
	child->started_ms = now_ms();
	if (pid < 0) {
		complain("fork: %s", strerror(errno));
		child->due_ms = child->started_ms + DELAY_MAX_MS;
		return;
	}
	child->pid = pid;
	complain("%s is process %ld", name_of(index, name), (long)pid);
}

/* During the end only a collector is started, and only while somebody waits for it. */
static bool is_wanted(const struct supervisor *supervisor, unsigned index)
{
	if (!supervisor->is_ending)
		return true;
	return index == COLLECTOR && !supervisor->collector_may_end;
}

/* Returns how long to wait for the next start, -1: none is due. */
static int start_due(struct supervisor *supervisor)
{
	uint64_t now = now_ms();
	int wait = -1;

	for (unsigned i = 0; i < supervisor->count; i++) {
		const struct child *child = &supervisor->children[i];

		if (child->pid != 0 || !is_wanted(supervisor, i))
			continue;
		if (child->due_ms <= now)
			start(supervisor, i);
		else if (wait < 0 || child->due_ms - now < (uint64_t)wait)
			wait = (int)(child->due_ms - now);
	}
	return wait;
}

/* ---- Deaths -------------------------------------------------------------------- */

static void tell_death(unsigned index, pid_t pid, int status)
{
	char name[32];

	name_of(index, name);
	if (WIFSIGNALED(status))
		complain("%s (%ld) was killed by signal %d", name, (long)pid,
				WTERMSIG(status));
	else
		complain("%s (%ld) has ended with status %d", name, (long)pid,
				WEXITSTATUS(status));
}

static void plan_restart(struct child *child)
{
	uint64_t now = now_ms();

	if (now - child->started_ms >= FULL_LIFE_MS)
		child->delay_ms = 0;
	child->due_ms = now + child->delay_ms;
	child->delay_ms = child->delay_ms ? child->delay_ms * 2 : DELAY_MIN_MS;
	if (child->delay_ms > DELAY_MAX_MS)
		child->delay_ms = DELAY_MAX_MS;
	child->incarnation++;
}

static void reap(struct supervisor *supervisor)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		for (unsigned i = 0; i < supervisor->count; i++) {
			struct child *child = &supervisor->children[i];

			if (child->pid != pid)
				continue;
			tell_death(i, pid, status);
			child->pid = 0;
			if (is_wanted(supervisor, i))
				plan_restart(child);
			else if (status != 0)
				supervisor->exit_status = EXIT_FAILURE;
		}
	}
}

/* ---- The end ------------------------------------------------------------------- */

static void signal_workers(const struct supervisor *supervisor, int number)
{
	for (unsigned i = COLLECTOR + 1; i < supervisor->count; i++)
		if (supervisor->children[i].pid != 0)
			kill(supervisor->children[i].pid, number);
}

static bool has_workers(const struct supervisor *supervisor)
{
	for (unsigned i = COLLECTOR + 1; i < supervisor->count; i++)
		if (supervisor->children[i].pid != 0)
			return true;
	return false;
}

static void begin_end(struct supervisor *supervisor)
{
	const struct child *collector = &supervisor->children[COLLECTOR];

	if (!supervisor->is_ending) {
		supervisor->is_ending = true;
		complain("the workers are told to end");
		signal_workers(supervisor, SIGTERM);
		return;
	}
	complain("asked twice: all are killed");
	supervisor->collector_may_end = true;
	supervisor->exit_status = EXIT_FAILURE;
	signal_workers(supervisor, SIGKILL);
	if (collector->pid != 0)
		kill(collector->pid, SIGKILL);
}

/* Whether everything is over. */
static bool advance_end(struct supervisor *supervisor)
{
	const struct child *collector = &supervisor->children[COLLECTOR];

	if (!supervisor->is_ending || has_workers(supervisor))
		return false;
	/* If there is none, one is started: dead workers may have left it something. */
	if (!supervisor->collector_may_end && collector->pid != 0) {
		supervisor->collector_may_end = true;
		kill(collector->pid, SIGTERM);
	}
	return collector->pid == 0 && supervisor->collector_may_end;
}

/* ---- The whole ----------------------------------------------------------------- */

/* Waits for a signal, or until the next start is due. */
static void wait_and_handle(struct supervisor *supervisor, int wait_ms)
{
	struct timespec wait = { wait_ms / 1000, wait_ms % 1000 * 1000000L };
	int number;

	number = sigtimedwait(&supervisor->signals, NULL, wait_ms < 0 ? NULL : &wait);
	if (number == SIGCHLD)
		reap(supervisor);
	else if (number > 0)
		begin_end(supervisor);
}

int supervise(const struct options *options, const struct sockets *sockets)
{
	struct supervisor supervisor = {
		.options = options,
		.sockets = sockets,
		.count = 1 + options->workers,
	};

	sigemptyset(&supervisor.signals);
	sigaddset(&supervisor.signals, SIGCHLD);
	sigaddset(&supervisor.signals, SIGINT);
	sigaddset(&supervisor.signals, SIGTERM);
	/* The collector's, which must not kill it before it listens to signals. */
	sigaddset(&supervisor.signals, SIGUSR1);
	sigprocmask(SIG_BLOCK, &supervisor.signals, NULL);
	signal(SIGPIPE, SIG_IGN);
	while (!advance_end(&supervisor))
		wait_and_handle(&supervisor, start_due(&supervisor));
	return supervisor.exit_status;
}
