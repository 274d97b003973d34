// Before the target runs: the run directory, what is known of machine and target, the store, the control group, the
// keeper.
//
// Everything that can be refused is refused here, before anything has started; whatever was made so far is taken away
// again by run_setup_free().
#include "base/fs.h"
#include "linux/exe.h"
#include "linux/proc.h"
#include "run/attach.h"
#include "run/launch.h"
#include "run/on_finish.h"
#include "run/state.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <math.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

// ---- the run directory

static void default_id(char *id, size_t size)
{
    time_t now = (time_t)(clock_read().real_ns / 1000000000);
    struct tm tm;
    char hex[33] = "0000", stamp[32];
    fs_random_hex(hex, NULL);
    gmtime_r(&now, &tm);
    strftime(stamp, sizeof stamp, "%Y%m%d-%H%M", &tm);
    snprintf(id, size, "%s-%.4s", stamp, hex);
}

// A results directory where others may write is a place where others may swap files under us.
static int check_results_dir(int fd, const char *path, struct seep_err *err)
{
    struct stat st;
    if (fstat(fd, &st))
        return seep_fail_errno(err, errno, "The results directory '%.300s' cannot be looked at", path);
    if ((st.st_mode & (S_IWGRP | S_IWOTH)) && !(st.st_mode & S_ISVTX) && st.st_uid != geteuid())
        return seep_fail(err, SEEP_E_SYSTEM,
                         "The results directory '%.300s' may be written by others; use one of your own (--results DIR)",
                         path);
    if (geteuid() == 0 && st.st_uid != 0 && (st.st_mode & S_IWOTH) && !(st.st_mode & S_ISVTX))
        return seep_fail(err, SEEP_E_SYSTEM,
                         "The results directory '%.300s' belongs to somebody else and is open to all", path);
    if (faccessat(fd, ".", W_OK | X_OK, AT_EACCESS))
        return seep_fail_errno(
            err, errno, "The results directory '%.300s' cannot be written; give another with --results DIR", path);
    return 0;
}

int run_make_dir(struct run *r, struct seep_err *err)
{
    if (r->opt.name && (!fs_name_ok(r->opt.name) || !strcmp(r->opt.name, "last")))
        return seep_fail(err, SEEP_E_USAGE,
                         "'%.100s' cannot be the name of a run: give up to 64 letters, digits, dots, hyphens and "
                         "underscores, a letter or digit first (--name); 'last' is the latest run",
                         r->opt.name);
    int results = fs_open_dir(r->opt.results_dir, true, err);
    if (results < 0)
        return -1;
    int rc = check_results_dir(results, r->opt.results_dir, err);
    for (int tries = 0; rc == 0 && tries < 5; tries++) {
        if (r->opt.name)
            snprintf(r->id, sizeof r->id, "%s", r->opt.name);
        else
            default_id(r->id, sizeof r->id);
        r->dir_fd = fs_make_private_dir(results, r->id, err);
        if (r->dir_fd >= 0 || !err || err->sys_errno != EEXIST || r->opt.name)
            break;
    }
    if (rc == 0 && r->dir_fd < 0) {
        if (err->sys_errno == EEXIST)
            seep_fail(err, SEEP_E_USAGE, "There is a run '%s' already in '%.200s'; choose another --name", r->id,
                      r->opt.results_dir);
        rc = -1;
    }
    close(results);
    snprintf(r->dir, sizeof r->dir, "%.3000s/%s", r->opt.results_dir, r->id);
    return rc;
}

// ---- the target

static const struct {
    const char *name;
    int resource;
} limit_names[] = {
    {"as", RLIMIT_AS},       {"core", RLIMIT_CORE},        {"cpu", RLIMIT_CPU},       {"data", RLIMIT_DATA},
    {"fsize", RLIMIT_FSIZE}, {"memlock", RLIMIT_MEMLOCK},  {"nofile", RLIMIT_NOFILE}, {"nproc", RLIMIT_NPROC},
    {"stack", RLIMIT_STACK}, {"msgqueue", RLIMIT_MSGQUEUE}};

static int set_limits(struct run *r, struct seep_err *err)
{
    const struct profile_target *t = &r->profile->target;
    for (int i = 0; i < t->n_limits; i++) {
        size_t k = 0, n = sizeof limit_names / sizeof *limit_names;
        while (k < n && strcasecmp(limit_names[k].name, t->limits[i].name))
            k++;
        if (k == n || r->keeper.rlimit_count == KEEPER_RLIMITS_MAX)
            return seep_fail(err, SEEP_E_USAGE, "target.limits has no limit named '%.60s'", t->limits[i].name);
        uint64_t v = isinf(t->limits[i].value) ? RLIM_INFINITY : (uint64_t)t->limits[i].value;
        r->rlimits[r->keeper.rlimit_count++] =
            (struct keeper_rlimit){.resource = limit_names[k].resource, .soft = v, .hard = v};
    }
    r->keeper.rlimits = r->rlimits;
    return 0;
}

// With whose rights, which words and which environment the target is started.
static int make_words(struct run *r, struct seep_err *err)
{
    const struct profile_target *t = &r->profile->target;
    if (launch_account(t->user, "target.user", &r->keeper, r->groups, err) ||
        launch_env(t->env, t->n_env, &r->envp, err) || launch_argv(t->argv, t->argc, &r->argv, err))
        return -1;
    r->keeper.envp = (const char *const *)r->envp;
    r->keeper.argv = (const char *const *)r->argv;
    return 0;
}

uint64_t run_starttime(const struct run *r, pid_t pid)
{
    struct linux_stat st;
    return linux_stat_read(r->sampler.proc_fd, pid, &st, NULL) ? 0 : st.starttime_ticks;
}

// A script is attributed through its interpreter.
static int read_exe(struct run *r, struct linux_exe *exe, struct seep_err *err)
{
    if (linux_exe_read(r->exec_path, true, exe, err))
        return -1;
    if (exe->kind != LINUX_EXE_SCRIPT || !exe->interpreter[0])
        return 0;
    struct linux_exe program;
    char path[LINUX_EXE_PATH_MAX];
    if (linux_exe_find(exe->interpreter, NULL, getenv("PATH"), path, NULL) == 0 &&
        linux_exe_read(path, false, &program, NULL) == 0) {
        memcpy(program.sha256, exe->sha256, sizeof program.sha256);
        program.have_sha256 = exe->have_sha256;
        *exe = program;
    }
    return 0;
}

// Can the target's user read this file? The loader leaves out what it cannot open, with a word on the target's own
// standard error only; so a child asks with that user's rights.
static bool readable_by(const struct run *r, const char *path)
{
    int status = 1;
    pid_t pid = fork();
    if (pid == 0) {
        bool ok = setgroups(r->keeper.group_count, r->keeper.groups) == 0 && setgid(r->keeper.gid) == 0 &&
                  setuid(r->keeper.uid) == 0 && access(path, R_OK) == 0;
        _exit(ok ? 0 : 1);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        return true; // not known: let the run find out
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

void run_attribution_failed(struct run *r, const char *why)
{
    run_meta(r, M_ATTRIBUTION, "failed");
    run_meta(r, M_ATTRIBUTION_REASON, why);
    run_event_note(r, E_DEGRADED, "%s", why);
}

// The seccomp filters that this very process lives under (a container's, say); the target inherits them.
static uint32_t own_filters(void)
{
    struct linux_status self;
    int proc_fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
    bool known = proc_fd >= 0 && linux_status_read(proc_fd, getpid(), &self, NULL) == 0;
    if (proc_fd >= 0)
        close(proc_fd);
    if (!known)
        return 0;
    if (self.seccomp_filters >= 0)
        return (uint32_t)self.seccomp_filters;
    return self.seccomp > 0;
}

// What the target is told to preload itself, "" for nothing.
static const char *own_preload(const struct run *r)
{
    const char *found = "";
    for (const char *const *e = r->keeper.envp; e && *e; e++)
        if (!strncmp(*e, "LD_PRELOAD=", 11))
            found = *e + 11;
    return found;
}

static bool preloads_a_sanitizer(const struct run *r)
{
    static const char *const names[] = {"libasan", "libtsan", "libubsan", "liblsan", "clang_rt."};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strstr(own_preload(r), names[i]))
            return true;
    return false;
}

// What allocators call themselves has a library for each of them; see probes/names. Not where the program has the
// allocator within itself: it then calls itself.
static void set_probe_more(struct run *r, const struct linux_exe *exe)
{
    const char *own = own_preload(r);
    const struct {
        const char *name;
        bool wanted;
    } libraries[] = {{"jemalloc", exe->calls_jemalloc || strstr(own, "jemalloc")},
                     {"tcmalloc", exe->calls_tcmalloc || strstr(own, "tcmalloc")},
                     {"mimalloc", exe->calls_mimalloc || strstr(own, "mimalloc")},
                     {"je", exe->calls_je}};
    size_t stem = strlen(r->probe_path) - strlen(".so"), used = 0;
    for (size_t i = 0; i < sizeof libraries / sizeof *libraries; i++) {
        char *at = r->probe_more + used;
        size_t room = sizeof r->probe_more - used;
        int n = snprintf(at, room, "%s%.*s-%s.so", used ? ":" : "", (int)stem, r->probe_path, libraries[i].name);
        if (libraries[i].wanted && n > 0 && (size_t)n < room && access(at + (used != 0), R_OK) == 0)
            used += (size_t)n;
        else
            *at = '\0';
    }
    if (used)
        r->keeper.probe_more = r->probe_more;
}

static void set_attribution(struct run *r, const struct linux_exe *exe)
{
    char why[300];
    enum profile_attribution mode = profile_attribution_mode(r->profile);
    if (mode == ATTRIBUTION_OFF) {
        run_meta(r, M_ATTRIBUTION, "off");
        run_meta(r, M_ATTRIBUTION_REASON, "The profile turned attribution off (attribution.mode).");
        return;
    }
    if (r->probe_path[strcspn(r->probe_path, " :$")]) {
        snprintf(
            why, sizeof why,
            "seep is installed at '%.120s', and the loader preloads nothing from a path with a space, a colon or a "
            "dollar sign; install it elsewhere.",
            r->probe_path);
        run_attribution_failed(r, why);
        return;
    }
    uid_t uid = r->keeper.set_ids ? r->keeper.uid : geteuid();
    if (r->keeper.set_ids && !readable_by(r, r->probe_path)) {
        snprintf(why, sizeof why,
                 "The user '%.60s' cannot read seep's probe where it is installed; install seep where all users can "
                 "read it.",
                 r->profile->target.user);
        run_attribution_failed(r, why);
        return;
    }
    if (linux_exe_attribute(exe, r->exec_path, uid, why, sizeof why) != LINUX_ATTRIBUTE_YES) {
        run_attribution_failed(r, why);
        return;
    }
    if (preloads_a_sanitizer(r)) {
        run_attribution_failed(
            r, "The target's own LD_PRELOAD names a sanitizer, whose allocator must come first: the probe "
               "is not loaded; run without it.");
        return;
    }
    bool sampled = mode == ATTRIBUTION_SAMPLED;
    r->keeper.probe_path = r->probe_path;
    set_probe_more(r, exe);
    r->keeper.probe_filters = own_filters();
    r->keeper.sample_mean_bytes = sampled ? (uint64_t)r->profile->attribution.sampling_mean_bytes : 0;
    if (r->profile->attribution.memory_bytes > 0)
        r->keeper.main_region_bytes = (uint64_t)r->profile->attribution.memory_bytes;
    run_meta(r, M_ATTRIBUTION, sampled ? "sampled" : "exact");
    run_meta(r, M_HEAP_SOURCE, sampled ? "usable size of live blocks" : "requested bytes of live blocks");
    if (sampled)
        run_meta_f(r, M_SAMPLING_MEAN, "%.0f", r->profile->attribution.sampling_mean_bytes);
}

static int find_parts(struct run *r, struct seep_err *err)
{
    char *prefix = fs_prefix(err);
    if (!prefix)
        return -1;
    static const char *const libs[] = {"lib", "lib/x86_64-linux-gnu", "lib/aarch64-linux-gnu"};
    snprintf(r->keeper_path, sizeof r->keeper_path, "%.4000s/bin/seep-keeper", prefix);
    for (size_t i = 0; i < sizeof libs / sizeof *libs; i++) {
        snprintf(r->probe_path, sizeof r->probe_path, "%.4000s/%s/libseep-probe.so", prefix, libs[i]);
        if (access(r->probe_path, R_OK) == 0)
            break;
    }
    free(prefix);
    if (access(r->keeper_path, X_OK))
        return seep_fail_errno(err, errno, "seep's own part '%.300s' is not there; install seep again", r->keeper_path);
    if (access(r->probe_path, R_OK))
        return seep_fail_errno(err, errno, "seep's own part '%.300s' is not there; install seep again", r->probe_path);
    r->keeper.keeper_path = r->keeper_path;
    return 0;
}

static bool limits_cpu(const struct profile *p)
{
    bool any = p->target.cpu > 0;
    for (int i = 0; i < p->n_faults; i++)
        any |= p->faults[i].kind == FAULT_CPU;
    return any;
}

static int set_cgroup(struct run *r, struct seep_err *out)
{
    char name[112], hex[33] = "0";
    struct seep_err err;
    fs_random_hex(hex, NULL); // runs of one name in two results directories are two groups
    snprintf(name, sizeof name, "seep-%s-%.8s", r->id, hex);
    if (linux_cgroup_create(NULL, NULL, name, &r->cgroup, &err)) {
        r->cgroup.kind = LINUX_CGROUP_NONE;
        snprintf(r->cgroup.why_not, sizeof r->cgroup.why_not, "%.190s", err.text);
    }
    if (limits_cpu(r->profile) && !r->cgroup.cpu_dir[0])
        linux_cgroup_add_cpu(NULL, NULL, name, &r->cgroup);
    const struct linux_cgroup *cg = &r->cgroup;
    for (size_t i = 0; cg->kind != LINUX_CGROUP_NONE && i < cg->dir_count && i < KEEPER_JOIN_MAX; i++)
        r->keeper.join[i] = cg->dirs[i];
    r->keeper.kill_dir = cg->kill_dir[0] ? cg->kill_dir : NULL;
    r->keeper.freezer_dir = cg->freezer_dir[0] ? cg->freezer_dir : NULL;
    r->keeper.oom_file = cg->oom_file[0] ? cg->oom_file : NULL;
    r->keeper.remove_cgroup = cg->ours;
    if (cg->ours)
        store_set_meta_blob(r->store, RUN_META_CGROUP, cg, sizeof *cg, NULL);
    run_meta_f(r, M_HOST_CGROUP, "%s%s%s", linux_cgroup_kind_name(cg->kind), cg->why_not[0] ? ": " : "", cg->why_not);
    if (linux_cgroup_limit(cg, r->profile->target.memory_bytes, r->profile->target.cpu, &err))
        return seep_fail(out, SEEP_E_USAGE, "The target cannot be limited as target.memory and target.cpu say: %.300s",
                         err.text);
    return 0;
}

// The budget the status line shows: of the first gate on heap.growth, else rss.growth.
static void live_budget(struct run *r)
{
    static const char *const wanted[] = {"heap.growth", "rss.growth"};
    for (size_t k = 0; k < 2 && isnan(r->live.budget_per_s); k++)
        for (int i = 0; i < r->profile->n_gates; i++) {
            struct judge_gate gate;
            struct judge_gate_text text = {.gate = r->profile->gates[i].expr};
            if (judge_gate_parse(&text, NULL, 0, &gate, NULL, NULL) == 0 && !strcmp(gate.metric, wanted[k]))
                r->live.budget_per_s = gate.limit;
        }
}

void run_derive(struct run *r)
{
    r->interval_s = profile_interval_s(r->profile);
    r->idle_interval_s = fmin(1.0, fmax(0.1, r->interval_s));
    r->duration_s = r->profile->run.duration_s;
    r->drain_s = profile_drain_s(r->profile);
    r->began = clock_read();
}

int run_make_parts(struct run *r, bool with_heap, bool sampled, struct seep_err *err)
{
    if (sampler_init(&r->sampler, err))
        return -1;
    sampler_plan(&r->sampler, r->duration_s);
    if (with_heap) {
        r->sampler.heap = heap_new(sampled, r->profile->attribution.sampling_mean_bytes, err);
        if (!r->sampler.heap)
            return -1;
        if (!r->profile->attribution.follow_children)
            heap_follow_only_main(r->sampler.heap);
    }
    r->writer.table = r->sampler.heap ? heap_table(r->sampler.heap) : NULL;
    r->sampler.crosscheck = with_heap ? &r->crosscheck : NULL;
    r->sampler.cgroup = &r->cgroup;
    if (live_init(&r->live, r->opt.quiet ? -1 : 2, r->duration_s, r->interval_s, err))
        return -1;
    snprintf(r->live.title, sizeof r->live.title, "%.60s", r->profile->name);
    live_budget(r);
    return 0;
}

int run_setup_new(struct run *r, struct seep_err *err)
{
    struct linux_exe exe;
    char path[LINUX_EXE_PATH_MAX];
    const struct profile_target *t = &r->profile->target;
    if (r->opt.attach_pid > 0)
        return attach_setup(r, err);
    run_derive(r);
    if (!t->argv || t->argc == 0)
        return seep_fail(err, SEEP_E_USAGE,
                         "There is no command to run: give one after -- or as target.command in a profile");
    if (on_finish_check(r->profile, err) || linux_exe_find(t->argv[0], t->cwd, getenv("PATH"), path, err))
        return -1;
    r->exec_path = strdup(path);
    if (!r->exec_path || find_parts(r, err) || read_exe(r, &exe, err) || make_words(r, err) || set_limits(r, err))
        return -1;
    if (run_make_dir(r, err) || store_create(r->dir_fd, &r->store, err) || writer_init(&r->writer, r->store, NULL, err))
        return -1;
    run_plan_facts(r);
    run_host_facts(r);
    run_exe_facts(r, &exe);
    set_attribution(r, &exe);
    // Whoever takes this run up after a kill at any later instant finds the profile and the control group's name.
    writer_flush(&r->writer);
    if (store_flush(r->store, err) < 0)
        return -1;
    if (set_cgroup(r, err))
        return -1;
    if (run_make_parts(r, r->keeper.probe_path != NULL, r->keeper.sample_mean_bytes > 0, err))
        return -1;
    if (run_faults_setup(r, err))
        return -1;
    r->keeper.run_dir_fd = r->dir_fd;
    r->keeper.exec_path = r->exec_path;
    r->keeper.cwd = t->cwd;
    static const enum keeper_output outputs[] = {KEEPER_OUTPUT_LOG, KEEPER_OUTPUT_TEE, KEEPER_OUTPUT_INHERIT};
    r->keeper.output = outputs[r->opt.output];
    if (keeper_start(&r->keeper, &r->link, err))
        return -1;
    r->linked = true;
    r->sampler.root = r->link.keeper_pid;
    return run_deps_open(r, err);
}

void run_setup_free(struct run *r)
{
    run_load_free(r);
    if (r->linked && !r->leave) {
        struct seep_err err;
        if (!r->keeper_lost)
            keeper_shutdown(&r->link, &err);
    }
    run_scrape_free(r);
    run_probes_free(r);
    run_deps_free(r);
    run_faults_free(r);
    if (r->linked)
        keeper_close(&r->link);
    if (!r->leave && r->cgroup.ours)
        linux_cgroup_remove(&r->cgroup, NULL);
    writer_free(&r->writer);
    crosscheck_free(&r->crosscheck);
    suspects_free(&r->sampler.suspects);
    attach_free(r);
    heap_free(r->sampler.heap);
    sampler_free(&r->sampler);
    live_free(&r->live);
    store_close(r->store);
    tick_free(r->notes);
    launch_free(r->envp);
    launch_free(r->argv);
    free(r->exec_path);
    identity_free(&r->identity);
    free(r->report_text);
    profile_free(r->own_profile);
    if (r->dir_fd >= 0)
        close(r->dir_fd);
}
