// Where a name leads: see net_state.h.
//
// Looked up once when the first call wants it, off the loop, and again after a minute while the old answer goes on
// serving; an answer is kept when the new look-up fails. A literal address and a socket's path are never looked up.
#include "base/clock.h"
#include "load/net_state.h"

#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#define REFRESH_NS (60 * (int64_t)1000000000)

static void keep_answer(struct net_address *a, const struct addrinfo *list, int64_t known_ns)
{
    a->n_to = a->good = 0;
    for (; list && a->n_to < NET_ADDRESSES_MAX; list = list->ai_next) {
        if (list->ai_addrlen > sizeof a->to[0])
            continue;
        memcpy(&a->to[a->n_to], list->ai_addr, list->ai_addrlen);
        a->to_len[a->n_to++] = list->ai_addrlen;
    }
    a->known_ns = known_ns;
}

static void take_path(struct net_address *a)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    size_t len = strlen(a->origin->unix_path);
    if (len >= sizeof un.sun_path)
        return; // no such socket can be: every connection is refused with ENAMETOOLONG
    memcpy(un.sun_path, a->origin->unix_path, len + 1);
    memcpy(&a->to[0], &un, sizeof un);
    a->to_len[0] = sizeof un;
    a->n_to = 1;
}

static void take_literal(struct net_address *a)
{
    char port[8];
    struct addrinfo *list = NULL;
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV};
    snprintf(port, sizeof port, "%u", a->origin->port);
    if (getaddrinfo(a->origin->host, port, &hints, &list) == 0) {
        keep_answer(a, list, INT64_MAX);
        freeaddrinfo(list);
    }
}

static struct net_address *make(struct net *n, const struct exchange_origin *origin)
{
    struct net_address *a = calloc(1, sizeof *a);
    if (!a)
        return NULL;
    a->net = n;
    a->origin = origin;
    a->known_ns = INT64_MAX;
    net_ring_init(&a->wait);
    if (origin->unix_path)
        take_path(a);
    else
        take_literal(a);
    return a;
}

struct net_address *net_address_of(struct net *n, const struct exchange_origin *origin)
{
    if (origin->id >= n->n_addresses) {
        unsigned wanted = origin->id + 1;
        struct net_address **more = realloc(n->address, wanted * sizeof(struct net_address *));
        if (!more)
            return NULL;
        memset(more + n->n_addresses, 0, (wanted - n->n_addresses) * sizeof(struct net_address *));
        n->address = more;
        n->n_addresses = wanted;
    }
    if (!n->address[origin->id])
        n->address[origin->id] = make(n, origin);
    return n->address[origin->id];
}

// Those that waited: a connection each, or the end.
static void serve_waiting(struct net_address *a, const char *why)
{
    while (!net_ring_empty(&a->wait)) {
        struct net_call *call = NET_OF(a->wait.next, struct net_call, wait);
        net_ring_remove(&call->wait);
        if (a->n_to > 0)
            net_call_connect(call, true);
        else
            net_call_end(call, EXCHANGE_DNS, why, false);
    }
}

static void on_answer(uv_getaddrinfo_t *lookup, int status, struct addrinfo *list)
{
    struct net_address *a = lookup->data;
    a->looking = false;
    if (!a->net->closing) {
        if (status == 0 && list)
            keep_answer(a, list, clock_mono_ns());
        else if (a->n_to > 0)
            a->known_ns = clock_mono_ns(); // the old answer for another minute
        serve_waiting(a, status == 0 ? "the name has no address" : uv_strerror(status));
    }
    uv_freeaddrinfo(list);
    net_release(a->net);
}

static int look_up(struct net_address *a)
{
    char port[8];
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    snprintf(port, sizeof port, "%u", a->origin->port);
    a->lookup.data = a;
    if (uv_getaddrinfo(a->net->setup.loop, &a->lookup, on_answer, a->origin->host, port, &hints) != 0)
        return -1;
    a->looking = true;
    a->net->handles++;
    return 0;
}

bool net_address_ready(struct net_address *a, struct net_call *call)
{
    if (a->origin->unix_path || (a->n_to > 0 && a->known_ns == INT64_MAX))
        return true;
    if (a->n_to > 0) {
        if (!a->looking && call->x->started_ns - a->known_ns > REFRESH_NS && look_up(a) < 0)
            a->known_ns = call->x->started_ns;
        return true;
    }
    if (!a->looking && look_up(a) < 0) {
        net_call_end(call, EXCHANGE_DNS, "the name cannot be looked up now", false);
        return false;
    }
    net_ring_add(&a->wait, &call->wait);
    return false;
}

void net_address_forget(struct net_address *a)
{
    if (a->known_ns != INT64_MAX)
        a->n_to = 0;
}

void net_address_close(struct net_address *a)
{
    if (a->looking)
        uv_cancel((uv_req_t *)&a->lookup); // told all the same, later
}
