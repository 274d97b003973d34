// Our own transport: HTTP/1.1 without TLS, and raw protocols, over TCP and unix sockets. See transport.h for what it
// owes the engine, and net_state.h for its parts.
#include "base/check.h"
#include "base/clock.h"
#include "load/net_state.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CHUNK = 64 }; // connections or calls allocated at a time

static struct net *of(const struct transport *t)
{
    return (struct net *)(uintptr_t)t;
}

// ---- memory ---------------------------------------------------------------------------------------------------------

// `size` bytes, zeroed, that live as long as the transport; NULL: there are none.
static void *chunk_new(struct net *n, size_t size)
{
    void **chunk = calloc(1, sizeof(max_align_t) + size);
    if (!chunk)
        return NULL;
    *chunk = n->chunks;
    n->chunks = chunk;
    return (char *)chunk + sizeof(max_align_t);
}

struct net_conn *net_conn_new(struct net *n)
{
    if (!n->free_conns) {
        struct net_conn *more = chunk_new(n, CHUNK * sizeof *more);
        for (int i = 0; more && i < CHUNK; i++) {
            more[i].next_free = n->free_conns;
            n->free_conns = &more[i];
        }
    }
    struct net_conn *c = n->free_conns;
    if (c)
        n->free_conns = c->next_free;
    return c;
}

struct net_call *net_call_new(struct net *n)
{
    if (!n->free_calls) {
        struct net_call *more = chunk_new(n, CHUNK * sizeof *more);
        for (int i = 0; more && i < CHUNK; i++)
            net_call_free(n, &more[i]);
    }
    struct net_call *call = n->free_calls;
    if (call)
        n->free_calls = call->next_free;
    return call;
}

void net_call_free(struct net *n, struct net_call *call)
{
    call->next_free = n->free_calls;
    n->free_calls = call;
}

static void chunks_free(struct net *n)
{
    for (struct net_call *call = n->free_calls; call; call = call->next_free) {
        buf_free(&call->head.own);
        buf_free(&call->body.own);
    }
    for (void **chunk = n->chunks, *next; chunk; chunk = next) {
        next = *chunk;
        free(chunk);
    }
}

// ---- opening --------------------------------------------------------------------------------------------------------

static bool takes(const struct exchange_spec *spec, const struct transport_setup *setup)
{
    (void)setup;
    return spec->protocol == EXCHANGE_RAW || (spec->protocol == EXCHANGE_HTTP1 && !spec->origin->tls && !spec->decode);
}

static int open_transport(const struct transport_setup *setup, struct transport **out, struct seep_err *err)
{
    struct net *n = calloc(1, sizeof *n);
    if (!n)
        return seep_fail(err, SEEP_E_SYSTEM, "There is no memory for the load's connections.");
    n->base.ops = &transport_net;
    n->setup = *setup;
    n->check_ns = n->again_ns = INT64_MAX;
    net_ring_init(&n->ended);
    net_ring_init(&n->again);
    net_ring_init(&n->idle);
    if (net_events_open(&n->events, setup->loop, n, err) != 0) {
        free(n);
        return -1;
    }
    n->handles = 1;
    *out = &n->base;
    return 0;
}

static int prepare(struct transport *t, struct exchange_spec *spec, struct seep_err *err)
{
    struct net *n = of(t);
    struct net_plan *plan = calloc(1, sizeof *plan);
    if (!plan || !net_address_of(n, spec->origin)) {
        free(plan);
        return seep_fail(err, SEEP_E_SYSTEM, "There is no memory for the request of %s.", spec->name);
    }
    *plan = (struct net_plan){.net = n, .spec = spec, .http = spec->protocol != EXCHANGE_RAW, .next = n->plans};
    net_ring_init(&plan->calls);
    net_ring_init(&plan->connecting);
    n->plans = plan;
    spec->own = plan;
    return spec->protocol == EXCHANGE_RAW ? net_frame_read(plan, err) : 0;
}

// ---- time-outs ------------------------------------------------------------------------------------------------------

// Calls of one spec have the same time, so that they stand in the order of their starts: no heap, no timer each.
static void add_deadline(struct net_call *call, struct net_link *ring, int64_t deadline_ns)
{
    struct net *n = call->plan->net;
    struct net_link *before = ring;
    net_ring_remove(&call->timeout);
    while (before->prev != ring && NET_OF(before->prev, struct net_call, timeout)->deadline_ns > deadline_ns)
        before = before->prev;
    call->deadline_ns = deadline_ns;
    net_ring_add(before, &call->timeout);
    if (deadline_ns < n->check_ns)
        n->check_ns = deadline_ns;
}

void net_deadline_of_exchange(struct net_call *call)
{
    call->connecting = false;
    add_deadline(call, &call->plan->calls, call->x->started_ns + call->plan->spec->timeout_ns);
}

void net_deadline_of_connecting(struct net_call *call)
{
    const struct exchange_spec *spec = call->plan->spec;
    if (call->connecting || spec->connect_timeout_ns == 0)
        return;
    int64_t whole_ns = call->x->started_ns + spec->timeout_ns, connect_ns = clock_mono_ns() + spec->connect_timeout_ns;
    call->connecting = true;
    if (connect_ns < whole_ns)
        add_deadline(call, &call->plan->connecting, connect_ns);
}

static void time_out(struct net_call *call)
{
    const struct net_conn *c = call->conn;
    bool looking = !c && !net_ring_empty(&call->wait) && call->plan->net->address[call->x->origin->id]->looking;
    enum exchange_end end = looking                            ? EXCHANGE_DNS
                            : !c || c->state == NET_CONNECTING ? EXCHANGE_CONNECT
                                                               : EXCHANGE_TIMEOUT;
    net_call_end(call, end, "there was no time left", false);
}

static bool expire_ring(struct net *n, struct net_link *ring, int64_t now_ns)
{
    bool any = false;
    for (; !net_ring_empty(ring); any = true) {
        struct net_call *call = NET_OF(ring->next, struct net_call, timeout);
        if (call->deadline_ns > now_ns) {
            n->check_ns = call->deadline_ns < n->check_ns ? call->deadline_ns : n->check_ns;
            break;
        }
        time_out(call);
    }
    return any;
}

// Looks at the deadlines only when the earliest of the last look has come: in between most calls have ended, and the
// alarm need not be set for each.
static bool expire(struct net *n, int64_t now_ns)
{
    if (now_ns < n->check_ns)
        return false;
    bool any = false;
    n->check_ns = INT64_MAX;
    for (struct net_plan *p = n->plans; p; p = p->next) {
        any = expire_ring(n, &p->connecting, now_ns) || any;
        any = expire_ring(n, &p->calls, now_ns) || any;
    }
    return any;
}

// ---- exchanges ------------------------------------------------------------------------------------------------------

static int start(struct transport *t, struct exchange *x)
{
    struct net *n = of(t);
    struct net_call *call = net_address_of(n, x->origin) ? net_call_new(n) : NULL;
    if (!call)
        return -1;
    call->x = x;
    call->plan = x->spec->own;
    call->conn = NULL;
    call->why = NULL;
    call->sent_bytes = call->received_bytes = 0;
    call->retried = false;
    call->head_request = x->request->wire_len > 5 && memcmp(x->request->wire, "HEAD ", 5) == 0; // raw ones too
    x->own = call;
    net_deadline_of_exchange(call);
    n->starting++;
    net_call_connect(call, true);
    n->starting--;
    return 0;
}

static void cancel(struct transport *t, struct exchange *x)
{
    struct net_call *call = x->own;
    if (call->conn)
        net_conn_close(call->conn);
    net_ring_remove(&call->wait);
    net_ring_remove(&call->timeout);
    x->own = NULL;
    net_call_free(of(t), call);
}

static bool turn(struct transport *t, int64_t now_ns)
{
    struct net *n = of(t);
    bool any = net_tell_ended(n);
    any = net_try_again(n, now_ns) || any;
    if (n->events.ready)
        n->events.ready = net_dispatch(n); // as long as there is anything, without going back to the loop
    return expire(n, now_ns) || n->events.ready || any;
}

static int64_t next_ns(const struct transport *t)
{
    const struct net *n = of(t);
    if (!net_ring_empty(&n->ended))
        return 0;
    return n->again_ns < n->check_ns ? n->again_ns : n->check_ns;
}

static void leave(struct transport *t, struct transport_home *home)
{
    (void)t;
    net_pool_close_home(home);
}

static void counters(const struct transport *t, struct transport_counters *out)
{
    *out = (struct transport_counters){.connections = of(t)->opened, .retried = of(t)->retried};
}

static void restart(struct transport *t)
{
    struct net *n = of(t);
    net_pool_close_all(n);
    for (unsigned i = 0; i < n->n_addresses; i++) {
        if (n->address[i])
            net_address_forget(n->address[i]);
    }
}

// ---- closing --------------------------------------------------------------------------------------------------------

void net_release(struct net *n)
{
    if (--n->handles > 0)
        return;
    for (unsigned i = 0; i < n->n_addresses; i++)
        free(n->address[i]);
    free(n->address);
    for (struct net_plan *next; n->plans; n->plans = next) {
        next = n->plans->next;
        free(n->plans);
    }
    chunks_free(n);
    free(n);
}

static void on_closed(uv_handle_t *handle)
{
    net_release(handle->data);
}

static void close_transport(struct transport *t)
{
    struct net *n = of(t);
    SEEP_CHECK(net_ring_empty(&n->ended) && net_ring_empty(&n->again));
    n->closing = true;
    net_pool_close_all(n);
    for (unsigned i = 0; i < n->n_addresses; i++) {
        if (n->address[i])
            net_address_close(n->address[i]);
    }
    net_events_close(&n->events, on_closed);
}

const struct transport_ops transport_net = {
    .name = "own",
    .wants_wire = true,
    .takes = takes,
    .open = open_transport,
    .prepare = prepare,
    .start = start,
    .cancel = cancel,
    .turn = turn,
    .next_ns = next_ns,
    .leave = leave,
    .counters = counters,
    .restart = restart,
    .close = close_transport,
};
