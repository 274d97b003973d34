// confirm_make(): directories, passes, and what comes of them for each growing stack. See confirm.h.
#include "base/check.h"
#include "base/clock.h"
#include "confirm/pass.h"

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

enum { ELSEWHERE_MAX = 10, LOST_FRAMES = 6, OUTPUT_MAX = 256 << 20, MASSIF_MAX = 4096 };
static const double enough_alike = 0.75;

struct making {
    struct confirm *c;
    const struct confirm_options *opt;
    struct report_arena *arena;
    struct confirm_sites sites;
    struct confirm_pass pass;
    struct confirm_xml xml; // over all processes: worst of each
    size_t n_xml, n_whole;
    char dir[256];
    int dir_fd;
};

// ---- a directory of its own, and nothing of it left -----------------------------------------------------------------

static int make_dir(struct making *m, struct seep_err *err)
{
    const char *tmp = getenv("TMPDIR"), *user = m->opt->profile->target.user;
    struct passwd *pw = user ? getpwnam(user) : NULL;
    snprintf(m->dir, sizeof m->dir, "%.200s/seep-confirm-XXXXXX", tmp && *tmp == '/' ? tmp : "/tmp");
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
    for (struct dirent *e; d && (e = readdir(d)) != NULL;)
        if (e->d_name[0] != '.')
            unlinkat(dirfd(d), e->d_name, 0);
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
    double press = fmin(1, m->c->for_s / fmax(1, p->run.duration_s));
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
    if (p->ended_itself && p->ready && m->opt->profile->target.life == LIFE_SERVICE)
        reason(m, "left_early", "The target ended by itself under valgrind, before its time was over");
    if (m->opt->profile->n_loads > 0 && p->ready && p->requests == 0 && !m->opt->profile->loads[0].exec.present)
        reason(m, "not_driven", "No request of the load came through under valgrind");
}

// ---- stacks ---------------------------------------------------------------------------------------------------------

static double sum(const struct confirm_site *s, int point, enum confirm_kind from, enum confirm_kind to, bool blocks)
{
    double v = 0;
    for (int k = (int)from; k <= (int)to; k++)
        v += blocks ? s->blocks[k][point] : s->bytes[k][point];
    return v;
}

// The growing stack that a site is most like; SIZE_MAX: none enough.
static size_t nearest(const struct making *m, char *const *keys, const struct confirm_site *site)
{
    size_t best = SIZE_MAX;
    double most = enough_alike;
    for (size_t i = 0; i < m->c->n_stacks; i++) {
        double like = confirm_likeness(keys[i], site->key);
        if (like < most || (like == most && best != SIZE_MAX))
            continue;
        most = like;
        best = i;
    }
    return best;
}

struct tally {
    double lost_bytes[CONFIRM_POINTS], lost_blocks[CONFIRM_POINTS], possible[CONFIRM_POINTS];
    double held_bytes[CONFIRM_POINTS], held_blocks[CONFIRM_POINTS], all[CONFIRM_POINTS];
    bool seen;
};

static void add_site(struct tally *t, const struct confirm_site *s)
{
    for (int k = 0; k < CONFIRM_POINTS; k++) {
        t->lost_bytes[k] += sum(s, k, CONFIRM_DEFINITE, CONFIRM_INDIRECT, false);
        t->lost_blocks[k] += sum(s, k, CONFIRM_DEFINITE, CONFIRM_INDIRECT, true);
        t->possible[k] += sum(s, k, CONFIRM_POSSIBLE, CONFIRM_POSSIBLE, false);
        t->held_bytes[k] += sum(s, k, CONFIRM_REACHABLE, CONFIRM_REACHABLE, false);
        t->held_blocks[k] += sum(s, k, CONFIRM_REACHABLE, CONFIRM_REACHABLE, true);
        t->all[k] += sum(s, k, CONFIRM_DEFINITE, CONFIRM_REACHABLE, false);
    }
    t->seen = true;
}

// What of it the time under valgrind was worth, by the run's own figures; NAN unknown.
static double expected_bytes(const struct making *m, const struct report_stack *s)
{
    double work = m->pass.driven_s / m->c->scale;
    const struct load_counts *whole = m->opt->report->has_load ? &m->opt->report->load.all.counts : NULL;
    double span = m->opt->report->measure_to_s - m->opt->report->measure_from_s;
    if (m->pass.requests > 0 && whole && whole->completed > 0)
        work = span * (double)m->pass.requests / (double)whole->completed;
    else if (m->opt->profile->n_loads == 0)
        work = m->pass.driven_s; // at its own pace
    return s->judge.slope_per_s * work;
}

static const char *why_not_seen(const struct making *m, const struct confirm_stack *s)
{
    char bytes[32], time[32];
    double worth = expected_bytes(m, s->stack), block = s->stack->judge.live_bytes / fmax(1, s->stack->live_blocks);
    if (m->c->reason)
        return m->c->reason;
    units_duration(time, sizeof time, m->pass.driven_s);
    if (isfinite(worth) && worth < 2 * block)
        return report_strf(m->arena, "Too short: %s under valgrind are worth %s of it, less than two of its blocks",
                           time, units_bytes(bytes, sizeof bytes, fmax(0, worth)));
    return report_strf(m->arena, "Its call path did not allocate in %s under valgrind, though %s were to be expected",
                       time, units_bytes(bytes, sizeof bytes, worth));
}

// The newest point that has something of the stack: the final report, or the last look when the target freed all at its
// end or never wrote one.
static int last_point(const struct making *m, const struct tally *t)
{
    if (m->c->final_report && t->all[CONFIRM_FINAL] > 0)
        return CONFIRM_FINAL;
    for (int k = CONFIRM_LOOKS - 1; k > 0; k--)
        if (t->all[k] > 0)
            return k;
    return t->all[CONFIRM_FINAL] > 0 ? CONFIRM_FINAL : 0;
}

static void decide(struct making *m, struct confirm_stack *s, const struct tally *t)
{
    char a[32], b[32];
    int at = last_point(m, t), looks = (int)m->pass.looks, end = looks > 0 ? looks - 1 : 0;
    s->lost_bytes = t->lost_bytes[at];
    s->lost_blocks = t->lost_blocks[at];
    s->possible_bytes = t->possible[at];
    s->reachable_bytes = t->held_bytes[end];
    s->reachable_blocks = t->held_blocks[end];
    s->grew_bytes = looks > 1 ? t->all[end] - t->all[0] : NAN;
    bool rises = looks > 2 ? t->all[1] > t->all[0] && t->all[2] > t->all[1] : looks > 1 && t->all[1] > t->all[0];
    if (!t->seen) {
        s->status = CONFIRM_NOT_SEEN;
        s->why = why_not_seen(m, s);
    } else if (s->lost_blocks >= 2) {
        s->status = CONFIRM_LOST;
        s->why = report_strf(m->arena, "%s in %.0f blocks are lost", units_bytes(a, sizeof a, s->lost_bytes),
                             s->lost_blocks);
    } else if (rises) {
        s->status = CONFIRM_GROWS;
        s->why = report_strf(m->arena, "Still reachable, and more at each of %d looks: %s, then %s", looks,
                             units_bytes(a, sizeof a, t->all[0]), units_bytes(b, sizeof b, t->all[end]));
    } else if (s->possible_bytes > 0 && s->possible_bytes >= s->reachable_bytes) {
        s->status = CONFIRM_POSSIBLY;
        s->why = report_strf(m->arena, "%s are possibly lost, only inner pointers lead to them",
                             units_bytes(a, sizeof a, s->possible_bytes));
    } else {
        s->status = CONFIRM_STEADY;
        s->why = m->c->reason && looks < 2
                     ? report_strf(m->arena, "Seen under valgrind, and whether it grows is not known: %s", m->c->reason)
                     : report_strf(m->arena, "Seen under valgrind, %s, and it did not grow from look to look",
                                   units_bytes(a, sizeof a, t->all[end]));
    }
    m->c->n_confirmed += s->status == CONFIRM_LOST || s->status == CONFIRM_GROWS;
}

static void note_elsewhere(struct making *m, const struct confirm_site *s)
{
    int at = m->c->final_report ? CONFIRM_FINAL : m->pass.looks > 0 ? (int)m->pass.looks - 1 : CONFIRM_FINAL;
    double bytes = sum(s, at, CONFIRM_DEFINITE, CONFIRM_DEFINITE, false);
    struct confirm *c = m->c;
    size_t to = c->n_elsewhere < ELSEWHERE_MAX ? c->n_elsewhere : ELSEWHERE_MAX - 1;
    if (bytes <= 0 || (c->n_elsewhere == ELSEWHERE_MAX && bytes <= c->elsewhere[to].bytes))
        return;
    struct seep_buf where;
    buf_init(&where, 4096);
    size_t frames = 0;
    for (const char *p = s->key; *p && frames < LOST_FRAMES; frames++) {
        size_t n = strcspn(p, "\n");
        buf_printf(&where, "%s%.*s", frames ? " < " : "", n < 200 ? (int)n : 200, p);
        p += n + (p[n] == '\n');
    }
    const char *text = report_strdup(m->arena, where.data ? where.data : "");
    buf_free(&where);
    while (to > 0 && c->elsewhere[to - 1].bytes < bytes) {
        c->elsewhere[to] = c->elsewhere[to - 1];
        to--;
    }
    c->elsewhere[to] = (struct confirm_elsewhere){
        .where = text, .bytes = bytes, .blocks = sum(s, at, CONFIRM_DEFINITE, CONFIRM_DEFINITE, true)};
    c->n_elsewhere += c->n_elsewhere < ELSEWHERE_MAX;
}

static int hold_against(struct making *m, struct seep_err *err)
{
    size_t n = m->c->n_stacks;
    char **keys = calloc(n + 1, sizeof *keys);
    struct tally *tallies = calloc(n + 1, sizeof *tallies);
    m->c->elsewhere = report_alloc(m->arena, ELSEWHERE_MAX, sizeof *m->c->elsewhere);
    bool right = keys && tallies && m->c->elsewhere;
    for (size_t i = 0; right && i < n; i++)
        right = (keys[i] = confirm_key_of(m->c->stacks[i].stack)) != NULL;
    for (size_t i = 0; right && i < m->sites.n; i++) {
        size_t k = nearest(m, keys, &m->sites.list[i]);
        if (k == SIZE_MAX)
            note_elsewhere(m, &m->sites.list[i]);
        else
            add_site(&tallies[k], &m->sites.list[i]);
    }
    for (size_t i = 0; right && i < n; i++)
        decide(m, &m->c->stacks[i], &tallies[i]);
    for (size_t i = 0; keys && i < n; i++)
        free(keys[i]);
    free(keys);
    free(tallies);
    return right ? 0 : seep_fail(err, SEEP_E_SYSTEM, "memory ran out");
}

static int take_stacks(struct making *m, struct seep_err *err)
{
    const struct report *r = m->opt->report;
    m->c->stacks = report_alloc(m->arena, r->n_stacks, sizeof *m->c->stacks);
    if (!m->c->stacks)
        return seep_fail(err, SEEP_E_SYSTEM, "memory ran out");
    for (size_t i = 0; i < r->n_stacks; i++)
        if (r->stacks[i].judge.rejected && !(r->stacks[i].flags & (STACK_OTHER | STACK_MMAP)))
            m->c->stacks[m->c->n_stacks++] = (struct confirm_stack){.stack = &r->stacks[i], .rank = i + 1};
    return 0;
}

// ---- massif ---------------------------------------------------------------------------------------------------------

// "time=", "mem_heap_B=" of the main process's file; whatever else stands there is passed over.
static void read_massif(struct making *m, const char *name)
{
    char line[512];
    double t = NAN;
    int fd = openat(m->dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    FILE *f = fd < 0 ? NULL : fdopen(fd, "r");
    while (f && fgets(line, sizeof line, f) && m->c->n_massif < MASSIF_MAX) {
        if (!strncmp(line, "time=", 5))
            t = strtod(line + 5, NULL) / 1e3;
        if (strncmp(line, "mem_heap_B=", 11) || isnan(t))
            continue;
        m->c->massif_t_s[m->c->n_massif] = t;
        m->c->massif_bytes[m->c->n_massif++] = strtod(line + 11, NULL);
    }
    if (f)
        fclose(f);
    else if (fd >= 0)
        close(fd);
}

static void find_massif(struct making *m)
{
    DIR *d = fdopendir(openat(m->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    char largest[300] = "";
    off_t size = 0;
    struct stat st;
    for (struct dirent *e; d && (e = readdir(d)) != NULL;)
        if (!strncmp(e->d_name, "massif.", 7) && fstatat(m->dir_fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
            st.st_size > size) {
            snprintf(largest, sizeof largest, "%s", e->d_name);
            size = st.st_size;
        }
    if (d)
        closedir(d);
    if (largest[0])
        read_massif(m, largest);
}

static void draw_growth(struct making *m)
{
    struct confirm_pass memcheck = m->pass;
    m->c->massif_t_s = report_alloc(m->arena, MASSIF_MAX, sizeof *m->c->massif_t_s);
    m->c->massif_bytes = report_alloc(m->arena, MASSIF_MAX, sizeof *m->c->massif_bytes);
    m->pass.tool = "massif";
    m->pass.sites = NULL;
    m->pass.word = NULL;
    m->pass.started = m->pass.ready = m->pass.ended_itself = false;
    if (!m->c->massif_t_s || !m->c->massif_bytes)
        return;
    confirm_pass_run(&m->pass);
    find_massif(m);
    if (m->c->n_massif == 0)
        m->c->massif_reason = report_strdup(m->arena, m->pass.word ? m->pass.why : "massif left no file");
    m->pass = memcheck;
}

// ---- together -------------------------------------------------------------------------------------------------------

static int run_passes(struct making *m, struct seep_err *err)
{
    struct profile *slow = slow_down(m, err);
    if (!slow)
        return -1;
    double within = m->opt->profile->confirm.within_s;
    m->pass = (struct confirm_pass){.profile = slow,
                                    .tool = "memcheck",
                                    .dir = m->dir,
                                    .dir_fd = m->dir_fd,
                                    .for_s = m->c->for_s,
                                    .scale = m->c->scale,
                                    .within_s = within == PROFILE_AUTO ? 5 * m->c->for_s + 300 : within,
                                    .memory_bytes = m->opt->profile->confirm.memory_bytes,
                                    .output_bytes = OUTPUT_MAX,
                                    .progress = m->opt->progress,
                                    .sites = &m->sites};
    confirm_pass_run(&m->pass);
    m->c->requests = m->pass.requests;
    m->c->looks = m->pass.looks;
    m->c->processes = m->pass.processes;
    m->c->peak_rss_bytes = m->pass.peak_rss_bytes;
    conclude_pass(m);
    int failed = hold_against(m, err);
    if (!failed && m->opt->growth && m->c->ran)
        draw_growth(m);
    profile_free(slow);
    return failed;
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
    m.c->run = options->report->run;
    m.c->stacks_known = options->report->stacks_known;
    m.c->for_s = time_of(&m);
    m.c->scale = scale_of(&m);
    bool there = confirm_valgrind_version(version, sizeof version, why, sizeof why);
    m.c->tool = there ? report_strdup(m.arena, version) : NULL;
    if (!there)
        reason(&m, "absent", report_strf(m.arena, "valgrind cannot be used: %s", why));
    int failed = take_stacks(&m, err) || (there && make_dir(&m, err));
    if (!failed)
        failed = there ? run_passes(&m, err) : hold_against(&m, err);
    if (there)
        remove_dir(&m);
    confirm_sites_free(&m.sites);
    m.c->took_s = (double)(clock_mono_ns() - began) / 1e9;
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
