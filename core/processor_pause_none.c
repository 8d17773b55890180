/* SPDX-License-Identifier: MIT */
/* Processors without such a hint: nothing but the call. */

#include "processor_pause.h"

void processor_pause(void)
{
	__asm__ volatile("");
}
