// Requests and replies as nghttp2 sees them. See h2_state.h.
//
// What comes is from anyone. nghttp2 holds frames, compressed headers and lengths to the protocol (RFC 9113); here the
// size of heads and bodies is bounded, and nothing is kept that was not asked for.
#include "load/h2_state.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

// ---- the request ----------------------------------------------------------------------------------------------------

// Fields of HTTP/1.1's connections have no place in HTTP/2 (RFC 9113 8.2.2); Host becomes :authority.
static bool is_dropped(const char *line)
{
    static const char *const names[] = {"Host:",    "Connection:",        "Keep-Alive:",    "Proxy-Connection:",
                                        "Upgrade:", "Transfer-Encoding:", "Content-Length:"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strncasecmp(line, names[i], strlen(names[i])) == 0)
            return true;
    }
    return false;
}

static const char *value_of(const struct exchange_request *r, const char *name)
{
    for (size_t i = 0; i < r->n_headers; i++) {
        size_t len = strlen(name);
        if (strncasecmp(r->headers[i], name, len) == 0 && r->headers[i][len] == ':')
            return r->headers[i] + len + 1 + strspn(r->headers[i] + len + 1, " \t");
    }
    return NULL;
}

// Texts lie in one buffer that may move while it grows: fields hold places until all are there.
static void add_field(struct h2 *h, size_t *n, const char *name, size_t name_len, const char *value, size_t value_len)
{
    struct seep_buf *w = &h->words;
    nghttp2_nv *f = &h->field[(*n)++];
    *f = (nghttp2_nv){.name = (uint8_t *)w->len, .namelen = name_len, .valuelen = value_len};
    for (size_t i = 0; i < name_len; i++)
        buf_char(w, (char)tolower((unsigned char)name[i]));
    f->value = (uint8_t *)w->len;
    if (value_len)
        buf_add(w, value, value_len);
}

static void add_text(struct h2 *h, size_t *n, const char *name, const char *value)
{
    add_field(h, n, name, strlen(name), value, strlen(value));
}

static void add_lines(struct h2 *h, size_t *n, const struct exchange_request *r)
{
    for (size_t i = 0; i < r->n_headers; i++) {
        const char *line = r->headers[i], *colon = strchr(line, ':');
        if (!colon || is_dropped(line))
            continue;
        const char *value = colon + 1 + strspn(colon + 1, " \t");
        size_t len = strlen(value);
        while (len && (value[len - 1] == ' ' || value[len - 1] == '\t'))
            len--;
        add_field(h, n, line, (size_t)(colon - line), value, len);
    }
}

static bool make_room(struct h2 *h, size_t n)
{
    if (h->n_fields >= n)
        return true;
    nghttp2_nv *more = realloc(h->field, n * sizeof *more);
    if (!more)
        return false;
    h->field = more;
    h->n_fields = n;
    return true;
}

static void add_length(struct h2 *h, size_t *n, const struct exchange_request *r)
{
    char length[24];
    snprintf(length, sizeof length, "%zu", r->body_len);
    if (r->body || strcmp(r->method, "POST") == 0)
        add_text(h, n, "content-length", length);
}

// The fields of the request, in h->field; 0: no memory.
static size_t fields(struct h2 *h, const struct exchange *x)
{
    const struct exchange_request *r = x->request;
    const char *host = value_of(r, "Host");
    size_t n = 0;
    if (!make_room(h, r->n_headers + 5))
        return 0;
    buf_clear(&h->words);
    add_text(h, &n, ":method", r->method);
    add_text(h, &n, ":scheme", "http");
    add_text(h, &n, ":authority", host && *host ? host : x->origin->authority);
    add_text(h, &n, ":path", r->target);
    add_lines(h, &n, r);
    add_length(h, &n, r);
    for (size_t i = 0; i < n; i++) {
        h->field[i].name = (uint8_t *)h->words.data + (size_t)h->field[i].name;
        h->field[i].value = (uint8_t *)h->words.data + (size_t)h->field[i].value;
    }
    return h->words.failed ? 0 : n;
}

static ssize_t read_body(nghttp2_session *session, int32_t stream, uint8_t *into, size_t most, uint32_t *flags,
                         nghttp2_data_source *source, void *ctx)
{
    (void)session;
    (void)stream;
    (void)ctx;
    struct h2_call *call = source->ptr;
    const struct exchange_request *r = call->x->request;
    size_t left = r->body_len - call->body_at, n = left < most ? left : most;
    if (n)
        memcpy(into, r->body + call->body_at, n);
    call->body_at += n;
    if (call->body_at == r->body_len)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)n;
}

int h2_stream_open(struct h2_call *call)
{
    struct h2_conn *c = call->conn;
    size_t n = fields(c->h, call->x);
    const nghttp2_data_provider body = {.source.ptr = call, .read_callback = read_body};
    if (n == 0)
        return -1;
    int32_t id =
        nghttp2_submit_request(c->session, NULL, c->h->field, n, call->x->request->body_len ? &body : NULL, call);
    if (id < 0)
        return -1;
    call->stream = id;
    h2_conn_dirty(c);
    return 0;
}

void h2_stream_cancel(struct h2_call *call)
{
    struct h2_conn *c = call->conn;
    nghttp2_session_set_stream_user_data(c->session, call->stream, NULL);
    if (nghttp2_submit_rst_stream(c->session, NGHTTP2_FLAG_NONE, call->stream, NGHTTP2_CANCEL) == 0)
        h2_conn_dirty(c);
}

// ---- the reply ------------------------------------------------------------------------------------------------------

static struct h2_call *call_of(nghttp2_session *session, int32_t stream)
{
    return stream > 0 ? nghttp2_session_get_stream_user_data(session, stream) : NULL;
}

static void keep(struct h2_call *call, struct seep_buf *b, size_t most, const void *data, size_t len)
{
    size_t room = most > b->len ? most - b->len : 0;
    if (len > room && b == &call->body)
        call->body_cut = true;
    if (len && room)
        buf_add(b, data, len < room ? len : room);
}

static void keep_line(struct h2_call *call, const char *name, size_t name_len, const char *between, const char *value,
                      size_t value_len)
{
    size_t most = call->plan->spec->keep_head;
    call->header_bytes += name_len + strlen(between) + value_len + 2;
    if (most == 0)
        return;
    keep(call, &call->head, most, name, name_len);
    keep(call, &call->head, most, between, strlen(between));
    keep(call, &call->head, most, value, value_len);
    keep(call, &call->head, most, "\r\n", 2);
}

// What is found wrong within a callback: the stream is ended at once, the call with it.
static void refuse(struct h2_call *call, enum exchange_end end, const char *why)
{
    h2_stream_cancel(call);
    h2_call_end(call, end, why);
}

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *ctx)
{
    (void)ctx;
    struct h2_call *call = call_of(session, frame->hd.stream_id);
    if (call && !call->head_done) { // an interim reply (1xx) was no reply
        call->status = 0;
        buf_clear(&call->head);
    }
    return 0;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_len,
                     const uint8_t *value, size_t value_len, uint8_t flags, void *ctx)
{
    (void)flags;
    (void)ctx;
    struct h2_call *call = call_of(session, frame->hd.stream_id);
    if (!call)
        return 0;
    if (call->head_done) { // trailers
        call->header_bytes += name_len + value_len + 4;
    } else if (name_len == 7 && memcmp(name, ":status", 7) == 0) {
        for (size_t i = 0; i < value_len && i < 3; i++)
            call->status = call->status * 10 + (value[i] - '0'); // nghttp2 lets only three digits through
        keep_line(call, "HTTP/2", 6, " ", (const char *)value, value_len);
    } else {
        keep_line(call, (const char *)name, name_len, ": ", (const char *)value, value_len);
    }
    if (call->header_bytes > EXCHANGE_HEAD_MAX)
        refuse(call, EXCHANGE_HEAD, "the header is too large");
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t stream, const uint8_t *data, size_t len, void *ctx)
{
    (void)flags;
    (void)ctx;
    struct h2_call *call = call_of(session, stream);
    if (!call)
        return 0;
    call->body_bytes += len;
    keep(call, &call->body, call->plan->spec->keep_body, data, len);
    if (call->body_bytes > call->plan->spec->body_max)
        refuse(call, EXCHANGE_BODY, "the body is too large");
    return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *ctx)
{
    struct h2_conn *c = ctx;
    struct h2_call *call = call_of(session, frame->hd.stream_id);
    if (frame->hd.type == NGHTTP2_GOAWAY) {
        c->no_more = true;
        h2_room_changed(c);
    }
    if (!call || (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA))
        return 0;
    if (frame->hd.type == NGHTTP2_HEADERS && call->status >= 200 && !call->head_done) {
        call->head_done = true;
        keep_line(call, "", 0, "", "", 0);
    }
    call->whole = call->head_done && frame->hd.flags & NGHTTP2_FLAG_END_STREAM;
    return 0;
}

static int on_invalid(nghttp2_session *session, const nghttp2_frame *frame, int error, void *ctx)
{
    (void)error;
    (void)ctx;
    struct h2_call *call = call_of(session, frame->hd.stream_id);
    if (call)
        call->bad = true;
    return 0;
}

static int on_sent(nghttp2_session *session, const nghttp2_frame *frame, void *ctx)
{
    struct h2_conn *c = ctx;
    struct h2_call *call = call_of(session, frame->hd.stream_id);
    if (call && (frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA))
        call->sent_bytes += frame->hd.length + 9;
    if (call && frame->hd.type == NGHTTP2_RST_STREAM && frame->rst_stream.error_code == NGHTTP2_PROTOCOL_ERROR)
        call->bad = true; // nghttp2 found the reply to be none
    if (frame->hd.type == NGHTTP2_GOAWAY && frame->goaway.error_code != NGHTTP2_NO_ERROR)
        c->bad = true;
    return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t stream, uint32_t error, void *ctx)
{
    struct h2_conn *c = ctx;
    struct h2_call *call = call_of(session, stream);
    if (!call)
        return 0;
    if (call->whole && (error == NGHTTP2_NO_ERROR || call->body_at < call->x->request->body_len))
        h2_call_end(call, EXCHANGE_WHOLE, NULL);
    else if (error == NGHTTP2_REFUSED_STREAM)
        h2_call_broken(call, EXCHANGE_RESET, "the server refused the stream", true);
    else if (call->bad || c->bad)
        h2_call_end(call, EXCHANGE_PROTOCOL, "what came is no HTTP/2");
    else
        h2_call_end(call, EXCHANGE_RESET, nghttp2_http2_strerror(error));
    return 0;
}

int h2_stream_callbacks(nghttp2_session_callbacks **out)
{
    if (nghttp2_session_callbacks_new(out) != 0)
        return -1;
    nghttp2_session_callbacks_set_on_begin_headers_callback(*out, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(*out, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(*out, on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(*out, on_frame);
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(*out, on_invalid);
    nghttp2_session_callbacks_set_on_frame_send_callback(*out, on_sent);
    nghttp2_session_callbacks_set_on_stream_close_callback(*out, on_stream_close);
    return 0;
}
