/* SPDX-License-Identifier: MIT */
/*
 * Users have identifiers of varying length here, and numbers elsewhere. Each identifier that this process has met gets a number of
 * its own, from a list that only grows, so equal numbers are equal users and no two users are taken for one another, as
 * they could be if the number were a hash, or the identifier's last part. The numbers mean nothing to other processes.
 *
 * The system itself is 0, because what is written for root elsewhere is meant for it here.
 */

#include "user_windows.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <aclapi.h>
#include <sddl.h>

#define FIRST_NUMBER 1000u

struct known {
	struct known *next;
	uid_t number;
	DWORD size;
	unsigned char sid[];
};

static SRWLOCK lock = SRWLOCK_INIT;
static struct known *all; /* under `lock`, and so the number below */
static uid_t next_number = FIRST_NUMBER;

static struct known *find(PSID sid)
{
	struct known *known;

	for (known = all; known; known = known->next)
		if (EqualSid((PSID)known->sid, sid))
			return known;
	return NULL;
}

static struct known *add(PSID sid)
{
	DWORD size = GetLengthSid(sid);
	struct known *known = malloc(sizeof(*known) + size);

	if (!known)
		return NULL;
	known->number = IsWellKnownSid(sid, WinLocalSystemSid) ? 0 : next_number++;
	known->size = size;
	memcpy(known->sid, sid, size);
	known->next = all;
	all = known;
	return known;
}

uid_t user_number(PSID sid)
{
	struct known *known;
	uid_t number;

	AcquireSRWLockExclusive(&lock);
	known = find(sid);
	if (!known)
		known = add(sid);
	number = known ? known->number : USER_UNKNOWN;
	ReleaseSRWLockExclusive(&lock);
	return number;
}

/* To be freed. */
static void *token_information(HANDLE token, TOKEN_INFORMATION_CLASS class)
{
	DWORD size = 0;
	void *information;

	(void)GetTokenInformation(token, class, NULL, 0, &size);
	information = size ? malloc(size) : NULL;
	if (information && !GetTokenInformation(token, class, information, size, &size)) {
		free(information);
		information = NULL;
	}
	return information;
}

void user_of_token(HANDLE token, uid_t *user, gid_t *group)
{
	TOKEN_USER *owner = token_information(token, TokenUser);
	TOKEN_PRIMARY_GROUP *primary = token_information(token, TokenPrimaryGroup);

	*user = owner ? user_number(owner->User.Sid) : USER_UNKNOWN;
	*group = primary ? user_number(primary->PrimaryGroup) : USER_UNKNOWN;
	free(owner);
	free(primary);
}

uid_t user_of_owner(HANDLE object)
{
	PSECURITY_DESCRIPTOR security;
	PSID owner;
	uid_t user;

	if (GetSecurityInfo(object, SE_KERNEL_OBJECT, OWNER_SECURITY_INFORMATION, &owner,
			    NULL, NULL, NULL, &security) != ERROR_SUCCESS)
		return USER_UNKNOWN;
	user = owner ? user_number(owner) : USER_UNKNOWN;
	LocalFree(security);
	return user;
}

uid_t user_own(void)
{
	uid_t user = USER_UNKNOWN;
	gid_t group;
	HANDLE token;

	if (OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY, &token)) {
		user_of_token(token, &user, &group);
		CloseHandle(token);
	}
	return user == USER_UNKNOWN ? USER_NOBODY : user;
}

wchar_t *user_own_text(int of_group)
{
	wchar_t *text = NULL;
	void *information;
	HANDLE token;

	if (!OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY, &token))
		return NULL;
	information = token_information(token, of_group ? TokenPrimaryGroup : TokenUser);
	if (information)
		(void)ConvertSidToStringSidW(of_group
						? ((TOKEN_PRIMARY_GROUP *)information)
								  ->PrimaryGroup
						: ((TOKEN_USER *)information)->User.Sid,
				&text);
	free(information);
	CloseHandle(token);
	return text;
}

int evchan_windows_uid(uid_t *uid, const char *text)
{
	PSID sid;
	uid_t number;

	if (!text || !ConvertStringSidToSidA(text, &sid))
		return -EINVAL;
	number = user_number(sid);
	LocalFree(sid);
	if (number == USER_UNKNOWN)
		return -ENOMEM;
	*uid = number;
	return 0;
}
