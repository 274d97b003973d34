// What the target depends on, while it is replayed: the profile's programs and the proxies to them. See passing.h.
//
// They run beside valgrind and not under it, at their usual speed. Each has a directory of its own for its output,
// where a ready check may look for words.
#include "base/clock.h"
#include "base/fs.h"
#include "confirm/passing.h"
#include "fault/proxy.h"
#include "linux/proc.h"
#include "run/ready.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

struct confirm_dep {
    const struct profile_dependency *want;
    pid_t pid; // 0: not there
    int dir_fd;
};

struct confirm_deps {
    struct fault_proxies proxies;
    struct confirm_dep *dep;
    int n;
};

static int open_proxies(struct passing *s, struct confirm_deps *all, struct seep_err *err)
{
    const struct profile *p = s->p->profile;
    struct linux_stat self;
    if (p->n_proxies == 0)
        return 0;
    if (linux_stat_read(s->proc_fd, getpid(), &self, err) ||
        fault_proxies_start("/proc/self/exe", s->p->dir_fd, getpid(), self.starttime_ticks, &all->proxies, err))
        return -1;
    for (int i = 0; i < p->n_proxies; i++) {
        char *listen = profile_expand_env(p->proxies[i].listen, err);
        char *to = listen ? profile_expand_env(p->proxies[i].to, err) : NULL;
        int failed = to ? fault_proxy_open(&all->proxies, p->proxies[i].name, listen, to, err) : -1;
        free(listen);
        free(to);
        if (failed)
            return -1;
    }
    return 0;
}

static _Noreturn void become(const struct confirm_dep *d, int err)
{
    const struct profile_dependency *w = d->want;
    int in = open("/dev/null", O_RDONLY), code = 0;
    int out = openat(d->dir_fd, "target.log", O_WRONLY | O_CREAT | O_APPEND, 0600);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setsid();
    confirm_set_env(w->env, w->n_env);
    if (dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0 || (w->cwd && chdir(w->cwd)) || confirm_become(w->user))
        code = errno;
    if (!code) {
        execvp(w->argv[0], w->argv);
        code = errno;
    }
    _exit(write(err, &code, sizeof code) < 0 ? 126 : 127);
}

static int spawn(struct confirm_dep *d, struct seep_err *err)
{
    int pipes[2], code = 0;
    if (pipe2(pipes, O_CLOEXEC))
        return seep_fail_errno(err, errno, "There is no pipe");
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0)
        become(d, pipes[1]);
    close(pipes[1]);
    ssize_t got = pid < 0 ? 0 : read(pipes[0], &code, sizeof code);
    close(pipes[0]);
    if (pid < 0)
        return seep_fail_errno(err, errno, "there is no process for it");
    if (got == sizeof code) {
        waitpid(pid, NULL, 0);
        return seep_fail_errno(err, code, "'%s' cannot be run", d->want->argv[0]);
    }
    d->pid = pid;
    return 0;
}

static bool ended(struct confirm_dep *d)
{
    if (d->pid > 0 && waitpid(d->pid, NULL, WNOHANG) == d->pid)
        d->pid = 0;
    return d->pid == 0;
}

static int begin(struct passing *s, struct confirm_dep *d, int number, struct seep_err *err)
{
    char name[32];
    struct run_ready ready = {.want = &d->want->ready};
    snprintf(name, sizeof name, CONFIRM_DEP_DIR "%d.%s", number, s->p->tool);
    d->dir_fd = fs_make_private_dir(s->p->dir_fd, name, err);
    ready.dir_fd = d->dir_fd;
    if (d->dir_fd < 0 || spawn(d, err))
        return -1;
    run_ready_wait(&ready);
    if (ended(d))
        return seep_fail(err, SEEP_E_TARGET, "it ended before it was ready");
    if (!ready.ready)
        return seep_fail(err, SEEP_E_TARGET, "it was not ready in time. %.200s", ready.last_answer);
    return 0;
}

bool confirm_deps_start(struct passing *s)
{
    const struct profile *p = s->p->profile;
    struct seep_err err = {0};
    if (p->n_dependencies == 0 && p->n_proxies == 0)
        return true;
    struct confirm_deps *all = s->deps = calloc(1, sizeof *all);
    if (all) {
        all->proxies.fd = -1;
        all->dep = calloc((size_t)p->n_dependencies + 1, sizeof *all->dep);
    }
    if (!all || !all->dep || open_proxies(s, all, &err)) {
        confirm_pass_fail(s->p, "error", "The proxies could not be made again: %s", all ? err.text : "memory ran out");
        return false;
    }
    for (int i = 0; i < p->n_dependencies; i++) {
        all->dep[i] = (struct confirm_dep){.want = &p->dependencies[i], .dir_fd = -1};
        all->n = i + 1;
        if (begin(s, &all->dep[i], i, &err)) {
            confirm_pass_fail(s->p, "not_ready", "The dependency '%s' failed: %.300s", all->dep[i].want->name,
                              err.text);
            return false;
        }
    }
    return true;
}

static struct confirm_dep *find(const struct passing *s, const char *name)
{
    for (int i = 0; s->deps && i < s->deps->n; i++)
        if (!strcmp(s->deps->dep[i].want->name, name))
            return &s->deps->dep[i];
    return NULL;
}

void confirm_dep_signal(struct passing *s, const char *name, int sig, bool all)
{
    struct confirm_dep *d = find(s, name);
    if (d && !ended(d))
        kill(all ? -d->pid : d->pid, sig ? sig : d->want->signal);
}

bool confirm_dep_gone(struct passing *s, const char *name)
{
    struct confirm_dep *d = find(s, name);
    return !d || ended(d);
}

double confirm_dep_patience_s(const struct passing *s, const char *name)
{
    const struct confirm_dep *d = find(s, name);
    return d ? d->want->stop_within_s : 0;
}

int confirm_dep_start_again(struct passing *s, const char *name, struct seep_err *err)
{
    struct confirm_dep *d = find(s, name);
    if (!d)
        return seep_fail(err, SEEP_E_TARGET, "there is no dependency '%.60s'", name);
    return ended(d) ? spawn(d, err) : 0;
}

struct fault_proxies *confirm_deps_proxies(struct passing *s)
{
    return s->deps && s->deps->proxies.fd >= 0 ? &s->deps->proxies : NULL;
}

void confirm_deps_end(struct passing *s)
{
    struct confirm_deps *all = s->deps;
    for (int i = all ? all->n - 1 : -1; i >= 0; i--) {
        struct confirm_dep *d = &all->dep[i];
        int64_t end = clock_mono_ns() + (int64_t)(d->want->stop_within_s * 1e9);
        if (d->pid > 0)
            kill(d->pid, d->want->signal);
        while (!ended(d) && clock_mono_ns() < end)
            poll(NULL, 0, 20);
        if (d->pid > 0) {
            kill(d->pid, SIGKILL);
            waitpid(d->pid, NULL, 0);
        }
        if (d->dir_fd >= 0)
            close(d->dir_fd);
    }
    if (all) {
        fault_proxies_end(&all->proxies);
        free(all->dep);
    }
    free(all);
    s->deps = NULL;
}
