// confirm_make(): directories, passes, and what comes of them for each growing stack. See confirm.h.
#include "base/check.h"
#include "base/clock.h"
#include "confirm/making.h"
#include "confirm/passing.h"
#include "run/fault_effect.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { OUTPUT_MAX = 256 << 20, OFFERED_MIN = 20, WORKED_MIN = 10 };

// ---- a directory of its own, and nothing of it left -----------------------------------------------------------------

// May any user pass through to it?
static bool open_to_all(const char *path)
{
    char part[256];
    struct stat st;
    size_t n = strlen(path);
    for (size_t i = 1; i <= n && n < sizeof part; i++) {
        if (i < n && path[i] != '/')
            continue;
        snprintf(part, sizeof part, "%.*s", (int)i, path);
        if (stat(part, &st) || !(st.st_mode & S_IXOTH))
            return false;
    }
    return n > 0 && n < sizeof part;
}

// As root it is made where workers that give up root's rights can still reach their own pipes in it: see looks.c.
static int make_dir(struct making *m, struct seep_err *err)
{
    const char *tmp = getenv("TMPDIR"), *user = m->opt->profile->target.user;
    struct passwd *pw = user ? getpwnam(user) : NULL;
    if (!tmp || *tmp != '/' || (geteuid() == 0 && !open_to_all(tmp)))
        tmp = "/tmp";
    m->reachable = open_to_all(tmp);
    snprintf(m->dir, sizeof m->dir, "%.200s/seep-confirm-XXXXXX", tmp);
    if (!mkdtemp(m->dir))
        return seep_fail_errno(err, errno, "A directory '%.100s' for valgrind's files cannot be made", m->dir);
    m->dir_fd = open(m->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (m->dir_fd < 0 || (pw && fchown(m->dir_fd, pw->pw_uid, pw->pw_gid)))
        return seep_fail_errno(err, errno, "The directory '%.100s' for valgrind's files cannot be used", m->dir);
    return 0;
}

static void remove_dir(struct making *m)
{
    DIR *d = m->dir_fd < 0 ? NULL : fdopendir(m->dir_fd);
    for (struct dirent *e; d && (e = readdir(d)) != NULL;) {
        char log[300];
        snprintf(log, sizeof log, "%s/target.log", e->d_name); // of a dependency, which has a directory
        if (e->d_name[0] != '.' && unlinkat(dirfd(d), e->d_name, 0)) {
            unlinkat(dirfd(d), log, 0);
            unlinkat(dirfd(d), e->d_name, AT_REMOVEDIR);
        }
    }
    if (d)
        closedir(d);
    rmdir(m->dir);
}

// ---- the workload, slower and shorter -------------------------------------------------------------------------------

static double time_of(const struct making *m)
{
    double asked = m->opt->for_s != PROFILE_AUTO ? m->opt->for_s : m->opt->profile->confirm.for_s;
    double tenth = m->opt->report->elapsed_s / 10;
    return asked != PROFILE_AUTO ? asked : fmin(120, fmax(20, isfinite(tenth) ? tenth : 20));
}

static double scale_of(const struct making *m)
{
    double asked = m->opt->scale != PROFILE_AUTO ? m->opt->scale : m->opt->profile->confirm.scale;
    return asked != PROFILE_AUTO ? asked : 20;
}

// A copy with its loads slowed down: rates and users divided, stages pressed into the time there is, at least one user.
static struct profile *slow_down(const struct making *m, struct seep_err *err)
{
    struct profile *p = NULL;
    char *dump = profile_dump(m->opt->profile, false);
    if (!dump) {
        seep_fail(err, SEEP_E_SYSTEM, "memory ran out");
        return NULL;
    }
    int failed = profile_parse(dump, strlen(dump), "(the run's profile)", &p, err);
    free(dump);
    if (failed)
        return NULL;
    double press = m->press;
    for (int i = 0; i < p->n_loads; i++) {
        struct profile_load *l = &p->loads[i];
        l->rate_per_s /= m->c->scale;
        l->users = l->users > 0 ? fmax(1, floor(l->users / m->c->scale)) : 0;
        l->start_s *= press;
        l->duration_s = PROFILE_AUTO;
        l->workers = 1;
        for (int k = 0; k < l->n_stages; k++) {
            l->stages[k].for_s *= press;
            l->stages[k].to =
                l->stages[k].rate ? l->stages[k].to / m->c->scale : fmax(1, floor(l->stages[k].to / m->c->scale));
        }
    }
    p->run.duration_s = m->c->for_s;
    p->n_faults = p->n_probes = 0; // they go by the run's times, which its load workers would now refuse
    return p;
}

// ---- what valgrind left ---------------------------------------------------------------------------------------------

static bool log_has(const struct making *m, const char *name, const char *words)
{
    char text[65536];
    int fd = openat(m->dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    ssize_t got = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (fd >= 0)
        close(fd);
    return got > 0 && memmem(text, (size_t)got, words, strlen(words)) != NULL;
}

static void note_xml(struct making *m, const struct confirm_xml *one)
{
    m->n_xml += one->memcheck;
    m->n_whole += one->memcheck && one->finished;
    m->xml.records += one->records;
    if (one->fatal_signal)
        m->xml.fatal_signal = one->fatal_signal;
    if (one->trouble[0] && !m->xml.trouble[0])
        snprintf(m->xml.trouble, sizeof m->xml.trouble, "%s", one->trouble);
}

static void read_files(struct making *m, bool *unhandled, bool *broken)
{
    DIR *d = fdopendir(openat(m->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    for (struct dirent *e; d && (e = readdir(d)) != NULL;) {
        if (!strncmp(e->d_name, "log.", 4)) {
            *unhandled |= log_has(m, e->d_name, "unhandled instruction bytes") ||
                          log_has(m, e->d_name, "Unrecognised instruction");
            *broken |= log_has(m, e->d_name, "the 'impossible' happened") || log_has(m, e->d_name, "INTERNAL ERROR");
        }
        if (strncmp(e->d_name, "xml.", 4))
            continue;
        struct confirm_xml one;
        int fd = openat(m->dir_fd, e->d_name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0)
            continue;
        m->sites.places = confirm_atlas_find(&m->sites.atlas, (pid_t)strtol(e->d_name + 4, NULL, 10));
        confirm_read_xml(fd, CONFIRM_FINAL, &m->sites, &one);
        note_xml(m, &one);
        close(fd);
    }
    if (d)
        closedir(d);
}

static void reason(struct making *m, const char *word, const char *text)
{
    if (m->c->reason_word)
        return;
    m->c->reason_word = word;
    m->c->reason = report_strdup(m->arena, text);
}

static const char *last_words(const struct making *m, const struct confirm_pass *p)
{
    char *safe = p->last_words[0] ? profile_redact_text(p->last_words) : NULL;
    const char *text = safe ? report_strf(m->arena, "; it said: %s", safe) : "";
    free(safe);
    return text;
}

// Why it is not what it should be, the most telling first.
static void conclude_pass(struct making *m)
{
    struct confirm_pass *p = &m->pass;
    bool unhandled = false, broken = false;
    read_files(m, &unhandled, &broken);
    m->c->final_report = m->n_xml > 0 && m->n_whole == m->n_xml && m->xml.records + m->c->looks > 0;
    m->c->ran = m->n_xml > 0 && (m->n_whole > 0 || m->pass.looks > 0);
    int status = p->wait_status;
    if (unhandled)
        reason(m, "unsupported_instruction", "The target uses an instruction that valgrind does not know");
    else if (broken)
        reason(m, "valgrind_crashed", "valgrind itself crashed");
    if (p->word)
        reason(m, p->word, p->why);
    if (m->n_xml == 0)
        reason(m, "no_report",
               m->xml.trouble[0] ? report_strf(m->arena, "valgrind left no report of memcheck: %s", m->xml.trouble)
                                 : "valgrind left no report of memcheck");
    else if (m->n_whole < m->n_xml)
        reason(m, "cut",
               report_strf(m->arena, "A report of memcheck is not whole: %s",
                           m->xml.trouble[0] ? m->xml.trouble : "its end is missing"));
    if (m->xml.fatal_signal && m->xml.fatal_signal != m->opt->profile->shutdown.signal)
        reason(m, "crashed",
               report_strf(m->arena, "The target died of signal %d (%s) under valgrind", m->xml.fatal_signal,
                           strsignal(m->xml.fatal_signal)));
    if (p->started && WIFSIGNALED(status) && !m->xml.fatal_signal && !p->word && p->ended_itself)
        reason(m, "crashed", report_strf(m->arena, "valgrind died of signal %d", WTERMSIG(status)));
    if (p->ended_itself && !p->ready)
        reason(
            m, "left_early",
            report_strf(m->arena, "The target ended by itself under valgrind before it was ready%s", last_words(m, p)));
    if (p->ended_itself && p->ready && m->opt->profile->target.life == LIFE_SERVICE)
        reason(m, "left_early",
               report_strf(m->arena, "The target ended by itself under valgrind, before its time was over%s",
                           last_words(m, p)));
    if (p->ready && p->offered >= OFFERED_MIN && p->requests > 0 && p->requests < p->offered / 2)
        reason(m, "too_slow",
               report_strf(m->arena,
                           "Too slow: under valgrind it got through %llu of the %llu requests that the load at 1/%g "
                           "asked for; a larger --scale asks for less",
                           (unsigned long long)p->requests, (unsigned long long)p->offered, m->c->scale));
    if (m->opt->profile->n_loads > 0 && p->ready && p->requests == 0 && !m->opt->profile->loads[0].exec.present)
        reason(m, "not_driven", "No request of the load came through under valgrind");
}

// ---- together -------------------------------------------------------------------------------------------------------

// By how much a request costs the target more than it did in the run; NAN when one of them is unknown.
static double slow_down_factor(const struct making *m)
{
    const struct report *r = m->opt->report;
    double run_s = NAN;
    const struct report_measure *cost = report_find_measure(r, "cpu.per_request");
    if (cost)
        run_s = cost->measure.value;
    if (!(run_s > 0) || m->pass.worked_requests < WORKED_MIN)
        return NAN;
    return m->pass.worked_cpu_s / (double)m->pass.worked_requests / run_s;
}

static int run_passes(struct making *m, struct seep_err *err)
{
    struct profile *slow = slow_down(m, err);
    if (!slow)
        return -1;
    double within = m->opt->profile->confirm.within_s;
    m->pass = (struct confirm_pass){.profile = slow,
                                    .plan = m->opt->profile,
                                    .tool = "memcheck",
                                    .dir = m->dir,
                                    .dir_fd = m->dir_fd,
                                    .reachable = m->reachable,
                                    .for_s = m->c->for_s,
                                    .scale = m->c->scale,
                                    .within_s = within == PROFILE_AUTO ? 5 * m->c->for_s + 300 : within,
                                    .files = m->opt->files,
                                    .memory_bytes = m->opt->profile->confirm.memory_bytes,
                                    .output_bytes = OUTPUT_MAX,
                                    .progress = m->opt->progress,
                                    .look = true,
                                    .press = m->press,
                                    .fault_results = m->c->faults,
                                    .probe_results = m->c->probes,
                                    .sites = &m->sites};
    confirm_pass_run(&m->pass);
    m->c->requests = m->pass.requests;
    m->c->offered = m->pass.offered;
    m->c->slow_down = slow_down_factor(m);
    m->c->looks = m->pass.looks;
    m->c->processes = m->pass.processes;
    m->c->peak_rss_bytes = m->pass.peak_rss_bytes;
    conclude_pass(m);
    int failed = confirm_hold_against(m, err);
    if (!failed)
        confirm_draw_growth(m);
    profile_free(slow);
    return failed;
}

// What the profile has of them; the pass says what came of each.
static int take_faults(struct making *m, struct seep_err *err)
{
    const struct profile *p = m->opt->profile;
    struct confirm *c = m->c;
    c->faults = report_alloc(m->arena, (size_t)p->n_faults, sizeof *c->faults);
    c->probes = report_alloc(m->arena, (size_t)p->n_probes, sizeof *c->probes);
    if (!c->faults || !c->probes)
        return seep_fail(err, SEEP_E_SYSTEM, "memory ran out");
    for (int i = 0; i < p->n_faults; i++) {
        struct confirm_fault *f = &c->faults[c->n_faults++];
        *f = (struct confirm_fault){.name = p->faults[i].name, .at_s = p->faults[i].at_s, .for_s = NAN};
        fault_effect_describe(&p->faults[i], f->what, sizeof f->what);
        snprintf(f->why, sizeof f->why, "Not replayed: the target was not driven under valgrind");
    }
    for (int i = 0; i < p->n_probes; i++)
        c->probes[c->n_probes++] = (struct confirm_probe){.name = p->probes[i].name};
    return 0;
}

static bool redacted(const struct profile *p)
{
    for (int i = 0; i < p->target.argc; i++)
        if (strstr(p->target.argv[i], "[redacted]"))
            return true;
    return false;
}

int confirm_make(const struct confirm_options *options, struct confirm **out, struct seep_err *err)
{
    char version[100], why[160];
    struct making m = {.opt = options, .dir_fd = -1, .c = calloc(1, sizeof *m.c)};
    int64_t began = clock_mono_ns();
    *out = NULL;
    if (redacted(options->profile)) {
        free(m.c);
        return seep_fail(
            err, SEEP_E_USAGE,
            "The run's command holds secrets that were not stored; give it again: seep confirm RUN -- CMD ARG...");
    }
    if (!m.c || !(m.arena = m.c->arena = report_arena_new())) {
        free(m.c);
        return seep_fail(err, SEEP_E_SYSTEM, "memory ran out");
    }
    m.c->slow_down = NAN;
    m.c->with_massif = options->growth;
    m.c->with_dhat = options->dhat;
    m.c->run = options->report->run;
    m.c->stacks_known = options->report->stacks_known;
    m.c->for_s = time_of(&m);
    m.c->scale = scale_of(&m);
    m.press = fmin(1, m.c->for_s / fmax(1, options->profile->run.duration_s));
    bool there = confirm_valgrind_version(version, sizeof version, why, sizeof why);
    m.c->tool = there ? report_strdup(m.arena, version) : NULL;
    if (!there)
        reason(&m, "absent", report_strf(m.arena, "valgrind cannot be used: %s", why));
    int failed = confirm_take_stacks(&m, err) || take_faults(&m, err) || (there && make_dir(&m, err));
    if (!failed)
        failed = there ? run_passes(&m, err) : confirm_hold_against(&m, err);
    if (there)
        remove_dir(&m);
    confirm_sites_free(&m.sites);
    m.c->took_s = (double)(clock_mono_ns() - began) / 1e9;
    if (!failed && confirm_pass_interrupted())
        failed = seep_fail(err, SEEP_E_SYSTEM, "The replay was interrupted, and its answer is not kept");
    if (failed) {
        confirm_free(m.c);
        return -1;
    }
    *out = m.c;
    return 0;
}

void confirm_free(struct confirm *c)
{
    if (!c)
        return;
    report_arena_free(c->arena);
    free(c);
}

int confirm_exit_code(const struct confirm *c)
{
    return c->stacks_known && c->n_confirmed == c->n_stacks && (c->ran || c->n_stacks == 0) ? 0 : 3;
}
