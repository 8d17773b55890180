/* SPDX-License-Identifier: MIT */
/*
 * Frames are made and taken apart by the core's own encoder and decoder, which have tests
 * of their own; everything around them is done by hand.
 */

#include "hostile_peer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "available.h"
#include "linux_compat.h"
#include "raw_sendmsg.h"
#include "scene.h"

#define REQUIRED_SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL)
#define DESCRIPTORS_MOST 253

/* ---- The ring ------------------------------------------------------------ */

static void make_hello(struct hostile_peer *peer, size_t header_size, size_t capacity)
{
	static uint8_t number;

	memset(&peer->hello, 0, sizeof(peer->hello));
	peer->hello.version = CONTROL_PROTOCOL_VERSION;
	peer->hello.capacity = capacity;
	peer->hello.header_size = (uint32_t)header_size;
	memset(peer->hello.lane_id, ++number, sizeof(peer->hello.lane_id));
}

static void write_header(struct hostile_peer *peer)
{
	struct ring_header *header = peer->header;

	header->magic = RING_HEADER_MAGIC;
	header->version = RING_VERSION;
	header->header_size = peer->hello.header_size;
	header->capacity = peer->hello.capacity;
	memcpy(header->lane_id, peer->hello.lane_id, sizeof(header->lane_id));
}

/* An object of the kind that this build shares. */
static int make_memory(void)
{
	char name[32];
	int fd;

	if (has_seals())
		return memfd_create("hostile", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	snprintf(name, sizeof(name), "/hostile-%ld", (long)getpid());
	fd = shm_open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	shm_unlink(name);
	return fd;
}

void hostile_make_ring(struct hostile_peer *peer, size_t capacity,
		const struct hostile_memory *wrong)
{
	static const struct hostile_memory nothing = { 0, 0, 0 };
	size_t header_size = (size_t)sysconf(_SC_PAGESIZE);
	off_t size;

	if (!wrong)
		wrong = &nothing;
	make_hello(peer, header_size, capacity);
	peer->mapped = header_size + capacity;
	size = (off_t)peer->mapped + wrong->added_bytes;
	peer->memory = make_memory();
	CHECK(peer->memory >= 0);
	CHECK_EQUAL(ftruncate(peer->memory, size), 0);
	if (!wrong->is_unallocated)
		CHECK_EQUAL(fallocate(peer->memory, 0, 0, size), 0);
	peer->header = mmap(NULL, peer->mapped, PROT_READ | PROT_WRITE, MAP_SHARED,
			peer->memory, 0);
	CHECK(peer->header != MAP_FAILED);
	peer->data = (unsigned char *)peer->header + header_size;
	write_header(peer);
	if (has_seals())
		CHECK_EQUAL(fcntl(peer->memory, F_ADD_SEALS,
					    REQUIRED_SEALS & ~wrong->missing_seals),
				0);
}

void hostile_put_record(struct hostile_peer *peer, uint64_t position, uint32_t size,
		uint32_t type)
{
	uint64_t at = position & (peer->hello.capacity - 1);
	uint32_t words[2] = { size, type };

	memcpy(peer->data + at, words, sizeof(words));
}

void hostile_publish(struct hostile_peer *peer, uint64_t tail)
{
	atomic_store(&peer->header->tail.value, tail);
}

/* ---- The socket ---------------------------------------------------------- */

/* The socket's name for an address. Returns its length. */
static socklen_t make_name(struct sockaddr_un *name, const char *address)
{
	size_t length = strlen(address);

	CHECK(length < sizeof(name->sun_path));
	memset(name, 0, sizeof(*name));
	name->sun_family = AF_UNIX;
	memcpy(name->sun_path, address, length);
	if (*address == '@')
		name->sun_path[0] = '\0';
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
}

int hostile_listen(const char *address)
{
	struct sockaddr_un name;
	socklen_t length = make_name(&name, address);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	CHECK(fd >= 0);
	CHECK_EQUAL(bind(fd, (struct sockaddr *)&name, length), 0);
	CHECK_EQUAL(listen(fd, 10), 0);
	return fd;
}

void hostile_connect(struct hostile_peer *peer, const char *address)
{
	struct sockaddr_un name;
	socklen_t length = make_name(&name, address);

	peer->socket = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CHECK(peer->socket >= 0);
	CHECK_EQUAL(connect(peer->socket, (struct sockaddr *)&name, length), 0);
}

void hostile_say(struct hostile_peer *peer, const void *bytes, size_t size,
		const int *fds, size_t fd_count)
{
	union {
		struct cmsghdr align;
		unsigned char bytes[CMSG_SPACE(DESCRIPTORS_MOST * sizeof(int))];
	} room;
	struct iovec vector = { (void *)(uintptr_t)bytes, size };
	struct msghdr message = { .msg_iov = &vector, .msg_iovlen = 1 };
	struct cmsghdr *header;

	if (fd_count) {
		CHECK(fd_count <= DESCRIPTORS_MOST);
		memset(&room, 0, sizeof(room)); /* the padding is the kernel's to read, too */
		message.msg_control = &room;
		message.msg_controllen = CMSG_SPACE(fd_count * sizeof(int));
		header = CMSG_FIRSTHDR(&message);
		header->cmsg_level = SOL_SOCKET;
		header->cmsg_type = SCM_RIGHTS;
		header->cmsg_len = CMSG_LEN(fd_count * sizeof(int));
		memcpy(CMSG_DATA(header), fds, fd_count * sizeof(int));
	}
	CHECK_EQUAL(raw_sendmsg(peer->socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL),
			(ssize_t)size);
}

void hostile_say_hello(struct hostile_peer *peer)
{
	unsigned char frame[CONTROL_FRAME_MAX];

	hostile_say(peer, frame, control_encode_hello(frame, &peer->hello), &peer->memory,
			1);
}

void hostile_ring(struct hostile_peer *peer)
{
	const unsigned char ring = CONTROL_RING;

	hostile_say(peer, &ring, 1, NULL, 0);
}

/* ---- What the receiver says ---------------------------------------------- */

static void take_descriptors(struct hostile_peer *peer, struct msghdr *message)
{
	struct cmsghdr *header = CMSG_FIRSTHDR(message);
	int fds[2] = { -1, -1 };

	if (!header || header->cmsg_type != SCM_RIGHTS)
		return;
	CHECK(header->cmsg_len <= CMSG_LEN(sizeof(fds)));
	memcpy(fds, CMSG_DATA(header), header->cmsg_len - CMSG_LEN(0));
	peer->page = fds[0];
	peer->bell = fds[1];
}

/* Reads exactly `size` bytes. Whether they came before the end. */
static int read_bytes(
		struct hostile_peer *peer, struct stage *stage, void *bytes, size_t size)
{
	unsigned char room[CMSG_SPACE(2 * sizeof(int))];
	struct iovec vector = { bytes, size };
	struct msghdr message = { .msg_iov = &vector,
		.msg_iovlen = 1,
		.msg_control = room,
		.msg_controllen = sizeof(room) };
	ssize_t got;

	while ((got = recvmsg(peer->socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC)) <
			0) {
		if (errno == ECONNRESET)
			return 0;
		CHECK_EQUAL(errno, EAGAIN);
		stage_await(stage, peer->socket);
	}
	if (got == 0)
		return 0;
	/* Frames are sent whole. */
	CHECK_EQUAL(got, size);
	take_descriptors(peer, &message);
	return 1;
}

enum control_type hostile_hear(struct hostile_peer *peer, struct stage *stage,
		struct control_refused *refused)
{
	unsigned char frame[CONTROL_FRAME_MAX];
	size_t length;

	do {
		if (!read_bytes(peer, stage, frame, 1))
			return (enum control_type)0;
	} while (frame[0] == CONTROL_RING);
	CHECK(read_bytes(peer, stage, frame + 1, 3));
	length = (size_t)(frame[2] | frame[3] << 8);
	CHECK(length >= 4 && length <= CONTROL_FRAME_MAX);
	if (length > 4)
		CHECK(read_bytes(peer, stage, frame + 4, length - 4));
	if (frame[0] == CONTROL_REFUSED || frame[0] == CONTROL_EVICTED)
		CHECK_EQUAL(control_decode_refused(refused, frame, length), 0);
	return (enum control_type)frame[0];
}

void hostile_join(struct hostile_peer *peer, struct stage *stage, const char *address)
{
	struct control_refused refused;

	hostile_connect(peer, address);
	hostile_say_hello(peer);
	CHECK_EQUAL(hostile_hear(peer, stage, &refused), CONTROL_WELCOME);
}

void hostile_close(struct hostile_peer *peer)
{
	const int fds[] = { peer->socket, peer->memory, peer->page, peer->bell };

	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		if (fds[i] >= 0)
			close(fds[i]);
	if (peer->header)
		munmap(peer->header, peer->mapped);
	*peer = (struct hostile_peer)HOSTILE_PEER_NONE;
}
