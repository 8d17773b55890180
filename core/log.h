/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_CORE_LOG_H
#define EVCHAN_CORE_LOG_H

#include <evchan/evchan.h>

/* One line to the application's hook, if there is one. Any thread. At most 511 bytes. */
void log_line(enum evchan_log_level level, const char *format, ...)
		__attribute__((format(printf, 2, 3)));

#endif
