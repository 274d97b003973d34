// What carries bytes: one exchange with a server, begun, bounded and told of when it is over.
//
// The engine knows loads, steps, sessions and time; a transport knows addresses, connections and replies. There are
// several (transport_kinds): each says which exchanges it takes, the first that does gets them. libcurl takes all HTTP.
// A load has its own instance of each kind it needs, so that loads do not share connections. Everything runs on the
// worker's one loop.
//
// Replies come from anyone: their size and time are bounded by the spec, nothing of them is kept that was not asked
// for, and only the addresses given as origins are ever connected to: no transport follows a redirect.
//
// In the steady state neither a start nor an end allocates memory when the request is a constant one.
#ifndef SEEP_LOAD_TRANSPORT_H
#define SEEP_LOAD_TRANSPORT_H

#include "base/err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

struct profile_tcp; // what a raw step says; the raw transport looks into it for the framing

enum {
    EXCHANGE_HEAD_MAX = 256 * 1024,
    EXCHANGE_BODY_MAX = 64 * 1024 * 1024,
    EXCHANGE_DECODED_MAX = 16 * 1024 * 1024, // of a body unpacked for a check
};

// How an exchange ended. All but the first are failures of the exchange itself; what is expected of a whole reply is
// the engine's to judge.
enum exchange_end {
    EXCHANGE_DNS,      // the host's name could not be resolved
    EXCHANGE_REFUSED,  // the connection was refused
    EXCHANGE_CONNECT,  // unreachable, or no connection within the time
    EXCHANGE_TLS,      // handshake or certificate
    EXCHANGE_RESET,    // the connection was reset before the reply was whole
    EXCHANGE_CLOSED,   // it was closed, in order, before the reply was whole
    EXCHANGE_TIMEOUT,  // no whole reply within the spec's time
    EXCHANGE_PROTOCOL, // what came is not the protocol
    EXCHANGE_HEAD,     // the head is too large
    EXCHANGE_BODY,     // the body is too large, packed or unpacked
    EXCHANGE_DECODE,   // the body does not unpack
    EXCHANGE_LOCAL,    // this machine: no descriptors, ports or memory left
    EXCHANGE_WHOLE,
};

enum exchange_protocol { EXCHANGE_HTTP1, EXCHANGE_HTTP2, EXCHANGE_RAW };

// Where exchanges go: one of the addresses that the profile names. Immutable; lives as long as the load.
struct exchange_origin {
    unsigned id; // 0, 1, 2 ... within a worker, for tables by origin
    bool tls;
    uint16_t port;
    const char *host;      // a name or an address, IPv6 without brackets
    const char *authority; // as in `Host:`: brackets, and the port unless it is the scheme's own
    const char *unix_path; // the socket to connect to instead; NULL: TCP
};

struct exchange_tls { // files as in the profile; NULL: none
    bool insecure;    // the server's certificate is not verified
    const char *ca, *cert, *key;
};

// One request. Strings end with a NUL as well. What it points to stays as it is until the exchange has ended.
struct exchange_request {
    const char *method;
    const char *target; // path and query, "/" at least; nothing that would end the request line
    // "Name: value", all of them but Host, Content-Length and Connection, which are the transport's (unless given).
    const char *const *headers;
    size_t n_headers;
    const char *body; // NULL: none
    size_t body_len;
    // The whole request as HTTP/1.1 bytes (or as raw bytes), for transports that say wants_wire; else NULL.
    const char *wire;
    size_t wire_len;
};

// What all exchanges of a step have in common. Immutable after prepare(), and alive until the transport is closed.
struct exchange_spec {
    const char *name; // of the step, for messages
    enum exchange_protocol protocol;
    const struct exchange_origin *origin; // where they go, unless the exchange says otherwise
    struct exchange_tls tls;
    const struct profile_tcp *raw; // EXCHANGE_RAW
    int64_t timeout_ns;            // of the whole exchange, connecting included; > 0
    int64_t connect_timeout_ns;    // of connecting, TLS included; 0: as timeout_ns
    uint64_t body_max;             // a longer body ends it with EXCHANGE_BODY
    size_t keep_head, keep_body;   // bytes of the reply wanted in done(), at most; 0: none
    bool decode;                   // a kept body is to be unpacked (gzip, deflate), up to EXCHANGE_DECODED_MAX
    bool fresh;                    // its own connection, closed afterwards
    // All of them are this one request, word by word; NULL: each exchange brings its own.
    const struct exchange_request *constant;
    void *own; // the transport's, from prepare() on
};

// What was received; valid in done(), until it returns or starts an exchange.
struct exchange_reply {
    int status;       // HTTP: 0 when there was none; raw: 0
    bool error_reply; // raw: an error of its protocol (RESP "-ERR ...", memcached "SERVER_ERROR ...")
    uint64_t header_bytes, body_bytes, sent_bytes;
    const char *head; // header lines of the final reply, status line first, each with its CR LF; NULL: not kept
    size_t head_len;
    const char *body; // what was kept of the body, followed by a NUL; NULL: nothing
    size_t body_len;
    bool body_cut;   // there was more than was kept
    const char *why; // a clause about a failure ("Connection refused"); may be NULL
};

// Where one user's kept connections stand when users do not share them. Zero: none yet.
struct transport_home {
    void *own;
};

// One exchange under way; part of the engine's user. The engine fills in the first group and zeroes the rest once.
struct exchange {
    const struct exchange_spec *spec;
    const struct exchange_origin *origin;   // spec->origin, or another allowed one
    const struct exchange_request *request; // spec->constant, or its own
    struct transport_home *home;            // NULL: connections are shared within the load
    int64_t started_ns;
    struct exchange_reply reply;
    void *own; // the transport's while it is under way
};

// What a transport is opened with.
struct transport_setup {
    uv_loop_t *loop;
    int connections;  // the most exchanges at once, and the most connections kept
    int streams;      // HTTP/2: exchanges at once on one connection; 0: no HTTP/2
    const char *only; // the one kind that is to be used, by name; NULL: whichever takes the exchange
    // Called once for every exchange that was started and not cancelled, from turn() or from the loop, never from
    // inside start(). The transport has let go of x: it may be started again at once, from in here too. No transport
    // may be closed or restarted from in here.
    void (*done)(struct exchange *x, enum exchange_end end, int64_t now_ns);
};

struct transport_counters {
    uint64_t connections; // opened so far
    uint64_t retried;     // requests sent once more because a kept connection had just been closed
};

// The first member of every implementation's own struct.
struct transport {
    const struct transport_ops *ops;
};

// Times are of CLOCK_MONOTONIC.
struct transport_ops {
    const char *name;
    bool wants_wire;
    bool (*takes)(const struct exchange_spec *spec, const struct transport_setup *setup);
    int (*open)(const struct transport_setup *setup, struct transport **out, struct seep_err *err);
    // Before the first exchange of a spec.
    int (*prepare)(struct transport *t, struct exchange_spec *spec, struct seep_err *err);
    // x->own is free for use. -1: not started, for lack of memory or descriptors; done() is then not called.
    int (*start)(struct transport *t, struct exchange *x);
    void (*cancel)(struct transport *t, struct exchange *x); // of one under way: over, without done()
    // Does what is due: time-outs, replies taken in. Returns whether there was anything.
    bool (*turn)(struct transport *t, int64_t now_ns);
    int64_t (*next_ns)(
        const struct transport *t); // when turn() has something to do at the latest; INT64_MAX: not at all
    void (*leave)(struct transport *t, struct transport_home *home); // its connections are closed; nothing is under way
    void (*counters)(const struct transport *t, struct transport_counters *out);
    void (*restart)(struct transport *t); // closes all kept connections, goes on afresh; nothing is under way
    // Nothing is under way. Handles on the loop are closed asynchronously: it must run until none is left.
    void (*close)(struct transport *t);
};

// In the order in which they are asked; NULL ends it.
extern const struct transport_ops *const transport_kinds[];
extern const struct transport_ops transport_net, transport_h2, transport_curl;

// By errno: this machine is short of something, so that another address would not help.
bool transport_is_local(int error);

// How an exchange ended whose connection could not be made, by errno.
enum exchange_end transport_connect_end(int error);

// Sending it twice does no harm (RFC 9110 9.2.2).
bool transport_is_idempotent(const char *method);

// The kind that takes `spec`; NULL: none does, or not the one that is to be used.
const struct transport_ops *transport_for(const struct exchange_spec *spec, const struct transport_setup *setup);

#endif
