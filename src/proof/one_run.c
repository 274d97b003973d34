// One stored run against what is asked: is it as it was stored, what was its verdict and is it still, how much did it
// measure, how did it end, and how does it compare.
#include "base/fs.h"
#include "proof/baseline.h"
#include "proof/internal.h"
#include "report/compare.h"
#include "report/digest.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { STACKS_COMPARED = 20000, RUN_JSON_MAX = 64 << 20 };
static const double gap_share = 0.05; // of the measured time: beyond it, it is not covered, however few the gaps

static struct proof_answer answer(enum proof_status status, const char *why)
{
    return (struct proof_answer){status, why};
}
#define RIGHT answer(PROOF_PASS, NULL)

// verdict.json is a copy of what the store holds; a reader of the directory may have believed it.
bool proof_copy_is_true(int dir_fd, const char *stored)
{
    struct seep_buf file;
    struct seep_err err = {0};
    buf_init(&file, RUN_JSON_MAX);
    bool absent = fs_read_file(dir_fd, "verdict.json", &file, &err) != 0 && err.sys_errno == ENOENT;
    size_t len = strlen(stored), have = file.len;
    while (have > 0 && file.data[have - 1] == '\n')
        have--;
    while (len > 0 && stored[len - 1] == '\n')
        len--;
    bool same = have == len && memcmp(file.data ? file.data : "", stored, len) == 0;
    buf_free(&file);
    return absent || same;
}

static struct proof_answer check_integrity(struct proof_asked *a, const char *id, int dir_fd, struct store *st,
                                           const char *stored, char digest[REPORT_DIGEST_SIZE])
{
    switch (report_check_digest(st, digest)) {
    case REPORT_EDITED:
        return answer(PROOF_FAIL, proof_say(a->w, "The database of run %s was edited after the run ended", id));
    case REPORT_NO_DIGEST:
        return answer(PROOF_MISSING,
                      proof_say(a->w,
                                "Run %s was stored without a checksum, so whether its database was edited cannot be "
                                "told; run it again",
                                id));
    case REPORT_UNREADABLE:
        return answer(PROOF_MISSING, proof_say(a->w, "The database of run %s cannot be read", id));
    case REPORT_INTACT:
        break;
    }
    if (!proof_copy_is_true(dir_fd, stored))
        return answer(PROOF_FAIL,
                      proof_say(a->w, "verdict.json of run %s was edited: it is not what the run stored", id));
    return RIGHT;
}

static struct proof_answer of_verdict(struct proof_asked *a, const char *id, enum judge_final verdict, const char *by)
{
    switch (verdict) {
    case JUDGE_FINAL_PASS:
        return RIGHT;
    case JUDGE_FINAL_FAIL:
    case JUDGE_FINAL_TARGET_FAILED:
        return answer(PROOF_FAIL, proof_say(a->w, "Run %s%s: %s", id, by, judge_final_name(verdict)));
    default:
        return answer(PROOF_MISSING, proof_say(a->w, "Run %s%s is %s", id, by, judge_final_name(verdict)));
    }
}

// As it was judged at its end, and as its samples are judged today: both must hold.
static struct proof_answer check_verdict(struct proof_asked *a, const struct report *r, const char *stored)
{
    if (a->run->verdict == CHECKLIST_ANY_VERDICT)
        return RIGHT;
    json_t *v = json_loads(stored, 0, NULL);
    const char *word = json_string_value(json_object_get(v, "verdict"));
    enum judge_final then = JUDGE_FINAL_ERROR;
    for (int i = 0; word && i < JUDGE_FINALS; i++)
        if (!strcmp(word, judge_final_name((enum judge_final)i)))
            then = (enum judge_final)i;
    json_decref(v);
    struct proof_answer now =
        of_verdict(a, r->run, r->final.verdict, r->final.verdict == then ? "" : ", judged again today,");
    if (now.status == PROOF_FAIL && r->headline)
        now.why = proof_say(a->w, "%s: %s", now.why, r->headline);
    if (now.status != PROOF_PASS)
        return now;
    return of_verdict(a, r->run, then, ", when it ended,");
}

static double overlap(double from, double to, double lo, double hi)
{
    return fmax(0, fmin(to, hi) - fmax(from, lo));
}

static double gap_time(const struct report *r)
{
    double sum = 0;
    for (size_t i = 0; i < r->n_events; i++)
        if (!strcmp(r->events[i].kind, E_GAP))
            sum += overlap(r->events[i].from_s, r->events[i].to_s, r->measure_from_s, r->measure_to_s);
    return sum;
}

static double running_time(const struct report *r)
{
    double sum = r->measure_to_s - r->measure_from_s;
    for (size_t i = 0; i < r->n_excluded; i++)
        sum -= overlap(r->excluded[i].from_s, r->excluded[i].to_s, r->measure_from_s, r->measure_to_s);
    return isfinite(sum) ? fmax(0, sum) : 0;
}

// A limit on gaps tolerates so many, as long as they are short; without one their time does not count at all.
static struct proof_answer check_extent(struct proof_asked *a, const struct report *r)
{
    const struct checklist_run *q = a->run;
    char have[32], want[32];
    double span = running_time(r), gaps = gap_time(r), slack = r->interval_s > 0 ? r->interval_s : 0;
    double counted = q->max_gaps == PROFILE_AUTO ? span - gaps : span;
    if (q->max_gaps != PROFILE_AUTO && (double)r->evidence.n_gaps > q->max_gaps)
        return answer(PROOF_MISSING, proof_say(a->w, "Run %s has %zu gaps, and at most %g may be", r->run,
                                               r->evidence.n_gaps, q->max_gaps));
    if (q->max_gaps != PROFILE_AUTO && gaps > gap_share * span)
        return answer(PROOF_MISSING,
                      proof_say(a->w, "The gaps of run %s are %s of its %s", r->run,
                                units_duration(have, sizeof have, gaps), units_duration(want, sizeof want, span)));
    if (q->at_least_s == PROFILE_AUTO || counted + fmin(slack, 0.01 * q->at_least_s) >= q->at_least_s)
        return RIGHT;
    return answer(PROOF_MISSING, proof_say(a->w, "Run %s measured %s, and %s are asked for", r->run,
                                           units_duration(have, sizeof have, fmax(0, counted)),
                                           units_duration(want, sizeof want, q->at_least_s)));
}

static struct proof_answer check_shutdown(struct proof_asked *a, const struct report *r)
{
    if (!a->run->shutdown || r->shutdown.status == JUDGE_S_PASS)
        return RIGHT;
    bool failed = r->shutdown.status == JUDGE_S_FAIL;
    return answer(failed ? PROOF_FAIL : PROOF_MISSING,
                  proof_say(a->w, "The shutdown of run %s %s: %s", r->run, failed ? "failed" : "was not checked",
                            r->shutdown.reason));
}

// All gates of that name: a profile may have several.
static struct proof_answer check_gate(struct proof_asked *a, const struct report *r, const char *name)
{
    bool found = false;
    for (size_t i = 0; i < r->n_gates; i++) {
        const struct report_gate *g = &r->gates[i];
        if (!proof_gate_is(g, name))
            continue;
        found = true;
        bool failed = g->result.status == JUDGE_S_FAIL || g->result.status == JUDGE_S_WARN;
        if (g->result.status != JUDGE_S_PASS)
            return answer(failed ? PROOF_FAIL : PROOF_MISSING,
                          proof_say(a->w, "Gate %s of run %s: %s, %s", name, r->run,
                                    judge_status_name(g->result.status), g->result.reason));
    }
    return found ? RIGHT : answer(PROOF_MISSING, proof_say(a->w, "Run %s has no gate %s", r->run, name));
}

static struct proof_answer check_gates(struct proof_asked *a, const struct report *r)
{
    for (int i = 0; i < a->run->n_gates; i++) {
        struct proof_answer one = check_gate(a, r, a->run->gates[i]);
        if (one.status != PROOF_PASS)
            return one;
    }
    return RIGHT;
}

static struct proof_answer check_grade(struct proof_asked *a, const struct report *r)
{
    if (a->run->grade == PROFILE_GRADE_NONE)
        return RIGHT;
    if (!r->score.known)
        return answer(PROOF_MISSING, proof_say(a->w, "Run %s has no grade: its profile has no requirements", r->run));
    if ((int)r->score.score.grade >= (int)a->run->grade)
        return RIGHT;
    return answer(PROOF_FAIL, proof_say(a->w, "Run %s is graded %s", r->run, judge_grade_name(r->score.score.grade)));
}

static struct proof_answer check_allowed(struct proof_asked *a, const struct report *r)
{
    char today[16];
    struct tm tm;
    time_t now = (time_t)(a->w->p->made_ns / 1000000000);
    strftime(today, sizeof today, "%Y-%m-%d", gmtime_r(&now, &tm));
    for (size_t i = 0; a->run->allow_valid && i < r->n_allows; i++) {
        const struct report_allow *one = &r->allows[i];
        if (one->expires && strcmp(one->expires, today) < 0)
            return answer(PROOF_FAIL, proof_say(a->w, "The allowance for '%s' in run %s expired on %s", one->pattern,
                                                r->run, one->expires));
        if (one->status == REPORT_ALLOW_OVER)
            return answer(PROOF_FAIL, proof_say(a->w, "In run %s %s", r->run, one->sentence));
    }
    return RIGHT;
}

// ---- against others -------------------------------------------------------------------------------------------------

static int open_store(struct proof_asked *a, const char *id, struct store **st, struct seep_err *err)
{
    char *dir = NULL;
    if (asprintf(&dir, "%s/%s", a->w->opt->results_dir, id) < 0)
        return seep_fail(err, SEEP_E_SYSTEM, "memory ran out");
    int fd = fs_open_dir(dir, false, err);
    free(dir);
    if (fd < 0)
        return -1;
    int failed = store_open_read(fd, st, err);
    close(fd);
    return failed;
}

static int build(struct proof_asked *a, const char *id, const struct report_options *options, struct report **r,
                 struct seep_err *err)
{
    struct store *st = NULL;
    int failed = open_store(a, id, &st, err);
    if (!failed)
        failed = report_build(st, options, r, err);
    store_close(st);
    return failed;
}

// The run that it is compared with; NULL with the reason.
static const char *base_of(struct proof_asked *a, const struct report *r, struct proof_answer *why)
{
    struct baselines *all = NULL;
    struct seep_err err = {0};
    if (strcmp(a->run->no_regression, "baseline"))
        return a->run->no_regression;
    if (baseline_load(a->w->opt->results_dir, false, &all, &err)) {
        *why = answer(PROOF_MISSING, proof_say(a->w, "%s", err.text));
        return NULL;
    }
    const struct baseline *b = baseline_find(all, r->profile_name, baseline_target(r));
    const char *run = baseline_run(b) ? report_strdup(a->w->arena, baseline_run(b)) : NULL;
    if (!run)
        *why = answer(PROOF_MISSING, proof_say(a->w, "There is no baseline for profile %s and %s (seep baseline set)",
                                               r->profile_name, baseline_target(r)));
    baseline_free(all);
    return run;
}

static struct proof_answer compare_with(struct proof_asked *a, const char *base_id, const struct report *candidate)
{
    const struct report_options what = {.skip = REPORT_SKIP_CHARTS, .max_stacks = STACKS_COMPARED};
    const struct compare_options how = {.share = a->run->threshold};
    struct report *base = NULL, *whole = NULL;
    struct compare *c = NULL;
    struct seep_err err = {0};
    struct proof_answer out = RIGHT;
    if (build(a, base_id, &what, &base, &err) || build(a, candidate->run, &what, &whole, &err) ||
        compare_build(base, whole, &how, &c, &err))
        out = answer(PROOF_MISSING,
                     proof_say(a->w, "Run %s cannot be compared with %s: %s", candidate->run, base_id, err.text));
    else if (c->verdict != JUDGE_PASS)
        out = answer(c->verdict == JUDGE_FAIL ? PROOF_FAIL : PROOF_MISSING,
                     proof_say(a->w, "Run %s against %s: %s", candidate->run, base_id, c->headline));
    compare_free(c);
    report_free(base);
    report_free(whole);
    return out;
}

static struct proof_answer check_regression(struct proof_asked *a, const struct report *r)
{
    struct proof_answer why = RIGHT;
    if (!a->run->no_regression)
        return RIGHT;
    const char *base = base_of(a, r, &why);
    if (!base)
        return why;
    if (!strcmp(base, r->run))
        return answer(
            PROOF_MISSING,
            proof_say(a->w, "Run %s is what it would be compared with: there is nothing else to say so", base));
    return compare_with(a, base, r);
}

// By other gates than its own: the samples are there.
static struct proof_answer check_other_gates(struct proof_asked *a, const struct report *r)
{
    const struct checklist_run *q = a->run;
    const struct profile_sources sources = {.names = (const char *const *)q->judged_by,
                                            .n_names = q->n_judged_by,
                                            .shipped_dir = a->w->opt->shipped_dir,
                                            .keep_unknown_vars = true};
    struct profile *profile = NULL;
    struct report *again = NULL;
    struct seep_err err = {0};
    struct proof_answer out = RIGHT;
    if (q->n_judged_by == 0)
        return RIGHT;
    if (profile_load(&sources, &profile, &err) ||
        build(a, r->run, &(struct report_options){.skip = REPORT_SKIP_CHARTS, .profile = profile}, &again, &err))
        out = answer(PROOF_MISSING, proof_say(a->w, "%s", err.text));
    else
        out = of_verdict(a, r->run, again->final.verdict, proof_say(a->w, ", judged by %s,", profile->name));
    if (out.status != PROOF_PASS && again)
        out.why = proof_say(a->w, "%s: %s", out.why, again->headline);
    report_free(again);
    profile_free(profile);
    return out;
}

// ---- together -------------------------------------------------------------------------------------------------------

static struct proof_answer check_report(struct proof_asked *a, const struct report *r, const char *stored)
{
    static struct proof_answer (*const checks[])(struct proof_asked *, const struct report *) = {
        check_shutdown, check_gates, check_grade, check_allowed, check_extent, check_other_gates, check_regression,
    };
    struct proof_answer first = check_verdict(a, r, stored);
    for (size_t i = 0; first.status == PROOF_PASS && i < sizeof checks / sizeof checks[0]; i++)
        first = checks[i](a, r);
    return first;
}

// The id that the run gave itself, when its directory has another name by now; NULL when it has not.
static const char *made_as(struct proof_asked *a, const char *id, const char *stored)
{
    json_t *verdict = json_loads(stored, 0, NULL);
    const char *own = json_string_value(json_object_get(verdict, "run"));
    const char *other = own && strcmp(own, id) ? report_strdup(a->w->arena, own) : NULL;
    json_decref(verdict);
    return other;
}

static void note_evidence(struct proof_asked *a, const struct proof_run *run, const struct report *r,
                          const char *digest, const char *stored)
{
    struct report_arena *arena = a->w->arena;
    a->item->runs[a->item->n_runs++] = (struct proof_evidence){.run = report_strdup(arena, run->id),
                                                               .made_as = made_as(a, run->id, stored),
                                                               .link = proof_say(a->w, "%s/report.html", run->dir),
                                                               .started_ns = run->started_ns,
                                                               .ended_ns = run->ended_ns,
                                                               .verdict = judge_final_name(r->final.verdict),
                                                               .sha256 = report_strdup(arena, run->sha256),
                                                               .build_id = report_strdup(arena, run->build_id),
                                                               .digest = report_strdup(arena, digest),
                                                               .measured_s = running_time(r) - gap_time(r),
                                                               .samples = (int64_t)r->evidence.samples,
                                                               .gaps = (int64_t)r->evidence.n_gaps,
                                                               .figures = proof_figures(a, r)};
}

struct proof_answer proof_look_at(struct proof_asked *a, const struct proof_run *run)
{
    char digest[REPORT_DIGEST_SIZE] = "", *stored = NULL, *reason = NULL;
    struct store *st = NULL;
    struct report *r = NULL;
    struct seep_err err = {0};
    struct seep_time when;
    bool found = false;
    int code, dir_fd = fs_open_dir(run->dir, false, &err);
    struct proof_answer out = answer(PROOF_MISSING, NULL);
    if (dir_fd >= 0 && store_open_read(dir_fd, &st, &err) == 0 &&
        store_read_end(st, &found, &when, &reason, &code, &stored, &err) == 0 && found) {
        out = check_integrity(a, run->id, dir_fd, st, stored, digest);
        if (report_build(st, &(struct report_options){.skip = REPORT_SKIP_CHARTS}, &r, &err) == 0) {
            r->run = report_strdup(r->arena, run->id); // the directory's name is what is looked for again
            out = out.status == PROOF_PASS ? check_report(a, r, stored) : out;
        } else {
            out = answer(PROOF_MISSING, NULL);
        }
    }
    if (out.status == PROOF_MISSING && !out.why)
        out.why = proof_say(a->w, "Run %s cannot be read: %s", run->id, err.text);
    if (r && out.status != PROOF_MISSING)
        note_evidence(a, run, r, digest, stored);
    report_free(r);
    store_close(st);
    free(stored);
    free(reason);
    if (dir_fd >= 0)
        close(dir_fd);
    return out;
}
