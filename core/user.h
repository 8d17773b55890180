/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_CORE_USER_H
#define EVCHAN_CORE_USER_H

/* Who this process is. */

#include <evchan/evchan.h>

/* The user that peers see. */
uid_t user_own(void);

#endif
