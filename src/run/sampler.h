// The sample job: everything one tick looks at, on a worker thread because /proc can block. One job at a time; between
// jobs the loop's thread owns the struct.
#ifndef SEEP_RUN_SAMPLER_H
#define SEEP_RUN_SAMPLER_H

#include "linux/cgroup.h"
#include "linux/tree.h"
#include "run/crosscheck.h"
#include "run/heap.h"
#include "run/heap_past.h"
#include "run/outside.h"
#include "run/suspects.h"
#include "run/tap.h"
#include "run/tick.h"

struct run_sampler {
    int proc_fd;
    pid_t root;     // the keeper: the tree is everybody below it
    pid_t main_pid; // the target's main process
    const struct linux_cgroup *cgroup;
    bool root_belongs;           // attached: the root is the target itself
    struct run_heap *heap;       // the probe's; NULL: attribution off, or an attached target
    struct run_tap *tap;         // an attached target's; NULL: not watched
    struct run_outside *outside; // the C library's count of an attached target's heap; NULL: none is read
    struct heap_past past[2];    // of an attached target: by uprobes, by its C library's count
    char past_text[320];         // what grows past both; "" nothing
    uint64_t root_starttime;     // attached: with root its identity
    struct linux_tree *tree;
    struct linux_tree *before;         // attached: as of the last job
    struct run_crosscheck *crosscheck; // takes the copies of stacks; NULL: nobody wants them
    int64_t dear_pause_ns;             // between two dear looks at least
    // Costs, to keep dear looks rare: nanoseconds of the last one and when it was.
    int64_t rollup_at_ns, rollup_cost_ns, split_at_ns, split_cost_ns, outside_at_ns, outside_cost_ns;
    double cpu_lost_s, cpu_last_s; // of processes that have ended: the counter never falls
    // The job
    struct run_tick *tick;  // in: index, time, phase, loads; out: the rest
    bool want_stacks, edge; // edge: first or last tick of a phase: everything is read
    bool want_ages;         // the last tick of the measured time: survivor ages are taken too
    enum suspects_step suspects_step;
    struct run_suspects suspects; // not while a scan is at work
    struct seep_err err;          // of the last job; code SEEP_OK when it went well
};

// Opens /proc and makes room. Errors: SEEP_E_SYSTEM.
int sampler_init(struct run_sampler *s, struct seep_err *err);
void sampler_free(struct run_sampler *s);
// How long the measured time will be: in a short run dear looks are taken more often than once a second.
void sampler_plan(struct run_sampler *s, double duration_s);

// Takes the sample into s->tick. Never fails: what could not be read stays NAN and, when the tree itself could not be
// read, s->err says so.
void sampler_take(struct run_sampler *s);

#endif
