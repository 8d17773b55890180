/* SPDX-License-Identifier: MIT */

/*
 * For what goes wrong before a process can do its work. The supervisor sees the status, and tries again after a while.
 */

#include "fatal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "program.h"

void fatal(const char *format, ...)
{
	va_list arguments;
	char text[512];

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	complain("%s", text);
	exit(EXIT_FAILURE);
}
