/* SPDX-License-Identifier: MIT */
/* All players are in one job, which ends with the test program and takes them along. */

#include "players.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "scene.h"

#define PLAYER "--player"
#define PATIENCE_MS 60000

static char address_played[64];

void players_play(int argc, char **argv, const struct player_role *roles)
{
	if (argc != 5 || strcmp(argv[1], PLAYER) != 0)
		return;
	check_is_child = 1;
	snprintf(address_played, sizeof(address_played), "%s", argv[3]);
	for (; roles->name; roles++)
		if (strcmp(roles->name, argv[2]) == 0)
			exit(roles->play(argv[3], argv[4]));
	fprintf(stderr, "no such part: %s\n", argv[2]);
	exit(99);
}

/* Everybody in it ends with its last handle. */
static HANDLE job(void)
{
	static HANDLE job;
	JOBOBJECT_EXTENDED_LIMIT_INFORMATION limits;

	if (job)
		return job;
	memset(&limits, 0, sizeof(limits));
	limits.BasicLimitInformation.LimitFlags = JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE;
	job = CreateJobObjectW(NULL, NULL);
	CHECK(job);
	(void)SetInformationJobObject(
			job, JobObjectExtendedLimitInformation, &limits, sizeof(limits));
	return job;
}

HANDLE players_start(const char *role, const char *argument)
{
	PROCESS_INFORMATION process;
	STARTUPINFOA startup = { .cb = sizeof(startup) };
	char program[MAX_PATH], line[MAX_PATH + 256];

	CHECK(GetModuleFileNameA(NULL, program, sizeof(program)));
	snprintf(line, sizeof(line), "\"%s\" " PLAYER " %s %s \"%s\"", program, role,
			scene_address(), argument);
	CHECK(CreateProcessA(program, line, NULL, NULL, FALSE, CREATE_SUSPENDED, NULL,
			NULL, &startup, &process));
	(void)AssignProcessToJobObject(job(), process.hProcess);
	ResumeThread(process.hThread);
	CloseHandle(process.hThread);
	return process.hProcess;
}

static DWORD end_of(HANDLE player)
{
	DWORD status;

	CHECK_EQUAL(WaitForSingleObject(player, PATIENCE_MS), WAIT_OBJECT_0);
	CHECK(GetExitCodeProcess(player, &status));
	CloseHandle(player);
	return status;
}

void players_kill(HANDLE player, UINT status)
{
	CHECK(TerminateProcess(player, status));
	(void)end_of(player);
}

int players_wait(HANDLE player)
{
	return (int)end_of(player);
}

HANDLE players_gate(const char *name)
{
	const char *address = *address_played ? address_played : scene_address();
	char text[128];
	HANDLE gate;

	snprintf(text, sizeof(text), "Local\\%s-%s", address + 1, name);
	gate = CreateSemaphoreA(NULL, 0, 1000000, text);
	CHECK(gate);
	return gate;
}

/* Kept open: a gate ends with its last handle, and what was counted with it. */
void players_open_gate(const char *name)
{
	CHECK(ReleaseSemaphore(players_gate(name), 1, NULL));
}

void players_pass_gate(const char *name)
{
	CHECK_EQUAL(WaitForSingleObject(players_gate(name), PATIENCE_MS), WAIT_OBJECT_0);
}
