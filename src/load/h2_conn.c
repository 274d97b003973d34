// Connections of HTTP/2: look-up, connect, send, receive, the events of all of them. See h2_state.h.
//
// What nghttp2 wants to send is taken from it at the end of a turn, so that requests begun together leave together. A
// closed connection is freed at the end of a turn as well: events of this one, and nghttp2, may still be at it.
#include "base/clock.h"
#include "load/h2_state.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/un.h>
#include <unistd.h>

enum { EVENTS = 128, READS = 4, STREAM_WINDOW = 1 << 20, CONN_WINDOW = 1 << 24 };

// A look-up outlives the connection that wanted it.
struct h2_lookup {
    uv_getaddrinfo_t request;
    struct h2 *h;
    struct h2_conn *conn; // NULL: it is gone
};

static void fail_errno(struct h2_conn *c, int error)
{
    enum exchange_end end = c->state != H2_OPEN         ? transport_connect_end(error)
                            : transport_is_local(error) ? EXCHANGE_LOCAL
                            : error                     ? EXCHANGE_RESET
                                                        : EXCHANGE_CLOSED;
    h2_conn_fail(c, c->bad ? EXCHANGE_PROTOCOL : end,
                 error ? strerrordesc_np(error) : "the server closed the connection");
}

// ---- connecting -----------------------------------------------------------------------------------------------------

static int watch(struct h2_conn *c, bool for_write)
{
    return net_events_watch(&c->h->events, c->fd, &c->interest, for_write, c);
}

static void forget_socket(struct h2_conn *c)
{
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
    c->interest = (struct net_interest){0};
}

static int connect_to(struct h2_conn *c, const struct sockaddr *to, socklen_t len)
{
    const int on = 1;
    c->fd = socket(to->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->fd < 0)
        return -1;
    if (to->sa_family != AF_UNIX)
        setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if ((connect(c->fd, to, len) == 0 || errno == EINPROGRESS) && watch(c, true) == 0) {
        c->state = H2_CONNECTING;
        return 0;
    }
    int error = errno;
    forget_socket(c);
    errno = error;
    return -1;
}

// The next of the addresses that are left; -1 with errno when there is none.
static int connect_next(struct h2_conn *c)
{
    int error = ECONNREFUSED;
    while (c->at) {
        const struct addrinfo *to = c->at;
        c->at = to->ai_next;
        if (connect_to(c, to->ai_addr, to->ai_addrlen) == 0)
            return 0;
        error = errno;
        if (transport_is_local(error))
            break;
    }
    errno = error;
    return -1;
}

static int connect_unix(struct h2_conn *c)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    size_t len = strlen(c->origin->unix_path);
    if (len >= sizeof un.sun_path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(un.sun_path, c->origin->unix_path, len + 1);
    return connect_to(c, (const struct sockaddr *)&un, sizeof un);
}

static void on_answer(uv_getaddrinfo_t *request, int status, struct addrinfo *list)
{
    struct h2_lookup *l = request->data;
    struct h2_conn *c = l->conn;
    struct h2 *h = l->h;
    free(l);
    if (!c) {
        uv_freeaddrinfo(list);
    } else {
        c->lookup = NULL;
        c->list = c->at = list;
        if (status != 0 || !list)
            h2_conn_fail(c, EXCHANGE_DNS, status ? uv_strerror(status) : "the name has no address");
        else if (connect_next(c) < 0)
            fail_errno(c, errno);
    }
    h2_release(h);
}

static int look_up(struct h2_conn *c, const char *port)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    struct h2_lookup *l = calloc(1, sizeof *l);
    if (!l)
        return -1;
    *l = (struct h2_lookup){.h = c->h, .conn = c};
    l->request.data = l;
    if (uv_getaddrinfo(c->h->setup.loop, &l->request, on_answer, c->origin->host, port, &hints) != 0) {
        free(l);
        errno = ENOMEM;
        return -1;
    }
    c->lookup = l;
    c->state = H2_LOOKING;
    c->h->handles++;
    return 0;
}

static int find_way(struct h2_conn *c)
{
    char port[8];
    const struct addrinfo literal = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV};
    snprintf(port, sizeof port, "%u", c->origin->port);
    if (c->origin->unix_path)
        return connect_unix(c);
    if (getaddrinfo(c->origin->host, port, &literal, &c->list) != 0) {
        c->list = NULL;
        return look_up(c, port);
    }
    c->at = c->list;
    return connect_next(c);
}

static int open_session(struct h2_conn *c)
{
    const nghttp2_settings_entry settings[] = {{NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
                                               {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, STREAM_WINDOW},
                                               {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, EXCHANGE_HEAD_MAX}};
    errno = ENOMEM;
    if (nghttp2_session_client_new(&c->session, c->h->callbacks, c) != 0)
        return -1;
    return nghttp2_submit_settings(c->session, NGHTTP2_FLAG_NONE, settings, sizeof settings / sizeof *settings) == 0 &&
                   nghttp2_session_set_local_window_size(c->session, NGHTTP2_FLAG_NONE, 0, CONN_WINDOW) == 0
               ? 0
               : -1;
}

struct h2_conn *h2_conn_open(struct h2 *h, const struct exchange *x)
{
    struct h2_conn *c = calloc(1, sizeof *c);
    if (!c) {
        errno = ENOMEM;
        return NULL;
    }
    int64_t within_ns = x->spec->connect_timeout_ns;
    *c = (struct h2_conn){.h = h,
                          .origin = x->origin,
                          .home = x->home,
                          .fd = -1,
                          .fresh = x->spec->fresh,
                          .connect_by_ns = within_ns > 0 ? clock_mono_ns() + within_ns : INT64_MAX};
    net_ring_init(&c->calls);
    net_ring_add(&h->conns, &c->all);
    h->n_conns++;
    if (open_session(c) < 0 || find_way(c) < 0) {
        int error = errno;
        h2_conn_close(c);
        errno = error;
        return NULL;
    }
    if (c->connect_by_ns < h->check_ns)
        h->check_ns = c->connect_by_ns;
    return c;
}

// ---- the end --------------------------------------------------------------------------------------------------------

void h2_conn_close(struct h2_conn *c)
{
    struct h2 *h = c->h;
    if (c->state == H2_CLOSED)
        return;
    c->state = H2_CLOSED;
    h2_room_changed(c);
    if (c->lookup) {
        c->lookup->conn = NULL;
        uv_cancel((uv_req_t *)&c->lookup->request); // told all the same, later
    }
    forget_socket(c);
    net_ring_remove(&c->all);
    net_ring_remove(&c->dirty);
    h->n_conns--;
    c->next_dead = h->dead;
    h->dead = c;
}

void h2_conn_fail(struct h2_conn *c, enum exchange_end end, const char *why)
{
    struct net_link calls;
    bool was_open = c->state == H2_OPEN;
    net_ring_init(&calls);
    while (!net_ring_empty(&c->calls)) {
        struct net_link *first = c->calls.next;
        net_ring_remove(first);
        net_ring_add(&calls, first);
    }
    h2_conn_close(c);
    while (!net_ring_empty(&calls)) {
        struct h2_call *call = NET_OF(calls.next, struct h2_call, link);
        if (was_open && (end == EXCHANGE_RESET || end == EXCHANGE_CLOSED))
            h2_call_broken(call, end, why, false);
        else
            h2_call_end(call, end, why);
    }
}

void h2_bury(struct h2 *h)
{
    while (h->dead) {
        struct h2_conn *c = h->dead;
        h->dead = c->next_dead;
        if (c->list)
            freeaddrinfo(c->list);
        nghttp2_session_del(c->session);
        free(c);
    }
}

// ---- sending --------------------------------------------------------------------------------------------------------

void h2_conn_dirty(struct h2_conn *c)
{
    if (c->state != H2_CLOSED && !c->dirty.next)
        net_ring_add(&c->h->dirty, &c->dirty);
}

static void receive(struct h2_conn *c);

// Nothing can be sent any more, yet what the other side said before it closed may still lie there.
static void send_failed(struct h2_conn *c, int error)
{
    if (error == EPIPE || error == ECONNRESET)
        receive(c);
    if (c->state == H2_OPEN)
        fail_errno(c, error == EPIPE ? 0 : error);
}

// All that its session has to send, as far as the socket takes it. -1: the connection is over.
static int send_all(struct h2_conn *c)
{
    for (;;) {
        ssize_t n = c->out_len ? 0 : nghttp2_session_mem_send(c->session, &c->out);
        if (n < 0) {
            h2_conn_fail(c, EXCHANGE_LOCAL, nghttp2_strerror((int)n));
            return -1;
        }
        c->out_len += (size_t)n;
        if (c->out_len == 0)
            return watch(c, false);
        n = send(c->fd, c->out, c->out_len, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return watch(c, true);
        if (n < 0) {
            send_failed(c, errno);
            return -1;
        }
        c->out += n;
        c->out_len -= (size_t)n;
    }
}

static void flush_conn(struct h2_conn *c)
{
    if (c->state != H2_OPEN || send_all(c) < 0)
        return;
    bool over = !nghttp2_session_want_read(c->session) && !nghttp2_session_want_write(c->session);
    if (over)
        h2_conn_fail(c, c->bad ? EXCHANGE_PROTOCOL : EXCHANGE_CLOSED,
                     c->bad ? "what came is no HTTP/2" : "the server closed the connection");
    else if (c->no_more && c->streams == 0)
        h2_conn_close(c);
}

bool h2_flush(struct h2 *h)
{
    bool any = !net_ring_empty(&h->dirty);
    struct net_link round;
    net_ring_init(&round);
    while (!net_ring_empty(&h->dirty)) {
        struct net_link *first = h->dirty.next;
        net_ring_remove(first);
        net_ring_add(&round, first);
    }
    while (!net_ring_empty(&round)) {
        struct h2_conn *c = NET_OF(round.next, struct h2_conn, dirty);
        net_ring_remove(&c->dirty);
        flush_conn(c);
    }
    return any;
}

// ---- events ---------------------------------------------------------------------------------------------------------

static void connected(struct h2_conn *c)
{
    int error = 0;
    socklen_t len = sizeof error;
    getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &len);
    if (error) {
        forget_socket(c);
        if (transport_is_local(error) || connect_next(c) < 0)
            fail_errno(c, transport_is_local(error) ? error : errno ? errno : error);
        return;
    }
    c->state = H2_OPEN;
    c->connect_by_ns = INT64_MAX;
    c->h->opened++;
    h2_conn_dirty(c);
}

// A session that has come to its end by what it read is seen when it is flushed.
static void receive(struct h2_conn *c)
{
    struct h2 *h = c->h;
    for (int i = 0; i < READS && c->state == H2_OPEN; i++) {
        ssize_t got = recv(c->fd, h->input, H2_INPUT_MAX, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            if (got == 0 || errno != EAGAIN)
                fail_errno(c, got == 0 ? 0 : errno);
            return;
        }
        ssize_t used = nghttp2_session_mem_recv(c->session, h->input, (size_t)got);
        if (used < 0) {
            h2_conn_fail(c, used == NGHTTP2_ERR_NOMEM ? EXCHANGE_LOCAL : EXCHANGE_PROTOCOL,
                         nghttp2_strerror((int)used));
            return;
        }
        h2_conn_dirty(c);
        if (got < H2_INPUT_MAX)
            return;
    }
}

static void on_event(struct h2_conn *c, uint32_t events)
{
    if (c->state == H2_CONNECTING && events & (EPOLLOUT | EPOLLERR | EPOLLHUP))
        connected(c);
    else if (c->state == H2_OPEN && events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        receive(c);
    if (c->state == H2_OPEN && events & EPOLLOUT)
        h2_conn_dirty(c);
}

bool h2_dispatch(struct h2 *h)
{
    struct epoll_event event[EVENTS];
    int got = epoll_wait(h->events.epoll_fd, event, EVENTS, 0);
    for (int i = 0; i < got; i++)
        on_event(event[i].data.ptr, event[i].events);
    return got > 0;
}
