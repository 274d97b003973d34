// Rings of things that carry their own links: no memory, and out of one in constant time.
#ifndef SEEP_LOAD_RING_H
#define SEEP_LOAD_RING_H

#include <stdbool.h>
#include <stddef.h>

struct net_link { // in a ring with its head; all zero or alone: in none
    struct net_link *prev, *next;
};

static inline void net_ring_init(struct net_link *head)
{
    head->prev = head->next = head;
}

static inline bool net_ring_empty(const struct net_link *head)
{
    return head->next == head;
}

static inline void net_ring_add(struct net_link *before, struct net_link *link)
{
    link->prev = before->prev;
    link->next = before;
    before->prev->next = link;
    before->prev = link;
}

static inline void net_ring_remove(struct net_link *link)
{
    if (!link->next)
        return;
    link->prev->next = link->next;
    link->next->prev = link->prev;
    link->prev = link->next = NULL;
}

#define NET_OF(link, type, member) ((type *)(void *)((char *)(link)-offsetof(type, member)))

#endif
