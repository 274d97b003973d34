// The inside of our transport for HTTP/2 without TLS (h2_transport.c), shared by the h2_*.c files. Nobody else includes
// it.
//
// A call is an exchange under way, on a stream of a connection; a connection is a socket and a session of nghttp2,
// which knows frames, header compression and flow control and sees no socket. Calls come from a free list that only
// grows.
//
//   h2_transport  what the engine sees, time-outs, and which call gets which connection
//   h2_conn       connections: look-up, connect, send, receive, the events of all of them
//   h2_stream     requests written for nghttp2, and what it tells of replies
//
// Nothing is told from inside nghttp2's callbacks: what ends stands in h2.ended until the turn. So no session is ever
// entered twice, and none is freed while it works.
#ifndef SEEP_LOAD_H2_STATE_H
#define SEEP_LOAD_H2_STATE_H

#include "base/buf.h"
#include "load/events.h"
#include "load/ring.h"
#include "load/transport.h"
#include <nghttp2/nghttp2.h>

enum { H2_INPUT_MAX = 64 * 1024 };

struct h2_plan { // what a spec needs here, through spec->own
    struct h2 *h;
    const struct exchange_spec *spec;
    struct net_link calls; // under way, by deadline
    struct h2_plan *next;
};

enum h2_conn_state { H2_LOOKING, H2_CONNECTING, H2_OPEN, H2_CLOSED };

struct h2_conn {
    struct h2 *h;
    const struct exchange_origin *origin;
    struct transport_home *home; // whose it is; NULL: shared
    struct h2_conn *home_next;
    struct h2_lookup *lookup;   // under way
    struct addrinfo *list, *at; // where it may lead, and where it is tried
    nghttp2_session *session;
    int fd;
    enum h2_conn_state state;
    struct net_interest interest;
    bool fresh;   // for one call
    bool no_more; // no further calls: the server is going away
    bool bad;     // what came was not HTTP/2
    int streams;  // calls on it
    uint64_t served;
    int64_t connect_by_ns; // INT64_MAX: as long as its calls have
    const uint8_t *out;    // nghttp2's, still to be sent
    size_t out_len;
    struct net_link calls; // on it
    struct net_link all;   // of h2.conns
    struct net_link roomy; // of h2.roomy: shared, with room for another call
    struct net_link dirty; // of h2.dirty: something is to be sent
    struct h2_conn *next_dead;
};

struct h2_call {
    struct exchange *x;
    struct h2_plan *plan;
    struct h2_conn *conn;    // NULL: it has ended
    struct net_link link;    // of conn->calls, or of h2.ended
    struct net_link timeout; // of plan->calls
    int64_t deadline_ns;
    int32_t stream; // nghttp2's number
    size_t body_at; // of the request's body, handed out so far
    uint64_t sent_bytes, header_bytes, body_bytes;
    int status;
    bool head_done, whole, bad, body_cut, retried;
    struct seep_buf head, body;
    enum exchange_end end;
    const char *why;
    struct h2_call *next_free;
};

struct h2 {
    struct transport base;
    struct transport_setup setup;
    struct net_events events;
    int handles; // the events', and look-ups that still lead here; with none the memory goes
    struct h2_plan *plans;
    struct net_link conns, roomy, dirty, ended;
    int n_conns;
    struct h2_conn *dead; // freed at the end of a turn: events may still point to them
    struct h2_call *free_calls;
    int64_t check_ns; // no deadline is earlier
    uint64_t opened, retried;
    nghttp2_session_callbacks *callbacks;
    struct seep_buf words; // names and values of a request, while it is handed over
    nghttp2_nv *field;
    size_t n_fields;
    uint8_t input[H2_INPUT_MAX];
};

// ---- h2_transport.c -------------------------------------------------------------------------------------------------

// Over: what is to be told of it is kept until the turn.
void h2_call_end(struct h2_call *call, enum exchange_end end, const char *why);
// Its stream did not come to anything: once more on another connection when that does no harm, or over.
// unserved: the server says that it has not looked at it.
void h2_call_broken(struct h2_call *call, enum exchange_end end, const char *why, bool unserved);
void h2_room_changed(struct h2_conn *c); // room for calls, or none any more
void h2_release(struct h2 *h);           // one handle or look-up less

// ---- h2_conn.c ------------------------------------------------------------------------------------------------------

// A new connection, on its way; NULL with errno. It ends its calls itself when it does not come about.
struct h2_conn *h2_conn_open(struct h2 *h, const struct exchange *x);
void h2_conn_dirty(struct h2_conn *c); // its session has something to send
void h2_conn_close(struct h2_conn *c); // no call is on it
// Ends or moves all its calls, and closes it.
void h2_conn_fail(struct h2_conn *c, enum exchange_end end, const char *why);
bool h2_flush(struct h2 *h);    // sends what is to be sent; whether there was anything
bool h2_dispatch(struct h2 *h); // events that are due; whether there were any
void h2_bury(struct h2 *h);     // frees closed connections

// ---- h2_stream.c ----------------------------------------------------------------------------------------------------

int h2_stream_callbacks(nghttp2_session_callbacks **out);
int h2_stream_open(struct h2_call *call);    // submits its request on call->conn; -1: no memory
void h2_stream_cancel(struct h2_call *call); // nothing more is heard of it

#endif
