// The runs of a round as children: see variants_group.h.
//
// Each has a process group of its own, so that Ctrl-C at a terminal reaches only us and each run gets it exactly once
// from here (a second one ends them at once, as with any run). A run whose parent is killed is told to stop by the
// kernel: it stops its target in order and judges what it measured.
#include "cmd/command.h"
#include "cmd/variants_group.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ARGS_MAX = 512 };

// ---- the command line of one

struct args {
    char *list[ARGS_MAX];
    int n;
    char text[3][VARIANTS_RUN_BYTES];
};

static void arg(struct args *a, const char *word)
{
    if (a->n < ARGS_MAX - 1)
        a->list[a->n++] = (char *)word;
}

static void two(struct args *a, const char *option, const char *word)
{
    arg(a, option);
    arg(a, word);
}

static bool is_override(const char *text)
{
    return strchr(text, '=') != NULL;
}

// Profiles (pass 0) come before all overrides (pass 1), and what is the variant's own after what all have.
static void add_own(const struct variants_group *g, int k, int pass, struct args *a)
{
    const char *name = g->v.one[k].name;
    size_t len = strlen(name);
    for (int i = 0; i < g->opt->variants.n; i++) {
        const char *text = g->opt->variants.items[i];
        if (strncmp(text, name, len) == 0 && text[len] == '=' && is_override(text + len + 1) == (pass == 1))
            two(a, pass ? "-o" : "-p", text + len + 1);
    }
}

static void make_args(struct variants_group *g, int k, int round, struct args *a)
{
    const struct cmd_run_profile *p = g->profile;
    arg(a, "seep");
    arg(a, "run");
    arg(a, "--quiet");
    two(a, "--name", g->v.one[k].round[round].run);
    two(a, "--results", g->results);
    for (int i = 0; i < p->profiles.n; i++)
        two(a, "-p", p->profiles.items[i]);
    add_own(g, k, 0, a);
    for (int i = 0; i < p->overrides.n; i++)
        two(a, "-o", p->overrides.items[i]);
    add_own(g, k, 1, a);
    if (p->duration_s > 0) {
        snprintf(a->text[1], sizeof a->text[1], "%.9gs", p->duration_s);
        two(a, "--duration", a->text[1]);
    }
    if (p->interval_s > 0) {
        snprintf(a->text[2], sizeof a->text[2], "%.9gs", p->interval_s);
        two(a, "--interval", a->text[2]);
    }
    if (g->argc)
        arg(a, "--");
    for (int i = 0; i < g->argc; i++)
        arg(a, g->argv[i]);
}

// ---- one child

static void watched(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGCHLD);
}

void variants_block_signals(void)
{
    sigset_t set;
    watched(&set);
    sigprocmask(SIG_BLOCK, &set, NULL);
}

// In the child, with nothing but system calls. Its own words go to standard error: standard output is the
// comparison's.
static void become(char *const *list, pid_t parent)
{
    sigset_t set;
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent)
        _exit(CMD_TERMINATED);
    setpgid(0, 0);
    dup2(2, 1);
    watched(&set);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    execv("/proc/self/exe", list);
    _exit(CMD_ERROR);
}

static int start(struct variants_group *g, int k, int round, pid_t *pid, struct seep_err *err)
{
    struct args a = {.n = 0};
    make_args(g, k, round, &a);
    if (a.n == ARGS_MAX - 1)
        return seep_fail(err, SEEP_E_LIMIT, "The command line of a variant is too long");
    fprintf(stderr, "seep: variant %s, round %d of %d\n", g->v.one[k].name, round + 1, g->v.planned);
    fflush(NULL);
    pid_t parent = getpid(), child = fork();
    if (child < 0)
        return seep_fail_errno(err, errno, "A variant cannot be started");
    if (child == 0)
        become(a.list, parent);
    *pid = child;
    return 0;
}

// ---- waiting

struct round {
    pid_t pid[VARIANTS_MAX]; // 0: not started, or over
    int status[VARIANTS_MAX];
};

// Whether nothing can be compared after this: usage, a target that failed, an error, an interruption.
static bool is_final(int status)
{
    return status == CMD_USAGE || status == CMD_TARGET || status >= CMD_ERROR;
}

static bool any_left(const struct variants_group *g, const struct round *now)
{
    for (int k = 0; k < g->v.n; k++)
        if (now->pid[k])
            return true;
    return false;
}

static void tell_all(const struct variants_group *g, const struct round *now, int sig)
{
    for (int k = 0; k < g->v.n; k++)
        if (now->pid[k])
            kill(now->pid[k], sig);
}

static void reap(const struct variants_group *g, struct round *now, int *final)
{
    for (int k = 0; k < g->v.n; k++) {
        int status = 0;
        if (!now->pid[k] || waitpid(now->pid[k], &status, WNOHANG) != now->pid[k])
            continue;
        now->pid[k] = 0;
        now->status[k] = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        if (!is_final(now->status[k]) || *final)
            continue;
        *final = now->status[k];
        tell_all(g, now, SIGTERM); // nothing can be compared any more
    }
}

// Until all that was started is over. The signals are blocked, so none is lost between a look and the wait.
static void wait_all(struct variants_group *g, struct round *now, int *final)
{
    sigset_t set;
    watched(&set);
    reap(g, now, final);
    while (any_left(g, now)) {
        int sig = sigwaitinfo(&set, NULL);
        if (sig == SIGINT || sig == SIGTERM) {
            g->signal = g->signal ? g->signal : sig;
            tell_all(g, now, sig);
        }
        reap(g, now, final);
    }
}

// One that came between two runs.
static void take_pending(struct variants_group *g)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    int sig = sigtimedwait(&set, NULL, &(struct timespec){0});
    if (sig > 0 && !g->signal)
        g->signal = sig;
}

static void name_run(struct variants_group *g, int k, int round)
{
    char name[VARIANTS_RUN_BYTES];
    snprintf(name, sizeof name, "%.90s-%.31s-%d", g->v.name, g->v.one[k].name, round + 1);
    memcpy(g->v.one[k].round[round].run, name, sizeof name);
}

int variants_round(struct variants_group *g, int round, int *final, struct seep_err *err)
{
    struct round now = {{0}, {0}};
    int rc = 0;
    for (int i = 0; i < g->v.n && rc == 0 && !*final && !g->signal; i++) {
        int k = round % 2 ? g->v.n - 1 - i : i;
        name_run(g, k, round);
        take_pending(g);
        if (!g->signal)
            rc = start(g, k, round, &now.pid[k], err);
        if (rc)
            tell_all(g, &now, SIGTERM);
        if (!g->opt->at_once || rc)
            wait_all(g, &now, final);
    }
    wait_all(g, &now, final);
    if (g->signal)
        *final = 128 + g->signal;
    return rc;
}
