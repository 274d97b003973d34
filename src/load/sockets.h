// libcurl's sockets and timer on a libuv loop (curl_multi_socket_action).
//
// A kept-alive connection stays registered for reading between requests: libuv takes a descriptor out of epoll at every
// change of interest, which would cost two system calls a request. That is safe only because every connection's
// descriptor is made and closed through callbacks here; what curl opens elsewhere (its resolver) is dropped as soon as
// curl says so.
#ifndef SEEP_LOAD_SOCKETS_H
#define SEEP_LOAD_SOCKETS_H

#include "base/err.h"
#include <curl/curl.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct socket_watch;

struct sockets {
    uv_loop_t *loop; // not owned
    CURLM *multi;
    struct socket_watch **watch; // by descriptor, n_watch
    int n_watch;
    int64_t due_ns;  // when curl wants to be called next; INT64_MAX: not at all
    uint64_t opened; // connections so far
    long max_connections;
};

// max_connections: how many idle ones are kept.
int sockets_open(struct sockets *s, uv_loop_t *loop, long max_connections, struct seep_err *err);
// All handles must have been removed from s->multi. The loop must run once more for libuv to let go.
void sockets_close(struct sockets *s);

// Closes all connections, kept ones too, and goes on afresh. No handle may be under way.
void sockets_restart(struct sockets *s);

// For a handle that is to be added: its connections become known here.
int sockets_attach(struct sockets *s, CURL *easy);

// Calls curl when its timer is due. True when it was.
bool sockets_timeout(struct sockets *s, int64_t now_ns);

#endif
