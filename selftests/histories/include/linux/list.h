/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef HISTORIES_LINUX_LIST_H
#define HISTORIES_LINUX_LIST_H

#include <linux/types.h>

#include "../../schedule.h"

#define list_entry(pointer, type, member)					\
	((type *)((char *)(pointer) - offsetof(type, member)))

#define list_last_entry(list, type, member) list_entry((list)->prev, type, member)

#define list_first_entry_or_null(list, type, member)				\
	({									\
		struct list_head *first_ = (list)->next;			\
										\
		observe((uintptr_t)first_);					\
		first_ == (list) ? NULL : list_entry(first_, type, member);	\
	})

static inline void INIT_LIST_HEAD(struct list_head *list)
{
	list->next = list;
	list->prev = list;
}

static inline void list_insert_between(struct list_head *item, struct list_head *before,
				       struct list_head *after)
{
	item->prev = before;
	item->next = after;
	before->next = item;
	after->prev = item;
}

static inline void list_add(struct list_head *item, struct list_head *list)
{
	list_insert_between(item, list, list->next);
}

static inline void list_add_tail(struct list_head *item, struct list_head *list)
{
	list_insert_between(item, list->prev, list);
}

static inline void list_del(struct list_head *item)
{
	if (!item->next)
		found("an item is taken out of its list twice");
	item->prev->next = item->next;
	item->next->prev = item->prev;
	item->next = NULL;
	item->prev = NULL;
}

static inline bool list_empty(const struct list_head *list)
{
	observe((uintptr_t)list->next);
	return list->next == list;
}

static inline void list_move_tail(struct list_head *item, struct list_head *list)
{
	list_del(item);
	list_add_tail(item, list);
}

#endif
