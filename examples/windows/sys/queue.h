/* SPDX-License-Identifier: MIT */
#ifndef EVCHAN_EXAMPLES_WINDOWS_SYS_QUEUE_H
#define EVCHAN_EXAMPLES_WINDOWS_SYS_QUEUE_H

/* Those of queue(3)'s lists that the programs use, where there is no such header. */

#define LIST_HEAD(name, type) \
	struct name { \
		struct type *lh_first; \
	}
#define LIST_ENTRY(type) \
	struct { \
		struct type *le_next; \
		struct type **le_prev; \
	}
#define LIST_FIRST(head) ((head)->lh_first)
#define LIST_INSERT_HEAD(head, element, field) \
	do { \
		(element)->field.le_next = (head)->lh_first; \
		if ((head)->lh_first) \
			(head)->lh_first->field.le_prev = &(element)->field.le_next; \
		(head)->lh_first = (element); \
		(element)->field.le_prev = &(head)->lh_first; \
	} while (0)
#define LIST_REMOVE(element, field) \
	do { \
		if ((element)->field.le_next) \
			(element)->field.le_next->field.le_prev = \
					(element)->field.le_prev; \
		*(element)->field.le_prev = (element)->field.le_next; \
	} while (0)

#define SLIST_HEAD(name, type) \
	struct name { \
		struct type *slh_first; \
	}
#define SLIST_ENTRY(type) \
	struct { \
		struct type *sle_next; \
	}
#define SLIST_FIRST(head) ((head)->slh_first)
#define SLIST_INSERT_HEAD(head, element, field) \
	do { \
		(element)->field.sle_next = (head)->slh_first; \
		(head)->slh_first = (element); \
	} while (0)
#define SLIST_REMOVE_HEAD(head, field) \
	((head)->slh_first = (head)->slh_first->field.sle_next)

#endif
