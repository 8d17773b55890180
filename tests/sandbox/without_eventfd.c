/* SPDX-License-Identifier: MIT */
/*
 * without_eventfd PROGRAM ARGUMENT...: runs a program in a sandbox that has no eventfds for libraries; everything it starts is
 * in there too. Refused is eventfd2(2) with just the flags that libraries use, this one and libevent: the
 * tests' own instruments use others, and go on working. Exit status 77: no such sandbox can be made here.
 */

#include <errno.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "process.h"

#define LIBRARY_FLAGS (EFD_CLOEXEC | EFD_NONBLOCK)

/* The low half of the second argument. */
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define FLAGS_OFFSET offsetof(struct seccomp_data, args[1])
#else
#define FLAGS_OFFSET (offsetof(struct seccomp_data, args[1]) + 4)
#endif

static int forbid_eventfds_of_libraries(void)
{
	struct sock_filter filter[] = {
		LOAD_OF_CALL(nr),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)SYS_eventfd2, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (unsigned)FLAGS_OFFSET),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)LIBRARY_FLAGS, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};

	return install_filter(filter, sizeof(filter) / sizeof(filter[0]));
}

int main(int argc, char **argv)
{
	if (argc < 2) {
		fprintf(stderr, "usage: without_eventfd PROGRAM ARGUMENT...\n");
		return 2;
	}
	if (forbid_eventfds_of_libraries() < 0 || eventfd(0, LIBRARY_FLAGS) >= 0) {
		fprintf(stderr, "without_eventfd: no seccomp filter can be installed here\n");
		return CHILD_SKIPPED;
	}
	execvp(argv[1], argv + 1);
	perror(argv[1]);
	return 127;
}
