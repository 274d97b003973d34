// Proxies between the target and what it depends on, in a process of their own (`seep proxy-worker`), with toxics that
// are switched while connections live.
//
// Place: run/ starts the worker before the dependencies' users and talks to it over a socket in the run directory. The
// worker outlives the supervisor, as the target does, for a target whose connections ended with its supervisor would
// have been harmed: without a supervisor all toxics are taken out, and the worker ends when the process it was told to
// follow (the target's keeper) does. A later supervisor finds it by the socket.
// Trust: the other end of the socket is of our own user (SO_PEERCRED); what comes through the proxied connections is
// bytes, passed on and never looked at.
#ifndef SEEP_FAULT_PROXY_H
#define SEEP_FAULT_PROXY_H

#include "base/err.h"
#include "fault/toxic.h"
#include <sys/types.h>

#define FAULT_PROXY_SOCKET "proxy.sock" // in the run directory

struct fault_proxies { // the supervisor's side
    int fd;            // -1: none
    pid_t pid;         // of a worker that is our child; 0: of an earlier supervisor's
    uint32_t seq;
};

struct fault_proxy_counts {
    uint64_t connections;     // accepted so far
    uint64_t refused;         // closed at once: the other side did not answer, or too many
    uint64_t open;            // now
    uint64_t to_server_bytes; // passed on
    uint64_t to_client_bytes; // passed on
};

// Starts the worker (`self_exe proxy-worker`) with its socket in dir_fd, to end once the process `follow` (with its
// start time, field 22 of its stat) and the supervisor are gone. 0 or -1.
int fault_proxies_start(const char *self_exe, int dir_fd, pid_t follow, uint64_t follow_starttime,
                        struct fault_proxies *out, struct seep_err *err);
// Takes over the worker an earlier supervisor left in dir_fd. SEEP_E_TARGET: there is none.
int fault_proxies_attach(int dir_fd, struct fault_proxies *out, struct seep_err *err);

// Makes a proxy that listens on `listen` ("127.0.0.1:7000") and goes on to `to` ("redis:6379"). Both names are resolved
// now. A proxy of that name that is there already stays as it is. SEEP_E_SYSTEM when the address cannot be had.
int fault_proxy_open(struct fault_proxies *p, const char *name, const char *listen, const char *to,
                     struct seep_err *err);
// Puts a toxic into a slot of the proxy; kind TOXIC_NONE takes out what is there.
int fault_proxy_toxic(struct fault_proxies *p, const char *name, unsigned slot, const struct fault_toxic *toxic,
                      struct seep_err *err);
int fault_proxy_counts(struct fault_proxies *p, const char *name, struct fault_proxy_counts *out, struct seep_err *err);

// Ends the worker, and with it all connections through it; at most 2 s. Harmless when there is none.
void fault_proxies_end(struct fault_proxies *p);
// Leaves it running.
void fault_proxies_leave(struct fault_proxies *p);

// The worker itself: descriptor 3 listens, 4 is the run directory. Returns its exit status.
int fault_proxy_main(pid_t follow, uint64_t follow_starttime);

#endif
