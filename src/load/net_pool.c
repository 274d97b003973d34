// Idle connections: see net_state.h.
//
// A pool is a list whose head lies in the address (connections that all users share) or in a user's home. The last one
// to become idle is taken first: it is the one the server will close last, and its memory is warm.
#include "load/net_state.h"

static struct net_conn *first_for(void *pool, const struct net_address *address)
{
    struct net_conn *c = pool;
    while (c && c->address != address)
        c = c->pool_next;
    return c;
}

struct net_conn *net_pool_take(struct net_call *call)
{
    const struct exchange *x = call->x;
    struct net *n = call->plan->net;
    struct net_address *address = n->address[x->origin->id];
    struct net_conn *c = first_for(x->home ? x->home->own : address->idle, address);
    if (c)
        net_pool_remove(c);
    return c;
}

void net_pool_give(struct net_conn *c, struct transport_home *home)
{
    c->pool = home ? &home->own : &c->address->idle;
    struct net_conn *next = *c->pool;
    c->pool_prev = NULL;
    c->pool_next = next;
    if (next)
        next->pool_prev = c;
    *c->pool = c;
    net_ring_add(&c->net->idle, &c->idle);
}

void net_pool_remove(struct net_conn *c)
{
    struct net_conn *prev = c->pool_prev, *next = c->pool_next;
    if (prev)
        prev->pool_next = next;
    else
        *c->pool = next;
    if (next)
        next->pool_prev = prev;
    c->pool = NULL;
    c->pool_prev = c->pool_next = NULL;
    net_ring_remove(&c->idle);
}

void net_pool_make_room(struct net *n)
{
    if (n->n_conns >= n->setup.connections && !net_ring_empty(&n->idle))
        net_conn_close(NET_OF(n->idle.next, struct net_conn, idle));
}

void net_pool_close_all(struct net *n)
{
    while (!net_ring_empty(&n->idle))
        net_conn_close(NET_OF(n->idle.next, struct net_conn, idle));
}

void net_pool_close_home(struct transport_home *home)
{
    while (home->own)
        net_conn_close(home->own);
}
