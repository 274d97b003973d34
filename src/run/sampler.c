// The sample job: see sampler.h.
//
// Dear looks (smaps_rollup walks the page tables, smaps writes a text line for every mapping) are taken at most once a
// second, in short runs a little more often, and at most for 2 % of the time; between them statm and status serve. The
// numbers of processes that end while we read are gone: the sums are of those that lived at the end of the reading.
#include "run/sampler.h"
#include "base/clock.h"
#include "linux/mem.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define DEAR_PAUSE_NS 1000000000ll
#define DEAR_LEAST_NS 250000000ll
#define DEAR_LOOKS    60 // in a run so short that a second apart they would be too few to fit a line through
#define COPIES_A_TICK 8  // stacks handed to the cross-check; what is more stays in the ring or is overwritten
#define DEAR_SHARE    50 // a look that takes c of CPU time is taken again after 50 c at the earliest

int sampler_init(struct run_sampler *s, struct seep_err *err)
{
    s->proc_fd = linux_proc_open(err);
    if (s->proc_fd < 0)
        return -1;
    s->dear_pause_ns = DEAR_PAUSE_NS;
    s->tree = calloc(1, sizeof *s->tree);
    if (!s->tree)
        return seep_fail(err, SEEP_E_SYSTEM, "There is no memory for the process tree");
    return 0;
}

void sampler_free(struct run_sampler *s)
{
    if (s->tree)
        close(s->proc_fd);
    free(s->tree);
    free(s->before);
    s->tree = s->before = NULL;
}

static double known(int64_t v)
{
    return v == SEEP_UNKNOWN ? NAN : (double)v;
}

static double micro(int64_t us)
{
    return us == SEEP_UNKNOWN ? NAN : (double)us / 1e6;
}

void sampler_plan(struct run_sampler *s, double duration_s)
{
    double pause_ns = duration_s * 1e9 / DEAR_LOOKS;
    s->dear_pause_ns = (int64_t)fmin(DEAR_PAUSE_NS, fmax(DEAR_LEAST_NS, pause_ns));
}

static bool dear_due(const struct run_sampler *s, int64_t now, int64_t at, int64_t cost)
{
    int64_t pause = s->dear_pause_ns, rest = cost * DEAR_SHARE;
    return at == 0 || now - at >= (pause > rest ? pause - 1000000 : rest);
}

static void put_sample(struct run_sampler *s, const struct linux_sample *v, bool rollup)
{
    double *o = s->tick->value;
    o[RUN_S_RSS] = known(v->rss_bytes);
    o[RUN_S_RSS_ANON] = known(v->rss_anon_bytes);
    o[RUN_S_RSS_FILE] = known(v->rss_file_bytes);
    o[RUN_S_RSS_SHMEM] = known(v->rss_shmem_bytes);
    o[RUN_S_SWAP] = known(v->swap_bytes);
    if (rollup) {
        o[RUN_S_PSS] = known(v->pss_bytes);
        o[RUN_S_PSS_ANON] = known(v->pss_anon_bytes);
        o[RUN_S_PSS_FILE] = known(v->pss_file_bytes);
        o[RUN_S_PSS_SHMEM] = known(v->pss_shmem_bytes);
    }
    o[RUN_S_VSIZE] = known(v->vsize_bytes);
    o[RUN_S_THREADS] = known(v->threads);
    o[RUN_S_ZOMBIES] = known(v->zombies);
    o[RUN_S_MAPS] = known(v->maps);
    o[RUN_S_FD] = known(v->fds);
    o[RUN_S_CTXT_VOLUNTARY] = known(v->voluntary_switches);
    o[RUN_S_CTXT_INVOLUNTARY] = known(v->involuntary_switches);
    o[RUN_S_FAULTS_MINOR] = known(v->minflt);
    o[RUN_S_FAULTS_MAJOR] = known(v->majflt);
    o[RUN_S_IO_READ] = known(v->io_read_bytes);
    o[RUN_S_IO_WRITE] = known(v->io_write_bytes);
    if (v->fds != SEEP_UNKNOWN && v->fds_unclassified == 0)
        for (int k = 0; k < LINUX_FD_KINDS; k++)
            s->tick->fd_kind[k] = known(v->fds_by_kind[k]);
    s->tick->processes = v->processes;
    s->tick->stopped = v->stopped;
}

// What ended processes had used is kept, so that the sum over the tree never runs backwards.
static void put_cpu(struct run_sampler *s, const struct linux_sample *v)
{
    double now = micro(v->utime_us) + micro(v->stime_us);
    if (isnan(now))
        return;
    if (now < s->cpu_last_s)
        s->cpu_lost_s += s->cpu_last_s - now;
    s->cpu_last_s = now;
    s->tick->value[RUN_S_CPU] = now + s->cpu_lost_s;
}

static void put_children(struct run_sampler *s)
{
    uint64_t living = 0;
    for (size_t i = 0; i < s->tree->count; i++)
        living +=
            s->tree->nodes[i].state != 'Z' && s->tree->nodes[i].state != 'X' && s->tree->nodes[i].pid != s->main_pid;
    s->tick->value[RUN_S_CHILDREN] = (double)(living + s->tree->beyond);
}

// An allocator of the program's own in an attached one: the same question by what is known of it. Either may know: the
// watching may have ended, and the C library need not be one that can be counted.
static const char *look_past_attached(struct run_sampler *s, double outside, double brk)
{
    const double *v = s->tick->value;
    if (s->past_text[0])
        return NULL;
    heap_past_look(&s->past[0], s->proc_fd, s->main_pid, outside, brk, v[RUN_S_HEAP_LIVE], v[RUN_S_HEAP_ALLOCS]);
    heap_past_look(&s->past[1], s->proc_fd, s->main_pid, outside, brk, v[RUN_S_ALLOC_ALLOCATED], v[RUN_S_ALLOC_MAPPED]);
    heap_past_told(&s->past[1]);
    for (int i = 0; i < 2 && !s->past_text[0]; i++)
        heap_past_text(&s->past[i], s->past_text, sizeof s->past_text);
    return s->past_text[0] ? s->past_text : NULL;
}

// thread stacks, other anonymous memory and the allocator's resident mappings, from the smaps of every process
static void put_split(struct run_sampler *s)
{
    double stacks = 0, anon = 0, heap = 0, brk = NAN, brk_size = NAN, outside = NAN;
    size_t seen = 0;
    for (size_t i = 0; i < s->tree->count; i++) {
        struct linux_map_sum parts[LINUX_MAP_PARTS];
        if (s->tree->nodes[i].state == 'Z' || linux_maps_split(s->proc_fd, s->tree->nodes[i].pid, parts, NULL))
            continue;
        seen++;
        stacks += (double)(parts[LINUX_MAP_THREAD_STACK].rss_bytes + parts[LINUX_MAP_STACK].rss_bytes);
        anon += (double)parts[LINUX_MAP_ANON].rss_bytes;
        heap += (double)(parts[LINUX_MAP_HEAP].rss_bytes);
        if (s->tree->nodes[i].pid == s->main_pid) {
            brk = (double)parts[LINUX_MAP_HEAP].rss_bytes;
            brk_size = (double)parts[LINUX_MAP_HEAP].size_bytes;
            outside = brk + (double)parts[LINUX_MAP_ANON].rss_bytes;
        }
    }
    if (!seen)
        return;
    s->tick->value[RUN_S_THREAD_STACKS] = stacks;
    // Arenas are anonymous mappings like any other. The probe knows which the program made itself, or the C library
    // which are its own; the rest is the allocator's, and both add up to what the kernel counts.
    double all = anon + heap, mapped = s->heap      ? heap_mapped_resident(s->heap, s->proc_fd)
                                       : s->outside ? outside_mapped_resident(s->outside, s->proc_fd, s->tree, anon)
                                                    : NAN;
    s->tick->value[RUN_S_MMAP_ANON] = fmin(mapped, all);
    s->tick->value[RUN_S_HEAP_RESIDENT] = isfinite(mapped) ? all - fmin(mapped, all) : all;
    if (isnan(mapped))
        s->tick->value[RUN_S_MMAP_ANON] = NAN;
    if (s->heap)
        s->tick->value[RUN_S_HEAP_UNTOUCHED] = heap_untouched(s->heap, s->proc_fd);
    const char *past = s->heap           ? heap_outside(s->heap, s->proc_fd, outside, brk)
                       : s->root_belongs ? look_past_attached(s, outside, brk_size)
                                         : NULL;
    if (past)
        tick_event(s->tick, E_DEGRADED, s->tick->time, s->tick->time, 0, past);
}

static void put_self(struct run_sampler *s)
{
    struct linux_statm statm;
    struct rusage ru;
    if (linux_statm_read(s->proc_fd, getpid(), &statm, NULL) == 0)
        s->tick->value[RUN_S_SEEP_RSS] = (double)statm.resident_bytes;
    if (getrusage(RUSAGE_SELF, &ru) == 0)
        s->tick->value[RUN_S_SEEP_CPU] = (double)(ru.ru_utime.tv_sec + ru.ru_stime.tv_sec) +
                                         (double)(ru.ru_utime.tv_usec + ru.ru_stime.tv_usec) / 1e6;
}

static void put_cgroup(struct run_sampler *s)
{
    struct linux_cgroup_memory mem;
    if (s->cgroup && s->cgroup->kind != LINUX_CGROUP_NONE && linux_cgroup_memory_read(s->cgroup, &mem, NULL) == 0)
        s->tick->value[RUN_S_CGROUP_MEMORY] = known(mem.current_bytes);
}

static void take_copy(pid_t pid, struct wire *region, const struct wire_copy *copy, void *ctx)
{
    struct run_sampler *s = ctx;
    crosscheck_add(s->crosscheck, s->proc_fd, pid, region, copy);
}

// heap series: the probe's numbers when any region answers
static void put_heap(struct run_sampler *s)
{
    struct heap_totals h;
    heap_sample(s->heap, s->proc_fd, s->tree, s->want_stacks, s->tick, &h);
    if (s->want_ages)
        heap_take_ages(s->heap, NULL);
    if (s->suspects_step == SUSPECTS_REMEMBER)
        suspects_remember(&s->suspects, s->tick);
    else if (s->suspects_step == SUSPECTS_CHOOSE)
        suspects_choose(&s->suspects, s->heap, s->proc_fd, s->tick);
    if (s->want_stacks && s->crosscheck && s->crosscheck->n_items == 0)
        heap_copies(s->heap, COPIES_A_TICK, take_copy, s);
    double *o = s->tick->value;
    o[RUN_S_HEAP_LIVE] = h.live_bytes;
    o[RUN_S_HEAP_BLOCKS] = h.live_blocks;
    o[RUN_S_HEAP_ALLOCS] = h.allocs;
    o[RUN_S_HEAP_ALLOC_BYTES] = h.alloc_bytes;
    o[RUN_S_ALLOC_ALLOCATED] = h.allocator.allocated;
    o[RUN_S_ALLOC_ACTIVE] = h.allocator.active;
    o[RUN_S_ALLOC_RESIDENT] = h.allocator.resident;
    o[RUN_S_ALLOC_RETAINED] = h.allocator.retained;
    o[RUN_S_ALLOC_MAPPED] = h.allocator.mapped;
    o[RUN_S_ALLOC_AGE] = h.allocator.age_s;
    o[RUN_S_PROBE_RSS] = h.probe_rss;
}

static void put_tap(struct run_sampler *s)
{
    struct tap_totals h;
    tap_sample(s->tap, s->tree, s->want_stacks, s->tick, &h);
    if (s->want_ages)
        tap_take_ages(s->tap, NULL);
    if (s->suspects_step == SUSPECTS_REMEMBER)
        suspects_remember(&s->suspects, s->tick);
    else if (s->suspects_step == SUSPECTS_CHOOSE)
        suspects_choose_tapped(&s->suspects, s->tap, s->proc_fd, s->tick);
    double *o = s->tick->value;
    o[RUN_S_HEAP_LIVE] = h.live_bytes;
    o[RUN_S_HEAP_BLOCKS] = h.live_blocks;
    o[RUN_S_HEAP_ALLOCS] = h.allocs;
    o[RUN_S_HEAP_ALLOC_BYTES] = h.alloc_bytes;
    o[RUN_S_HEAP_DOUBT] = h.doubt;
    o[RUN_S_MAPS_DOUBT] = h.map_doubt;
}

// Costs the target nothing and us time: never more than its share.
static void put_outside(struct run_sampler *s)
{
    int64_t now = clock_mono_ns(), spent = clock_thread_cpu_ns();
    struct outside_sum sum;
    if (!s->edge && now - s->outside_at_ns < s->outside_cost_ns * DEAR_SHARE)
        return;
    outside_sample(s->outside, s->proc_fd, s->tree, &sum);
    double *o = s->tick->value;
    o[RUN_S_ALLOC_ALLOCATED] = sum.allocated;
    o[RUN_S_ALLOC_ACTIVE] = o[RUN_S_ALLOC_MAPPED] = sum.mapped;
    o[RUN_S_ALLOC_AGE] = isfinite(sum.allocated) ? 0 : NAN;
    s->outside_at_ns = now;
    s->outside_cost_ns = clock_thread_cpu_ns() - spent;
}

static void sample_tree(struct run_sampler *s)
{
    int64_t now = clock_mono_ns(), spent = clock_thread_cpu_ns();
    bool rollup = s->edge || dear_due(s, now, s->rollup_at_ns, s->rollup_cost_ns);
    struct linux_sample v;
    uint32_t want = LINUX_WANT_FDS | LINUX_WANT_IO | LINUX_WANT_MAPS | (rollup ? LINUX_WANT_ROLLUP : 0);
    if (linux_tree_sample(s->proc_fd, s->tree, want, 0, &v, &s->err))
        return;
    if (rollup) {
        s->rollup_at_ns = now;
        s->rollup_cost_ns = clock_thread_cpu_ns() - spent;
    }
    put_sample(s, &v, rollup);
    put_cpu(s, &v);
    put_children(s);
}

// An attached program has no keeper that its orphans come to: whoever was met once, or was seen to be started by a
// watched process, stays a part of it wherever the kernel has moved it.
static int walk_attached(struct run_sampler *s)
{
    struct linux_stat st;
    struct linux_tree_node kin[TAP_KIN_MAX];
    size_t n_kin = s->tap ? tap_kin(s->tap, kin) : 0;
    if (!s->before && !(s->before = calloc(1, sizeof *s->before)))
        return seep_fail(&s->err, SEEP_E_SYSTEM, "There is no memory for the process tree");
    memcpy(s->before, s->tree, sizeof *s->before);
    bool there = linux_stat_read(s->proc_fd, s->root, &st, NULL) == 0 && st.starttime_ticks == s->root_starttime;
    if (!there || linux_tree_walk_from(s->proc_fd, s->root, s->tree, NULL))
        s->tree->count = s->tree->beyond = s->tree->zombies = 0;
    for (size_t i = 0; i < s->before->count; i++)
        linux_tree_join(s->proc_fd, s->tree, s->before->nodes[i].pid, s->before->nodes[i].starttime_ticks);
    for (size_t i = 0; i < n_kin; i++)
        linux_tree_join(s->proc_fd, s->tree, kin[i].pid, kin[i].starttime_ticks);
    return s->tree->count ? 0 : seep_fail(&s->err, SEEP_E_TARGET, "There is no process %d", (int)s->root);
}

void sampler_take(struct run_sampler *s)
{
    s->err.code = SEEP_OK;
    if (s->root_belongs ? walk_attached(s) : linux_tree_walk(s->proc_fd, s->root, s->tree, &s->err)) {
        s->tree->count = s->tree->beyond = s->tree->zombies = 0;
        return;
    }
    if (s->tree->count > 0)
        sample_tree(s);
    if (s->heap)
        put_heap(s);
    if (s->tap)
        put_tap(s);
    if (s->outside)
        put_outside(s);
    int64_t now = clock_mono_ns(), spent = clock_thread_cpu_ns();
    if (s->edge || dear_due(s, now, s->split_at_ns, s->split_cost_ns)) {
        put_split(s);
        s->split_at_ns = now;
        s->split_cost_ns = clock_thread_cpu_ns() - spent;
    }
    put_cgroup(s);
    put_self(s);
}
