/* SPDX-License-Identifier: MIT */
/*
 * Invariant: whatever a test got from here is in one of the lists of `scene`, so that the
 * end of the test, also of a failed one, finds it.
 *
 * Surprising: a process is forked only when the library's disposal thread has come to
 * rest. ThreadSanitizer lets no thread start in a child of a process that had two at the
 * time of the fork.
 */

#include "scene.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include <grp.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/mman.h>

#include "check.h"
#include "descriptor.h"
#include "disposal.h"
#include "proc_status.h"
#include "process.h"

#define HANG_SECONDS 30u /* a test that hangs is killed; times the slowdown */
#define PATIENCE_MS 20000
#define PROCESSES_MAX 512
#define GATES_MAX 64
#define SHARES_MAX 16

static struct {
	char address[64];
	char folder[64];            /* "": not made */
	unsigned open_descriptors;  /* before the test: of the process ... */
	unsigned owned_descriptors; /* ... and of the library */
	pid_t processes[PROCESSES_MAX];
	unsigned process_count;
	int gates[GATES_MAX];
	unsigned gate_count;
	struct {
		void *address;
		size_t size;
	} shares[SHARES_MAX];
	unsigned share_count;
} scene;

/* Leaks in a forked process: LeakSanitizer looks by itself only where exit(3) is
 * called. */
int __lsan_do_recoverable_leak_check(void) __attribute__((weak));

/* ---- Set up, tear down --------------------------------------------------- */

unsigned scene_slowdown(void)
{
	const char *text = getenv("EVCHAN_TEST_SLOWDOWN");
	int slowdown = text ? atoi(text) : 1;

	return slowdown > 1 ? (unsigned)slowdown : 1;
}

unsigned scene_scaled(unsigned count)
{
	unsigned scaled = count / scene_slowdown();

	return scaled ? scaled : 1;
}

/* Says where, then dies of it. */
static void hang(int signal)
{
	static const char text[] = "hangs ";
	const char *context = check_context ? check_context : "";
	ssize_t ignored;

	ignored = write(STDERR_FILENO, text, sizeof(text) - 1);
	ignored = write(STDERR_FILENO, context, strlen(context));
	ignored = write(STDERR_FILENO, "\n", 1);
	(void)ignored;
	raise(signal);
}

static void set_alarm(void)
{
	const struct sigaction action = { .sa_handler = hang,
		.sa_flags = (int)(SA_RESETHAND | SA_NODEFER) };

	sigaction(SIGALRM, &action, NULL);
	alarm(HANG_SECONDS * scene_slowdown());
}

int scene_set_up(void **state)
{
	(void)state;
	memset(&scene, 0, sizeof(scene));
	scene_change_address();
	CHECK_EQUAL(disposal_wait(PATIENCE_MS), 0);
	scene.open_descriptors = count_open_descriptors();
	scene.owned_descriptors = descriptor_count();
	set_alarm();
	return 0;
}

static void remove_folder(void)
{
	DIR *folder = opendir(scene.folder);
	const struct dirent *entry;

	CHECK(folder);
	while ((entry = readdir(folder)))
		(void)unlinkat(dirfd(folder), entry->d_name, 0);
	closedir(folder);
	CHECK_EQUAL(rmdir(scene.folder), 0);
}

int scene_tear_down(void **state)
{
	(void)state;
	while (scene.process_count)
		scene_kill(scene.processes[0]);
	while (scene.gate_count)
		close(scene.gates[--scene.gate_count]);
	while (scene.share_count) {
		scene.share_count--;
		munmap(scene.shares[scene.share_count].address,
				scene.shares[scene.share_count].size);
	}
	if (*scene.folder)
		remove_folder();
	CHECK_EQUAL(disposal_wait(PATIENCE_MS), 0);
	CHECK_EQUAL(descriptor_count(), scene.owned_descriptors);
	CHECK_EQUAL(count_open_descriptors(), scene.open_descriptors);
	alarm(0);
	return 0;
}

const char *scene_address(void)
{
	return scene.address;
}

void scene_change_address(void)
{
	static unsigned number;

	snprintf(scene.address, sizeof(scene.address), "@evchan-test-%ld-%u",
			(long)getpid(), ++number);
}

/* ---- Files --------------------------------------------------------------- */

static const char *scene_folder(void)
{
	if (!*scene.folder) {
		strcpy(scene.folder, "/tmp/evchan-test-XXXXXX");
		CHECK(mkdtemp(scene.folder));
	}
	return scene.folder;
}

const char *scene_path(const char *name)
{
	static char paths[3][128];
	static unsigned next;
	char *path = paths[next++ % 3];

	snprintf(path, sizeof(paths[0]), "%s/%s", scene_folder(), name);
	return path;
}

unsigned scene_count_files(void)
{
	return proc_count_names(scene_folder());
}

/* ---- Processes ----------------------------------------------------------- */

/* cmocka's handlers would go on with the test's end in the child. */
static void reset_signals(void)
{
	static const int signals[] = { SIGFPE, SIGILL, SIGSEGV, SIGBUS, SIGSYS };

	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		signal(signals[i], SIG_DFL);
}

static void play(void (*role)(void *arg), void *arg)
{
	check_is_child = 1;
	reset_signals();
	scene.process_count = 0;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	set_alarm();
	role(arg);
	CHECK_EQUAL(disposal_wait(PATIENCE_MS), 0);
	if (__lsan_do_recoverable_leak_check)
		CHECK_EQUAL(__lsan_do_recoverable_leak_check(), 0);
	_exit(0);
}

pid_t scene_start(void (*role)(void *arg), void *arg)
{
	pid_t process;

	CHECK(scene.process_count < PROCESSES_MAX);
	CHECK_EQUAL(disposal_wait(PATIENCE_MS), 0);
	fflush(NULL);
	process = fork();
	CHECK(process >= 0);
	if (process == 0)
		play(role, arg);
	scene.processes[scene.process_count++] = process;
	return process;
}

void scene_become(uid_t id)
{
	CHECK(check_is_child);
	CHECK_EQUAL(setgroups(0, NULL), 0);
	CHECK_EQUAL(setgid(id), 0);
	CHECK_EQUAL(setuid(id), 0);
	/* The kernel takes both away with the change; the leak check needs the second. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_DUMPABLE, 1);
}

int scene_wait(pid_t process)
{
	int result = child_result(process);

	for (unsigned i = 0; i < scene.process_count; i++)
		if (scene.processes[i] == process)
			scene.processes[i] = scene.processes[--scene.process_count];
	return result;
}

void scene_join(pid_t process)
{
	CHECK_EQUAL(scene_wait(process), 0);
}

void scene_kill(pid_t process)
{
	kill(process, SIGKILL);
	(void)scene_wait(process);
}

void scene_stop(pid_t process)
{
	int status;

	CHECK_EQUAL(kill(process, SIGSTOP), 0);
	CHECK_EQUAL(waitpid(process, &status, WUNTRACED), process);
	CHECK(WIFSTOPPED(status));
}

/* ---- Between processes --------------------------------------------------- */

int scene_gate(void)
{
	int gate = eventfd(0, EFD_CLOEXEC | EFD_SEMAPHORE);

	CHECK(gate >= 0 && scene.gate_count < GATES_MAX);
	scene.gates[scene.gate_count++] = gate;
	return gate;
}

void scene_open_gate(int gate)
{
	CHECK_EQUAL(eventfd_write(gate, 1), 0);
}

void scene_pass_gate(int gate)
{
	eventfd_t one;

	while (eventfd_read(gate, &one) < 0)
		CHECK_EQUAL(errno, EINTR);
}

void *scene_share(size_t size)
{
	void *address = mmap(NULL, size, PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	CHECK(address != MAP_FAILED && scene.share_count < SHARES_MAX);
	scene.shares[scene.share_count].address = address;
	scene.shares[scene.share_count++].size = size;
	return address;
}
