// The target's start under valgrind: its command line, user, directory and environment. See pass.h.
#include "confirm/passing.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ARGS_MAX = 4200, OWN_MAX = 2100, FILES_OWN = 16, FILES_MAX = 1 << 20 };

struct words {
    const char *list[ARGS_MAX];
    char *own[OWN_MAX];
    int n, n_own;
};

static void word(struct words *w, const char *text)
{
    if (w->n < ARGS_MAX - 1)
        w->list[w->n++] = text;
}

static void wordf(struct words *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void wordf(struct words *w, const char *fmt, ...)
{
    char *text = NULL;
    va_list ap;
    va_start(ap, fmt);
    if (w->n_own < OWN_MAX && vasprintf(&text, fmt, ap) >= 0)
        word(w, w->own[w->n_own++] = text);
    va_end(ap);
}

static void free_words(struct words *w)
{
    for (int i = 0; i < w->n_own; i++)
        free(w->own[i]);
}

static void make_words(struct passing *s, struct words *w)
{
    const struct confirm_pass *p = s->p;
    const struct profile_confirm *c = &p->profile->confirm;
    word(w, "valgrind");
    wordf(w, "--tool=%s", p->tool);
    word(w, "--trace-children=yes");
    wordf(w, "--log-file=%s/log.%%p", p->dir);
    wordf(w, "--vgdb-prefix=%s/vgdb", p->dir);
    if (!strcmp(p->tool, "memcheck")) {
        word(w, "--xml=yes");
        wordf(w, "--xml-file=%s/xml.%%p", p->dir);
        word(w, "--leak-check=full");
        word(w, "--show-leak-kinds=all");
        word(w, "--num-callers=100");
        word(w, "--undef-value-errors=no"); // leaks are what is asked, and it is twice as fast
        // Forked processes share their parent's XML file, into which they would write across each other; what they
        // hold is asked for at the looks.
        word(w, "--child-silent-after-fork=yes");
    } else if (!strcmp(p->tool, "dhat")) {
        wordf(w, "--dhat-out-file=%s/dhat.%%p", p->dir);
        word(w, "--num-callers=100");
    } else {
        wordf(w, "--massif-out-file=%s/massif.%%p", p->dir);
        word(w, "--time-unit=ms");
        word(w, "--vgdb=no");
    }
    for (int i = 0; i < c->n_suppressions; i++) {
        char *path = realpath(c->suppressions[i], NULL); // the target may have a working directory of its own
        if (!path || access(path, R_OK))
            confirm_pass_fail(s->p, "error", "The suppressions '%.200s' cannot be read: %s", c->suppressions[i],
                              strerror(errno));
        wordf(w, "--suppressions=%s", path ? path : c->suppressions[i]);
        free(path);
    }
    for (int i = 0; i < c->n_args; i++)
        word(w, c->args[i]);
    word(w, "--");
    for (int i = 0; i < p->profile->target.argc; i++) {
        char *expanded = profile_expand_env(p->profile->target.argv[i], NULL);
        if (expanded && w->n_own < OWN_MAX && strcmp(expanded, p->profile->target.argv[i]))
            word(w, w->own[w->n_own++] = expanded);
        else
            word(w, p->profile->target.argv[i]), free(expanded);
    }
    w->list[w->n] = NULL;
}

int confirm_become(const char *user)
{
    struct passwd *pw = user ? getpwnam(user) : NULL;
    if (!user)
        return 0;
    if (!pw) {
        errno = ENOENT;
        return -1;
    }
    return initgroups(pw->pw_name, pw->pw_gid) || setgid(pw->pw_gid) || setuid(pw->pw_uid) ? -1 : 0;
}

void confirm_set_env(const struct profile_pair *env, int n)
{
    for (int i = 0; i < n; i++) {
        char *value = env[i].value ? profile_expand_env(env[i].value, NULL) : NULL;
        value ? setenv(env[i].key, value, 1) : unsetenv(env[i].key);
    }
}

// valgrind lets no process have another hard limit of descriptors than the soft one it began with, and some programs
// (memcached) end when they cannot set the two of them. So it begins with what the target had set in the run. Valgrind
// wants a few for itself beyond.
static void allow_files(double files)
{
    struct rlimit has, want;
    if (!(files > 0) || files > FILES_MAX || getrlimit(RLIMIT_NOFILE, &has))
        return;
    want = (struct rlimit){(rlim_t)files,
                           has.rlim_max > (rlim_t)files + FILES_OWN ? has.rlim_max : (rlim_t)files + FILES_OWN};
    if (setrlimit(RLIMIT_NOFILE, &want) == 0 || want.rlim_cur > has.rlim_max)
        return;
    setrlimit(RLIMIT_NOFILE, &(struct rlimit){want.rlim_cur, has.rlim_max});
}

static _Noreturn void child(const struct passing *s, const struct words *w, int out, int err)
{
    const struct profile_target *t = &s->p->profile->target;
    int in = open("/dev/null", O_RDONLY), code = 0;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setsid();
    confirm_set_env(t->env, t->n_env);
    allow_files(s->p->files);
    if (dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0 || (t->cwd && chdir(t->cwd)) || confirm_become(t->user))
        code = errno;
    if (!code) {
        execvp(w->list[0], (char *const *)w->list);
        code = errno;
    }
    if (write(err, &code, sizeof code) < 0)
        _exit(126);
    _exit(127);
}

bool confirm_pass_start(struct passing *s)
{
    int pipes[4], code = 0;
    struct words *w = calloc(1, sizeof *w);
    if (!w || pipe2(pipes, O_CLOEXEC) || pipe2(pipes + 2, O_CLOEXEC)) {
        confirm_pass_fail(s->p, "error", "No pipes: %s", strerror(errno));
        free(w);
        return false;
    }
    make_words(s, w);
    if (s->p->word) { // a file of the profile is not there
        free_words(w);
        free(w);
        for (int i = 0; i < 4; i++)
            close(pipes[i]);
        s->ended = true;
        return false;
    }
    fflush(NULL);
    s->pid = fork();
    if (s->pid == 0)
        child(s, w, pipes[1], pipes[3]);
    free_words(w);
    free(w);
    close(pipes[1]);
    close(pipes[3]);
    ssize_t got = s->pid < 0 ? 0 : read(pipes[2], &code, sizeof code);
    close(pipes[2]);
    s->out_fd = pipes[0];
    fcntl(s->out_fd, F_SETFL, O_NONBLOCK);
    if (s->pid > 0 && got != sizeof code)
        return s->p->started = true;
    if (s->pid > 0)
        waitpid(s->pid, NULL, 0);
    s->ended = true;
    confirm_pass_fail(s->p, code == ENOENT ? "absent" : "error", "valgrind cannot be run: %s",
                      strerror(code ? code : errno));
    return false;
}
