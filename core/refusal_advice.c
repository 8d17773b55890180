/* SPDX-License-Identifier: MIT */
/*
 * Advice to whoever reads the receiver's log.
 *
 * The one who is refused is told the reason in words that are the same everywhere (control_message.c). How large the limits
 * are, and how they are called, is said here, on this side only: a stranger need not know.
 */

#include "refusal_advice.h"

#include <inttypes.h>
#include <stdio.h>

#include "receiver.h"

/* Those that need no numbers. */
static const char *fixed_advice(
		const struct evchan_receiver *receiver, enum control_refusal refusal)
{
	switch ((int)refusal) {
	case CONTROL_REFUSE_POLICY:
		return receiver->callbacks.authorize
				? "authorize said no"
				: "allow_uids, allow_gids or EVCHAN_RECEIVER_ANY_UID "
		                  "would admit it";
	case CONTROL_REFUSE_DESCRIPTORS:
		return "raise RLIMIT_NOFILE of this process";
	case CONTROL_REFUSE_NO_MEMORY:
		return "a limit of this process, its control group or the system";
	case CONTROL_REFUSE_VERSION:
	case CONTROL_REFUSE_FEATURES:
		return "bring both sides to the same version of evchan";
	case CONTROL_REFUSE_PROTOCOL:
	case CONTROL_REFUSE_MEMORY_OBJECT:
	case CONTROL_REFUSE_POSITIONS:
		return "it is not evchan, or broken, or hostile";
	case CONTROL_REFUSE_LAZY:
		return "EVCHAN_RECEIVER_ALLOW_LAZY would admit it";
	case CONTROL_REFUSE_BUSY:
		return "its last lane is not over yet, or messages of it are held";
	case CONTROL_REFUSE_EVICTED:
		return "it may not come back for ten minutes";
	case CONTROL_REFUSE_NOT_OBSERVED:
		return "EVCHAN_RECEIVER_NO_OBSERVERS is set";
	default:
		return NULL;
	}
}

static int advice_on_limits(char *out, size_t size,
		const struct evchan_receiver *receiver, enum control_refusal refusal,
		const struct control_hello *hello)
{
	const struct admission *admission = &receiver->admission;

	switch ((int)refusal) {
	case CONTROL_REFUSE_SENDERS:
		return snprintf(out, size, " (max_senders is %" PRIu32 ")",
				admission->max_senders);
	case CONTROL_REFUSE_UID_SENDERS:
		if (hello)
			return snprintf(out, size,
					" (max_senders_per_uid is %" PRIu32 ")",
					admission->max_senders_per_uid);
		return snprintf(out, size,
				" (%d of its connections have not said hello, or %d of "
		                "its "
				"descriptors are still being closed)",
				ADMISSION_GUESTS_PER_UID_MAX,
				ADMISSION_DISPOSALS_PER_UID_MAX);
	case CONTROL_REFUSE_CAPACITY:
		return snprintf(out, size,
				" (it has %" PRIu64 " bytes; max_lane_bytes is %" PRIu64
				", max_total_bytes %" PRIu64 ", max_uid_bytes %" PRIu64
				")",
				hello ? hello->capacity : 0, admission->max_lane_bytes,
				admission->max_total_bytes, admission->max_uid_bytes);
	case CONTROL_REFUSE_MEMORY:
		return snprintf(out, size,
				" (max_total_bytes is %" PRIu64 ", %" PRIu64
				" are taken)",
				admission->max_total_bytes, admission->bytes);
	case CONTROL_REFUSE_UID_MEMORY:
		return snprintf(out, size, " (max_uid_bytes is %" PRIu64 ")",
				admission->max_uid_bytes);
	case CONTROL_REFUSE_TIMEOUT:
		return snprintf(out, size, " (hello_timeout_ms is %" PRIu32 ")",
				receiver->options.hello_timeout_ms);
	case CONTROL_REFUSE_OBSERVERS:
		return snprintf(out, size, " (at most %d of one user and %d in all)",
				ADMISSION_OBSERVERS_PER_UID_MAX, ADMISSION_OBSERVERS_MAX);
	default:
		return snprintf(out, size, "%s", "");
	}
}

void refusal_advice(char *out, size_t size, const struct evchan_receiver *receiver,
		enum control_refusal refusal, const struct control_hello *hello)
{
	const char *fixed = fixed_advice(receiver, refusal);

	if (fixed)
		snprintf(out, size, " (%s)", fixed);
	else
		(void)advice_on_limits(out, size, receiver, refusal, hello);
}
