// What comes in: fed to the parser of the protocol, kept as far as it is wanted. See net_state.h.
//
// Bytes come from anyone. The parsers bound them; here is decided what becomes of the call and of its connection. A
// reply that lies in the input in one piece is shown to the engine where it lies, without a copy.
#include "load/net_state.h"

enum { KEEP_MEMORY_MAX = 64 * 1024 }; // a larger buffer is given back after its reply

// ---- keeping --------------------------------------------------------------------------------------------------------

static void keep_begin(struct net_keep *k, size_t most)
{
    k->most = most;
    k->len = 0;
    k->data = NULL;
    k->cut = false;
    if (k->own.cap > KEEP_MEMORY_MAX)
        buf_free(&k->own);
    k->own.ceiling = most + 1;
    buf_clear(&k->own);
}

static void keep_append(struct net_keep *k, const char *data, size_t len)
{
    buf_add(&k->own, data, len);
    k->cut |= k->own.failed;
    k->data = k->own.data;
    k->len = k->own.len;
}

// To memory of its own, because the input is about to be used again or goes on elsewhere.
static void keep_copy(struct net_keep *k)
{
    if (k->len > 0 && k->data != k->own.data)
        keep_append(k, k->data, k->len);
}

static void keep_add(struct net_keep *k, const char *data, size_t len)
{
    size_t room = k->most - k->len;
    if (len > room) {
        k->cut = true;
        len = room;
    }
    if (len == 0)
        return;
    if (k->len == 0) {
        k->data = data;
        k->len = len;
    } else {
        keep_copy(k);
        keep_append(k, data, len);
    }
}

// ---- the end of a reply ---------------------------------------------------------------------------------------------

static void fill_kept(struct net_call *call)
{
    struct exchange_reply *r = &call->x->reply;
    if (call->head.len) {
        r->head = call->head.data;
        r->head_len = call->head.len;
    }
    if (call->body.most == 0)
        return;
    // What stands in the input right behind a kept body is over as well: the NUL that is promised finds room there.
    if (call->body.len && call->body.data != call->body.own.data)
        ((char *)(uintptr_t)call->body.data)[call->body.len] = '\0';
    r->body = call->body.len ? call->body.data : "";
    r->body_len = call->body.len;
    r->body_cut = call->body.cut;
}

void net_reply_fill(struct net_call *call)
{
    struct exchange_reply *r = &call->x->reply;
    *r = (struct exchange_reply){.sent_bytes = call->sent_bytes, .why = call->why};
    if (!call->conn || call->received_bytes == 0)
        return;
    if (call->plan->http) {
        const struct http1_reply *http = &call->conn->reply.http;
        r->status = http->status >= 100 ? http->status : 0; // it may have been cut short
        r->header_bytes = http->head_bytes;
        r->body_bytes = http->body_bytes;
    } else {
        r->body_bytes = call->received_bytes;
        r->error_reply = call->conn->reply.raw.errors > 0;
    }
    fill_kept(call);
}

static void whole(struct net_conn *c, bool keep)
{
    bool all_sent = c->state == NET_RECEIVING;
    net_call_end(c->call, EXCHANGE_WHOLE, NULL, keep && all_sent && !c->call->plan->spec->fresh && !c->peer_closed);
}

// ---- HTTP/1.1 -------------------------------------------------------------------------------------------------------

static void http_step(struct net_call *call, enum http1_step step, const char *from, size_t used, const char *piece,
                      size_t piece_len, bool in_head)
{
    if (in_head && call->head.most && step != HTTP1_INTERIM)
        keep_add(&call->head, from, used);
    if (step == HTTP1_INTERIM)
        keep_begin(&call->head, call->head.most);
    if (step == HTTP1_BODY && call->body.most)
        keep_add(&call->body, piece, piece_len);
}

// True: the call is over.
static bool feed_http(struct net_conn *c, const char *data, size_t len)
{
    struct net_call *call = c->call;
    struct http1_reply *r = &c->reply.http;
    enum http1_step step;
    do {
        const char *piece = NULL;
        size_t used, piece_len = 0;
        bool in_head = !r->head_done;
        step = http1_feed(r, data, len, &used, &piece, &piece_len);
        http_step(call, step, data, used, piece, piece_len, in_head);
        data += used;
        len -= used;
    } while (step == HTTP1_HEAD || step == HTTP1_BODY || step == HTTP1_INTERIM);
    if (step == HTTP1_DONE && len == 0)
        whole(c, r->keep_alive);
    else if (step == HTTP1_DONE)
        net_call_end(call, EXCHANGE_PROTOCOL, "more came than the reply", false);
    else if (step == HTTP1_BAD)
        net_call_end(call, r->head_large ? EXCHANGE_HEAD : EXCHANGE_PROTOCOL, r->why, false);
    else if (step == HTTP1_LARGE)
        net_call_end(call, EXCHANGE_BODY, "the body is too large", false);
    return step != HTTP1_MORE;
}

// ---- others ---------------------------------------------------------------------------------------------------------

static bool feed_raw(struct net_conn *c, const char *data, size_t len)
{
    struct net_call *call = c->call;
    struct raw_reply *r = &c->reply.raw;
    size_t used;
    enum raw_step step = raw_feed(r, data, len, &used);
    if (call->body.most)
        keep_add(&call->body, data, used);
    if (step == RAW_DONE && used == len)
        whole(c, true);
    else if (step == RAW_DONE)
        net_call_end(call, EXCHANGE_PROTOCOL, "more came than the reply", false);
    else if (step == RAW_BAD)
        net_call_end(call, EXCHANGE_PROTOCOL, r->why, false);
    else if (step == RAW_LARGE)
        net_call_end(call, EXCHANGE_BODY, "the reply is too large", false);
    return step != RAW_MORE;
}

// ---- for net_conn.c -------------------------------------------------------------------------------------------------

void net_reply_begin(struct net_conn *c)
{
    struct net_call *call = c->call;
    const struct exchange_spec *spec = call->plan->spec;
    call->received_bytes = 0;
    if (spec->keep_head || call->head.most)
        keep_begin(&call->head, spec->keep_head);
    if (spec->keep_body || call->body.most)
        keep_begin(&call->body, spec->keep_body);
    if (call->plan->http)
        http1_begin(&c->reply.http, call->head_request, spec->body_max);
    else
        raw_begin(&c->reply.raw, &call->plan->frame);
}

void net_reply_sent(struct net_conn *c)
{
    if (c->call->plan->unread)
        whole(c, true);
}

void net_reply_feed(struct net_conn *c, size_t len)
{
    struct net_call *call = c->call;
    call->received_bytes += len;
    if (call->plan->unread)
        return;
    bool over = call->plan->http ? feed_http(c, c->net->input, len) : feed_raw(c, c->net->input, len);
    if (over)
        return;
    keep_copy(&call->head);
    keep_copy(&call->body);
}

void net_reply_closed(struct net_conn *c)
{
    struct net_call *call = c->call;
    if (call->received_bytes == 0 || !call->plan->http) {
        net_call_broken(call, 0);
        return;
    }
    if (http1_closed(&c->reply.http) == HTTP1_DONE)
        whole(c, false);
    else
        net_call_end(call, EXCHANGE_CLOSED, c->reply.http.why, false);
}
