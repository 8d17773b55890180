/* SPDX-License-Identifier: MIT */
/* Threads by Mach port: the name of a thread that is gone stands for none. */

#include "disposal_thread.h"

#include <mach/mach.h>
#include <pthread.h>
#include <sys/mman.h>

long disposal_thread_self(void)
{
	return (long)pthread_mach_thread_np(pthread_self());
}

bool disposal_thread_is_gone(long thread)
{
	thread_basic_info_data_t information;
	mach_msg_type_number_t count = THREAD_BASIC_INFO_COUNT;

	return thread_info((thread_act_t)thread, THREAD_BASIC_INFO,
			       (thread_info_t)&information, &count) != KERN_SUCCESS;
}

void disposal_keep_from_children(void *base, size_t size)
{
	(void)minherit(base, size, VM_INHERIT_NONE);
}
