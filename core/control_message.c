/* SPDX-License-Identifier: MIT */
/*
 * The frames of the control socket: bytes to structs and back, with every check that needs nothing but the bytes.
 *
 * All offsets stand in this file once, as names, and in docs/control-protocol.md. A hello's first 20 bytes are the
 * part that no version will ever change: by them a receiver can tell a sender of another byte order or of another
 * version in words why it is refused, whatever else has moved. Everything behind them is strict: exact length, and
 * zero in every byte that has no meaning, so that a later version can give it one.
 *
 * Decoders write their result only when all of it is good.
 */

#include "control_message.h"

#include <errno.h>
#include <string.h>

#include <evchan/system.h>

#include "wire_bytes.h"

#define FRAME_HEADER 4u

/* HELLO. Up to HELLO_VERSION_END the same in all versions. */
enum {
	HELLO_MAGIC = 4,        /* 8 bytes */
	HELLO_BYTE_ORDER = 12,  /* u8: 1 little, 2 big; of the words in shared memory */
	HELLO_FLAGS = 13,       /* u8 */
	HELLO_BELL = 14,        /* u8 */
	HELLO_LABEL_LENGTH = 15, /* u8 */
	HELLO_VERSION = 16,     /* u32 */
	HELLO_VERSION_END = 20,
	HELLO_HEADER_SIZE = 20, /* u32 */
	HELLO_FEATURES = 24,    /* u64 */
	HELLO_FEATURES_END = 32,
	HELLO_CAPACITY = 32,    /* u64 */
	HELLO_RESUME = 40,      /* u64 */
	HELLO_LANE_ID = 48,     /* 16 bytes */
	HELLO_ZERO = 64,        /* 8 bytes */
	HELLO_LABEL = 72,
};
#define HELLO_FLAG_WAS_CONNECTED 0x01u
#define HELLO_FLAG_LAZY 0x02u
#define HELLO_FLAGS_KNOWN (HELLO_FLAG_WAS_CONNECTED | HELLO_FLAG_LAZY)

const unsigned char control_magic[CONTROL_MAGIC_BYTES] = { 'e', 'v', 'c', 'h', 'a', 'n', '\r', '\n' };

enum {
	WELCOME_VERSION = 4,     /* u32 */
	WELCOME_VERSION_END = 8,
	WELCOME_FEATURES = 8,    /* u64 */
	WELCOME_BELL = 16,       /* u32 */
	WELCOME_HEADER_SIZE = 20, /* u32 */
	WELCOME_LENGTH = 24,
};

/* REFUSED and EVICTED. */
enum {
	REFUSED_REFUSAL = 4,      /* u32 */
	REFUSED_FINAL = 8,        /* u8: 0 or 1 */
	REFUSED_ZERO = 9,         /* 3 bytes */
	REFUSED_RETRY_AFTER = 12, /* u32 */
	REFUSED_TEXT = 16,
};

#define BYTE_ORDER_LITTLE 1u
#define BYTE_ORDER_BIG 2u
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define BYTE_ORDER_OWN BYTE_ORDER_LITTLE
#else
#define BYTE_ORDER_OWN BYTE_ORDER_BIG
#endif

/* Absolute bounds of the format; what a receiver admits is its own business (admission.h). */
#define CAPACITY_MIN UINT64_C(4096)
#define CAPACITY_MAX (UINT64_C(1) << 30)
#define HEADER_SIZE_MIN 4096u
#define HEADER_SIZE_MAX 65536u
#define POSITION_LIMIT (UINT64_C(1) << 62)
#define BELL_WISH_MAX 3u

/* ---- Refusals ------------------------------------------------------------------ */

struct refusal {
	int error;
	bool final;
	const char *text;
};

static const struct refusal refusals[] = {
	[CONTROL_REFUSE_NONE] = { -ECONNREFUSED, true, "no reason was given" },
	[CONTROL_REFUSE_POLICY] = { -EACCES, true, "this user may not send here" },
	[CONTROL_REFUSE_SENDERS] = { -EUSERS, false, "too many senders" },
	[CONTROL_REFUSE_UID_SENDERS] = { -EUSERS, false, "too many senders of this user" },
	[CONTROL_REFUSE_CAPACITY] = { -EFBIG, true, "the ring is larger than this receiver takes" },
	[CONTROL_REFUSE_MEMORY] = { -ENOBUFS, false, "all rings together take too much memory" },
	[CONTROL_REFUSE_UID_MEMORY] = { -EDQUOT, false,
		"the rings of this user take too much memory" },
	[CONTROL_REFUSE_DESCRIPTORS] = { -EMFILE, false, "the receiver has no descriptor left" },
	[CONTROL_REFUSE_NO_MEMORY] = { -ENOMEM, false, "the receiver has no memory left" },
	[CONTROL_REFUSE_VERSION] = { -EPROTONOSUPPORT, true, "another version of the protocol" },
	[CONTROL_REFUSE_FEATURES] = { -EPROTONOSUPPORT, true,
		"the sender wants features that this receiver does not know" },
	[CONTROL_REFUSE_BYTE_ORDER] = { -ENOEXEC, true, "a machine of the other byte order" },
	[CONTROL_REFUSE_PROTOCOL] = { -EPROTO, true, "what it says makes no sense" },
	[CONTROL_REFUSE_MEMORY_OBJECT] = { -EPERM, true,
		"the ring is not a sealed memory object of the announced size" },
	[CONTROL_REFUSE_LAZY] = { -EPERM, true, "the memory of the ring is not allocated" },
	[CONTROL_REFUSE_BUSY] = { -EBUSY, false, "the ring is still in use here" },
	[CONTROL_REFUSE_EVICTED] = { -ECONNREFUSED, true, "this lane was evicted" },
	[CONTROL_REFUSE_SHUTDOWN] = { -ESHUTDOWN, false, "the receiver is shutting down" },
	[CONTROL_REFUSE_POSITIONS] = { -EPROTO, true, "the ring makes no sense" },
	[CONTROL_REFUSE_APPLICATION] = { -ECONNABORTED, true, "evicted by the application" },
	[CONTROL_REFUSE_TIMEOUT] = { -ETIMEDOUT, false, "no whole hello came in time" },
	[CONTROL_REFUSE_OBSERVERS] = { -EUSERS, false, "too many observers" },
	[CONTROL_REFUSE_NOT_OBSERVED] = { -EACCES, true, "this receiver is not to be observed" },
};

static const struct refusal *refusal_of(uint32_t refusal)
{
	return &refusals[refusal <= CONTROL_REFUSE_LAST ? refusal : CONTROL_REFUSE_NONE];
}

int control_refusal_error(uint32_t refusal)
{
	return refusal_of(refusal)->error;
}

bool control_refusal_is_final(uint32_t refusal)
{
	return refusal_of(refusal)->final;
}

const char *control_refusal_text(uint32_t refusal)
{
	return refusal_of(refusal)->text;
}

/* ---- Bytes ------------------------------------------------------------------------ */

static bool is_power_of_two(uint64_t value)
{
	return value && (value & (value - 1)) == 0;
}

/* Bytes of `text` up to `most` that end at a whole UTF-8 character. */
static size_t text_length(const char *text, size_t most)
{
	size_t length = strnlen(text, most + 1);
	size_t cut = most;

	if (length <= most)
		return length;
	/* Continuation bytes are 10xxxxxx; a character has three at most. */
	while (cut > 0 && most - cut < 3 && ((unsigned char)text[cut] & 0xc0) == 0x80)
		cut--;
	return ((unsigned char)text[cut] & 0xc0) == 0x80 ? most : cut;
}

/* ---- Encoding -------------------------------------------------------------------- */

size_t control_encode_hello(unsigned char *out, const struct control_hello *hello)
{
	size_t label = text_length(hello->label, CONTROL_LABEL_MAX);

	memset(out, 0, HELLO_LABEL);
	memcpy(out + HELLO_MAGIC, control_magic, sizeof(control_magic));
	out[HELLO_BYTE_ORDER] = BYTE_ORDER_OWN;
	out[HELLO_FLAGS] = (unsigned char)((hello->was_connected ? HELLO_FLAG_WAS_CONNECTED : 0) |
			(hello->lazy ? HELLO_FLAG_LAZY : 0));
	out[HELLO_BELL] = (unsigned char)hello->bell;
	out[HELLO_LABEL_LENGTH] = (unsigned char)label;
	wire_put(out + HELLO_VERSION, hello->version, 4);
	wire_put(out + HELLO_HEADER_SIZE, hello->header_size, 4);
	wire_put(out + HELLO_FEATURES, hello->features, 8);
	wire_put(out + HELLO_CAPACITY, hello->capacity, 8);
	wire_put(out + HELLO_RESUME, hello->resume, 8);
	memcpy(out + HELLO_LANE_ID, hello->lane_id, sizeof(hello->lane_id));
	memcpy(out + HELLO_LABEL, hello->label, label);
	return wire_finish_frame(out, CONTROL_HELLO, HELLO_LABEL + label);
}

size_t control_encode_welcome(unsigned char *out, const struct control_welcome *welcome)
{
	wire_put(out + WELCOME_VERSION, welcome->version, 4);
	wire_put(out + WELCOME_FEATURES, welcome->features, 8);
	wire_put(out + WELCOME_BELL, welcome->bell, 4);
	wire_put(out + WELCOME_HEADER_SIZE, welcome->header_size, 4);
	return wire_finish_frame(out, CONTROL_WELCOME, WELCOME_LENGTH);
}

void control_set_text(struct control_refused *refused, const char *text)
{
	size_t length = text_length(text, CONTROL_TEXT_MAX);

	memcpy(refused->text, text, length);
	refused->text[length] = '\0';
}

size_t control_encode_refused(unsigned char *out, enum control_type type,
		const struct control_refused *refused)
{
	size_t length = text_length(refused->text, CONTROL_TEXT_MAX);

	wire_put(out + REFUSED_REFUSAL, refused->refusal, 4);
	out[REFUSED_FINAL] = refused->final;
	memset(out + REFUSED_ZERO, 0, REFUSED_RETRY_AFTER - REFUSED_ZERO);
	wire_put(out + REFUSED_RETRY_AFTER, refused->retry_after_ms, 4);
	memcpy(out + REFUSED_TEXT, refused->text, length);
	return wire_finish_frame(out, type, REFUSED_TEXT + length);
}

size_t control_encode_bye(unsigned char *out)
{
	return wire_finish_frame(out, CONTROL_BYE, FRAME_HEADER);
}

/* ---- Decoding -------------------------------------------------------------------- */

int control_frame_length(enum control_type *type, const unsigned char *bytes, size_t size)
{
	uint64_t length;

	if (size == 0)
		return 0;
	if (bytes[0] == CONTROL_RING) {
		*type = CONTROL_RING;
		return 1;
	}
	if (bytes[0] < CONTROL_HELLO || bytes[0] > CONTROL_LAST)
		return -EPROTO;
	if (size > 1 && bytes[1])
		return -EPROTO;
	if (size >= FRAME_HEADER) {
		length = wire_get(bytes + 2, 2);
		if (length < FRAME_HEADER || length > CONTROL_FRAME_MAX)
			return -EPROTO;
		*type = (enum control_type)bytes[0];
		return size >= length ? (int)length : 0;
	}
	*type = (enum control_type)bytes[0];
	return 0;
}

/* The part that is the same in all versions. */
static enum control_refusal check_hello_head(const unsigned char *frame, size_t length)
{
	if (length < HELLO_VERSION_END || memcmp(frame + HELLO_MAGIC, control_magic, CONTROL_MAGIC_BYTES) != 0)
		return CONTROL_REFUSE_PROTOCOL;
	if (frame[HELLO_BYTE_ORDER] != BYTE_ORDER_LITTLE && frame[HELLO_BYTE_ORDER] != BYTE_ORDER_BIG)
		return CONTROL_REFUSE_PROTOCOL;
	if (frame[HELLO_BYTE_ORDER] != BYTE_ORDER_OWN)
		return CONTROL_REFUSE_BYTE_ORDER;
	if (wire_get(frame + HELLO_VERSION, 4) != CONTROL_PROTOCOL_VERSION)
		return CONTROL_REFUSE_VERSION;
	if (length < HELLO_FEATURES_END)
		return CONTROL_REFUSE_PROTOCOL;
	return wire_get(frame + HELLO_FEATURES, 8) ? CONTROL_REFUSE_FEATURES : CONTROL_REFUSE_NONE;
}

/* The rest of a hello of this version. */
static bool hello_is_valid(const struct control_hello *hello, const unsigned char *frame,
		size_t length)
{
	size_t label = frame[HELLO_LABEL_LENGTH];

	return length == HELLO_LABEL + label && label <= CONTROL_LABEL_MAX &&
	       !memchr(frame + HELLO_LABEL, '\0', label) &&
	       wire_is_zero(frame + HELLO_ZERO, HELLO_LABEL - HELLO_ZERO) &&
	       (frame[HELLO_FLAGS] & ~HELLO_FLAGS_KNOWN) == 0 && hello->bell <= BELL_WISH_MAX &&
	       is_power_of_two(hello->capacity) && hello->capacity >= CAPACITY_MIN &&
	       hello->capacity <= CAPACITY_MAX && is_power_of_two(hello->header_size) &&
	       hello->header_size >= HEADER_SIZE_MIN && hello->header_size <= HEADER_SIZE_MAX &&
	       hello->resume % 8 == 0 && hello->resume < POSITION_LIMIT;
}

enum control_refusal control_decode_hello(struct control_hello *hello, const unsigned char *frame,
		size_t length)
{
	struct control_hello decoded = { 0 };
	enum control_refusal refusal;

	refusal = check_hello_head(frame, length);
	if (refusal)
		return refusal;
	if (length < HELLO_LABEL)
		return CONTROL_REFUSE_PROTOCOL;
	decoded.version = CONTROL_PROTOCOL_VERSION;
	decoded.capacity = wire_get(frame + HELLO_CAPACITY, 8);
	decoded.resume = wire_get(frame + HELLO_RESUME, 8);
	decoded.header_size = (uint32_t)wire_get(frame + HELLO_HEADER_SIZE, 4);
	decoded.bell = frame[HELLO_BELL];
	decoded.was_connected = frame[HELLO_FLAGS] & HELLO_FLAG_WAS_CONNECTED;
	decoded.lazy = frame[HELLO_FLAGS] & HELLO_FLAG_LAZY;
	if (!hello_is_valid(&decoded, frame, length))
		return CONTROL_REFUSE_PROTOCOL;
	memcpy(decoded.lane_id, frame + HELLO_LANE_ID, sizeof(decoded.lane_id));
	memcpy(decoded.label, frame + HELLO_LABEL, length - HELLO_LABEL);
	*hello = decoded;
	return CONTROL_REFUSE_NONE;
}

int control_decode_welcome(struct control_welcome *welcome, const unsigned char *frame,
		size_t length)
{
	struct control_welcome decoded;

	if (length < WELCOME_VERSION_END)
		return -EPROTO;
	decoded.version = (uint32_t)wire_get(frame + WELCOME_VERSION, 4);
	if (decoded.version != CONTROL_PROTOCOL_VERSION)
		return -EPROTONOSUPPORT;
	if (length != WELCOME_LENGTH)
		return -EPROTO;
	decoded.features = wire_get(frame + WELCOME_FEATURES, 8);
	decoded.bell = (uint32_t)wire_get(frame + WELCOME_BELL, 4);
	decoded.header_size = (uint32_t)wire_get(frame + WELCOME_HEADER_SIZE, 4);
	if (decoded.features)
		return -EPROTONOSUPPORT;
	if (decoded.bell < 1 || decoded.bell > BELL_WISH_MAX ||
			!is_power_of_two(decoded.header_size) ||
			decoded.header_size < HEADER_SIZE_MIN ||
			decoded.header_size > HEADER_SIZE_MAX)
		return -EPROTO;
	*welcome = decoded;
	return 0;
}

int control_decode_refused(struct control_refused *refused, const unsigned char *frame,
		size_t length)
{
	struct control_refused decoded = { 0 };
	size_t text = length - REFUSED_TEXT;

	if (length < REFUSED_TEXT || text > CONTROL_TEXT_MAX || frame[REFUSED_FINAL] > 1 ||
			!wire_is_zero(frame + REFUSED_ZERO, REFUSED_RETRY_AFTER - REFUSED_ZERO))
		return -EPROTO;
	decoded.refusal = (uint32_t)wire_get(frame + REFUSED_REFUSAL, 4);
	decoded.final = frame[REFUSED_FINAL];
	decoded.retry_after_ms = (uint32_t)wire_get(frame + REFUSED_RETRY_AFTER, 4);
	for (size_t i = 0; i < text; i++) {
		unsigned char byte = frame[REFUSED_TEXT + i];

		/* It may go to a terminal or a log as it is. */
		decoded.text[i] = byte < 0x20 || byte == 0x7f ? '?' : (char)byte;
	}
	*refused = decoded;
	return 0;
}
