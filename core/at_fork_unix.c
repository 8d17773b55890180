/* SPDX-License-Identifier: MIT */
/* Fork handlers, where there are forks. */

#include "at_fork.h"

#include <pthread.h>

int at_fork(void (*before)(void), void (*in_parent)(void), void (*in_child)(void))
{
	return pthread_atfork(before, in_parent, in_child);
}
