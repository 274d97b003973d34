// The shutdown check: facts written by the run, judged by what the profile demands.
#include "report/build.h"
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

struct facts {
    const char *skipped, *signal, *after, *rest, *killed, *children;
};

static int read_facts(struct build *b, struct facts *f, struct seep_err *err)
{
    struct report_shutdown *s = &b->r->shutdown;
    const struct {
        const char *key, **value;
    } rows[] = {
        {M_SHUTDOWN_SKIPPED, &f->skipped},
        {M_SHUTDOWN_SIGNAL, &f->signal},
        {M_SHUTDOWN_AFTER, &f->after},
        {M_SHUTDOWN_REST, &f->rest},
        {M_SHUTDOWN_KILLED, &f->killed},
        {M_SHUTDOWN_CHILDREN, &f->children},
        {M_SHUTDOWN_CHILDREN_WHAT, &s->children_names},
        {M_SHUTDOWN_PORT, &s->port_released},
        {M_SHUTDOWN_PORT_WHAT, &s->port_names},
        {M_SHUTDOWN_FILES, &s->files_left},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (build_get(b, rows[i].key, rows[i].value, err) != 0)
            return -1;
    return 0;
}

// Close against the idle baseline; *compared false when a phase has no values at all.
static int compare_level(struct build *b, const double *values, struct judge_level *level, bool *compared,
                         struct seep_err *err)
{
    double *before = malloc((b->ticks.n + 1) * sizeof *before), *after = malloc((b->ticks.n + 1) * sizeof *after);
    int failed = before == NULL || after == NULL ? build_no_memory(err) : 0;
    if (!failed) {
        size_t n_before = build_phase_values(b, values, PHASE_BASELINE, before);
        size_t n_after = build_phase_values(b, values, PHASE_CLOSE, after);
        *compared = n_before > 0 && n_after > 0;
        double limit = isnan(b->r->shutdown.back_limit_bytes) ? HUGE_VAL : b->r->shutdown.back_limit_bytes;
        if (*compared && judge_close(before, n_before, after, n_after, limit, JUDGE_U_BYTES, level) != 0)
            failed = build_no_memory(err);
    }
    free(before);
    free(after);
    return failed;
}

static int compare_levels(struct build *b, struct seep_err *err)
{
    struct report_shutdown *s = &b->r->shutdown;
    double *heap = NULL, *rss = NULL;
    int failed = build_values(b, S_HEAP_LIVE, "", &heap, err) != 0 || build_resident(b, S_RSS, &rss, err) != 0;
    if (!failed)
        failed = compare_level(b, heap, &s->heap, &s->heap_compared, err) != 0 ||
                 compare_level(b, rss, &s->rss, &s->rss_compared, err) != 0;
    free(heap);
    free(rss);
    return failed ? -1 : 0;
}

static bool code_accepted(const struct profile_shutdown *p, int64_t status)
{
    for (int i = 0; i < p->n_exit_codes; i++)
        if (p->exit_codes[i] == status)
            return true;
    return false;
}

// A name for people; the abbreviation, "signal 40" for those without.
static const char *signal_word(struct build *b, int number)
{
    const char *abbrev = sigabbrev_np(number);
    return abbrev != NULL ? abbrev : report_strf(b->arena, "signal %d", number);
}

// Collects sentences; the status is the worst of what was said.
struct verdict {
    struct build *b;
    enum judge_status status;
    const char *text; // "" at first
};

static void say(struct verdict *v, enum judge_status status, const char *sentence)
{
    v->text = v->text[0] == '\0' ? sentence : report_strf(v->b->arena, "%s, %s", v->text, sentence);
    if (status == JUDGE_S_FAIL || (status == JUDGE_S_INCONCLUSIVE && v->status == JUDGE_S_PASS))
        v->status = status;
}

static bool is_yes(const char *fact)
{
    return fact != NULL && strcmp(fact, "yes") == 0;
}

static void judge_exit(struct verdict *v, const struct facts *f)
{
    struct build *b = v->b;
    struct report_shutdown *s = &b->r->shutdown;
    const struct report_target *t = &b->r->target;
    const char *word = signal_word(b, s->signal);
    char after[32], within[32];
    units_duration(after, sizeof after, s->after_s);
    units_duration(within, sizeof within, s->within_s);
    if (is_yes(f->killed)) {
        say(v, JUDGE_S_FAIL, report_strf(b->arena, "%s: still running after %s and had to be killed", word, within));
    } else if (is_yes(f->rest)) {
        say(v, JUDGE_S_PASS,
            report_strf(b->arena, "%s -> the rest of the tree ended in %s, the main process before", word, after));
    } else if (t->exit_kind == NULL || strcmp(t->exit_kind, "unknown") == 0) {
        say(v, JUDGE_S_INCONCLUSIVE, report_strf(b->arena, "%s -> how it ended is unknown", word));
    } else if (strcmp(t->exit_kind, "exited") == 0) {
        bool good = code_accepted(&b->profile->shutdown, t->exit_status);
        say(v, good ? JUDGE_S_PASS : JUDGE_S_FAIL,
            report_strf(b->arena, "%s -> exit %lld in %s%s", word, (long long)t->exit_status, after,
                        good ? "" : ", a status that the profile does not accept"));
    } else {
        bool good = b->profile->shutdown.exit_by_signal && t->exit_signal == s->signal;
        int died_of = t->exit_signal == SEEP_UNKNOWN ? 0 : (int)t->exit_signal;
        say(v, good ? JUDGE_S_PASS : JUDGE_S_FAIL,
            report_strf(b->arena, "%s -> died of %s in %s%s", word, signal_word(b, died_of), after,
                        good ? "" : ", which is a crash"));
    }
    if (s->after_s > s->within_s)
        say(v, JUDGE_S_FAIL, report_strf(b->arena, "later than the %s allowed", within));
}

static void judge_back(struct verdict *v)
{
    struct build *b = v->b;
    const struct report_shutdown *s = &b->r->shutdown;
    // Live bytes decide where they are known: an allocator may rightly keep memory that the program gave back.
    bool heap = s->heap_compared;
    const struct judge_level *level = heap ? &s->heap : &s->rss;
    if (isnan(s->back_limit_bytes) || (!s->heap_compared && !s->rss_compared))
        return;
    char difference[32], limit[32];
    units_bytes(difference, sizeof difference, fabs(level->difference));
    units_bytes(limit, sizeof limit, s->back_limit_bytes);
    const char *what = heap ? "heap" : "rss";
    if (level->verdict == JUDGE_PASS)
        say(v, JUDGE_S_PASS, report_strf(b->arena, "%s back to within %s of baseline", what, difference));
    else if (b->r->reload.status == JUDGE_S_PASS) // kept, and the second cycle showed that it is not piling up
        say(v, JUDGE_S_PASS,
            report_strf(b->arena, "%s %s above baseline, retained: it did not grow again", what, difference));
    else
        say(v, judge_status_of(level->verdict),
            report_strf(b->arena, "%s %s %s baseline (limit %s)", what, difference,
                        level->difference < 0 ? "below" : "above", limit));
}

static void judge_left_behind(struct verdict *v)
{
    struct build *b = v->b;
    const struct report_shutdown *s = &b->r->shutdown;
    if (s->children_left == 0)
        say(v, JUDGE_S_PASS, "0 children");
    else if (s->children_left > 0)
        say(v, b->profile->shutdown.no_children ? JUDGE_S_FAIL : JUDGE_S_PASS,
            report_strf(b->arena, "%lld children left (%s)", (long long)s->children_left,
                        s->children_names == NULL ? "names unknown" : s->children_names));
    if (s->port_released != NULL && strcmp(s->port_released, "yes") == 0)
        say(v, JUDGE_S_PASS, "port released");
    else if (s->port_released != NULL)
        say(v, b->profile->shutdown.port_released ? JUDGE_S_FAIL : JUDGE_S_PASS,
            report_strf(b->arena, "port still in use (%s)", s->port_names == NULL ? "unknown" : s->port_names));
    if (s->files_left != NULL && s->files_left[0] != '\0')
        say(v, JUDGE_S_PASS, report_strf(b->arena, "socket files left (%s)", s->files_left));
}

static void judge_shutdown(struct build *b, const struct facts *f)
{
    struct report_shutdown *s = &b->r->shutdown;
    struct verdict v = {.b = b, .status = JUDGE_S_PASS, .text = ""};
    s->signal = (int)build_integer(f->signal);
    s->after_s = build_number(f->after);
    s->exit_status = b->r->target.exit_status;
    s->exit_signal = b->r->target.exit_signal;
    judge_exit(&v, f);
    judge_back(&v);
    judge_left_behind(&v);
    s->status = v.status;
    s->reason = v.text;
}

int build_shutdown(struct build *b, struct seep_err *err)
{
    struct report_shutdown *s = &b->r->shutdown;
    const struct profile_shutdown *p = &b->profile->shutdown;
    struct facts f;
    if (read_facts(b, &f, err) != 0)
        return -1;
    s->within_s = p->within_s;
    s->after_s = NAN;
    s->exit_status = s->exit_signal = SEEP_UNKNOWN;
    s->children_left = build_integer(f.children);
    s->back_limit_bytes = p->back_to_baseline_bytes == PROFILE_AUTO ? NAN : p->back_to_baseline_bytes;
    if (compare_levels(b, err) != 0)
        return -1;
    s->status = JUDGE_S_SKIPPED;
    if (b->r->live)
        s->reason = "The run goes on.";
    else if (p->skip)
        s->reason = "The profile turns it off.";
    else if (f.skipped != NULL || f.signal == NULL)
        s->reason = f.skipped != NULL ? f.skipped : "No stop signal was sent.";
    else
        judge_shutdown(b, &f);
    return s->reason == NULL ? build_no_memory(err) : 0;
}
