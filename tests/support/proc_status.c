/* SPDX-License-Identifier: MIT */
/*
 * Numbers out of /proc. Of a process's threads only the first is looked at: under
 * ThreadSanitizer there is another one that wakes up now and then.
 */

#include "proc_status.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check.h"

/* A whole file of the process, as text. */
static void read_file(char *text, size_t room, pid_t process, const char *name)
{
	char path[64];
	ssize_t got;
	int fd;

	snprintf(path, sizeof(path), "/proc/%ld/%s", (long)process, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	CHECK(fd >= 0);
	got = read(fd, text, room - 1);
	CHECK(got > 0);
	text[got] = '\0';
	close(fd);
}

/* The fields of the first thread's stat behind the program's name, which may contain
 * anything. */
static const char *read_stat(char *text, size_t room, pid_t process)
{
	const char *at;
	char name[32];

	snprintf(name, sizeof(name), "task/%ld/stat", (long)process);
	read_file(text, room, process, name);
	at = strrchr(text, ')');
	CHECK(at);
	return at + 2;
}

uint64_t proc_cpu_ticks(pid_t process)
{
	unsigned long user, system;
	char text[1024];

	CHECK(sscanf(read_stat(text, sizeof(text), process),
			      "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu",
			      &user, &system) == 2);
	return user + system;
}

int proc_is_asleep(pid_t process)
{
	char text[1024];

	return *read_stat(text, sizeof(text), process) == 'S';
}

static uint64_t status_field(pid_t process, const char *field)
{
	char text[4096];
	const char *at;

	read_file(text, sizeof(text), process, "status");
	at = strstr(text, field);
	CHECK(at);
	return strtoull(at + strlen(field), NULL, 10);
}

uint64_t proc_sleeps(pid_t process)
{
	return status_field(process, "\nvoluntary_ctxt_switches:");
}

uint64_t proc_resident(pid_t process)
{
	return status_field(process, "\nVmRSS:") * 1024;
}

unsigned proc_count_names(const char *folder)
{
	DIR *directory = opendir(folder);
	const struct dirent *entry;
	unsigned count = 0;

	if (!directory)
		return 0;
	while ((entry = readdir(directory)))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			count++;
	closedir(directory);
	return count;
}
