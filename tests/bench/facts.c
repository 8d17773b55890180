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
#include <time.h>

#include <event2/event.h>

#include <evchan/evchan.h>

#ifdef BENCH_HAS_ZMQ
#include <zmq.h>
#endif
#ifdef BENCH_HAS_NNG
#include <nng/nng.h>
#endif
#ifdef BENCH_HAS_QB
#include <qb/qbutil.h>
#endif

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
	time_t now = time(NULL);
	struct tm date;
	char text[32];
	double load = -1;

	if (gmtime_r(&now, &date) && strftime(text, sizeof(text), "%F %H:%M UTC", &date))
		report_fact("date", "%s", text);
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
}

static void peer_facts(void)
{
	report_fact("libevent", "%s", event_get_version());
#ifdef BENCH_HAS_ZMQ
	int major, minor, patch;

	zmq_version(&major, &minor, &patch);
	report_fact("libzmq", "%d.%d.%d", major, minor, patch);
#endif
#ifdef BENCH_HAS_NNG
	report_fact("nng", "%s", nng_version());
#endif
#ifdef BENCH_HAS_QB
	report_fact("libqb", "%s", qb_ver_str);
#endif
}

void facts_collect(const struct options *options)
{
	if (options->command)
		report_fact("command", "%s", options->command);
	machine_facts();
	build_facts();
	peer_facts();
	report_fact("placement", "%s",
			options->is_pinned ? placement_name(options->placement)
					   : "free, unless a table says otherwise");
	report_fact("rounds", "%u of %g s after %g s of warm-up, transports taking turns",
			options->repeat, options->seconds, options->warm_up);
	report_fact("ring",
			"%" PRIu64 " KiB, %" PRIu64
			" KiB from 16 KiB on, or 4 messages if that is more",
			options_capacity(options, 64) / 1024,
			options_capacity(options, 16384) / 1024);
}
