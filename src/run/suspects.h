// Stacks that grow, and what scans of the target's memory say about their blocks (scan/).
//
// About a fifth into the measured time every stack's live bytes are remembered; later those that have grown most become
// suspects, each in the process that holds most of it, and a few scans follow. The sample job chooses, a job of its own
// scans; both never at the same time.
#ifndef SEEP_RUN_SUSPECTS_H
#define SEEP_RUN_SUSPECTS_H

#include "run/heap.h"
#include "scan/scan.h"

#define SUSPECTS_CASES 4  // processes looked at
#define SUSPECTS_MOST  24 // stacks chosen at a time

enum suspects_step { SUSPECTS_REST, SUSPECTS_REMEMBER, SUSPECTS_CHOOSE };

struct run_tap;

struct suspects_case {
    struct scan_case *scan;
    uint32_t region;                    // the keeper's number; with a tap 0
    struct run_tap *tap;                // an attached program's blocks come from here; the scan's ids are the numbers
    pid_t pid;                          // with a tap
    uint32_t number[SCAN_SUSPECTS_MAX]; // the run's numbers of its stacks
    size_t n;
};

struct run_suspects {
    double *then; // live bytes by stack number
    size_t n_then;
    bool has_then;
    struct suspects_case cases[SUSPECTS_CASES];
    size_t n_cases;
    unsigned steps; // scans begun so far
    double cpu_s;   // used by all workers
    enum scan_trouble trouble;
    pid_t trouble_pid;
    struct seep_err err; // why a process could not be looked at; code SEEP_OK: none
};

void suspects_free(struct run_suspects *s);

// The sample job, at ticks with stacks.
void suspects_remember(struct run_suspects *s, const struct run_tick *t);
// Adds what has grown since and is not under suspicion yet. A process whose memory cannot be opened is left out, and
// err says so.
void suspects_choose(struct run_suspects *s, struct run_heap *h, int proc_fd, const struct run_tick *t);
// The same of a program watched from outside; the tap must stay until suspects_free().
void suspects_choose_tapped(struct run_suspects *s, struct run_tap *tap, int proc_fd, const struct run_tick *t);

// The scan job: one scan of every case, each at most limit_s. Blocks.
void suspects_scan(struct run_suspects *s, double limit_s);

// One suspect and what is known of it; number: of its stack.
typedef void suspects_fn(uint32_t number, const struct suspects_case *c, const struct scan_sum *sum, void *ctx);
void suspects_each(const struct run_suspects *s, suspects_fn *fn, void *ctx);

#endif
