// A comparison as Markdown: for a comment on a change, so only what changed, and what became worse first.
#include "report/compare.h"
#include "report/md.h"
#include "report/sheet.h"

#include <math.h>

enum { FRAMES_SHOWN = 6 };

static void put_figure(struct md *m, const struct compare_figure *f)
{
    const struct judge_difference *d = &f->difference;
    bool bad = d->change == JUDGE_CHANGE_REGRESSION;
    md_row(m);
    buf_str(m->out, "| ");
    md_foreign(m, f->name);
    buf_str(m->out, " | ");
    md_value(m, f->base.value, f->unit);
    buf_str(m->out, " | ");
    md_value(m, f->candidate.value, f->unit);
    buf_str(m->out, " | ");
    if (isfinite(d->value)) {
        md_value(m, d->value, f->unit);
        buf_str(m->out, " \\[");
        md_value(m, d->lo, f->unit);
        buf_str(m->out, ", ");
        md_value(m, d->hi, f->unit);
        buf_str(m->out, "\\]");
    }
    buf_printf(m->out, " | %s%s%s%s%s |\n", bad ? "**" : "", judge_change_name(d->change), bad ? ", " : "",
               bad ? judge_severity_name(d->severity) : "", bad ? "**" : "");
    md_row_end(m);
}

// Regressions first, then what stays open and a gate asks for, then improvements. The rest is no news.
static int weight_of(const struct compare_figure *f)
{
    switch (f->difference.change) {
    case JUDGE_CHANGE_REGRESSION:
        return 0;
    case JUDGE_CHANGE_IMPROVEMENT:
        return 2;
    case JUDGE_CHANGE_UNCLEAR:
    case JUDGE_CHANGE_UNKNOWN:
        return f->decisive ? 1 : 3;
    default:
        return 3;
    }
}

static void put_figures(struct md *m, const struct compare *c)
{
    size_t still = 0;
    md_section(m, "\n| figure | base | candidate | difference \\[90 %\\] | change |\n|---|---:|---:|---:|---|\n");
    for (int weight = 0; weight < 3; weight++)
        for (size_t i = 0; i < c->n_figures; i++)
            if (weight_of(&c->figures[i]) == weight)
                put_figure(m, &c->figures[i]);
    for (size_t i = 0; i < c->n_figures; i++)
        still += weight_of(&c->figures[i]) == 3;
    md_section(m, NULL);
    md_row(m);
    buf_printf(m->out, "\n%zu of %zu figures show no change that counts.\n", still, c->n_figures);
    md_row_end(m);
}

static void put_stack(struct md *m, const struct sheet *s, const struct compare_stack *d)
{
    struct seep_buf chain;
    buf_init(&chain, 64 * 1024);
    sheet_chain(s, d->candidate != NULL ? d->candidate : d->base, FRAMES_SHOWN, &chain);
    md_row(m);
    buf_printf(m->out, "- **%s** %s", judge_stack_change_name(d->difference.change),
               d->difference.value > 0 ? "+" : "");
    md_value(m, d->difference.value, JUDGE_U_BYTES_PER_S);
    buf_str(m->out, ": ");
    md_foreign(m, chain.data == NULL ? "unknown" : chain.data);
    buf_char(m->out, '\n');
    md_row_end(m);
    buf_free(&chain);
}

static void put_sentences(struct md *m, const char *title, const char *const *sentences, size_t n)
{
    md_section(m, title);
    for (size_t i = 0; i < n; i++) {
        md_row(m);
        buf_str(m->out, "- ");
        md_foreign(m, sentences[i]);
        buf_char(m->out, '\n');
        md_row_end(m);
    }
    md_section(m, NULL);
}

int compare_markdown(const struct compare *c, const struct report_style *style, struct seep_buf *out,
                     struct seep_err *err)
{
    static const char *const words[JUDGE_VERDICTS] = {"No regression", "Regression", "Inconclusive"};
    const struct sheet s = {.root = style == NULL ? NULL : style->root};
    struct md m;
    md_init(&m, out, style == NULL ? 0 : style->limit_bytes);
    buf_printf(out, "## %s: ", words[c->verdict]);
    md_foreign(&m, c->headline);
    buf_str(out, "\n\nBase ");
    md_foreign(&m, c->base->run == NULL ? "unknown" : c->base->run);
    buf_str(out, ", candidate ");
    md_foreign(&m, c->candidate->run == NULL ? "unknown" : c->candidate->run);
    buf_str(out, ".\n");
    put_figures(&m, c);
    md_section(&m, "\n### Call stacks\n\n");
    for (size_t i = 0; i < c->n_stacks; i++)
        put_stack(&m, &s, &c->stacks[i]);
    put_sentences(&m, "\n### Look at\n\n", c->advice, c->n_advice);
    put_sentences(&m, "\n### Bear in mind\n\n", c->notes, c->n_notes);
    md_end(&m);
    return buf_check(out, "The Markdown of the comparison", err);
}
