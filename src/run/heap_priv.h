// Inside of run/heap.h: its state, shared by heap.c and heap_tree.c.
#ifndef SEEP_RUN_HEAP_PRIV_H
#define SEEP_RUN_HEAP_PRIV_H

#include "run/followed.h"
#include "run/heap.h"
#include "run/heap_marks.h"
#include "run/heap_past.h"
#include "run/module_files.h"
#include "wire/wire.h"

#include <pthread.h>

struct region {
    struct wire *wire;
    int memory_fd; // the keeper's view of its memory; -1: none
    uint32_t id;
    pid_t pid;
    uint64_t starttime_ticks;
    bool main;
    uint32_t *number; // of the run, by the region's stack id; NO_NUMBER: not met yet
    size_t n_number;
    struct module_files files;
    bool alive, attached;
    uint64_t born_ns, parent_ns; // when it attached and when the process it was forked from did; 0: not forked
    bool off;                    // the probe was there and turned itself off
    bool stalled;                // we turned it off: it may not have seen that yet
    bool lies;                   // what it said cannot be; nothing it says counts any more
    uint32_t off_reason;         // enum seep_off_reason
    uint32_t heritage;           // enum seep_heritage
    unsigned looks;
    bool second_libc; // a namespace of its own, by dlmopen: no probe in there
    bool heir;        // its parent is gone: what it inherited is nobody else's and counts as its own
    struct wire_snapshot snapshot;
    struct watched *watch; // of heap_watch.c, by slot; NULL: none seen yet
    struct region *next;   // in the list of arrivals
};

struct run_heap {
    bool sampled;
    double mean_bytes;
    uint32_t epoch;
    struct region *regions[HEAP_REGIONS_MAX];
    size_t n_regions;
    struct heap_released released[HEAP_RELEASED_MAX]; // oldest first
    size_t n_released;

    pthread_mutex_t lock; // guards arrivals
    struct region *arrivals;
    struct stack_table *table;

    struct tick_stack *sums; // by number, of the present tick
    size_t n_sums, cap_sums;
    double *age_bytes, *age_blocks; // [number][HEAP_EPOCHS + 1], as taken
    size_t n_aged;
    struct heap_evidence seen;
    struct heap_allocator last_allocator;
    struct followed followed;
    pid_t gave_up_pid; // with seen.gave_up, and why
    uint32_t gave_up_reason;
    struct heap_marks marks;
    struct heap_past past;
    char past_text[320];
    bool only_main; // the profile wants no other process attributed
};

// Regions handed over by heap_region_add() since the last call become ours.
void heap_take_arrivals(struct run_heap *h);
// Whether what stands in a region is still true: a probe that is off has stopped counting.
static inline bool heap_tells(const struct region *g)
{
    return g->attached && !g->off;
}
// Why a probe is off, beside what it says itself (enum seep_off_reason).
enum { HEAP_OFF_LIES = 1000 };
// After a snapshot: whether what it says can be true of this process; if not, it never counts again.
bool heap_believes(struct region *g, int proc_fd);
// Turns the probe off in processes where one of its walks has used a second of processor time. After heap_look().
void heap_watch(struct run_heap *h, int proc_fd);
// Who of the regions' processes lives, under which image, and whose blocks count as whose. First thing at each look.
void heap_look(struct run_heap *h, int proc_fd, const struct linux_tree *tree);
// Whether the main process had a region, and runs now, but as a program that has none.
bool heap_main_is_unseen(const struct run_heap *h, const struct linux_tree *tree);
// Notes for the report what becomes of each process.
void heap_follow(struct run_heap *h, int proc_fd, const struct linux_tree *tree);

#endif
