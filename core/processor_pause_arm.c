/* SPDX-License-Identifier: MIT */
/* ARMv7 and later: YIELD. */

#include "processor_pause.h"

void processor_pause(void)
{
	__asm__ volatile("yield");
}
