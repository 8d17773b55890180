/* SPDX-License-Identifier: MIT */
/*
 * The tracer. The marks are signals that the process sends itself: ptrace stops it
 * before they are delivered, and they never are.
 *
 * Surprising: a step over a system call is one step like any other. The call itself is
 * not divided: a process that is killed in it has done it, or has not.
 */

#include "single_step.h"

#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "process.h"

#define MARK_FROM SIGUSR1
#define MARK_TO SIGUSR2
#define CALL_STOP (SIGTRAP | 0x80) /* PTRACE_O_TRACESYSGOOD */

/* ---- In the stepped process ------------------------------------------------------ */

static pid_t own_id; /* asked for beforehand: its call would be stepped */

static void mark(int number)
{
	syscall(SYS_tgkill, own_id, own_id, number);
}

void step_from_here(void)
{
	own_id = getpid();
	CHECK_EQUAL(ptrace(PTRACE_TRACEME, 0, NULL, NULL), 0);
	mark(MARK_FROM);
}

void step_to_here(void)
{
	mark(MARK_TO);
	for (;;)
		pause();
}

/* ---- The tracer ------------------------------------------------------------------ */

/* The signal it stopped with. */
static int await_stop(pid_t process)
{
	int status;

	while (waitpid(process, &status, 0) < 0)
		CHECK_EQUAL(errno, EINTR);
	CHECK(WIFSTOPPED(status)); /* it has failed, and said why */
	return WSTOPSIG(status);
}

static int run_on(pid_t process, int how)
{
	CHECK_EQUAL(ptrace(how, process, NULL, NULL), 0);
	return await_stop(process);
}

static long program_counter(pid_t process)
{
	return ptrace(PTRACE_PEEKUSER, process, offsetof(struct user_regs_struct, rip),
			NULL);
}

static bool is_before_call(pid_t process)
{
	static const unsigned char call[] = { 0x0f, 0x05 }; /* syscall */
	long word = ptrace(PTRACE_PEEKTEXT, process, program_counter(process), NULL);

	return memcmp(&word, call, sizeof(call)) == 0;
}

void step_await(pid_t process)
{
	const long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL;

	CHECK_EQUAL(await_stop(process), MARK_FROM);
	CHECK_EQUAL(ptrace(PTRACE_SETOPTIONS, process, NULL, options), 0);
}

/* One instruction. False: it was the second mark. */
static bool step_once(pid_t process)
{
	int number = run_on(process, PTRACE_SINGLESTEP);

	if (number == MARK_TO)
		return false;
	CHECK_EQUAL(number, SIGTRAP);
	return true;
}

/* The next system call, all of it. False: it was the second mark. */
static bool pass_call(pid_t process)
{
	/* In, out. The mark's signal comes after the call that sends it. */
	for (int i = 0; i < 2; i++) {
		int number = run_on(process, PTRACE_SYSCALL);

		if (number == MARK_TO)
			return false;
		CHECK_EQUAL(number, CALL_STOP);
	}
	return true;
}

static bool has_breakpoints; /* this machine, for us */

static bool set_register(pid_t process, unsigned number, uintptr_t value)
{
	return ptrace(PTRACE_POKEUSER, process,
			       offsetof(struct user, u_debugreg) + number * sizeof(long),
			       value) == 0;
}

static bool set_breakpoint(pid_t process, uintptr_t address)
{
	return set_register(process, 0, address) && set_register(process, 7, 1);
}

static bool pass_calls(pid_t process, unsigned calls)
{
	while (calls--)
		if (!pass_call(process))
			return false;
	return true;
}

static enum step_end step_on(pid_t process, unsigned steps)
{
	while (steps--) {
		bool is_call = is_before_call(process);

		if (!step_once(process))
			return STEP_DONE;
		if (is_call)
			return STEP_CALL;
	}
	return STEP_THERE;
}

enum step_end step_to(pid_t process, const struct step_trace *trace, unsigned step)
{
	struct step_place place = step_trace_place(trace, step);

	if (!pass_calls(process, place.calls))
		return STEP_DONE;
	return step_on(process, place.steps);
}

/* Runs it freely until it has come by often enough. */
static enum step_end run_to_breakpoint(
		pid_t process, const struct step_shortcut *shortcut)
{
	int how = shortcut->calls ? PTRACE_SYSCALL : PTRACE_CONT;
	unsigned hits = shortcut->hits;
	int number = SIGTRAP;

	CHECK(set_breakpoint(process, shortcut->address));
	while (number == SIGTRAP && hits--)
		number = run_on(process, how);
	CHECK(set_register(process, 7, 0));
	if (number == SIGTRAP)
		return STEP_THERE;
	if (number == CALL_STOP)
		number = run_on(process, PTRACE_SYSCALL);
	CHECK(number == CALL_STOP || number == MARK_TO);
	return number == MARK_TO ? STEP_DONE : STEP_CALL;
}

enum step_end step_shortly_to(
		pid_t process, const struct step_trace *trace, unsigned step)
{
	struct step_shortcut shortcut;
	enum step_end end;

	if (!has_breakpoints || !step_trace_shortcut(trace, step, &shortcut))
		return step_to(process, trace, step);
	if (!pass_calls(process, shortcut.calls))
		return STEP_DONE;
	end = run_to_breakpoint(process, &shortcut);
	return end == STEP_THERE ? step_on(process, shortcut.left) : end;
}

void step_through(pid_t process, struct step_trace *trace)
{
	do
		step_trace_append(trace, (uintptr_t)program_counter(process),
				is_before_call(process));
	while (step_once(process));
}

const char *step_describe(pid_t process)
{
	static char text[256];
	/* A forked process has everything where its parent has it. */
	const char *at = (const char *)program_counter(process);
	Dl_info info;

	if (dladdr(at, &info) && info.dli_fname)
		snprintf(text, sizeof(text), "%s 0x%tx", info.dli_fname,
				at - (const char *)info.dli_fbase);
	else
		snprintf(text, sizeof(text), "%p", (const void *)at);
	return text;
}

/* ---- Whether it can be done ------------------------------------------------------ */

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

/* Whether a process may be traced by the one that forked it, and steps. */
static bool is_permitted(void)
{
	pid_t process = fork();
	int status;

	if (process == 0) {
		check_is_child = 1;
		step_from_here();
		_exit(0);
	}
	if (process < 0 || waitpid(process, &status, 0) != process || !WIFSTOPPED(status))
		return false;
	has_breakpoints = set_breakpoint(process, 0);
	(void)ptrace(PTRACE_SINGLESTEP, process, NULL, NULL);
	(void)waitpid(process, &status, 0);
	kill(process, SIGKILL);
	return child_result(process) == -SIGKILL && WIFSTOPPED(status) &&
			WSTOPSIG(status) == SIGTRAP;
}

bool step_is_possible(void)
{
	const char *why = NULL;

	if (HAS_THREAD_SANITIZER || HAS_ADDRESS_SANITIZER)
		why = "a sanitizer makes ten instructions of one";
	else if (is_under_valgrind())
		why = "valgrind runs other instructions than ours";
	else if (!is_permitted())
		why = "ptrace(2) is not permitted";
	if (why)
		fprintf(stderr, "skipped: %s\n", why);
	return !why;
}
