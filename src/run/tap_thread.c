// The thread that watches a running program's heap: reads the kernel's rings, puts the calls into order, counts them,
// and follows children. See tap.h.
//
// Order. Every processor has a ring of its own, and only within a ring records come in order. A record written before a
// reading began is in that reading, so after two readings everything older than the beginning of the first one is
// there: that much is sorted and counted, the rest waits one round.
#include "base/clock.h"
#include "run/tap_priv.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define EVENTS_MAX   (1u << 20) // waiting for their turn
#define YOUNG_NS     500000000ll
#define OVER_SECONDS 3     // so many in a row above the budget end it
#define DEBT_NS      250e6 // the program may lose so much at once, beyond its budget

static void forget_code(struct run_tap *t, const struct linux_uprobe_record *r)
{
    if (r->type != LINUX_UPROBE_MAPPED && r->type != LINUX_UPROBE_EXEC)
        return;
    t->families[(uint32_t)r->pid % FAMILIES_MAX] = (struct family){r->pid, r->pid, r->time_ns};
    t->n_texts = 0;
    tap_stacks_forget(t->stacks);
}

pid_t tap_like(const struct run_tap *t, pid_t pid)
{
    const struct family *f = &t->families[(uint32_t)pid % FAMILIES_MAX];
    return f->pid == pid ? f->like : pid;
}

// A process ended: most children do so before they are worth watching.
static void note_exit(struct run_tap *t, const struct linux_uprobe_record *r)
{
    if (r->tid != r->pid)
        return;
    for (size_t i = 0; i < t->n_young; i++)
        if (t->young[i].pid == r->pid) {
            t->young[i] = t->young[--t->n_young];
            return;
        }
    linux_uprobes_drop(t->probes, r->pid);
}

static void note_kin(struct run_tap *t, pid_t pid)
{
    struct linux_stat st;
    if (linux_stat_read(t->proc_fd, pid, &st, NULL) < 0)
        return;
    pthread_mutex_lock(&t->lock);
    t->kin[t->n_kin++ % TAP_KIN_MAX] = (struct linux_tree_node){.pid = pid, .starttime_ticks = st.starttime_ticks};
    pthread_mutex_unlock(&t->lock);
}

// Children that have lived for a while are watched from then on; what they allocated before counts as from before.
static void watch_young(struct run_tap *t)
{
    int64_t now = clock_mono_ns();
    for (size_t i = 0; i < t->n_young;) {
        if (now - t->young[i].born_ns < YOUNG_NS) {
            i++;
            continue;
        }
        if (linux_uprobes_add_child(t->probes, t->young[i].pid, NULL) == 0) // it may be gone
            note_kin(t, t->young[i].pid);
        t->young[i] = t->young[--t->n_young];
    }
}

// Somebody was started. A new thread is part of its process with BPF, and what it does cannot be seen without.
static void note_fork(struct run_tap *t, const struct linux_uprobe_record *r)
{
    if (t->forked && t->n_forked < TASKS_MAX)
        t->forked[t->n_forked++] = r->tid;
    // It may have executed something on another processor, whose ring was read before.
    struct family *f = &t->families[(uint32_t)r->pid % FAMILIES_MAX];
    if (r->tid == r->pid && (f->pid != r->pid || f->since_ns < r->time_ns))
        *f = (struct family){r->pid, tap_like(t, r->parent), r->time_ns};
    if (r->tid == r->pid && t->n_young < YOUNG_MAX)
        t->young[t->n_young++] = (struct young){r->pid, clock_mono_ns()};
    else if (t->all_watched && r->tid != r->pid && !linux_uprobes_follows(t->probes))
        t->thread_began = true;
}

void tap_take_record(const struct linux_uprobe_record *r, void *arg)
{
    struct run_tap *t = arg;
    forget_code(t, r);
    if (r->type == LINUX_UPROBE_FORK)
        note_fork(t, r);
    if (r->type == LINUX_UPROBE_EXIT)
        note_exit(t, r);
    if (t->n_events == t->cap_events) {
        size_t cap = t->cap_events ? 2 * t->cap_events : 4096;
        struct call_event *grown = cap <= EVENTS_MAX ? realloc(t->events, cap * sizeof *grown) : NULL;
        if (!grown) {
            t->missing++;
            return;
        }
        t->events = grown;
        t->cap_events = cap;
    }
    if (r->type == LINUX_UPROBE_HIT)
        t->spent_ns += t->cost_ns[t->points.where[r->point].kind];
    else if (r->type == LINUX_UPROBE_LOST)
        t->spent_ns += (double)r->lost * t->cost_ns[LINUX_UPROBE_RETURN]; // about the mean of all kinds
    const struct tap_point *p = &t->points.what[r->point];
    uint64_t caller = 0;
    if (r->type == LINUX_UPROBE_HIT && r->stack_bytes >= sizeof caller)
        memcpy(&caller, r->stack, sizeof caller);
    bool begins = r->type == LINUX_UPROBE_HIT && t->points.where[r->point].kind == LINUX_UPROBE_ENTRY_STACK;
    bool maps = begins && tap_role_maps(p->role);
    begins = begins && !(maps && tap_own_map(r->pid, caller, t)); // nobody asks for its stack
    t->events[t->n_events++] = (struct call_event){
        .time_ns = r->time_ns ? r->time_ns : clock_mono_ns(),
        .sequence = t->sequence++,
        .rax = r->value[0],
        .rdi = r->value[5],
        .rsi = r->value[4],
        .rdx = r->value[1],
        .rcx = r->value[2],
        .rsp = r->value[7],
        .pid = r->pid,
        .tid = r->tid,
        .point = r->point,
        .caller = caller,
        .slot = begins ? tap_stacks_slot(t->stacks, r, p->function, tap_like(t, r->pid), maps ? STACK_MMAP : 0)
                       : TAP_SLOT_OTHER,
        .lost = r->lost > UINT32_MAX ? UINT32_MAX : (uint32_t)r->lost,
        .type = (uint8_t)r->type};
}

static int by_time(const void *a, const void *b)
{
    const struct call_event *x = a, *y = b;
    if (x->time_ns != y->time_ns)
        return x->time_ns < y->time_ns ? -1 : 1;
    return x->sequence < y->sequence ? -1 : x->sequence > y->sequence;
}

static void count_one(struct run_tap *t, const struct call_event *e)
{
    struct linux_uprobe_record r = {
        .type = e->type, .time_ns = e->time_ns, .pid = e->pid, .tid = e->tid, .point = e->point, .lost = e->lost};
    r.value[0] = e->rax;
    r.value[1] = e->rdx;
    r.value[2] = e->rcx;
    r.value[4] = e->rsi;
    r.value[5] = e->rdi;
    r.value[7] = e->rsp;
    if (e->time_ns < t->flushed_ns && e->type == LINUX_UPROBE_HIT)
        t->late++;
    t->second_hits += e->type == LINUX_UPROBE_HIT;
    tap_live_take(t->live, &r, &t->points.what[e->point], e->slot, e->caller);
}

// Counts everything up to the horizon, in order. all: there is nothing more to come.
static void count_events(struct run_tap *t, bool all)
{
    size_t n = 0;
    if (t->n_events)
        qsort(t->events, t->n_events, sizeof *t->events, by_time);
    pthread_mutex_lock(&t->lock);
    for (; n < t->n_events && (all || t->events[n].time_ns < t->horizon_ns); n++) {
        count_one(t, &t->events[n]);
        if (t->events[n].time_ns > t->flushed_ns)
            t->flushed_ns = t->events[n].time_ns;
    }
    pthread_mutex_unlock(&t->lock);
    t->n_events -= n;
    if (n)
        memmove(t->events, t->events + n, t->n_events * sizeof *t->events);
}

static void read_round(struct run_tap *t)
{
    int64_t began = clock_mono_ns();
    linux_uprobes_read(t->probes, tap_take_record, t);
    if (t->n_events)
        count_events(t, false);
    t->counted_ns = t->horizon_ns;
    t->horizon_ns = began;
}

// Nothing has ended the watching by what was counted: it may be believed.
static void note_seen(struct run_tap *t)
{
    pthread_mutex_lock(&t->lock);
    t->seen_ns = t->counted_ns;
    pthread_mutex_unlock(&t->lock);
}

static void end_watching(struct run_tap *t, const char *why)
{
    linux_uprobes_free(t->probes);
    t->probes = NULL;
    pthread_mutex_lock(&t->lock);
    t->ended = true;
    t->ended_ns = clock_mono_ns();
    snprintf(t->why, sizeof t->why, "%s", why);
    pthread_mutex_unlock(&t->lock);
}

// Each call costs the target some microseconds: past the budget the harm outweighs what is learned. What it may lose
// flows like water into a bucket: a burst has room, and a steady stream above the share ends the watching soon.
static bool over_cost(struct run_tap *t)
{
    int64_t now = clock_mono_ns();
    double passed = (double)(now - t->round_ns), spent = t->spent_ns;
    t->round_ns = now;
    t->spent_ns = 0;
    t->debt_ns = fmax(0, t->debt_ns + spent - t->cost_share * passed);
    pthread_mutex_lock(&t->lock);
    t->cost_s += spent / 1e9;
    pthread_mutex_unlock(&t->lock);
    // Of the time in which the debt grew, not of the moment that was too much.
    t->high_spent_ns = t->debt_ns > 0 ? t->high_spent_ns + spent : 0;
    t->high_ns = t->debt_ns > 0 ? t->high_ns + passed : 0;
    if (t->debt_ns < DEBT_NS)
        return false;
    char why[240];
    snprintf(why, sizeof why,
             "The target's allocator is called too often to be watched from outside: it cost the target %.0f %% of a "
             "processor over %.1f s, and may cost %.3g %% (attribution.cost).",
             100 * t->high_spent_ns / t->high_ns, t->high_ns / 1e9, 100 * t->cost_share);
    end_watching(t, why);
    return true;
}

// The same by number, if the profile has one.
static bool over_number(struct run_tap *t)
{
    int64_t now = clock_mono_ns();
    double seconds = (double)(now - t->second_ns) / 1e9;
    if (seconds < 1)
        return false;
    double per_s = (double)t->second_hits / seconds;
    t->over = t->budget_per_s > 0 && per_s > t->budget_per_s ? t->over + 1 : 0;
    t->second_ns = now;
    t->second_hits = 0;
    if (t->over < OVER_SECONDS)
        return false;
    char why[240];
    snprintf(why, sizeof why,
             "The target's allocator is called too often to be watched from outside: %.0f calls and returns a second, "
             "budget %.0f (attribution.events).",
             per_s, t->budget_per_s);
    end_watching(t, why);
    return true;
}

static void note_cpu(struct run_tap *t)
{
    struct timespec ts;
    if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts) != 0)
        return;
    pthread_mutex_lock(&t->lock);
    t->cpu_ns = ts.tv_sec * 1000000000ll + ts.tv_nsec;
    pthread_mutex_unlock(&t->lock);
}

void *tap_watch(void *arg)
{
    struct run_tap *t = arg;
    t->second_ns = t->round_ns = clock_mono_ns();
    while (!atomic_load(&t->stop)) {
        linux_uprobes_wait(t->probes, TAP_ROUND_MS);
        read_round(t);
        note_cpu(t);
        watch_young(t);
        if (t->thread_began) {
            end_watching(t, "The target started a thread, which this kernel cannot watch from its beginning (BPF "
                            "uprobes of Linux 6.6 and the right to load BPF programs would be needed).");
            return NULL;
        }
        if (atomic_load(&t->main_is_lost)) {
            char why[240];
            snprintf(why, sizeof why, "The main process executed a program that is not watched: %.160s.", t->main_lost);
            end_watching(t, why);
            return NULL;
        }
        if (over_cost(t) || over_number(t))
            return NULL;
        note_seen(t);
    }
    return NULL;
}
