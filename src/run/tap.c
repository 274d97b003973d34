// Beginning and ending to watch a running program's heap: see tap.h.
#include "base/clock.h"
#include "linux/host.h"
#include "linux/mem.h"
#include "run/tap_priv.h"

#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#define STACK_BYTES 8192u
#define WARM_UP_MS  10000
#define ROUNDS      8    // of looking for threads and children that came while others were being watched
#define COLD        1.15 // a hit in a program costs so many times what it costs in a loop of ours
#define BLOCK_BYTES 40.0 // of the live set, with room to spare in its table

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

static bool same_file(const struct tap_core *c, const struct linux_map *m)
{
    return m->inode == c->inode && m->dev_major == c->dev_major && m->dev_minor == c->dev_minor;
}

static int look_for_core(const struct linux_map *m, void *arg)
{
    struct finding *f = arg;
    for (size_t i = 0; i < f->points->n_cores; i++) {
        const struct tap_core *c = &f->points->cores[i];
        if (m->perms[2] != 'x' || !same_file(c, m) || c->from < m->offset || c->to > m->offset + (m->end - m->start))
            continue;
        f->text->from = m->start + (c->from - m->offset);
        f->text->to = m->start + (c->to - m->offset);
        return 1;
    }
    return 0;
}

// The code of a library that is the allocator's or the C library's. An allocator in the program itself is not told from
// it: what it maps while it allocates is recognised by that.
static int look_for_libs(const struct linux_map *m, void *arg)
{
    struct finding *f = arg;
    const struct tap_points *p = f->points;
    for (size_t i = 0; i < p->n_cores + p->n_libs && m->perms[2] == 'x'; i++) {
        const struct tap_core *c = i < p->n_cores ? &p->cores[i] : &p->libs[i - p->n_cores];
        size_t k = i < p->n_cores ? 0 : 1;
        if (same_file(c, m) && !c->is_program) {
            f->text->lib[k].from = m->start;
            f->text->lib[k].to = m->end;
        }
    }
    look_for_core(m, arg);
    return 0;
}

static const struct text *text_of(struct run_tap *t, pid_t pid)
{
    pid_t like = tap_like(t, pid);
    size_t i = 0;
    while (i < t->n_texts && t->texts[i].pid != like)
        i++;
    if (i == t->n_texts) {
        i = t->n_texts < TEXTS_MAX ? t->n_texts++ : 0;
        t->texts[i] = (struct text){.pid = like};
        struct finding f = {&t->points, &t->texts[i]};
        linux_maps_each(t->proc_fd, like, look_for_libs, &f, NULL);
    }
    return &t->texts[i];
}

static bool is_own(pid_t pid, uint64_t caller, void *ctx)
{
    const struct text *text = text_of(ctx, pid);
    return caller >= text->from && caller < text->to;
}

bool tap_own_map(pid_t pid, uint64_t caller, void *ctx)
{
    const struct text *text = text_of(ctx, pid);
    bool own = is_own(pid, caller, ctx);
    for (size_t i = 0; i < sizeof text->lib / sizeof *text->lib; i++)
        own |= caller >= text->lib[i].from && caller < text->lib[i].to;
    return own;
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
    struct linux_tree tree; // as of this round
};

// Threads of one process that are not watched and were not started by one that is. Returns how many were added, -1 on
// errors.
static int add_threads(struct run_tap *t, struct scan *s, int proc_fd, pid_t pid, struct seep_err *err)
{
    bool first = !listed(s->watched, s->n_watched, pid);
    int n = linux_tasks_list(proc_fd, pid, s->tasks, TASKS_MAX, NULL);
    size_t fresh = 0;
    // Whoever is in the list and was started by a watched thread has its record in a ring, or gets it in this moment.
    poll(NULL, 0, 1);
    linux_uprobes_read(t->probes, tap_take_record, t);
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
    return err && err->code == SEEP_E_TARGET && (!first || pid != t->main_pid) ? 0 : -1; // ended meanwhile
}

static int watch_all(struct run_tap *t, int proc_fd, const struct linux_tree *tree, struct seep_err *err)
{
    struct scan *s = calloc(1, sizeof *s);
    t->forked = calloc(TASKS_MAX, sizeof *t->forked);
    int added = s && t->forked ? 1 : seep_fail(err, SEEP_E_SYSTEM, "there is no memory for its threads");
    if (s)
        s->tree = *tree;
    for (int round = 0; round < ROUNDS && added > 0; round++) {
        added = 0;
        // Children that were started since the tree was walked, and before their parents were watched.
        if (linux_tree_walk_from(proc_fd, t->main_pid, &s->tree, NULL))
            s->tree = *tree;
        for (size_t i = 0; i < s->tree.count && added >= 0; i++) {
            int n = s->tree.nodes[i].state == 'Z' ? 0 : add_threads(t, s, proc_fd, s->tree.nodes[i].pid, err);
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

// What being watched costs the program. Where it cannot be measured, what it was where it could (6.18, a virtual
// machine): rather too much than too little.
static void price(struct run_tap *t)
{
    static const double elsewhere_ns[] = {
        [LINUX_UPROBE_ENTRY] = 1600, [LINUX_UPROBE_ENTRY_STACK] = 2700, [LINUX_UPROBE_RETURN] = 2000};
    bool bpf = linux_uprobes_follows(t->probes);
    t->cost_measured = bpf && linux_uprobe_measure(STACK_BYTES, t->cost_ns, NULL) == 0;
    for (int k = 0; k < LINUX_UPROBE_KINDS; k++)
        t->cost_ns[k] = t->cost_measured ? COLD * t->cost_ns[k] : elsewhere_ns[k];
}

static int start_thread(struct run_tap *t, struct seep_err *err)
{
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &old); // signals are the loop's
    int rc = pthread_create(&t->thread, NULL, tap_watch, t);
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
    if (linux_uprobe_allowed(err) || linux_uprobe_harmless(err))
        return -1;
    struct resolve *resolver = resolve_start(&ropt, err);
    if (!resolver)
        return -1;
    // By the PMU each point costs descriptors for every thread and processor, and time when they are closed.
    bool maps = !opt->without_bpf && linux_uprobe_bpf();
    if (tap_points_find(&t->points, proc_fd, tree, resolver, maps, err)) {
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
    price(t);
    tap_live_set_asks(t->live, peek, is_own, tap_own_map, t);
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
    poll(NULL, 0, 5 * TAP_ROUND_MS);
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
    t->budget_per_s = opt->budget_per_s;
    t->cost_share = opt->cost > 0 ? opt->cost : TAP_COST;
    t->began_ns = clock_mono_ns();
    t->main_pid = tree->count ? tree->nodes[0].pid : 0;
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

bool tap_sees_maps(const struct run_tap *t)
{
    return t->points.n_libs > 0;
}

struct stack_table *tap_table(struct run_tap *t)
{
    return t->table;
}
