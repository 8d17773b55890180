/* SPDX-License-Identifier: MIT */

/*
 * Public structs cross the boundary between a program and a library that were compiled at
 * different times, so they are read by the size their caller knew, as openat2(2) does it:
 * what an older caller does not have counts as zero, what a newer one has must be zero,
 * since asking for something that is then silently not done would be worse than an error.
 *
 * The order matters: everything is copied first and looked at afterwards, in the copy, so
 * no check here ever reads a member the caller does not have.
 *
 * Zero means "the default", and is replaced here once, with two exceptions that nobody
 * can know yet: `bell` (depends on the loop) and the receiver's `max_held_bytes` (depends
 * on each lane's capacity). A default that another option depends on follows that option:
 * with reconnect_min_ms of 5000 alone, the longest wait is 5000 too, not an error about a
 * 2000 the caller never wrote.
 */

#include "options.h"

#include <errno.h>
#include <string.h>

#include "shared_memory.h"

/* No struct of this library will ever reach it; a larger `size` is an uninitialised
 * struct, and looking for zeros behind it could leave the caller's memory. */
#define STRUCT_SIZE_MAX 4096

#define RECEIVER_FLAGS \
	(EVCHAN_RECEIVER_ANY_UID | EVCHAN_RECEIVER_COPY | EVCHAN_RECEIVER_ALLOW_LAZY | \
			EVCHAN_RECEIVER_LOCK_MEMORY | EVCHAN_RECEIVER_NO_OBSERVERS)
#define SENDER_FLAGS \
	(EVCHAN_SENDER_WAIT | EVCHAN_SENDER_NO_RECONNECT | EVCHAN_SENDER_LAZY | \
			EVCHAN_SENDER_ANY_RECEIVER | EVCHAN_SENDER_LOCK_MEMORY)

/* Longer is no pause between two looks but a mistake of units. */
#define WAKE_INTERVAL_MAX_MS 1000
#define SPIN_MAX_US 1000

#define KIBIBYTE ((uint64_t)1 << 10)
#define MEBIBYTE ((uint64_t)1 << 20)
#define GIBIBYTE ((uint64_t)1 << 30)

static bool is_zero(const unsigned char *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		if (bytes[i] != 0)
			return false;
	}
	return true;
}

static size_t size_of(const void *given)
{
	size_t size;

	memcpy(&size, given, sizeof(size));
	return size;
}

int options_copy(void *known, size_t known_size, const void *given)
{
	size_t size = 0;

	if (given) {
		size = size_of(given);
		if (size < sizeof(size_t))
			return -EINVAL;
		if (size > STRUCT_SIZE_MAX)
			return -E2BIG;
	}
	if (size > known_size) {
		const unsigned char *bytes = given;

		if (!is_zero(bytes + known_size, size - known_size))
			return -E2BIG;
		size = known_size;
	}
	memset(known, 0, known_size);
	if (size > 0)
		memcpy(known, given, size);
	memcpy(known, &known_size, sizeof(known_size));
	return 0;
}

void options_copy_out(void *given, const void *known, size_t known_size)
{
	size_t size = size_of(given);

	if (size > known_size)
		size = known_size;
	/* Too small even for itself is a caller's mistake, answered with "nothing was
	 * written". */
	if (size < sizeof(size_t))
		size = 0;
	else
		memcpy(given, known, size);
	memcpy(given, &size, sizeof(size));
}

static void default_32(uint32_t *value, uint32_t fallback)
{
	if (*value == 0)
		*value = fallback;
}

static void default_64(uint64_t *value, uint64_t fallback)
{
	if (*value == 0)
		*value = fallback;
}

/* A list with a count but no address would be read through NULL; an empty list is the
 * default one, wherever it points. */
static bool list_is_valid(const void *list, size_t count)
{
	return list != NULL || count == 0;
}

static int check_receiver(const struct evchan_receiver_options *options)
{
	if (options->flags & ~(uint32_t)RECEIVER_FLAGS)
		return -EINVAL;
	/* The socket is a sender's protection against its receiver: nothing for the
	 * latter to choose. */
	if (options->bell >= EVCHAN_BELL_SOCKET)
		return -EINVAL;
	if (options->socket_mode & ~(uint32_t)0777)
		return -EINVAL;
	if (options->wake_interval_ms > WAKE_INTERVAL_MAX_MS)
		return -EINVAL;
	if (options->wake_bytes && !options->wake_interval_ms)
		return -EINVAL;
	if (options->spin_us > SPIN_MAX_US || options->reserved)
		return -EINVAL;
	if (!list_is_valid(options->allow_uids, options->allow_uid_count))
		return -EINVAL;
	if (!list_is_valid(options->allow_gids, options->allow_gid_count))
		return -EINVAL;
	return 0;
}

int options_read_receiver(struct evchan_receiver_options *options,
		const struct evchan_receiver_options *given)
{
	struct evchan_receiver_options read;
	int r;

	r = options_copy(&read, sizeof(read), given);
	if (r < 0)
		return r;
	r = check_receiver(&read);
	if (r < 0)
		return r;

	default_32(&read.max_senders, 4096);
	default_32(&read.max_senders_per_uid, read.max_senders);
	default_64(&read.max_lane_bytes, 64 * MEBIBYTE);
	/* A 64-bit sender can bring a ring that a 32-bit receiver cannot map: too
	 * large for this receiver, which is a final refusal, and not for lack of
	 * memory, which is asked again. */
	if (read.max_lane_bytes > OPTIONS_CAPACITY_MAX)
		read.max_lane_bytes = OPTIONS_CAPACITY_MAX;
	default_64(&read.max_total_bytes, sizeof(void *) >= 8 ? 4 * GIBIBYTE : GIBIBYTE);
	default_64(&read.max_uid_bytes, read.max_total_bytes);
	default_32(&read.turn_messages, 256);
	default_32(&read.turn_bytes, (uint32_t)MEBIBYTE);
	default_32(&read.turn_total_messages, 1024);
	default_32(&read.turn_total_bytes, (uint32_t)(4 * MEBIBYTE));
	default_32(&read.hello_timeout_ms, 3000);
	default_32(&read.socket_mode, 0600);
	*options = read;
	return 0;
}

bool options_leave_share(const struct evchan_receiver_options *given)
{
	struct evchan_receiver_options read;

	return options_copy(&read, sizeof(read), given) == 0 && read.turn_messages == 0;
}

/* `value` is at most OPTIONS_CAPACITY_MAX. */
static uint64_t ring_capacity(uint64_t value)
{
	uint64_t capacity = (uint64_t)shared_memory_page_size();

	while (capacity < value)
		capacity *= 2;
	return capacity;
}

static bool label_is_valid(const char *label)
{
	return strnlen(label, OPTIONS_LABEL_MAX + 1) <= OPTIONS_LABEL_MAX;
}

static int check_sender(const struct evchan_sender_options *options)
{
	if (options->flags & ~(uint32_t)SENDER_FLAGS)
		return -EINVAL;
	if (options->bell > EVCHAN_BELL_SOCKET)
		return -EINVAL;
	if (options->capacity > OPTIONS_CAPACITY_MAX)
		return -EINVAL;
	if (options->notes_size > OPTIONS_NOTES_MAX)
		return -EINVAL;
	if (options->label && !label_is_valid(options->label))
		return -EINVAL;
	if (!list_is_valid(options->receiver_uids, options->receiver_uid_count))
		return -EINVAL;
	return 0;
}

/* Whichever of the two waits is given moves the default of the other out of its way. */
static int read_reconnect(struct evchan_sender_options *options)
{
	uint32_t least = options->reconnect_min_ms;
	uint32_t longest = options->reconnect_max_ms;

	if (longest == 0)
		longest = least > 2000 ? least : 2000;
	if (least == 0)
		least = longest < 10 ? longest : 10;
	if (least > longest)
		return -EINVAL;
	options->reconnect_min_ms = least;
	options->reconnect_max_ms = longest;
	return 0;
}

int options_read_sender(struct evchan_sender_options *options,
		const struct evchan_sender_options *given)
{
	struct evchan_sender_options read;
	int r;

	r = options_copy(&read, sizeof(read), given);
	if (r < 0)
		return r;
	r = check_sender(&read);
	if (r < 0)
		return r;
	r = read_reconnect(&read);
	if (r < 0)
		return r;

	default_64(&read.capacity, 256 * KIBIBYTE);
	read.capacity = ring_capacity(read.capacity);
	default_32(&read.notes_size, 3712);
	default_64(&read.low_watermark, read.capacity / 2);
	/* At the capacity `writable` would come while nothing can be written. */
	if (read.low_watermark >= read.capacity)
		return -EINVAL;
	if (read.label == NULL)
		read.label = "";
	*options = read;
	return 0;
}

int options_read_receiver_callbacks(struct evchan_receiver_callbacks *callbacks,
		const struct evchan_receiver_callbacks *given)
{
	return options_copy(callbacks, sizeof(*callbacks), given);
}

int options_read_sender_callbacks(struct evchan_sender_callbacks *callbacks,
		const struct evchan_sender_callbacks *given)
{
	return options_copy(callbacks, sizeof(*callbacks), given);
}

int options_read_observer_callbacks(struct evchan_observer_callbacks *callbacks,
		const struct evchan_observer_callbacks *given)
{
	return options_copy(callbacks, sizeof(*callbacks), given);
}
