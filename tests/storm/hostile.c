/* SPDX-License-Identifier: MIT */
/*
 * Attacks. But for the first they do without the library: bare sockets, descriptors and
 * bytes. Whatever the receiver answers is of no interest, so errors are not either; a
 * process that can do nothing useful any more connects anew.
 */

#include "hostile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <evchan/evchan.h>

#include "control_message.h"
#include "linux_compat.h"
#include "process.h"
#include "ring_format.h"

#define CAPACITY 4096u
#define HEADER_SIZE 4096u
#define RINGS 64u      /* made once, offered again and again */
#define LOOK_EACH 256u /* attempts before it looks whether it is still connected */
#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL)

struct attacker {
	const char *address;
	int socket;
	int bell;
	uint64_t tail;
	struct ring_header *ring;
	int memory[RINGS];
	struct ring_header *headers[RINGS];
	unsigned next;
};

/* ---- A sender's part
 * -------------------------------------------------------------------- */

static void make_ring(struct attacker *attacker, unsigned index)
{
	struct ring_header *header;
	int fd = memfd_create("hostile", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0 || ftruncate(fd, HEADER_SIZE + CAPACITY) < 0 ||
			fallocate(fd, 0, 0, HEADER_SIZE + CAPACITY) < 0)
		process_die("memfd_create");
	header = mmap(NULL, HEADER_SIZE + CAPACITY, PROT_READ | PROT_WRITE, MAP_SHARED,
			fd, 0);
	if (header == MAP_FAILED || fcntl(fd, F_ADD_SEALS, SEALS) < 0)
		process_die("mmap");
	header->magic = RING_HEADER_MAGIC;
	header->version = RING_VERSION;
	header->header_size = HEADER_SIZE;
	header->capacity = CAPACITY;
	attacker->memory[index] = fd;
	attacker->headers[index] = header;
}

static void prepare(struct attacker *attacker, const char *address)
{
	*attacker = (struct attacker){ .address = address, .socket = -1, .bell = -1 };
	for (unsigned i = 0; i < RINGS; i++)
		make_ring(attacker, i);
}

static void hang_up(struct attacker *attacker)
{
	if (attacker->socket >= 0)
		close(attacker->socket);
	if (attacker->bell >= 0)
		close(attacker->bell);
	attacker->socket = attacker->bell = -1;
}

/* Waits for room in the backlog. Whether it is connected. */
static int dial(struct attacker *attacker)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	size_t length = strlen(attacker->address);

	hang_up(attacker);
	memcpy(name.sun_path, attacker->address, length);
	name.sun_path[0] = '\0';
	attacker->socket = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	length += offsetof(struct sockaddr_un, sun_path);
	return connect(attacker->socket, (void *)&name, (socklen_t)length) == 0;
}

static void say(struct attacker *attacker, const void *bytes, size_t size, const int *fd)
{
	union {
		struct cmsghdr align;
		unsigned char bytes[CMSG_SPACE(sizeof(int))];
	} room;
	struct iovec vector = { (void *)(uintptr_t)bytes, size };
	struct msghdr message = { .msg_iov = &vector, .msg_iovlen = 1 };
	struct cmsghdr *header;

	if (fd) {
		message.msg_control = &room;
		message.msg_controllen = sizeof(room.bytes);
		header = CMSG_FIRSTHDR(&message);
		header->cmsg_level = SOL_SOCKET;
		header->cmsg_type = SCM_RIGHTS;
		header->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(header), fd, sizeof(int));
	}
	(void)sendmsg(attacker->socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* The next ring, as a new lane. */
static void say_hello(struct attacker *attacker)
{
	unsigned index = attacker->next++ % RINGS;
	struct control_hello hello = { .version = CONTROL_PROTOCOL_VERSION,
		.capacity = CAPACITY,
		.header_size = HEADER_SIZE,
		.label = "hostile" };
	unsigned char frame[CONTROL_FRAME_MAX];

	attacker->ring = attacker->headers[index];
	(void)getrandom(hello.lane_id, sizeof(hello.lane_id), 0);
	memcpy(attacker->ring->lane_id, hello.lane_id, sizeof(hello.lane_id));
	atomic_store(&attacker->ring->tail.value, 0);
	attacker->tail = 0;
	say(attacker, frame, control_encode_hello(frame, &hello),
			&attacker->memory[index]);
}

/* Whether it is welcome; takes the bell. */
static int hear_welcome(struct attacker *attacker)
{
	union {
		struct cmsghdr align;
		unsigned char bytes[CMSG_SPACE(2 * sizeof(int))];
	} room;
	const struct timeval patience = { 1, 0 };
	unsigned char frame[CONTROL_FRAME_MAX];
	struct iovec vector = { frame, sizeof(frame) };
	struct msghdr message = { .msg_iov = &vector,
		.msg_iovlen = 1,
		.msg_control = &room,
		.msg_controllen = sizeof(room.bytes) };
	const struct cmsghdr *header;
	int fds[2];

	setsockopt(attacker->socket, SOL_SOCKET, SO_RCVTIMEO, &patience,
			sizeof(patience));
	if (recvmsg(attacker->socket, &message, MSG_CMSG_CLOEXEC) <= 0)
		return 0;
	header = CMSG_FIRSTHDR(&message);
	if (frame[0] != CONTROL_WELCOME || !header ||
			header->cmsg_len != CMSG_LEN(sizeof(fds)))
		return 0;
	memcpy(fds, CMSG_DATA(header), sizeof(fds));
	close(fds[0]);
	attacker->bell = fds[1];
	return 1;
}

static void join(struct attacker *attacker)
{
	for (;;) {
		if (!dial(attacker))
			continue;
		say_hello(attacker);
		if (hear_welcome(attacker))
			return;
	}
}

static int is_cut_off(const struct attacker *attacker)
{
	unsigned char frame[CONTROL_FRAME_MAX];
	ssize_t size = recv(attacker->socket, frame, sizeof(frame), MSG_DONTWAIT);

	return size == 0 || (size < 0 && errno != EAGAIN) ||
			(size > 0 && frame[0] != CONTROL_RING);
}

static void ring_bell(const struct attacker *attacker)
{
	uint64_t one = 1;

	/* Its counter may be at its end. */
	if (write(attacker->bell, &one, sizeof(one)) < 0)
		(void)!read(attacker->bell, &one, sizeof(one));
}

static void ring_socket(struct attacker *attacker)
{
	const unsigned char ring = CONTROL_RING;

	say(attacker, &ring, 1, NULL);
}

/* ---- Attacks
 * ---------------------------------------------------------------------------------- */

/* Empty messages without end, published one by one: the most work for the fewest bytes.
 * */
static void attack_with_messages(void *address)
{
	struct evchan_sender_options options = EVCHAN_SENDER_OPTIONS_INIT;
	struct evchan_sender *sender;

	options.flags = EVCHAN_SENDER_WAIT;
	options.label = "hostile";
	process_check(evchan_sender_new(&sender, NULL, address, &options, NULL, NULL),
			"evchan_sender_new");
	for (;;)
		(void)evchan_send_wait(sender, 1, NULL, 0, 0, -1);
}

static void storm_of(void *address, void (*ring)(struct attacker *attacker))
{
	struct attacker attacker;

	prepare(&attacker, address);
	for (;;) {
		join(&attacker);
		do
			for (unsigned i = 0; i < LOOK_EACH; i++)
				ring(&attacker);
		while (!is_cut_off(&attacker));
	}
}

static void ring_the_bell(struct attacker *attacker)
{
	ring_bell(attacker);
}

/* The bell in a tight loop, for nothing. */
static void attack_with_bell(void *address)
{
	storm_of(address, ring_the_bell);
}

/* The same through the control socket. */
static void attack_with_rings(void *address)
{
	storm_of(address, ring_socket);
}

/* An empty message for each ring, so that no ring is for nothing; until the ring is
 * full. */
static void publish_and_ring(struct attacker *attacker)
{
	static const struct ring_record empty;
	unsigned char *data = (unsigned char *)attacker->ring + HEADER_SIZE;

	/* The receiver's head is not looked at: what a wrong tail leads to is another
	 * attack. */
	if (attacker->tail < CAPACITY) {
		memcpy(data + attacker->tail, (const void *)&empty, sizeof(empty));
		attacker->tail += sizeof(empty);
		atomic_store(&attacker->ring->tail.value, attacker->tail);
	}
	ring_bell(attacker);
}

static void attack_with_both(void *address)
{
	struct attacker attacker;

	prepare(&attacker, address);
	for (;;) {
		join(&attacker);
		for (unsigned i = 0; i < CAPACITY / sizeof(struct ring_record); i++)
			publish_and_ring(&attacker);
	}
}

/* A new lane each time, gone before it is welcome. */
static void attack_with_hellos(void *address)
{
	struct attacker attacker;

	prepare(&attacker, address);
	for (;;)
		if (dial(&attacker))
			say_hello(&attacker);
}

/* Bytes that are no hello. */
static void attack_with_garbage(void *address)
{
	struct attacker attacker;
	unsigned char bytes[100];

	prepare(&attacker, address);
	(void)getrandom(bytes, sizeof(bytes), 0);
	for (;;)
		if (dial(&attacker))
			say(&attacker, bytes, sizeof(bytes), NULL);
}

/* Connections that are closed at once. */
static void attack_with_connections(void *address)
{
	struct attacker attacker;

	prepare(&attacker, address);
	for (;;)
		(void)dial(&attacker);
}

/* Impossible positions; cut off, it comes again. */
static void attack_with_positions(void *address)
{
	struct attacker attacker;

	prepare(&attacker, address);
	for (;;) {
		join(&attacker);
		(void)getrandom(&attacker.tail, sizeof(attacker.tail), 0);
		atomic_store(&attacker.ring->tail.value, attacker.tail);
		ring_bell(&attacker);
		while (!is_cut_off(&attacker))
			continue;
	}
}

const struct hostile hostiles[] = {
	{ "messages", "empty messages without end", attack_with_messages },
	{ "bell", "its bell in a tight loop", attack_with_bell },
	{ "rings", "the same on the control socket", attack_with_rings },
	{ "both", "an empty message with each ring, then a new lane", attack_with_both },
	{ "hellos", "new lanes without end, gone before they are welcome",
			attack_with_hellos },
	{ "garbage", "connections that say garbage", attack_with_garbage },
	{ "connections", "connections that are closed at once", attack_with_connections },
	{ "positions", "impossible positions, cut off, and again",
			attack_with_positions },
};
const unsigned hostile_count = sizeof(hostiles) / sizeof(hostiles[0]);
