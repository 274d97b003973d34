// A comparison of variants for readers: as Markdown, and as one self-contained page with its intervals drawn.
#include "base/fs.h"
#include "report/doc.h"
#include "report/html.h"
#include "report/variants.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { ROW = 22, PLOT_W = 900, PLOT_LEFT = 250, PLOT_RIGHT = 190, PLOT_TOP = 8, PLOT_BOTTOM = 26, PLOT_ROWS = 60 };
enum { CHART_W = 640, CHART_H = 260, CHART_LEFT = 80, CHART_EDGE = 20, CHART_BOTTOM = 34 };

// ---- tables, for both

static void put_gates(struct doc *d, const struct variants *v)
{
    char text[400];
    if (v->n_gates == 0)
        return;
    doc_heading(d, 2, "Gates across variants");
    doc_table(d, "status|gate|what it came to");
    for (int i = 0; i < v->n_gates; i++) {
        const struct variants_gate *g = &v->gate[i];
        doc_cell(d, "%s", variants_gate_word(g));
        doc_cell(d, "%s", g->text);
        variants_gate_text(g, text, sizeof text);
        doc_cell(d, "%s%s%s", text, g->reason[0] ? "; " : "", g->reason);
    }
    doc_table_end(d);
}

static void put_figures(struct doc *d, const struct variants *v)
{
    char heads[VARIANTS_MAX * (2 * VARIANTS_NAME_BYTES + 20) + 16] = "figure", value[48], ratio[64];
    doc_heading(d, 2, "Figures");
    for (int k = 0; k < v->n; k++) {
        size_t len = strlen(heads);
        snprintf(heads + len, sizeof heads - len, k == 0 ? "|>%s" : "|>%s|>%s : %s", v->one[k].name, v->one[k].name,
                 v->one[0].name);
    }
    doc_table(d, heads);
    for (size_t i = 0; i < v->n_figures; i++) {
        const struct variants_figure *f = &v->figure[i];
        for (int k = 0; k < v->n && f->listed; k++) {
            struct judge_paired p;
            if (k == 0)
                doc_cell(d, "%s", f->name);
            doc_cell(d, "%s", judge_format(value, sizeof value, variants_median(v, f, k), f->unit));
            variants_ratio(v, f, k, &p);
            if (k > 0)
                doc_cell(d, "%s", variants_ratio_text(&p, ratio, sizeof ratio));
        }
    }
    doc_table_end(d);
}

static const struct variants_figure *throughput(const struct variants *v)
{
    for (size_t i = 0; i < v->n_figures; i++)
        if (!strcmp(v->figure[i].name, "http.rate"))
            return &v->figure[i];
    return NULL;
}

static bool has_scaling(const struct variants *v)
{
    struct judge_paired p;
    bool any = false;
    for (int k = 0; k < v->n; k++) {
        variants_scaling(v, k, &p);
        any |= p.n > 0;
    }
    return any;
}

static void put_scaling(struct doc *d, const struct variants *v)
{
    char value[48], each[48], ratio[64];
    doc_heading(d, 2, "Scaling");
    doc_text(d, "Efficiency is the throughput an instance against that of %s in the same round: 1 is perfect.",
             v->one[0].name);
    doc_table(d, "variant|>instances|>throughput|>an instance|>efficiency");
    for (int k = 0; k < v->n; k++) {
        struct judge_paired p;
        variants_scaling(v, k, &p);
        if (p.n == 0)
            continue;
        double rate = variants_median(v, throughput(v), k);
        doc_cell(d, "%s", v->one[k].name);
        doc_cell(d, "%.0f", v->one[k].instances);
        doc_cell(d, "%s", judge_format(value, sizeof value, rate, JUDGE_U_PER_S));
        doc_cell(d, "%s", judge_format(each, sizeof each, rate / v->one[k].instances, JUDGE_U_PER_S));
        doc_cell(d, "%s", variants_ratio_text(&p, ratio, sizeof ratio));
    }
    doc_table_end(d);
}

static void put_runs(struct doc *d, const struct variants *v)
{
    doc_heading(d, 2, "Runs");
    doc_table(d, "variant|>round|run|verdict");
    for (int k = 0; k < v->n; k++)
        for (int r = 0; r < v->planned && v->one[k].round[r].run[0]; r++) {
            doc_cell(d, "%s", v->one[k].name);
            doc_cell(d, "%d", r + 1);
            doc_cell(d, "%s", v->one[k].round[r].run);
            doc_cell(d, "%s", v->one[k].round[r].verdict ? v->one[k].round[r].verdict : "no verdict");
        }
    doc_table_end(d);
    doc_list(d);
    for (int k = 1; k < v->n; k++)
        doc_item(d, "%s is worse than %s in %d of %d rounds: seep compare %s %s", v->one[k].name, v->one[0].name,
                 v->one[k].rounds_worse, v->rounds, v->one[0].round[0].run, v->one[k].round[0].run);
    doc_list_end(d);
}

static void put_title(struct doc *d, const struct variants *v)
{
    char text[400];
    doc_text(d, "%s.", variants_title_text(v, text, sizeof text));
    if (v->ended_early)
        doc_text(d, "%s", v->ended_early);
}

void variants_markdown(const struct variants *v, struct seep_buf *out)
{
    struct doc d = {.out = out};
    doc_begin(&d, "variants", v->name, NULL);
    put_title(&d, v);
    put_gates(&d, v);
    put_figures(&d, v);
    if (has_scaling(v))
        put_scaling(&d, v);
    put_runs(&d, v);
    doc_end(&d);
}

// ---- the ratios drawn: a line an interval, on a logarithmic axis around 1

struct axis {
    double lo, hi; // logarithms
};

static double place(const struct axis *a, double ratio)
{
    return PLOT_LEFT + (log(ratio) - a->lo) / (a->hi - a->lo) * (PLOT_W - PLOT_LEFT - PLOT_RIGHT);
}

// Wide enough for every value and at least 5 % to both sides; intervals that reach further are cut.
static struct axis find_axis(const struct variants *v)
{
    double reach = log(1.05);
    for (size_t i = 0; i < v->n_figures; i++)
        for (int k = 1; k < v->n && v->figure[i].listed; k++) {
            struct judge_paired p;
            variants_ratio(v, &v->figure[i], k, &p);
            if (p.n > 0)
                reach = fmax(reach, 1.15 * fabs(log(p.mean)));
        }
    return (struct axis){-fmin(reach, log(1e6)), fmin(reach, log(1e6))};
}

static void put_interval(const struct axis *a, const struct judge_paired *p, int k, double y, struct seep_buf *out)
{
    double least = exp(a->lo), most = exp(a->hi);
    if (p->n > 1)
        buf_printf(out, "<path class=\"line l%d\" d=\"M%.1f %.1fH%.1f\"/>", k, place(a, fmax(p->lo, least)), y,
                   place(a, fmin(p->hi, most)));
    buf_printf(out, "<circle class=\"f%d\" cx=\"%.1f\" cy=\"%.1f\" r=\"4\"/>", k,
               place(a, fmin(fmax(p->mean, least), most)), y);
}

static size_t put_plot_rows(const struct variants *v, const struct axis *a, struct seep_buf *out)
{
    char ratio[64];
    size_t row = 0;
    for (size_t i = 0; i < v->n_figures; i++)
        for (int k = 1; k < v->n && v->figure[i].listed && row < PLOT_ROWS; k++) {
            struct judge_paired p;
            variants_ratio(v, &v->figure[i], k, &p);
            if (p.n == 0)
                continue;
            double y = PLOT_TOP + ROW * ((double)row++ + 0.5);
            buf_printf(out, "<text class=\"ax\" x=\"%d\" y=\"%.1f\" text-anchor=\"end\">", PLOT_LEFT - 12, y + 4);
            html_name(out, v->figure[i].name);
            buf_printf(out, " %s</text><text class=\"ax\" x=\"%d\" y=\"%.1f\">%s</text>", v->one[k].name,
                       PLOT_W - PLOT_RIGHT + 12, y + 4, variants_ratio_text(&p, ratio, sizeof ratio));
            put_interval(a, &p, k, y, out);
        }
    return row;
}

static void put_plot(const struct variants *v, struct seep_buf *out)
{
    struct axis a = find_axis(v);
    struct seep_buf rows;
    buf_init(&rows, 1u << 20);
    size_t n = put_plot_rows(v, &a, &rows);
    int bottom = PLOT_TOP + ROW * (int)n;
    if (n > 0 && rows.data) {
        buf_printf(
            out,
            "<h2>Against %s</h2><div class=\"card wide\"><svg class=\"ratios\" viewBox=\"0 0 %d %d\" role=\"img\" "
            "aria-label=\"ratios with their intervals\"><path class=\"grid\" d=\"M%.1f %dV%d\"/>",
            v->one[0].name, PLOT_W, bottom + PLOT_BOTTOM, place(&a, 1), PLOT_TOP, bottom);
        const double marks[] = {exp(a.lo), 1, exp(a.hi)};
        for (size_t i = 0; i < 3; i++)
            buf_printf(out, "<text class=\"ax\" x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%.3g</text>",
                       place(&a, marks[i]), bottom + 18, marks[i]);
        buf_add(out, rows.data, rows.len);
        buf_str(out, "</svg></div>\n");
    }
    buf_free(&rows);
}

// ---- throughput over instances, beside the straight line that perfect scaling would be

struct scale {
    double instances, rate;
};

static double chart_x(const struct scale *most, double instances)
{
    return CHART_LEFT + instances / most->instances * (CHART_W - CHART_LEFT - CHART_EDGE);
}

static double chart_y(const struct scale *most, double rate)
{
    return CHART_H - CHART_BOTTOM - rate / most->rate * (CHART_H - CHART_BOTTOM - CHART_EDGE);
}

static void put_point(const struct variants *v, int k, const struct scale *most, struct seep_buf *out)
{
    char text[48];
    const struct variants_figure *f = throughput(v);
    double x = chart_x(most, v->one[k].instances);
    for (int r = 0; r < v->rounds; r++)
        if (isfinite(f->value[k][r]))
            buf_printf(out, "<circle class=\"f%d\" cx=\"%.1f\" cy=\"%.1f\" r=\"3.5\"/>", k, x,
                       chart_y(most, f->value[k][r]));
    buf_printf(out,
               "<text class=\"ax\" x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%.0f</text><text class=\"ax\" "
               "x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">%s</text>",
               x, CHART_H - 14, v->one[k].instances, x - 8, chart_y(most, variants_median(v, f, k)) + 4,
               judge_format(text, sizeof text, variants_median(v, f, k), JUDGE_U_PER_S));
}

static void put_scaling_chart(const struct variants *v, struct seep_buf *out)
{
    const struct variants_figure *f = throughput(v);
    struct scale most = {0, 0};
    double one = variants_median(v, f, 0) / v->one[0].instances;
    for (int k = 0; k < v->n; k++) {
        most.instances = fmax(most.instances, v->one[k].instances);
        for (int r = 0; r < v->rounds; r++)
            most.rate = fmax(most.rate, f->value[k][r]);
    }
    most.rate = fmax(most.rate, one * most.instances);
    if (!(most.rate > 0))
        return;
    buf_printf(
        out,
        "<figure class=\"card chart\"><figcaption>Throughput by instances; the line is perfect "
        "scaling</figcaption><svg class=\"scaling\" viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"throughput "
        "by instances\"><path class=\"grid\" d=\"M%d %dH%d\"/><path class=\"line l7\" d=\"M%.1f %.1fL%.1f %.1f\"/>",
        CHART_W, CHART_H, CHART_LEFT, CHART_H - CHART_BOTTOM, CHART_W - CHART_EDGE, chart_x(&most, 0),
        chart_y(&most, 0), chart_x(&most, most.instances), chart_y(&most, one * most.instances));
    for (int k = 0; k < v->n; k++)
        if (v->one[k].instances > 0)
            put_point(v, k, &most, out);
    buf_str(out, "</svg></figure>\n");
}

int variants_html(const struct variants *v, struct seep_buf *out, struct seep_err *err)
{
    char nonce[33];
    struct doc d = {.out = out, .html = true};
    if (fs_random_hex(nonce, err))
        return -1;
    doc_begin(&d, "variants", v->name, nonce);
    put_title(&d, v);
    put_gates(&d, v);
    put_figures(&d, v);
    put_plot(v, out);
    if (has_scaling(v)) {
        put_scaling(&d, v);
        put_scaling_chart(v, out);
    }
    put_runs(&d, v);
    doc_end(&d);
    return buf_check(out, "The page of the comparison", err);
}
