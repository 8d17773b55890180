/* SPDX-License-Identifier: MIT */

/*
 * Policy and quotas of one receiver.
 *
 * Invariant: for every uid, and for the receiver, what is taken is the sum of the charges
 * that exist. A charge is taken before the thing it pays for (an accepted connection, a
 * mapped ring) is made, and given back after that thing is gone; nothing is ever counted
 * by looking at the things themselves.
 *
 * Surprising: the record of a uid outlives its last charge while the disposal thread
 * still works for it (disposal.h). Otherwise a stranger whose descriptors take seconds to
 * close could hang up, come back with a clean record, and so queue as many of them as it
 * likes.
 *
 * Records are a plain list, looked through at each new connection. There is one for each
 * *user* that is connected, not for each connection, and even a thousand of them are
 * looked through faster than accept(2) returns.
 */

#include "admission.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "disposal.h"
#include "user.h"

struct admission_user {
	struct list link; /* in admission.users */
	uid_t uid;
	uint32_t guests;
	uint32_t senders;
	uint32_t observers;
	uint64_t bytes;
	struct disposal_account *account;
};

/* NULL without memory, and for an empty list. */
static void *copy_list(const void *list, size_t count, size_t size)
{
	void *copy;

	if (count == 0)
		return NULL;
	copy = calloc(count, size); /* which checks count * size */
	if (copy)
		memcpy(copy, list, count * size);
	return copy;
}

int admission_init(struct admission *admission,
		const struct evchan_receiver_options *options)
{
	memset(admission, 0, sizeof(*admission));
	list_init(&admission->users);
	/* The effective uid is what SO_PEERCRED shows of this process to others: same
	 * user, both ways. */
	admission->own_uid = user_own();
	admission->any_uid = options->flags & EVCHAN_RECEIVER_ANY_UID;
	admission->max_senders = options->max_senders;
	admission->max_senders_per_uid = options->max_senders_per_uid;
	admission->max_lane_bytes = options->max_lane_bytes;
	admission->max_total_bytes = options->max_total_bytes;
	admission->max_uid_bytes = options->max_uid_bytes;

	admission->uids = copy_list(
			options->allow_uids, options->allow_uid_count, sizeof(uid_t));
	admission->uid_count = options->allow_uid_count;
	if (admission->uid_count > 0 && admission->uids == NULL)
		goto fail;
	admission->gids = copy_list(
			options->allow_gids, options->allow_gid_count, sizeof(gid_t));
	admission->gid_count = options->allow_gid_count;
	if (admission->gid_count > 0 && admission->gids == NULL)
		goto fail;
	return 0;

fail:
	admission_deinit(admission);
	return -ENOMEM;
}

bool admission_is_allowed(
		const struct admission *admission, const struct evchan_peer *peer)
{
	if (admission->any_uid)
		return true;
	for (size_t i = 0; i < admission->uid_count; i++) {
		if (admission->uids[i] == peer->uid)
			return true;
	}
	/* Only a list of users replaces the default one: a list of groups adds to it,
	 * or a program that lets a group in would shut out its own user's processes. */
	if (admission->uid_count == 0 && admission->own_uid == peer->uid)
		return true;
	for (size_t i = 0; i < admission->gid_count; i++) {
		if (admission->gids[i] == peer->gid)
			return true;
	}
	return false;
}

/* ---- Records of users -------------------------------------------------------- */

static struct admission_user *user_of(struct list *link)
{
	return CONTAINER_OF(link, struct admission_user, link);
}

static bool user_is_in_use(const struct admission_user *user)
{
	return user->guests > 0 || user->senders > 0 || user->observers > 0;
}

static void user_free(struct admission_user *user)
{
	list_remove(&user->link);
	/* What is pending there keeps the account itself alive. */
	disposal_account_release(user->account);
	free(user);
}

/* Nobody is told when a disposal ends, so the records kept for one are looked at when
 * the next connection comes. */
static void forget_idle_users(struct admission *admission)
{
	struct list *link = admission->users.next;

	while (link != &admission->users) {
		struct admission_user *user = user_of(link);

		link = link->next;
		if (!user_is_in_use(user) && disposal_account_pending(user->account) == 0)
			user_free(user);
	}
}

static struct admission_user *find_user(struct admission *admission, uid_t uid)
{
	struct list *link;

	for (link = admission->users.next; link != &admission->users; link = link->next) {
		struct admission_user *user = user_of(link);

		if (user->uid == uid)
			return user;
	}
	return NULL;
}

static int make_user(struct admission_user **user, struct admission *admission, uid_t uid)
{
	struct admission_user *made;
	int r;

	made = calloc(1, sizeof(*made));
	if (made == NULL)
		return -ENOMEM;
	r = disposal_account_new(&made->account);
	if (r < 0) {
		free(made);
		return r;
	}
	made->uid = uid;
	list_append(&admission->users, &made->link);
	*user = made;
	return 0;
}

void admission_deinit(struct admission *admission)
{
	/* Zeroed and never initialised. */
	if (admission->users.next) {
		while (!list_is_empty(&admission->users)) {
			struct admission_user *user = user_of(admission->users.next);

			assert(!user_is_in_use(user));
			user_free(user);
		}
	}
	free(admission->uids);
	free(admission->gids);
	admission->uids = NULL;
	admission->uid_count = 0;
	admission->gids = NULL;
	admission->gid_count = 0;
}

/* ---- Charges ----------------------------------------------------------------- */

static bool user_may_be_guest(const struct admission_user *user)
{
	if (user->guests >= ADMISSION_GUESTS_PER_UID_MAX)
		return false;
	return disposal_account_pending(user->account) < ADMISSION_DISPOSALS_PER_UID_MAX;
}

int admission_charge_guest(
		struct admission_charge *charge, struct admission *admission, uid_t uid,
		bool is_invited)
{
	struct admission_user *user;
	int r;

	forget_idle_users(admission);
	user = find_user(admission, uid);
	/* The user's own limit is looked at first: of a flood by one, each connection
	 * is to be dropped; if all users together are too many, the rest is to stay in
	 * the backlog. */
	if (!is_invited && user && !user_may_be_guest(user))
		return -EUSERS;
	if (!is_invited && admission->guests >= ADMISSION_GUESTS_MAX)
		return -EAGAIN;
	if (user == NULL) {
		r = make_user(&user, admission, uid);
		if (r < 0)
			return r;
	}
	user->guests++;
	admission->guests++;
	*charge = (struct admission_charge)ADMISSION_CHARGE_NONE;
	charge->admission = admission;
	charge->user = user;
	charge->is_guest = true;
	return 0;
}

/* Whether `more` can be added; written so that nothing can overflow. */
static bool fits(uint64_t taken, uint64_t more, uint64_t most)
{
	return taken <= most && more <= most - taken;
}

static enum control_refusal may_be_sender(const struct admission *admission,
		const struct admission_user *user, uint64_t capacity)
{
	/* What can never fit is refused for good, whatever else is wrong: no attempts
	 * follow then. */
	if (capacity > admission->max_lane_bytes ||
			capacity > admission->max_total_bytes ||
			capacity > admission->max_uid_bytes)
		return CONTROL_REFUSE_CAPACITY;
	if (admission->senders >= admission->max_senders)
		return CONTROL_REFUSE_SENDERS;
	if (!fits(admission->bytes, capacity, admission->max_total_bytes))
		return CONTROL_REFUSE_MEMORY;
	if (user->senders >= admission->max_senders_per_uid)
		return CONTROL_REFUSE_UID_SENDERS;
	if (!fits(user->bytes, capacity, admission->max_uid_bytes))
		return CONTROL_REFUSE_UID_MEMORY;
	return CONTROL_REFUSE_NONE;
}

enum control_refusal admission_charge_sender(
		struct admission_charge *charge, uint64_t capacity)
{
	struct admission *admission = charge->admission;
	struct admission_user *user = charge->user;
	enum control_refusal refusal;

	assert(charge->is_guest);
	refusal = may_be_sender(admission, user, capacity);
	if (refusal != CONTROL_REFUSE_NONE)
		return refusal;

	user->guests--;
	admission->guests--;
	charge->is_guest = false;
	user->senders++;
	admission->senders++;
	charge->is_sender = true;
	user->bytes += capacity;
	admission->bytes += capacity;
	charge->bytes = capacity;
	return CONTROL_REFUSE_NONE;
}

int admission_charge_observer(struct admission_charge *charge, bool *of_all)
{
	struct admission *admission = charge->admission;
	struct admission_user *user = charge->user;

	assert(charge->is_guest);
	*of_all = user->observers < ADMISSION_OBSERVERS_PER_UID_MAX;
	if (!*of_all || admission->observers >= ADMISSION_OBSERVERS_MAX)
		return -EUSERS;
	user->guests--;
	admission->guests--;
	charge->is_guest = false;
	user->observers++;
	admission->observers++;
	charge->is_observer = true;
	return 0;
}

void admission_charge_deinit(struct admission_charge *charge)
{
	struct admission *admission = charge->admission;
	struct admission_user *user = charge->user;

	if (admission == NULL)
		return;
	user->guests -= charge->is_guest;
	admission->guests -= charge->is_guest;
	user->senders -= charge->is_sender;
	admission->senders -= charge->is_sender;
	user->observers -= charge->is_observer;
	admission->observers -= charge->is_observer;
	user->bytes -= charge->bytes;
	admission->bytes -= charge->bytes;
	*charge = (struct admission_charge)ADMISSION_CHARGE_NONE;
	if (!user_is_in_use(user) && disposal_account_pending(user->account) == 0)
		user_free(user);
}

struct disposal_account *admission_charge_disposal(const struct admission_charge *charge)
{
	return charge->user ? charge->user->account : NULL;
}

struct disposal_account *admission_refused_disposal(struct admission *admission, uid_t uid)
{
	struct admission_user *user = find_user(admission, uid);

	return user ? user->account : NULL;
}
