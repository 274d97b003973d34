// Connections: connect, send, receive, and the events of all of them. See net_state.h.
//
// Sending is tried at once, on a connection that is still being made too: on loopback it is there by then, so that a
// request costs one send, one recv and its share of an epoll_wait. A reply never is there at once: reading is left to
// the event.
#include "load/net_state.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { EVENTS = 128, READS = 4 }; // READS: of one connection in a row, so that a fast one leaves time to others

// ---- registering ----------------------------------------------------------------------------------------------------

static int watch(struct net_conn *c, bool for_write)
{
    return net_events_watch(&c->net->events, c->fd, &c->interest, for_write, c);
}

// ---- connecting -----------------------------------------------------------------------------------------------------

static int connect_to(struct net_conn *c, int i)
{
    const struct net_address *a = c->address;
    const struct sockaddr *to = (const struct sockaddr *)&a->to[i];
    c->fd = socket(to->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->fd < 0)
        return -1;
    const int on = 1;
    if (to->sa_family != AF_UNIX)
        setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(c->fd, to, a->to_len[i]) == 0 || errno == EINPROGRESS)
        return 0;
    int error = errno;
    close(c->fd);
    c->fd = -1;
    errno = error;
    return -1;
}

// The next of the addresses that are left to try, beginning with the one that last worked.
static int connect_next(struct net_conn *c)
{
    const struct net_address *a = c->address;
    errno = ENAMETOOLONG;
    while (c->tried < a->n_to) {
        c->at = (a->good + c->tried++) % a->n_to;
        if (connect_to(c, c->at) == 0)
            return 0;
        if (transport_is_local(errno) || errno == EAGAIN)
            return -1;
    }
    return -1;
}

static void forget_socket(struct net_conn *c)
{
    if (c->fd >= 0)
        close(c->fd); // leaves the epoll set by itself
    c->fd = -1;
    c->interest = (struct net_interest){0};
}

// ---- sending --------------------------------------------------------------------------------------------------------

static void broken(struct net_conn *c, int error);

static void connected(struct net_conn *c)
{
    if (c->state != NET_CONNECTING)
        return;
    c->address->good = c->at;
    c->net->opened++;
    c->state = NET_SENDING;
    net_deadline_of_exchange(c->call);
}

static void send_more(struct net_conn *c)
{
    struct net_call *call = c->call;
    const struct exchange_request *r = call->x->request;
    ssize_t n = send(c->fd, r->wire + call->sent, r->wire_len - call->sent, MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN && errno != EINTR) {
        broken(c, errno);
        return;
    }
    if (n >= 0) {
        connected(c);
        call->sent += (size_t)n;
        call->sent_bytes += (uint64_t)n;
    }
    bool all = n >= 0 && call->sent == r->wire_len;
    if (watch(c, !all) < 0) {
        net_call_end(call, EXCHANGE_LOCAL, strerrordesc_np(errno), false);
        return;
    }
    if (all) {
        c->state = NET_RECEIVING;
        net_reply_sent(c);
    }
}

// ---- the life of a connection ---------------------------------------------------------------------------------------

// While there is another address, a connection that could not be made is tried there.
static void broken(struct net_conn *c, int error)
{
    if (c->state == NET_CONNECTING) {
        forget_socket(c);
        if (!transport_is_local(error) && connect_next(c) == 0) {
            send_more(c);
            return;
        }
    }
    net_call_broken(c->call, error);
}

static void begin(struct net_conn *c, struct net_call *call)
{
    c->call = call;
    call->conn = c;
    call->sent = 0;
    net_reply_begin(c);
    send_more(c);
}

int net_conn_open(struct net_call *call)
{
    struct net *n = call->plan->net;
    net_pool_make_room(n);
    struct net_conn *c = net_conn_new(n);
    if (!c) {
        errno = ENOMEM;
        return -1;
    }
    *c = (struct net_conn){.net = n, .address = n->address[call->x->origin->id], .fd = -1, .state = NET_CONNECTING};
    n->n_conns++;
    if (connect_next(c) < 0) {
        int error = errno;
        net_conn_close(c);
        errno = error;
        return -1;
    }
    begin(c, call);
    return 0;
}

void net_conn_use(struct net_conn *c, struct net_call *call)
{
    c->state = NET_SENDING;
    begin(c, call);
}

void net_conn_keep(struct net_conn *c, struct transport_home *home)
{
    c->unread = c->call->plan->unread;
    c->call = NULL;
    c->served++;
    c->state = NET_IDLE;
    net_pool_give(c, home);
}

void net_conn_close(struct net_conn *c)
{
    struct net *n = c->net;
    if (c->state == NET_IDLE)
        net_pool_remove(c);
    forget_socket(c);
    c->state = NET_CLOSED;
    c->call = NULL;
    n->n_conns--;
    // Events of this round may still point to it.
    struct net_conn **list = n->dispatching ? &n->dead_conns : &n->free_conns;
    c->next_free = *list;
    *list = c;
}

// ---- receiving ------------------------------------------------------------------------------------------------------

static void receive(struct net_conn *c)
{
    struct net *n = c->net;
    const struct net_call *call = c->call;
    uint32_t served = c->served;
    for (int i = 0; i < READS; i++) {
        ssize_t got = recv(c->fd, n->input, NET_INPUT_MAX, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            if (errno != EAGAIN)
                broken(c, errno);
            return;
        }
        if (got == 0) {
            net_reply_closed(c);
            return;
        }
        net_reply_feed(c, (size_t)got);
        if (got < NET_INPUT_MAX || c->call != call || c->served != served)
            return;
    }
}

// Nothing is due on an idle connection: it was closed, or the other side talks unasked.
static void idle_event(struct net_conn *c, uint32_t events)
{
    if (!c->unread || events & (EPOLLERR | EPOLLHUP | EPOLLRDHUP) || recv(c->fd, c->net->input, NET_INPUT_MAX, 0) <= 0)
        net_conn_close(c);
}

static void on_event(struct net_conn *c, uint32_t events)
{
    if (c->state == NET_CLOSED)
        return;
    if (c->state == NET_IDLE) {
        idle_event(c, events);
        return;
    }
    if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        c->peer_closed = true;
    if (c->state == NET_CONNECTING) {
        if (events & (EPOLLOUT | EPOLLERR | EPOLLHUP))
            send_more(c); // tells how the connecting ended, too
        return;
    }
    // A server may answer before it has everything, and need not take the rest: read first.
    struct net_call *call = c->call;
    uint32_t served = c->served;
    if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        receive(c);
    if (events & EPOLLOUT && c->state == NET_SENDING && c->call == call && c->served == served)
        send_more(c);
}

bool net_dispatch(struct net *n)
{
    struct epoll_event event[EVENTS];
    int got = epoll_wait(n->events.epoll_fd, event, EVENTS, 0);
    n->dispatching = true;
    for (int i = 0; i < got; i++)
        on_event(event[i].data.ptr, event[i].events);
    n->dispatching = false;
    while (n->dead_conns) {
        struct net_conn *c = n->dead_conns;
        n->dead_conns = c->next_free;
        c->next_free = n->free_conns;
        n->free_conns = c;
    }
    return got > 0;
}
