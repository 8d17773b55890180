/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_CORE_ADMISSION_H
#define EVCHAN_CORE_ADMISSION_H

/*
 * Who may join a receiver, and how much of it anybody may take: everything a stranger's
 * connection costs is charged to its uid before it is spent, and given back when the
 * charge is deinitialised, not before. Knows nothing of sockets or lanes.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <evchan/evchan.h>

#include "control_message.h"
#include "list.h"

/* One uid's charges; exists while there are any, or disposals are pending. */
struct admission_user;

struct admission {
	/* policy */
	uid_t own_uid;
	bool any_uid;
	uid_t *uids;
	size_t uid_count;
	gid_t *gids;
	size_t gid_count;
	/* limits */
	uint32_t max_senders;
	uint32_t max_senders_per_uid;
	uint64_t max_lane_bytes;
	uint64_t max_total_bytes;
	uint64_t max_uid_bytes;
	/* what is taken */
	uint32_t senders;
	uint32_t guests;
	uint32_t observers;
	uint64_t bytes;
	struct list users;
};

/* Connections that have not said hello yet, at once: of one receiver, and of one uid.
 * A uid is also refused while this many of its disposals are pending. */
#define ADMISSION_GUESTS_MAX 256
#define ADMISSION_GUESTS_PER_UID_MAX 64
#define ADMISSION_DISPOSALS_PER_UID_MAX 32
/* Observers at once: of one receiver, and of one uid. */
#define ADMISSION_OBSERVERS_MAX 16
#define ADMISSION_OBSERVERS_PER_UID_MAX 8

/* Copies what it needs of `options` (read by options.h). Errors: -ENOMEM. */
int admission_init(struct admission *admission,
		const struct evchan_receiver_options *options);
void admission_deinit(struct admission *admission); /* all charges are gone by then */

/* Whether the policy's lists allow this peer. Without a list of users the own one is
 * allowed, also beside a list of groups. */
bool admission_is_allowed(
		const struct admission *admission, const struct evchan_peer *peer);

/* What one connection, later one lane, has been charged. */
struct admission_charge {
	struct admission *admission; /* NULL: nothing charged */
	struct admission_user *user;
	bool is_guest;
	bool is_sender;
	bool is_observer;
	uint64_t bytes;
};
#define ADMISSION_CHARGE_NONE { NULL, NULL, false, false, false, 0 }

/*
 * Charges a connection that has not said hello. Never refuses for the number of lanes.
 * Errors: -EUSERS this uid has too many such connections or pending disposals; -EAGAIN
 * the receiver has (accept no more for now); -ENOMEM. `is_invited`: the application has handed it in, and as many
 * as it likes: no limit.
 */
int admission_charge_guest(
		struct admission_charge *charge, struct admission *admission, uid_t uid,
		bool is_invited);

/*
 * Turns a guest's charge into a sender's with a ring of `capacity` bytes. On refusal the
 * guest's charge stays. Returns 0 (CONTROL_REFUSE_NONE) or why not:
 * CONTROL_REFUSE_SENDERS, _CAPACITY, _MEMORY, _UID_SENDERS, _UID_MEMORY. A ring that
 * could not even be admitted alone is _CAPACITY, because that one is final.
 */
enum control_refusal admission_charge_sender(
		struct admission_charge *charge, uint64_t capacity);

/* Turns a guest's charge into an observer's. Errors: -EUSERS there are as many as there may be, of this uid or
 * (`*of_all`) of all: the guest's charge stays. */
int admission_charge_observer(struct admission_charge *charge, bool *of_all);

/* Gives all of it back. Harmless on ADMISSION_CHARGE_NONE and the second time. */
void admission_charge_deinit(struct admission_charge *charge);

/* Where the disposals of a uid that may not even be a guest are charged. NULL if there is none. */
struct disposal_account *admission_refused_disposal(struct admission *admission, uid_t uid);

/* Where this uid's disposals are charged; NULL before a charge. */
struct disposal_account *admission_charge_disposal(const struct admission_charge *charge);

#endif
