// Our own transport for HTTP/2 without TLS, over TCP and unix sockets. See transport.h for what it owes the engine, and
// h2_state.h for its parts.
//
// `streams` exchanges at once share a connection, less when the server allows less; the next one opens another.
#include "base/clock.h"
#include "load/h2_state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { KEEP_MEMORY_MAX = 64 * 1024, WORDS_MAX = 64 * 1024 * 1024 };

static struct h2 *of(const struct transport *t)
{
    return (struct h2 *)(uintptr_t)t;
}

static bool takes(const struct exchange_spec *spec, const struct transport_setup *setup)
{
    (void)setup;
    return spec->protocol == EXCHANGE_HTTP2 && !spec->origin->tls && !spec->decode;
}

// ---- opening --------------------------------------------------------------------------------------------------------

static int open_transport(const struct transport_setup *setup, struct transport **out, struct seep_err *err)
{
    struct h2 *h = calloc(1, sizeof *h);
    if (!h || h2_stream_callbacks(&h->callbacks) < 0) {
        free(h);
        return seep_fail(err, SEEP_E_SYSTEM, "There is no memory for the load's connections.");
    }
    h->base.ops = &transport_h2;
    h->setup = *setup;
    h->check_ns = INT64_MAX;
    net_ring_init(&h->conns);
    net_ring_init(&h->roomy);
    net_ring_init(&h->dirty);
    net_ring_init(&h->ended);
    buf_init(&h->words, WORDS_MAX);
    if (net_events_open(&h->events, setup->loop, h, err) != 0) {
        nghttp2_session_callbacks_del(h->callbacks);
        free(h);
        return -1;
    }
    h->handles = 1;
    *out = &h->base;
    return 0;
}

static int prepare(struct transport *t, struct exchange_spec *spec, struct seep_err *err)
{
    struct h2_plan *plan = calloc(1, sizeof *plan);
    if (!plan)
        return seep_fail(err, SEEP_E_SYSTEM, "There is no memory for the request of %s.", spec->name);
    *plan = (struct h2_plan){.h = of(t), .spec = spec, .next = of(t)->plans};
    net_ring_init(&plan->calls);
    of(t)->plans = plan;
    spec->own = plan;
    return 0;
}

// ---- which connection -----------------------------------------------------------------------------------------------

static int streams_max(const struct h2_conn *c)
{
    uint32_t theirs = nghttp2_session_get_remote_settings(c->session, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
    int ours = c->h->setup.streams > 1 ? c->h->setup.streams : 1;
    return theirs > 0 && theirs < (uint32_t)ours ? (int)theirs : ours;
}

static bool has_room(const struct h2_conn *c)
{
    return c->state != H2_CLOSED && !c->no_more && !c->bad && !c->fresh && c->streams < streams_max(c) &&
           nghttp2_session_check_request_allowed(c->session);
}

static void home_remove(struct h2_conn *c)
{
    for (struct h2_conn **at = (struct h2_conn **)&c->home->own; *at; at = &(*at)->home_next) {
        if (*at == c) {
            *at = c->home_next;
            return;
        }
    }
}

void h2_room_changed(struct h2_conn *c)
{
    if (c->home && c->state == H2_CLOSED)
        home_remove(c);
    net_ring_remove(&c->roomy);
    if (!c->home && has_room(c))
        net_ring_add(c->h->roomy.next, &c->roomy); // the last one used is taken first
}

static struct h2_conn *find_conn(struct h2 *h, const struct exchange *x)
{
    if (x->spec->fresh)
        return NULL;
    if (x->home) {
        for (struct h2_conn *c = x->home->own; c; c = c->home_next) {
            if (c->origin == x->origin && has_room(c))
                return c;
        }
        return NULL;
    }
    for (struct net_link *l = h->roomy.next; l != &h->roomy; l = l->next) {
        struct h2_conn *c = NET_OF(l, struct h2_conn, roomy);
        if (c->origin == x->origin)
            return c;
    }
    return NULL;
}

// An idle one goes when there are as many as there may be.
static void make_room(struct h2 *h)
{
    for (struct net_link *l = h->conns.next; h->n_conns >= h->setup.connections && l != &h->conns; l = l->next) {
        struct h2_conn *c = NET_OF(l, struct h2_conn, all);
        if (c->streams > 0)
            continue;
        h2_conn_close(c);
        return;
    }
}

static struct h2_conn *new_conn(struct h2 *h, const struct exchange *x)
{
    make_room(h);
    struct h2_conn *c = h2_conn_open(h, x);
    if (c && c->home) {
        c->home_next = c->home->own;
        c->home->own = c;
    }
    return c;
}

// ---- calls ----------------------------------------------------------------------------------------------------------

static void room_for(struct seep_buf *b, size_t most)
{
    if (b->cap > KEEP_MEMORY_MAX)
        buf_free(b);
    b->ceiling = most + 1;
    buf_clear(b);
}

static void begin(struct h2_call *call)
{
    call->body_at = 0;
    call->header_bytes = call->body_bytes = 0;
    call->status = 0;
    call->head_done = call->whole = call->bad = call->body_cut = false;
    room_for(&call->head, call->plan->spec->keep_head);
    room_for(&call->body, call->plan->spec->keep_body);
}

static void connect_call(struct h2 *h, struct h2_call *call, bool used_ones)
{
    struct h2_conn *c = used_ones ? find_conn(h, call->x) : NULL;
    begin(call);
    if (!c)
        c = new_conn(h, call->x);
    if (!c) {
        h2_call_end(call, transport_connect_end(errno), strerrordesc_np(errno));
        return;
    }
    call->conn = c;
    net_ring_add(&c->calls, &call->link);
    c->streams++;
    h2_room_changed(c);
    if (h2_stream_open(call) < 0)
        h2_call_end(call, EXCHANGE_LOCAL, "there is no memory for it");
}

// Out of its connection, which is kept for others or closed.
static void leave_conn(struct h2_call *call)
{
    struct h2_conn *c = call->conn;
    call->conn = NULL;
    net_ring_remove(&call->link);
    if (!c)
        return;
    c->streams--;
    h2_room_changed(c);
    if (c->streams == 0 && (c->fresh || c->no_more || c->state != H2_OPEN))
        h2_conn_close(c);
}

void h2_call_end(struct h2_call *call, enum exchange_end end, const char *why)
{
    if (call->conn)
        call->conn->served += end == EXCHANGE_WHOLE;
    leave_conn(call);
    net_ring_remove(&call->timeout);
    call->end = end;
    call->why = why;
    net_ring_add(&call->plan->h->ended, &call->link);
}

// As for HTTP/1.1 (net_call.c): a connection that was used before may be closed just as a request is sent.
void h2_call_broken(struct h2_call *call, enum exchange_end end, const char *why, bool unserved)
{
    struct h2 *h = call->plan->h;
    bool stale = call->conn->served > 0 && call->header_bytes == 0 && transport_is_idempotent(call->x->request->method);
    if (call->retried || !(unserved || stale)) {
        h2_call_end(call, end, why);
        return;
    }
    call->retried = true;
    h->retried++;
    leave_conn(call);
    connect_call(h, call, false);
}

static struct h2_call *call_new(struct h2 *h)
{
    struct h2_call *call = h->free_calls;
    if (!call)
        return calloc(1, sizeof *call);
    h->free_calls = call->next_free;
    return call;
}

static void call_free(struct h2 *h, struct h2_call *call)
{
    call->next_free = h->free_calls;
    h->free_calls = call;
}

// Calls of one spec have the same time: they stand in the order of their starts.
static void add_deadline(struct h2 *h, struct h2_call *call)
{
    struct net_link *ring = &call->plan->calls, *before = ring;
    call->deadline_ns = call->x->started_ns + call->plan->spec->timeout_ns;
    while (before->prev != ring && NET_OF(before->prev, struct h2_call, timeout)->deadline_ns > call->deadline_ns)
        before = before->prev;
    net_ring_add(before, &call->timeout);
    if (call->deadline_ns < h->check_ns)
        h->check_ns = call->deadline_ns;
}

static int start(struct transport *t, struct exchange *x)
{
    struct h2 *h = of(t);
    struct h2_call *call = call_new(h);
    if (!call)
        return -1;
    call->x = x;
    call->plan = x->spec->own;
    call->conn = NULL;
    call->retried = false;
    call->sent_bytes = 0;
    x->own = call;
    add_deadline(h, call);
    connect_call(h, call, true);
    return 0;
}

// What is left of its stream is of no interest to the connection.
static void abandon(struct h2_call *call)
{
    if (call->conn && call->conn->state != H2_CLOSED)
        h2_stream_cancel(call);
}

static void cancel(struct transport *t, struct exchange *x)
{
    struct h2_call *call = x->own;
    abandon(call);
    leave_conn(call); // of one that has ended but was not told: out of that ring
    net_ring_remove(&call->timeout);
    x->own = NULL;
    call_free(of(t), call);
}

static void fill(struct h2_call *call)
{
    const struct exchange_spec *spec = call->plan->spec;
    struct exchange_reply *r = &call->x->reply;
    bool heard = call->status >= 100;
    *r = (struct exchange_reply){.sent_bytes = call->sent_bytes,
                                 .why = call->why,
                                 .status = heard ? call->status : 0,
                                 .header_bytes = call->header_bytes,
                                 .body_bytes = call->body_bytes};
    if (heard && call->head.len) {
        r->head = call->head.data;
        r->head_len = call->head.len;
    }
    if (heard && spec->keep_body) {
        r->body = call->body.len ? call->body.data : "";
        r->body_len = call->body.len;
        r->body_cut = call->body_cut || call->body.failed;
    }
}

static bool tell_ended(struct h2 *h)
{
    bool any = !net_ring_empty(&h->ended);
    while (!net_ring_empty(&h->ended)) {
        struct h2_call *call = NET_OF(h->ended.next, struct h2_call, link);
        struct exchange *x = call->x;
        net_ring_remove(&call->link);
        fill(call);
        x->own = NULL;
        h->setup.done(x, call->end, clock_mono_ns());
        call_free(h, call); // not before: what it kept was being looked at
    }
    return any;
}

// ---- time-outs ------------------------------------------------------------------------------------------------------

static void time_out(struct h2_call *call)
{
    enum h2_conn_state state = call->conn->state;
    enum exchange_end end = state == H2_LOOKING      ? EXCHANGE_DNS
                            : state == H2_CONNECTING ? EXCHANGE_CONNECT
                                                     : EXCHANGE_TIMEOUT;
    abandon(call);
    h2_call_end(call, end, "there was no time left");
}

static bool expire_calls(struct h2 *h, struct h2_plan *plan, int64_t now_ns)
{
    bool any = false;
    for (; !net_ring_empty(&plan->calls); any = true) {
        struct h2_call *call = NET_OF(plan->calls.next, struct h2_call, timeout);
        if (call->deadline_ns > now_ns) {
            h->check_ns = call->deadline_ns < h->check_ns ? call->deadline_ns : h->check_ns;
            break;
        }
        time_out(call);
    }
    return any;
}

static bool expire_conns(struct h2 *h, int64_t now_ns)
{
    bool any = false;
    for (struct net_link *l = h->conns.next, *next; l != &h->conns; l = next) {
        struct h2_conn *c = NET_OF(l, struct h2_conn, all);
        next = l->next;
        if (c->connect_by_ns <= now_ns) {
            h2_conn_fail(c, c->state == H2_LOOKING ? EXCHANGE_DNS : EXCHANGE_CONNECT, "there was no time left");
            any = true;
        } else if (c->connect_by_ns < h->check_ns) {
            h->check_ns = c->connect_by_ns;
        }
    }
    return any;
}

static bool expire(struct h2 *h, int64_t now_ns)
{
    if (now_ns < h->check_ns)
        return false;
    h->check_ns = INT64_MAX;
    bool any = expire_conns(h, now_ns);
    for (struct h2_plan *p = h->plans; p; p = p->next)
        any = expire_calls(h, p, now_ns) || any;
    return any;
}

// ---- the turn -------------------------------------------------------------------------------------------------------

static bool turn(struct transport *t, int64_t now_ns)
{
    struct h2 *h = of(t);
    if (h->events.ready)
        h->events.ready = h2_dispatch(h);
    bool any = expire(h, now_ns) || h->events.ready;
    any = h2_flush(h) || any;
    any = tell_ended(h) || any;
    h2_bury(h);
    return any;
}

static int64_t next_ns(const struct transport *t)
{
    const struct h2 *h = of(t);
    return net_ring_empty(&h->ended) && net_ring_empty(&h->dirty) ? h->check_ns : 0;
}

static void leave(struct transport *t, struct transport_home *home)
{
    while (home->own)
        h2_conn_close(home->own);
    h2_bury(of(t));
}

static void counters(const struct transport *t, struct transport_counters *out)
{
    *out = (struct transport_counters){.connections = of(t)->opened, .retried = of(t)->retried};
}

static void restart(struct transport *t)
{
    struct h2 *h = of(t);
    while (!net_ring_empty(&h->conns))
        h2_conn_close(NET_OF(h->conns.next, struct h2_conn, all));
    h2_bury(h);
}

// ---- closing --------------------------------------------------------------------------------------------------------

void h2_release(struct h2 *h)
{
    if (--h->handles > 0)
        return;
    for (struct h2_plan *next; h->plans; h->plans = next) {
        next = h->plans->next;
        free(h->plans);
    }
    for (struct h2_call *next; h->free_calls; h->free_calls = next) {
        next = h->free_calls->next_free;
        buf_free(&h->free_calls->head);
        buf_free(&h->free_calls->body);
        free(h->free_calls);
    }
    nghttp2_session_callbacks_del(h->callbacks);
    buf_free(&h->words);
    free(h->field);
    free(h);
}

static void on_closed(uv_handle_t *handle)
{
    h2_release(handle->data);
}

static void close_transport(struct transport *t)
{
    struct h2 *h = of(t);
    restart(t);
    net_events_close(&h->events, on_closed);
}

const struct transport_ops transport_h2 = {
    .name = "own", // the load's engine of that name has several kinds
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
