// The events of many sockets in one epoll set, whose own readiness the libuv loop sees: what our transports watch their
// connections with. One entry in the loop for all of them, and no handle for each.
#ifndef SEEP_LOAD_EVENTS_H
#define SEEP_LOAD_EVENTS_H

#include "base/err.h"

#include <stdbool.h>
#include <uv.h>

struct net_events {
    uv_poll_t poll; // of epoll_fd
    int epoll_fd;
    bool ready; // the loop saw events; who handles them clears it
};

struct net_interest { // of one socket; all zero: not registered
    bool watching, watching_write;
};

// Opens a set in loop; owner becomes events->poll.data, for the close callback. Returns -1 with err and nothing open.
int net_events_open(struct net_events *events, uv_loop_t *loop, void *owner, struct seep_err *err);

// Reading of fd is watched from now on, and writing as for_write says; its events carry `who`. Costs nothing when that
// is so already. Returns -1 with errno.
int net_events_watch(const struct net_events *events, int fd, struct net_interest *interest, bool for_write, void *who);

// on_closed is called by the loop, once, when the memory of events is free to go.
void net_events_close(struct net_events *events, uv_close_cb on_closed);

#endif
