// A run on a program that runs already: see attach.h.
#include "run/attach.h"
#include "linux/exe.h"
#include "run/actions.h"
#include "run/on_finish.h"
#include "run/state.h"
#include "run/tap.h"

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define ANCESTORS_MAX 1024
#define REAPED_TRIES  25 // its own parent has to reap it before the kernel tells its status
#define REAPED_MS     10

// ---- who it may be

static bool is_ancestor(int proc_fd, pid_t pid)
{
    pid_t at = getpid();
    struct linux_stat st;
    for (int i = 0; i < ANCESTORS_MAX && at > 0; i++) {
        if (at == pid)
            return true;
        if (linux_stat_read(proc_fd, at, &st, NULL) < 0)
            return false;
        at = st.ppid;
    }
    return false;
}

static int check(int proc_fd, pid_t pid, struct seep_err *err)
{
    struct linux_stat st;
    struct linux_status status;
    if (linux_stat_read(proc_fd, pid, &st, NULL) < 0 || linux_status_read(proc_fd, pid, &status, NULL) < 0)
        return seep_fail(err, SEEP_E_USAGE, "There is no process %d", (int)pid);
    if (status.tgid != SEEP_UNKNOWN && status.tgid != pid)
        return seep_fail(err, SEEP_E_USAGE, "%d is a thread of process %lld; attach to that", (int)pid,
                         (long long)status.tgid);
    if (pid == getpid() || is_ancestor(proc_fd, pid))
        return seep_fail(err, SEEP_E_USAGE, "Process %d is %s; watching it would watch seep itself", (int)pid,
                         pid == getpid() ? "this seep" : "an ancestor of this seep");
    if (st.state == 'Z' || st.state == 'X')
        return seep_fail(err, SEEP_E_USAGE,
                         "Process %d has ended already; only its parent has not taken notice (zombie)", (int)pid);
    if (st.vsize_bytes == 0)
        return seep_fail(err, SEEP_E_USAGE, "Process %d is a kernel thread; it has no memory of its own", (int)pid);
    uid_t me = geteuid();
    if (me != 0 && (status.uid != (int64_t)me || status.euid != (int64_t)me))
        return seep_fail(err, SEEP_E_USAGE,
                         "Process %d belongs to another user (uid %lld); only that user or root can attach to it",
                         (int)pid, (long long)status.euid);
    return 0;
}

int attach_hold(int proc_fd, pid_t pid, struct linux_process *p, struct seep_err *err)
{
    p->pidfd = -1;
    if (check(proc_fd, pid, err))
        return -1;
    if (linux_process_open(proc_fd, pid, 0, p, err))
        return seep_fail(err, SEEP_E_USAGE, "Process %d cannot be held: it has ended, or the kernel refuses", (int)pid);
    // Once more, now that the number cannot go to somebody else.
    if (check(proc_fd, pid, err)) {
        linux_process_close(p);
        return -1;
    }
    return 0;
}

// One watcher a program: an abstract socket of its name goes with the process that holds it.
static int lock_target(const struct linux_process *p, struct seep_err *err)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    int n = snprintf(sa.sun_path + 1, sizeof sa.sun_path - 1, "seep-attach-%d-%llu", (int)p->pid,
                     (unsigned long long)p->starttime_ticks);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return seep_fail_errno(err, errno, "A socket cannot be made");
    if (bind(fd, (struct sockaddr *)&sa, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n)) == 0)
        return fd;
    int saved = errno;
    close(fd);
    if (saved == EADDRINUSE)
        return seep_fail(err, SEEP_E_USAGE, "Process %d is being watched by another seep attach already", (int)p->pid);
    return seep_fail_errno(err, saved, "The lock of process %d cannot be taken", (int)p->pid);
}

// ---- before the run

// What of the allocator's own counters can be read, asked once before the run.
static void start_counting(struct run *r)
{
    struct outside_sum sum = {.allocated = NAN, .why = "there is no memory for it"};
    struct seep_err err;
    r->sampler.outside = outside_new();
    if (r->sampler.outside && linux_tree_walk_from(r->sampler.proc_fd, r->target_pid, r->sampler.tree, &err) == 0)
        outside_sample(r->sampler.outside, r->sampler.proc_fd, r->sampler.tree, &sum);
    if (isfinite(sum.allocated) || !sum.why[0]) {
        run_event_note(r, E_PROCESS,
                       "What the C library has given out and taken from the kernel is read from outside "
                       "(" S_ALLOC_ALLOCATED ", " S_ALLOC_MAPPED "), blocks from before the attach included.");
        return;
    }
    run_event_note(r, E_PROCESS,
                   "Of the allocator itself only the resident size of the heap's mappings, together with other "
                   "anonymous ones of the program, is known from outside (" S_HEAP_RESIDENT "); what it has allocated "
                   "in all, keeps free or has mapped stays unknown, and with it fragmentation: %s.",
                   sum.why);
}

static void start_watching(struct run *r)
{
    struct seep_err err;
    struct linux_tree *tree = r->sampler.tree;
    char why[600];
    if (profile_attribution_mode(r->profile) == ATTRIBUTION_OFF) {
        run_meta(r, M_ATTRIBUTION, "off");
        run_meta(r, M_ATTRIBUTION_REASON, "The profile turned attribution off (attribution.mode).");
        return;
    }
    struct tap_options opt = {.cost = r->profile->attribution.cost_s,
                              .budget_per_s = r->profile->attribution.events_per_s,
                              .max_bytes = r->profile->attribution.memory_bytes};
    if (linux_mapped(r->sampler.proc_fd, r->target_pid, "/libseep-probe.so", NULL) == 1)
        seep_fail(&err, SEEP_E_UNSUPPORTED,
                  "it was started by a seep run and carries seep's probe; its allocations are that run's to record");
    else if (linux_tree_walk_from(r->sampler.proc_fd, r->target_pid, tree, &err) == 0)
        r->sampler.tap = tap_new(&opt, r->sampler.proc_fd, tree, &err);
    if (!r->sampler.tap) {
        snprintf(why, sizeof why, "Allocations are not attributed to call stacks: %s.", err.text);
        run_attribution_failed(r, why);
        live_say(&r->live, why);
        return;
    }
    r->writer.table = tap_table(r->sampler.tap);
    run_meta(r, M_ATTRIBUTION, "exact");
    run_meta(r, M_HEAP_SOURCE, "requested bytes of the live blocks allocated since the attach");
    run_event_note(r, E_PROCESS, "The calls of %s%s are watched from outside by uprobes.",
                   tap_allocator(r->sampler.tap),
                   tap_sees_maps(r->sampler.tap) ? ", and the program's own of mmap, munmap and mremap," : "");
}

// When the process started, on the clocks of a run; boot-time ticks are what the kernel has of it.
static struct seep_time started_at(uint64_t starttime_ticks)
{
    struct seep_time now = clock_read();
    int64_t ticks = linux_ticks_per_second();
    int64_t ago_ns = now.boot_ns - (int64_t)(starttime_ticks * (1000000000ull / (uint64_t)ticks));
    return (struct seep_time){
        .mono_ns = now.mono_ns - ago_ns, .real_ns = now.real_ns - ago_ns, .boot_ns = now.boot_ns - ago_ns};
}

static void remember_target(struct run *r)
{
    r->attached = true;
    r->target_pid = r->target.pid;
    r->target_starttime = r->target.starttime_ticks;
    r->sampler.main_pid = r->sampler.root = r->target.pid;
    r->sampler.root_starttime = r->target.starttime_ticks;
    r->sampler.root_belongs = true;
}

static int not_readable(const struct linux_process *p, const struct seep_err *why, struct seep_err *err)
{
    if (why->sys_errno == EACCES || why->sys_errno == EPERM)
        return seep_fail(
            err, SEEP_E_USAGE,
            "Process %d may not be looked into (%s): it has rights that this seep has not, has changed its "
            "user, or lives in a user namespace above seep's; run seep as root, in a container with CAP_SYS_PTRACE",
            (int)p->pid, strerror(why->sys_errno));
    return seep_fail(err, SEEP_E_USAGE, "The program of process %d cannot be read: %.200s", (int)p->pid, why->text);
}

static int open_target(struct run *r, struct linux_exe *exe, struct seep_err *err)
{
    char path[LINUX_EXE_PATH_MAX] = "";
    int proc_fd = linux_proc_open(err);
    if (proc_fd < 0)
        return -1;
    int rc = attach_hold(proc_fd, r->opt.attach_pid, &r->target, err);
    if (rc == 0 && (r->target_lock = lock_target(&r->target, err)) < 0)
        rc = -1;
    struct seep_err why;
    if (rc == 0 && linux_exe_of(proc_fd, r->target.pid, true, exe, path, &why))
        rc = not_readable(&r->target, &why, err);
    close(proc_fd);
    r->exec_path = strdup(path);
    return rc || !r->exec_path ? -1 : 0;
}

int attach_setup(struct run *r, struct seep_err *err)
{
    struct linux_exe exe;
    run_derive(r);
    if (r->profile->target.memory_bytes > 0 || r->profile->target.cpu > 0)
        return seep_fail(err, SEEP_E_USAGE,
                         "target.memory and target.cpu limit a target that seep starts itself, not an attached one");
    if (on_finish_check(r->profile, err) || run_faults_setup(r, err) || open_target(r, &exe, err))
        return -1;
    remember_target(r);
    if (run_make_dir(r, err) || store_create(r->dir_fd, &r->store, err) || writer_init(&r->writer, r->store, NULL, err))
        return -1;
    run_plan_facts(r);
    run_host_facts(r);
    run_exe_facts(r, &exe);
    run_meta_f(r, M_ATTACHED, "%d %llu", (int)r->target.pid, (unsigned long long)r->target.starttime_ticks);
    run_meta(r, M_HOST_CGROUP, "none: the target was running before seep");
    if (run_make_parts(r, false, false, err))
        return -1;
    start_watching(r);
    start_counting(r);
    writer_flush(&r->writer);
    return store_flush(r->store, err) < 0 ? -1 : 0;
}

// ---- taking up again

bool attach_parse(const char *text, pid_t *pid, uint64_t *starttime_ticks)
{
    int n = 0, p = 0;
    unsigned long long start = 0;
    if (!text || sscanf(text, "%d %llu%n", &p, &start, &n) != 2 || text[n] || p <= 0)
        return false;
    *pid = p;
    *starttime_ticks = start;
    return true;
}

int attach_again(struct run *r, bool *alive, struct seep_err *err)
{
    char *text = NULL, *mode = NULL;
    pid_t pid;
    uint64_t start;
    if (store_get_meta(r->store, M_ATTACHED, &text, err))
        return -1;
    bool ours = attach_parse(text, &pid, &start);
    free(text);
    if (!ours)
        return 0;
    r->attached = true;
    struct seep_err none;
    if (linux_process_open(r->sampler.proc_fd, pid, start, &r->target, &none) == 0) {
        if (linux_process_alive(&r->target)) {
            if ((r->target_lock = lock_target(&r->target, err)) < 0)
                return -1;
            *alive = true;
            r->sampler.outside = r->finish_only ? NULL : outside_new();
        }
        remember_target(r);
    }
    // What was freed while nobody watched is not known: the live set cannot be gone on with.
    store_get_meta(r->store, M_ATTRIBUTION, &mode, NULL);
    if (*alive && !r->finish_only && mode && strcmp(mode, "exact") == 0)
        run_attribution_failed(r, "Attribution ended when seep was interrupted: which blocks were freed while nobody "
                                  "watched is not known.");
    free(mode);
    return 0;
}

// ---- while it runs

void attach_begin(struct run *r)
{
    struct seep_time started = started_at(r->target.starttime_ticks);
    const char *program = r->profile->target.argc ? r->profile->target.argv[0] : "", *slash = strrchr(program, '/');
    r->target_alive = true;
    run_meta_f(r, M_TARGET_PID, "%d", (int)r->target_pid);
    run_meta_f(r, M_STARTED, "%lld", (long long)started.real_ns);
    snprintf(r->live.title, sizeof r->live.title, "%.60s  %.60s  pid %d", r->profile->name, slash ? slash + 1 : program,
             (int)r->target_pid);
    run_feed(r, RUN_EV_STARTED);
}

static struct keeper_exit_record how_it_ended(const struct run *r)
{
    int status = 0, known = 0;
    for (int i = 0; i < REAPED_TRIES && !known; i++) {
        known = linux_process_exit_status(&r->target, &status);
        if (!known)
            poll(NULL, 0, REAPED_MS);
    }
    struct seep_time started = started_at(r->target.starttime_ticks), now = clock_read();
    struct keeper_exit_record rec = {.pid = r->target_pid,
                                     .how = KEEPER_HOW_UNKNOWN,
                                     .starttime_ticks = r->target.starttime_ticks,
                                     .start_mono_ns = (uint64_t)started.mono_ns,
                                     .end_mono_ns = (uint64_t)now.mono_ns,
                                     .start_real_ns = (uint64_t)started.real_ns,
                                     .end_real_ns = (uint64_t)now.real_ns};
    if (known && WIFEXITED(status)) {
        rec.how = KEEPER_HOW_EXITED;
        rec.status = WEXITSTATUS(status);
    } else if (known && WIFSIGNALED(status)) {
        rec.how = WCOREDUMP(status) ? KEEPER_HOW_CORE : KEEPER_HOW_SIGNALLED;
        rec.status = WTERMSIG(status);
        rec.oom = rec.status == SIGKILL ? KEEPER_OOM_UNKNOWN : KEEPER_OOM_NO;
    }
    return rec;
}

static void on_target(uv_poll_t *handle, int status, int events)
{
    struct run *r = handle->data;
    (void)status;
    (void)events;
    uv_poll_stop(handle);
    struct keeper_exit_record rec = how_it_ended(r);
    r->tree_empty = r->profile->target.life != LIFE_TREE; // only that life expects something to be left behind
    run_target_exited(r, &rec);
    if (r->tree_empty)
        run_target_emptied(r);
}

void attach_ticked(struct run *r)
{
    if (r->attached && !r->target_alive && !r->tree_empty && r->sampler.err.code == SEEP_E_TARGET)
        run_target_emptied(r);
}

void attach_watch(struct run *r)
{
    if (uv_poll_init(&r->loop, &r->target_poll, r->target.pidfd))
        return;
    r->target_poll.data = r;
    uv_poll_start(&r->target_poll, UV_READABLE, on_target);
}

void attach_leave(struct run *r)
{
    if (!r->shutdown.skipped[0])
        snprintf(r->shutdown.skipped, sizeof r->shutdown.skipped,
                 "The target was running before seep attached to it, and is left running.");
    run_feed(r, RUN_EV_EMPTY);
}

// ---- the end

// What was counted is not the heap that grows.
static void past_facts(struct run *r)
{
    if (!r->sampler.past_text[0])
        return;
    run_meta(r, M_HEAP_SOURCE, "");
    if (profile_attribution_mode(r->profile) != ATTRIBUTION_OFF)
        run_meta(r, M_ATTRIBUTION, "failed");
    run_meta(r, M_ATTRIBUTION_REASON, r->sampler.past_text);
}

static void tap_facts(struct run *r)
{
    struct tap_evidence ev;
    tap_evidence(r->sampler.tap, &ev);
    const struct tap_counts *c = &ev.counts;
    run_meta_f(r, M_TAP,
               "%llu calls and returns seen in %.0f s (%.0f a second) by %s with %zu descriptors, read in %.2f s of "
               "processor time; %llu stacks unwound, %llu recognised, %llu without an answer, %llu without room; %llu "
               "records lost; %llu blocks from before the "
               "attach were freed; %llu calls without their other half, %llu addresses read late, %llu blocks past the "
               "ceiling, %llu operator new not followed, %llu out of order",
               (unsigned long long)c->hits, ev.seconds, ev.seen_per_s, ev.means, ev.events, ev.own_cpu_s,
               (unsigned long long)ev.unwound, (unsigned long long)ev.recognised, (unsigned long long)ev.failed,
               (unsigned long long)ev.unplaced, (unsigned long long)c->lost, (unsigned long long)c->old_frees,
               (unsigned long long)c->unpaired, (unsigned long long)c->guessed, (unsigned long long)c->overflowed,
               (unsigned long long)c->uncovered, (unsigned long long)ev.late);
    if (ev.seconds > 0)
        run_event_note(
            r, E_PROCESS,
            "Watching saw %.0f calls and returns of the allocator a second (%s) and took %.2f %% of a processor to "
            "read them. It cost the target %.2f %% of a processor, as %s.",
            ev.seen_per_s, ev.means, 100 * ev.own_cpu_s / ev.seconds, 100 * ev.cost_s / ev.seconds,
            ev.cost_measured ? "measured on a function of seep's own" : "such calls cost on another machine");
    char sentence[400];
    for (size_t i = 0; i < tap_processes(r->sampler.tap); i++)
        if (tap_process(r->sampler.tap, i, sentence, sizeof sentence))
            run_event_note(r, E_PROCESS, "%s", sentence);
    if (ev.ended[0]) {
        run_meta(r, M_ATTRIBUTION, "failed");
        run_meta(r, M_ATTRIBUTION_REASON, ev.ended);
    } else if (c->uncovered > 0) {
        run_meta(r, M_ATTRIBUTION, "failed");
        run_meta(r, M_ATTRIBUTION_REASON,
                 "The target uses its allocator's own operator new, which may throw: it cannot be watched from outside "
                 "without breaking its exceptions, so the stacks are not all of them.");
    }
}

void attach_facts(struct run *r)
{
    if (r->sampler.tap)
        tap_facts(r);
    if (r->attached)
        past_facts(r);
}

void attach_free(struct run *r)
{
    tap_free(r->sampler.tap);
    r->sampler.tap = NULL;
    outside_free(r->sampler.outside);
    r->sampler.outside = NULL;
    linux_process_close(&r->target);
    if (r->target_lock >= 0)
        close(r->target_lock);
}
