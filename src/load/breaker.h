// Back-off from an address at which everything fails at once.
//
// A target that is down refuses as fast as it is asked: a load of 100 000 requests a second would then be an attack on
// the machine it and the samples share. So after BREAKER_FREE exchanges with an address in a row that ended without a
// whole reply, and within BREAKER_FAST_NS, only one in a while is sent there; the others are errors of kind
// back_off, counted like every other error and not sent. The first that gets anywhere ends it.
//
// The pause is short (BREAKER_PAUSE_NS, then BREAKER_LONG_NS), so that a target that comes back is seen within
// milliseconds, and a load of less than a few hundred requests a second never notices. Pure; one for each address of a
// load, of one process.
#ifndef SEEP_LOAD_BREAKER_H
#define SEEP_LOAD_BREAKER_H

#include <stdbool.h>
#include <stdint.h>

#define BREAKER_FREE     100       // failures in a row that cost nothing
#define BREAKER_LONG     2000      // and so many until the longer pause
#define BREAKER_FAST_NS  100000000 // what takes longer to fail holds itself up
#define BREAKER_PAUSE_NS 1000000   // between two that are sent
#define BREAKER_LONG_NS  4000000

struct breaker { // zero: nothing has failed
    unsigned failures;
    int64_t next_ns; // of CLOCK_MONOTONIC: when another may be sent
};

// Whether an exchange may be sent now.
static inline bool breaker_lets(struct breaker *b, int64_t now_ns)
{
    if (b->failures < BREAKER_FREE)
        return true;
    if (now_ns < b->next_ns)
        return false;
    b->next_ns = now_ns + (b->failures < BREAKER_LONG ? BREAKER_PAUSE_NS : BREAKER_LONG_NS);
    return true;
}

// What came of one that was sent. heard: there was a whole reply, or the time ran out.
static inline void breaker_take(struct breaker *b, bool heard, int64_t took_ns)
{
    if (heard)
        b->failures = 0;
    else if (took_ns < BREAKER_FAST_NS && b->failures < BREAKER_LONG)
        b->failures++;
}

#endif
