// The inside of our own transport (net_transport.c), shared by the net_*.c files. Nobody else includes it.
//
// A call is an exchange under way; a connection serves one call at a time and is idle between them. Calls and
// connections come from free lists that only grow: in the steady state nothing is allocated.
//
//   net_transport  what the engine sees: prepare, start, cancel, turn, close; time-outs
//   net_call       calls: their connection, the end of one, the second try after a stale connection
//   net_conn       connections: connect, send, receive, the events of all of them
//   net_reply      what comes in, fed to the parsers; what is kept of it
//   net_frame      how raw replies end
//   net_pool       idle connections: shared ones by address, a user's own by its home
//   net_address    where a name leads, looked up off the loop
//
// Events: all sockets are in one epoll set of our own, which is itself watched by the loop. A connection is registered
// once, for reading, and stays so; docs/decisions/008 says what that saves.
#ifndef SEEP_LOAD_NET_STATE_H
#define SEEP_LOAD_NET_STATE_H

#include "base/buf.h"
#include "load/events.h"
#include "load/http1_reply.h"
#include "load/raw_reply.h"
#include "load/ring.h"
#include "load/transport.h"
#include <sys/socket.h>

enum { NET_INPUT_MAX = 64 * 1024, NET_ADDRESSES_MAX = 8 };

// ---- state ----------------------------------------------------------------------------------------------------------

// Bytes of a reply that are wanted in done(). As long as they lie in one piece of the input they are not copied.
struct net_keep {
    size_t most; // 0: nothing
    size_t len;
    const char *data;    // in the input, or own.data
    struct seep_buf own; // once they had to be copied
    bool cut;            // there was more than `most`, or no memory for it
};

// What a spec needs here, through spec->own.
struct net_plan {
    struct net *net;
    const struct exchange_spec *spec;
    struct raw_frame frame;     // RAW
    bool http;                  // the reply is HTTP/1.1
    bool unread;                // no reply is read
    struct net_link calls;      // under way, by deadline
    struct net_link connecting; // those whose connection is being made, by its deadline
    struct net_plan *next;      // of the transport
};

// Where an origin leads. `origin` is the key; addresses are looked up when the first call wants them.
struct net_address {
    struct net *net;
    const struct exchange_origin *origin;
    struct sockaddr_storage to[NET_ADDRESSES_MAX];
    socklen_t to_len[NET_ADDRESSES_MAX];
    int n_to;
    int good;             // index of the one that last took a connection
    int64_t known_ns;     // when they were looked up; INT64_MAX: they are for ever
    struct net_link wait; // calls that wait for them
    void *idle;           // pool of shared connections
    bool looking;
    uv_getaddrinfo_t lookup;
};

enum net_conn_state {
    NET_CLOSED,
    NET_CONNECTING,
    NET_SENDING,
    NET_RECEIVING,
    NET_IDLE,
};

struct net_conn {
    struct net *net;
    struct net_address *address;
    struct net_call *call; // NULL: idle or closed
    int fd;
    uint8_t state; // enum net_conn_state
    struct net_interest interest;
    bool peer_closed;                    // the other side has closed its end: not for another call
    bool unread;                         // what comes while it is idle is thrown away
    int at, tried;                       // while it is made: the address, by index, and how many were tried
    uint32_t served;                     // calls that ended well on it
    void **pool, *pool_prev, *pool_next; // while idle
    struct net_link idle;                // while idle: of net.idle, the longest idle first
    struct net_conn *next_free;
    union {
        struct http1_reply http;
        struct raw_reply raw;
    } reply;
};

struct net_call {
    struct exchange *x;
    struct net_plan *plan;
    struct net_conn *conn;   // NULL: waits for an address, or has ended
    struct net_link timeout; // of plan->calls
    struct net_link wait;    // of address->wait, net.again or net.ended
    int64_t deadline_ns;
    size_t sent;             // of the request, on this connection
    uint64_t sent_bytes;     // on all
    uint64_t received_bytes; // of the reply so far, on this connection
    bool connecting;         // its deadline is that of connecting
    bool retried;
    bool head_request;
    enum exchange_end end; // while in net.ended
    const char *why;
    struct net_keep head, body;
    struct net_call *next_free;
};

struct net {
    struct transport base;
    struct transport_setup setup;
    struct net_events events;
    int handles; // the events', and look-ups that still lead here; with none the memory goes
    bool closing;
    bool dispatching; // events are being handled: no connection's memory is used again
    int starting;     // inside start(): ends are queued, not told
    struct net_plan *plans;
    struct net_address **address; // by origin id, n_addresses
    unsigned n_addresses;
    struct net_link ended; // calls whose end is to be told
    struct net_link again; // calls whose connection a full backlog refused
    int64_t again_ns;      // when they are tried again; INT64_MAX: there are none
    int64_t check_ns;      // no deadline is earlier; INT64_MAX: none
    struct net_link idle;  // all idle connections
    int n_conns;           // open ones
    struct net_conn *free_conns, *dead_conns;
    struct net_call *free_calls;
    void *chunks; // memory of connections and calls
    uint64_t opened, retried;
    char input[NET_INPUT_MAX + 1]; // room for a NUL behind a reply
};

// ---- net_call.c -----------------------------------------------------------------------------------------------------

// Gives a call a connection: an idle one, or a new one, or it waits for its address.
void net_call_connect(struct net_call *call, bool idle_ones);
// Over: fills in x->reply, keeps or closes its connection, and tells, or queues that while a start is under way. The
// call is gone, and done() may have started others.
void net_call_end(struct net_call *call, enum exchange_end end, const char *why, bool keep_conn);
// Its connection broke (error: errno, 0: closed in order): tries once more if nothing came and it may, or ends it.
void net_call_broken(struct net_call *call, int error);
bool net_tell_ended(struct net *n);
bool net_try_again(struct net *n, int64_t now_ns);
void net_call_free(struct net *n, struct net_call *call);
struct net_call *net_call_new(struct net *n);

// ---- net_conn.c -----------------------------------------------------------------------------------------------------

// A new connection for the call: -1 with errno when there can be none. On success it is on its way, and tells itself.
int net_conn_open(struct net_call *call);
void net_conn_use(struct net_conn *c, struct net_call *call); // an idle one: sends at once
void net_conn_close(struct net_conn *c);
void net_conn_keep(struct net_conn *c, struct transport_home *home); // idle from now on
bool net_dispatch(struct net *n);                                    // events that are due; whether there were any
struct net_conn *net_conn_new(struct net *n);

// ---- net_reply.c ----------------------------------------------------------------------------------------------------

void net_reply_begin(struct net_conn *c);   // before the first byte of a call is sent
void net_reply_sent(struct net_conn *c);    // the whole request went out; the call may be over
void net_reply_fill(struct net_call *call); // x->reply, from what has come so far
// len bytes of net.input came; or the other side closed its end. The call may be over, and the connection closed.
void net_reply_feed(struct net_conn *c, size_t len);
void net_reply_closed(struct net_conn *c);

// ---- net_pool.c -----------------------------------------------------------------------------------------------------

struct net_conn *net_pool_take(struct net_call *call); // NULL: there is none for it
void net_pool_give(struct net_conn *c, struct transport_home *home);
void net_pool_remove(struct net_conn *c);
void net_pool_make_room(struct net *n); // closes the longest idle one when there are too many connections
void net_pool_close_all(struct net *n);
void net_pool_close_home(struct transport_home *home);

// ---- net_address.c --------------------------------------------------------------------------------------------------

struct net_address *net_address_of(struct net *n, const struct exchange_origin *origin); // NULL: no memory
// Whether a connection may be tried now; else the call waits in address->wait and is taken up or ended from there.
bool net_address_ready(struct net_address *a, struct net_call *call);
void net_address_forget(struct net_address *a); // looked up anew when next wanted
void net_address_close(struct net_address *a);

// ---- net_frame.c ----------------------------------------------------------------------------------------------------

int net_frame_read(struct net_plan *plan, struct seep_err *err); // of a raw step

// ---- net_transport.c ------------------------------------------------------------------------------------------------

void net_release(struct net *n); // one handle or look-up less
// Until when the call has time: for all of it, or (when the spec limits that) for its connection to be made.
void net_deadline_of_exchange(struct net_call *call);
void net_deadline_of_connecting(struct net_call *call);

#endif
