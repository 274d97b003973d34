// What the tests of transports share: a server on loopback that plays a script on each connection, and a client that
// carries exchanges through a transport on a loop of its own, as the engine does.
#ifndef SEEP_TESTS_NET_RIG_H
#define SEEP_TESTS_NET_RIG_H

#include "base/clock.h"
#include "load/transport.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

// ---- the server -----------------------------------------------------------------------------------------------------

enum { RIG_CONNS = 256 };

// Plays one connection, the nth from 0; what it does not close is closed after it.
typedef void rig_script(int fd, int nth);

struct rig {
    rig_script *script;
    int listener, n;
    pthread_t accepting, conn[RIG_CONNS];
    int fd[RIG_CONNS];
    char path[108]; // of a unix socket, else ""
    struct exchange_origin origin;
    char authority[32];
};

struct rig_conn {
    struct rig *rig;
    int fd, nth;
};

static inline void *rig_play(void *ctx)
{
    struct rig_conn c = *(struct rig_conn *)ctx;
    free(ctx);
    c.rig->script(c.fd, c.nth);
    shutdown(c.fd, SHUT_RDWR);
    return NULL;
}

static inline void *rig_accept(void *ctx)
{
    struct rig *r = ctx;
    while (r->n < RIG_CONNS) {
        int fd = accept4(r->listener, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0)
            return NULL;
        struct rig_conn *c = malloc(sizeof *c);
        *c = (struct rig_conn){r, fd, r->n};
        r->fd[r->n] = fd;
        if (pthread_create(&r->conn[r->n], NULL, rig_play, c) == 0)
            r->n++;
    }
    return NULL;
}

static inline void rig_listen_tcp(struct rig *r)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    r->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(r->listener, (struct sockaddr *)&at, len), 0);
    assert_int_equal(getsockname(r->listener, (struct sockaddr *)&at, &len), 0);
    snprintf(r->authority, sizeof r->authority, "127.0.0.1:%d", ntohs(at.sin_port));
    r->origin = (struct exchange_origin){.port = ntohs(at.sin_port), .host = "127.0.0.1", .authority = r->authority};
}

static inline void rig_listen_unix(struct rig *r)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    snprintf(r->path, sizeof r->path, "/tmp/seep-net-rig.%d", (int)getpid());
    memcpy(at.sun_path, r->path, sizeof r->path);
    r->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    unlink(r->path);
    assert_int_equal(bind(r->listener, (struct sockaddr *)&at, sizeof at), 0);
    r->origin = (struct exchange_origin){.port = 80, .host = "name", .authority = "name", .unix_path = r->path};
}

static inline void rig_begin(struct rig *r, rig_script *script, bool is_unix, int backlog)
{
    signal(SIGPIPE, SIG_IGN);
    *r = (struct rig){.script = script};
    if (is_unix)
        rig_listen_unix(r);
    else
        rig_listen_tcp(r);
    assert_int_equal(listen(r->listener, backlog), 0);
    if (script)
        assert_int_equal(pthread_create(&r->accepting, NULL, rig_accept, r), 0);
}

// Ends what still plays; returns how many connections there were.
static inline int rig_end(struct rig *r)
{
    shutdown(r->listener, SHUT_RDWR);
    if (r->script)
        pthread_join(r->accepting, NULL);
    for (int i = 0; i < r->n; i++)
        shutdown(r->fd[i], SHUT_RDWR);
    for (int i = 0; i < r->n; i++) {
        pthread_join(r->conn[i], NULL);
        close(r->fd[i]);
    }
    close(r->listener);
    if (r->path[0])
        unlink(r->path);
    return r->n;
}

// Reads one request without a body; false when the other side closed.
static inline bool rig_request(int fd)
{
    char seen[65536];
    size_t n = 0;
    while (n < sizeof seen - 1) {
        ssize_t got = recv(fd, seen + n, 1, 0);
        if (got <= 0)
            return false;
        seen[n += (size_t)got] = '\0';
        if (n >= 4 && memcmp(seen + n - 4, "\r\n\r\n", 4) == 0)
            return true;
    }
    return false;
}

static inline bool rig_bytes(int fd, const char *bytes, size_t len)
{
    for (size_t at = 0; at < len;) {
        ssize_t n = send(fd, bytes + at, len - at, MSG_NOSIGNAL);
        if (n <= 0)
            return false;
        at += (size_t)n;
    }
    return true;
}

static inline bool rig_text(int fd, const char *text)
{
    return rig_bytes(fd, text, strlen(text));
}

static inline void rig_until_closed(int fd)
{
    char drop[65536];
    while (recv(fd, drop, sizeof drop, 0) > 0)
        ;
}

// The connection ends with a reset.
static inline void rig_reset(int fd)
{
    struct sockaddr_storage at = {.ss_family = AF_UNSPEC};
    struct linger now = {.l_onoff = 1};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    connect(fd, (struct sockaddr *)&at, sizeof at); // drops it; the descriptor stays, to be closed by its owner
}

// ---- the client -----------------------------------------------------------------------------------------------------

struct seen { // what one exchange came to
    enum exchange_end end;
    int status, n; // n: how often it was told
    bool error_reply, body_cut;
    uint64_t header_bytes, body_bytes;
    size_t head_len, body_len;
    char head[4096], body[65536], why[128];
};

struct client {
    uv_loop_t loop;
    uv_check_t check;
    uv_timer_t tick;
    struct transport *transport;
    int told;
};

struct asked {         // one exchange
    struct exchange x; // the first
    struct client *client;
    struct seen seen;
    int again; // how often it is started again from inside done()
    int64_t keep_going;
};

static inline void client_start(struct client *c, struct asked *a)
{
    a->client = c;
    a->x.started_ns = clock_mono_ns();
    assert_int_equal(c->transport->ops->start(c->transport, &a->x), 0);
}

static inline void client_done(struct exchange *x, enum exchange_end end, int64_t now_ns)
{
    struct asked *a = (struct asked *)x;
    struct seen *s = &a->seen;
    const struct exchange_reply *r = &x->reply;
    assert_true(now_ns >= x->started_ns);
    s->end = end;
    s->n++;
    s->status = r->status;
    s->error_reply = r->error_reply;
    s->header_bytes = r->header_bytes;
    s->body_bytes = r->body_bytes;
    s->body_cut = r->body_cut;
    s->head_len = r->head ? r->head_len : 0;
    s->body_len = r->body ? r->body_len : 0;
    assert_true(s->head_len < sizeof s->head && s->body_len < sizeof s->body);
    memcpy(s->head, r->head ? r->head : "", s->head_len);
    memcpy(s->body, r->body ? r->body : "", s->body_len);
    s->head[s->head_len] = s->body[s->body_len] = '\0';
    if (r->body)
        assert_int_equal(r->body[r->body_len], '\0');
    snprintf(s->why, sizeof s->why, "%s", r->why ? r->why : "");
    a->client->told++;
    if (a->again > 0) {
        a->again--;
        client_start(a->client, a);
    }
}

static inline void client_turn(uv_check_t *check)
{
    struct client *c = check->data;
    while (c->transport && c->transport->ops->turn(c->transport, clock_mono_ns()))
        ;
}

static inline void client_tick(uv_timer_t *timer)
{
    (void)timer; // so that the loop turns
}

static inline void client_open_streams(struct client *c, const struct transport_ops *kind, int connections, int streams)
{
    struct seep_err err = {0};
    *c = (struct client){0};
    uv_loop_init(&c->loop);
    struct transport_setup setup = {
        .loop = &c->loop, .connections = connections, .streams = streams, .done = client_done};
    if (kind->open(&setup, &c->transport, &err) < 0)
        fail_msg("%s", err.text);
    uv_check_init(&c->loop, &c->check);
    uv_timer_init(&c->loop, &c->tick);
    c->check.data = c;
    uv_check_start(&c->check, client_turn);
    uv_timer_start(&c->tick, client_tick, 5, 5);
}

static inline void client_open(struct client *c, const struct transport_ops *kind, int connections)
{
    client_open_streams(c, kind, connections, 0);
}

// Runs until so many exchanges were told.
static inline void client_wait(struct client *c, int told)
{
    int64_t until_ns = clock_mono_ns() + 30 * (int64_t)1000000000;
    while (c->told < told) {
        if (clock_mono_ns() > until_ns)
            fail_msg("only %d of %d exchanges ended", c->told, told);
        uv_run(&c->loop, UV_RUN_ONCE);
    }
}

static inline void client_close(struct client *c)
{
    struct transport *t = c->transport;
    c->transport = NULL;
    t->ops->close(t);
    uv_close((uv_handle_t *)&c->check, NULL);
    uv_close((uv_handle_t *)&c->tick, NULL);
    uv_run(&c->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&c->loop), 0);
}

static inline struct exchange_request rig_get(const struct rig *r, const char *method, char *wire, size_t size)
{
    static const char *const headers[] = {"Accept: */*"};
    int len = snprintf(wire, size, "%s / HTTP/1.1\r\nHost: %s\r\nAccept: */*\r\n%s\r\n", method, r->origin.authority,
                       strcmp(method, "POST") == 0 ? "Content-Length: 0\r\n" : "");
    return (struct exchange_request){
        .method = method, .target = "/", .headers = headers, .n_headers = 1, .wire = wire, .wire_len = (size_t)len};
}

static inline struct exchange_spec rig_spec(const struct rig *r, const struct exchange_request *request)
{
    return (struct exchange_spec){.name = "step",
                                  .origin = &r->origin,
                                  .timeout_ns = 20 * (int64_t)1000000000,
                                  .body_max = 1 << 20,
                                  .keep_head = 4000,
                                  .keep_body = 60000,
                                  .constant = request};
}

static inline void client_prepare(struct client *c, struct exchange_spec *spec)
{
    struct seep_err err = {0};
    if (c->transport->ops->prepare(c->transport, spec, &err) < 0)
        fail_msg("%s", err.text);
}

static inline void client_ask(struct client *c, struct asked *a, const struct exchange_spec *spec)
{
    a->x = (struct exchange){.spec = spec, .origin = spec->origin, .request = spec->constant, .home = a->x.home};
    client_start(c, a);
}

#endif
