// The users of a load. In a closed model each waits until its time, goes through an iteration, thinks, and goes on; in
// an open model they are a pool, and an arrival claims one that is free for one iteration. Pure data: a fixed array,
// and a heap by waking time of those who wait or pause.
#ifndef SEEP_LOAD_USERS_H
#define SEEP_LOAD_USERS_H

#include "base/err.h"
#include <stdbool.h>
#include <stdint.h>

struct load_user {
    int64_t wake_ns;   // meaningful while in the heap
    int heap_at;       // where in the heap; -1: not in it
    int next_free;     // open model: of the pool, -1: the last
    bool active;       // closed model: is or will be served; else it leaves after its iteration
    bool busy;         // within an iteration
    unsigned failures; // in a row, of exchanges that reached nothing
};

struct load_users {
    struct load_user *user; // max
    int *heap;              // of indices, earliest first
    int max, n_heap;
    int active;                // how many are
    int next_in;               // where to look for one to activate
    int first_free, n_claimed; // of the pool; -1: none
};

int users_open(struct load_users *u, int max, struct seep_err *err);
void users_close(struct load_users *u);

// Makes `wanted` (clipped to max) users active, at most `step` new ones at a time; new ones wake from now_ns on, evenly
// over within_ns. Those too many leave: at once when waiting, after their request when not.
void users_set(struct load_users *u, int wanted, int step, int64_t now_ns, int64_t within_ns);
void users_stop(struct load_users *u); // none active, none waiting

// The earliest one in the heap, or -1; and its time, INT64_MAX when there is none.
int users_first(const struct load_users *u);
int64_t users_first_ns(const struct load_users *u);
int users_take(struct load_users *u);                           // takes it off the heap: it is busy; n_heap > 0
void users_wait(struct load_users *u, int i, int64_t wake_ns);  // iteration over; one no longer active leaves
void users_pause(struct load_users *u, int i, int64_t wake_ns); // within its iteration: stays busy
void users_unpause(struct load_users *u, int i);                // off the heap, if it is there; stays busy

// The pool of an open model: a free one, which is busy then, or -1; and back again.
int users_claim(struct load_users *u);
void users_release(struct load_users *u, int i);

#endif
