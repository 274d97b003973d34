// Connections through a proxy: see conn.h.
//
// A connection is two lanes, one for each direction. What is read from one side is cut into pieces by the toxics
// (toxic.h), each with the time at which it may go on; one timer a connection writes what is due. A lane holds a
// bounded number of bytes: beyond it its source is not read, so a slow reader slows its writer as it would without us.
#include "fault/conn.h"
#include "base/clock.h"

#include <stdlib.h>
#include <string.h>

enum {
    CONNS_MAX = 8192,         // of one proxy
    READ_BYTES = 64 * 1024,   // at once
    LANE_BYTES = 1024 * 1024, // waiting in one direction
    BACKLOG = 1024,
};

struct piece {
    struct piece *next;
    int64_t due_ns;
    size_t len;
    bool close; // the connection ends behind it
    char data[];
};

struct lane {
    struct fault_conn *conn;
    uv_tcp_t *from, *to;
    struct fault_lane state;
    struct piece *first, **last;
    struct piece *writing;
    size_t waiting;
    uv_write_t write;
    uv_shutdown_t shutdown;
    bool reading, from_ended, ended;
    int64_t end_due_ns;
    uint64_t *counter;
};

struct fault_conn {
    struct fault_proxy *proxy;
    struct fault_conn *next, **back;
    uv_tcp_t client, server;
    uv_timer_t timer;
    uv_connect_t connect;
    struct lane up, down;
    int open_handles;
    bool connected, closing;
};

static char read_buffer[READ_BYTES];

static void serve(struct fault_conn *c);

// ---- the end of a connection

static void free_pieces(struct lane *l)
{
    while (l->first) {
        struct piece *next = l->first->next;
        free(l->first);
        l->first = next;
    }
    free(l->writing);
}

static void closed(uv_handle_t *handle)
{
    struct fault_conn *c = handle->data;
    if (--c->open_handles > 0)
        return;
    *c->back = c->next;
    if (c->next)
        c->next->back = c->back;
    c->proxy->counts.open--;
    free_pieces(&c->up);
    free_pieces(&c->down);
    free(c);
}

static void close_conn(struct fault_conn *c, bool reset)
{
    if (c->closing)
        return;
    c->closing = true;
    uv_close((uv_handle_t *)&c->timer, closed);
    uv_tcp_t *sides[] = {&c->client, &c->server};
    for (int i = 0; i < 2; i++)
        if (!reset || uv_tcp_close_reset(sides[i], closed)) // refused where a shutdown is under way
            uv_close((uv_handle_t *)sides[i], closed);
}

// ---- writing

static void add_piece(struct lane *l, const char *data, const struct fault_piece *p)
{
    struct piece *q = malloc(sizeof *q + p->len);
    if (!q) { // a hole in the stream would be worse than its end
        close_conn(l->conn, true);
        return;
    }
    *q = (struct piece){.due_ns = p->due_ns, .len = p->len, .close = p->close};
    memcpy(q->data, data, p->len);
    *l->last = q;
    l->last = &q->next;
    l->waiting += p->len;
}

static void take_bytes(struct lane *l, const char *data, size_t len)
{
    struct fault_conn *c = l->conn;
    while (len > 0 && !c->closing) {
        struct fault_piece p = fault_lane_take(&l->state, &c->proxy->set, c->proxy->rng, clock_mono_ns(), len);
        if (!p.drop)
            add_piece(l, data, &p);
        data += p.len;
        len -= p.len;
    }
}

static void alloc_read(uv_handle_t *handle, size_t hint, uv_buf_t *buf)
{
    (void)handle;
    (void)hint;
    *buf = uv_buf_init(read_buffer, sizeof read_buffer);
}

static void on_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *buf)
{
    struct fault_conn *c = stream->data;
    struct lane *l = (uv_tcp_t *)stream == &c->client ? &c->up : &c->down;
    if (got < 0 && got != UV_EOF) {
        close_conn(c, true); // one side was reset: so is the other
        return;
    }
    if (got == UV_EOF) {
        l->from_ended = true;
        l->reading = false;
        l->end_due_ns = fault_lane_end_due(&l->state, &c->proxy->set, clock_mono_ns());
    } else {
        take_bytes(l, buf->base, (size_t)got);
    }
    serve(c);
}

static void on_written(uv_write_t *req, int status)
{
    struct lane *l = req->data;
    struct fault_conn *c = l->conn;
    struct piece *q = l->writing;
    l->writing = NULL;
    l->waiting -= q->len;
    *l->counter += q->len;
    bool end = q->close;
    free(q);
    if (status < 0 || end)
        close_conn(c, status < 0);
    else
        serve(c);
}

static void write_due(struct lane *l, int64_t now)
{
    struct piece *q = l->first;
    if (l->writing || !q || q->due_ns > now)
        return;
    l->first = q->next;
    if (!l->first)
        l->last = &l->first;
    l->writing = q;
    l->write.data = l;
    uv_buf_t buf = uv_buf_init(q->data, (unsigned)q->len);
    if (uv_write(&l->write, (uv_stream_t *)l->to, &buf, 1, on_written) == 0)
        return;
    free(q);
    l->writing = NULL;
    close_conn(l->conn, true);
}

static void on_shutdown(uv_shutdown_t *req, int status)
{
    (void)req;
    (void)status;
}

static void end_due(struct lane *l, int64_t now)
{
    if (!l->from_ended || l->ended || l->first || l->writing || l->end_due_ns > now)
        return;
    l->ended = true;
    if (uv_shutdown(&l->shutdown, (uv_stream_t *)l->to, on_shutdown))
        close_conn(l->conn, true);
}

static void pace_reading(struct lane *l)
{
    bool want = !l->from_ended && l->waiting < LANE_BYTES;
    if (want == l->reading)
        return;
    l->reading = want;
    if (!want)
        uv_read_stop((uv_stream_t *)l->from);
    else if (uv_read_start((uv_stream_t *)l->from, alloc_read, on_read))
        close_conn(l->conn, true);
}

// ---- time

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t lane_next(const struct lane *l)
{
    int64_t next = INT64_MAX;
    if (l->first && !l->writing)
        next = l->first->due_ns;
    if (l->from_ended && !l->ended && !l->first && !l->writing)
        next = earlier(next, l->end_due_ns);
    return next;
}

static void on_timer(uv_timer_t *timer)
{
    serve(timer->data);
}

// Both lanes: what is due is written, what is to end ends, and the timer is set to what comes next.
static void serve(struct fault_conn *c)
{
    if (c->closing || !c->connected)
        return;
    bool reset_up = false, reset_down = false;
    int64_t now = clock_mono_ns(), cut_up = fault_lane_cut_ns(&c->up.state, &c->proxy->set, &reset_up),
            cut_down = fault_lane_cut_ns(&c->down.state, &c->proxy->set, &reset_down);
    int64_t cut = earlier(cut_up, cut_down);
    if (cut <= now) {
        close_conn(c, cut_up <= cut_down ? reset_up : reset_down);
        return;
    }
    struct lane *lanes[] = {&c->up, &c->down};
    for (int i = 0; i < 2 && !c->closing; i++) {
        write_due(lanes[i], now);
        end_due(lanes[i], now);
        pace_reading(lanes[i]);
    }
    if (c->up.ended && c->down.ended)
        close_conn(c, false);
    if (c->closing)
        return;
    int64_t next = earlier(cut, earlier(lane_next(&c->up), lane_next(&c->down)));
    uv_update_time(c->timer.loop);
    if (next == INT64_MAX)
        uv_timer_stop(&c->timer);
    else
        uv_timer_start(&c->timer, on_timer, next > now ? (uint64_t)((next - now + 999999) / 1000000) : 0, 0);
}

// ---- the beginning of a connection

static void on_connected(uv_connect_t *req, int status)
{
    struct fault_conn *c = req->data;
    if (c->closing)
        return;
    if (status < 0) {
        c->proxy->counts.refused++;
        close_conn(c, false);
        return;
    }
    c->connected = true;
    serve(c);
}

static void init_lane(struct fault_conn *c, struct lane *l, bool upstream)
{
    l->conn = c;
    l->from = upstream ? &c->client : &c->server;
    l->to = upstream ? &c->server : &c->client;
    l->state.upstream = upstream;
    l->last = &l->first;
    l->counter = upstream ? &c->proxy->counts.to_server_bytes : &c->proxy->counts.to_client_bytes;
    fault_lane_follow(&l->state, &c->proxy->set, c->proxy->rng, clock_mono_ns());
}

static struct fault_conn *new_conn(struct fault_proxy *p)
{
    struct fault_conn *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    c->proxy = p;
    uv_tcp_init(p->loop, &c->client);
    uv_tcp_init(p->loop, &c->server);
    uv_timer_init(p->loop, &c->timer);
    c->client.data = c->server.data = c->timer.data = c->connect.data = c;
    c->open_handles = 3;
    c->back = &p->conns;
    c->next = p->conns;
    if (c->next)
        c->next->back = &c->next;
    p->conns = c;
    p->counts.open++;
    init_lane(c, &c->up, true);
    init_lane(c, &c->down, false);
    return c;
}

static void on_connection(uv_stream_t *stream, int status)
{
    struct fault_proxy *p = stream->data;
    struct fault_conn *c = status < 0 ? NULL : new_conn(p);
    if (!c)
        return;
    p->counts.connections++;
    if (uv_accept(stream, (uv_stream_t *)&c->client) || p->counts.open > CONNS_MAX) {
        p->counts.refused++;
        close_conn(c, true);
        return;
    }
    uv_tcp_nodelay(&c->client, 1);
    uv_tcp_nodelay(&c->server, 1);
    if (uv_tcp_connect(&c->connect, &c->server, (struct sockaddr *)&p->to, on_connected)) {
        p->counts.refused++;
        close_conn(c, false);
    }
}

// ---- proxies

static void closed_listener(uv_handle_t *handle)
{
    struct fault_proxy *p = handle->data;
    p->closing_listener = false;
}

static void stop_listening(struct fault_proxy *p)
{
    if (!p->listening)
        return;
    p->listening = false;
    p->closing_listener = true;
    uv_close((uv_handle_t *)&p->listener, closed_listener);
}

int fault_proxy_listen(struct fault_proxy *p, struct seep_err *err)
{
    if (p->listening || p->closing_listener)
        return p->listening ? 0 : seep_fail(err, SEEP_E_SYSTEM, "The proxy '%s' is being closed", p->name);
    uv_tcp_init(p->loop, &p->listener);
    p->listener.data = p;
    int rc = uv_tcp_bind(&p->listener, (struct sockaddr *)&p->listen_at, 0);
    if (!rc)
        rc = uv_listen((uv_stream_t *)&p->listener, BACKLOG, on_connection);
    p->listening = true;
    if (!rc)
        return 0;
    stop_listening(p);
    return seep_fail(err, SEEP_E_SYSTEM, "The proxy '%s' cannot listen: %s", p->name, uv_strerror(rc));
}

static void close_conns(struct fault_proxy *p, bool reset)
{
    for (struct fault_conn *c = p->conns, *next; c; c = next) {
        next = c->next;
        close_conn(c, reset);
    }
}

// What waits goes on at once when a toxic that held it back is gone; a connection that lost bytes to one cannot go on.
static void follow(struct fault_conn *c)
{
    struct lane *lanes[] = {&c->up, &c->down};
    int64_t now = clock_mono_ns();
    for (int i = 0; i < 2; i++) {
        struct lane *l = lanes[i];
        bool dropped = l->state.dropped;
        if (!fault_lane_follow(&l->state, &c->proxy->set, c->proxy->rng, now))
            continue;
        for (struct piece *q = l->first; q; q = q->next)
            q->due_ns = earlier(q->due_ns, now);
        l->end_due_ns = earlier(l->end_due_ns, now);
        if (dropped) {
            close_conn(c, false);
            return;
        }
    }
    serve(c);
}

bool fault_proxy_changed(struct fault_proxy *p)
{
    struct seep_err err;
    if (fault_set_down(&p->set)) {
        stop_listening(p);
        close_conns(p, false);
        return true;
    }
    for (struct fault_conn *c = p->conns, *next; c; c = next) {
        next = c->next;
        if (!c->closing)
            follow(c);
    }
    return p->listening || fault_proxy_listen(p, &err) == 0;
}

void fault_proxy_close(struct fault_proxy *p)
{
    stop_listening(p);
    close_conns(p, false);
}
