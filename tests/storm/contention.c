/* SPDX-License-Identifier: MIT */
/*
 * What the processors did (/proc/stat) less what we did (getrusage). "Busy" includes
 * time that a virtual machine's host has taken away.
 */

#include "contention.h"

#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "process.h"

static double busy_seconds(void)
{
	unsigned long long user, nice, system, idle, iowait, irq, softirq, steal;
	FILE *file = fopen("/proc/stat", "re");
	double seconds = 0;

	if (file &&
			fscanf(file, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &user,
					&nice, &system, &idle, &iowait, &irq, &softirq,
					&steal) == 8)
		seconds = (double)(user + nice + system + irq + softirq + steal) /
				(double)sysconf(_SC_CLK_TCK);
	if (file)
		fclose(file);
	return seconds;
}

static double seconds_of(int who)
{
	struct rusage usage;

	getrusage(who, &usage);
	return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
			(double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

void contention_begin(struct contention *contention)
{
	contention->at = (double)process_now_ns() / (double)SECOND;
	contention->busy = busy_seconds();
	contention->own = seconds_of(RUSAGE_SELF) + seconds_of(RUSAGE_CHILDREN);
}

double contention_others(const struct contention *since)
{
	struct contention now;
	double others, whole;

	contention_begin(&now);
	others = (now.busy - since->busy) - (now.own - since->own);
	whole = (now.at - since->at) * (double)sysconf(_SC_NPROCESSORS_ONLN);
	return others > 0 && whole > 0 ? others / whole : 0;
}
