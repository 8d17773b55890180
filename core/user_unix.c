/* SPDX-License-Identifier: MIT */
/* The effective uid: what SO_PEERCRED tells others of this process. */

#include "user.h"

#include <unistd.h>

uid_t user_own(void)
{
	return geteuid();
}
