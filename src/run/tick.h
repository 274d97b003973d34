// One tick between the sampler and the store: plain numbers. Made by the loop, filled by the sample job, taken over by
// the writer and freed there. What is not known is NAN.
#ifndef SEEP_RUN_TICK_H
#define SEEP_RUN_TICK_H

#include "base/units.h"
#include "linux/proc.h"
#include "load/load.h"
#include "report/names.h"
#include "store/store.h"

// The series without labels: identifier, name in the store, unit, kind. THE list; enum, writer and sampler come from
// it.
#define RUN_SERIES(X)                                                                                                  \
    X(RSS, S_RSS, UNIT_BYTES, GAUGE)                                                                                   \
    X(RSS_ANON, S_RSS_ANON, UNIT_BYTES, GAUGE)                                                                         \
    X(RSS_FILE, S_RSS_FILE, UNIT_BYTES, GAUGE)                                                                         \
    X(RSS_SHMEM, S_RSS_SHMEM, UNIT_BYTES, GAUGE)                                                                       \
    X(SWAP, S_SWAP, UNIT_BYTES, GAUGE)                                                                                 \
    X(PSS, S_PSS, UNIT_BYTES, GAUGE)                                                                                   \
    X(PSS_ANON, S_PSS_ANON, UNIT_BYTES, GAUGE)                                                                         \
    X(PSS_FILE, S_PSS_FILE, UNIT_BYTES, GAUGE)                                                                         \
    X(PSS_SHMEM, S_PSS_SHMEM, UNIT_BYTES, GAUGE)                                                                       \
    X(VSIZE, S_VSIZE, UNIT_BYTES, GAUGE)                                                                               \
    X(THREADS, S_THREADS, UNIT_NONE, GAUGE)                                                                            \
    X(CHILDREN, S_CHILDREN, UNIT_NONE, GAUGE)                                                                          \
    X(ZOMBIES, S_ZOMBIES, UNIT_NONE, GAUGE)                                                                            \
    X(MAPS, S_MAPS, UNIT_NONE, GAUGE)                                                                                  \
    X(FD, S_FD, UNIT_NONE, GAUGE)                                                                                      \
    X(CPU, S_CPU, UNIT_SECONDS, COUNTER)                                                                               \
    X(CTXT_VOLUNTARY, S_CTXT_VOLUNTARY, UNIT_NONE, COUNTER)                                                            \
    X(CTXT_INVOLUNTARY, S_CTXT_INVOLUNTARY, UNIT_NONE, COUNTER)                                                        \
    X(FAULTS_MINOR, S_FAULTS_MINOR, UNIT_NONE, COUNTER)                                                                \
    X(FAULTS_MAJOR, S_FAULTS_MAJOR, UNIT_NONE, COUNTER)                                                                \
    X(IO_READ, S_IO_READ, UNIT_BYTES, COUNTER)                                                                         \
    X(IO_WRITE, S_IO_WRITE, UNIT_BYTES, COUNTER)                                                                       \
    X(CGROUP_MEMORY, S_CGROUP_MEMORY, UNIT_BYTES, GAUGE)                                                               \
    X(HEAP_LIVE, S_HEAP_LIVE, UNIT_BYTES, GAUGE)                                                                       \
    X(HEAP_BLOCKS, S_HEAP_BLOCKS, UNIT_NONE, GAUGE)                                                                    \
    X(HEAP_ALLOCS, S_HEAP_ALLOCS, UNIT_NONE, COUNTER)                                                                  \
    X(HEAP_ALLOC_BYTES, S_HEAP_ALLOC_BYTES, UNIT_BYTES, COUNTER)                                                       \
    X(HEAP_DOUBT, S_HEAP_DOUBT, UNIT_NONE, COUNTER)                                                                    \
    X(MAPS_DOUBT, S_MAPS_DOUBT, UNIT_NONE, COUNTER)                                                                    \
    X(HEAP_RESIDENT, S_HEAP_RESIDENT, UNIT_BYTES, GAUGE)                                                               \
    X(HEAP_UNTOUCHED, S_HEAP_UNTOUCHED, UNIT_BYTES, GAUGE)                                                             \
    X(ALLOC_ALLOCATED, S_ALLOC_ALLOCATED, UNIT_BYTES, GAUGE)                                                           \
    X(ALLOC_ACTIVE, S_ALLOC_ACTIVE, UNIT_BYTES, GAUGE)                                                                 \
    X(ALLOC_RESIDENT, S_ALLOC_RESIDENT, UNIT_BYTES, GAUGE)                                                             \
    X(ALLOC_RETAINED, S_ALLOC_RETAINED, UNIT_BYTES, GAUGE)                                                             \
    X(ALLOC_MAPPED, S_ALLOC_MAPPED, UNIT_BYTES, GAUGE)                                                                 \
    X(ALLOC_AGE, S_ALLOC_AGE, UNIT_SECONDS, GAUGE)                                                                     \
    X(THREAD_STACKS, S_THREAD_STACKS, UNIT_BYTES, GAUGE)                                                               \
    X(MMAP_ANON, S_MMAP_ANON, UNIT_BYTES, GAUGE)                                                                       \
    X(PROBE_RSS, S_PROBE_RSS, UNIT_BYTES, GAUGE)                                                                       \
    X(SEEP_RSS, S_SEEP_RSS, UNIT_BYTES, GAUGE)                                                                         \
    X(SEEP_CPU, S_SEEP_CPU, UNIT_SECONDS, COUNTER)

enum run_series {
#define X(id, name, unit, kind) RUN_S_##id,
    RUN_SERIES(X)
#undef X
        RUN_SERIES_N
};

struct run_series_info {
    const char *name;
    enum seep_unit unit;
    enum store_series_kind kind;
};
extern const struct run_series_info run_series_table[RUN_SERIES_N];

enum { TICK_QUANTILES = 5 }; // p50 p90 p95 p99 p999

struct tick_load {      // of one series of the load: cumulative counts, and what finished within this tick
    const char *labels; // of its row in the series table; "" for all
    enum load_series_kind kind;
    struct load_codes codes;
    struct load_counts counts;
    double quantile_s[TICK_QUANTILES];
    struct seep_buf window; // histogram blob of this window of ticks; empty: none ends here
};

struct tick_metric { // one of the user's own: cumulative counts
    struct load_metric metric;
    struct load_metric_counts counts;
    struct seep_buf window; // as above
};

struct tick_stack {
    uint32_t stack; // number in the run's own table (run/heap.h)
    double live_bytes, live_blocks, alloc_bytes, alloc_blocks, variance;
};

struct tick_event {
    const char *kind; // of report/names.h
    struct seep_time from, to;
    int64_t count;
    char *text;
};

// A value of a series that only this run has: of a fault, a probe, a scraped endpoint.
struct tick_point {
    char *name, *labels; // in one piece of memory
    enum seep_unit unit;
    enum store_series_kind kind;
    double value; // finite
};

enum { TICK_POINTS_MAX = 2048 };

struct run_tick {
    int64_t index;
    struct seep_time time;
    enum store_phase phase;
    int64_t late_ns, missed;
    double value[RUN_SERIES_N];
    double fd_kind[LINUX_FD_KINDS];
    struct tick_load *loads;
    size_t n_loads;
    struct tick_metric *metrics;
    size_t n_metrics;
    struct load_generator generator; // at_ns 0: nothing known
    bool has_stacks;
    struct tick_stack *stacks;
    size_t n_stacks;
    struct tick_event *events;
    size_t n_events;
    struct tick_point *points;
    size_t n_points;
    uint64_t stopped, processes; // of the tree, for cutting out stopped time
};

struct run_tick *tick_new(void); // all values NAN; NULL when memory ran out
void tick_free(struct run_tick *t);
// Copies text; an event that finds no memory is dropped and counted in the return value -1.
int tick_event(struct run_tick *t, const char *kind, struct seep_time from, struct seep_time to, int64_t count,
               const char *text);
// Adds a point; what is not finite is left out. -1 when memory ran out or there are TICK_POINTS_MAX.
int tick_point(struct run_tick *t, const char *name, const char *labels, enum seep_unit unit,
               enum store_series_kind kind, double value);

#endif
