// Calls: exchanges under way. See net_state.h.
//
// A connection that was used before may have been closed by the server just as the request was sent. Such a request
// was not served, and is sent once more on a new connection when sending it twice does no harm (an idempotent method,
// RFC 9110 9.2.2). curl does the same.
#include "base/clock.h"
#include "load/net_state.h"

#include <errno.h>
#include <string.h>

#define AGAIN_NS 2000000 // between two tries at a backlog that is full

static bool is_idempotent(const struct net_call *call)
{
    return call->plan->spec->protocol != EXCHANGE_RAW && transport_is_idempotent(call->x->request->method);
}

static void wait_for_backlog(struct net_call *call)
{
    struct net *n = call->plan->net;
    net_ring_add(&n->again, &call->wait);
    int64_t at_ns = clock_mono_ns() + AGAIN_NS;
    if (at_ns < n->again_ns)
        n->again_ns = at_ns;
}

static void open_new(struct net_call *call)
{
    if (net_conn_open(call) == 0)
        return;
    if (errno == EAGAIN) // of a unix socket: its server does not get to accepting
        wait_for_backlog(call);
    else
        net_call_end(call, transport_connect_end(errno), strerrordesc_np(errno), false);
}

void net_call_connect(struct net_call *call, bool idle_ones)
{
    struct net_conn *c = idle_ones && !call->plan->spec->fresh ? net_pool_take(call) : NULL;
    if (c) {
        net_conn_use(c, call);
        return;
    }
    net_deadline_of_connecting(call);
    if (net_address_ready(call->plan->net->address[call->x->origin->id], call))
        open_new(call);
}

void net_call_broken(struct net_call *call, int error)
{
    struct net_conn *c = call->conn;
    bool unheard = call->received_bytes == 0;
    if (c->state == NET_CONNECTING) {
        net_call_end(call, transport_connect_end(error), strerrordesc_np(error), false);
    } else if (c->served > 0 && unheard && !call->retried && is_idempotent(call)) {
        call->retried = true;
        call->plan->net->retried++;
        call->conn = NULL;
        net_conn_close(c);
        net_call_connect(call, false);
    } else {
        enum exchange_end end = transport_is_local(error) ? EXCHANGE_LOCAL : error ? EXCHANGE_RESET : EXCHANGE_CLOSED;
        net_call_end(call, end, error ? strerrordesc_np(error) : "the server closed the connection", false);
    }
}

static void tell(struct net *n, struct net_call *call, enum exchange_end end)
{
    struct exchange *x = call->x;
    x->own = NULL;
    net_call_free(n, call);
    n->setup.done(x, end, clock_mono_ns());
}

void net_call_end(struct net_call *call, enum exchange_end end, const char *why, bool keep_conn)
{
    struct net *n = call->plan->net;
    struct net_conn *c = call->conn;
    call->why = why;
    net_reply_fill(call);
    if (c && keep_conn)
        net_conn_keep(c, call->x->home);
    else if (c)
        net_conn_close(c);
    call->conn = NULL;
    net_ring_remove(&call->wait);
    net_ring_remove(&call->timeout);
    if (n->starting == 0) {
        tell(n, call, end);
        return;
    }
    call->end = end;
    net_ring_add(&n->ended, &call->wait);
}

bool net_tell_ended(struct net *n)
{
    bool any = !net_ring_empty(&n->ended);
    while (!net_ring_empty(&n->ended)) {
        struct net_call *call = NET_OF(n->ended.next, struct net_call, wait);
        net_ring_remove(&call->wait);
        tell(n, call, call->end);
    }
    return any;
}

bool net_try_again(struct net *n, int64_t now_ns)
{
    if (now_ns < n->again_ns)
        return false;
    n->again_ns = INT64_MAX;
    struct net_link round;
    net_ring_init(&round);
    while (!net_ring_empty(&n->again)) {
        struct net_link *first = n->again.next;
        net_ring_remove(first);
        net_ring_add(&round, first);
    }
    while (!net_ring_empty(&round)) {
        struct net_call *call = NET_OF(round.next, struct net_call, wait);
        net_ring_remove(&call->wait);
        net_call_connect(call, true);
    }
    return true;
}
