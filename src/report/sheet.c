// Checks of a run and of a comparison: see sheet.h.
#include "report/sheet.h"
#include "report/arena.h"
#include "report/build.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { DETAILS_MAX = 16 * 1024 };

static struct sheet_check *add_check(struct sheet *s, const char *name, enum judge_status status, const char *reason)
{
    struct sheet_check *check = &s->checks[s->n_checks++];
    *check = (struct sheet_check){.name = name, .status = status, .reason = reason == NULL ? "" : reason};
    return check;
}

static void put_figures(struct sheet_check *check, double value, double limit, enum judge_unit unit)
{
    if (isfinite(value))
        judge_format(check->value, sizeof check->value, value, unit);
    if (isfinite(limit))
        judge_format(check->limit, sizeof check->limit, limit, unit);
}

// What no gate says and still decides: that the target held out, that there was something to judge.
static void check_run(struct sheet *s, const struct report *r)
{
    enum judge_status status = JUDGE_S_PASS;
    const char *reason = r->outcome_sentence;
    bool cut_short = r->outcome != NULL && strcmp(r->outcome, "interrupted") == 0;
    if (r->final.verdict == JUDGE_FINAL_TARGET_FAILED || r->final.verdict == JUDGE_FINAL_ERROR)
        status = JUDGE_S_FAIL;
    else if (cut_short || (r->final.verdict == JUDGE_FINAL_INCONCLUSIVE && r->final.n_inconclusive == 0))
        status = JUDGE_S_INCONCLUSIVE;
    if (status != JUDGE_S_PASS && (reason == NULL || reason[0] == '\0'))
        reason = r->headline;
    if (status == JUDGE_S_PASS && r->live) { // gates that hold so far are no green job
        status = JUDGE_S_INCONCLUSIVE;
        reason = r->cut ? "The run was cut off and has not ended: seep resume or seep finish ends it."
                        : "The run has not ended: this is how it stands.";
    }
    add_check(s, "run", status, reason);
}

static void check_gates(struct sheet *s, const struct report *r)
{
    for (size_t i = 0; i < r->n_gates; i++) {
        const struct report_gate *g = &r->gates[i];
        struct sheet_check *check = add_check(s, g->gate.name, g->result.status, g->result.reason);
        check->demand = g->text;
        check->of_stacks = g->gate.kind == JUDGE_M_STACK_GROWTH;
        put_figures(check, g->result.value, g->result.limit, g->result.unit);
    }
}

static void check_score(struct sheet *s, const struct report_score *score)
{
    if (!score->known)
        return;
    struct sheet_check *check = add_check(s, "grade", score->status, score->score.reason);
    snprintf(check->value, sizeof check->value, "%s", judge_grade_name(score->score.grade));
    if (score->status != JUDGE_S_SKIPPED)
        snprintf(check->limit, sizeof check->limit, "%s", judge_grade_name(score->at_least));
}

static const char *text_of_report(struct sheet *s, const struct report *r, struct seep_err *err)
{
    const struct report_style style = {.width = 100};
    struct seep_buf out;
    buf_init(&out, 4u << 20);
    const char *text = report_text(r, &style, &out, err) == 0 ? report_strdup(s->arena, out.data) : NULL;
    buf_free(&out);
    return text;
}

static const char *command_of(struct sheet *s, const struct report *r)
{
    struct seep_buf line;
    buf_init(&line, DETAILS_MAX);
    for (int i = 0; i < r->target.argc && !line.failed; i++) {
        buf_str(&line, i > 0 ? " " : "");
        buf_str(&line, r->target.argv[i]);
    }
    const char *copy = line.data == NULL ? NULL : report_strdup(s->arena, line.data);
    buf_free(&line);
    return copy;
}

static const char *host_of(const struct report *r)
{
    for (size_t i = 0; i < r->n_host; i++)
        if (strcmp(r->host[i].key, "name") == 0)
            return r->host[i].value;
    return NULL;
}

static int begin(struct sheet *s, const struct report *r, const char *root, struct seep_err *err)
{
    *s = (struct sheet){.suite = "seep",
                        .run = r->run == NULL ? "unknown" : r->run,
                        .profile = r->profile_name,
                        .verdict = judge_final_name(r->final.verdict),
                        .headline = r->headline,
                        .version = r->version,
                        .host = host_of(r),
                        .exit_code = r->final.exit_code,
                        .seconds = r->elapsed_s,
                        .started_ns = r->started_ns,
                        .ended_ns = r->ended_ns,
                        .root = root,
                        .arena = report_arena_new()};
    if (s->arena == NULL)
        return build_no_memory(err);
    s->command = command_of(s, r);
    if (r->live)
        s->verdict = report_strf(s->arena, "%s so far", s->verdict);
    return 0;
}

static int run_checks(struct sheet *s, const struct report *r, struct seep_err *err)
{
    s->checks = report_alloc(s->arena, r->n_gates + 4, sizeof *s->checks); // run, shutdown, reload, grade
    if (s->checks == NULL)
        return build_no_memory(err);
    check_run(s, r);
    check_gates(s, r);
    if (!r->live)
        add_check(s, "shutdown", r->shutdown.status, r->shutdown.reason);
    if (r->reload.status != JUDGE_S_SKIPPED)
        add_check(s, "reload", r->reload.status, r->reload.reason);
    check_score(s, &r->score);
    s->details = text_of_report(s, r, err);
    return s->details == NULL ? build_no_memory(err) : 0;
}

static int finish(struct sheet *s, int failed)
{
    if (failed)
        sheet_free(s);
    return failed ? -1 : 0;
}

int sheet_of_report(const struct report *r, const char *root, struct sheet *out, struct seep_err *err)
{
    int failed = begin(out, r, root, err) || run_checks(out, r, err) || sheet_findings(out, r, NULL, false, err);
    return finish(out, failed);
}

int sheet_of_report_since(const struct compare *c, const char *root, struct sheet *out, struct seep_err *err)
{
    int failed = begin(out, c->candidate, root, err) || run_checks(out, c->candidate, err);
    out->base = c->base->run;
    return finish(out, failed || sheet_findings(out, c->candidate, c, false, err));
}

// ---- a comparison ---------------------------------------------------------------------------------------------------

static enum judge_status status_of(const struct compare_figure *f)
{
    switch (f->difference.change) {
    case JUDGE_CHANGE_REGRESSION:
        return JUDGE_S_FAIL;
    case JUDGE_CHANGE_UNCLEAR:
    case JUDGE_CHANGE_UNKNOWN:
        return f->decisive ? JUDGE_S_INCONCLUSIVE : JUDGE_S_SKIPPED;
    default:
        return JUDGE_S_PASS;
    }
}

static const char *figure_reason(struct sheet *s, const struct compare_figure *f)
{
    char from[48], to[48], by[48], lo[48], hi[48];
    const struct judge_difference *d = &f->difference;
    if (!isfinite(d->value))
        return "One of the two runs has no such figure.";
    judge_format(from, sizeof from, f->base.value, f->unit);
    judge_format(to, sizeof to, f->candidate.value, f->unit);
    judge_format(by, sizeof by, d->value, f->unit);
    judge_format(lo, sizeof lo, d->lo, f->unit);
    judge_format(hi, sizeof hi, d->hi, f->unit);
    return report_strf(s->arena, "It went from %s to %s: a difference of %s (90 %% interval %s..%s), %s%s%s.", from, to,
                       by, lo, hi, judge_change_name(d->change), d->change == JUDGE_CHANGE_REGRESSION ? ", " : "",
                       d->change == JUDGE_CHANGE_REGRESSION ? judge_severity_name(d->severity) : "");
}

static int compare_checks(struct sheet *s, const struct compare *c, struct seep_err *err)
{
    s->checks = report_alloc(s->arena, c->n_figures + 2, sizeof *s->checks);
    if (s->checks == NULL)
        return build_no_memory(err);
    add_check(s, "comparison", judge_status_of(c->verdict), c->headline);
    for (size_t i = 0; i < c->n_figures; i++) {
        const struct compare_figure *f = &c->figures[i];
        const char *reason = figure_reason(s, f);
        if (reason == NULL)
            return build_no_memory(err);
        put_figures(add_check(s, f->name, status_of(f), reason), f->candidate.value, f->base.value, f->unit);
    }
    if (c->stacks_compared) {
        const char *reason = report_strf(s->arena, "%zu call stack%s new or steeper than in the base.",
                                         c->n_worse_stacks, c->n_worse_stacks == 1 ? " is" : "s are");
        if (reason == NULL)
            return build_no_memory(err);
        add_check(s, "stacks", c->n_worse_stacks > 0 ? JUDGE_S_FAIL : JUDGE_S_PASS, reason)->of_stacks = true;
    }
    return 0;
}

static const char *text_of_compare(struct sheet *s, const struct compare *c, struct seep_err *err)
{
    const struct report_style style = {.width = 100};
    struct seep_buf out;
    buf_init(&out, 4u << 20);
    const char *text = compare_text(c, &style, &out, err) == 0 ? report_strdup(s->arena, out.data) : NULL;
    buf_free(&out);
    return text;
}

int sheet_of_compare(const struct compare *c, const char *root, struct sheet *out, struct seep_err *err)
{
    int failed = begin(out, c->candidate, root, err);
    out->suite = "seep compare";
    out->base = c->base->run == NULL ? "unknown" : c->base->run;
    out->verdict = judge_verdict_name(c->verdict);
    out->headline = c->headline;
    out->exit_code = compare_exit_code(c);
    if (!failed)
        failed = compare_checks(out, c, err) || sheet_findings(out, c->candidate, c, true, err);
    if (!failed) {
        out->details = text_of_compare(out, c, err);
        failed = out->details == NULL ? build_no_memory(err) : 0;
    }
    return finish(out, failed);
}

void sheet_free(struct sheet *s)
{
    report_arena_free(s->arena);
    *s = (struct sheet){0};
}
