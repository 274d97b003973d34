// libcurl's sockets and timer on a libuv loop (curl_multi_socket_action).
//
// A kept-alive connection stays registered for reading between requests: libuv takes a descriptor out of epoll at every
// change of interest, which would cost two system calls a request. That is safe only because every connection's
// descriptor is made and closed through callbacks here; what curl opens elsewhere (its resolver) is dropped as soon as
// curl says so.
#ifndef SEEP_LOAD_CURL_LOOP_H
#define SEEP_LOAD_CURL_LOOP_H

#include "base/err.h"
#include <curl/curl.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct socket_watch;

struct curl_loop {
    uv_loop_t *loop; // not owned
    CURLM *multi;
    struct socket_watch **watch; // by descriptor, n_watch
    int n_watch;
    int64_t due_ns;  // when curl wants to be called next; INT64_MAX: not at all
    uint64_t opened; // connections so far
    long max_connections, streams;
};

// max_connections: how many idle ones are kept. streams: how many HTTP/2 exchanges share a connection; 0: no HTTP/2.
int curl_loop_open(struct curl_loop *s, uv_loop_t *loop, long max_connections, long streams, struct seep_err *err);
// All handles must have been removed from s->multi. The loop must run once more for libuv to let go.
void curl_loop_close(struct curl_loop *s);

// Closes all connections, kept ones too, and goes on afresh. No handle may be under way.
void curl_loop_restart(struct curl_loop *s);

// For a handle that is to be added: its connections become known here.
int curl_loop_attach(struct curl_loop *s, CURL *easy);

// Calls curl when its timer is due. True when it was.
bool curl_loop_timeout(struct curl_loop *s, int64_t now_ns);

#endif
