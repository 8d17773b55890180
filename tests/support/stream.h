/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_TESTS_STREAM_H
#define EVCHAN_TESTS_STREAM_H

/*
 * Streams of messages that betray every loss, repeat, mix-up and changed byte: message
 * `number` of stream `stream` has a size and contents that follow from the two, and a
 * checksum. Now and then one is as large as `most` allows, or empty (then only its type
 * tells its number).
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "test_receiver.h"
#include "test_sender.h"

#define STREAM_MESSAGE_MIN 24u
#define STREAMS_MAX 64u

/* ---- The sender's side --------------------------------------------------- */

/* What others may see of a stream under way, in memory that the processes share. */
struct stream_progress {
	volatile uint64_t begun; /* messages whose send was begun ... */
	volatile uint64_t sent;  /* ... and whose send has returned 0 */
};

struct stream {
	uint32_t id; /* below STREAMS_MAX */
	uint64_t next;
	uint64_t count;
	size_t most;                      /* bytes of the largest message */
	struct stream_progress *progress; /* NULL: nobody looks */
};

/* Writes the stream's next message to `out`, of stream->most bytes. Returns its size. */
size_t stream_write(const struct stream *stream, void *out);

/* Sends until all is sent (0), or there is no room (-EAGAIN), but at most `most`
 * messages (-EINPROGRESS). */
int stream_send(struct stream *stream, struct evchan_sender *sender, uint64_t most);

/* ---- A process that sends one -------------------------------------------- */

struct stream_role {
	const char *address;
	const char *backend; /* see stage_open() */
	struct stream stream;
	struct evchan_sender_options options; /* the label is set to the stream's id */
};

/* For scene_start(), with a struct stream_role: connects (waiting for a receiver),
 * sends the stream from its loop, waits until all is consumed, says goodbye. */
void stream_role(void *role);

/* Starts a process that sends stream `id` to scene_address() until it is killed. */
pid_t stream_start_endless(uint32_t id, struct stream_progress *progress);

/* ---- The receiver's side ------------------------------------------------- */

struct stream_sink {
	uint64_t next[STREAMS_MAX]; /* number expected next, that is: received */
};

/* The stream of a lane, by its label. */
uint32_t stream_of(const struct evchan_lane *lane);

/* Checks that this is the message expected next of its lane's stream, whole and
 * unchanged, and expects the one after it. */
void stream_receive(struct stream_sink *sink, const struct evchan_message *message);

/* Checks that it is message `number`. */
void stream_check(const struct evchan_message *message, uint32_t stream, uint64_t number);

/* An `act` for a test_receiver whose `arg` is a stream_sink. */
void stream_act(struct test_receiver *test, enum heard heard, struct evchan_lane *lane,
		const struct evchan_message *message);

#endif
