// The planted leak: the whole of seep, end to end, on a target of its own.
//
// Three supervisors run at once (the third where uprobes are to be had), each a child of ours in a process group of its
// own, so that a Ctrl-C reaches only us and is passed on once. They keep their runs in a temporary directory, and their
// words in a file there. What counts is what a user would count: the exit status, and the first stack of verdict.json.
#include "base/clock.h"
#include "base/fs.h"
#include "cmd/doctor.h"
#include "linux/pidfd.h"
#include "linux/uprobe.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <jansson.h>
#include <limits.h>
#include <poll.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

// Twelve seconds at 4 samples a second tell 1.8 GB/h from none at a budget of 100 MB/h, also on a busy machine.
#define DURATION      "12s"
#define INTERVAL      "250ms"
#define BUDGET        "gates=[\"stack.growth < 100MB/h\", \"heap.growth < 100MB/h\"]"
#define STACK_BUDGET  "gates=[\"stack.growth < 100MB/h\"]"
#define LEAK_BYTES_S  "500000"
#define RUN_LIMIT_MS  90000
#define STOP_LIMIT_MS 30000
#define TIDY_LIMIT_MS 10000

enum { LEAK, CLEAN, ATTACHED, RUNS };

struct planted {
    const char *name; // of the run
    const char *rate;
    pid_t attach_to;              // 0: the run starts its target
    struct linux_process process; // the supervisor
    bool running;
    int status; // exit status, 128 + signal, or -1 when it had to be killed
};

struct proof {
    struct planted runs[RUNS];
    pid_t leaker; // what the last one attaches to; 0: uprobes are not to be had
    char dir[PATH_MAX];
    char self[PATH_MAX];
    int proc_fd, signal_fd;
    sigset_t old_mask;
};

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    (void)!remove(path);
    return 0;
}

// A supervisor that was ended in its first moments leaves a keeper that still tidies up in there: what it makes or
// removes meanwhile is no reason to leave the rest.
static void remove_dir(const char *dir)
{
    for (int64_t until_ns = clock_mono_ns() + TIDY_LIMIT_MS * 1000000ll; clock_mono_ns() < until_ns;
         poll(NULL, 0, 50)) {
        nftw(dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
        if (access(dir, F_OK) != 0)
            return;
    }
}

static int begin(struct proof *p, struct seep_err *err)
{
    const char *tmp = getenv("TMPDIR");
    ssize_t n = readlink("/proc/self/exe", p->self, sizeof p->self - 1);
    if (n <= 0)
        return seep_fail_errno(err, errno, "seep cannot find its own program through /proc/self/exe");
    p->self[n] = 0;
    if (snprintf(p->dir, sizeof p->dir, "%s/seep-doctor.XXXXXX", tmp && *tmp ? tmp : "/tmp") >= (int)sizeof p->dir)
        return seep_fail(err, SEEP_E_SYSTEM, "$TMPDIR is too long a path");
    p->proc_fd = linux_proc_open(err);
    if (p->proc_fd < 0)
        return -1;
    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGINT);
    sigaddset(&ends, SIGTERM);
    sigprocmask(SIG_BLOCK, &ends, &p->old_mask);
    p->signal_fd = signalfd(-1, &ends, SFD_CLOEXEC | SFD_NONBLOCK);
    if (p->signal_fd < 0 || !mkdtemp(p->dir)) {
        int saved = errno;
        p->dir[0] = 0;
        return seep_fail_errno(err, saved, "The planted runs need a temporary directory and a signal descriptor");
    }
    return 0;
}

static void end(struct proof *p)
{
    if (p->dir[0])
        remove_dir(p->dir);
    if (p->signal_fd >= 0)
        close(p->signal_fd);
    if (p->proc_fd >= 0) {
        sigprocmask(SIG_SETMASK, &p->old_mask, NULL);
        close(p->proc_fd);
    }
}

static int spawn_words(const struct proof *p, char **argv, const char *words, pid_t *pid, struct seep_err *err)
{
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attr;
    posix_spawn_file_actions_init(&files);
    posix_spawnattr_init(&attr);
    posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&files, 1, words, O_WRONLY | O_CREAT | O_EXCL, 0600);
    posix_spawn_file_actions_adddup2(&files, 1, 2);
    posix_spawnattr_setsigmask(&attr, &p->old_mask);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK);
    int rc = posix_spawn(pid, p->self, &files, &attr, argv, environ);
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attr);
    return rc ? seep_fail_errno(err, rc, "seep cannot be started from itself (%.200s)", p->self) : 0;
}

static int spawn(const struct proof *p, struct planted *r, const char *words, struct seep_err *err)
{
    char to[16];
    snprintf(to, sizeof to, "%d", (int)r->attach_to);
    char *attach[] = {"seep",          "attach",     "--quiet", "--results",  (char *)p->dir, "--name",
                      (char *)r->name, "--duration", DURATION,  "--interval", INTERVAL,       "-o",
                      STACK_BUDGET,    to,           NULL};
    char *argv[] = {"seep",          "run",        "--quiet",       "--results",   (char *)p->dir,  "--name",
                    (char *)r->name, "--duration", DURATION,        "--interval",  INTERVAL,        "-o",
                    BUDGET,          "--",         (char *)p->self, "doctor-leak", (char *)r->rate, NULL};
    pid_t pid;
    if (spawn_words(p, r->attach_to ? attach : argv, words, &pid, err))
        return -1;
    r->running = true;
    r->process = (struct linux_process){.pid = pid, .pidfd = -1};
    return linux_process_open(p->proc_fd, pid, 0, &r->process, err);
}

static int start(struct proof *p, struct planted *r, struct seep_err *err)
{
    char words[PATH_MAX + 16];
    snprintf(words, sizeof words, "%s/%s.txt", p->dir, r->name);
    return spawn(p, r, words, err);
}

static void reap(struct planted *r)
{
    int status = 0;
    while (waitpid(r->process.pid, &status, 0) < 0 && errno == EINTR)
        ;
    r->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    r->running = false;
    linux_process_close(&r->process);
}

static void signal_all(struct proof *p, int sig)
{
    for (int i = 0; i < RUNS; i++)
        if (p->runs[i].running)
            kill(p->runs[i].process.pid, sig); // our own child, not reaped yet: the number is still its
}

// Waits until nobody runs, at most limit_ms, or until somebody wants us to end. Returns that signal, 0, or -1 when the
// time was over.
static int wait_all(struct proof *p, int64_t limit_ms)
{
    int64_t deadline_ns = clock_mono_ns() + limit_ms * 1000000;
    while (p->runs[LEAK].running || p->runs[CLEAN].running || p->runs[ATTACHED].running) {
        struct pollfd fds[RUNS + 1] = {{.fd = p->signal_fd, .events = POLLIN}};
        for (int i = 0; i < RUNS; i++)
            fds[i + 1] = (struct pollfd){.fd = p->runs[i].running ? p->runs[i].process.pidfd : -1, .events = POLLIN};
        int64_t left_ms = (deadline_ns - clock_mono_ns()) / 1000000;
        if (left_ms <= 0)
            return -1;
        if (poll(fds, RUNS + 1, (int)left_ms) < 0 && errno != EINTR)
            return -1;
        for (int i = 0; i < RUNS; i++)
            if (p->runs[i].running && linux_process_wait(&p->runs[i].process, 0, NULL) > 0)
                reap(&p->runs[i]);
        struct signalfd_siginfo info;
        if (read(p->signal_fd, &info, sizeof info) == (ssize_t)sizeof info)
            return (int)info.ssi_signo;
    }
    return 0;
}

// Stops what still runs: in order first, as a user's Ctrl-C would; then at once.
static void stop_all(struct proof *p)
{
    signal_all(p, SIGTERM);
    if (wait_all(p, STOP_LIMIT_MS) == 0)
        return;
    signal_all(p, SIGKILL);
    for (int i = 0; i < RUNS; i++)
        if (p->runs[i].running) {
            reap(&p->runs[i]);
            p->runs[i].status = -1;
        }
}

static json_t *read_verdict(const struct proof *p, const struct planted *r)
{
    char name[PATH_MAX + 80];
    struct seep_buf text;
    buf_init(&text, 16 << 20);
    snprintf(name, sizeof name, "%s/%s/verdict.json", p->dir, r->name);
    json_t *v = NULL;
    if (fs_read_file(AT_FDCWD, name, &text, NULL) == 0 && text.len > 0)
        v = json_loadb(text.data, text.len, 0, NULL);
    buf_free(&text);
    return v;
}

// What the supervisor said last, for a run that did not get as far as a verdict.
static void last_words(const struct proof *p, const struct planted *r, char *out, size_t size)
{
    char name[PATH_MAX + 80];
    struct seep_buf text;
    buf_init(&text, 1 << 20);
    snprintf(name, sizeof name, "%s/%s.txt", p->dir, r->name);
    snprintf(out, size, "it said nothing");
    if (fs_read_file(AT_FDCWD, name, &text, NULL) == 0 && text.len > 0) {
        while (text.len > 0 && text.data[text.len - 1] == '\n')
            text.data[--text.len] = 0;
        const char *line = strrchr(text.data, '\n');
        snprintf(out, size, "%s", line ? line + 1 : text.data);
    }
    buf_free(&text);
}

static const char *text_at(json_t *v, const char *key)
{
    const char *s = json_string_value(json_object_get(v, key));
    return s ? s : "";
}

// The innermost frame of the first stack that is no library's; "" when it has no name.
static const char *first_function(json_t *v)
{
    json_t *frames = json_object_get(json_array_get(json_object_get(v, "stacks"), 0), "frames"), *frame;
    size_t i;
    json_array_foreach(frames, i, frame)
    {
        if (strcmp(text_at(frame, "library"), "yes") != 0)
            return text_at(frame, "function");
    }
    return "";
}

static void why_not_attributed(json_t *v, char *out, size_t size)
{
    json_t *evidence = json_object_get(v, "evidence");
    const char *reason = text_at(evidence, "attribution_reason");
    if (*reason)
        snprintf(out, size, "%s", reason);
    else
        snprintf(out, size, "%s", text_at(v, "headline"));
}

static void preloading(struct doctor *d, json_t *v)
{
    const char *mode = text_at(json_object_get(v, "evidence"), "attribution");
    bool works = !strcmp(mode, "exact") || !strcmp(mode, "sampled");
    char why[300];
    why_not_attributed(v, why, sizeof why);
    doctor_add(d, "preloading", works ? DOCTOR_OK : DOCTOR_MISSING, true,
               "Allocations cannot be attributed to call stacks here; without attribution only totals are judged.",
               "%s%s", works ? "the probe worked in a target, mode " : why, works ? mode : "");
}

static void judge_leak(struct doctor *d, const struct proof *p)
{
    static const char way_out[] = "Attribution does not work here: totals are judged, but no leak is led back to its "
                                  "function. Is this seep built with sanitizers, or is preloading forbidden?";
    const struct planted *r = &p->runs[LEAK];
    json_t *v = read_verdict(p, r);
    if (!v) {
        char words[300];
        last_words(p, r, words, sizeof words);
        doctor_add(d, "planted leak", DOCTOR_MISSING, true,
                   "Runs do not work here, whatever the target; what the run said names the reason.",
                   "the run ended with %d and no verdict: %s", r->status, words);
        return;
    }
    preloading(d, v);
    const char *function = first_function(v);
    bool named = !strcmp(function, DOCTOR_PLANTED);
    if (r->status == CMD_FAIL && named)
        doctor_add(d, "planted leak", DOCTOR_OK, true, NULL, "found: FAIL, %s first", function);
    else
        doctor_add(d, "planted leak", DOCTOR_MISSING, true, way_out,
                   "not found: exit %d, expected %d; first function '%.60s', expected '%s'; %.160s", r->status,
                   CMD_FAIL, *function ? function : "unknown", DOCTOR_PLANTED, text_at(v, "headline"));
    json_decref(v);
}

static void judge_clean(struct doctor *d, const struct proof *p)
{
    const struct planted *r = &p->runs[CLEAN];
    char words[300] = "";
    json_t *v = read_verdict(p, r);
    if (!v)
        last_words(p, r, words, sizeof words);
    bool passed = r->status == CMD_PASS && v;
    if (passed)
        doctor_add(d, "without the leak", DOCTOR_OK, true, NULL, "PASS");
    else
        doctor_add(d, "without the leak", DOCTOR_MISSING, true,
                   r->status == CMD_INCONCLUSIVE
                       ? "What the verdict is missing stands in the text; where it is attribution, see above."
                       : "A program without a leak should pass; when the machine was very busy just now, try again.",
                   "exit %d, expected %d: %.200s", r->status, CMD_PASS, v ? text_at(v, "headline") : words);
    json_decref(v);
}

// The same leak in a program that runs already.
static int start_attached(struct proof *p, struct seep_err *err)
{
    char words[PATH_MAX + 16];
    char *argv[] = {"seep", "doctor-leak", LEAK_BYTES_S, NULL};
    if (linux_uprobe_allowed(NULL))
        return 0;
    snprintf(words, sizeof words, "%s/leaker.txt", p->dir);
    if (spawn_words(p, argv, words, &p->leaker, err))
        return -1;
    p->runs[ATTACHED].attach_to = p->leaker;
    return start(p, &p->runs[ATTACHED], err);
}

static void end_leaker(struct proof *p)
{
    if (!p->leaker)
        return;
    kill(p->leaker, SIGKILL); // our own child, not reaped yet
    while (waitpid(p->leaker, NULL, 0) < 0 && errno == EINTR)
        ;
    p->leaker = 0;
}

static void judge_attached(struct doctor *d, const struct proof *p)
{
    const struct planted *r = &p->runs[ATTACHED];
    if (!r->attach_to)
        return; // the fact about uprobes has said so
    char words[300] = "";
    json_t *v = read_verdict(p, r);
    const char *function = first_function(v);
    if (!v)
        last_words(p, r, words, sizeof words);
    if (r->status == CMD_FAIL && !strcmp(function, DOCTOR_PLANTED))
        doctor_add(d, "attach", DOCTOR_OK, false, NULL, "found in a running program: FAIL, %s first", function);
    else
        doctor_add(d, "attach", DOCTOR_LIMITED, false,
                   "seep attach finds no call stacks here, though uprobes can be made; the text says what came of it.",
                   "exit %d, expected %d; first function '%.60s', expected '%s'; %.160s", r->status, CMD_FAIL,
                   *function ? function : "unknown", DOCTOR_PLANTED, v ? text_at(v, "headline") : words);
    json_decref(v);
}

void doctor_prove(struct doctor *d)
{
    struct proof p = {.runs = {[LEAK] = {.name = "leak", .rate = LEAK_BYTES_S},
                               [CLEAN] = {.name = "clean", .rate = "0"},
                               [ATTACHED] = {.name = "attach"}},
                      .proc_fd = -1,
                      .signal_fd = -1};
    struct seep_err err = {0};
    bool began = begin(&p, &err) == 0 && start(&p, &p.runs[LEAK], &err) == 0 && start(&p, &p.runs[CLEAN], &err) == 0 &&
                 start_attached(&p, &err) == 0;
    int ended = began ? wait_all(&p, RUN_LIMIT_MS) : 0;
    stop_all(&p);
    end_leaker(&p);
    if (ended > 0)
        d->interrupted = ended;
    else if (!began)
        doctor_add(d, "planted leak", DOCTOR_MISSING, true, "The proof could not be begun; see the text.", "%s",
                   err.text);
    else {
        judge_leak(d, &p);
        judge_clean(d, &p);
        judge_attached(d, &p);
    }
    end(&p);
}
