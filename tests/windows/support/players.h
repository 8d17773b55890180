/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_TESTS_WINDOWS_PLAYERS_H
#define EVCHAN_TESTS_WINDOWS_PLAYERS_H

/*
 * Processes that play a part, where there is no fork: the test program is started again with the part's name and an
 * argument, and main() asks players_play() first. What they have to tell each other they tell by evchan, by exit status, and by
 * gates: counters with a name that one raises and another waits for.
 */

#include <windows.h>

struct player_role {
	const char *name; /* NULL ends a list of these */
	int (*play)(const char *address,
			const char *argument); /* returns the exit status */
};

/* If this process is a player, plays and never returns. */
void players_play(int argc, char **argv, const struct player_role *roles);

/* Starts one, for scene_address(). It is killed with the test at the latest. */
HANDLE players_start(const char *role, const char *argument);

/* TerminateProcess(), which nobody can prevent or prepare for, with this exit status; waits until it is gone. */
void players_kill(HANDLE player, UINT status);

/* Waits until it has ended by itself; returns its exit status. */
int players_wait(HANDLE player);

/* Of the process whose number is in the address. */
HANDLE players_gate(const char *name);
void players_open_gate(const char *name);
void players_pass_gate(const char *name);

#endif
