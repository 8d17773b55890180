/* SPDX-License-Identifier: MIT */
/*
 * Facts about the machine, the builds and the settings, without which a figure says
 * little. The load average tells whether others were at work: then only ratios are
 * worth a look.
 */

#include "facts.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include <event2/event.h>

#include <evchan/evchan.h>

#include "process.h"
#include "report.h"

/* The processor's name, as x86 and some others tell it. */
static void processor_name(char *name, size_t size)
{
	FILE *file = fopen("/proc/cpuinfo", "r");
	char line[256];
	char *value;

	snprintf(name, size, "unknown");
	while (file && fgets(line, sizeof(line), file)) {
		value = strstr(line, ": ");
		if (strncmp(line, "model name", 10) != 0 || !value)
			continue;
		value[strcspn(value, "\n")] = '\0';
		snprintf(name, size, "%s", value + 2);
		break;
	}
	if (file)
		fclose(file);
}

static void machine_facts(void)
{
	char processor[128];
	struct utsname system;
	double load = -1;

	processor_name(processor, sizeof(processor));
	report_fact("CPUs", "%u of %s", process_cpu_count(), processor);
	if (uname(&system) == 0)
		report_fact("kernel", "%s %s %s", system.sysname, system.release,
				system.machine);
	if (getloadavg(&load, 1) == 1)
		report_fact("load", "%.2f before the start", load);
}

static void build_facts(void)
{
	report_fact("compiler", "%s", BENCH_COMPILER);
	report_fact("build", "%s", BENCH_BUILD);
	report_fact("evchan", "%s", evchan_version());
	report_fact("libevent", "%s", event_get_version());
}

void facts_collect(const struct options *options)
{
	machine_facts();
	build_facts();
	report_fact("placement", "%s",
			options->is_pinned ? placement_name(options->placement)
					   : "free, unless a table says otherwise");
	report_fact("rounds", "%u of %g s after %g s of warm-up, transports taking turns",
			options->repeat, options->seconds, options->warm_up);
	report_fact("ring", "%" PRIu64 " KiB, or 4 messages if that is more",
			options->capacity / 1024);
}
