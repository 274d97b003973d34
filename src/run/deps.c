// Dependencies and proxies of a run: see deps.h.
#include "run/deps.h"
#include "base/fs.h"
#include "fault/proxy.h"
#include "linux/exe.h"
#include "run/deps_priv.h"
#include "run/launch.h"
#include "run/state.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define KILL_LEFT_S 5.0

static struct dep *find(const struct run *r, const char *name)
{
    for (int i = 0; r->deps && i < r->deps->n; i++)
        if (!strcmp(r->deps->dep[i].want->name, name))
            return &r->deps->dep[i];
    return NULL;
}

// ---- what their keepers tell

static void say_end(struct dep *d)
{
    char text[300];
    if (d->expected || !d->exit.magic)
        return;
    keeper_exit_text(&d->exit, text, sizeof text);
    run_event_note(d->run, E_DEGRADED, "The dependency '%s' ended by itself: it %s.", d->want->name, text);
}

static void take_event(struct dep *d, struct keeper_event *ev)
{
    switch (ev->kind) {
    case KEEPER_EV_STARTED:
        d->up = true;
        d->gone = false;
        d->pid = ev->u.started.pid;
        break;
    case KEEPER_EV_EXITED:
        d->exit = ev->u.exit;
        d->up = false;
        break;
    case KEEPER_EV_START_FAILED:
    case KEEPER_EV_EMPTY:
        d->gone = true;
        d->up = false;
        break;
    case KEEPER_EV_LOST:
        d->linked = d->up = false;
        d->gone = true;
        break;
    case KEEPER_EV_REGION:
        close(ev->fd);
        if (ev->memory_fd >= 0)
            close(ev->memory_fd);
        break;
    case KEEPER_EV_STATS:
    case KEEPER_EV_NONE:
        break;
    }
}

static void take_events(struct dep *d, struct keeper_failed *failed)
{
    struct keeper_event ev;
    struct seep_err err;
    while (d->linked && keeper_next_event(&d->link, &ev, &err) == 0 && ev.kind != KEEPER_EV_NONE) {
        if (ev.kind == KEEPER_EV_START_FAILED && failed)
            *failed = ev.u.failed;
        take_event(d, &ev);
        if (ev.kind == KEEPER_EV_EXITED && d->run->state < RUN_STOPPING)
            say_end(d);
    }
}

static void on_link(uv_poll_t *handle, int status, int events)
{
    struct dep *d = handle->data;
    (void)status;
    (void)events;
    take_events(d, NULL);
    if (!d->linked && d->polling) {
        uv_poll_stop(&d->poll);
        d->polling = false;
    }
    run_faults_turn(d->run);
}

static void watch(struct dep *d)
{
    if (!d->linked || keeper_fd(&d->link) < 0 || uv_poll_init(&d->run->loop, &d->poll, keeper_fd(&d->link)))
        return;
    d->poll.data = d;
    d->polling = true;
    uv_poll_start(&d->poll, UV_READABLE | UV_DISCONNECT, on_link);
}

// ---- making them

static int open_dirs(struct run *r, bool create, struct seep_err *err)
{
    if (create && r->profile->n_dependencies && mkdirat(r->dir_fd, "deps", 0700))
        return seep_fail_errno(err, errno, "The directory of the dependencies cannot be made");
    for (int i = 0; i < r->deps->n; i++) {
        struct dep *d = &r->deps->dep[i];
        char path[PATH_MAX + 100];
        snprintf(path, sizeof path, "/proc/self/fd/%d/deps", r->dir_fd);
        int deps = fs_open_dir(path, false, err);
        if (deps >= 0 && create)
            d->dir_fd = fs_make_private_dir(deps, d->want->name, err);
        else if (deps >= 0)
            d->dir_fd = openat(deps, d->want->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (deps >= 0)
            close(deps);
        if (d->dir_fd < 0)
            return create ? -1
                          : seep_fail(err, SEEP_E_CORRUPT, "The run directory has no place of the dependency '%s'",
                                      d->want->name);
    }
    return 0;
}

static struct run_deps *make(struct run *r, struct seep_err *err)
{
    const struct profile *p = r->profile;
    struct run_deps *all = calloc(1, sizeof *all);
    if (all)
        all->dep = calloc((size_t)p->n_dependencies + 1, sizeof *all->dep);
    if (!all || !all->dep) {
        free(all);
        seep_fail(err, SEEP_E_SYSTEM, "There is no memory for the dependencies");
        return NULL;
    }
    all->proxies.fd = -1;
    all->n = p->n_dependencies;
    for (int i = 0; i < all->n; i++)
        all->dep[i] = (struct dep){.run = r, .want = &p->dependencies[i], .dir_fd = -1, .link.fd = -1};
    return all;
}

static int make_keeper(struct run *r, struct dep *d, struct seep_err *err)
{
    char path[LINUX_EXE_PATH_MAX], key[96];
    const struct profile_dependency *w = d->want;
    if (linux_exe_find(w->argv[0], w->cwd, getenv("PATH"), path, err))
        return -1;
    d->exec_path = strdup(path);
    if (!d->exec_path || launch_env(w->env, w->n_env, &d->envp, err) || launch_argv(w->argv, w->argc, &d->argv, err))
        return -1;
    struct keeper_config cfg = {.keeper_path = r->keeper_path,
                                .run_dir_fd = d->dir_fd,
                                .exec_path = d->exec_path,
                                .argv = (const char *const *)d->argv,
                                .envp = (const char *const *)d->envp,
                                .cwd = w->cwd,
                                .companion_pid = r->link.keeper_pid,
                                .companion_starttime_ticks = run_starttime(r, r->link.keeper_pid)};
    gid_t groups[KEEPER_GROUPS_MAX];
    snprintf(key, sizeof key, "dependencies.%.63s.user", w->name);
    if (launch_account(w->user, key, &cfg, groups, err))
        return -1;
    if (keeper_start(&cfg, &d->link, err))
        return -1;
    d->linked = true;
    return 0;
}

static int open_proxies(struct run *r, struct seep_err *err)
{
    const struct profile *p = r->profile;
    if (p->n_proxies == 0)
        return 0;
    pid_t keeper = r->link.keeper_pid;
    if (fault_proxies_start("/proc/self/exe", r->dir_fd, keeper, run_starttime(r, keeper), &r->deps->proxies, err))
        return -1;
    for (int i = 0; i < p->n_proxies; i++) {
        char *listen = profile_expand_env(p->proxies[i].listen, err);
        char *to = listen ? profile_expand_env(p->proxies[i].to, err) : NULL;
        int rc = to ? fault_proxy_open(&r->deps->proxies, p->proxies[i].name, listen, to, err) : -1;
        free(listen);
        free(to);
        if (rc)
            return -1;
    }
    return 0;
}

int run_deps_open(struct run *r, struct seep_err *err)
{
    if (r->profile->n_dependencies == 0 && r->profile->n_proxies == 0)
        return 0;
    r->deps = make(r, err);
    if (!r->deps || open_dirs(r, true, err) || open_proxies(r, err))
        return -1;
    for (int i = 0; i < r->deps->n; i++)
        if (make_keeper(r, &r->deps->dep[i], err))
            return -1;
    return 0;
}

int run_deps_attach(struct run *r, struct seep_err *err)
{
    if (r->profile->n_dependencies == 0 && r->profile->n_proxies == 0)
        return 0;
    r->deps = make(r, err);
    if (!r->deps || open_dirs(r, false, err))
        return -1;
    struct seep_err none;
    if (r->profile->n_proxies)
        fault_proxies_attach(r->dir_fd, &r->deps->proxies, &none);
    for (int i = 0; i < r->deps->n; i++) {
        struct dep *d = &r->deps->dep[i];
        d->linked = keeper_attach(d->dir_fd, true, &d->link, &none) == 0;
        d->gone = !d->linked;
    }
    return 0;
}

// ---- starting them

static bool wait_started(struct dep *d, struct keeper_failed *failed, const atomic_bool *cancel)
{
    for (int tries = 0; tries < 1000 && !d->up && !d->gone && !atomic_load(cancel); tries++) {
        struct pollfd p = {.fd = keeper_fd(&d->link), .events = POLLIN};
        poll(&p, 1, 20);
        take_events(d, failed);
    }
    return d->up;
}

static int begin_one(struct run_deps *all, struct dep *d, struct seep_err *err)
{
    struct keeper_failed failed = {0};
    struct keeper_config cfg = {.exec_path = d->exec_path, .argv = (const char *const *)d->argv};
    if (keeper_begin(&d->link, err))
        return -1;
    if (!wait_started(d, &failed, &all->ready.cancel))
        return failed.stage ? keeper_start_failure(&cfg, &failed, err)
                            : seep_fail(err, SEEP_E_TARGET, "it did not start");
    all->ready.want = &d->want->ready;
    all->ready.dir_fd = d->dir_fd;
    run_ready_wait(&all->ready);
    take_events(d, NULL);
    if (!d->up)
        return seep_fail(err, SEEP_E_TARGET,
                         "it ended before it was ready; see deps/%s/target.log in the run directory", d->want->name);
    if (!all->ready.ready)
        return seep_fail(err, SEEP_E_TARGET, "it was not ready in time. %.250s", all->ready.last_answer);
    return 0;
}

static void begin_job(uv_work_t *req)
{
    struct run *r = req->data;
    struct run_deps *all = r->deps;
    for (int i = 0; i < all->n && !atomic_load(&all->ready.cancel); i++) {
        struct dep *d = &all->dep[i];
        struct seep_err err = {0};
        if (!d->linked || (r->adopting && !d->gone))
            continue;
        if (begin_one(all, d, &err) == 0)
            continue;
        snprintf(all->why, sizeof all->why, "The dependency '%s' failed: %.400s", d->want->name, err.text);
        return;
    }
}

static void begin_done(uv_work_t *req, int status)
{
    struct run *r = req->data;
    struct run_deps *all = r->deps;
    (void)status;
    all->busy = false;
    for (int i = 0; i < all->n; i++)
        watch(&all->dep[i]);
    if (!atomic_load(&all->ready.cancel))
        all->done(r, all->why[0] ? all->why : NULL);
    run_after_job(r);
}

void run_deps_begin(struct run *r, void (*done)(struct run *r, const char *why))
{
    if (!r->deps || r->deps->n == 0) {
        done(r, NULL);
        return;
    }
    r->deps->done = done;
    r->deps->busy = true;
    r->deps->work.data = r;
    atomic_store(&r->deps->ready.cancel, false);
    uv_queue_work(&r->loop, &r->deps->work, begin_job, begin_done);
}

bool run_deps_busy(const struct run *r)
{
    return r->deps && r->deps->busy;
}

void run_deps_cancel(struct run *r)
{
    if (r->deps)
        atomic_store(&r->deps->ready.cancel, true);
}

// ---- faults

struct fault_proxies *run_deps_proxies(struct run *r)
{
    return r->deps && r->deps->proxies.fd >= 0 ? &r->deps->proxies : NULL;
}

int run_deps_signal(struct run *r, const char *name, int sig, unsigned flags, struct seep_err *err)
{
    struct dep *d = find(r, name);
    if (!d || !d->linked)
        return seep_fail(err, SEEP_E_TARGET, "The dependency '%s' is gone", name);
    return keeper_signal(&d->link, sig, KEEPER_WHOM_ALL, flags, err);
}

double run_deps_stop_within_s(const struct run *r, const char *name)
{
    const struct dep *d = find(r, name);
    return d ? d->want->stop_within_s : 0;
}

int run_deps_ask_to_end(struct run *r, const char *name, unsigned flags, struct seep_err *err)
{
    struct dep *d = find(r, name);
    if (!d || !d->linked)
        return seep_fail(err, SEEP_E_TARGET, "The dependency '%s' is gone", name);
    return keeper_signal(&d->link, d->want->signal, KEEPER_WHOM_MAIN, flags, err);
}

bool run_deps_gone(const struct run *r, const char *name)
{
    const struct dep *d = find(r, name);
    return !d || d->gone;
}

bool run_deps_up(const struct run *r, const char *name)
{
    const struct dep *d = find(r, name);
    return d && d->up;
}

void run_deps_expect(struct run *r, const char *name, bool end)
{
    struct dep *d = find(r, name);
    if (d)
        d->expected = end;
}

int run_deps_start(struct run *r, const char *name, struct seep_err *err)
{
    struct dep *d = find(r, name);
    if (!d || !d->linked)
        return seep_fail(err, SEEP_E_TARGET, "The dependency '%s' cannot be started again: its keeper is gone", name);
    d->exit = (struct keeper_exit_record){0};
    return keeper_begin(&d->link, err);
}

// ---- the end

void run_deps_stop(struct run *r)
{
    struct seep_err err;
    for (int i = 0; r->deps && i < r->deps->n; i++) {
        struct dep *d = &r->deps->dep[i];
        d->expected = true;
        if (!d->linked || d->gone)
            continue;
        keeper_signal(&d->link, SIGCONT, KEEPER_WHOM_ALL, 0, &err);
        keeper_signal(&d->link, d->want->signal, KEEPER_WHOM_MAIN, KEEPER_SIGNAL_STOP, &err);
    }
}

static void wait_gone(struct dep *d, double within_s)
{
    int64_t end = clock_mono_ns() + (int64_t)(within_s * 1e9);
    take_events(d, NULL);
    while (d->linked && !d->gone && clock_mono_ns() < end) {
        struct pollfd p = {.fd = keeper_fd(&d->link), .events = POLLIN};
        poll(&p, 1, 50);
        take_events(d, NULL);
    }
}

static void end_one(struct dep *d)
{
    struct seep_err err;
    int left = 0;
    take_events(d, NULL); // after an attach all is told anew
    if (d->linked && d->pid) {
        wait_gone(d, d->want->stop_within_s);
        if (!d->gone && keeper_kill_all(&d->link, &left, &err) == 0)
            wait_gone(d, KILL_LEFT_S);
    }
    if (d->linked && keeper_shutdown(&d->link, &err))
        fprintf(stderr, "seep: the dependency '%s' could not be ended: %s\n", d->want->name, err.text);
}

void run_deps_free(struct run *r)
{
    struct run_deps *all = r->deps;
    if (!all)
        return;
    if (!r->leave)
        run_deps_stop(r);
    for (int i = 0; i < all->n; i++) {
        struct dep *d = &all->dep[i];
        if (!r->leave)
            end_one(d);
        keeper_close(&d->link);
        launch_free(d->envp);
        launch_free(d->argv);
        free(d->exec_path);
        if (d->dir_fd >= 0)
            close(d->dir_fd);
    }
    if (r->leave)
        fault_proxies_leave(&all->proxies);
    else
        fault_proxies_end(&all->proxies);
    free(all->tree);
    free(all->dep);
    free(all);
    r->deps = NULL;
}
