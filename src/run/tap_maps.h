// The mappings that a program watched from outside makes itself, by range and call stack: the counterpart of the
// probe's table. Unlike blocks they can be unmapped in part, over several at once, and be replaced. Pure; not
// thread-safe.
//
// Ranges of a process never overlap. Sums by slot are in bytes of whole pages; a slot is one that TAP_MAP or TAP_REMAP
// calls alone use.
#ifndef SEEP_RUN_TAP_MAPS_H
#define SEEP_RUN_TAP_MAPS_H

#include "run/tap_live.h"

#define TAP_MAPS_MAX 16384

struct tap_range {
    uint64_t from, to;
    pid_t pid;
    uint32_t slot, epoch;
};

struct tap_maps {
    struct tap_range *range; // by process and address
    size_t n, cap;
    struct tap_sums *sums; // TAP_SLOTS_MAX
    uint64_t overflowed;   // ranges there was no room for
};

int tap_maps_init(struct tap_maps *m); // -1: memory ran out
void tap_maps_free(struct tap_maps *m);

// The end of a stretch that begins at a page and covers all pages of which it has a part. False: there is none.
bool tap_maps_pages(uint64_t from, uint64_t bytes, uint64_t *to);

// A new mapping of at least a page. What lay there is cut out first.
void tap_maps_add(struct tap_maps *m, const struct tap_range *made);
// Takes [from, to) of a process out. What is left of a range on either side stays under its stack. *first gets the
// first of the ranges that were touched, as it was (first->pid 0: none).
void tap_maps_cut(struct tap_maps *m, pid_t pid, uint64_t from, uint64_t to, struct tap_range *first);

void tap_maps_drop_dead(struct tap_maps *m, tap_alive_fn *alive, void *ctx);
// Live bytes and ranges by slot and epoch, added to arrays of n_slots x TAP_EPOCHS.
void tap_maps_ages(const struct tap_maps *m, size_t n_slots, double *bytes, double *blocks);

#endif
