/* SPDX-License-Identifier: MIT */

/*
 * What other threads have to say to the loop's thread.
 *
 * Reading and writing the socket of NATS is the loop's business, through libnats' adapter for libevent. But its
 * callbacks run in threads of its own: one for the acknowledgements of a connection, one for each subscription, one
 * for the state of connections. All they do here is to leave a letter. Everything that has state lives in the loop's
 * thread and needs no locks.
 *
 * The letters lie in an array that is swapped for an empty one before it is read, so the mutex is held for a few
 * instructions, never while a letter is dealt with. Only the first letter in an empty box wakes the loop: at a hundred
 * thousand acknowledgements a second a wake-up each would be most of the work.
 */

#include "mailbox.h"

#include <errno.h>
#include <stdlib.h>

#include <event2/event.h>

#include "program.h"

static void read_letters(struct mailbox *mailbox)
{
	struct mail *letters;
	size_t count, room;

	pthread_mutex_lock(&mailbox->mutex);
	letters = mailbox->letters;
	count = mailbox->count;
	room = mailbox->room;
	mailbox->letters = mailbox->spare;
	mailbox->room = mailbox->spare_room;
	mailbox->count = 0;
	pthread_mutex_unlock(&mailbox->mutex);
	mailbox->spare = letters;
	mailbox->spare_room = room;
	for (size_t i = 0; i < count; i++) {
		mailbox->deliver(&letters[i], mailbox->arg);
		free(letters[i].text);
	}
}

static void on_letters(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	read_letters(arg);
}

int mailbox_init(struct mailbox *mailbox, struct event_base *base,
		void (*deliver)(const struct mail *mail, void *arg), void *arg)
{
	*mailbox = (struct mailbox){ .deliver = deliver, .arg = arg };
	pthread_mutex_init(&mailbox->mutex, NULL);
	mailbox->event = event_new(base, -1, EV_PERSIST, on_letters, mailbox);
	return mailbox->event ? 0 : -ENOMEM;
}

void mailbox_deinit(struct mailbox *mailbox)
{
	if (!mailbox->event)
		return;
	event_free(mailbox->event);
	mailbox->event = NULL;
	read_letters(mailbox);
	free(mailbox->letters);
	free(mailbox->spare);
	pthread_mutex_destroy(&mailbox->mutex);
}

/* An acknowledgement that is dropped would leave its message in flight for ever. */
static _Noreturn void out_of_memory(void)
{
	complain("out of memory");
	_Exit(EXIT_FAILURE);
}

static void make_room(struct mailbox *mailbox)
{
	size_t room = mailbox->room ? mailbox->room * 2 : 64;
	struct mail *letters = reallocarray(mailbox->letters, room, sizeof(*letters));

	if (!letters)
		out_of_memory();
	mailbox->letters = letters;
	mailbox->room = room;
}

void mailbox_post(struct mailbox *mailbox, const struct mail *mail)
{
	bool is_first;

	pthread_mutex_lock(&mailbox->mutex);
	if (mailbox->count == mailbox->room)
		make_room(mailbox);
	is_first = mailbox->count == 0;
	mailbox->letters[mailbox->count++] = *mail;
	pthread_mutex_unlock(&mailbox->mutex);
	if (is_first)
		event_active(mailbox->event, EV_READ, 0);
}
