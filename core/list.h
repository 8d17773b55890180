/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_CORE_LIST_H
#define EVCHAN_CORE_LIST_H

/*
 * Circular doubly linked list, embedded in its elements. A link that is in no list points to
 * itself, so removing it once more is harmless, and "is it in a list" is a question with an
 * answer.
 */

#include <stdbool.h>
#include <stddef.h>

struct list {
	struct list *next;
	struct list *previous;
};

#define CONTAINER_OF(pointer, type, member) \
	((type *)(void *)((char *)(pointer) - offsetof(type, member)))

static inline void list_init(struct list *list)
{
	list->next = list;
	list->previous = list;
}

static inline bool list_is_empty(const struct list *list)
{
	return list->next == list;
}

/* For a link: whether some list has it. */
static inline bool list_is_linked(const struct list *link)
{
	return link->next != link;
}

static inline void list_append(struct list *list, struct list *link)
{
	link->next = list;
	link->previous = list->previous;
	list->previous->next = link;
	list->previous = link;
}

static inline void list_remove(struct list *link)
{
	link->previous->next = link->next;
	link->next->previous = link->previous;
	list_init(link);
}

/* Moves all of `from` behind the last element of `list`. */
static inline void list_append_all(struct list *list, struct list *from)
{
	if (list_is_empty(from))
		return;
	from->next->previous = list->previous;
	list->previous->next = from->next;
	from->previous->next = list;
	list->previous = from->previous;
	list_init(from);
}

#define LIST_FIRST(list, type, member) CONTAINER_OF((list)->next, type, member)

#endif
