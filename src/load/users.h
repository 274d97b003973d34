// The users of a closed model: each waits until its time, has one request under way, thinks, and goes on. Pure data: a
// fixed array and a heap by waking time.
#ifndef SEEP_LOAD_USERS_H
#define SEEP_LOAD_USERS_H

#include "base/err.h"
#include <stdbool.h>
#include <stdint.h>

struct load_user {
    int64_t wake_ns;   // meaningful while waiting
    int heap_at;       // where in the heap; -1: not waiting
    bool active;       // is or will be served; else it leaves when its request is done
    bool busy;         // taken, and not yet back
    unsigned failures; // in a row
};

struct load_users {
    struct load_user *user; // max
    int *heap;              // of indices, waiting ones, earliest first
    int max, n_heap;
    int active;  // how many are
    int next_in; // where to look for one to activate
};

int users_open(struct load_users *u, int max, struct seep_err *err);
void users_close(struct load_users *u);

// Makes `wanted` (clipped to max) users active, at most `step` new ones at a time; new ones wake at now_ns. Those too
// many leave: at once when waiting, after their request when not.
void users_set(struct load_users *u, int wanted, int step, int64_t now_ns);
void users_stop(struct load_users *u); // none active, none waiting

// The earliest waiting one, or -1; and its time, INT64_MAX when there is none.
int users_first(const struct load_users *u);
int64_t users_first_ns(const struct load_users *u);
int users_take(struct load_users *u);                          // takes it off the heap: it is busy; n_heap > 0
void users_wait(struct load_users *u, int i, int64_t wake_ns); // done for now; one no longer active leaves

#endif
