/* SPDX-License-Identifier: MIT */
/*
 * What processes use, as the kernel counts it.
 *
 * System calls are counted by perf_event_open(2) on the tracepoint that each of them
 * passes. That costs the counted process some ten nanoseconds per call, where strace
 * costs microseconds and changes what it measures; still, rounds that are counted are
 * not timed. It needs tracefs, which is mounted for a moment where it is not there, in
 * a mount namespace of our own, and so root.
 *
 * Sleeps are voluntary context switches, of all threads (/proc/PID/task/TID/status).
 */

#include "usage.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "process.h"

#define TRACEFS "/sys/kernel/tracing"
#define TRACEPOINT TRACEFS "/events/raw_syscalls/sys_enter/id"

/* ---- Files of /proc ------------------------------------------------------------ */

/* Calls each(arg, name) for the numbers in a directory. */
static void for_numbers(
		const char *path, void (*each)(void *arg, const char *name), void *arg)
{
	DIR *directory = opendir(path);
	struct dirent *entry;

	while (directory && (entry = readdir(directory)))
		if (entry->d_name[0] >= '0' && entry->d_name[0] <= '9')
			each(arg, entry->d_name);
	if (directory)
		closedir(directory);
}

/* The number behind "key" at the beginning of a line of a file; 0 if there is none. */
static uint64_t number_in(const char *path, const char *key)
{
	FILE *file = fopen(path, "r");
	size_t length = strlen(key);
	uint64_t number = 0;
	char line[256];

	while (file && fgets(line, sizeof(line), file))
		if (strncmp(line, key, length) == 0) {
			number = strtoull(line + length, NULL, 10);
			break;
		}
	if (file)
		fclose(file);
	return number;
}

struct thread_sum {
	pid_t pid;
	uint64_t sleeps;
};

static void add_sleeps(void *arg, const char *thread)
{
	struct thread_sum *sum = arg;
	char path[80];

	snprintf(path, sizeof(path), "/proc/%ld/task/%.16s/status", (long)sum->pid,
			thread);
	sum->sleeps += number_in(path, "voluntary_ctxt_switches:");
}

void usage_add(struct usage *usage, pid_t pid)
{
	struct thread_sum sum = { .pid = pid };
	char path[64];

	usage->cpu_ns += process_cpu_ns(pid);
	snprintf(path, sizeof(path), "/proc/%ld/task", (long)pid);
	for_numbers(path, add_sleeps, &sum);
	usage->sleeps += sum.sleeps;
}

struct usage usage_since(const struct usage *begin, const struct usage *end)
{
	return (struct usage){
		.cpu_ns = end->cpu_ns - begin->cpu_ns,
		.sleeps = end->sleeps - begin->sleeps,
		.system_calls = end->system_calls - begin->system_calls,
	};
}

uint64_t usage_memory(pid_t pid)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%ld/smaps_rollup", (long)pid);
	return number_in(path, "Pss:") * 1024;
}

static void count_one(void *arg, const char *name)
{
	(void)name;
	++*(unsigned *)arg;
}

unsigned usage_descriptors(pid_t pid)
{
	unsigned count = 0;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%ld/fd", (long)pid);
	for_numbers(path, count_one, &count);
	return count;
}

/* ---- System calls -------------------------------------------------------------- */

static uint64_t read_id(void)
{
	FILE *file = fopen(TRACEPOINT, "r");
	unsigned long id = 0;

	if (file && fscanf(file, "%lu", &id) != 1)
		id = 0;
	if (file)
		fclose(file);
	return id;
}

/* In a child, for whom alone tracefs is mounted. Its answer fits into two bytes of a
 * pipe or is not given. */
static void tell_id(int fd)
{
	uint64_t id = 0;

	if (unshare(CLONE_NEWNS) == 0 &&
			mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
			mount("tracefs", TRACEFS, "tracefs", 0, NULL) == 0)
		id = read_id();
	_exit(write(fd, &id, sizeof(id)) != sizeof(id));
}

static uint64_t ask_child_for_id(void)
{
	uint64_t id = 0;
	int ends[2];
	pid_t pid;

	if (pipe(ends) < 0)
		return 0;
	fflush(NULL);
	pid = fork();
	if (pid == 0)
		tell_id(ends[1]);
	close(ends[1]);
	if (pid < 0 || read(ends[0], &id, sizeof(id)) != sizeof(id))
		id = 0;
	close(ends[0]);
	if (pid > 0)
		waitpid(pid, NULL, 0);
	return id;
}

/* The number of the tracepoint, looked for once; 0: not to be had. */
static uint64_t tracepoint_id(void)
{
	static bool was_looked_for;
	static uint64_t id;

	if (!was_looked_for) {
		id = read_id();
		if (id == 0)
			id = ask_child_for_id();
	}
	was_looked_for = true;
	return id;
}

struct counted_process {
	struct call_counters *counters;
	uint64_t id;
};

static void count_thread(void *arg, const char *thread)
{
	struct counted_process *process = arg;
	struct call_counters *counters = process->counters;
	struct perf_event_attr attributes = {
		.type = PERF_TYPE_TRACEPOINT,
		.size = sizeof(attributes),
		.config = process->id,
		.inherit = 1,
	};
	long fd = -1;

	if (counters->count < USAGE_COUNTERS_MAX)
		fd = syscall(SYS_perf_event_open, &attributes,
				(pid_t)strtol(thread, NULL, 10), -1, -1,
				PERF_FLAG_FD_CLOEXEC);
	if (fd < 0)
		counters->has_failed = true;
	else
		counters->fds[counters->count++] = (int)fd;
}

void call_counters_add(struct call_counters *counters, pid_t pid)
{
	struct counted_process process = { counters, tracepoint_id() };
	char path[64];

	if (process.id == 0) {
		counters->has_failed = true;
		return;
	}
	snprintf(path, sizeof(path), "/proc/%ld/task", (long)pid);
	for_numbers(path, count_thread, &process);
}

void call_counters_deinit(struct call_counters *counters)
{
	while (counters->count > 0)
		close(counters->fds[--counters->count]);
}

void usage_add_calls(struct usage *usage, const struct call_counters *counters)
{
	uint64_t count;

	for (unsigned i = 0; i < counters->count; i++)
		if (read(counters->fds[i], &count, sizeof(count)) == sizeof(count))
			usage->system_calls += count;
}
