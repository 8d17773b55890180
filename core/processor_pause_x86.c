/* SPDX-License-Identifier: MIT */
/* x86: PAUSE. */

#include "processor_pause.h"

void processor_pause(void)
{
	__builtin_ia32_pause();
}
