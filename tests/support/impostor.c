/* SPDX-License-Identifier: MIT */
/*
 * The page is made by the library's own shared_memory.h, so that it is right until a test
 * spoils it.
 */

#include "impostor.h"

#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "scene.h"

void impostor_open(struct impostor *impostor)
{
	memset(impostor, 0, sizeof(*impostor));
	impostor->peer = (struct hostile_peer)HOSTILE_PEER_NONE;
	impostor->listener = hostile_listen(scene_address());
	CHECK_EQUAL(shared_memory_create(&impostor->page_memory,
				    shared_memory_page_size(), 0, 0),
			0);
	impostor->page = impostor->page_memory.base;
	impostor->page->magic = RING_PAGE_MAGIC;
	impostor->page->version = RING_VERSION;
	impostor->page->header_size = (uint32_t)impostor->page_memory.header_size;
	impostor->bell = eventfd(0, EFD_NONBLOCK);
	impostor->welcome = (struct control_welcome){ CONTROL_PROTOCOL_VERSION, 0,
		EVCHAN_BELL_EVENTFD, impostor->page->header_size };
}

void impostor_close(struct impostor *impostor)
{
	close(impostor->listener);
	close(impostor->bell);
	hostile_close(&impostor->peer);
	shared_memory_deinit(&impostor->page_memory, NULL);
}

void impostor_accept(struct impostor *impostor)
{
	unsigned char frame[CONTROL_FRAME_MAX];

	impostor->peer.socket = accept4(impostor->listener, NULL, NULL, SOCK_CLOEXEC);
	CHECK(impostor->peer.socket >= 0);
	CHECK(read(impostor->peer.socket, frame, sizeof(frame)) > 0);
	CHECK_EQUAL(frame[0], CONTROL_HELLO);
}

void impostor_say_welcome(struct impostor *impostor, const int *fds, size_t count)
{
	unsigned char frame[CONTROL_FRAME_MAX];

	hostile_say(&impostor->peer, frame,
			control_encode_welcome(frame, &impostor->welcome), fds, count);
}

void impostor_welcome(struct impostor *impostor)
{
	const int fds[] = { impostor->page_memory.fd, impostor->bell };

	impostor_say_welcome(impostor, fds, 2);
}
