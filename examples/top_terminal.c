/* SPDX-License-Identifier: MIT */

/*
 * The terminal of evchan-top, by the control sequences that every terminal of today knows: a library for others
 * would be larger than the program.
 */

#include "top_terminal.h"

#include <stdio.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#define SCREEN_BEGIN "\033[?1049h\033[?25l\033[2J"
#define SCREEN_END "\033[?25h\033[?1049l"

static struct termios as_found;

void terminal_measure(struct terminal *terminal)
{
	struct winsize size;

	terminal->rows = 24;
	terminal->columns = 80;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || !size.ws_row || !size.ws_col)
		return;
	terminal->rows = size.ws_row;
	terminal->columns = size.ws_col;
}

void terminal_open(struct terminal *terminal)
{
	struct termios keys;

	terminal->is_screen = isatty(STDOUT_FILENO);
	terminal->has_keys =
			terminal->is_screen && tcgetattr(STDIN_FILENO, &as_found) == 0;
	if (terminal->has_keys) {
		keys = as_found;
		/* Ctrl-C is still a signal. */
		keys.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
		keys.c_cc[VMIN] = 1;
		keys.c_cc[VTIME] = 0;
		(void)tcsetattr(STDIN_FILENO, TCSANOW, &keys);
	}
	if (!terminal->is_screen)
		return;
	terminal_measure(terminal);
	fputs(SCREEN_BEGIN, stdout);
}

void terminal_close(const struct terminal *terminal)
{
	if (terminal->has_keys)
		(void)tcsetattr(STDIN_FILENO, TCSANOW, &as_found);
	if (!terminal->is_screen)
		return;
	fputs(SCREEN_END, stdout);
	fflush(stdout);
}
