/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_PROTO_H
#define EVCHAN_PROTO_H

/**
 * @file evchan/proto.h
 *
 * Library evchan-protobuf-c: generated protobuf-c structs over channels. A message is packed straight into the sender's
 * ring, and decoded where it lies: `bytes` and unknown fields point into the ring, structs and strings live in an arena that
 * is used again for the next message. The rules of <evchan/evchan.h> hold here, too.
 *
 * ## Types
 *
 * A set of types (struct evchan_proto_types) says which messages a program knows, and under which number each
 * travels as the `type` of a record: a hash of its full name, unless the program chooses. A sender that uses the set
 * describes each type in a note of its lane (evchan_sender_add_note()) before the first message of it, so the receiver
 * compares the two sides' ideas of it once, not per message:
 *
 *   identical      the same fields
 *   compatible     one side has fields that the other has not: unknown fields, as always in protobuf
 *   incompatible   a field is of another kind, or is required by the receiver and unknown to the sender
 *
 * ## What may change under the reader
 *
 * A decoded message's structs, strings and numbers are private copies; what `bytes`, unknown fields and borrowed
 * arrays point to is the sender's memory until it is copied. See EVCHAN_RECEIVER_COPY.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <protobuf-c/protobuf-c.h>

#include <evchan/evchan.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Types ------------------------------------------------------------------ */

/** A set of message types. Made by one thread; once the first sender, receiver or decoder uses it nothing more can be
 *  added, and then any number of threads may share it. Reference counted by its users: freeing it early is harmless. */
struct evchan_proto_types;

/** Errors: -ENOMEM. */
EVCHAN_API int evchan_proto_types_new(struct evchan_proto_types **types);

/** NULL is allowed. */
EVCHAN_API void evchan_proto_types_free(struct evchan_proto_types *types);

/**
 * Adds a message type, and with it what its fields refer to. `id` is the number it travels under, below
 * EVCHAN_TYPE_RESERVED; 0: the hash of its full name, the same everywhere. Types generated with
 * optimize_for = CODE_SIZE have no name and need a number. The descriptor must live as long as the set.
 * Errors: -EEXIST the type is there, or the number is another's (two names can have one hash: choose numbers then);
 * -EINVAL no name and no number, a reserved number, or not a descriptor; -EBUSY the set is in use; -ENOMEM.
 */
EVCHAN_API int evchan_proto_types_add(struct evchan_proto_types *types,
		const ProtobufCMessageDescriptor *descriptor, uint32_t id);

/** The number of a type; 0: it was not added. Any thread. */
EVCHAN_API uint32_t evchan_proto_types_id(const struct evchan_proto_types *types,
		const ProtobufCMessageDescriptor *descriptor);

/** The type of a number, NULL: none. Any thread. */
EVCHAN_API const ProtobufCMessageDescriptor *evchan_proto_types_find(
		const struct evchan_proto_types *types, uint32_t id);

/** The number of a full name, as evchan_proto_types_add() computes it. Any thread. */
EVCHAN_API uint32_t evchan_proto_name_id(const char *full_name);

/** How two ideas of one type go together. */
enum evchan_proto_match {
	EVCHAN_PROTO_IDENTICAL = 0,
	EVCHAN_PROTO_COMPATIBLE = 1,
	EVCHAN_PROTO_INCOMPATIBLE = 2,
};

/**
 * Writes the description of a type, as it goes into a note: `*size` is the room, and becomes the size.
 * Errors: -ENOBUFS no room, `*size` is written all the same; -ENOENT the type is not in the set; -ENOMEM.
 */
EVCHAN_API int evchan_proto_describe(const struct evchan_proto_types *types,
		const ProtobufCMessageDescriptor *descriptor, void *buffer, size_t *size);

/**
 * Compares somebody's description, whatever bytes it is, with a type of the set. `why` (of `why_size` bytes, may be NULL)
 * becomes one English phrase that names the field of an incompatibility.
 * Errors: -ENOENT the type is not in the set; -EPROTO not a description; -ENOMEM.
 */
EVCHAN_API int evchan_proto_compare(enum evchan_proto_match *match, const struct evchan_proto_types *types,
		const ProtobufCMessageDescriptor *descriptor, const void *description, size_t size,
		char *why, size_t why_size);

/* ---- Decoding, on any buffer --------------------------------------------------- */

/** Memory that decoded messages live in. Used by one thread at a time. */
struct evchan_proto_arena;

/** `limit`: bytes that may be in use at a time; 0: 64 MiB. Twice and a half as many are taken from malloc(3) at most.
 *  Errors: -ENOMEM. */
EVCHAN_API int evchan_proto_arena_new(struct evchan_proto_arena **arena, size_t limit);

/** NULL is allowed. Ends what was decoded into it. */
EVCHAN_API void evchan_proto_arena_free(struct evchan_proto_arena *arena);

/** Ends what was decoded into it, and keeps memory for as much again. */
EVCHAN_API void evchan_proto_arena_reset(struct evchan_proto_arena *arena);

/** Bytes in use; evchan_proto_arena_allocated(): taken from malloc(3). */
EVCHAN_API size_t evchan_proto_arena_used(const struct evchan_proto_arena *arena);
/** See evchan_proto_arena_used(). */
EVCHAN_API size_t evchan_proto_arena_allocated(const struct evchan_proto_arena *arena);

/** How to decode. */
enum evchan_proto_decode_flags {
	/** `bytes` are copied to the arena, too: nothing points to the input. */
	EVCHAN_PROTO_COPY_BYTES = 1 << 0,
	/** Packed fixed32, sfixed32, float, fixed64, sfixed64 and double fields that came in one piece and lie aligned point into the
	 *  input (little-endian machines; elsewhere no effect). */
	EVCHAN_PROTO_BORROW_PACKED = 1 << 1,
	/** Strings must be UTF-8. */
	EVCHAN_PROTO_CHECK_UTF8 = 1 << 2,
};

/** Zero is the default everywhere. */
struct evchan_proto_decode_options {
	size_t size;
	uint32_t flags;     /* enum evchan_proto_decode_flags; an unknown bit: -EINVAL */
	uint32_t max_depth; /* of messages in messages, the outermost counted; 100 */
	size_t max_bytes;   /* of one message as it comes; 0: no limit but the channel's */
};
#define EVCHAN_PROTO_DECODE_OPTIONS_INIT \
	{ sizeof(struct evchan_proto_decode_options), 0, 0, 0 }

/** Why a message cannot be decoded. */
struct evchan_proto_problem {
	size_t offset;    /* of the byte at which it was seen */
	const char *text; /* one English phrase; static */
};

/**
 * Decodes one message. The result is that of protobuf_c_message_unpack() on the same bytes (which must not change while that
 * runs; here they may), but for what lies where: it belongs to the arena and the input, ends with whichever of them ends first, and
 * must not be given to protobuf_c_message_free_unpacked(). A message field that comes twice is merged, as the protobuf
 * specification wants it.
 * `types` need not have the descriptor, but decoding is faster if it does. `options` and `problem` may be NULL.
 * Errors: -EBADMSG not a valid encoding; -ELOOP deeper than max_depth; -ENOBUFS it needs more than the arena's limit; -EMSGSIZE
 * longer than max_bytes; -EILSEQ not UTF-8; -ENOMEM; -EINVAL; -E2BIG. The arena then has garbage until its next reset.
 */
EVCHAN_API int evchan_proto_decode(const ProtobufCMessage **message, struct evchan_proto_arena *arena,
		struct evchan_proto_types *types, const ProtobufCMessageDescriptor *descriptor,
		const void *data, size_t size, const struct evchan_proto_decode_options *options,
		struct evchan_proto_problem *problem);

/**
 * A deep copy that depends on nothing: give it to protobuf_c_message_free_unpacked() (or the generated
 * ..__free_unpacked()) with the same allocator. NULL: malloc. For messages of any origin.
 * Errors: -ENOMEM.
 */
EVCHAN_API int evchan_proto_detach(ProtobufCMessage **copy, const ProtobufCMessage *message,
		ProtobufCAllocator *allocator);

/* ---- Packing, on any buffer ------------------------------------------------------ */

/**
 * Packs in one pass; the bytes are those of protobuf_c_message_pack(), for the same messages. `*size` is the room, and becomes
 * what was used.
 * Errors: -ENOBUFS no room: the buffer has garbage, and `*size` is what would be needed.
 */
EVCHAN_API int evchan_proto_pack(
		const ProtobufCMessage *message, void *buffer, size_t *size);

/* ---- Sending ---------------------------------------------------------------------- */

/** Sends typed messages through a sender, beside whatever else goes through it. */
struct evchan_proto_sender;

/**
 * The sender must outlive it. The set is in use from now on.
 * Errors: -ENOMEM.
 */
EVCHAN_API int evchan_proto_sender_new(struct evchan_proto_sender **proto,
		struct evchan_sender *sender, struct evchan_proto_types *types);

/** NULL is allowed. */
EVCHAN_API void evchan_proto_sender_free(struct evchan_proto_sender *proto);

/**
 * Packs a message straight into the ring and publishes it. For several at once: evchan_cork(). `flags`: EVCHAN_SEND_NO_WAKE.
 * Errors: those of evchan_send(); -ENOENT its type is not in the set; -ENOSPC no room for the type's description,
 * see evchan_sender_options.notes_size.
 */
EVCHAN_API int evchan_proto_send(struct evchan_proto_sender *proto, const ProtobufCMessage *message,
		unsigned flags);

/**
 * Builds a message in the ring, field by field. Lives wherever the caller likes; members are the library's. One at a time per
 * sender, and no other send on it, until commit or abort; afterwards all functions but abort return -EINVAL.
 */
struct evchan_proto_writer {
	struct evchan_proto_sender *proto;
	const ProtobufCMessageDescriptor *levels[16]; /* the message, and those entered */
	size_t lengths[16];                           /* where each one's length is */
	unsigned char widths[16];                     /* in how many bytes */
	unsigned depth;
	unsigned char *data;
	size_t used;
	size_t room;
	size_t open_length; /* where the open field's length is */
	size_t open_room;
	unsigned char open_width; /* in how many bytes; 0: no field is open */
	unsigned char open_element;
	uint32_t id;
};

/**
 * Reserves room for a message of at most `max` bytes, overhead of the fields included (16 bytes for each is enough).
 * Errors: those of evchan_reserve(); -ENOENT; -ENOSPC as evchan_proto_send().
 */
EVCHAN_API int evchan_proto_writer_begin(struct evchan_proto_writer *writer,
		struct evchan_proto_sender *proto, const ProtobufCMessageDescriptor *descriptor, size_t max);

/** Appends all fields that are set in `message`, of the type that is being written. Any number of times.
 *  Errors: -ENOBUFS no room; -EINVAL another type, or a field is open. */
EVCHAN_API int evchan_proto_writer_fields(
		struct evchan_proto_writer *writer, const ProtobufCMessage *message);

/**
 * Opens a `bytes` or `string` field, or a packed one of fixed width (whose values are little-endian), for the caller to fill with
 * at most `most` bytes. The address of the first is a multiple of `align` (a power of two, up to 4096) in this process and in the
 * receiver's (there up to 8 only, if it copies messages, see EVCHAN_RECEIVER_COPY): by tags and lengths that are longer than they
 * need be, or by an unknown field before it, which receivers skip, that takes up to `align` and 16 bytes more. Its number is
 * 536870911, or the next below that the type does not have.
 * Errors: -ENOBUFS; -ENOENT no such field; -EINVAL not such a field, align, or a field is open.
 */
EVCHAN_API int evchan_proto_writer_open(struct evchan_span *span, struct evchan_proto_writer *writer,
		uint32_t field, size_t most, size_t align);

/** Closes it after its first `used` bytes were written. Errors: -EINVAL more than was opened, half a value, or none is open. */
EVCHAN_API int evchan_proto_writer_close(struct evchan_proto_writer *writer, size_t used);

/** Begins a message field, whose fields are written until leave. Errors: -ENOBUFS; -ENOENT; -EINVAL not a message, a field is open, or
 *  too deep (16). */
EVCHAN_API int evchan_proto_writer_enter(struct evchan_proto_writer *writer, uint32_t field);
/** Ends it. Errors: -EINVAL none was entered, or a field is open. */
EVCHAN_API int evchan_proto_writer_leave(struct evchan_proto_writer *writer);

/** Publishes what was written, and ends the writer. Errors: -EINVAL something is open, or flags: nothing has happened then. */
EVCHAN_API int evchan_proto_writer_commit(struct evchan_proto_writer *writer, unsigned flags);

/** Drops it, at any time after begin; does nothing if it has ended. */
EVCHAN_API void evchan_proto_writer_abort(struct evchan_proto_writer *writer);

/* ---- Receiving -------------------------------------------------------------------- */

/** Decodes and dispatches. Used in the receiver's thread. */
struct evchan_proto_receiver;

/** A decoded message, in a callback. */
struct evchan_proto_message {
	const ProtobufCMessage *message;  /* cast it to the generated struct */
	const struct evchan_message *raw; /* as it came; its lane tells whose it is */
};

/** What to do with a lane that sends what cannot be decoded, or types that do not fit. */
enum evchan_proto_policy {
	EVCHAN_PROTO_KEEP_LANE = 0,  /* tell, count, go on with its next message */
	EVCHAN_PROTO_EVICT_LANE = 1, /* evchan_lane_evict() with the reason, then tell; a lack of
	                              * memory on this side is only told */
};

/** Every member may be NULL. */
struct evchan_proto_callbacks {
	size_t size;
	/** A message of a type that is not in the set, or has no callback: a raw one, say. */
	void (*unknown)(const struct evchan_message *raw, void *arg);
	/** A message that was not delivered. `error` is that of evchan_proto_decode(), or -EPROTOTYPE: the sender's idea of the
	 *  type is incompatible (told for each such message). `offset` counts in the message. `text` names sender, type, field. */
	void (*undecodable)(const struct evchan_message *raw, const ProtobufCMessageDescriptor *type,
			int error, size_t offset, const char *text, void *arg);
};
#define EVCHAN_PROTO_CALLBACKS_INIT { sizeof(struct evchan_proto_callbacks), NULL, NULL }

/** Zero is the default everywhere. */
struct evchan_proto_receiver_options {
	size_t size;
	uint32_t flags;         /* enum evchan_proto_decode_flags */
	uint32_t policy;        /* enum evchan_proto_policy */
	uint32_t max_depth;     /* of messages in messages, the outermost counted; 100 */
	size_t max_bytes;       /* of one message as it comes; 0: no limit but the channel's */
	size_t max_arena_bytes; /* for one message; 64 MiB */
};
#define EVCHAN_PROTO_RECEIVER_OPTIONS_INIT \
	{ sizeof(struct evchan_proto_receiver_options), 0, 0, 0, 0, 0 }

/**
 * `options` and `callbacks` may be NULL. The set is in use from now on.
 * Errors: -EINVAL; -E2BIG; -ENOMEM.
 */
EVCHAN_API int evchan_proto_receiver_new(struct evchan_proto_receiver **proto,
		struct evchan_proto_types *types,
		const struct evchan_proto_receiver_options *options,
		const struct evchan_proto_callbacks *callbacks, void *arg);

/** NULL is allowed. In one of its callbacks the message that is being delivered stays valid until that returns. Held messages
 *  keep their memory until they are released. */
EVCHAN_API void evchan_proto_receiver_free(struct evchan_proto_receiver *proto);

/** Calls `callback` for every message of this type. It may be NULL again.
 *  Errors: -ENOENT the type is not in the set. */
EVCHAN_API int evchan_proto_on(struct evchan_proto_receiver *proto,
		const ProtobufCMessageDescriptor *type,
		void (*callback)(const struct evchan_proto_message *message, void *arg), void *arg);

/**
 * Decodes a message and calls whom it is for. Call it from the receiver's `message` callback, or with what
 * evchan_receive_wait() gave.
 * Callback: one of those registered, before this returns.
 * Errors: those of evchan_proto_decode(), after `undecodable` was called; -EPROTOTYPE likewise; -ENOENT after `unknown` was called.
 */
EVCHAN_API int evchan_proto_dispatch(
		struct evchan_proto_receiver *proto, const struct evchan_message *raw);

/** To be called in the receiver's `left` callback: forgets what was remembered of the lane's types. */
EVCHAN_API void evchan_proto_left(struct evchan_proto_receiver *proto, struct evchan_lane *lane);

/**
 * Keeps the message of the running callback, with all it points to, after the callback has returned: it stays in the
 * ring (evchan_message_hold()) and its arena is set aside. Of a receiver that copies messages (EVCHAN_RECEIVER_COPY) `held` is
 * decoded anew from the copy that is held: after the callback only what it points to stays.
 * Errors: those of evchan_message_hold(); -EINVAL not the message being dispatched.
 */
EVCHAN_API int evchan_proto_hold(const struct evchan_proto_message **held,
		struct evchan_proto_receiver *proto, const struct evchan_proto_message *message);

/** Gives it back, once, in any order. NULL is allowed. */
EVCHAN_API void evchan_proto_release(const struct evchan_proto_message *held);

/** They only ever rise. */
struct evchan_proto_stats {
	size_t size;
	uint64_t decoded;      /* and given to a callback */
	uint64_t unknown;      /* of no type that has a callback */
	uint64_t undecodable;  /* told as such: not valid, beyond a limit, or incompatible */
	uint64_t incompatible; /* of these: the sender has another idea of the type */
};
#define EVCHAN_PROTO_STATS_INIT { sizeof(struct evchan_proto_stats), 0, 0, 0, 0 }

/** Of one type, or of all together (NULL). Writes no more than `stats->size` bytes, then sets `size` to what it wrote. */
EVCHAN_API void evchan_proto_get_stats(const struct evchan_proto_receiver *proto,
		const ProtobufCMessageDescriptor *type, struct evchan_proto_stats *stats);

#ifdef __cplusplus
}
#endif
#endif
