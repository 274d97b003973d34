// A target under valgrind: see pass.h.
//
// We are the parent and the subreaper of all of it, so whoever leaves its group is still found and ended. Its output
// goes through a pipe that is always read, and only the first 2 MiB are kept (a ready check may look for words there).
// Time, memory and the size of valgrind's files are watched every 100 ms; what passes a limit is killed, and the reason
// kept.
#include "base/clock.h"
#include "confirm/passing.h"
#include "linux/tree.h"
#include "load/load.h"
#include "proof/exec.h"
#include "run/ready.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LOG_KEPT = 2 << 20, WATCH_MS = 100, START_S = 5 };

static volatile sig_atomic_t interrupted;

void confirm_interrupt(void)
{
    interrupted = 1;
}

bool confirm_pass_interrupted(void)
{
    return interrupted;
}

void confirm_pass_fail(struct confirm_pass *p, const char *word, const char *fmt, ...)
{
    va_list ap;
    if (p->word)
        return;
    p->word = word;
    va_start(ap, fmt);
    vsnprintf(p->why, sizeof p->why, fmt, ap);
    va_end(ap);
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
    for (struct dirent *e; d && (e = readdir(d)) != NULL;) {
        char log[300];
        snprintf(log, sizeof log, "%s/target.log", e->d_name);
        bool dep = !strncmp(e->d_name, CONFIRM_DEP_DIR, strlen(CONFIRM_DEP_DIR));
        if (fstatat(p->dir_fd, dep ? log : e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode))
            sum += (double)st.st_size;
    }
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
    if (sample.utime_us != SEEP_UNKNOWN && sample.stime_us != SEEP_UNKNOWN)
        s->cpu_s = (double)(sample.utime_us + sample.stime_us) / 1e6;
    if ((double)sample.rss_bytes > s->p->peak_rss_bytes)
        s->p->peak_rss_bytes = (double)sample.rss_bytes;
    if ((double)sample.rss_bytes > s->p->memory_bytes)
        confirm_pass_fail(s->p, "memory", "It was ended: under valgrind it needs %s, more than %s (confirm.memory)",
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

void confirm_pass_wait(struct passing *s)
{
    struct pollfd fd = {.fd = s->out_fd, .events = POLLIN};
    poll(&fd, 1, WATCH_MS);
    if (fd.revents & POLLHUP && !(fd.revents & POLLIN))
        poll(NULL, 0, WATCH_MS);
    drain(s);
}

bool confirm_pass_watch(struct passing *s, const char *doing)
{
    char limit[32];
    confirm_pass_wait(s);
    confirm_pass_note_places(s);
    if (s->load)
        load_poll(s->load);
    confirm_faults_turn(s);
    if (!s->ended && waitpid(s->pid, &s->p->wait_status, WNOHANG) == s->pid)
        s->ended = true;
    if (s->ended)
        return false;
    if (interrupted)
        confirm_pass_fail(s->p, "error", "It was interrupted");
    watch_memory(s);
    if (written(s->p) > s->p->output_bytes)
        confirm_pass_fail(s->p, "output", "It was ended: valgrind wrote more than %s",
                          units_bytes(limit, sizeof limit, s->p->output_bytes));
    if ((double)(clock_mono_ns() - s->began_ns) / 1e9 > s->p->within_s)
        confirm_pass_fail(s->p, "too_slow", "It was ended: it took longer than %s (confirm.within)",
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
    if (want.kind == READY_NONE) {
        int64_t end = clock_mono_ns() + START_S * 1000000000ll;
        while (s->p->sites && !confirm_pass_has_begun(s) && clock_mono_ns() < end && confirm_pass_watch(s, "starting"))
            ; // valgrind's own start is no time under load
        return s->p->ready = !s->ended;
    }
    if (pthread_create(&thread, NULL, wait_ready, &w)) {
        confirm_pass_fail(s->p, "error", "There is no thread for the ready check");
        return false;
    }
    while (!atomic_load(&w.done) && confirm_pass_watch(s, "starting"))
        ;
    atomic_store(&w.ready.cancel, true);
    pthread_join(thread, NULL);
    s->p->ready = w.ready.ready && !s->ended;
    if (!s->p->ready && !s->ended)
        confirm_pass_fail(s->p, "not_ready", "The target was not ready under valgrind within %g times its time: %.200s",
                          s->p->scale, w.ready.last_answer);
    return s->p->ready;
}

// ---- load -----------------------------------------------------------------------------------------------------------

static void drive(struct passing *s)
{
    struct seep_err err = {0};
    if (s->p->profile->n_loads == 0)
        return;
    if (load_start(s->p->profile, "/proc/self/exe", &(struct load_options){0}, &s->load, &err)) {
        confirm_pass_fail(s->p, "error", "The load could not be started: %s", err.text);
        return;
    }
    while (load_state(s->load) == LOAD_STARTING && confirm_pass_watch(s, "starting the load"))
        ;
    if (!s->ended && !s->p->word && load_begin(s->load, 0, &err))
        confirm_pass_fail(s->p, "error", "The load could not be begun: %s", err.text);
}

static uint64_t finished(const struct passing *s)
{
    const struct load_counts *all = s->load ? load_counts(s->load, LOAD_ALL) : NULL;
    return all ? all->completed : 0;
}

// One part of the time under load. What it cost the target is counted without the looks, which cost far more.
static void work_until(struct passing *s, int64_t end)
{
    double cpu_s = s->cpu_s;
    uint64_t requests = finished(s);
    while (clock_mono_ns() < end && confirm_pass_watch(s, "under load"))
        ;
    if (s->cpu_s > cpu_s && finished(s) > requests) {
        s->p->worked_cpu_s += s->cpu_s - cpu_s;
        s->p->worked_requests += finished(s) - requests;
    }
}

// The time under load, in as many parts as there are looks; each look ends a part.
static void work(struct passing *s)
{
    confirm_probes_begin(s);
    confirm_faults_begin(s);
    int64_t began = clock_mono_ns();
    for (int point = 0; point < CONFIRM_LOOKS; point++) {
        work_until(s, began + (int64_t)(s->p->for_s * 1e9 * (point + 1) / CONFIRM_LOOKS));
        if (s->ended || s->p->word)
            break;
        if (!s->p->look)
            continue;
        confirm_faults_wake_target(s);
        confirm_pass_look(s, (int)s->p->looks); // one that failed leaves no hole
    }
    s->p->driven_s = (double)(clock_mono_ns() - began) / 1e9;
    confirm_faults_end(s);
    confirm_probes_end(s);
    s->p->ended_itself = s->ended;
}

// What it said last is often why it went.
static void note_last_words(struct passing *s)
{
    char text[2048];
    off_t from = s->logged > sizeof text - 1 ? (off_t)(s->logged - sizeof text + 1) : 0;
    int fd = openat(s->p->dir_fd, "target.log", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    ssize_t got = fd < 0 ? -1 : pread(fd, text, sizeof text - 1, from);
    if (fd >= 0)
        close(fd);
    while (got > 0 && (text[got - 1] == '\n' || text[got - 1] == '\r'))
        got--;
    ssize_t begin = got;
    while (begin > 0 && text[begin - 1] != '\n')
        begin--;
    snprintf(s->p->last_words, sizeof s->p->last_words, "%.*s", got > begin ? (int)(got - begin) : 0, text + begin);
}

// ---- the end --------------------------------------------------------------------------------------------------------

static void end_load(struct passing *s)
{
    struct seep_err err;
    if (!s->load)
        return;
    load_stop(s->load, 2, &err);
    int64_t end = clock_mono_ns() + 5000000000ll;
    while (load_state(s->load) == LOAD_STOPPING && clock_mono_ns() < end && confirm_pass_watch(s, "ending the load"))
        ;
    const struct load_counts *all = load_counts(s->load, LOAD_ALL);
    s->p->requests = all ? all->completed : 0;
    s->p->offered = all ? all->offered : 0;
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
    while (clock_mono_ns() < end && confirm_pass_watch(s, "stopping"))
        ;
    if (s->ended)
        confirm_pass_stop_rest(s, sig > 0 ? sig : SIGTERM, end);
    if (!s->ended)
        confirm_pass_fail(s->p, "no_end",
                          "The target did not end on signal %d under valgrind and was killed before memcheck's report",
                          sig);
}

void confirm_pass_run(struct confirm_pass *p)
{
    struct passing s = {.p = p, .out_fd = -1, .log_fd = -1, .began_ns = clock_mono_ns()};
    s.proc_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    s.log_fd = openat(p->dir_fd, "target.log", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    if (confirm_deps_start(&s) && confirm_pass_start(&s) && become_ready(&s)) {
        drive(&s);
        if (!p->word)
            work(&s);
    }
    p->ended_itself |= p->started && s.ended;
    end_load(&s);
    stop(&s);
    drain(&s);
    note_last_words(&s);
    confirm_deps_end(&s);
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
