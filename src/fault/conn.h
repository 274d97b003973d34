// Inside the proxy worker: proxies, and the connections that pass through them. One loop, one thread.
#ifndef SEEP_FAULT_CONN_H
#define SEEP_FAULT_CONN_H

#include "fault/proto.h"
#include <sys/socket.h>
#include <uv.h>

struct fault_conn;

struct fault_proxy {
    uv_loop_t *loop;
    char name[FAULT_NAME_MAX];
    struct sockaddr_storage listen_at, to;
    uv_tcp_t listener;
    bool listening, closing_listener;
    struct fault_set set;
    struct load_rng *rng;
    struct fault_conn *conns;
    struct fault_proxy_counts counts;
};

// Begins to listen. 0 or -1.
int fault_proxy_listen(struct fault_proxy *p, struct seep_err *err);
// After its set changed: every connection takes that in; when a toxic closed the proxy, or opened it again, so does the
// listener. Call once more when it returns false (the address could not be had again yet).
bool fault_proxy_changed(struct fault_proxy *p);
// Closes listener and connections.
void fault_proxy_close(struct fault_proxy *p);

#endif
