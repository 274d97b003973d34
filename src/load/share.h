// How a load is divided over worker processes, so that the parts add up to the whole exactly.
//
// Everything whole (users, connections, iterations) is dealt out like cards; arrivals are dealt out one by one in the
// order they fall due (schedule.h), every worker following the same schedule from the same seed. So any number of
// workers sends what one would have sent, at the same moments.
#ifndef SEEP_LOAD_SHARE_H
#define SEEP_LOAD_SHARE_H

#include "profile/profile.h"

struct load_share {
    int index; // which part, from 0
    int of;    // of so many; index >= of: none of this load
};

// Over how many of `processes` a load is split: no part is left without a connection.
static inline int share_split(const struct profile_load *l, int processes)
{
    int split = l->workers < processes ? l->workers : processes;
    return l->open_model && l->connections < split ? l->connections : split;
}

// The part of `load` (its index in the profile, split over `split` >= 1 processes) that process `process` of
// `processes`
// (>= split) drives. Loads begin at different processes, so that unsplit ones do not all meet in the first.
static inline struct load_share share_of_load(int load, int split, int process, int processes)
{
    return (struct load_share){.index = ((process - load) % processes + processes) % processes, .of = split};
}

// The part of a whole number of things.
static inline int share_part(struct load_share s, int whole)
{
    return s.index >= s.of ? 0 : whole / s.of + (s.index < whole % s.of);
}

// The number (from 0) that the part's `local`-th thing has in the whole.
static inline long share_number(struct load_share s, long local)
{
    return local * s.of + s.index;
}

#endif
