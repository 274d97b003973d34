// When requests are to start: the rate (open model) or number of users (closed) over time, and arrivals made from it.
// Pure: no clock, no allocation after building. Times are seconds from the beginning of the load.
#ifndef SEEP_LOAD_SCHEDULE_H
#define SEEP_LOAD_SCHEDULE_H

#include "base/err.h"
#include "load/rng.h"
#include "load/share.h"
#include "profile/profile.h"
#include <stdbool.h>
#include <stdint.h>

// A value over time, in straight lines: the profile's rate or users at 0, to each stage's `to` over its `for`, and what
// is reached last holds for ever.
struct load_schedule {
    int n;          // corners, at least 1; corner 0 is at 0 s
    double *t_s;    // n, not falling
    double *value;  // n, >= 0: at the corner
    double *before; // n: the integral of value up to the corner
};

int schedule_build(const struct profile_load *load, struct load_schedule *out, struct seep_err *err);
void schedule_free(struct load_schedule *s);

double schedule_value(const struct load_schedule *s, double t_s); // per second, or users
double schedule_max(const struct load_schedule *s);

// The integral of the value from 0 to t_s: how many starts are due by then; and the reverse, the moment at which the
// integral first reaches `count` (INFINITY: never).
double schedule_count(const struct load_schedule *s, double t_s);
double schedule_when(const struct load_schedule *s, double count);

// A cursor over the starts of an open model. Evenly spaced: the k-th start is where the integral passes k + 1/2.
// Poisson: the integral between two starts is exponential with mean 1, so that the rate is followed exactly (time
// rescaling). Two cursors with the same seed yield the same starts, whenever they are asked: one counts what is due
// while another, behind it, says what to start; nothing needs to be queued. A share takes every share.of-th of them
// from share.index on: the parts of one schedule and seed together are its starts, each once.
struct load_arrivals {
    const struct load_schedule *schedule; // not owned
    bool poisson;
    struct load_share share;
    struct load_rng rng;
    double from;    // the integral where the cursor began
    double passed;  // Poisson: the integral at the next start, relative to `from`
    uint64_t taken; // of the share, those of bursts too
    double next_s;  // the next start; INFINITY: none

    uint64_t of_burst;    // of `taken`
    double regular_s;     // the next start of the schedule; INFINITY: none
    double burst_every_s; // 0: no bursts
    uint64_t burst_size;  // the share's part of one
    double burst_s;       // the next start of a burst; INFINITY: none
};
void arrivals_start(struct load_arrivals *a, const struct load_schedule *s, bool poisson, struct load_share share,
                    double from_s, uint64_t seed);
// Right after arrivals_start(): on top come bursts of so many starts at once, at every multiple of a time.
void arrivals_add_bursts(struct load_arrivals *a, const struct profile_bursts *bursts, double from_s);
void arrivals_take(struct load_arrivals *a); // on to the one after next_s

// A weighted choice: index i with probability weight[i] / sum.
struct load_pick {
    int n;
    double *up_to; // n, cumulative weights
};
int pick_build(const struct profile_load *load, struct load_pick *out, struct seep_err *err);
void pick_free(struct load_pick *p);
int pick_next(const struct load_pick *p, struct load_rng *rng);

#endif
