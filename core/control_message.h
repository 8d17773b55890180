/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_CORE_CONTROL_MESSAGE_H
#define EVCHAN_CORE_CONTROL_MESSAGE_H

/*
 * The frames on the control socket, as bytes: encoding, decoding, checking. No I/O. All integers are
 * little-endian whatever the machine, so that a peer of the other byte order can be refused in words
 * it understands. docs/control-protocol.md has the byte tables.
 *
 *	RING     one byte, 0x01, and nothing else
 *	others   u8 type, u8 zero, u16 length of the whole frame, body
 *
 *	HELLO    sender -> receiver, first, with the ring's descriptor (SCM_RIGHTS) and the sender's
 *	         credentials (SCM_CREDENTIALS); one sendmsg, at most CONTROL_FRAME_MAX bytes
 *	WELCOME  receiver -> sender, with the receiver's page and (unless the bell is the socket) the data bell
 *	REFUSED  receiver -> sender, instead of WELCOME
 *	EVICTED  receiver -> sender, after WELCOME: the lane is over
 *	BYE      either way: a clean close follows (a body is ignored)
 *	RING     either way: look at the ring
 *
 * Those of a connection that only observes, from OBSERVE on, are in observe_message.h.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONTROL_FRAME_MAX 512u
#define CONTROL_PROTOCOL_VERSION 1u
#define CONTROL_LABEL_MAX 63u
#define CONTROL_TEXT_MAX 200u /* of a refusal, in bytes, without NUL */

enum control_type {
	CONTROL_RING = 0x01,
	CONTROL_HELLO = 0x10,
	CONTROL_WELCOME = 0x11,
	CONTROL_REFUSED = 0x12,
	CONTROL_EVICTED = 0x13,
	CONTROL_BYE = 0x14,
	/* observe_message.h */
	CONTROL_OBSERVE = 0x15,
	CONTROL_OBSERVED = 0x16,
	CONTROL_ASK = 0x17,
	CONTROL_LANE = 0x18,
	CONTROL_MORE = 0x19,
	CONTROL_TOTALS = 0x1a,
	CONTROL_LAST = CONTROL_TOTALS,
};

/* At the beginning of HELLO and OBSERVE. */
#define CONTROL_MAGIC_BYTES 8u
extern const unsigned char control_magic[CONTROL_MAGIC_BYTES];

/* Why a hello is refused, or a lane evicted. Numbers are on the wire: append only. */
enum control_refusal {
	CONTROL_REFUSE_NONE = 0,
	CONTROL_REFUSE_POLICY = 1,       /* this user may not: -EACCES, final */
	CONTROL_REFUSE_SENDERS = 2,      /* too many senders: -EUSERS, retried */
	CONTROL_REFUSE_UID_SENDERS = 3,  /* too many of this uid: -EUSERS, retried */
	CONTROL_REFUSE_CAPACITY = 4,     /* ring too large for this receiver: -EFBIG, final */
	CONTROL_REFUSE_MEMORY = 5,       /* all rings together: -ENOBUFS, retried */
	CONTROL_REFUSE_UID_MEMORY = 6,   /* all of this uid: -EDQUOT, retried */
	CONTROL_REFUSE_DESCRIPTORS = 7,  /* receiver has none left: -EMFILE, retried */
	CONTROL_REFUSE_NO_MEMORY = 8,    /* receiver's malloc or mmap failed: -ENOMEM, retried */
	CONTROL_REFUSE_VERSION = 9,      /* protocol version: -EPROTONOSUPPORT, final */
	CONTROL_REFUSE_FEATURES = 10,    /* unknown feature bits: -EPROTONOSUPPORT, final */
	CONTROL_REFUSE_BYTE_ORDER = 11,  /* other byte order: -ENOEXEC, final */
	CONTROL_REFUSE_PROTOCOL = 12,    /* hello makes no sense: -EPROTO, final */
	CONTROL_REFUSE_MEMORY_OBJECT = 13, /* not a sealed memfd of that size: -EPERM, final */
	CONTROL_REFUSE_LAZY = 14,        /* memory not allocated: -EPERM, final */
	CONTROL_REFUSE_BUSY = 15,        /* another lane or a hold still maps this ring: -EBUSY, retried */
	CONTROL_REFUSE_EVICTED = 16,     /* this lane was evicted a while ago: -ECONNREFUSED, final */
	CONTROL_REFUSE_SHUTDOWN = 17,    /* the receiver is ending: -ESHUTDOWN, retried */
	CONTROL_REFUSE_POSITIONS = 18,   /* the ring's positions are impossible: -EPROTO, final */
	CONTROL_REFUSE_APPLICATION = 19, /* evicted by the application: -ECONNABORTED, final */
	CONTROL_REFUSE_TIMEOUT = 20,     /* no whole hello in time: -ETIMEDOUT, retried */
	CONTROL_REFUSE_OBSERVERS = 21,   /* too many observers, of this uid or in all: -EUSERS, retried */
	CONTROL_REFUSE_NOT_OBSERVED = 22, /* the receiver's option says so: -EACCES, final */
	CONTROL_REFUSE_LAST = CONTROL_REFUSE_NOT_OBSERVED,
};

/* The errno of a refusal (negative), and whether asking again is pointless. Unknown numbers: -ECONNREFUSED, final. */
int control_refusal_error(uint32_t refusal);
bool control_refusal_is_final(uint32_t refusal);
/* One English phrase. Static. */
const char *control_refusal_text(uint32_t refusal);

struct control_hello {
	uint32_t version;        /* CONTROL_PROTOCOL_VERSION */
	uint64_t features;       /* none known yet: must be zero */
	uint64_t capacity;       /* bytes of the ring's data area */
	uint64_t resume;         /* head the ring was released up to; 0 for a new one */
	uint32_t header_size;    /* bytes before the data area: the sender's page size */
	uint32_t bell;           /* enum evchan_bell it would like */
	uint8_t lane_id[16];
	bool was_connected;      /* an earlier receiver had admitted this ring */
	bool lazy;               /* memory is not allocated */
	char label[CONTROL_LABEL_MAX + 1];
};

struct control_welcome {
	uint32_t version;
	uint64_t features;
	uint32_t bell;           /* enum bell_kind of the data bell */
	uint32_t header_size;    /* bytes of the receiver's page */
};

/* REFUSED and EVICTED. */
struct control_refused {
	uint32_t refusal;
	bool final;
	uint32_t retry_after_ms; /* 0: the sender's own back-off */
	char text[CONTROL_TEXT_MAX + 1];
};

/* Sets the text, cut at a whole UTF-8 character if it is too long. */
void control_set_text(struct control_refused *refused, const char *text);

/* Each writes one frame to `out` of CONTROL_FRAME_MAX bytes and returns its length. Over-long texts are cut (at a
 * whole UTF-8 character). */
size_t control_encode_hello(unsigned char *out, const struct control_hello *hello);
size_t control_encode_welcome(unsigned char *out, const struct control_welcome *welcome);
size_t control_encode_refused(unsigned char *out, enum control_type type,
		const struct control_refused *refused);
size_t control_encode_bye(unsigned char *out);

/*
 * Looks at the first `size` received bytes. Returns the length of the first frame if the bytes have it
 * whole, 0 if more bytes are needed, -EPROTO if they can become no frame: unknown type, length below 4 or
 * above CONTROL_FRAME_MAX. `*type` is written when the result is not an error and size > 0.
 */
int control_frame_length(enum control_type *type, const unsigned char *bytes, size_t size);

/*
 * Decode one whole frame of the right type. Every value is checked that can be checked without the ring: capacity a
 * power of two within bounds, header_size a power of two from 4096 to 65536, resume 8-aligned and below 2^62, label
 * without NUL in the middle, reserved bytes zero, exact length.
 * The hello's result says why it is refused; order: magic, byte order, version, features, the rest.
 */
enum control_refusal control_decode_hello(struct control_hello *hello, const unsigned char *frame,
		size_t length);
/* Errors: -EPROTO; -EPROTONOSUPPORT other version or unknown feature bits. */
int control_decode_welcome(struct control_welcome *welcome, const unsigned char *frame,
		size_t length);
/* Errors: -EPROTO. Unprintable bytes of the text become '?'. */
int control_decode_refused(struct control_refused *refused, const unsigned char *frame,
		size_t length);

#endif
