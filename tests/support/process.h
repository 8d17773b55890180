/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_TESTS_PROCESS_H
#define EVCHAN_TESTS_PROCESS_H

/*
 * What tests do with processes: run something in a forked child, let a system call fail there, count
 * what a process has open. In a child cmocka's assertions do not work (they jump into the
 * parent's copy of the runner): use CHILD_CHECK.
 */

#include <dirent.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

/* ThreadSanitizer lets no thread start in the child of a process that has had several. */
#if defined(__SANITIZE_THREAD__)
#define HAS_THREAD_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define HAS_THREAD_SANITIZER 1
#endif
#endif
#ifndef HAS_THREAD_SANITIZER
#define HAS_THREAD_SANITIZER 0
#endif

/* AddressSanitizer's heap may be locked for ever in a child that is forked while another thread allocates, or ends; and it
 * has the address space to itself. */
#if defined(__SANITIZE_ADDRESS__)
#define HAS_ADDRESS_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAS_ADDRESS_SANITIZER 1
#endif
#endif
#ifndef HAS_ADDRESS_SANITIZER
#define HAS_ADDRESS_SANITIZER 0
#endif

/* Valgrind runs one thread at a time, also while that one is in close(2) or dup3(2). */
static inline bool is_under_valgrind(void)
{
	const char *preload = getenv("LD_PRELOAD");

	return preload && strstr(preload, "vgpreload");
}

#define CHILD_CHECK(condition) \
	do { \
		if (!(condition)) { \
			fprintf(stderr, "%s:%d: in a child, errno %d: %s\n", __FILE__, __LINE__, \
					errno, #condition); \
			_exit(1); \
		} \
	} while (0)

#define CHILD_SKIPPED 77

/* The exit status of a child; minus the signal if one has killed it. */
static inline int child_result(pid_t child)
{
	int status;

	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return -1000;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/* Forks, calls `function` in the child, which ends after it with status 0, and waits for it. */
static inline int in_child(void (*function)(void *arg), void *arg)
{
	pid_t child = fork();

	if (child == 0) {
		function(arg);
		_exit(0);
	}
	return child < 0 ? -1000 : child_result(child);
}

static inline int install_filter(struct sock_filter *filter, size_t count)
{
	struct sock_fprog program = { (unsigned short)count, filter };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -1;
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

#define LOAD_OF_CALL(member) \
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (unsigned)offsetof(struct seccomp_data, member))

/* From now on this system call fails with `error` in this process. Returns 0, or -1 if that cannot be had. */
static inline int forbid_system_call(long number, int error)
{
	struct sock_filter filter[] = {
		LOAD_OF_CALL(nr),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)number, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)error),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};

	return install_filter(filter, sizeof(filter) / sizeof(filter[0]));
}

/* The same, if the fourth argument is above `most`. Not on machines that need two words for a size, or
 * have the low word second. */
static inline int forbid_large_fourth_argument(long number, unsigned most, int error)
{
	struct sock_filter filter[] = {
		LOAD_OF_CALL(nr),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)number, 0, 3),
		LOAD_OF_CALL(args[3]),
		BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, most, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)error),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};

	if (sizeof(long) != 8 || __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__)
		return -1;
	return install_filter(filter, sizeof(filter) / sizeof(filter[0]));
}

/* Entries of a folder of /proc, without the one that is open to read it. */
static inline unsigned count_entries(const char *path)
{
	DIR *folder = opendir(path);
	const struct dirent *entry;
	unsigned count = 0;

	if (!folder)
		return 0;
	while ((entry = readdir(folder)))
		if (entry->d_name[0] != '.' && atoi(entry->d_name) != dirfd(folder))
			count++;
	closedir(folder);
	return count;
}

static inline unsigned count_open_descriptors(void)
{
	return count_entries("/proc/self/fd");
}

static inline unsigned count_threads(void)
{
	return count_entries("/proc/self/task");
}

#endif
