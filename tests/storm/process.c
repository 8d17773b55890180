/* SPDX-License-Identifier: MIT */
/*
 * Processes: fork, wait, kill, clocks.
 *
 * A process that finds something wrong says so on stderr and ends with status 1. All
 * die with the first one (PR_SET_PDEATHSIG), so that an interrupted run leaves nothing
 * behind; its folder is removed by the first process, whatever way that ends, except by
 * SIGKILL.
 */

#include "process.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <evchan/evchan.h>

static pid_t first_process;
static char folder[64];
static char path[96];

void process_die(const char *format, ...)
{
	va_list arguments;

	fprintf(stderr, "%s: ", program_invocation_short_name);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	if (!first_process || getpid() == first_process)
		exit(1);
	_exit(1);
}

void process_check(int r, const char *what)
{
	if (r < 0)
		process_die("%s: %s", what, evchan_strerror(r));
}

/* ---- Life and death ------------------------------------------------------------- */

static void mask_signal(int how, int signal)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, signal);
	sigprocmask(how, &set, NULL);
}

void process_accept_signal(int signal)
{
	mask_signal(SIG_UNBLOCK, signal);
}

pid_t process_start(void (*run)(void *arg), void *arg)
{
	pid_t parent = getpid();
	pid_t pid;

	if (!first_process)
		first_process = parent;
	/* What is in the buffers must not be printed twice. */
	fflush(NULL);
	mask_signal(SIG_BLOCK, SIGTERM);
	pid = fork();
	if (pid < 0)
		process_die("fork: error %d", errno);
	if (pid > 0) {
		mask_signal(SIG_UNBLOCK, SIGTERM);
		return pid;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	run(arg);
	_exit(0);
}

static int result_of(int status)
{
	return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

int process_wait(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			process_die("waitpid: error %d", errno);
	return result_of(status);
}

int process_poll(pid_t pid, int *result)
{
	int status;
	pid_t r = waitpid(pid, &status, WNOHANG);

	if (r < 0)
		process_die("waitpid: error %d", errno);
	if (r == 0)
		return 0;
	*result = result_of(status);
	return 1;
}

void process_kill(pid_t pid)
{
	kill(pid, SIGKILL);
	(void)process_wait(pid);
}

/* ---- Time ----------------------------------------------------------------------- */

uint64_t process_now_ns(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * SECOND + (uint64_t)time.tv_nsec;
}

void process_sleep_ns(uint64_t nanoseconds)
{
	struct timespec time = { (time_t)(nanoseconds / SECOND),
		(long)(nanoseconds % SECOND) };

	while (nanosleep(&time, &time) < 0 && errno == EINTR)
		continue;
}

unsigned process_slowdown(void)
{
	const char *text = getenv("EVCHAN_TEST_SLOWDOWN");
	int slowdown = text ? atoi(text) : 1;

	return slowdown > 1 ? (unsigned)slowdown : 1;
}

/* ---- Things that all have -------------------------------------------------------- */

static void remove_folder(void)
{
	const struct dirent *entry;
	DIR *directory;

	if (getpid() != first_process)
		return;
	directory = opendir(folder);
	while (directory && (entry = readdir(directory)))
		(void)unlinkat(dirfd(directory), entry->d_name, 0);
	if (directory)
		closedir(directory);
	(void)rmdir(folder);
}

const char *process_path(void)
{
	if (*path)
		return path;
	first_process = getpid();
	strcpy(folder, "/tmp/evchan-storm-XXXXXX");
	if (!mkdtemp(folder))
		process_die("mkdtemp: error %d", errno);
	atexit(remove_folder);
	snprintf(path, sizeof(path), "%s/socket", folder);
	return path;
}

void *process_share(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (memory == MAP_FAILED)
		process_die("mmap: error %d", errno);
	return memory;
}

/* ---- What the kernel says of a process -------------------------------------------- */

uint64_t process_anonymous_bytes(pid_t pid)
{
	unsigned long long kilobytes = 0;
	char line[256];
	FILE *file;

	snprintf(line, sizeof(line), "/proc/%ld/status", (long)pid);
	file = fopen(line, "re");
	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "RssAnon: %llu kB", &kilobytes) == 1)
			break;
	if (file)
		fclose(file);
	return kilobytes * 1024;
}

unsigned process_descriptors(pid_t pid)
{
	const struct dirent *entry;
	unsigned count = 0;
	char name[64];
	DIR *directory;

	snprintf(name, sizeof(name), "/proc/%ld/fd", (long)pid);
	directory = opendir(name);
	while (directory && (entry = readdir(directory)))
		count += entry->d_name[0] != '.';
	if (directory)
		closedir(directory);
	return count;
}
