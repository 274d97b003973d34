// Watching a running program's heap: see tap.h.
//
// Order. Every processor has a ring of its own, and only within a ring records come in order. A record written before a
// reading began is in that reading, so after two readings everything older than the beginning of the first one is
// there: that much is sorted and counted, the rest waits one round.
#include "run/tap.h"
#include "base/clock.h"
#include "linux/host.h"
#include "linux/mem.h"
#include "run/tap_points.h"
#include "run/tap_stacks.h"

#include <math.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#define STACK_BYTES  8192u
#define ROUND_MS     20
#define WARM_UP_MS   10000
#define EVENTS_MAX   (1u << 20) // waiting for their turn
#define BLOCK_BYTES  40.0       // of the live set, with room to spare in its table
#define TASKS_MAX    4096
#define FAMILIES_MAX 4096
#define TEXTS_MAX    64
#define YOUNG_MAX    256
#define YOUNG_NS     500000000ll
#define OVER_SECONDS 3 // so many in a row above the budget end it

struct call_event {
    int64_t time_ns;
    uint64_t sequence, rax, rdi, rsi, rdx, rsp, caller;
    pid_t pid, tid;
    uint32_t point, slot;
    uint32_t lost;
    uint8_t type;
};

struct family { // a process whose code lies where another's does: forked, not executed
    pid_t pid, like;
};

struct young { // a child not watched yet
    pid_t pid;
    int64_t born_ns;
};

struct text { // where an allocator's own functions lie in a process
    pid_t pid;
    uint64_t from, to; // both 0: nowhere
};

struct run_tap {
    struct linux_uprobes *probes;
    int proc_fd;
    struct tap_points points;
    struct stack_table *table;
    struct tap_stacks *stacks;
    pthread_t thread;
    bool running;
    atomic_bool stop;
    double budget_per_s;
    // The thread's:
    struct call_event *events;
    size_t n_events, cap_events;
    uint64_t sequence;
    int64_t horizon_ns, flushed_ns;
    int64_t second_ns;
    uint64_t second_hits;
    int over;
    atomic_uint_fast64_t missing; // records there was no memory for
    pid_t *forked;                // while tap_new() looks for threads
    size_t n_forked;
    bool all_watched, thread_began;
    struct family families[FAMILIES_MAX]; // by pid modulo the size: who comes later takes the place
    struct text texts[TEXTS_MAX];
    size_t n_texts;
    struct young young[YOUNG_MAX];
    size_t n_young;

    pthread_mutex_t lock; // guards everything below
    struct tap_live *live;
    uint64_t late, told_lost;
    size_t n_descriptors;
    const char *means;
    int64_t began_ns, ended_ns;
    bool ended, told_ended;
    char why[240];

    // The sample job's:
    uint32_t numbers[TAP_SLOTS_MAX];
    struct tick_stack *sums;
    size_t cap_sums;
    double *age_bytes, *age_blocks;
    size_t n_aged;
};

// ---- the thread

static void forget_code(struct run_tap *t, const struct linux_uprobe_record *r)
{
    if (r->type != LINUX_UPROBE_MAPPED && r->type != LINUX_UPROBE_EXEC)
        return;
    t->families[(uint32_t)r->pid % FAMILIES_MAX] = (struct family){r->pid, r->pid};
    t->n_texts = 0;
    tap_stacks_forget(t->stacks);
}

static pid_t like_whom(const struct run_tap *t, pid_t pid)
{
    const struct family *f = &t->families[(uint32_t)pid % FAMILIES_MAX];
    return f->pid == pid ? f->like : pid;
}

// A process ended: most children do so before they are worth watching.
static void note_exit(struct run_tap *t, const struct linux_uprobe_record *r)
{
    if (r->tid != r->pid || !t->all_watched)
        return;
    for (size_t i = 0; i < t->n_young; i++)
        if (t->young[i].pid == r->pid) {
            t->young[i] = t->young[--t->n_young];
            return;
        }
    linux_uprobes_drop(t->probes, r->pid);
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
        linux_uprobes_add_child(t->probes, t->young[i].pid, NULL); // it may be gone
        t->young[i] = t->young[--t->n_young];
    }
}

// Somebody was started. A new thread is part of its process with BPF, and what it does cannot be seen without.
static void note_fork(struct run_tap *t, const struct linux_uprobe_record *r)
{
    if (t->forked && t->n_forked < TASKS_MAX)
        t->forked[t->n_forked++] = r->tid;
    if (!t->all_watched)
        return;
    if (r->tid == r->pid)
        t->families[(uint32_t)r->pid % FAMILIES_MAX] = (struct family){r->pid, like_whom(t, r->parent)};
    if (r->tid == r->pid && t->n_young < YOUNG_MAX)
        t->young[t->n_young++] = (struct young){r->pid, clock_mono_ns()};
    else if (r->tid != r->pid && !linux_uprobes_follows(t->probes))
        t->thread_began = true;
}

static void take_record(const struct linux_uprobe_record *r, void *arg)
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
    const struct tap_point *p = &t->points.what[r->point];
    bool begins = r->type == LINUX_UPROBE_HIT && t->points.where[r->point].kind == LINUX_UPROBE_ENTRY_STACK;
    uint64_t caller = 0;
    if (r->type == LINUX_UPROBE_HIT && r->stack_bytes >= sizeof caller)
        memcpy(&caller, r->stack, sizeof caller);
    t->events[t->n_events++] = (struct call_event){
        .time_ns = r->time_ns ? r->time_ns : clock_mono_ns(),
        .sequence = t->sequence++,
        .rax = r->value[0],
        .rdi = r->value[5],
        .rsi = r->value[4],
        .rdx = r->value[1],
        .rsp = r->value[7],
        .pid = r->pid,
        .tid = r->tid,
        .point = r->point,
        .caller = caller,
        .slot = begins ? tap_stacks_slot(t->stacks, r, p->function, like_whom(t, r->pid)) : TAP_SLOT_OTHER,
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
    linux_uprobes_read(t->probes, take_record, t);
    if (t->n_events)
        count_events(t, false);
    t->horizon_ns = began;
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

// Each call costs the target some microseconds: past the budget the harm outweighs what is learned.
static bool over_budget(struct run_tap *t)
{
    int64_t now = clock_mono_ns();
    double seconds = (double)(now - t->second_ns) / 1e9;
    if (seconds < 1)
        return false;
    double per_s = (double)t->second_hits / seconds;
    t->over = per_s > t->budget_per_s ? t->over + 1 : 0;
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

static void *watch_thread(void *arg)
{
    struct run_tap *t = arg;
    t->second_ns = clock_mono_ns();
    while (!atomic_load(&t->stop)) {
        linux_uprobes_wait(t->probes, ROUND_MS);
        read_round(t);
        watch_young(t);
        if (t->thread_began) {
            end_watching(t, "The target started a thread, which this kernel cannot watch from its beginning (BPF "
                            "uprobes of Linux 6.6 and the right to load BPF programs would be needed).");
            return NULL;
        }
        if (over_budget(t))
            return NULL;
    }
    return NULL;
}

// ---- beginning

static bool peek(pid_t pid, uint64_t address, uint64_t *value, void *ctx)
{
    (void)ctx;
    struct iovec local = {value, sizeof *value}, remote = {(void *)(uintptr_t)address, sizeof *value};
    return process_vm_readv(pid, &local, 1, &remote, 1, 0) == (ssize_t)sizeof *value;
}

struct finding {
    const struct tap_points *points;
    struct text *text;
};

static int look_for_core(const struct linux_map *m, void *arg)
{
    struct finding *f = arg;
    for (size_t i = 0; i < f->points->n_cores; i++) {
        const struct tap_core *c = &f->points->cores[i];
        if (m->perms[2] != 'x' || m->inode != c->inode || m->dev_major != c->dev_major ||
            m->dev_minor != c->dev_minor || c->from < m->offset || c->to > m->offset + (m->end - m->start))
            continue;
        f->text->from = m->start + (c->from - m->offset);
        f->text->to = m->start + (c->to - m->offset);
        return 1;
    }
    return 0;
}

static bool is_own(pid_t pid, uint64_t caller, void *ctx)
{
    struct run_tap *t = ctx;
    pid_t like = like_whom(t, pid);
    size_t i = 0;
    while (i < t->n_texts && t->texts[i].pid != like)
        i++;
    if (i == t->n_texts) {
        i = t->n_texts < TEXTS_MAX ? t->n_texts++ : 0;
        t->texts[i] = (struct text){.pid = like};
        struct finding f = {&t->points, &t->texts[i]};
        linux_maps_each(t->proc_fd, like, look_for_core, &f, NULL);
    }
    return caller >= t->texts[i].from && caller < t->texts[i].to;
}

static double memory_for_blocks(const struct tap_options *opt, int proc_fd)
{
    struct linux_meminfo mem;
    double floor = 64.0 * 1024 * 1024;
    if (opt->max_bytes > 0)
        return opt->max_bytes;
    if (linux_meminfo_read(proc_fd, &mem, NULL) == 0 && mem.total_bytes != SEEP_UNKNOWN)
        return fmax(floor, (double)mem.total_bytes / 32);
    return floor;
}

static bool listed(const pid_t *list, size_t n, pid_t tid)
{
    for (size_t i = 0; i < n; i++)
        if (list[i] == tid)
            return true;
    return false;
}

struct scan {
    pid_t watched[TASKS_MAX], tasks[TASKS_MAX], fresh[TASKS_MAX];
    size_t n_watched;
};

// Threads of one process that are not watched and were not started by one that is. Returns how many were added, -1 on
// errors.
static int add_threads(struct run_tap *t, struct scan *s, int proc_fd, pid_t pid, bool first, struct seep_err *err)
{
    int n = linux_tasks_list(proc_fd, pid, s->tasks, TASKS_MAX, NULL);
    size_t fresh = 0;
    // Whoever is in the list and was started by a watched thread has its record in a ring, or gets it in this moment.
    poll(NULL, 0, 1);
    linux_uprobes_read(t->probes, take_record, t);
    bool follows = linux_uprobes_follows(t->probes);
    for (int i = 0; i < n; i++) {
        bool known =
            listed(s->watched, s->n_watched, s->tasks[i]) || (follows && listed(t->forked, t->n_forked, s->tasks[i]));
        if (known)
            continue;
        if (s->n_watched == TASKS_MAX)
            return seep_fail(err, SEEP_E_LIMIT, "it has more than %d threads", TASKS_MAX);
        s->fresh[fresh++] = s->watched[s->n_watched++] = s->tasks[i];
    }
    if (fresh == 0 || linux_uprobes_add(t->probes, pid, s->fresh, fresh, !first, err) == 0)
        return (int)fresh;
    return err && err->code == SEEP_E_TARGET && !first ? 0 : -1;
}

static int watch_all(struct run_tap *t, int proc_fd, const struct linux_tree *tree, struct seep_err *err)
{
    struct scan *s = calloc(1, sizeof *s);
    t->forked = calloc(TASKS_MAX, sizeof *t->forked);
    int added = s && t->forked ? 1 : seep_fail(err, SEEP_E_SYSTEM, "there is no memory for its threads");
    for (int round = 0; round < 8 && added > 0; round++) {
        added = 0;
        for (size_t i = 0; i < tree->count && added >= 0; i++) {
            int n = add_threads(t, s, proc_fd, tree->nodes[i].pid, round == 0, err);
            added = n < 0 ? -1 : added + n;
        }
    }
    if (s && s->n_watched == 0 && added == 0)
        added = seep_fail(err, SEEP_E_TARGET, "it has ended");
    free(s);
    free(t->forked);
    t->forked = NULL;
    t->all_watched = true;
    return added < 0 ? -1 : 0;
}

static int start_thread(struct run_tap *t, struct seep_err *err)
{
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &old); // signals are the loop's
    int rc = pthread_create(&t->thread, NULL, watch_thread, t);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (rc)
        return seep_fail_errno(err, rc, "the watching thread cannot be started");
    t->running = true;
    return 0;
}

static int set_up(struct run_tap *t, const struct tap_options *opt, int proc_fd, const struct linux_tree *tree,
                  struct seep_err *err)
{
    struct resolve_options ropt = {.exe = "/proc/self/exe"};
    if (linux_uprobe_allowed(err))
        return -1;
    struct resolve *resolver = resolve_start(&ropt, err);
    if (!resolver)
        return -1;
    if (tap_points_find(&t->points, proc_fd, tree, resolver, err)) {
        resolve_stop(resolver);
        return -1;
    }
    t->table = stack_table_new(err);
    if (!t->table) {
        resolve_stop(resolver);
        return -1;
    }
    t->stacks = tap_stacks_new(t->table, resolver, err);
    t->live = tap_live_new((size_t)(memory_for_blocks(opt, proc_fd) / BLOCK_BYTES));
    t->probes = linux_uprobes_new(t->points.where, t->points.n, STACK_BYTES, !opt->without_bpf, err);
    if (!t->stacks || !t->probes)
        return -1;
    if (!t->live)
        return seep_fail(err, SEEP_E_SYSTEM, "there is no memory for the live set");
    tap_live_set_asks(t->live, peek, is_own, t);
    t->proc_fd = proc_fd;
    if (watch_all(t, proc_fd, tree, err))
        return -1;
    t->n_descriptors = linux_uprobes_events(t->probes);
    t->means = linux_uprobes_means(t->probes);
    return start_thread(t, err);
}

// The first stacks take the longest: the resolver has to start and to load its files. Until they are known their blocks
// belong to (other), so the run waits for them.
static void warm_up(struct run_tap *t)
{
    poll(NULL, 0, 5 * ROUND_MS);
    tap_stacks_settle(t->stacks, WARM_UP_MS);
}

struct run_tap *tap_new(const struct tap_options *opt, int proc_fd, const struct linux_tree *tree, struct seep_err *err)
{
    struct run_tap *t = calloc(1, sizeof *t);
    if (!t) {
        seep_fail(err, SEEP_E_SYSTEM, "there is no memory for watching");
        return NULL;
    }
    pthread_mutex_init(&t->lock, NULL);
    t->budget_per_s = opt->budget_per_s > 0 ? opt->budget_per_s : TAP_BUDGET_PER_S;
    t->began_ns = clock_mono_ns();
    if (set_up(t, opt, proc_fd, tree, err)) {
        tap_free(t);
        return NULL;
    }
    warm_up(t);
    return t;
}

void tap_free(struct run_tap *t)
{
    if (!t)
        return;
    atomic_store(&t->stop, true);
    if (t->running)
        pthread_join(t->thread, NULL);
    linux_uprobes_free(t->probes);
    tap_stacks_free(t->stacks);
    tap_live_free(t->live);
    tap_points_free(&t->points);
    stack_table_free(t->table);
    pthread_mutex_destroy(&t->lock);
    free(t->events);
    free(t->sums);
    free(t->age_bytes);
    free(t->age_blocks);
    free(t);
}

const char *tap_allocator(const struct run_tap *t)
{
    return t->points.allocator;
}

struct stack_table *tap_table(struct run_tap *t)
{
    return t->table;
}

// ---- sums

static bool in_tree(pid_t pid, void *ctx)
{
    const struct linux_tree *tree = ctx;
    for (size_t i = 0; i < tree->count; i++)
        if (tree->nodes[i].pid == pid)
            return tree->nodes[i].state != 'Z' && tree->nodes[i].state != 'X';
    return tree->beyond > 0;
}

// Sums of slots, brought together under the run's numbers.
static void sum_stacks(struct run_tap *t, struct run_tick *tick)
{
    size_t n_slots = tap_stacks_numbers(t->stacks, t->numbers), n = stack_table_count(t->table);
    if (t->cap_sums < n) {
        struct tick_stack *grown = realloc(t->sums, 2 * n * sizeof *grown);
        if (!grown)
            return;
        t->sums = grown;
        t->cap_sums = 2 * n;
    }
    memset(t->sums, 0, n * sizeof *t->sums);
    for (size_t i = 0; i < n; i++)
        t->sums[i].stack = (uint32_t)i;
    const struct tap_sums *by_slot = tap_live_sums(t->live);
    for (size_t i = 0; i < n_slots; i++) {
        struct tick_stack *s = &t->sums[t->numbers[i] < n ? t->numbers[i] : 0];
        s->live_bytes += (double)by_slot[i].live_bytes;
        s->live_blocks += (double)by_slot[i].live_blocks;
        s->alloc_bytes += (double)by_slot[i].alloc_bytes;
        s->alloc_blocks += (double)by_slot[i].alloc_blocks;
    }
    tick->stacks = malloc(n * sizeof *tick->stacks);
    if (!tick->stacks)
        return;
    memcpy(tick->stacks, t->sums, n * sizeof *tick->stacks);
    tick->n_stacks = n;
    tick->has_stacks = true;
}

static void tell_news(struct run_tap *t, struct run_tick *tick)
{
    const struct tap_counts *c = tap_live_counts(t->live);
    uint64_t lost = c->lost + t->missing;
    if (lost > t->told_lost) {
        tick_event(
            tick, E_LOST, tick->time, tick->time, (int64_t)(lost - t->told_lost),
            "Calls of the allocator came faster than they could be read; each may leave one block that counts as "
            "live, or hide one.");
        t->told_lost = lost;
    }
    if (t->ended && !t->told_ended) {
        tick_event(tick, E_DEGRADED, tick->time, tick->time, SEEP_UNKNOWN, t->why);
        t->told_ended = true;
    }
}

void tap_sample(struct run_tap *t, const struct linux_tree *tree, bool want_stacks, struct run_tick *tick,
                struct tap_totals *out)
{
    *out = (struct tap_totals){NAN, NAN, NAN, NAN, NAN};
    if (want_stacks)
        tap_stacks_settle(t->stacks, 200); // what was allocated just now belongs to a stack, not to (other)
    pthread_mutex_lock(&t->lock);
    tell_news(t, tick);
    if (!t->ended) {
        const struct tap_counts *c = tap_live_counts(t->live);
        tap_live_drop_dead(t->live, in_tree, (void *)tree);
        const struct tap_sums *by_slot = tap_live_sums(t->live);
        *out = (struct tap_totals){.live_bytes = 0,
                                   .live_blocks = 0,
                                   .allocs = (double)c->allocs,
                                   .alloc_bytes = (double)c->alloc_bytes,
                                   .doubt = (double)(tap_live_doubt(t->live) + t->late + t->missing)};
        for (size_t i = 0; i < TAP_SLOTS_MAX; i++) {
            out->live_bytes += (double)by_slot[i].live_bytes;
            out->live_blocks += (double)by_slot[i].live_blocks;
        }
        if (want_stacks)
            sum_stacks(t, tick);
    }
    pthread_mutex_unlock(&t->lock);
}

void tap_set_epoch(struct run_tap *t, uint32_t epoch)
{
    pthread_mutex_lock(&t->lock);
    tap_live_set_epoch(t->live, epoch);
    pthread_mutex_unlock(&t->lock);
}

// ---- ages

int tap_take_ages(struct run_tap *t, struct seep_err *err)
{
    _Static_assert(TAP_EPOCHS == HEAP_EPOCHS + 1, "the same epochs as with the probe");
    size_t n_slots = tap_stacks_numbers(t->stacks, t->numbers), n = stack_table_count(t->table);
    double *bytes = calloc(n_slots * TAP_EPOCHS, sizeof *bytes), *blocks = calloc(n_slots * TAP_EPOCHS, sizeof *blocks);
    free(t->age_bytes);
    free(t->age_blocks);
    t->age_bytes = calloc(n * TAP_EPOCHS, sizeof *t->age_bytes);
    t->age_blocks = calloc(n * TAP_EPOCHS, sizeof *t->age_blocks);
    bool room = bytes && blocks && t->age_bytes && t->age_blocks;
    t->n_aged = room ? n : 0;
    if (room) {
        pthread_mutex_lock(&t->lock);
        tap_live_ages(t->live, n_slots, bytes, blocks);
        pthread_mutex_unlock(&t->lock);
    }
    for (size_t i = 0; room && i < n_slots * TAP_EPOCHS; i++) {
        size_t number = t->numbers[i / TAP_EPOCHS] < n ? t->numbers[i / TAP_EPOCHS] : 0;
        t->age_bytes[number * TAP_EPOCHS + i % TAP_EPOCHS] += bytes[i];
        t->age_blocks[number * TAP_EPOCHS + i % TAP_EPOCHS] += blocks[i];
    }
    free(bytes);
    free(blocks);
    return room ? 0 : seep_fail(err, SEEP_E_SYSTEM, "There is no memory for survivor ages");
}

bool tap_ages_taken(const struct run_tap *t)
{
    return t->n_aged > 0;
}

int tap_each_age(const struct run_tap *t, heap_age_fn *each, void *ctx)
{
    for (size_t s = 0; s < t->n_aged; s++) {
        uint64_t bytes[TAP_EPOCHS], blocks[TAP_EPOCHS];
        bool any = false;
        for (size_t e = 0; e < TAP_EPOCHS; e++) {
            bytes[e] = (uint64_t)t->age_bytes[s * TAP_EPOCHS + e];
            blocks[e] = (uint64_t)t->age_blocks[s * TAP_EPOCHS + e];
            any |= bytes[e] || blocks[e];
        }
        if (any && each((uint32_t)s, bytes, blocks, TAP_EPOCHS, ctx))
            return -1;
    }
    return 0;
}

void tap_evidence(struct run_tap *t, struct tap_evidence *out)
{
    struct tap_stacks_counts s = tap_stacks_counts(t->stacks);
    pthread_mutex_lock(&t->lock);
    *out = (struct tap_evidence){.counts = *tap_live_counts(t->live),
                                 .late = t->late,
                                 .recognised = s.recognised,
                                 .unwound = s.unwound,
                                 .failed = s.failed,
                                 .unplaced = s.dropped,
                                 .events = t->n_descriptors,
                                 .means = t->means};
    out->counts.lost += t->missing;
    out->seconds = (double)((t->ended ? t->ended_ns : clock_mono_ns()) - t->began_ns) / 1e9;
    out->seen_per_s = out->seconds > 0 ? (double)out->counts.hits / out->seconds : NAN;
    snprintf(out->ended, sizeof out->ended, "%s", t->why);
    pthread_mutex_unlock(&t->lock);
}
