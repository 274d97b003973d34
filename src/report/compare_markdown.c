// A comparison as Markdown: for a comment on a change, so what became worse stands first.
#include "base/esc.h"
#include "report/compare.h"

#include <math.h>
#include <string.h>

enum { STACKS_SHOWN = 20, FRAMES_SHOWN = 6 };

static void put_value(struct seep_buf *out, double value, enum judge_unit unit)
{
    char text[48];
    buf_str(out, judge_format(text, sizeof text, value, unit));
}

static void put_foreign(struct seep_buf *out, const char *s)
{
    esc_markdown(out, s, strlen(s));
}

static void put_figure(struct seep_buf *out, const struct compare_figure *f)
{
    const struct judge_difference *d = &f->difference;
    buf_str(out, "| ");
    put_foreign(out, f->name);
    buf_str(out, " | ");
    put_value(out, f->base.value, f->unit);
    buf_str(out, " | ");
    put_value(out, f->candidate.value, f->unit);
    buf_str(out, " | ");
    if (isfinite(d->value)) {
        put_value(out, d->value, f->unit);
        buf_str(out, " \\[");
        put_value(out, d->lo, f->unit);
        buf_str(out, ", ");
        put_value(out, d->hi, f->unit);
        buf_str(out, "\\]");
    }
    bool bad = d->change == JUDGE_CHANGE_REGRESSION;
    buf_printf(out, " | %s%s%s%s%s |\n", bad ? "**" : "", judge_change_name(d->change), bad ? ", " : "",
               bad ? judge_severity_name(d->severity) : "", bad ? "**" : "");
}

static void put_figures(struct seep_buf *out, const struct compare *c)
{
    buf_str(out, "\n| figure | base | candidate | difference \\[90 %\\] | change |\n|---|---:|---:|---:|---|\n");
    for (size_t i = 0; i < c->n_figures; i++)
        if (c->figures[i].difference.change == JUDGE_CHANGE_REGRESSION)
            put_figure(out, &c->figures[i]);
    for (size_t i = 0; i < c->n_figures; i++)
        if (c->figures[i].difference.change != JUDGE_CHANGE_REGRESSION)
            put_figure(out, &c->figures[i]);
}

static void put_stack(struct seep_buf *out, const struct compare_stack *s)
{
    const struct report_stack *shown = s->candidate != NULL ? s->candidate : s->base;
    buf_printf(out, "- **%s** %s", judge_stack_change_name(s->difference.change), s->difference.value > 0 ? "+" : "");
    put_value(out, s->difference.value, JUDGE_U_BYTES_PER_S);
    buf_str(out, ": ");
    for (size_t i = 0; i < shown->n_frames && i < FRAMES_SHOWN; i++) {
        const struct report_frame *f = &shown->frames[i];
        buf_str(out, i == 0 ? "" : " < ");
        put_foreign(out, f->function != NULL ? f->function : f->module);
        if (i == 0 && f->file != NULL) {
            buf_str(out, " ");
            put_foreign(out, f->file);
            buf_printf(out, ":%d", f->line);
        }
    }
    buf_char(out, '\n');
}

static void put_sentences(struct seep_buf *out, const char *title, const char *const *sentences, size_t n)
{
    if (n > 0)
        buf_printf(out, "\n%s\n\n", title);
    for (size_t i = 0; i < n; i++) {
        buf_str(out, "- ");
        put_foreign(out, sentences[i]);
        buf_char(out, '\n');
    }
}

int compare_markdown(const struct compare *c, struct seep_buf *out, struct seep_err *err)
{
    static const char *const words[JUDGE_VERDICTS] = {"No regression", "Regression", "Inconclusive"};
    buf_printf(out, "## %s: ", words[c->verdict]);
    put_foreign(out, c->headline);
    buf_str(out, "\n\nBase ");
    put_foreign(out, c->base->run == NULL ? "unknown" : c->base->run);
    buf_str(out, ", candidate ");
    put_foreign(out, c->candidate->run == NULL ? "unknown" : c->candidate->run);
    buf_str(out, ".\n");
    put_figures(out, c);
    if (c->n_stacks > 0)
        buf_str(out, "\n### Call stacks\n\n");
    for (size_t i = 0; i < c->n_stacks && i < STACKS_SHOWN; i++)
        put_stack(out, &c->stacks[i]);
    if (c->n_stacks > STACKS_SHOWN)
        buf_printf(out, "- and %zu more\n", c->n_stacks - STACKS_SHOWN);
    put_sentences(out, "### Look at", c->advice, c->n_advice);
    put_sentences(out, "### Bear in mind", c->notes, c->n_notes);
    return buf_check(out, "The Markdown of the comparison", err);
}
