/* SPDX-License-Identifier: MIT */
/*
 * Playing scenarios. A process each, because the library's tables only grow: in one that has had a descriptor before, the
 * next needs no memory any more. And because a fault may kill.
 *
 * All failures of a scenario are told, not only the first.
 */

#include "run.h"

#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>

#include "descriptor.h"
#include "process.h"

#define HANG_SECONDS 20u
/* Calls failing one after the other, where one alone is made up for. */
#define ROW 5u
#define FAILURES_MOST 10u

/* What the process that plays tells the one that waits. */
struct shared {
	struct fault_report report;
	long allocations_left; /* the library's tables */
	bool is_over;
};

static struct shared *shared;
static char folder[64];

/* ---- In the process that plays ------------------------------------------------------------- */

int scenario_result(enum documented function, int result)
{
	static char what[128];

	if (result >= 0)
		return result;
	snprintf(what, sizeof(what), "%s returned %d (%s)", documented_name(function),
			result, strerror(-result));
	if (!documented_has(function, result))
		check_failed(what, 0, "which its documentation does not list");
	if (!faults_struck())
		check_failed(what, 0, "without a fault");
	faults_report()->returned++;
	return result;
}

void scenario_told(void)
{
	CHECK(faults_struck());
	faults_report()->told++;
}

const char *scenario_folder(void)
{
	return folder;
}

/* Mappings of the library's memory objects. */
static unsigned count_rings(void)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	char line[512];
	unsigned count = 0;

	CHECK(maps);
	while (fgets(line, sizeof(line), maps))
		count += strstr(line, "memfd:evchan") != NULL;
	fclose(maps);
	return count;
}

/* How many there are, which are removed if the test is to go on without them. */
static unsigned count_files(bool removes)
{
	DIR *opened = opendir(folder);
	const struct dirent *entry;
	unsigned count = 0;

	CHECK(opened);
	while ((entry = readdir(opened))) {
		if (entry->d_name[0] == '.')
			continue;
		count++;
		if (removes)
			(void)unlinkat(dirfd(opened), entry->d_name, 0);
	}
	closedir(opened);
	return count;
}

/* What there was before the library did anything. */
struct before {
	unsigned open_descriptors;
	long mapped_bytes;
};

static void check_nothing_left(const struct before *before)
{
	bool may_leave_names = shared->report.kinds & FAULT_NAMES;

	faults_end();
	faults_settle();
	CHECK_EQUAL(descriptor_count(), 0);
	CHECK_EQUAL(count_open_descriptors(), before->open_descriptors);
	CHECK_EQUAL(faults_mapped_bytes(), before->mapped_bytes);
	CHECK_EQUAL(count_rings(), 0);
	CHECK(may_leave_names || count_files(false) == 0);
}

static void play(const struct scenario *scenario, const struct fault_plan *plan)
{
	static struct fault_report unplanned;
	struct fault_plan none = *plan;
	const struct before before = { count_open_descriptors(), faults_mapped_bytes() };

	faults_plan(plan, &shared->report);
	scenario->play();
	check_nothing_left(&before);
	/* And now that it works again: what a fault has left is taken over, and taken away. */
	none.first = 0;
	shared->report.kinds = 0;
	faults_plan(&none, &unplanned);
	scenario->play();
	check_nothing_left(&before);
	if (plan->first == 0)
		shared->allocations_left = faults_allocations();
	CHECK_EQUAL(faults_allocations(), shared->allocations_left);
	shared->is_over = true;
}

static void reset_signals(void)
{
	static const int signals[] = { SIGFPE, SIGILL, SIGSEGV, SIGBUS, SIGSYS, SIGABRT };

	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		signal(signals[i], SIG_DFL);
}

/* ---- In the test program --------------------------------------------------------------------- */

unsigned scenario_slowdown(void)
{
	const char *text = getenv("EVCHAN_TEST_SLOWDOWN");
	int factor = text ? atoi(text) : 1;

	return factor > 1 ? (unsigned)factor : 1;
}

/* Whether it went well. */
static bool play_in_process(
		const struct scenario *scenario, const struct fault_plan *plan)
{
	pid_t process;
	int result;

	memset(&shared->report, 0, sizeof(shared->report));
	shared->is_over = false;
	fflush(NULL);
	process = fork();
	assert_true(process >= 0);
	if (process == 0) {
		check_is_child = 1;
		reset_signals();
		alarm(HANG_SECONDS * scenario_slowdown());
		play(scenario, plan);
		_exit(0);
	}
	result = child_result(process);
	if (result == 0 && shared->is_over)
		return true;
	print_error("%s: %s (call %u, %u in a row) failing with %s: the process ends "
		    "with %d\n",
			scenario->name, shared->report.function, plan->first, plan->row,
			strerror(shared->report.error), result);
	(void)count_files(true);
	return false;
}

struct totals {
	unsigned calls, faults, returned, told, failures;
};

static struct totals program;

static void add(struct totals *totals)
{
	const struct fault_report *report = &shared->report;

	totals->faults++;
	totals->returned += report->returned > 0;
	totals->told += report->returned == 0 && report->told > 0;
}

/* Each call, with each error it can have. In slow surroundings not each call; rows begin with others than single ones. */
static void play_all(const struct scenario *scenario, unsigned row, struct totals *totals)
{
	struct fault_plan plan = { 0, row, 0,
		scenario->calls ? scenario->calls : FAULT_ALL, scenario->in_all_threads };
	unsigned step = (scenario_slowdown() + 1) / 2;

	for (plan.first = row > 1 && step > 1 ? 2 : 1; totals->failures < FAILURES_MOST;
			plan.first += step) {
		plan.variant = 0;
		do {
			if (!play_in_process(scenario, &plan))
				totals->failures++;
			if (!shared->report.struck)
				return;
			add(totals);
		} while (row == 1 && ++plan.variant < shared->report.variants);
	}
}

static void make_folder(void)
{
	strcpy(folder, "/tmp/evchan-faults-XXXXXX");
	assert_non_null(mkdtemp(folder));
}

static void print_totals(const char *name, const struct totals *totals)
{
	print_message("%s: %u calls, %u faults: %u returned, %u told, %u without "
		      "effect\n",
			name, totals->calls, totals->faults, totals->returned,
			totals->told, totals->faults - totals->returned - totals->told);
}

void scenario_print_totals(void)
{
	print_totals("in all", &program);
}

void scenario_run(const struct scenario *scenario)
{
	const struct fault_plan none = { 0, 0, 0,
		scenario->calls ? scenario->calls : FAULT_ALL, scenario->in_all_threads };
	struct totals totals = { 0 };

	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(shared != MAP_FAILED);
	make_folder();
	assert_true(play_in_process(scenario, &none));
	totals.calls = shared->report.calls;
	assert_true(totals.calls > 0);
	play_all(scenario, 1, &totals);
	play_all(scenario, ROW, &totals);
	print_totals(scenario->name, &totals);
	program.calls += totals.calls;
	program.faults += totals.faults;
	program.returned += totals.returned;
	program.told += totals.told;
	rmdir(folder);
	munmap(shared, sizeof(*shared));
	assert_int_equal(totals.failures, 0);
}
