/* SPDX-License-Identifier: MIT */
#ifndef HTTP_WORKERS_FATAL_H
#define HTTP_WORKERS_FATAL_H

/* complain(), and the end of this process. */
_Noreturn void fatal(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
