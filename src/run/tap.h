// The heap of a program that already runs, watched from outside by uprobes: `seep attach`'s counterpart of run/heap.h.
//
// A thread of its own reads the kernel's rings, puts the calls of all processors into order and keeps the live set; the
// sample job takes sums from it. Nothing runs inside the target; when this ends, however it ends, the kernel takes the
// breakpoints out.
#ifndef SEEP_RUN_TAP_H
#define SEEP_RUN_TAP_H

#include "base/err.h"
#include "linux/tree.h"
#include "run/heap.h"
#include "run/stack_table.h"
#include "run/tap_live.h"
#include "run/tick.h"

struct run_tap;

struct tap_options {
    bool without_bpf;    // the uprobe PMU alone
    double cost;         // share of a processor the program may lose to being watched; <= 0: TAP_COST
    double budget_per_s; // calls seen a second above which the watching ends; <= 0: no such ceiling
    double max_bytes;    // of memory for the live set; <= 0: the larger of 64 MiB and 1/32 of the machine's
};

#define TAP_COST 0.10

// Begins to watch every process of tree and whatever they start. NULL with a sentence that names what is missing.
struct run_tap *tap_new(const struct tap_options *opt, int proc_fd, const struct linux_tree *tree,
                        struct seep_err *err);
void tap_free(struct run_tap *t); // NULL is allowed

// "jemalloc /usr/lib/...": whose functions are watched.
const char *tap_allocator(const struct run_tap *t);
bool tap_sees_maps(const struct run_tap *t); // the program's own mappings too

struct tap_totals { // of blocks allocated since the watching began; NAN when it has ended
    double live_bytes, live_blocks, allocs, alloc_bytes, doubt;
    double map_doubt; // of the program's own mappings
};

// The sample job: sums now, with want_stacks the tick's stacks, and rows about what was lost or ended.
void tap_sample(struct run_tap *t, const struct linux_tree *tree, bool want_stacks, struct run_tick *tick,
                struct tap_totals *out);

void tap_set_epoch(struct run_tap *t, uint32_t epoch); // 0..HEAP_EPOCHS
struct stack_table *tap_table(struct run_tap *t);

// As in heap.h.
int tap_take_ages(struct run_tap *t, struct seep_err *err);
bool tap_ages_taken(const struct run_tap *t);
int tap_each_age(const struct run_tap *t, heap_age_fn *each, void *ctx);

// ---- for the memory scan; any thread

// Lists the blocks of one process as of a moment after the call, under the run's numbers of their stacks. -1: the
// watching has ended, or does not catch up within TAP_CATCH_UP_MS.
#define TAP_CATCH_UP_MS 3000
struct scan_list;
int tap_list(struct run_tap *t, pid_t pid, struct scan_list *list);

// Which process has most live bytes of each of these stacks, by the run's number; pid 0: none has any.
struct tap_most {
    uint32_t number;
    pid_t pid;
    double bytes;
};
void tap_find_most(struct run_tap *t, struct tap_most *most, size_t n);

// Processes that watched ones have started and that live, whoever their parent is by now; only pid and starttime_ticks
// of each. The sample job.
#define TAP_KIN_MAX 512
size_t tap_kin(struct run_tap *t, struct linux_tree_node kin[TAP_KIN_MAX]);

// As heap_processes() and heap_process(): of the processes that were met, which are watched, a sentence each.
size_t tap_processes(const struct run_tap *t);
bool tap_process(const struct run_tap *t, size_t i, char *text, size_t size);

struct tap_evidence {
    struct tap_counts counts;
    uint64_t late;                                  // records that came after younger ones had been counted
    uint64_t recognised, unwound, failed, unplaced; // stacks; unplaced: counted as (other)
    size_t events;                                  // descriptors in use
    const char *means;                              // "BPF", "the uprobe PMU"
    double seconds, seen_per_s;                     // how long it watched, and calls seen a second
    double own_cpu_s;                               // processor time of the watching thread; NAN unknown
    double cost_s;                                  // processor time that being watched has cost the program
    bool cost_measured;                             // on this machine; else it is what such hits cost elsewhere
    char ended[240];                                // why it ended before its time; ""
};
void tap_evidence(struct run_tap *t, struct tap_evidence *out);

#endif
