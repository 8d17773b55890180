/* SPDX-License-Identifier: MIT */

/*
 * The version as a function, because the macro tells what a program was compiled against,
 * and this what it runs with.
 */

#include <evchan/evchan.h>

const char *evchan_version(void)
{
	return EVCHAN_VERSION;
}
