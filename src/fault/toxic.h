// What a toxic does to the bytes of one direction of a connection: when they may go on, whether they go on at all, and
// when the connection ends. Pure: no sockets, no clock; the proxy (conn.c) does what this says.
//
// Names and meaning of toxics are toxiproxy's (github.com/Shopify/toxiproxy, README, "Toxics"); its milliseconds and
// kilobytes have units here, and `down` is its disabled proxy.
#ifndef SEEP_FAULT_TOXIC_H
#define SEEP_FAULT_TOXIC_H

#include "load/rng.h"
#include "profile/faults.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { FAULT_SLOTS = 64 }; // toxics of one proxy at once: one for each fault a profile may have

struct fault_toxic {
    uint32_t kind; // enum profile_toxic; TOXIC_NONE: nothing
    uint32_t upstream;
    double toxicity; // 0..1
    int64_t latency_ns, jitter_ns, delay_ns, timeout_ns;
    double rate_bytes_per_s;
    uint32_t average_size, size_variation;
    uint64_t bytes;
};

// The toxic that a fault of the profile (kind FAULT_TOXIC) puts into its proxy.
struct fault_toxic fault_toxic_of(const struct profile_fault *f);

// All toxics of a proxy. A new one in a slot gets a new generation, so that connections notice.
struct fault_set {
    struct fault_toxic slot[FAULT_SLOTS];
    uint32_t generation[FAULT_SLOTS];
    uint32_t changes;
};
void fault_set_put(struct fault_set *set, unsigned slot, const struct fault_toxic *toxic); // slot < FAULT_SLOTS
bool fault_set_down(const struct fault_set *set); // does any of them disable the proxy?

// One direction of one connection.
struct fault_lane {
    bool upstream;
    uint32_t changes; // of the set when it was last followed
    struct fault_lane_slot {
        uint32_t generation;
        bool acts;
        int64_t since_ns, free_ns;
        uint64_t passed;
    } slot[FAULT_SLOTS];
    int64_t last_due_ns;
    bool dropped; // bytes were swallowed: the connection cannot go on
};

// Takes in what changed in the set: decides by toxicity whether each new toxic acts on this connection. True when
// something ended or began: what waits may then go on at once.
bool fault_lane_follow(struct fault_lane *lane, const struct fault_set *set, struct load_rng *rng, int64_t now_ns);

struct fault_piece {
    size_t len;     // of the bytes given, at least 1
    int64_t due_ns; // when it may be written
    bool drop;      // never
    bool close;     // the connection ends behind it
};
// The next piece of len > 0 bytes that came at now_ns; call again with the rest. Due times never fall.
struct fault_piece fault_lane_take(struct fault_lane *lane, const struct fault_set *set, struct load_rng *rng,
                                   int64_t now_ns, size_t len);

// When the end of the data may be passed on.
int64_t fault_lane_end_due(const struct fault_lane *lane, const struct fault_set *set, int64_t now_ns);

// When the connection must be ended whatever happens, INT64_MAX: never. *reset: by a reset.
int64_t fault_lane_cut_ns(const struct fault_lane *lane, const struct fault_set *set, bool *reset);

#endif
