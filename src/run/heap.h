// The heap of the whole tree, as the probes see it: the regions of all processes, their stacks brought together under
// the run's own numbers, and sums over them.
//
// Stacks have the numbers of run/stack_table.h, the same in all processes: so the workers of a pre-fork server are
// summed.
//
// The sample job owns this while it runs; heap_region_add() may be called at any time from the loop's thread.
#ifndef SEEP_RUN_HEAP_H
#define SEEP_RUN_HEAP_H

#include "base/err.h"
#include "linux/tree.h"
#include "run/stack_table.h"
#include "run/tick.h"
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define HEAP_REGIONS_MAX 64
#define HEAP_EPOCHS      64 // survivor ages are told in this many parts of the measured time

struct run_heap;
struct wire;
struct wire_copy;

struct heap_allocator { // sums over the processes; NAN unknown
    char kind[16];      // "jemalloc", "glibc", ... of the main process; "" unknown
    double allocated, active, resident, retained, mapped, age_s;
};

struct heap_totals {
    double live_bytes, live_blocks, allocs, alloc_bytes; // NAN when no region answers
    double probe_rss;                                    // resident bytes of the regions in the target
    struct heap_allocator allocator;
    size_t regions;
    uint64_t lost; // allocations the probes could not place, all together
};

struct run_heap *heap_new(bool sampled, double sampling_mean_bytes, struct seep_err *err);
void heap_free(struct run_heap *h);

// A process has a region; takes over fd and memory_fd, the keeper's view of its memory (-1: none). main: the target's
// main process. id is the keeper's. Thread-safe.
int heap_region_add(struct run_heap *h, int fd, int memory_fd, uint32_t id, pid_t pid, uint64_t starttime_ticks,
                    bool main, struct seep_err *err);

// Reads all regions, fills the totals, and with want_stacks the tick's stacks. Regions whose process is no
// longer in the tree are read a last time and given up; their ids come out of heap_next_released(). Asks the probes for
// allocator statistics for the next tick.
void heap_sample(struct run_heap *h, int proc_fd, const struct linux_tree *tree, bool want_stacks,
                 struct run_tick *tick, struct heap_totals *out);

// After the target has ended: what of its main process's heap was never freed, as stacks and totals of `tick`. False
// when the main process has no region or is still alive. No job running.
bool heap_at_exit(struct run_heap *h, struct run_tick *tick);

// Copies of stacks that wait in the regions: hands at most `max` to `each`, with the region, from all processes in
// turn. The sample job.
typedef void heap_copy_fn(pid_t pid, struct wire *region, const struct wire_copy *copy, void *ctx);
void heap_copies(struct run_heap *h, size_t max, heap_copy_fn *each, void *ctx);

// Region ids to give back to the keeper, those whose last reading stands in a tick up to this one, for only then it is
// durable: tells one, and the same one again until heap_released() says that the keeper has its order. Loop's thread,
// no job running.
bool heap_next_released(const struct run_heap *h, int64_t tick, uint32_t *id);
void heap_released(struct run_heap *h);

// From now on blocks are born in this epoch (1..HEAP_EPOCHS; 0 before the measured time). No job running.
void heap_set_epoch(struct run_heap *h, uint32_t epoch);

// Survivor ages: takes them now (call while the target's heap is as it should be judged: before the stop signal), and
// tells them later. No job running. heap_each_age() calls `each` for every stack with live blocks then; bytes and
// blocks have HEAP_EPOCHS + 1 entries by birth epoch; it stops when `each` returns non-zero. Nothing was taken: no
// calls.
int heap_take_ages(struct run_heap *h, struct seep_err *err);
bool heap_ages_taken(const struct run_heap *h);
typedef int heap_age_fn(uint32_t stack, const uint64_t *bytes, const uint64_t *blocks, size_t n_epochs, void *ctx);
int heap_each_age(const struct run_heap *h, heap_age_fn *each, void *ctx);

// What the evidence says of the probes: a sentence when something is not attributed, "" when all is well.
struct heap_evidence {
    size_t processes_seen, processes_attributed;
    uint64_t truncated, lost;
    bool any;          // at least one region was ever written by a probe
    bool gave_up;      // a probe was turned off in a process: it hung there, or stood in the program's way ...
    bool main_gave_up; // ... in the main one
    bool past;         // its allocator is not the one the probe sees (heap_past.h)
    bool main_unseen;  // the main process went on as another program, without a probe
    char trouble[320]; // a sentence, or ""
    char allocator[16];
};
void heap_evidence(struct run_heap *h, struct heap_evidence *out);

// Living processes with a probe, for the memory scan. The sample job.
struct wire_stack;
struct heap_view {
    pid_t pid;
    uint32_t region;                // the keeper's number
    int region_fd;                  // borrowed
    int memory_fd;                  // borrowed: the keeper's view of its memory; -1: none
    const struct wire_stack *stack; // as of the last tick
    size_t n_stacks;
    const uint32_t *number; // of the run, by the region's stack id
    size_t n_number;
};
typedef void heap_view_fn(const struct heap_view *v, void *ctx);
void heap_each_region(struct run_heap *h, heap_view_fn *fn, void *ctx);
// Resident private bytes of all anonymous mappings that the programs themselves made; NAN where no process is
// attributed. The sample job; costs a walk over their page tables.
double heap_mapped_resident(struct run_heap *h, int proc_fd);
// Bytes of live blocks in whole pages without content: allocated, counted as live, and never written to. Blocks under
// 64 KiB are taken as written to. NAN where no process is attributed, or where blocks are too large to be looked
// through.
double heap_untouched(struct run_heap *h, int proc_fd);
// The run's number of a region's stack; 0 when region or stack are not known. No job running.
uint32_t heap_number(const struct run_heap *h, uint32_t region, uint32_t id);

// The main process's anonymous memory from outside, as heap_past.h takes it; after heap_sample() of the same tick.
// Returns the sentence when it is now known that its allocations pass the probe by, NULL otherwise.
const char *heap_outside(struct run_heap *h, int proc_fd, double outside, double brk);
// The allocator that passes the probe by, "" where none is known to.
const char *heap_past_allocator(const struct run_heap *h);

// Processes met so far, and for the i-th a sentence of what became of its attribution; false: met only in passing.
size_t heap_processes(const struct run_heap *h);
bool heap_process(const struct run_heap *h, size_t i, char *text, size_t size);

// From the start: only the main process is attributed, the regions of others are given back.
void heap_follow_only_main(struct run_heap *h);

// A run that is taken up again: what its store knows of processes that are gone. Before the first sample.
void heap_restore(struct run_heap *h, struct store *st);

// The table behind the numbers of stacks; the heap's own.
struct stack_table *heap_table(struct run_heap *h);

#endif
