/* SPDX-License-Identifier: MIT */

/*
 * Who may join, and that all that is taken is given back.
 *
 * The accounts of disposal.h are this file's own here, because what is pending in the real
 * ones ends when the kernel likes. (The linker takes the library's only if something needs
 * more of that module than admission.c does.)
 */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "admission.h"
#include "disposal.h"
#include "options.h"

#define KIB ((uint64_t)1024)

struct disposal_account {
	unsigned references;
	unsigned pending;
};

int disposal_account_new(struct disposal_account **account)
{
	*account = calloc(1, sizeof(**account));
	assert_non_null(*account);
	(*account)->references = 1;
	return 0;
}

void disposal_account_release(struct disposal_account *account)
{
	if (--account->references == 0)
		free(account);
}

unsigned disposal_account_pending(const struct disposal_account *account)
{
	return account->pending;
}

static struct evchan_receiver_options defaults(void)
{
	struct evchan_receiver_options options;

	assert_int_equal(options_read_receiver(&options, NULL), 0);
	return options;
}

static void init(struct admission *admission,
		const struct evchan_receiver_options *options)
{
	assert_int_equal(admission_init(admission, options), 0);
}

/* Nothing is charged any more, and nothing remembered. */
static void deinit(struct admission *admission)
{
	assert_int_equal(admission->guests, 0);
	assert_int_equal(admission->senders, 0);
	assert_int_equal(admission->bytes, 0);
	admission_deinit(admission);
}

/* ---- Policy ------------------------------------------------------------------ */

static int is_allowed(const struct evchan_receiver_options *options, uid_t uid, gid_t gid)
{
	const struct evchan_peer peer = { .pid = 1, .uid = uid, .gid = gid };
	struct admission admission;
	int allowed;

	init(&admission, options);
	allowed = admission_is_allowed(&admission, &peer);
	deinit(&admission);
	return allowed;
}

/* By default the own user may join, and no other, root included. */
static void own_user_by_default(void **state)
{
	const struct evchan_receiver_options options = defaults();
	const uid_t own = geteuid();

	(void)state;
	assert_true(is_allowed(&options, own, 12345));
	assert_false(is_allowed(&options, own + 1, getegid()));
	if (own != 0)
		assert_false(is_allowed(&options, 0, 0));
}

/* A list of users is the whole list. */
static void listed_users_only(void **state)
{
	struct evchan_receiver_options options = defaults();
	const uid_t own = geteuid(), uids[] = { own + 1, own + 3 };

	(void)state;
	options.allow_uids = uids;
	options.allow_uid_count = 2;
	assert_true(is_allowed(&options, own + 1, 1));
	assert_true(is_allowed(&options, own + 3, 1));
	assert_false(is_allowed(&options, own + 2, 1));
	assert_false(is_allowed(&options, own, 1));
}

/* Groups come on top of users: of those listed, or of the own one. */
static void listed_groups_too(void **state)
{
	struct evchan_receiver_options options = defaults();
	const uid_t own = geteuid(), uids[] = { own + 1 };
	const gid_t gids[] = { 70, 71 };

	(void)state;
	options.allow_gids = gids;
	options.allow_gid_count = 2;
	assert_true(is_allowed(&options, own + 2, 71));
	assert_false(is_allowed(&options, own + 2, 72));
	assert_true(is_allowed(&options, own, 72));
	options.allow_uids = uids;
	options.allow_uid_count = 1;
	assert_true(is_allowed(&options, own + 2, 70));
	assert_true(is_allowed(&options, own + 1, 72));
	assert_false(is_allowed(&options, own, 72));
}

/* With the flag, anybody. */
static void any_user(void **state)
{
	struct evchan_receiver_options options = defaults();

	(void)state;
	options.flags = EVCHAN_RECEIVER_ANY_UID;
	assert_true(is_allowed(&options, geteuid() + 1, 12345));
}

/* The lists are copied. */
static void lists_are_copied(void **state)
{
	struct evchan_receiver_options options = defaults();
	const uid_t uid = geteuid() + 1;
	const struct evchan_peer peer = { .pid = 1, .uid = uid, .gid = 1 };
	struct admission admission;
	uid_t uids[] = { uid };

	(void)state;
	options.allow_uids = uids;
	options.allow_uid_count = 1;
	init(&admission, &options);
	uids[0]++;
	assert_true(admission_is_allowed(&admission, &peer));
	deinit(&admission);
}

/* ---- Guests ------------------------------------------------------------------ */

static void be_guest(
		struct admission_charge *charge, struct admission *admission, uid_t uid)
{
	assert_int_equal(admission_charge_guest(charge, admission, uid, false), 0);
}

/* A uid has so many guests at once, and one that goes makes room. */
static void guests_of_a_user_are_limited(void **state)
{
	const struct evchan_receiver_options options = defaults();
	struct admission_charge charges[ADMISSION_GUESTS_PER_UID_MAX + 1], other;
	struct admission admission;

	(void)state;
	init(&admission, &options);
	for (int i = 0; i < ADMISSION_GUESTS_PER_UID_MAX; i++)
		assert_int_equal(admission_charge_guest(&charges[i], &admission, 5, false), 0);
	assert_int_equal(admission_charge_guest(&charges[ADMISSION_GUESTS_PER_UID_MAX],
					 &admission, 5, false),
			-EUSERS);
	assert_int_equal(admission_charge_guest(&other, &admission, 6, false), 0);
	admission_charge_deinit(&charges[0]);
	assert_int_equal(admission_charge_guest(&charges[0], &admission, 5, false), 0);
	for (int i = 0; i < ADMISSION_GUESTS_PER_UID_MAX; i++)
		admission_charge_deinit(&charges[i]);
	admission_charge_deinit(&other);
	deinit(&admission);
}

/* So has a receiver. A user at its own limit is told of that one, since its connection
 * is to go. */
static void guests_of_a_receiver_are_limited(void **state)
{
	const struct evchan_receiver_options options = defaults();
	struct admission_charge charges[ADMISSION_GUESTS_MAX], more;
	struct admission admission;

	(void)state;
	init(&admission, &options);
	for (uid_t i = 0; i < ADMISSION_GUESTS_MAX; i++)
		be_guest(&charges[i], &admission, i / ADMISSION_GUESTS_PER_UID_MAX);
	assert_int_equal(admission_charge_guest(&more, &admission, 100, false), -EAGAIN);
	assert_int_equal(admission_charge_guest(&more, &admission, 0, false), -EUSERS);
	admission_charge_deinit(&charges[0]);
	assert_int_equal(admission_charge_guest(&more, &admission, 100, false), 0);
	admission_charge_deinit(&more);
	for (int i = 0; i < ADMISSION_GUESTS_MAX; i++)
		admission_charge_deinit(&charges[i]);
	deinit(&admission);
}

/* ---- Senders ----------------------------------------------------------------- */

/* A guest that becomes a sender is a guest no more, and all is given back once. */
static void guest_becomes_sender(void **state)
{
	const struct evchan_receiver_options options = defaults();
	struct admission_charge charge;
	struct admission admission;

	(void)state;
	init(&admission, &options);
	be_guest(&charge, &admission, 5);
	assert_int_equal(admission.guests, 1);
	assert_non_null(admission_charge_disposal(&charge));
	assert_int_equal(admission_charge_sender(&charge, 64 * KIB), CONTROL_REFUSE_NONE);
	assert_int_equal(admission.guests, 0);
	assert_int_equal(admission.senders, 1);
	assert_int_equal(admission.bytes, 64 * KIB);
	admission_charge_deinit(&charge);
	assert_int_equal(admission.senders, 0);
	admission_charge_deinit(&charge);
	assert_null(admission_charge_disposal(&charge));
	deinit(&admission);
}

/* A refusal changes nothing: the guest stays one. */
static void refused_guest_stays_one(void **state)
{
	struct evchan_receiver_options options = defaults();
	struct admission_charge charge;
	struct admission admission;

	(void)state;
	options.max_lane_bytes = 64 * KIB;
	init(&admission, &options);
	be_guest(&charge, &admission, 5);
	assert_int_equal(admission_charge_sender(&charge, 64 * KIB + 1),
			CONTROL_REFUSE_CAPACITY);
	assert_int_equal(admission.guests, 1);
	assert_int_equal(admission.senders, 0);
	assert_int_equal(admission.bytes, 0);
	assert_int_equal(admission_charge_sender(&charge, 64 * KIB), CONTROL_REFUSE_NONE);
	admission_charge_deinit(&charge);
	deinit(&admission);
}

/* What could never fit is refused for good, whichever limit it breaks. */
static void impossible_rings_are_refused_for_good(void **state)
{
	static const struct {
		uint64_t lane, total, uid;
	} limits[] = { { 8, 16, 16 }, { 16, 8, 16 }, { 16, 16, 8 } };

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct evchan_receiver_options options = defaults();
		struct admission_charge charge;
		struct admission admission;

		options.max_lane_bytes = limits[i].lane * KIB;
		options.max_total_bytes = limits[i].total * KIB;
		options.max_uid_bytes = limits[i].uid * KIB;
		init(&admission, &options);
		be_guest(&charge, &admission, 5);
		assert_int_equal(admission_charge_sender(&charge, 16 * KIB),
				CONTROL_REFUSE_CAPACITY);
		assert_int_equal(admission_charge_sender(&charge, UINT64_MAX),
				CONTROL_REFUSE_CAPACITY);
		assert_int_equal(admission_charge_sender(&charge, 8 * KIB),
				CONTROL_REFUSE_NONE);
		admission_charge_deinit(&charge);
		deinit(&admission);
	}
}

/* Two senders of `uids` under these options: what the second is told, before and after
 * the first is gone. */
static void check_second(const struct evchan_receiver_options *options,
		const uid_t uids[2], enum control_refusal expected)
{
	struct admission_charge first, second;
	struct admission admission;

	init(&admission, options);
	be_guest(&first, &admission, uids[0]);
	be_guest(&second, &admission, uids[1]);
	assert_int_equal(admission_charge_sender(&first, 64 * KIB), CONTROL_REFUSE_NONE);
	assert_int_equal(admission_charge_sender(&second, 64 * KIB), expected);
	if (expected != CONTROL_REFUSE_NONE) {
		admission_charge_deinit(&first);
		assert_int_equal(admission_charge_sender(&second, 64 * KIB),
				CONTROL_REFUSE_NONE);
	}
	admission_charge_deinit(&first);
	admission_charge_deinit(&second);
	deinit(&admission);
}

/* Each limit is told by its own name, holds exactly, and ends with the one who filled
 * it. */
static void each_limit_has_its_name(void **state)
{
	static const uid_t same[2] = { 5, 5 }, different[2] = { 5, 6 };
	struct evchan_receiver_options options;

	(void)state;
	options = defaults();
	check_second(&options, same, CONTROL_REFUSE_NONE);
	options.max_senders = 1;
	check_second(&options, different, CONTROL_REFUSE_SENDERS);

	options = defaults();
	options.max_senders_per_uid = 1;
	check_second(&options, same, CONTROL_REFUSE_UID_SENDERS);
	check_second(&options, different, CONTROL_REFUSE_NONE);

	options = defaults();
	options.max_total_bytes = 128 * KIB - 1;
	check_second(&options, different, CONTROL_REFUSE_MEMORY);
	options.max_total_bytes = 128 * KIB;
	check_second(&options, different, CONTROL_REFUSE_NONE);

	options = defaults();
	options.max_uid_bytes = 128 * KIB - 1;
	check_second(&options, same, CONTROL_REFUSE_UID_MEMORY);
	check_second(&options, different, CONTROL_REFUSE_NONE);
	options.max_uid_bytes = 128 * KIB;
	check_second(&options, same, CONTROL_REFUSE_NONE);
}

/* No sum overflows where the limits are as high as they can be. */
static void sums_do_not_overflow(void **state)
{
	struct evchan_receiver_options options = defaults();
	struct admission_charge first, second;
	struct admission admission;

	(void)state;
	options.max_lane_bytes = UINT64_MAX;
	options.max_total_bytes = UINT64_MAX;
	options.max_uid_bytes = UINT64_MAX;
	init(&admission, &options);
	be_guest(&first, &admission, 5);
	be_guest(&second, &admission, 5);
	assert_int_equal(admission_charge_sender(&first, UINT64_MAX - 1),
			CONTROL_REFUSE_NONE);
	assert_int_equal(admission_charge_sender(&second, 2), CONTROL_REFUSE_MEMORY);
	assert_int_equal(admission_charge_sender(&second, 1), CONTROL_REFUSE_NONE);
	admission_charge_deinit(&first);
	admission_charge_deinit(&second);
	deinit(&admission);
}

/* The empty charge, and an admission that never was, can be given back. */
static void nothing_can_be_given_back(void **state)
{
	struct admission_charge charge = ADMISSION_CHARGE_NONE;
	struct admission admission;

	(void)state;
	admission_charge_deinit(&charge);
	assert_null(admission_charge_disposal(&charge));
	memset(&admission, 0, sizeof(admission));
	admission_deinit(&admission);
}

/* ---- Disposals --------------------------------------------------------------- */

/* A uid whose descriptors wait for disposal is remembered after its last connection has
 * ended, and let in again only when there are few enough. Others are not concerned. */
static void pending_disposals_keep_a_user_out(void **state)
{
	const struct evchan_receiver_options options = defaults();
	struct admission_charge charge, other;
	struct disposal_account *account;
	struct admission admission;

	(void)state;
	init(&admission, &options);
	be_guest(&charge, &admission, 5);
	account = admission_charge_disposal(&charge);
	account->pending = ADMISSION_DISPOSALS_PER_UID_MAX;
	admission_charge_deinit(&charge);
	assert_int_equal(admission_charge_guest(&charge, &admission, 5, false), -EUSERS);
	be_guest(&other, &admission, 6);
	admission_charge_deinit(&other);
	assert_int_equal(admission_charge_guest(&charge, &admission, 5, false), -EUSERS);

	account->pending--;
	be_guest(&charge, &admission, 5);
	assert_ptr_equal(admission_charge_disposal(&charge), account);
	account->pending = 0;
	admission_charge_deinit(&charge);
	assert_true(list_is_empty(&admission.users));
	deinit(&admission);
}

/* A user that was remembered for its disposals is forgotten when they are done and
 * somebody else comes. */
static void remembered_user_is_forgotten(void **state)
{
	const struct evchan_receiver_options options = defaults();
	struct disposal_account *account;
	struct admission_charge charge;
	struct admission admission;

	(void)state;
	init(&admission, &options);
	be_guest(&charge, &admission, 5);
	account = admission_charge_disposal(&charge);
	account->pending = 1;
	admission_charge_deinit(&charge);
	assert_false(list_is_empty(&admission.users));
	account->pending = 0;
	be_guest(&charge, &admission, 6);
	admission_charge_deinit(&charge);
	assert_true(list_is_empty(&admission.users));
	deinit(&admission);
}

/* An admission can end while disposals that were charged to it are pending: it gives its
 * own reference back, and no more. */
static void admission_can_end_before_its_disposals(void **state)
{
	const struct evchan_receiver_options options = defaults();
	struct disposal_account *account;
	struct admission_charge charge;
	struct admission admission;

	(void)state;
	init(&admission, &options);
	be_guest(&charge, &admission, 5);
	account = admission_charge_disposal(&charge);
	account->pending = 1;
	account->references++; /* an item in the queue */
	admission_charge_deinit(&charge);
	deinit(&admission);
	assert_int_equal(account->references, 1);
	disposal_account_release(account);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(own_user_by_default),
		cmocka_unit_test(listed_users_only),
		cmocka_unit_test(listed_groups_too),
		cmocka_unit_test(any_user),
		cmocka_unit_test(lists_are_copied),
		cmocka_unit_test(guests_of_a_user_are_limited),
		cmocka_unit_test(guests_of_a_receiver_are_limited),
		cmocka_unit_test(guest_becomes_sender),
		cmocka_unit_test(refused_guest_stays_one),
		cmocka_unit_test(impossible_rings_are_refused_for_good),
		cmocka_unit_test(each_limit_has_its_name),
		cmocka_unit_test(sums_do_not_overflow),
		cmocka_unit_test(nothing_can_be_given_back),
		cmocka_unit_test(pending_disposals_keep_a_user_out),
		cmocka_unit_test(remembered_user_is_forgotten),
		cmocka_unit_test(admission_can_end_before_its_disposals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
