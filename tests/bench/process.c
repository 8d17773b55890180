/* SPDX-License-Identifier: MIT */
/*
 * Processes: fork, pin, wait, clocks.
 *
 * A child that fails says why on stderr and exits with 1; the driver then ends too: one
 * wrong round makes all figures doubtful. Children die with the driver, so that an
 * interrupted benchmark leaves nothing running.
 */

#include "process.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define POLL_SECONDS 0.0005

const char *placement_name(enum placement placement)
{
	static const char *const names[] = { "free", "apart", "together" };

	return names[placement];
}

void process_die(const char *format, ...)
{
	va_list arguments;

	fprintf(stderr, "\nevchan_bench: ");
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	fflush(stderr);
	_exit(1);
}

/* ---- CPUs -------------------------------------------------------------------- */

static void allowed_cpus(cpu_set_t *set)
{
	if (sched_getaffinity(0, sizeof(*set), set) < 0)
		process_die("sched_getaffinity: error %d", errno);
}

unsigned process_cpu_count(void)
{
	cpu_set_t set;

	allowed_cpus(&set);
	return (unsigned)CPU_COUNT(&set);
}

/* The CPU that is number `index` of the allowed ones. */
static unsigned nth_cpu(const cpu_set_t *set, unsigned index)
{
	unsigned cpu = 0;

	for (;; cpu++)
		if (CPU_ISSET(cpu, set) && index-- == 0)
			return cpu;
}

void process_pin(enum placement placement, unsigned number)
{
	unsigned count = process_cpu_count();
	unsigned index = 0;
	cpu_set_t set;
	unsigned cpu;

	if (placement == PLACEMENT_FREE)
		return;
	if (placement == PLACEMENT_APART && number > 0 && count > 1)
		index = 1 + (number - 1) % (count - 1);
	allowed_cpus(&set);
	cpu = nth_cpu(&set, index);
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set) < 0)
		process_die("sched_setaffinity: error %d", errno);
}

/* ---- Life and death ---------------------------------------------------------- */

pid_t process_start(void (*run)(void *arg), void *arg)
{
	pid_t parent = getpid();
	pid_t pid;

	/* What is in the buffers must not be printed twice. */
	fflush(NULL);
	pid = fork();
	if (pid < 0)
		process_die("fork: error %d", errno);
	if (pid > 0)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* The senders' sign that the receiver is gone is an error, not a signal. */
	signal(SIGPIPE, SIG_IGN);
	if (getppid() != parent)
		_exit(1);
	run(arg);
	_exit(0);
}

bool process_has_ended(pid_t pid)
{
	int status;
	pid_t r;

	r = waitpid(pid, &status, WNOHANG);
	if (r == 0)
		return false;
	if (r < 0)
		process_die("waitpid: error %d", errno);
	if (WIFSIGNALED(status))
		process_die("a process was killed by signal %d", WTERMSIG(status));
	if (WEXITSTATUS(status) != 0)
		process_die("a process failed");
	return true;
}

bool process_wait(pid_t pid, double seconds)
{
	uint64_t end = process_now_ns() + (uint64_t)(seconds * 1e9);

	while (!process_has_ended(pid)) {
		if (process_now_ns() > end)
			return false;
		process_sleep(POLL_SECONDS);
	}
	return true;
}

void process_kill(pid_t pid)
{
	kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

/* ---- Clocks ------------------------------------------------------------------ */

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec time;

	if (clock_gettime(clock, &time) < 0)
		process_die("clock_gettime: error %d", errno);
	return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

uint64_t process_now_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

uint64_t process_cpu_ns(pid_t pid)
{
	clockid_t clock;

	if (clock_getcpuclockid(pid, &clock) != 0)
		return 0;
	return clock_ns(clock);
}

void process_sleep(double seconds)
{
	struct timespec time;

	time.tv_sec = (time_t)seconds;
	time.tv_nsec = (long)((seconds - (double)time.tv_sec) * 1e9);
	while (nanosleep(&time, &time) < 0 && errno == EINTR)
		;
}
