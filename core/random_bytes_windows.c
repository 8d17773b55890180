/* SPDX-License-Identifier: MIT */
/* Random bytes from the system's own generator, which never waits. */

#include "random_bytes.h"

#include <errno.h>
#include <windows.h>

#include <bcrypt.h>

int random_bytes(void *out, size_t size)
{
	NTSTATUS status = BCryptGenRandom(
			NULL, out, (ULONG)size, BCRYPT_USE_SYSTEM_PREFERRED_RNG);

	return status < 0 ? -EAGAIN : 0;
}
