// Sockets in an epoll set in the loop: see events.h.
#include "load/events.h"
#include "load/ring.h"

#include <sys/epoll.h>
#include <unistd.h>

static void on_ready(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    NET_OF(poll, struct net_events, poll)->ready = true; // the transport's turn follows
}

int net_events_open(struct net_events *events, uv_loop_t *loop, void *owner, struct seep_err *err)
{
    events->ready = false;
    events->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (events->epoll_fd < 0 || uv_poll_init(loop, &events->poll, events->epoll_fd) != 0) {
        if (events->epoll_fd >= 0)
            close(events->epoll_fd);
        return seep_fail(err, SEEP_E_SYSTEM, "The load's connections cannot be watched.");
    }
    events->poll.data = owner;
    uv_poll_start(&events->poll, UV_READABLE, on_ready);
    return 0;
}

int net_events_watch(const struct net_events *events, int fd, struct net_interest *interest, bool for_write, void *who)
{
    if (interest->watching && interest->watching_write == for_write)
        return 0;
    struct epoll_event e = {.events = EPOLLIN | EPOLLRDHUP | (for_write ? EPOLLOUT : 0), .data.ptr = who};
    if (epoll_ctl(events->epoll_fd, interest->watching ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &e) < 0)
        return -1;
    *interest = (struct net_interest){true, for_write};
    return 0;
}

void net_events_close(struct net_events *events, uv_close_cb on_closed)
{
    uv_close((uv_handle_t *)&events->poll, on_closed);
    close(events->epoll_fd);
}
