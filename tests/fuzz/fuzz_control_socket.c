/* SPDX-License-Identifier: MIT */
/*
 * A stranger at the other end of a control socket: any bytes, in any pieces, sometimes with descriptors. Beside the
 * socket runs a list of the bytes that were sent: whole frames come out as they went in, whatever the pieces were, what
 * can become no frame is refused, and no descriptor is left open.
 *
 * The input: a byte of choices, then orders.
 */

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control_socket.h"
#include "descriptor.h"
#include "disposal.h"
#include "fuzz.h"

#define SENT_MAX 4096u
#define PIECE_MAX 600u
#define FDS_MAX 12u

struct side {
	struct control_socket control;
	int peer;
	unsigned char sent[SENT_MAX];
	size_t sent_size, taken;
	bool first_done;
	bool is_over; /* the socket has said so, and may not be asked again */
	size_t fds_sent;
	struct {
		size_t from, to; /* bytes of the first piece that had descriptors */
		size_t count;
	} first_fds;
};

/* ---- What was sent --------------------------------------------------------------------------- */

/* The length of the frame at the front of what was not taken yet; 0 not whole; -1 none. Written from section 2 of
 * docs/control-protocol.md. */
static int expected_length(const struct side *side)
{
	const unsigned char *frame = side->sent + side->taken;
	size_t size = side->sent_size - side->taken;
	int length;

	if (size == 0)
		return 0;
	if (frame[0] == CONTROL_RING)
		return 1;
	if (frame[0] < 0x10 || frame[0] > 0x1a || (size > 1 && frame[1]))
		return -1;
	if (size < 4)
		return 0;
	length = frame[2] | frame[3] << 8;
	if (length < 4 || length > (int)CONTROL_FRAME_MAX)
		return -1;
	return (size_t)length <= size ? length : 0;
}

static void check_rings(const struct side *side, int count)
{
	FUZZ_CHECK((size_t)count <= side->sent_size - side->taken);
	for (int i = 0; i < count; i++)
		FUZZ_CHECK(side->sent[side->taken + (size_t)i] == CONTROL_RING);
}

static void check_frame(struct side *side, enum control_type type,
		const unsigned char *frame, int length)
{
	int expected = expected_length(side);

	FUZZ_CHECK(expected > 0);
	if (type == CONTROL_RING) {
		check_rings(side, length);
	} else {
		FUZZ_CHECK(length == expected && type == side->sent[side->taken]);
		FUZZ_CHECK(memcmp(frame, side->sent + side->taken, (size_t)length) == 0);
	}
	side->taken += (size_t)length;
}

/* ---- Receiving ------------------------------------------------------------------------------- */

/* How many descriptors come with a frame: those of the piece that makes the first one whole. More than welcome ones are an
 * error instead of a frame. */
static size_t expected_fds(const struct side *side, int length)
{
	if (length <= 0 || side->first_done || !side->first_fds.count ||
			side->first_fds.from >= (size_t)length)
		return 0;
	FUZZ_CHECK(side->first_fds.to >= (size_t)length);
	return side->first_fds.count;
}

static void check_arrival(
		const struct side *side, struct control_arrival *arrival, int length)
{
	FUZZ_CHECK(arrival->fd_count == expected_fds(side, length));
	FUZZ_CHECK(arrival->fd_count <= CONTROL_DESCRIPTORS_MAX);
	for (size_t i = 0; i < CONTROL_DESCRIPTORS_MAX; i++) {
		bool is_there = i < arrival->fd_count;

		FUZZ_CHECK((arrival->fds[i] >= 0) == is_there);
		FUZZ_CHECK(!is_there || fcntl(arrival->fds[i], F_GETFD) == FD_CLOEXEC);
		descriptor_close(arrival->fds[i]);
	}
}

/* No frame. Whether there may be one later. */
static bool check_error(struct side *side, int error, bool hung_up)
{
	int expected = expected_length(side);

	switch (error) {
	case -EAGAIN:
		FUZZ_CHECK(expected == 0);
		return true;
	case -EPIPE:
		FUZZ_CHECK(hung_up && (expected == 0 || side->fds_sent));
		break;
	case -EPROTO:
		FUZZ_CHECK(expected < 0 || side->fds_sent);
		break;
	default:
		FUZZ_CHECK(!"an error that can be");
	}
	side->is_over = true;
	return false;
}

/* Whether there may be more. */
static bool receive(struct side *side, bool hung_up)
{
	struct control_arrival arrival;
	const unsigned char *frame;
	enum control_type type;
	int r;

	if (side->is_over)
		return false;
	r = control_socket_receive(&side->control, &type, &frame, &arrival, NULL);
	check_arrival(side, &arrival, r);
	if (r < 0)
		return check_error(side, r, hung_up) && hung_up;
	FUZZ_CHECK(r > 0);
	check_frame(side, type, frame, r);
	side->first_done = true;
	return true;
}

/* ---- The stranger ---------------------------------------------------------------------------- */

static void say(struct side *side, const void *bytes, size_t size, size_t fd_count)
{
	union {
		struct cmsghdr header;
		unsigned char bytes[CMSG_SPACE(FDS_MAX * sizeof(int))];
	} room;
	struct iovec vector = { (void *)(uintptr_t)bytes, size };
	struct msghdr message = { .msg_iov = &vector, .msg_iovlen = 1 };
	ssize_t sent;

	if (size == 0 || size > SENT_MAX - side->sent_size)
		return;
	if (fd_count) {
		message.msg_control = &room;
		message.msg_controllen = CMSG_SPACE(fd_count * sizeof(int));
		room.header.cmsg_level = SOL_SOCKET;
		room.header.cmsg_type = SCM_RIGHTS;
		room.header.cmsg_len = CMSG_LEN(fd_count * sizeof(int));
		for (size_t i = 0; i < fd_count; i++)
			memcpy(CMSG_DATA(&room.header) + i * sizeof(int), &side->peer,
					sizeof(int));
	}
	sent = sendmsg(side->peer, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (sent < 0)
		return; /* descriptors are not wanted any more */
	FUZZ_CHECK((size_t)sent == size);
	memcpy(side->sent + side->sent_size, bytes, size);
	if (fd_count && !side->fds_sent) {
		side->first_fds.from = side->sent_size;
		side->first_fds.to = side->sent_size + size;
		side->first_fds.count = fd_count;
	}
	side->sent_size += size;
	side->fds_sent += fd_count;
}

static void say_bytes(struct side *side, struct fuzz_input *input, size_t fd_count)
{
	unsigned char piece[PIECE_MAX];

	say(side, piece, fuzz_bytes(input, piece, fuzz_number(input, 2) % PIECE_MAX),
			fd_count);
}

/* A frame as it should be, or its beginning. */
static void say_frame(struct side *side, struct fuzz_input *input, size_t fd_count)
{
	static const unsigned char rings[8] = { 1, 1, 1, 1, 1, 1, 1, 1 };
	struct control_hello hello = {
		.version = 1, .capacity = 4096, .header_size = 4096, .label = "label"
	};
	struct control_refused refused = { .refusal = CONTROL_REFUSE_BUSY,
		.text = "text" };
	unsigned char frame[CONTROL_FRAME_MAX];
	unsigned choice = fuzz_byte(input), cut = fuzz_byte(input);
	size_t size = 4;

	switch (choice % 8) {
	case 0:
	case 1:
		size = control_encode_hello(frame, &hello);
		break;
	case 2:
		size = control_encode_refused(frame, CONTROL_EVICTED, &refused);
		break;
	case 3:
		size = control_encode_bye(frame);
		break;
	case 4:
		/* The longest there may be, of whatever was there. */
		memset(frame, 0, sizeof(frame));
		memcpy(frame, (const unsigned char[]){ CONTROL_BYE, 0, 0x00, 0x02 }, 4);
		size = sizeof(frame);
		break;
	default:
		memcpy(frame, rings, sizeof(rings));
		size = choice % sizeof(rings) + 1;
	}
	say(side, frame, cut && cut < size ? cut : size, fd_count);
}

static void obey(struct side *side, struct fuzz_input *input)
{
	unsigned order = fuzz_byte(input);

	switch (order % 8) {
	case 0:
	case 1:
		say_bytes(side, input, 0);
		break;
	case 2:
	case 3:
		say_frame(side, input, 0);
		break;
	case 4:
		say_frame(side, input, fuzz_byte(input) % FDS_MAX);
		break;
	case 5:
		say_bytes(side, input, fuzz_byte(input) % 4);
		break;
	default:
		for (unsigned i = 0; i <= order / 64; i++)
			receive(side, false);
	}
}

/* ---- The whole ------------------------------------------------------------------------------- */

static void open_side(struct side *side, unsigned choice)
{
	int pair[2];

	FUZZ_CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
	FUZZ_CHECK(descriptor_own(pair[0]) == 0);
	control_socket_init(&side->control, pair[0]);
	control_socket_prepare_accepted(&side->control, choice & 1);
	side->peer = pair[1];
}

/* The number that the next descriptor gets: one that was left open makes it higher. */
static int next_number(void)
{
	int fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);

	FUZZ_CHECK(fd >= 0);
	close(fd);
	return fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	static struct side side;
	struct fuzz_input input = { bytes, bytes + size };
	int number = next_number();
	unsigned choice = fuzz_byte(&input);
	unsigned silent = 0;

	memset(&side, 0, sizeof(side));
	open_side(&side, choice);
	while (fuzz_left(&input))
		obey(&side, &input);
	close(side.peer);
	/* Half a first frame is taken and answered with "later"; that the other side has gone comes after that. */
	while (!side.is_over && silent < 3)
		if (!receive(&side, true))
			silent++;
	FUZZ_CHECK(side.is_over);
	control_socket_deinit(&side.control, NULL);
	/* More eagerly than by asking it to wait: most inputs make it work. */
	while (disposal_wait(0) < 0)
		sched_yield();
	FUZZ_CHECK(descriptor_count() == 0);
	FUZZ_CHECK(next_number() == number);
	return 0;
}
