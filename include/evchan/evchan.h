/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_EVCHAN_H
#define EVCHAN_EVCHAN_H

/**
 * @file evchan/evchan.h
 *
 * Many processes send messages to one process through shared memory, inside the
 * event loops they already run. A *receiver* listens on an address; any number
 * of *senders* connect to it. Each sender owns one *lane*: a ring of bytes in
 * shared memory, two bells that wake a sleeping peer, and a control socket.
 *
 * ## Rules that hold for every function here
 *
 * Result.    An int result is 0 on success or a negative errno. "Errors:" lists
 *            every value a function can return; a value not listed is a bug. On
 *            error nothing has changed and no output argument was written.
 *            evchan_strerror() names each in words.
 * Thread.    A handle belongs to the thread that runs its loop, and is used only
 *            there (debug builds check it); one handle per thread. It may be
 *            made in one thread and then used in another. Different handles may
 *            be used in different threads at once.
 * Blocking.  Nothing blocks unless its name ends in _wait.
 * Callback.  No function calls back before it returns, unless "Callback:" says
 *            so. A callback may call any function here, including the one that
 *            frees the handle it was called for. One that runs the loop itself
 *            gets no further messages of its receiver meanwhile.
 * Fork.      A forked child keeps no descriptor of the library's. In it every
 *            function that returns an int returns -EOWNERDEAD, the others do
 *            nothing; _free releases the child's memory only.
 * Units.     Sizes and positions are bytes; times are milliseconds on the
 *            monotonic clock.
 * Strings.   UTF-8, ended by NUL, copied before the function returns.
 * Structs.   Options and callbacks carry the size they had when the *caller* was
 *            compiled, set by their _INIT macro. They only ever grow at the end;
 *            zero always means "the default". A caller older than the library
 *            is taken to have left the new members zero; a newer one is fine
 *            while what the library does not know is zero, otherwise -E2BIG
 *            (the rule of openat2(2)).
 *
 * ## Addresses
 *
 *   /path or path   a UNIX socket in the file system. Its directory must belong
 *                   to root or to the receiver's user and be writable by nobody
 *                   else (or be sticky, as /tmp is). `path.lock` beside it keeps
 *                   two receivers apart.
 *   @name           a socket in Linux's abstract namespace
 *   fd:N            an inherited descriptor: for a receiver a listening socket,
 *                   or a connected one that is its only lane; for a sender a
 *                   connected one. Taken over on success, left alone on error.
 *   systemd:        for a receiver: the first socket of LISTEN_FDS, see
 *                   sd_listen_fds(3); `systemd:NAME` the one of that name
 *   (empty)         for a receiver: a fresh private address, to be asked for
 *                   with evchan_receiver_address() and handed to children
 *
 * On Windows path and @name are names of pipes, the same in all folders; descriptors
 * cannot be handed in. docs/windows.md has what else is different there.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <evchan/export.h>
#include <evchan/loop.h>
#include <evchan/system.h>
#include <evchan/version.h>

#ifdef __cplusplus
extern "C" {
#endif

struct evchan_receiver;
struct evchan_sender;
struct evchan_lane;

/* ---- The library ---------------------------------------------------------- */

/** The version of the library that is running, "major.minor.patch". Static. */
EVCHAN_API const char *evchan_version(void);

/** One English phrase for an error of this library, negative or positive. Static;
 *  any thread. */
EVCHAN_API const char *evchan_strerror(int error);

/** How much a log line matters. */
enum evchan_log_level {
	EVCHAN_LOG_ERROR = 1,
	EVCHAN_LOG_WARNING = 2,
	EVCHAN_LOG_INFO = 3,
	EVCHAN_LOG_DEBUG = 4,
};

/**
 * Sets where the library's log lines go, for the whole process; NULL (the
 * default) drops them. Set it before making handles. `text` is one line without
 * a newline, valid during the call. The hook runs in whatever thread has
 * something to say and must not call the library.
 */
EVCHAN_API void evchan_set_log(
		void (*log)(enum evchan_log_level level, const char *text, void *arg),
		void *arg);

/* ---- Messages ------------------------------------------------------------- */

/** Message types from here up belong to the library. */
#define EVCHAN_TYPE_RESERVED 0xFFFFFF00u

/**
 * A received message. Made by the library, read by the caller; later versions
 * may add members at the end, so never copy it by value.
 *
 * Lifetime: `data` points into the sender's ring and is valid until the
 * callback returns (see evchan_message_hold() to keep it). A hostile sender can
 * change these bytes at any time: check a copy, not the ring, or ask for
 * EVCHAN_RECEIVER_COPY.
 */
struct evchan_message {
	const void *data;         /* 8-aligned, never NULL */
	size_t size;              /* bytes of it */
	uint64_t sequence;        /* rises along a lane, need not be consecutive;
	                           * stable when a restarted receiver resumes the lane */
	uint32_t type;            /* the sender's */
	struct evchan_lane *lane; /* valid until `left` has returned, or until the
	                           * lane's last hold is released if that is later */
};

/**
 * Keeps the message of the running `message` callback, or of the last
 * evchan_receive_wait(), in place. `*held` is a copy of the struct that stays
 * valid, with its data, until it is released, or its lane has left with EVCHAN_LEFT_SHUTDOWN (the ring is then
 * the next receiver's). The ring space of this and of all
 * later messages of its lane is not reused until then, so an application that
 * holds a message until a later one of the same lane arrives can wait for ever:
 * it must copy the bytes instead.
 * Errors: -ENOMEM; -ENOBUFS the lane's held bytes are at their limit
 * (evchan_receiver_options.max_held_bytes); -EALREADY it is held; -EINVAL not
 * the message being delivered; -EOWNERDEAD.
 */
EVCHAN_API int evchan_message_hold(
		const struct evchan_message **held, const struct evchan_message *message);

/** Gives a held message back, once, in any order; also after its sender has died
 *  or its receiver was freed (which ended the data, not the duty). NULL is
 *  allowed. Thread: the receiver's. */
EVCHAN_API void evchan_message_release(const struct evchan_message *held);

/* ---- Peers and lanes ------------------------------------------------------ */

/** A process at the other end, as the kernel told it (SO_PEERCRED, unix(7)). The
 *  pid is for logs only: it may belong to somebody else by now. */
struct evchan_peer {
	pid_t pid; /* 0: in a PID namespace that cannot be seen from here */
	uid_t uid; /* effective */
	gid_t gid; /* effective, primary */
};

/** Counters of one lane, seen from the side that is asked. They only ever rise, but
 *  for what is so much "now". Grows at the end, filled by the library. */
struct evchan_lane_stats {
	size_t size;
	uint64_t messages;      /* sent, or delivered */
	uint64_t bytes;         /* payload of these */
	uint64_t bells_rung;    /* times this side woke the other */
	uint64_t wakeups;       /* times this side was woken */
	uint64_t times_full;    /* sends refused for want of room (the sender's
	                         * own word, when the receiver is asked) */
	uint64_t deepest_fill;  /* bytes of ring in use at most, as far as seen */
	uint64_t held_bytes;    /* ring bytes held now; receiver only */
	uint64_t held_messages; /* messages held now; receiver only */
	uint64_t fill;          /* bytes of ring in use now: published, or written by
	                         * the sender that is asked, and not released */
	uint64_t age;           /* milliseconds since it joined; of a sender: since it
	                         * was made */
};
#define EVCHAN_LANE_STATS_INIT \
	{ sizeof(struct evchan_lane_stats), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }

/** Who sends on the lane. */
EVCHAN_API struct evchan_peer evchan_lane_peer(const struct evchan_lane *lane);

/** The label the sender gave itself; "" if none. Valid as long as the lane. Any
 *  bytes but NUL: escape it before it reaches a terminal. */
EVCHAN_API const char *evchan_lane_label(const struct evchan_lane *lane);

/** 128 random bits, new for each ring, the same when a restarted receiver resumes
 *  it. Between processes of one user it is a secret: hash it before it leaves the
 *  machine. Writes 16 bytes. */
EVCHAN_API void evchan_lane_id(const struct evchan_lane *lane, uint8_t id[16]);

/** Whether the lane was taken over from an earlier receiver. */
EVCHAN_API bool evchan_lane_resumed(const struct evchan_lane *lane);

/** Size of the ring. */
EVCHAN_API uint64_t evchan_lane_capacity(const struct evchan_lane *lane);

/**
 * Copies the note that the sender has made under `key` (evchan_sender_add_note()). `*size` is the room in
 * `buffer`, and becomes the size of the note; NULL with 0 only asks for that.
 * Errors: -ENOENT there is none; -ENOBUFS no room, `*size` is written all the same; -EPROTO the sender's notes make no
 * sense; -EOWNERDEAD.
 */
EVCHAN_API int evchan_lane_get_note(
		const struct evchan_lane *lane, uint32_t key, void *buffer, size_t *size);

/** Writes no more than `stats->size` bytes, then sets `size` to what it wrote. */
EVCHAN_API void evchan_lane_get_stats(
		const struct evchan_lane *lane, struct evchan_lane_stats *stats);

/** A pointer of the application's own, NULL at first. */
EVCHAN_API void evchan_lane_set_data(struct evchan_lane *lane, void *data);
/** What evchan_lane_set_data() has set last. */
EVCHAN_API void *evchan_lane_data(const struct evchan_lane *lane);

/** Whether this lane's messages are copied to private memory before they are delivered; at first as
 *  EVCHAN_RECEIVER_COPY says. Takes effect with the next message. */
EVCHAN_API void evchan_lane_set_copy(struct evchan_lane *lane, bool copy);

/** Stops delivering this lane's messages until evchan_lane_resume(). Idempotent,
 *  and apart from evchan_receiver_pause(): a message comes only when both run. */
EVCHAN_API void evchan_lane_pause(struct evchan_lane *lane);
/** Ends evchan_lane_pause(). */
EVCHAN_API void evchan_lane_resume(struct evchan_lane *lane);

/**
 * Ends one lane for good: nothing more of it is delivered, its sender is told
 * `why` (NULL: nothing) and, for a while, does not get back in. Its `left` comes
 * later, never inside this call, with EVCHAN_LEFT_EVICTED.
 * Errors: -ENOTCONN it has ended already; -EOWNERDEAD.
 */
EVCHAN_API int evchan_lane_evict(struct evchan_lane *lane, const char *why);

/* ---- Receiver ------------------------------------------------------------- */

/** Why a lane has ended. */
enum evchan_left_reason {
	EVCHAN_LEFT_CLOSED = 1,  /* the sender said goodbye */
	EVCHAN_LEFT_CRASHED = 2, /* the kernel reported its end without a goodbye */
	EVCHAN_LEFT_EVICTED = 3, /* by evchan_lane_evict() */
	EVCHAN_LEFT_BROKEN = 4,  /* it broke the protocol: see `error` */
	EVCHAN_LEFT_SHUTDOWN = 5, /* evchan_receiver_shutdown(): it lives on, and takes
	                           * what is not delivered to the next receiver */
};

/** Every member may be NULL. */
struct evchan_receiver_callbacks {
	size_t size;
	/** One message. When it returns, the message is released, unless held. */
	void (*message)(struct evchan_receiver *receiver,
			const struct evchan_message *message, void *arg);
	/** A sender was admitted. */
	void (*joined)(struct evchan_receiver *receiver, struct evchan_lane *lane, void *arg);
	/** A sender is gone; what it had published is still to be delivered, then `left`
	 *  comes. Told at once also while paused. CLOSED or CRASHED only. */
	void (*hung_up)(struct evchan_receiver *receiver, struct evchan_lane *lane,
			enum evchan_left_reason reason, void *arg);
	/** The last of a lane. After CLOSED and CRASHED all it had published was delivered. */
	void (*left)(struct evchan_receiver *receiver, struct evchan_lane *lane,
			enum evchan_left_reason reason, void *arg);
	/** Something went wrong. `lane` is NULL where there is none: a connection that was
	 *  refused, or the listening address itself. `text` is one English sentence that
	 *  names the culprit, valid during the call. */
	void (*error)(struct evchan_receiver *receiver, struct evchan_lane *lane, int error,
			const char *text, void *arg);
	/** Asks whether a sender may join, instead of the uid and gid lists. 0: yes; a
	 *  negative errno: no, and the sender is told so. Must not free the receiver, nor run
	 *  the loop. */
	int (*authorize)(struct evchan_receiver *receiver, const struct evchan_peer *peer,
			void *arg);
	/** evchan_receiver_shutdown() is complete. */
	void (*shut_down)(struct evchan_receiver *receiver, void *arg);
};
#define EVCHAN_RECEIVER_CALLBACKS_INIT \
	{ sizeof(struct evchan_receiver_callbacks), NULL, NULL, NULL, NULL, NULL, NULL, NULL }

/** What wakes a peer. */
enum evchan_bell {
	EVCHAN_BELL_DEFAULT = 0, /* eventfd; a pipe where there is none */
	EVCHAN_BELL_EVENTFD = 1, /* eventfd(2); an event on Windows */
	EVCHAN_BELL_PIPE = 2,    /* pipe(2) */
	EVCHAN_BELL_SOCKET = 3,  /* the control socket: slower, but a receiver of another
	                          * user can then never make this sender block */
};

/** For evchan_receiver_options.flags. */
enum evchan_receiver_flags {
	/** Any user may send. */
	EVCHAN_RECEIVER_ANY_UID = 1 << 0,
	/** Copy each message to private memory before it is delivered, so that a hostile
	 *  sender cannot change it while it is read. */
	EVCHAN_RECEIVER_COPY = 1 << 1,
	/** Admit rings whose memory is not allocated, from other users too (a sender can
	 *  then make this process wait for memory). */
	EVCHAN_RECEIVER_ALLOW_LAZY = 1 << 2,
	/** mlock(2) the rings: no page fault while reading. Needs RLIMIT_MEMLOCK. */
	EVCHAN_RECEIVER_LOCK_MEMORY = 1 << 3,
	/** Refuse those who only want to look, see <evchan/observe.h>. */
	EVCHAN_RECEIVER_NO_OBSERVERS = 1 << 4,
};

/** Zero is the default everywhere. */
struct evchan_receiver_options {
	size_t size;
	uint32_t flags;              /* enum evchan_receiver_flags; an unknown bit: -EINVAL */
	uint32_t bell;               /* enum evchan_bell; SOCKET is the senders' to ask for */
	uint32_t max_senders;        /* lanes at once, ended ones that are held included; 4096 */
	uint32_t max_senders_per_uid; /* default: max_senders */
	uint64_t max_lane_bytes;     /* largest ring a sender may bring; 64 MiB */
	uint64_t max_total_bytes;    /* all rings together; 4 GiB (1 GiB on 32-bit) */
	uint64_t max_uid_bytes;      /* all rings of one uid; default: max_total_bytes */
	uint64_t max_held_bytes;     /* held in one lane; default: half its capacity */
	uint32_t turn_messages;      /* messages of one lane per turn of the loop; default: 256, and
	                              * 256 more when the others had theirs, up to the total */
	uint32_t turn_bytes;         /* bytes of one lane per turn, but at least one
	                              * message; 1 MiB */
	uint32_t turn_total_messages; /* of all lanes per turn; 1024 */
	uint32_t turn_total_bytes;   /* of all lanes per turn; 4 MiB */
	uint32_t hello_timeout_ms;   /* a connection says its hello within; 3000 */
	uint32_t socket_mode;        /* permissions of a path's socket; 0600. Those of other
	                              * users need it wider, besides being allowed below */
	const uid_t *allow_uids;     /* users who may send; default: the receiver's own */
	size_t allow_uid_count;      /* how many these are */
	const gid_t *allow_gids;     /* groups who may send (the primary group counts) */
	size_t allow_gid_count;      /* how many these are */
	/** While messages flow, a lane is looked at so often (about: as precise as the loop's timers) instead of
	 *  being woken for each message, which spares both sides system calls and wake-ups. Messages are up to that
	 *  much later, but for the first after a silence. At most 1000; 0: off. Without a loop it has no effect. */
	uint32_t wake_interval_ms;
	uint32_t wake_bytes;         /* of a lane that wait wake at once all the same; default,
	                              * and at most: half its ring. With an interval only */
	/** Microseconds for which a lane that has delivered something is watched before its next message has to wake the
	 *  loop: spares the wake-up where messages or answers follow each other that fast, and takes CPU time and the
	 *  loop's attention for so long where they do not. In one turn of the loop for no longer than that in all, and
	 *  never while another lane has work. At most 1000; 0: off. Without a loop it has no effect. */
	uint32_t spin_us;
	uint32_t reserved;           /* 0 */
};
#define EVCHAN_RECEIVER_OPTIONS_INIT \
	{ sizeof(struct evchan_receiver_options), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, \
	  NULL, 0, NULL, 0, 0, 0, 0, 0 }

/** Counters of a receiver; they only ever rise, but for what is so much "now". Grows
 *  at the end, filled by the library. */
struct evchan_receiver_stats {
	size_t size;
	uint64_t messages;   /* delivered */
	uint64_t bytes;      /* payload of these */
	uint64_t lanes;      /* now */
	uint64_t joined;     /* lanes that were admitted */
	uint64_t left;       /* lanes that have ended */
	uint64_t refused;    /* connections that were not admitted */
	uint64_t wakeups;    /* times a bell woke it */
	uint64_t turns;      /* turns in which it looked at lanes */
	uint64_t bells_rung; /* times it woke a sender */
	uint64_t times_full; /* of all lanes, ended ones included */
	uint64_t ring_bytes; /* of all rings now, those of ended lanes that are held included */
	uint64_t age;        /* milliseconds since it was made */
};
#define EVCHAN_RECEIVER_STATS_INIT \
	{ sizeof(struct evchan_receiver_stats), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }

/**
 * Starts listening.
 *
 * @param[out] receiver  free it with evchan_receiver_free().
 * @param loop       must outlive the receiver. NULL: the receiver brings its own, for
 *                   evchan_receive_wait().
 * @param address    see "Addresses" above. A path left by a dead receiver is replaced,
 *                   a live one never.
 * @param options    NULL for all defaults; copied.
 * @param callbacks  NULL for none; copied.
 * @param arg        handed to every callback, never looked at.
 *
 * Errors: -EADDRINUSE a live receiver has the address, or something that is not a
 * socket; -EACCES the directory is writable by others, or the socket is another
 * user's; -ENOENT or -ENOTDIR no such directory; -ENAMETOOLONG; -EROFS; -EINVAL address, flag or value; -EBADF
 * the descriptor handed in; -ENOTSOCK likewise; -ENOTSUP this bell cannot be had here;
 * -E2BIG see "Structs"; -EMFILE; -ENFILE; -ENOMEM; -ENOSPC; -EPERM; -ELOOP too many symbolic links; -EAGAIN no random
 * numbers for a private address yet.
 */
EVCHAN_API int evchan_receiver_new(struct evchan_receiver **receiver,
		struct evchan_loop *loop, const char *address,
		const struct evchan_receiver_options *options,
		const struct evchan_receiver_callbacks *callbacks, void *arg);

/** Stops and frees; NULL is allowed. Messages not yet delivered stay in their
 *  senders' rings for the next receiver, those of senders that are gone are lost
 *  (see evchan_receiver_shutdown()). Held messages end with it. No callback of this
 *  receiver runs after the call, `left` included. */
EVCHAN_API void evchan_receiver_free(struct evchan_receiver *receiver);

/** The address senders use: the one given, or the fresh private one. Valid as long
 *  as the receiver. */
EVCHAN_API const char *evchan_receiver_address(const struct evchan_receiver *receiver);

/**
 * Takes a connected socket (socketpair(2), or accepted elsewhere) as one more
 * connection: its sender says hello and is admitted like any other, under the
 * credentials the kernel attaches to the hello itself. `fd` is taken over on success.
 * Errors: -EBADF; -ENOTSOCK; -EINVAL not a connected UNIX stream socket; -ENOMEM; -EMFILE;
 * -ESHUTDOWN after evchan_receiver_shutdown(); -EOWNERDEAD.
 */
EVCHAN_API int evchan_receiver_adopt(struct evchan_receiver *receiver, int fd);

/** Stops calling `message` until evchan_receiver_resume(); rings fill and senders
 *  see -EAGAIN. `joined` and `hung_up` still come, `left` after the rest was
 *  delivered. Idempotent. Inside a callback it takes effect with the next message. */
EVCHAN_API void evchan_receiver_pause(struct evchan_receiver *receiver);
/** Ends evchan_receiver_pause(). */
EVCHAN_API void evchan_receiver_resume(struct evchan_receiver *receiver);

/**
 * Ends in order: admits what has said hello already, stops listening, delivers all that
 * senders who are gone have published, then ends the lanes of living senders (their rings
 * go on to the next receiver, nothing is repeated if nothing is held) and calls `shut_down`.
 * Living senders never delay it. Free the receiver after that. On a receiver without a loop: go on calling
 * evchan_receive_wait() until it says -ESHUTDOWN. A paused receiver is resumed.
 * Errors: -EALREADY it is under way; -ENOMEM; -EOWNERDEAD.
 */
EVCHAN_API int evchan_receiver_shutdown(struct evchan_receiver *receiver);

/** Writes no more than `stats->size` bytes, then sets `size` to what it wrote. */
EVCHAN_API void evchan_receiver_get_stats(const struct evchan_receiver *receiver,
		struct evchan_receiver_stats *stats);

/* ---- Sender --------------------------------------------------------------- */

/** Every member may be NULL. */
struct evchan_sender_callbacks {
	size_t size;
	/** A receiver has the ring; `resumed` is 1 if an earlier one had it before. */
	void (*connected)(struct evchan_sender *sender, int resumed, void *arg);
	/** There is room: after a send was refused with -EAGAIN, the fill fell to the low
	 *  watermark (or low enough for that message), or, after IF_EMPTY, to nothing. Once for
	 *  all refusals before it, on a later turn than they. */
	void (*writable)(struct evchan_sender *sender, void *arg);
	/** All that was published when evchan_sender_notify_drained() was called has been
	 *  released by the receiver. */
	void (*drained)(struct evchan_sender *sender, void *arg);
	/** The receiver is gone: 0 it closed, -ECONNRESET it died, -EPROTO it wrote impossible
	 *  positions or answers, -ENOMEM no memory to listen to it; after an eviction its error, as in `refused`. What was not released stays in the ring; the sender
	 *  reconnects, unless EVCHAN_SENDER_NO_RECONNECT. */
	void (*disconnected)(struct evchan_sender *sender, int error, void *arg);
	/** A receiver said no, in `text`. If `final` is 1 it is not asked again, and
	 *  sends fail with -EPIPE; else another attempt follows. */
	void (*refused)(struct evchan_sender *sender, int error, const char *text, int final,
			void *arg);
};
#define EVCHAN_SENDER_CALLBACKS_INIT \
	{ sizeof(struct evchan_sender_callbacks), NULL, NULL, NULL, NULL, NULL }

/** For evchan_sender_options.flags. */
enum evchan_sender_flags {
	/** An absent receiver is not an error: try until it appears. */
	EVCHAN_SENDER_WAIT = 1 << 0,
	/** A receiver that is gone after it was connected ends the sender (`refused`,
	 *  final, with -EPIPE). */
	EVCHAN_SENDER_NO_RECONNECT = 1 << 1,
	/** Do not allocate the ring's memory now: cheaper to make, but memory can run
	 *  out later (SIGBUS), and receivers of other users refuse it. */
	EVCHAN_SENDER_LAZY = 1 << 2,
	/** Hand the ring to a receiver of any user. */
	EVCHAN_SENDER_ANY_RECEIVER = 1 << 3,
	/** mlock(2) the ring. Needs RLIMIT_MEMLOCK. */
	EVCHAN_SENDER_LOCK_MEMORY = 1 << 4,
};

/** Zero is the default everywhere. */
struct evchan_sender_options {
	size_t size;
	uint32_t flags;            /* enum evchan_sender_flags; an unknown bit: -EINVAL */
	uint32_t bell;             /* enum evchan_bell the sender would like; the receiver
	                            * decides, but grants SOCKET always */
	uint64_t capacity;         /* of the ring; rounded up to a power of two, from one page
	                            * to 1 GiB (256 MiB on 32-bit); 256 KiB */
	uint64_t low_watermark;    /* bytes in use at which `writable` comes; below the
	                            * capacity; default: half of it */
	uint32_t reconnect_min_ms; /* first wait before another attempt; 10 */
	uint32_t reconnect_max_ms; /* longest; 2000 */
	const char *label;         /* shown by the receiver; at most 63 bytes; "" */
	const uid_t *receiver_uids; /* whose receivers get the ring; default: the own user's
	                            * and root's */
	size_t receiver_uid_count; /* how many these are */
	uint32_t notes_size;       /* room for evchan_sender_add_note(), 8 bytes per note
	                            * included; at most 65152; 3712 */
};
#define EVCHAN_SENDER_OPTIONS_INIT \
	{ sizeof(struct evchan_sender_options), 0, 0, 0, 0, 0, 0, NULL, NULL, 0, 0 }

/**
 * Makes a ring and begins to connect. Sending is possible from now on: the ring is the
 * buffer while no receiver is there.
 *
 * Parameters as for evchan_receiver_new(). With a NULL loop the sender brings its own,
 * for evchan_send_wait(); its callbacks then run inside the calls that end in _wait, and inside
 * evchan_poll_loop_dispatch() and _run_once() of evchan_sender_poll_loop().
 *
 * Errors: -ENOENT or -ECONNREFUSED no receiver is there (not with EVCHAN_SENDER_WAIT);
 * -EACCES the socket may not be connected to, or its owner is not one to be trusted with
 * the ring; -EINVAL address, flag, label or value; -ENAMETOOLONG; -ENOTDIR; -EBADF; -ENOTSOCK; -E2BIG see
 * "Structs"; -ENOMEM or -ENOSPC no memory for the ring (taken now, so that it cannot run out
 * later); -EFBIG above RLIMIT_FSIZE; -EMFILE; -ENFILE; -EPERM; -EPROTOTYPE another kind of socket; -ELOOP too many symbolic
 * links; -EAGAIN the memory may not be locked, or no random numbers yet; -ENOSYS no sealed memory here (Linux before 5.1);
 * -ENOBUFS the kernel has no memory for the first message to the receiver; -ETOOMANYREFS too many descriptors of this user
 * are under way (only with a descriptor that was handed in: elsewhere another attempt follows).
 */
EVCHAN_API int evchan_sender_new(struct evchan_sender **sender, struct evchan_loop *loop,
		const char *address, const struct evchan_sender_options *options,
		const struct evchan_sender_callbacks *callbacks, void *arg);

/** Publishes what is corked, says goodbye and frees; never waits; NULL is allowed. What was
 *  published still arrives if the receiver has the ring, or the hello is in its queue:
 *  see evchan_sender_get_pending(). A reservation is dropped. No callback of this sender
 *  runs after the call. */
EVCHAN_API void evchan_sender_free(struct evchan_sender *sender);

/** For the calls that send. */
enum evchan_send_flags {
	/** Only if the receiver has released all messages before. */
	EVCHAN_SEND_IF_EMPTY = 1 << 0,
	/** Do not wake the receiver for this one: the sender's next turn of the loop
	 *  (or evchan_sender_wake()) does. */
	EVCHAN_SEND_NO_WAKE = 1 << 1,
};

/**
 * Copies one message into the ring and publishes it (corked: writes it only). It will be
 * delivered as long as this process or the receiver lives. `size` may be 0.
 *
 * Errors: -EAGAIN no room (or, with IF_EMPTY, not empty): `writable` will come; -EMSGSIZE it
 * can never fit, see evchan_sender_message_max(); -EBUSY a reservation is open; -EINVAL flags,
 * or type is EVCHAN_TYPE_RESERVED or above; -EPIPE the sender was refused for good; -EOWNERDEAD.
 *
 * On a loop, a sender that sends many messages without going back to it may leave the last look whether the receiver
 * sleeps to the loop's next turn; before a long wait elsewhere, call evchan_sender_wake(). The same makes up for a
 * wake-up for which the kernel had no memory: the loop tries it again, or the next message.
 */
EVCHAN_API int evchan_send(struct evchan_sender *sender, uint32_t type, const void *data,
		size_t size, unsigned flags);

/** evchan_send() from `count` pieces, joined.
 *  Errors: those of evchan_send(); -EINVAL also for a negative count. */
EVCHAN_API int evchan_sendv(struct evchan_sender *sender, uint32_t type,
		const struct iovec *pieces, int count, unsigned flags);

/** Ring space to write a message in place. */
struct evchan_span {
	void *data;  /* 8-aligned */
	size_t size; /* bytes */
};

/**
 * Opens ring space: at least `at_least` bytes, and as much more as is free, up to
 * `at_most`. Valid until commit or abort; one reservation at a time.
 * Errors: -EAGAIN no room: `writable` will come; -EMSGSIZE `at_least` can never fit; -EBUSY a
 * reservation is open; -EINVAL at_least > at_most; -EPIPE; -EOWNERDEAD.
 */
EVCHAN_API int evchan_reserve(struct evchan_span *span, struct evchan_sender *sender,
		size_t at_least, size_t at_most);

/** Publishes the first `used` bytes of the reservation as one message.
 *  Errors: -EINVAL no reservation, more than was reserved, flags (IF_EMPTY included), or a
 *  reserved type: it stays open; -EOWNERDEAD. */
EVCHAN_API int evchan_commit(struct evchan_sender *sender, uint32_t type, size_t used,
		unsigned flags);

/** Drops the reservation, if there is one. */
EVCHAN_API void evchan_abort(struct evchan_sender *sender);

/** Between cork and uncork messages are written but published all at once, with one
 *  wake-up at most; a send that finds no room publishes what is there. Nests. */
EVCHAN_API void evchan_cork(struct evchan_sender *sender);
/** Ends one evchan_cork(); the last one publishes. */
EVCHAN_API void evchan_uncork(struct evchan_sender *sender);

/** Wakes the receiver if messages sent with NO_WAKE wait for it and it sleeps. */
EVCHAN_API void evchan_sender_wake(struct evchan_sender *sender);

/** Asks for one `drained` callback: when all that is published now has been released, whatever is sent
 *  meanwhile. Comes on a later turn; asked again before that, once for both, at the later point. Errors: -EPIPE; -ENOMEM; -EOWNERDEAD. */
EVCHAN_API int evchan_sender_notify_drained(struct evchan_sender *sender);

/**
 * Makes a note that goes with the ring, for whoever receives it now or later: what the messages to come mean, say. It
 * can be read before any message that is sent after it, and cannot be changed. The protobuf
 * layer describes its message types in notes, under their numbers.
 * Errors: -ENOSPC no room, see evchan_sender_options.notes_size; -EEXIST there is one under this key; -EINVAL key is
 * EVCHAN_TYPE_RESERVED or above; -EOWNERDEAD.
 */
EVCHAN_API int evchan_sender_add_note(
		struct evchan_sender *sender, uint32_t key, const void *data, size_t size);

/** The largest message this sender can ever send. Never changes. */
EVCHAN_API size_t evchan_sender_message_max(const struct evchan_sender *sender);

/** What would be at stake if the sender were freed, or killed, now. */
struct evchan_pending {
	size_t size;
	uint64_t unconsumed_bytes; /* ring bytes written and not yet released */
	int hello_sent;            /* 1: a receiver has the ring or finds it in its queue;
	                            * 0: freeing now would lose unconsumed_bytes */
	int connected;             /* 1: a receiver has admitted the lane */
};
#define EVCHAN_PENDING_INIT { sizeof(struct evchan_pending), 0, 0, 0 }

/** Writes no more than `pending->size` bytes, then sets `size` to what it wrote. */
EVCHAN_API void evchan_sender_get_pending(
		struct evchan_sender *sender, struct evchan_pending *pending);

/** Writes no more than `stats->size` bytes, then sets `size` to what it wrote. */
EVCHAN_API void evchan_sender_get_stats(
		const struct evchan_sender *sender, struct evchan_lane_stats *stats);

/* ---- Without a loop -------------------------------------------------------- */

/**
 * Waits for the next message, of any lane, for at most `timeout_ms` (0: only looks;
 * negative: without end). `*message` is valid until the next receive, evchan_receive_done(), or
 * free; the first two release it, free leaves it to be delivered again. It may be held.
 * Callback: `joined`, `hung_up`, `left`, `error`, `authorize`, `shut_down`; never `message`.
 * Errors: -ETIMEDOUT; -EAGAIN nothing there and timeout_ms is 0; -EINTR a signal handler ran;
 * -EINVAL the receiver was made with a loop, or called from a callback; -ESHUTDOWN a shutdown is
 * complete; -ENOMEM; -ECANCELED a callback freed the receiver; -EOWNERDEAD.
 */
EVCHAN_API int evchan_receive_wait(const struct evchan_message **message,
		struct evchan_receiver *receiver, int timeout_ms);

/** Releases the message of the last evchan_receive_wait(), if there is one. */
EVCHAN_API void evchan_receive_done(struct evchan_receiver *receiver);

/**
 * evchan_send() that waits for room (or, with IF_EMPTY, emptiness) for at most `timeout_ms`
 * (0: only tries; negative: without end), also while no receiver is there.
 * Callback: those of the sender.
 * Errors: -ETIMEDOUT; -EINTR a signal handler ran; -EINVAL also if the sender was made with a
 * loop, or called from a callback; -ECANCELED a callback freed the sender; -ENOMEM; those of evchan_send(), -EAGAIN only if
 * timeout_ms is 0.
 */
EVCHAN_API int evchan_send_wait(struct evchan_sender *sender, uint32_t type, const void *data,
		size_t size, unsigned flags, int timeout_ms);

/**
 * Publishes what is corked, and waits until the receiver has released all of it.
 * Callback: those of the sender.
 * Errors: -ETIMEDOUT; -EAGAIN not yet and timeout_ms is 0; -EINTR; -EINVAL made with a loop, or
 * called from a callback; -EPIPE; -ECANCELED a callback freed the sender; -ENOMEM; -EOWNERDEAD.
 */
EVCHAN_API int evchan_drain_wait(struct evchan_sender *sender, int timeout_ms);

/** The handle's own loop, if it was made without one, else NULL. Its descriptors can be
 *  polled from a loop of any kind: see evchan_poll_loop_prepare(). After dispatch, take messages with
 *  evchan_receive_wait() and a time-out of 0 until -EAGAIN. */
EVCHAN_API struct evchan_loop *evchan_receiver_poll_loop(struct evchan_receiver *receiver);
/** The same of a sender. */
EVCHAN_API struct evchan_loop *evchan_sender_poll_loop(struct evchan_sender *sender);

#ifdef __cplusplus
}
#endif
#endif
