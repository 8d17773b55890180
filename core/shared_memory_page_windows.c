/* SPDX-License-Identifier: MIT */
/* What memory is made in multiples of: not a page but the granularity of views, 64 KiB, because older systems map at multiples
 * of it only. */

#include "shared_memory.h"

#include <windows.h>

size_t shared_memory_page_size(void)
{
	SYSTEM_INFO system;

	GetSystemInfo(&system);
	return system.dwAllocationGranularity;
}
