// The watchdog over the probes: a thread that hangs inside one shall not take the whole program with it.
//
// Place: the sample job, at every tick. A thread marks in its slot that it looks for a stack other than its last ones
// (the one place in the probe that reads tables it did not write). When the mark has not moved since an earlier look,
// though the thread has used a second of processor time since, the probe hangs there: it is told to stay out of all
// other threads, and the run goes on without attribution of this process. Processor time, because a program that is
// stopped, frozen, traced, or has to wait for a processor uses none: that is no fault of the probe's. Trust: slots
// belong to the target. The worst that lies in them can do is to turn its own attribution off.
#include "linux/proc.h"
#include "run/heap_priv.h"
#include "seep_wire.h"

#include <stdlib.h>

#define STALL_US          1000000
#define LIES_FACTOR       16
#define LIES_MARGIN_BYTES 1e9

struct watched {
    struct wire_thread at; // as first seen with this mark; tid 0: not in a walk
    int64_t cpu_us;        // the thread's then
};

static bool same(const struct wire_thread *a, const struct wire_thread *b)
{
    return a->tid == b->tid && a->cold == b->cold && a->alloc_blocks == b->alloc_blocks &&
           a->free_blocks == b->free_blocks;
}

// Processor time of a thread; -1: it is gone, or not to be seen.
static int64_t cpu_of(int proc_fd, pid_t pid, pid_t tid)
{
    struct linux_stat st;
    return linux_thread_stat_read(proc_fd, pid, tid, &st, NULL) ? -1 : st.utime_us + st.stime_us;
}

static bool hangs(struct watched *w, const struct wire_thread *now, int proc_fd, pid_t pid)
{
    int64_t cpu_us = cpu_of(proc_fd, pid, (pid_t)now->tid);
    if (cpu_us >= 0 && same(&w->at, now))
        return cpu_us - w->cpu_us >= STALL_US;
    *w = (struct watched){.at = *now, .cpu_us = cpu_us};
    if (cpu_us < 0)
        w->at.tid = 0;
    return false;
}

static bool any_hangs(struct region *g, int proc_fd)
{
    for (uint32_t slot = 1; slot < SEEP_THREAD_SLOTS; slot++) {
        struct wire_thread now;
        bool walking = wire_thread(g->wire, slot, &now) && now.cold & 1;
        if (!walking && g->watch)
            g->watch[slot].at.tid = 0;
        if (!walking || (!g->watch && !(g->watch = calloc(SEEP_THREAD_SLOTS, sizeof *g->watch))))
            continue;
        if (hangs(&g->watch[slot], &now, proc_fd, g->pid))
            return true;
    }
    return false;
}

// Thread ids are the target's own: where its numbering is not ours, nothing can be said of its threads.
static bool watchable(const struct region *g)
{
    struct wire_hello hello;
    wire_hello(g->wire, &hello);
    return g->alive && g->attached && !g->off && hello.pid == (uint32_t)g->pid;
}

// More live bytes than the process has addresses: somebody writes into the region. Estimates from samples, and blocks
// freed past the probe, may exceed what is there, but not by so much.
bool heap_believes(struct region *g, int proc_fd)
{
    const struct wire_totals *t = &g->snapshot.totals;
    struct linux_stat st;
    double usable = (double)t->usable_alloc_bytes - (double)t->usable_free_bytes;
    if (g->lies || linux_stat_read(proc_fd, g->pid, &st, NULL) || st.vsize_bytes <= 0)
        return !g->lies;
    double most = (double)LIES_FACTOR * (double)st.vsize_bytes + LIES_MARGIN_BYTES;
    if (!(usable > most) && !(t->live_bytes > most))
        return true;
    wire_turn_off(g->wire);
    g->off = g->lies = true;
    g->off_reason = HEAP_OFF_LIES;
    return false;
}

void heap_watch(struct run_heap *h, int proc_fd)
{
    for (size_t i = 0; i < h->n_regions; i++) {
        struct region *g = h->regions[i];
        if (watchable(g) && any_hangs(g, proc_fd)) {
            wire_turn_off_stalled(g->wire);
            g->off = g->stalled = true;
            g->off_reason = SEEP_OFF_STALLED;
        }
        bool gave_up = g->off && (g->off_reason == SEEP_OFF_STALLED || g->off_reason == SEEP_OFF_LOCKED ||
                                  g->off_reason == HEAP_OFF_LIES);
        if (!gave_up || (h->seen.main_gave_up && !g->main))
            continue;
        h->seen.gave_up = true; // perhaps by a supervisor before us
        h->seen.main_gave_up |= g->main;
        h->gave_up_pid = g->pid;
        h->gave_up_reason = g->off_reason;
    }
}
