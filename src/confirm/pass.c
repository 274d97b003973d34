// A target under valgrind: see pass.h.
//
// We are the parent and the subreaper of all of it, so whoever leaves its group is still found and ended. Its output
// goes through a pipe that is always read, and only the first 2 MiB are kept (a ready check may look for words there).
// Time, memory and the size of valgrind's files are watched every 100 ms; what passes a limit is killed, and the reason
// kept.
#include "confirm/pass.h"
#include "base/clock.h"
#include "linux/tree.h"
#include "load/load.h"
#include "proof/exec.h"
#include "run/ready.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pthread.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LOG_KEPT = 2 << 20, WATCH_MS = 100, LOOK_S = 60, ARGS_MAX = 4200 };

struct passing {
    struct confirm_pass *p;
    pid_t pid;
    int out_fd, log_fd, proc_fd;
    size_t logged;
    int64_t began_ns, shown_ns;
    bool ended;
    struct load *load;
};

static void fail(struct confirm_pass *p, const char *word, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static void fail(struct confirm_pass *p, const char *word, const char *fmt, ...)
{
    va_list ap;
    if (p->word)
        return;
    p->word = word;
    va_start(ap, fmt);
    vsnprintf(p->why, sizeof p->why, fmt, ap);
    va_end(ap);
}

// ---- the command line -----------------------------------------------------------------------------------------------

struct words {
    const char *list[ARGS_MAX];
    char *own[64];
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
    if (w->n_own < 64 && vasprintf(&text, fmt, ap) >= 0)
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
    } else {
        wordf(w, "--massif-out-file=%s/massif.%%p", p->dir);
        word(w, "--time-unit=ms");
        word(w, "--vgdb=no");
    }
    for (int i = 0; i < c->n_suppressions && i < 40; i++)
        wordf(w, "--suppressions=%s", c->suppressions[i]);
    for (int i = 0; i < c->n_args; i++)
        word(w, c->args[i]);
    word(w, "--");
    for (int i = 0; i < p->profile->target.argc; i++) {
        char *expanded = profile_expand_env(p->profile->target.argv[i], NULL);
        if (expanded && w->n_own < 64 && strcmp(expanded, p->profile->target.argv[i]))
            word(w, w->own[w->n_own++] = expanded);
        else
            word(w, p->profile->target.argv[i]), free(expanded);
    }
    w->list[w->n] = NULL;
}

// ---- starting -------------------------------------------------------------------------------------------------------

static int become(const char *user)
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

static _Noreturn void child(const struct passing *s, const struct words *w, int out, int err)
{
    const struct profile_target *t = &s->p->profile->target;
    int in = open("/dev/null", O_RDONLY), code = 0;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setsid();
    for (int i = 0; i < t->n_env; i++) {
        char *value = t->env[i].value ? profile_expand_env(t->env[i].value, NULL) : NULL;
        value ? setenv(t->env[i].key, value, 1) : unsetenv(t->env[i].key);
    }
    if (dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0 || (t->cwd && chdir(t->cwd)) || become(t->user))
        code = errno;
    if (!code) {
        execvp(w->list[0], (char *const *)w->list);
        code = errno;
    }
    if (write(err, &code, sizeof code) < 0)
        _exit(126);
    _exit(127);
}

static bool start(struct passing *s)
{
    int pipes[4], code = 0;
    struct words *w = calloc(1, sizeof *w);
    if (!w || pipe2(pipes, O_CLOEXEC) || pipe2(pipes + 2, O_CLOEXEC)) {
        fail(s->p, "error", "No pipes: %s", strerror(errno));
        free(w);
        return false;
    }
    make_words(s, w);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
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
    fail(s->p, code == ENOENT ? "absent" : "error", "valgrind cannot be run: %s", strerror(code ? code : errno));
    return false;
}

// ---- watching -------------------------------------------------------------------------------------------------------

static void drain(struct passing *s)
{
    char chunk[65536];
    for (ssize_t got; s->out_fd >= 0 && (got = read(s->out_fd, chunk, sizeof chunk)) > 0;) {
        size_t room = s->logged < LOG_KEPT ? LOG_KEPT - s->logged : 0, n = (size_t)got < room ? (size_t)got : room;
        if (n > 0 && write(s->log_fd, chunk, n) > 0)
            s->logged += n;
    }
}

static double written(const struct confirm_pass *p)
{
    DIR *d = fdopendir(openat(p->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    double sum = 0;
    struct stat st;
    for (struct dirent *e; d && (e = readdir(d)) != NULL;)
        if (fstatat(p->dir_fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode))
            sum += (double)st.st_size;
    if (d)
        closedir(d);
    return sum;
}

static void watch_memory(struct passing *s)
{
    static struct linux_tree tree; // large
    struct linux_sample sample;
    char have[32], limit[32];
    if (linux_tree_walk_from(s->proc_fd, s->pid, &tree, NULL) ||
        linux_tree_sample(s->proc_fd, &tree, 0, 0, &sample, NULL) || sample.rss_bytes == SEEP_UNKNOWN)
        return;
    if ((double)sample.rss_bytes > s->p->peak_rss_bytes)
        s->p->peak_rss_bytes = (double)sample.rss_bytes;
    if ((double)sample.rss_bytes > s->p->memory_bytes)
        fail(s->p, "memory", "It was ended: under valgrind it needs %s, more than %s (confirm.memory)",
             units_bytes(have, sizeof have, (double)sample.rss_bytes),
             units_bytes(limit, sizeof limit, s->p->memory_bytes));
}

static void show(struct passing *s, const char *doing)
{
    char rss[32], took[32];
    int64_t now = clock_mono_ns();
    if (!s->p->progress || now - s->shown_ns < 500000000)
        return;
    s->shown_ns = now;
    fprintf(stderr, "\r\033[Kseep: %s, %s  %s  %s", s->p->tool, doing,
            units_clock(took, sizeof took, (double)(now - s->began_ns) / 1e9),
            units_bytes(rss, sizeof rss, s->p->peak_rss_bytes));
}

// One look at all limits. False when the pass is over: it ended, or passed a limit.
static bool watch(struct passing *s, const char *doing)
{
    char limit[32];
    struct pollfd fd = {.fd = s->out_fd, .events = POLLIN};
    poll(&fd, 1, WATCH_MS);
    if (fd.revents & POLLHUP && !(fd.revents & POLLIN))
        poll(NULL, 0, WATCH_MS);
    drain(s);
    if (s->load)
        load_poll(s->load);
    if (!s->ended && waitpid(s->pid, &s->p->wait_status, WNOHANG) == s->pid)
        s->ended = true;
    if (s->ended)
        return false;
    watch_memory(s);
    if (written(s->p) > s->p->output_bytes)
        fail(s->p, "output", "It was ended: valgrind wrote more than %s",
             units_bytes(limit, sizeof limit, s->p->output_bytes));
    if ((double)(clock_mono_ns() - s->began_ns) / 1e9 > s->p->within_s)
        fail(s->p, "too_slow", "It was ended: it took longer than %s (confirm.within)",
             units_duration(limit, sizeof limit, s->p->within_s));
    show(s, doing);
    return s->p->word == NULL;
}

// ---- ready ----------------------------------------------------------------------------------------------------------

struct waiting {
    struct run_ready ready;
    atomic_bool done;
};

static void *wait_ready(void *arg)
{
    struct waiting *w = arg;
    run_ready_wait(&w->ready);
    atomic_store(&w->done, true);
    return NULL;
}

static bool become_ready(struct passing *s)
{
    struct profile_ready want = s->p->profile->target.ready;
    struct waiting w = {.ready = {.want = &want, .dir_fd = s->p->dir_fd}};
    pthread_t thread;
    want.within_s *= s->p->scale;
    if (want.kind == READY_NONE)
        return s->p->ready = true;
    if (pthread_create(&thread, NULL, wait_ready, &w)) {
        fail(s->p, "error", "There is no thread for the ready check");
        return false;
    }
    while (!atomic_load(&w.done) && watch(s, "starting"))
        ;
    atomic_store(&w.ready.cancel, true);
    pthread_join(thread, NULL);
    s->p->ready = w.ready.ready && !s->ended;
    if (!s->p->ready && !s->ended)
        fail(s->p, "not_ready", "The target was not ready under valgrind within %g times its time: %.200s", s->p->scale,
             w.ready.last_answer);
    return s->p->ready;
}

// ---- load and looks -------------------------------------------------------------------------------------------------

static void drive(struct passing *s)
{
    struct seep_err err = {0};
    if (s->p->profile->n_loads == 0)
        return;
    if (load_start(s->p->profile, "/proc/self/exe", &(struct load_options){0}, &s->load, &err)) {
        fail(s->p, "error", "The load could not be started: %s", err.text);
        return;
    }
    while (load_state(s->load) == LOAD_STARTING && watch(s, "starting the load"))
        ;
    if (!s->ended && !s->p->word && load_begin(s->load, 0, &err))
        fail(s->p, "error", "The load could not be begun: %s", err.text);
}

// The processes that valgrind watches, by the names of its pipes.
static size_t find_pids(const struct confirm_pass *p, pid_t *pids)
{
    DIR *d = fdopendir(openat(p->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    size_t n = 0;
    for (struct dirent *e; d && n < CONFIRM_PIDS_MAX && (e = readdir(d)) != NULL;) {
        static const char lead[] = "vgdb-from-vgdb-to-";
        long pid = strncmp(e->d_name, lead, sizeof lead - 1) ? 0 : strtol(e->d_name + sizeof lead - 1, NULL, 10);
        if (pid > 0 && kill((pid_t)pid, 0) == 0)
            pids[n++] = (pid_t)pid;
    }
    if (d)
        closedir(d);
    return n;
}

// The child of a look: its output goes to a file of its own, of bounded size.
static pid_t spawn_vgdb(const struct confirm_pass *p, pid_t target, const char *name)
{
    char prefix[400], pid[40];
    snprintf(prefix, sizeof prefix, "--vgdb-prefix=%s/vgdb", p->dir);
    snprintf(pid, sizeof pid, "--pid=%d", (int)target);
    pid_t child_pid = fork();
    if (child_pid != 0)
        return child_pid;
    struct rlimit size = {CONFIRM_TEXT_MAX, CONFIRM_TEXT_MAX};
    int out = openat(p->dir_fd, name, O_WRONLY | O_CREAT | O_TRUNC, 0600), in = open("/dev/null", O_RDWR);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setrlimit(RLIMIT_FSIZE, &size);
    dup2(in, 0);
    dup2(out, 1);
    dup2(in, 2);
    execlp("vgdb", "vgdb", prefix, pid, "leak_check", "full", "reachable", "any", "unlimited", (char *)NULL);
    _exit(127);
}

static bool look_at(struct passing *s, pid_t target, int point)
{
    char name[64];
    int status = 0;
    int64_t end = clock_mono_ns() + LOOK_S * 1000000000ll;
    snprintf(name, sizeof name, "look.%d.%d", point, (int)target);
    pid_t pid = spawn_vgdb(s->p, target, name);
    if (pid < 0)
        return false;
    pid_t done = 0;
    while ((done = waitpid(pid, &status, WNOHANG)) == 0 && clock_mono_ns() < end && watch(s, "looking"))
        ;
    if (done == 0) {
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        return false;
    }
    int fd = openat(s->p->dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    struct seep_buf text;
    char chunk[65536];
    buf_init(&text, CONFIRM_TEXT_MAX);
    for (ssize_t got; fd >= 0 && (got = read(fd, chunk, sizeof chunk)) > 0;)
        buf_add(&text, chunk, (size_t)got);
    bool right = text.len > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
    if (right)
        confirm_read_text(text.data, text.len, point, s->p->sites);
    buf_free(&text);
    if (fd >= 0)
        close(fd);
    return right;
}

static void look(struct passing *s, int point)
{
    pid_t pids[CONFIRM_PIDS_MAX];
    size_t n = find_pids(s->p, pids), seen = 0;
    for (size_t i = 0; i < n && !s->ended && !s->p->word; i++)
        seen += look_at(s, pids[i], point);
    s->p->looks += seen > 0;
    if (n > s->p->processes)
        s->p->processes = n;
}

// The time under load, in as many parts as there are looks; each look ends a part.
static void work(struct passing *s)
{
    int64_t began = clock_mono_ns();
    bool looks = s->p->sites != NULL;
    for (int point = 0; point < CONFIRM_LOOKS; point++) {
        int64_t end = began + (int64_t)(s->p->for_s * 1e9 * (point + 1) / CONFIRM_LOOKS);
        while (clock_mono_ns() < end && watch(s, "under load"))
            ;
        if (s->ended || s->p->word)
            break;
        if (looks)
            look(s, (int)s->p->looks); // one that failed leaves no hole
    }
    s->p->driven_s = (double)(clock_mono_ns() - began) / 1e9;
    s->p->ended_itself = s->ended;
}

// ---- the end --------------------------------------------------------------------------------------------------------

static void end_load(struct passing *s)
{
    struct seep_err err;
    if (!s->load)
        return;
    load_stop(s->load, 2, &err);
    int64_t end = clock_mono_ns() + 5000000000ll;
    while (load_state(s->load) == LOAD_STOPPING && clock_mono_ns() < end && watch(s, "ending the load"))
        ;
    const struct load_counts *all = load_counts(s->load, LOAD_ALL);
    s->p->requests = all ? all->completed : 0;
    load_free(s->load);
    s->load = NULL;
}

// In order, so that memcheck writes its report; it may take valgrind's time for that.
static void stop(struct passing *s)
{
    int sig = s->p->profile->shutdown.signal;
    double patience_s = s->p->profile->shutdown.within_s * s->p->scale;
    if (s->ended || s->p->word)
        return;
    kill(s->pid, sig > 0 ? sig : SIGTERM);
    int64_t end = clock_mono_ns() + (int64_t)((patience_s < 20 ? 20 : patience_s > 120 ? 120 : patience_s) * 1e9);
    while (clock_mono_ns() < end && watch(s, "stopping"))
        ;
    if (!s->ended)
        fail(s->p, "no_end",
             "The target did not end on signal %d under valgrind and was killed before memcheck's report", sig);
}

void confirm_pass_run(struct confirm_pass *p)
{
    struct passing s = {.p = p, .out_fd = -1, .log_fd = -1, .began_ns = clock_mono_ns()};
    s.proc_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    s.log_fd = openat(p->dir_fd, "target.log", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (start(&s) && become_ready(&s)) {
        drive(&s);
        if (!p->word)
            work(&s);
    }
    end_load(&s);
    stop(&s);
    drain(&s);
    proof_end_descendants();
    if (p->progress)
        fprintf(stderr, "\r\033[K");
    if (s.out_fd >= 0)
        close(s.out_fd);
    if (s.log_fd >= 0)
        close(s.log_fd);
    if (s.proc_fd >= 0)
        close(s.proc_fd);
}

bool confirm_valgrind_version(char *out, size_t size, char *why, size_t why_size)
{
    static const char *const argv[] = {"valgrind", "--version", NULL};
    const struct proof_exec what = {.argv = argv, .within_s = 10, .keep_bytes = 200, .flood_bytes = 1 << 20};
    struct proof_exec_result r;
    proof_exec(&what, &r);
    const char *text = r.out.data ? r.out.data : "";
    bool right = r.how == PROOF_EXITED && r.status == 0 && !strncmp(text, "valgrind-", 9);
    snprintf(out, size, "%.*s", (int)strcspn(text, "\r\n"), right ? text : "");
    snprintf(why, why_size, "%s",
             r.how == PROOF_NOT_STARTED ? r.why
             : r.how == PROOF_TOO_LONG  ? "'valgrind --version' does not end"
                                        : "'valgrind --version' says nothing of use");
    buf_free(&r.out);
    return right;
}
