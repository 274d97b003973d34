// The summary of a load as lines of text: see summary.h.
#include "base/units.h"
#include "load/summary.h"

#include <math.h>

static const char *duration(char *out, size_t size, double us)
{
    return isnan(us) ? "-" : units_duration(out, size, us / 1e6);
}

static const char *count(char *out, size_t size, uint64_t n)
{
    return units_count(out, size, (double)n);
}

static void text_durations(struct seep_buf *out, const char *what, const struct hist_figures *f)
{
    char b[7][32];
    buf_printf(out, "  %-9s p50 %s  p90 %s  p95 %s  p99 %s  p99.9 %s  max %s  mean %s\n", what,
               duration(b[0], sizeof b[0], f->p50_us), duration(b[1], sizeof b[1], f->p90_us),
               duration(b[2], sizeof b[2], f->p95_us), duration(b[3], sizeof b[3], f->p99_us),
               duration(b[4], sizeof b[4], f->p999_us), duration(b[5], sizeof b[5], f->max_us),
               duration(b[6], sizeof b[6], f->mean_us));
}

static void text_errors(struct seep_buf *out, const struct load_counts *c)
{
    if (load_errors(c) == 0)
        return;
    buf_str(out, "  errors   ");
    for (int i = 0; i < LOAD_ERRORS; i++) {
        char b[32];
        if (c->error[i])
            buf_printf(out, " %s %s ", load_error_name(i), count(b, sizeof b, c->error[i]));
    }
    buf_char(out, '\n');
}

static void text_codes(struct seep_buf *out, const struct load_codes *c)
{
    char b[32];
    if (c->n == 0)
        return;
    buf_str(out, "  status   ");
    for (uint32_t i = 0; i < c->n; i++)
        buf_printf(out, " %d %s ", c->code[i], count(b, sizeof b, c->count[i]));
    if (c->other)
        buf_printf(out, " other %s", count(b, sizeof b, c->other));
    buf_char(out, '\n');
}

static void text_row(struct seep_buf *out, const struct load_summary *s, const struct load_summary_row *r)
{
    char b[5][32];
    bool transaction = r->kind == LOAD_SERIES_TRANSACTION;
    const struct hist_figures *h = transaction ? &r->pass : &r->latency;
    uint64_t n = transaction ? r->counts.passes : r->counts.completed;
    uint64_t errors = transaction ? r->counts.passes_failed : load_errors(&r->counts);
    int indent = 2 * load_summary_depth(s, r);
    buf_printf(out, "  %*s%-*s %12s %-8s  %10.1f /s  errors %s  p50 %s  p95 %s  p99 %s\n", indent, "", 22 - indent,
               r->name, count(b[0], sizeof b[0], n), transaction ? "passes" : "requests",
               isnan(r->rate_per_s) ? 0 : r->rate_per_s, count(b[1], sizeof b[1], errors),
               duration(b[2], sizeof b[2], h->p50_us), duration(b[3], sizeof b[3], h->p95_us),
               duration(b[4], sizeof b[4], h->p99_us));
    if (r->kind >= LOAD_SERIES_SCENARIO && !transaction)
        text_errors(out, &r->counts);
}

static void text_metric(struct seep_buf *out, const struct load_summary_metric *m)
{
    char b[5][32];
    const struct hist_figures *f = &m->values;
    enum seep_unit unit = m->metric.unit;
    buf_printf(out, "  %-22s ", load_summary_metric_name(m));
    if (m->metric.kind == METRIC_RATE)
        buf_printf(out, "%s of %s\n", units_value(b[0], sizeof b[0], m->ratio, UNIT_RATIO),
                   count(b[1], sizeof b[1], m->counts.total));
    else if (m->metric.kind == METRIC_COUNTER)
        buf_printf(out, "%s\n", units_value(b[0], sizeof b[0], m->counts.sum, unit));
    else
        buf_printf(out, "%s values  p50 %s  p95 %s  p99 %s  max %s\n", count(b[0], sizeof b[0], m->counts.total),
                   units_value(b[1], sizeof b[1], f->p50_us, unit), units_value(b[2], sizeof b[2], f->p95_us, unit),
                   units_value(b[3], sizeof b[3], f->p99_us, unit), units_value(b[4], sizeof b[4], f->max_us, unit));
}

void load_summary_text(const struct load_summary *s, struct seep_buf *out)
{
    char b[4][32];
    const struct load_counts *c = &s->all.counts;
    buf_printf(out, "  requests  %s in %s", count(b[0], sizeof b[0], c->completed),
               isnan(s->seconds) ? "-" : units_duration(b[1], sizeof b[1], s->seconds));
    if (!isnan(s->seconds))
        buf_printf(out, "  %.1f /s of %.1f /s asked for", s->achieved_rate_per_s, s->offered_rate_per_s);
    buf_printf(out, "  errors %s", count(b[2], sizeof b[2], load_errors(c)));
    if (!isnan(s->all.error_ratio))
        buf_printf(out, " (%.3g %%)", s->all.error_ratio * 100);
    buf_char(out, '\n');
    text_durations(out, "latency", &s->all.latency);
    text_durations(out, "service", &s->all.service);
    text_codes(out, &s->all.codes);
    if (s->n_rows == 1)
        text_errors(out, c);
    for (int i = 0; s->n_rows > 1 && i < s->n_rows; i++)
        text_row(out, s, &s->row[i]);
    for (int i = 0; i < s->n_metrics; i++)
        text_metric(out, &s->metric[i]);
    buf_printf(out, "  generator %.0f %% of a core  loop lag %.1f ms mean %.1f ms max  late %s  dropped %s\n",
               isnan(s->cpu_ratio) ? 0 : s->cpu_ratio * 100, isnan(s->lag_mean_ms) ? 0 : s->lag_mean_ms,
               isnan(s->lag_max_ms) ? 0 : s->lag_max_ms, count(b[0], sizeof b[0], c->late),
               count(b[1], sizeof b[1], c->dropped));
    if (s->programs)
        buf_printf(out, "  programs  %u ended, %u of them failed\n", s->programs, s->programs_failed);
    if (s->retried > 0)
        buf_printf(out, "  retried %s: their kept connections had just been closed\n",
                   count(b[0], sizeof b[0], (uint64_t)s->retried));
    if (s->saturated)
        buf_printf(out, "  generator %s: %s; these figures are not the target's\n",
                   s->programs_failed ? "failed" : "saturated", s->why_saturated);
}
