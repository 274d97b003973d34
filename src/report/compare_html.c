// A comparison as one self-contained page, in the dress of the report's: figures with their differences, and the call
// stacks that changed.
#include "base/fs.h"
#include "report/compare.h"
#include "report/html.h"
#include "report/sheet.h"

#include <math.h>

enum { STACKS_SHOWN = 200, FRAMES_SHOWN = 12 };

static void put_value(struct seep_buf *out, double value, enum judge_unit unit)
{
    char text[48];
    html_name(out, judge_format(text, sizeof text, value, unit));
}

static const char *verdict_class(enum judge_verdict v)
{
    return v == JUDGE_PASS ? "pass" : v == JUDGE_FAIL ? "fail" : "inc";
}

static void put_head(const struct compare *c, const char *nonce, struct seep_buf *out)
{
    static const char *const words[JUDGE_VERDICTS] = {"no regression", "regression", "inconclusive"};
    const char *klass = verdict_class(c->verdict);
    html_begin(words[c->verdict], c->candidate->run, nonce, out);
    buf_printf(out,
               "<header class=\"top %s\">\n<div class=\"in\"><p class=\"brand\">seep compare</p>\n<h1><span "
               "class=\"badge %s\">%s</span> <span class=\"headline\">",
               klass, klass, words[c->verdict]);
    html_name(out, c->headline);
    buf_str(out, "</span></h1>\n<p class=\"sub\"><span>base <b>");
    html_name(out, c->base->run == NULL ? "unknown" : c->base->run);
    buf_str(out, "</b></span><span>candidate <b>");
    html_name(out, c->candidate->run == NULL ? "unknown" : c->candidate->run);
    buf_printf(out,
               "</b></span><span>exit code <b>%d</b></span></p>\n</div></header>\n<main id=\"main\" class=\"doc\">\n",
               compare_exit_code(c));
}

static void put_figure(const struct compare_figure *f, struct seep_buf *out)
{
    const struct judge_difference *d = &f->difference;
    const char *klass = d->change == JUDGE_CHANGE_REGRESSION    ? "fail"
                        : d->change == JUDGE_CHANGE_IMPROVEMENT ? "pass"
                        : d->change == JUDGE_CHANGE_SAME        ? "skip"
                                                                : "inc";
    buf_printf(out, "<tr><td><span class=\"badge %s\">%s</span></td><td>", klass, judge_change_name(d->change));
    html_name(out, f->name);
    buf_str(out, "</td><td class=\"num\">");
    put_value(out, f->base.value, f->unit);
    buf_str(out, "</td><td class=\"num\">");
    put_value(out, f->candidate.value, f->unit);
    buf_str(out, "</td><td class=\"num\">");
    if (isfinite(d->value)) {
        put_value(out, d->value, f->unit);
        buf_str(out, " [");
        put_value(out, d->lo, f->unit);
        buf_str(out, ", ");
        put_value(out, d->hi, f->unit);
        buf_char(out, ']');
    }
    buf_printf(out, "</td><td>%s</td></tr>\n",
               d->change == JUDGE_CHANGE_REGRESSION ? judge_severity_name(d->severity) : "");
}

static void put_figures(const struct compare *c, struct seep_buf *out)
{
    buf_str(out,
            "<section><h2>Figures</h2><div class=\"card wide\"><table><thead><tr><th>change</th><th>figure</th><th "
            "class=\"num\">base</th><th class=\"num\">candidate</th><th class=\"num\">difference [90 % "
            "interval]</th><th>severity</th></tr></thead><tbody>\n");
    for (size_t i = 0; i < c->n_figures; i++)
        put_figure(&c->figures[i], out);
    buf_str(out, "</tbody></table></div></section>\n");
}

static void put_stack(const struct sheet *s, const struct compare_stack *d, struct seep_buf *out)
{
    struct seep_buf chain;
    bool worse = d->difference.change == JUDGE_STACK_NEW || d->difference.change == JUDGE_STACK_STEEPER;
    buf_init(&chain, 64 * 1024);
    sheet_chain(s, d->candidate != NULL ? d->candidate : d->base, FRAMES_SHOWN, &chain);
    buf_printf(out, "<tr><td><span class=\"badge %s\">%s</span></td><td class=\"num\">", worse ? "fail" : "pass",
               judge_stack_change_name(d->difference.change));
    put_value(out, d->difference.value, JUDGE_U_BYTES_PER_S);
    buf_str(out, "</td><td><code>");
    html_name(out, chain.data == NULL ? "unknown" : chain.data);
    buf_str(out, "</code></td></tr>\n");
    buf_free(&chain);
}

static void put_stacks(const struct compare *c, const struct report_style *style, struct seep_buf *out)
{
    const struct sheet s = {.root = style == NULL ? NULL : style->root};
    buf_str(out, "<section><h2>Call stacks that changed</h2>\n");
    if (!c->stacks_compared)
        buf_str(out, "<p>Call stacks were not recorded in both runs.</p>\n");
    else if (c->n_stacks == 0)
        buf_str(out, "<p>No call stack is new, steeper, slower or gone.</p>\n");
    else
        buf_str(out,
                "<div class=\"card wide\"><table><thead><tr><th>change</th><th class=\"num\">difference</th><th>stack, "
                "innermost first</th></tr></thead><tbody>\n");
    for (size_t i = 0; i < c->n_stacks && i < STACKS_SHOWN; i++)
        put_stack(&s, &c->stacks[i], out);
    if (c->n_stacks > 0)
        buf_str(out, "</tbody></table></div>\n");
    if (c->n_stacks > STACKS_SHOWN)
        buf_printf(out, "<p>and %zu more</p>\n", c->n_stacks - STACKS_SHOWN);
    buf_str(out, "</section>\n");
}

static void put_sentences(const char *title, const char *const *sentences, size_t n, struct seep_buf *out)
{
    if (n == 0)
        return;
    buf_printf(out, "<section><h2>%s</h2><ul>\n", title);
    for (size_t i = 0; i < n; i++) {
        buf_str(out, "<li>");
        html_name(out, sentences[i]);
        buf_str(out, "</li>\n");
    }
    buf_str(out, "</ul></section>\n");
}

int compare_html(const struct compare *c, const struct report_style *style, struct seep_buf *out, struct seep_err *err)
{
    char nonce[33];
    if (fs_random_hex(nonce, err) != 0)
        return -1;
    put_head(c, nonce, out);
    put_figures(c, out);
    put_stacks(c, style, out);
    put_sentences("Look at", c->advice, c->n_advice, out);
    put_sentences("Bear in mind", c->notes, c->n_notes, out);
    buf_str(out, "</main>\n</body>\n</html>\n");
    return buf_check(out, "The page of the comparison", err);
}
