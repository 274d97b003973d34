// Sections of the HTML report: header, figures, explained growth, and the tables.
#include "report/html.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

static const char *final_class(enum judge_final verdict)
{
    return verdict == JUDGE_FINAL_PASS ? "pass" : verdict == JUDGE_FINAL_INCONCLUSIVE ? "inc" : "fail";
}

static void put_word(const char *word, struct seep_buf *out)
{
    for (; *word != '\0'; word++)
        buf_char(out, *word == '_' ? ' ' : *word);
}

static void put_when(int64_t real_ns, struct seep_buf *out)
{
    char text[32];
    if (real_ns == SEEP_UNKNOWN)
        buf_str(out, "unknown");
    else
        buf_printf(out, "<time datetime=\"%s\">%s</time>", clock_iso8601(text, real_ns), clock_iso8601(text, real_ns));
}

void html_header(const struct report *r, struct seep_buf *out)
{
    char length[32];
    const char *klass = final_class(r->final.verdict);
    buf_printf(out,
               "<a class=\"jump\" href=\"#main\">Skip to the report</a>\n<header class=\"top %s\">\n<div class=\"in\">"
               "<p class=\"brand\">seep</p>\n<h1><span class=\"badge %s\">",
               klass, klass);
    put_word(judge_final_name(r->final.verdict), out);
    buf_printf(out, "%s</span> <span class=\"headline\">", report_verdict_note(r));
    html_name(out, r->headline);
    buf_str(out, "</span></h1>\n<p class=\"cmd\"><code>");
    for (int i = 0; i < r->target.argc; i++) {
        buf_str(out, i > 0 ? " " : "");
        html_name(out, r->target.argv[i]);
    }
    buf_str(out, "</code></p>\n<p class=\"sub\"><span>run <b>");
    html_name(out, r->run == NULL ? "unknown" : r->run);
    buf_str(out, "</b></span><span>profile <b>");
    html_name(out, r->profile_name);
    buf_str(out, "</b></span><span>started <b>");
    put_when(r->started_ns, out);
    buf_printf(out, "</b></span><span>measured <b>%s</b></span><span>exit code <b>%d</b></span></p>\n",
               units_duration(length, sizeof length, r->elapsed_s), r->final.exit_code);
    if (r->outcome_sentence != NULL && r->outcome_sentence != r->headline) {
        buf_str(out, "<p class=\"outcome\">");
        html_name(out, r->outcome_sentence);
        buf_str(out, "</p>\n");
    }
    buf_str(out, "</div></header>\n");
}

// ---- figures at a glance --------------------------------------------------------------------------------------------

static void open_tile(const char *klass, const char *label, struct seep_buf *out)
{
    buf_printf(out, "<div class=\"card tile %s\"><dt>%s</dt><dd>", klass, label);
}

static void growth_tile(const struct report *r, const char *name, const char *label, struct seep_buf *out)
{
    char slope[48], lo[48], hi[48];
    const struct report_growth *g = report_find_growth(r, name);
    if (g == NULL)
        return;
    enum judge_unit unit = g->unit == JUDGE_U_BYTES ? JUDGE_U_BYTES_PER_S : JUDGE_U_PER_S;
    judge_format(slope, sizeof slope, g->growth.slope_per_s, unit);
    judge_format(lo, sizeof lo, g->growth.lo_per_s, unit);
    judge_format(hi, sizeof hi, g->growth.hi_per_s, unit);
    open_tile(g->gate == NULL ? "skip" : html_status_class(judge_status_of(g->growth.verdict)), label, out);
    buf_printf(out, "%s</dd><dd class=\"note\">%s to %s", slope, lo, hi);
    if (g->unit == JUDGE_U_BYTES) {
        char last[32];
        buf_printf(out, "<br>now %s", units_bytes(last, sizeof last, g->last));
    } else {
        buf_printf(out, "<br>now %.0f", g->last);
    }
    buf_str(out, "</dd></div>\n");
}

static void stack_tile(const struct report *r, struct seep_buf *out)
{
    if (!r->stacks_known)
        return;
    open_tile(html_status_class(judge_status_of(r->judge_stacks.verdict)), "Growing stacks", out);
    buf_printf(out, "%zu</dd><dd class=\"note\">of %zu, %zu over budget</dd></div>\n", r->judge_stacks.n_rejected,
               r->n_stacks_total, r->judge_stacks.n_over);
}

static void load_tile(const struct report *r, struct seep_buf *out)
{
    char p99[32], rate[32];
    if (!r->has_load)
        return;
    const struct load_summary_row *all = &r->load.all;
    open_tile("skip", "p99 latency", out);
    buf_printf(out, "%s</dd><dd class=\"note\">%s<br>%.2f %% errors</dd></div>\n",
               units_duration(p99, sizeof p99, all->latency.p99_us / 1e6),
               units_value(rate, sizeof rate, all->rate_per_s, UNIT_PER_SECOND),
               isnan(all->error_ratio) ? 0 : all->error_ratio * 100);
}

static void shutdown_tile(const struct report *r, struct seep_buf *out)
{
    char after[32];
    open_tile(html_status_class(r->shutdown.status), "Shutdown", out);
    put_word(judge_status_name(r->shutdown.status), out);
    if (isfinite(r->shutdown.after_s))
        buf_printf(out, "</dd><dd class=\"note\">in %s", units_duration(after, sizeof after, r->shutdown.after_s));
    buf_str(out, "</dd></div>\n");
}

void html_tiles(const struct report *r, struct seep_buf *out)
{
    buf_str(out, "<section aria-label=\"At a glance\"><dl class=\"tiles\">\n");
    growth_tile(r, "heap", "Heap growth", out);
    growth_tile(r, "rss", "RSS growth", out);
    stack_tile(r, out);
    growth_tile(r, "fd", "Descriptor growth", out);
    load_tile(r, out);
    shutdown_tile(r, out);
    buf_str(out, "</dl></section>\n");
}

// ---- where the growth sits ------------------------------------------------------------------------------------------

static const char *const part_words[JUDGE_PARTS] = {"live heap", "fragmentation", "thread stacks", "mmap",
                                                    "files",     "shared memory", "the probe",     "unexplained"};

static void explained_bar(const struct report *r, struct seep_buf *out)
{
    double sum = 0, x = 0;
    for (int p = 0; p < JUDGE_PARTS; p++) // the probe is no part of the target's growth
        if (p != JUDGE_PART_PROBE && r->explained[p].rate.slope_per_s > 0)
            sum += r->explained[p].rate.slope_per_s;
    buf_str(out, "<svg class=\"stackbar\" viewBox=\"0 0 1000 26\" preserveAspectRatio=\"none\" aria-hidden=\"true\">");
    for (int p = 0; p < JUDGE_PARTS && sum > 0; p++) {
        double width = 1000 * r->explained[p].rate.slope_per_s / sum;
        if (p == JUDGE_PART_PROBE || !(width > 0))
            continue;
        buf_printf(out, "<rect class=\"f%d\" x=\"%.2f\" y=\"0\" width=\"%.2f\" height=\"26\"/>", p, x, width);
        x += width;
    }
    buf_str(out, "</svg>");
}

void html_explained(const struct report *r, struct seep_buf *out)
{
    char rate[48], lo[48], hi[48];
    if (!r->explained_known)
        return;
    judge_format(rate, sizeof rate, r->explained_whole.slope_per_s, JUDGE_U_BYTES_PER_S);
    buf_printf(out,
               "<section aria-labelledby=\"h-where\"><h2 id=\"h-where\">Where the RSS growth of %s sits</h2>\n"
               "<div class=\"card\">",
               rate);
    explained_bar(r, out);
    buf_str(out, "<ul class=\"parts\">");
    for (int p = 0; p < JUDGE_PARTS; p++) {
        const struct judge_rate *e = &r->explained[p].rate;
        if (!isfinite(e->slope_per_s))
            continue;
        const char *remark = p == JUDGE_PART_PROBE ? " (not counted)" : "";
        judge_format(rate, sizeof rate, e->slope_per_s, JUDGE_U_BYTES_PER_S);
        buf_printf(
            out,
            "<li><svg class=\"dot\" viewBox=\"0 0 10 10\"><rect class=\"f%d\" width=\"10\" height=\"10\" rx=\"2\"/>"
            "</svg><span>%s%s</span><b>%s</b>",
            p, part_words[p], remark, rate);
        if (isfinite(r->explained[p].share))
            buf_printf(out, "<i>%.0f %%</i>", round(r->explained[p].share * 100) + 0.0);
        judge_format(lo, sizeof lo, e->lo_per_s, JUDGE_U_BYTES_PER_S);
        judge_format(hi, sizeof hi, e->hi_per_s, JUDGE_U_BYTES_PER_S);
        buf_printf(out, "<small>%s to %s</small></li>", lo, hi);
    }
    buf_str(out, "</ul>");
    char note[160];
    if (*report_untouched_text(r, note, sizeof note))
        buf_printf(out, "<p class=\"note\">%s</p>", note);
    buf_str(out, "</div></section>\n");
}

// ---- tables ---------------------------------------------------------------------------------------------------------

static void put_status(enum judge_status status, struct seep_buf *out)
{
    buf_printf(out, "<span class=\"badge %s\">%s</span>", html_status_class(status), judge_status_name(status));
}

void html_gates(const struct report *r, struct seep_buf *out)
{
    char value[48], limit[48];
    buf_str(out, "<section aria-labelledby=\"h-gates\"><h2 id=\"h-gates\">Gates</h2>\n<div class=\"card wide\"><table>"
                 "<thead><tr><th>Gate</th><th>Status</th><th class=\"num\">Value</th><th class=\"num\">Limit</th>"
                 "<th>Why</th></tr></thead><tbody>\n");
    for (size_t i = 0; i < r->n_gates; i++) {
        const struct report_gate *g = &r->gates[i];
        buf_str(out, "<tr><td><code>");
        html_name(out, g->gate.name);
        buf_str(out, "</code></td><td>");
        put_status(g->result.status, out);
        buf_printf(out, "</td><td class=\"num\">%s</td><td class=\"num\">%s %s</td><td class=\"why\">",
                   judge_format(value, sizeof value, g->result.value, g->result.unit),
                   strcmp(judge_op_name(g->gate.op), "<") == 0 ? "&lt;"
                   : g->gate.op == JUDGE_OP_LE                 ? "&le;"
                   : g->gate.op == JUDGE_OP_GT                 ? "&gt;"
                                                               : "&ge;",
                   judge_format(limit, sizeof limit, g->result.limit, g->result.unit));
        html_name(out, g->result.reason);
        buf_str(out, "</td></tr>\n");
    }
    if (r->n_gates == 0)
        buf_str(out, "<tr><td colspan=\"5\">The profile has no gates.</td></tr>");
    buf_str(out, "</tbody></table></div></section>\n");
}

static void growth_row(const struct report_growth *g, struct seep_buf *out)
{
    char text[48];
    enum judge_unit unit = g->unit == JUDGE_U_BYTES ? JUDGE_U_BYTES_PER_S : JUDGE_U_PER_S;
    const double figures[] = {g->growth.slope_per_s, g->growth.lo_per_s, g->growth.hi_per_s, g->growth.mde_per_s};
    buf_printf(out, "<tr><td><code>%s</code></td>", g->name);
    for (size_t i = 0; i < sizeof figures / sizeof figures[0]; i++)
        buf_printf(out, "<td class=\"num\">%s</td>", judge_format(text, sizeof text, figures[i], unit));
    buf_printf(out, "<td class=\"num\">%s</td>", judge_format(text, sizeof text, g->growth.total_growth, g->unit));
    if (isfinite(g->growth.half_ratio))
        buf_printf(out, "<td class=\"num\">%.2f</td><td>", g->growth.half_ratio);
    else
        buf_str(out, "<td class=\"num\"></td><td>");
    html_name(out, g->growth.shape_text[0] != '\0' ? g->growth.shape_text : judge_shape_name(g->growth.shape));
    buf_printf(out, "</td><td class=\"gated\">%s</td><td class=\"why\">", g->gate == NULL ? "no gate" : "gated");
    html_name(out, g->growth.reason);
    buf_str(out, "</td></tr>\n");
}

void html_growths(const struct report *r, struct seep_buf *out)
{
    if (r->n_growths == 0)
        return;
    buf_str(
        out,
        "<section aria-labelledby=\"h-growth\"><h2 id=\"h-growth\">Growth of everything measured</h2>\n"
        "<div class=\"card wide\"><table><thead><tr><th>Series</th><th class=\"num\">End rate</th>"
        "<th class=\"num\">90 % from</th><th class=\"num\">to</th><th class=\"num\">Least visible</th>"
        "<th class=\"num\">In total</th><th class=\"num\" title=\"growth of the second half over the first: about 1 is "
        "linear, under 0.4 saturating\">2nd / 1st half</th><th>Shape</th><th></th><th>Why</th></tr></thead><tbody>\n");
    for (size_t i = 0; i < r->n_growths; i++)
        growth_row(&r->growths[i], out);
    buf_str(out, "</tbody></table></div></section>\n");
}

static void load_row(const struct load_summary_row *row, int depth, struct seep_buf *out)
{
    char text[48];
    bool transaction = row->kind == LOAD_SERIES_TRANSACTION;
    const struct hist_figures *h = transaction ? &row->pass : &row->latency;
    const double quantiles[] = {h->p50_us, h->p90_us, h->p95_us, h->p99_us, h->p999_us, h->max_us};
    buf_str(out, "<tr><td>");
    for (int i = 0; i < depth; i++)
        buf_str(out, "&emsp;");
    html_name(out, row->name == NULL ? "all" : row->name);
    if (transaction)
        buf_str(out, " <span class=\"note\">transaction</span>");
    buf_printf(out, "</td><td class=\"num\">%s</td>",
               units_count(text, sizeof text, (double)(transaction ? row->counts.passes : row->counts.completed)));
    buf_printf(out, "<td class=\"num\">%s</td>", units_value(text, sizeof text, row->rate_per_s, UNIT_PER_SECOND));
    buf_printf(out, "<td class=\"num\">%s</td>", units_value(text, sizeof text, row->error_ratio, UNIT_RATIO));
    for (size_t i = 0; i < sizeof quantiles / sizeof quantiles[0]; i++)
        buf_printf(out, "<td class=\"num\">%s</td>", units_duration(text, sizeof text, quantiles[i] / 1e6));
    buf_str(out, "</tr>\n");
}

// One of the user's own metrics: what it is stands where others have their rate and errors.
static void metric_row(const struct load_summary_metric *m, struct seep_buf *out)
{
    char text[48];
    const struct hist_figures *f = &m->values;
    const double quantiles[] = {f->p50_us, f->p90_us, f->p95_us, f->p99_us, f->p999_us, f->max_us};
    buf_str(out, "<tr><td>");
    html_name(out, load_summary_metric_name(m));
    buf_printf(out, " <span class=\"note\">metric</span></td><td class=\"num\">%s</td><td class=\"num\">",
               units_count(text, sizeof text, (double)m->counts.total));
    if (m->metric.kind == METRIC_COUNTER)
        buf_str(out, units_value(text, sizeof text, m->counts.sum, m->metric.unit));
    buf_str(out, "</td><td class=\"num\">");
    if (m->metric.kind == METRIC_RATE)
        buf_str(out, units_value(text, sizeof text, m->ratio, UNIT_RATIO));
    buf_str(out, "</td>");
    for (size_t i = 0; i < sizeof quantiles / sizeof quantiles[0]; i++)
        buf_printf(out, "<td class=\"num\">%s</td>",
                   m->metric.kind == METRIC_TREND ? units_value(text, sizeof text, quantiles[i], m->metric.unit) : "");
    buf_str(out, "</tr>\n");
}

void html_marks(const struct report *r, struct seep_buf *out)
{
    char count[48], rate[48], growth[48];
    if (r->n_marks == 0)
        return;
    buf_str(out, "<section aria-labelledby=\"h-marks\"><h2 id=\"h-marks\">Marked operations</h2>\n"
                 "<div class=\"card wide\"><table><thead><tr><th>Operation</th><th class=\"num\">Count</th>"
                 "<th class=\"num\">Rate</th><th class=\"num\">Heap growth for each</th></tr></thead><tbody>\n");
    for (size_t i = 0; i < r->n_marks; i++) {
        const struct report_mark *m = &r->marks[i];
        const struct report_per_op *op = report_find_per_op(r->per_op, r->n_per_op, m->name);
        buf_str(out, "<tr><td>");
        html_name(out, m->name);
        buf_printf(out, "</td><td class=\"num\">%s</td><td class=\"num\">%s</td><td class=\"num\">%s</td></tr>\n",
                   units_count(count, sizeof count, m->count),
                   units_value(rate, sizeof rate, m->rate_per_s, UNIT_PER_SECOND),
                   op == NULL ? "" : units_bytes(growth, sizeof growth, op->value.bytes_per_op));
    }
    buf_str(out, "</tbody></table></div></section>\n");
}

void html_scraped(const struct report *r, struct seep_buf *out)
{
    if (r->n_scraped == 0)
        return;
    buf_str(out,
            "<section aria-labelledby=\"h-scraped\"><h2 id=\"h-scraped\">What the target exposed</h2>\n"
            "<div class=\"card wide\"><table><thead><tr><th>Series</th><th class=\"num\">Mean</th>"
            "<th class=\"num\">Least</th><th class=\"num\">Most</th><th class=\"num\">Last</th></tr></thead><tbody>\n");
    for (size_t i = 0; i < r->n_scraped; i++) {
        const struct report_scraped *s = &r->scraped[i];
        buf_str(out, "<tr><td>");
        html_name(out, s->name);
        if (s->labels[0] != '\0') {
            buf_char(out, '{');
            html_name(out, s->labels);
            buf_char(out, '}');
        }
        buf_printf(out,
                   "%s</td><td class=\"num\">%.6g</td><td class=\"num\">%.6g</td><td class=\"num\">%.6g</td>"
                   "<td class=\"num\">%.6g</td></tr>\n",
                   s->counter ? ", a second" : "", s->mean, s->min, s->max, s->last);
    }
    buf_str(out, "</tbody></table></div></section>\n");
}

void html_load(const struct report *r, struct seep_buf *out)
{
    char cost[200];
    if (!r->has_load)
        return;
    buf_str(out, "<section aria-labelledby=\"h-load\"><h2 id=\"h-load\">Load</h2>\n<div class=\"card wide\">");
    if (r->load.saturated) {
        buf_str(out, "<p class=\"alert\">");
        html_name(out, r->load.why_saturated);
        buf_str(out, "</p>");
    }
    buf_str(
        out,
        "<table><thead><tr><th>Part</th><th class=\"num\">Requests</th><th class=\"num\">Rate</th>"
        "<th class=\"num\">Errors</th><th class=\"num\">p50</th><th class=\"num\">p90</th><th class=\"num\">p95</th>"
        "<th class=\"num\">p99</th><th class=\"num\">p99.9</th><th class=\"num\">max</th></tr></thead><tbody>\n");
    for (int i = 0; i < r->load.n_rows; i++)
        load_row(&r->load.row[i], load_summary_depth(&r->load, &r->load.row[i]), out);
    if (r->load.n_rows != 1)
        load_row(&r->load.all, 0, out);
    for (int i = 0; i < r->load.n_metrics; i++)
        metric_row(&r->load.metric[i], out);
    buf_str(out, "</tbody></table>");
    if (*report_request_cost_text(r, cost, sizeof cost))
        buf_printf(out, "<p class=\"note\">%s</p>", cost);
    buf_str(out, "</div></section>\n");
}

// ---- facts ----------------------------------------------------------------------------------------------------------

static void fact(const char *name, const char *value, struct seep_buf *out)
{
    buf_printf(out, "<dt>%s</dt><dd>", name);
    html_name(out, value == NULL || value[0] == '\0' ? "unknown" : value);
    buf_str(out, "</dd>");
}

static void level_fact(const char *name, const struct judge_level *level, bool compared, struct seep_buf *out)
{
    char difference[32], margin[32], text[96];
    if (!compared)
        return;
    snprintf(text, sizeof text, "%s%s ± %s", level->difference >= 0 ? "+" : "",
             units_bytes(difference, sizeof difference, level->difference),
             units_bytes(margin, sizeof margin, level->margin));
    fact(name, text, out);
}

void html_shutdown(const struct report *r, struct seep_buf *out)
{
    const struct report_shutdown *s = &r->shutdown;
    char text[64];
    buf_str(out, "<section aria-labelledby=\"h-stop\"><h2 id=\"h-stop\">Shutdown</h2>\n<div class=\"card\"><p>");
    put_status(s->status, out);
    buf_str(out, " ");
    html_name(out, s->reason);
    buf_str(out, "</p><dl class=\"facts\">");
    if (s->signal > 0) {
        fact("time to exit", units_duration(text, sizeof text, s->after_s), out);
        fact("limit", units_duration(text, sizeof text, s->within_s), out);
        if (s->children_left != SEEP_UNKNOWN)
            snprintf(text, sizeof text, "%lld", (long long)s->children_left);
        fact("children left", s->children_left == SEEP_UNKNOWN ? NULL : text, out);
        fact("port released", s->port_released, out);
    }
    if (r->reload.status != JUDGE_S_SKIPPED)
        fact("second cycle of the load", r->reload.reason, out);
    level_fact("heap against baseline", &s->heap, s->heap_compared, out);
    level_fact("RSS against baseline", &s->rss, s->rss_compared, out);
    if (s->at_exit.known)
        fact("never freed", units_bytes(text, sizeof text, s->at_exit.bytes), out);
    buf_str(out, "</dl></div></section>\n");
}

static void ratio_fact(const char *name, double value, struct seep_buf *out)
{
    char text[48];
    fact(name, isnan(value) ? NULL : units_value(text, sizeof text, value, UNIT_RATIO), out);
}

static void bytes_fact(const char *name, double value, struct seep_buf *out)
{
    char text[48];
    fact(name, isnan(value) ? NULL : units_bytes(text, sizeof text, value), out);
}

void html_evidence(const struct report *r, struct seep_buf *out)
{
    const struct report_evidence *e = &r->evidence;
    char text[64];
    buf_str(out, "<section aria-labelledby=\"h-evidence\"><h2 id=\"h-evidence\">Evidence</h2>\n<div class=\"card\">"
                 "<dl class=\"facts\">");
    if (e->expected == SEEP_UNKNOWN)
        snprintf(text, sizeof text, "%zu", e->samples);
    else
        snprintf(text, sizeof text, "%zu of %lld", e->samples, (long long)e->expected);
    fact("samples", text, out);
    snprintf(text, sizeof text, "%zu", e->n_gaps);
    fact("gaps", text, out);
    snprintf(text, sizeof text, "%.0f", e->lost);
    fact("lost events", text, out);
    fact("smallest leak it could have seen",
         judge_format(text, sizeof text, e->smallest_leak_per_s, JUDGE_U_BYTES_PER_S), out);
    fact("attribution", e->attribution, out);
    if (e->attribution_reason != NULL)
        fact("because", e->attribution_reason, out);
    if (isfinite(e->sampling_mean_bytes))
        bytes_fact("sampled every", e->sampling_mean_bytes, out);
    fact("live bytes are", e->heap_source, out);
    ratio_fact("walks that agree with libunwind", e->coverage, out);
    ratio_fact("CPU of the probe", e->probe_cpu, out);
    bytes_fact("memory of the probe", e->probe_rss_bytes, out);
    ratio_fact("CPU of seep", e->seep_cpu, out);
    bytes_fact("memory of seep", e->seep_rss_bytes, out);
    fact("latest tick", units_duration(text, sizeof text, e->late_max_s), out);
    fact("store", e->degraded ? "degraded: see the events" : "whole", out);
    buf_str(out, "</dl></div></section>\n");
}

void html_events(const struct report *r, struct seep_buf *out)
{
    enum { EVENTS_SHOWN = 200 };
    char when[32];
    if (r->n_events == 0)
        return;
    buf_str(out,
            "<section aria-labelledby=\"h-events\"><h2 id=\"h-events\">Events</h2>\n<div class=\"card wide\"><table>"
            "<thead><tr><th class=\"num\">At</th><th>Kind</th><th class=\"num\">Count</th><th>What</th></tr></thead>"
            "<tbody>\n");
    for (size_t i = 0; i < r->n_events && i < EVENTS_SHOWN; i++) {
        const struct report_event *e = &r->events[i];
        buf_printf(out, "<tr><td class=\"num\">%s%s</td><td>", e->from_s < 0 ? "-" : "",
                   units_clock(when, sizeof when, fabs(e->from_s)));
        html_name(out, e->kind);
        buf_str(out, "</td><td class=\"num\">");
        if (e->count != SEEP_UNKNOWN)
            buf_printf(out, "%lld", (long long)e->count);
        buf_str(out, "</td><td class=\"why\">");
        html_name(out, e->text);
        buf_str(out, "</td></tr>\n");
    }
    buf_str(out, "</tbody></table>");
    if (r->n_events > EVENTS_SHOWN)
        buf_printf(out, "<p>and %zu more in run.db</p>", r->n_events - EVENTS_SHOWN);
    buf_str(out, "</div></section>\n");
}

void html_environment(const struct report *r, struct seep_buf *out)
{
    const struct report_target *t = &r->target;
    char text[64];
    buf_str(out, "<section aria-labelledby=\"h-env\"><h2 id=\"h-env\">Target and machine</h2>\n<div class=\"card\">"
                 "<dl class=\"facts\">");
    fact("executable", t->exe, out);
    fact("SHA-256", t->sha256, out);
    fact("build-id", t->build_id, out);
    fact("allocator", t->allocator, out);
    snprintf(text, sizeof text, "%lld", (long long)t->pid);
    fact("pid", t->pid == SEEP_UNKNOWN ? NULL : text, out);
    if (isfinite(t->ready_s))
        fact("ready after", units_duration(text, sizeof text, t->ready_s), out);
    fact("end", t->exit_sentence, out);
    for (size_t i = 0; i < r->n_host; i++)
        fact(r->host[i].key, r->host[i].value, out);
    if (r->redacted != NULL)
        fact("redacted", r->redacted, out);
    buf_str(out, "</dl></div></section>\n");
}
