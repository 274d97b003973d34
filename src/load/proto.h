// What supervisor and worker say to each other, over a SOCK_SEQPACKET pair: one message, one packet.
//
// Both are the same program, so structs go as they are, behind a version that holds their sizes. The supervisor checks
// everything it gets; the worker trusts its supervisor.
#ifndef SEEP_LOAD_PROTO_H
#define SEEP_LOAD_PROTO_H

#include "load/load.h"

enum load_proto_type {
    // to the worker
    PROTO_HELLO = 1, // struct load_proto_hello; a memfd with the profile rides along (SCM_RIGHTS)
    PROTO_BEGIN,     // struct load_proto_begin
    PROTO_STOP,      // struct load_proto_stop
    PROTO_ASK,       // report now
    PROTO_SETUP,     // both ways, arg: load; how its setup ended: with a memfd of its variables (handover.h), or failed
    PROTO_OVER,      // both ways, arg: load; this worker's part of it is over, and: all workers' parts are
    // to the supervisor
    PROTO_STATE = 16, // arg: enum load_state
    PROTO_HIST,       // arg: series * LOAD_HIST_KINDS + kind; hist_pack() of what is new since the last one
    PROTO_COUNTS,     // arg: series, a leaf or one with passes; struct load_counts, cumulative
    PROTO_CODES,      // arg: series, a leaf; struct load_codes, cumulative
    PROTO_METRIC,     // arg: metric; struct load_metric_counts, cumulative
    PROTO_VALUES,     // arg: metric; hist_pack() of the values that are new since the last ones
    PROTO_GENERATOR,  // struct load_generator; the last of a report
    PROTO_NOTE,       // arg: level; text
    PROTO_FAILED,     // text: the worker ends
};

#define PROTO_MAGIC   0x64616f6cu // "load"
#define PROTO_VERSION ((uint32_t)(1 + sizeof(struct load_counts) * 16 + sizeof(struct load_generator) * 65536))

enum {
    PROTO_TEXT_MAX = 512,
    PROTO_PAYLOAD_MAX = HIST_BLOB_MAX,
    PROTO_PROFILE_MAX = 16 * 1024 * 1024,
    PROTO_SNDBUF = 512 * 1024, // the kernel cuts it to what it allows; a packet must fit
};

struct load_proto_head {
    uint32_t magic, version;
    uint16_t type, zero;
    uint32_t arg;
    uint32_t len; // of the payload, which follows
    uint32_t zero2;
};

struct load_proto_hello {
    uint32_t report_interval_ms;
    uint32_t process, processes; // which worker this is, from 0, of how many
    uint32_t zero;
    uint64_t seed; // of choices; another one for each worker
};

struct load_proto_begin {
    double from_s;
    int64_t at_ns; // CLOCK_MONOTONIC: when the load begins, in all workers at once
    uint64_t seed; // of arrivals; the same for all workers
};

struct load_proto_stop {
    double grace_s; // INFINITY allowed
};

// Sends one packet without waiting. 0, or -1 with errno (EAGAIN: the other side does not read). pass_fd: -1 for none.
int load_proto_send(int fd, enum load_proto_type type, uint32_t arg, const void *payload, size_t len, int pass_fd);

// Receives one packet without waiting into head and payload (`size` bytes). 1: got one, whose head is valid and whose
// payload is all there; 0: the other side is gone; -1: nothing there (errno EAGAIN) or broken (errno EBADMSG, ...).
// *passed_fd (may be NULL) is the descriptor that came along, or -1.
int load_proto_receive(int fd, struct load_proto_head *head, void *payload, size_t size, int *passed_fd);

#endif
