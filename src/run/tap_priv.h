// Inside of run/tap.h: its state, shared by tap.c (beginning and end), tap_thread.c (the watching thread) and
// tap_sums.c (what the sample job takes from it).
#ifndef SEEP_RUN_TAP_PRIV_H
#define SEEP_RUN_TAP_PRIV_H

#include "run/followed.h"
#include "run/tap.h"
#include "run/tap_points.h"
#include "run/tap_stacks.h"

#include <pthread.h>
#include <stdatomic.h>

#define TAP_ROUND_MS 20
#define TASKS_MAX    4096
#define FAMILIES_MAX 4096
#define TEXTS_MAX    64
#define YOUNG_MAX    256

struct call_event {
    int64_t time_ns;
    uint64_t sequence, rax, rdi, rsi, rdx, rcx, rsp, caller;
    pid_t pid, tid;
    uint32_t point, slot;
    uint32_t lost;
    uint8_t type;
};

struct family { // a process whose code lies where another's does: forked, not executed
    pid_t pid, like;
    int64_t since_ns; // of the record that says so
};

struct young { // a child not watched yet
    pid_t pid;
    int64_t born_ns;
};

struct text { // where an allocator's own functions lie in a process
    pid_t pid;
    uint64_t from, to; // both 0: nowhere
    struct {
        uint64_t from, to;
    } lib[2]; // and the whole code of its library, and of the C library
};

// What is known of a process of the tree: does it run code that is watched?
struct tap_place {
    pid_t pid;
    uint64_t starttime_ticks;
    unsigned looks;
    bool watched;
    char why[200]; // it is not: the end of a sentence
};
#define TAP_PLACES 1024 // by pid modulo: who comes later takes the place

struct run_tap {
    struct linux_uprobes *probes;
    int proc_fd;
    struct tap_points points;
    struct stack_table *table;
    struct tap_stacks *stacks;
    pthread_t thread;
    bool running;
    atomic_bool stop;
    double budget_per_s, cost_share;
    double cost_ns[LINUX_UPROBE_KINDS]; // of one hit
    bool cost_measured;
    // The thread's:
    struct call_event *events;
    size_t n_events, cap_events;
    uint64_t sequence;
    int64_t horizon_ns, flushed_ns, counted_ns;
    int64_t second_ns;
    uint64_t second_hits;
    int over;
    int64_t round_ns;
    double spent_ns;               // by the program, since round_ns
    double debt_ns;                // spent above what it may spend
    double high_spent_ns, high_ns; // of the time since there is debt: what was spent, and how long it is
    atomic_uint_fast64_t missing;  // records there was no memory for
    pid_t *forked;                 // while tap_new() looks for threads
    size_t n_forked;
    bool all_watched, thread_began;
    struct family families[FAMILIES_MAX]; // by pid modulo the size: who comes later takes the place
    struct text texts[TEXTS_MAX];
    size_t n_texts;
    struct young young[YOUNG_MAX];
    size_t n_young;

    pthread_mutex_t lock;                    // guards everything below
    struct linux_tree_node kin[TAP_KIN_MAX]; // the last ones that were started, in a ring
    size_t n_kin;
    struct tap_live *live;
    uint64_t late, told_lost;
    size_t n_descriptors;
    const char *means;
    int64_t seen_ns;                    // every record older than that is in the live set
    double cost_s;                      // all that was spent
    int64_t began_ns, ended_ns, cpu_ns; // cpu_ns: of the thread, as of its last round
    bool ended, told_ended;
    char why[240];

    // The sample job's:
    pid_t main_pid;
    struct followed followed;
    struct tap_place places[TAP_PLACES];
    char main_lost[200];      // before main_is_lost
    atomic_bool main_is_lost; // the main process runs a program whose allocator is not watched
    uint32_t numbers[TAP_SLOTS_MAX];
    struct tick_stack *sums;
    size_t cap_sums;
    double *age_bytes, *age_blocks;
    size_t n_aged;
};

// Takes one record into the list of those that wait for their turn; arg: the tap.
void tap_take_record(const struct linux_uprobe_record *r, void *arg);
// Which processes of the tree are watched; the sample job.
void tap_follow(struct run_tap *t, int proc_fd, const struct linux_tree *tree);
// Is it the allocator or the C library that maps memory there? ctx: the tap.
bool tap_own_map(pid_t pid, uint64_t caller, void *ctx);
// The body of the watching thread; arg: the tap.
void *tap_watch(void *arg);
// A process whose code lies where pid's does: itself, or the one it was forked from.
pid_t tap_like(const struct run_tap *t, pid_t pid);

#endif
