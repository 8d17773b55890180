/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_CORE_USER_WINDOWS_H
#define EVCHAN_CORE_USER_WINDOWS_H

/* Users and groups as numbers of this process, and the tokens they are in. */

#include <windows.h>

#include "user.h"

/* Somebody who cannot be told. No policy's list has this number. */
#define USER_UNKNOWN ((uid_t)-1)

/* What user_own() says if it cannot be told: not the same, or everybody unknown would be taken for the own user. */
#define USER_NOBODY ((uid_t)-2)

/* The number that stands for an identifier, the same as long as the process lives; USER_UNKNOWN without memory. */
uid_t user_number(PSID sid);

/* The user and the primary group of a token; USER_UNKNOWN if that cannot be told. */
void user_of_token(HANDLE token, uid_t *user, gid_t *group);

/* The owner of an object of the kernel's; USER_UNKNOWN if that cannot be told. It says who has made it, or taken it: to give it
 * to another takes a privilege (SE_RESTORE_NAME). */
uid_t user_of_owner(HANDLE object);

/* This process's, as text, to be freed with LocalFree(). `of_group`: the primary group. NULL: cannot be told. */
wchar_t *user_own_text(int of_group);

#endif
