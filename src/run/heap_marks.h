// Operations that the target's processes marked (probes/seep_mark.h), by name over all of them: what the living have
// counted, and what those counted that are gone. The sample job's, as the heap it belongs to.
#ifndef SEEP_RUN_HEAP_MARKS_H
#define SEEP_RUN_HEAP_MARKS_H

#include "wire/wire.h"

struct run_tick;
struct store;

struct heap_mark {
    char name[WIRE_MARK_BYTES];
    double now;  // of regions that are still read; of the present tick
    double gone; // of processes whose region was given back
};

enum { HEAP_RELEASED_MAX = 128 };

// A region that was read for the last time and is to be given back to the keeper.
struct heap_released {
    uint32_t id;  // the keeper's
    int64_t tick; // whose row holds what was read
};

// The first is what finds no place; zero-initialised there are no others.
struct heap_marks {
    struct heap_mark mark[WIRE_MARKS_MAX];
    size_t n;
    uint32_t folded[HEAP_RELEASED_MAX]; // before seep was lost: regions whose counts are among the gone already
    size_t n_folded;
};

// One tick: begin, add each region there is, tell. A region that will not be read again is added as gone, and no more;
// until the keeper is told, `released` names it. Its counts and its name stand in one row, so that none is lost and
// none counts twice, whenever seep is killed.
void heap_marks_begin(struct heap_marks *m);
void heap_marks_add(struct heap_marks *m, struct wire *w, bool gone);
void heap_marks_tell(const struct heap_marks *m, const struct heap_released *released, size_t n_released,
                     struct run_tick *tick);
bool heap_marks_was_folded(const struct heap_marks *m, uint32_t region);

// After seep was lost: what the store knows of those who were gone by then. What cannot be read stays 0.
void heap_marks_restore(struct heap_marks *m, struct store *st);

#endif
