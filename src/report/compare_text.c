// A comparison for people, on a terminal.
#include "report/compare.h"
#include "report/text.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { NAME_COLUMN = 4, BASE_COLUMN = 34, CANDIDATE_COLUMN = 50, CHANGE_COLUMN = 66, STACKS_SHOWN = 10 };

static const char *const verdict_words[JUDGE_VERDICTS] = {"NO REGRESSION", "REGRESSION", "INCONCLUSIVE"};
static const enum text_colour verdict_colours[JUDGE_VERDICTS] = {TEXT_GREEN, TEXT_RED, TEXT_YELLOW};

static enum text_colour change_colour(enum judge_change change)
{
    return change == JUDGE_CHANGE_REGRESSION    ? TEXT_RED
           : change == JUDGE_CHANGE_IMPROVEMENT ? TEXT_GREEN
           : change == JUDGE_CHANGE_UNCLEAR     ? TEXT_YELLOW
                                                : TEXT_DIM;
}

static void put_run(struct text *t, const char *label, const struct report *r)
{
    text_printf(t, TEXT_PLAIN, "  %s", label);
    text_pad(t, 14);
    text_foreign(t, TEXT_BOLD, r->run == NULL ? "unknown" : r->run, 64);
    text_printf(t, TEXT_DIM, "  %s", judge_final_name(r->final.verdict));
    if (r->target.build_id != NULL) {
        text_put(t, TEXT_DIM, "  build-id ");
        text_foreign(t, TEXT_DIM, r->target.build_id, 12);
    }
    text_end_line(t);
}

static void put_figure(struct text *t, const struct compare_figure *f)
{
    char base[48], candidate[48], by[48], lo[48], hi[48];
    const struct judge_difference *d = &f->difference;
    text_pad(t, NAME_COLUMN);
    text_foreign(t, TEXT_PLAIN, f->name, BASE_COLUMN - NAME_COLUMN - 1);
    text_pad(t, BASE_COLUMN);
    text_put(t, TEXT_PLAIN, judge_format(base, sizeof base, f->base.value, f->unit));
    text_pad(t, CANDIDATE_COLUMN);
    text_put(t, TEXT_PLAIN, judge_format(candidate, sizeof candidate, f->candidate.value, f->unit));
    text_pad(t, CHANGE_COLUMN);
    text_put(t, change_colour(d->change), judge_change_name(d->change));
    if (d->severity != JUDGE_SEVERITY_NONE)
        text_printf(t, TEXT_BOLD, " %s", judge_severity_name(d->severity));
    if (isfinite(d->value))
        text_printf(t, TEXT_DIM, "  by %s [%s, %s], allowed %s", judge_format(by, sizeof by, d->value, f->unit),
                    judge_format(lo, sizeof lo, d->lo, f->unit), judge_format(hi, sizeof hi, d->hi, f->unit),
                    judge_format(base, sizeof base, d->allowed, f->unit));
    else if (f->base.why != NULL || f->candidate.why != NULL)
        text_printf(t, TEXT_DIM, "  %s", f->candidate.why != NULL ? f->candidate.why : f->base.why);
    text_end_line(t);
}

static void put_figures(struct text *t, const struct compare *c)
{
    text_put(t, TEXT_DIM, "  figure");
    text_pad(t, BASE_COLUMN);
    text_put(t, TEXT_DIM, "base");
    text_pad(t, CANDIDATE_COLUMN);
    text_put(t, TEXT_DIM, "candidate");
    text_pad(t, CHANGE_COLUMN);
    text_put(t, TEXT_DIM, "change (90 % interval of the difference)");
    text_end_line(t);
    for (size_t i = 0; i < c->n_figures; i++)
        put_figure(t, &c->figures[i]);
}

static void put_stack(struct text *t, const struct compare_stack *s)
{
    char by[48];
    bool worse = s->difference.change == JUDGE_STACK_NEW || s->difference.change == JUDGE_STACK_STEEPER;
    text_pad(t, NAME_COLUMN);
    text_put(t, worse ? TEXT_RED : TEXT_GREEN, judge_stack_change_name(s->difference.change));
    text_pad(t, NAME_COLUMN + 9);
    if (worse)
        text_put(t, TEXT_BOLD, judge_severity_name(s->difference.severity));
    text_pad(t, NAME_COLUMN + 18);
    text_printf(t, TEXT_PLAIN, "%s%s  ", s->difference.value > 0 ? "+" : "",
                judge_format(by, sizeof by, s->difference.value, JUDGE_U_BYTES_PER_S));
    text_chain(t, s->candidate != NULL ? s->candidate : s->base);
    text_end_line(t);
}

static void put_stacks(struct text *t, const struct compare *c)
{
    if (!c->stacks_compared)
        return;
    if (c->n_stacks == 0) {
        text_put(t, TEXT_DIM, "  no call stack is new, steeper, slower or gone");
        text_end_line(t);
        return;
    }
    text_put(t, TEXT_DIM, "  call stacks");
    text_end_line(t);
    for (size_t i = 0; i < c->n_stacks && i < STACKS_SHOWN; i++)
        put_stack(t, &c->stacks[i]);
    if (c->n_stacks > STACKS_SHOWN) {
        text_printf(t, TEXT_DIM, "    and %zu more", c->n_stacks - STACKS_SHOWN);
        text_end_line(t);
    }
}

static void put_sentences(struct text *t, const char *label, const char *const *sentences, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        text_printf(t, TEXT_PLAIN, "  %s", i == 0 ? label : "");
        text_pad(t, 14);
        text_wrapped(t, TEXT_PLAIN, sentences[i], 14);
        text_end_line(t);
    }
}

int compare_text(const struct compare *c, const struct report_style *style, struct seep_buf *out, struct seep_err *err)
{
    struct text t;
    text_init(&t, style, out);
    text_put(&t, verdict_colours[c->verdict], verdict_words[c->verdict]);
    text_put(&t, TEXT_PLAIN, "  ");
    text_wrapped(&t, TEXT_BOLD, c->headline, t.column);
    text_printf(&t, TEXT_DIM, "   exit %d", compare_exit_code(c));
    text_end_line(&t);
    put_run(&t, "base", c->base);
    put_run(&t, "candidate", c->candidate);
    put_figures(&t, c);
    put_stacks(&t, c);
    put_sentences(&t, "look at", c->advice, c->n_advice);
    put_sentences(&t, "note", c->notes, c->n_notes);
    return buf_check(out, "The text of the comparison", err);
}
