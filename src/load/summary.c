// What a load did, in figures: for verdict.json, seep.load/1 and the terminal. Pure.
#include "load/load.h"

#include "base/units.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// From these on the figures say more about the generator than about the target.
static const double late_share_max = 0.01, local_share_max = 0.01, cpu_max = 0.95, shortfall_max = 0.02;

static double ratio(double part, double whole)
{
    return whole > 0 ? part / whole : NAN;
}

static void row(struct load_summary_row *r, const char *name, const struct load_counts *c,
                const struct load_hist *latency, const struct load_hist *service, double seconds)
{
    static const struct load_hist empty;
    *r = (struct load_summary_row){.name = name, .counts = *c};
    r->rate_per_s = ratio((double)c->completed, seconds);
    r->error_ratio = ratio((double)load_errors(c), (double)c->completed);
    hist_figures(latency ? latency : &empty, &r->latency);
    hist_figures(service ? service : &empty, &r->service);
}

void load_counts_add(struct load_counts *sum, const struct load_counts *part)
{
    _Static_assert(sizeof *sum % sizeof(uint64_t) == 0, "load_counts is nothing but counters");
    const uint64_t passes = sum->passes, failed = sum->passes_failed;
    uint64_t *a = (uint64_t *)sum;
    const uint64_t *b = (const uint64_t *)part;
    for (size_t i = 0; i < sizeof *sum / sizeof *a; i++)
        a[i] += b[i];
    sum->passes = passes;
    sum->passes_failed = failed;
}

static int sum_up(const struct load_summary_part *part, int n, uint32_t waiting, struct load_summary *out,
                  struct seep_err *err)
{
    struct load_hist *hist = calloc(2, sizeof *hist);
    if (!hist)
        return seep_fail(err, SEEP_E_SYSTEM, "There is no memory for the summary of the load.");
    struct load_counts sum = {0};
    for (int i = 0; i < n; i++) {
        load_counts_add(&sum, part[i].counts);
        if (part[i].latency)
            hist_merge(&hist[0], part[i].latency);
        if (part[i].service)
            hist_merge(&hist[1], part[i].service);
    }
    sum.offered += waiting;
    row(&out->all, NULL, &sum, &hist[0], &hist[1], out->seconds);
    free(hist);
    return 0;
}

static void generator_figures(const struct load_generator *g, struct load_summary *out)
{
    out->seconds = out->cpu_ratio = out->busiest_ratio = out->lag_mean_ms = out->lag_max_ms = NAN;
    if (!g || g->at_ns == 0)
        return;
    out->seconds = (double)g->running_ns / 1e9;
    out->cpu_ratio = ratio((double)g->cpu_us / 1e6, out->seconds);
    out->busiest_ratio = ratio((double)g->busiest_us / 1e6, out->seconds);
    out->workers = g->workers;
    out->lost = g->lost;
    out->lag_mean_ms = ratio((double)g->lag_sum_us / 1e3, (double)g->lag_count);
    out->lag_max_ms = g->lag_count ? (double)g->lag_max_us / 1e3 : NAN;
    out->connections = g->connections;
    out->rss_bytes = g->rss_bytes;
}

static void judge_generator(struct load_summary *s)
{
    const struct load_counts *c = &s->all.counts;
    double late = ratio((double)c->late_self, (double)(c->started + c->dropped));
    double local = ratio((double)c->error[LOAD_ERR_LOCAL], (double)c->completed);
    double short_of = ratio((double)c->offered - (double)c->started, (double)c->offered);
    if (s->lost > 0)
        snprintf(s->why_saturated, sizeof s->why_saturated,
                 "%u of %u load workers were lost, and their share of the load with them", s->lost, s->workers);
    else if (late > late_share_max)
        snprintf(s->why_saturated, sizeof s->why_saturated,
                 "the generator started %.1f %% of the requests late though it had a free connection", late * 100);
    else if (local > local_share_max)
        snprintf(s->why_saturated, sizeof s->why_saturated,
                 "%.1f %% of the requests failed for want of descriptors, ports or memory on the generator's side",
                 local * 100);
    else if (s->busiest_ratio > cpu_max && short_of > shortfall_max)
        snprintf(
            s->why_saturated, sizeof s->why_saturated,
            "the generator's busiest worker used %.0f %% of a core and the load started %.1f %% less than it was to",
            s->busiest_ratio * 100, short_of * 100);
    s->saturated = s->why_saturated[0] != 0;
}

int load_summarise(const struct load_summary_part *part, int n, const struct load_generator *generator,
                   struct load_summary *out, struct seep_err *err)
{
    *out = (struct load_summary){.n_scenarios = n, .scenario = calloc((size_t)n + 1, sizeof *out->scenario)};
    if (!out->scenario)
        return seep_fail(err, SEEP_E_SYSTEM, "There is no memory for the summary of the load.");
    generator_figures(generator, out);
    for (int i = 0; i < n; i++)
        row(&out->scenario[i], part[i].name, part[i].counts, part[i].latency, part[i].service, out->seconds);
    if (sum_up(part, n, generator ? generator->waiting : 0, out, err) < 0) {
        load_summary_free(out);
        return -1;
    }
    out->offered_rate_per_s = ratio((double)out->all.counts.offered, out->seconds);
    out->achieved_rate_per_s = ratio((double)out->all.counts.started, out->seconds);
    judge_generator(out);
    return 0;
}

void load_summary_free(struct load_summary *s)
{
    free(s->scenario);
    s->scenario = NULL;
    s->n_scenarios = 0;
}

// ---- JSON -----------------------------------------------------------------------------------------------------------

static void json_durations(struct jsonw *w, const char *key, const struct hist_figures *f)
{
    jsonw_object(w, key);
    jsonw_int(w, "count", (int64_t)f->count);
    jsonw_double(w, "min", f->min_us);
    jsonw_double(w, "mean", f->mean_us);
    jsonw_double(w, "p50", f->p50_us);
    jsonw_double(w, "p90", f->p90_us);
    jsonw_double(w, "p95", f->p95_us);
    jsonw_double(w, "p99", f->p99_us);
    jsonw_double(w, "p999", f->p999_us);
    jsonw_double(w, "max", f->max_us);
    jsonw_double(w, "stddev", f->stddev_us);
    jsonw_end_object(w);
}

static void json_kinds(struct jsonw *w, const struct load_counts *c)
{
    jsonw_object(w, "errors_by_kind");
    for (int i = 0; i < LOAD_ERRORS; i++) {
        if (c->error[i])
            jsonw_int(w, load_error_name(i), (int64_t)c->error[i]);
    }
    jsonw_end_object(w);
    static const char *const names[6] = {"other", "1xx", "2xx", "3xx", "4xx", "5xx"};
    jsonw_object(w, "status");
    for (int i = 0; i < 6; i++) {
        if (c->status[i])
            jsonw_int(w, names[i], (int64_t)c->status[i]);
    }
    jsonw_end_object(w);
}

static void json_row(struct jsonw *w, const struct load_summary_row *r)
{
    const struct load_counts *c = &r->counts;
    jsonw_int(w, "requests", (int64_t)c->completed);
    jsonw_int(w, "errors", (int64_t)load_errors(c));
    jsonw_double(w, "rate_per_s", r->rate_per_s);
    jsonw_int(w, "offered", (int64_t)c->offered);
    jsonw_int(w, "started", (int64_t)c->started);
    jsonw_int(w, "dropped", (int64_t)c->dropped);
    jsonw_int(w, "late", (int64_t)c->late);
    jsonw_int(w, "cancelled", (int64_t)c->cancelled);
    jsonw_int(w, "sent_bytes", (int64_t)c->sent_bytes);
    jsonw_int(w, "received_bytes", (int64_t)c->received_bytes);
    json_kinds(w, c);
    json_durations(w, "latency_us", &r->latency);
    json_durations(w, "service_us", &r->service);
}

static void json_generator(struct jsonw *w, const struct load_summary *s)
{
    jsonw_object(w, "generator");
    jsonw_string(w, "status", s->lost ? "lost" : s->saturated ? "saturated" : "ok");
    jsonw_string(w, "reason", s->saturated ? s->why_saturated : NULL);
    jsonw_double(w, "cpu", s->cpu_ratio);
    jsonw_double(w, "cpu_busiest_worker", s->busiest_ratio);
    jsonw_int(w, "workers", s->workers);
    jsonw_int(w, "workers_lost", s->lost);
    jsonw_double(w, "lag_mean_ms", s->lag_mean_ms);
    jsonw_double(w, "lag_max_ms", s->lag_max_ms);
    jsonw_int(w, "late", (int64_t)s->all.counts.late_self);
    jsonw_int(w, "connections", (int64_t)s->connections);
    jsonw_int(w, "rss_bytes", (int64_t)s->rss_bytes);
    jsonw_end_object(w);
}

void load_summary_json(const struct load_summary *s, struct jsonw *w, const char *key)
{
    jsonw_object(w, key);
    json_row(w, &s->all);
    jsonw_double(w, "seconds", s->seconds);
    jsonw_double(w, "offered_rate_per_s", s->offered_rate_per_s);
    jsonw_double(w, "achieved_rate_per_s", s->achieved_rate_per_s);
    json_generator(w, s);
    jsonw_array(w, "scenarios");
    for (int i = 0; i < s->n_scenarios; i++) {
        jsonw_object(w, NULL);
        jsonw_string(w, "name", s->scenario[i].name);
        json_row(w, &s->scenario[i]);
        jsonw_end_object(w);
    }
    jsonw_end_array(w);
    jsonw_end_object(w);
}

// ---- text -----------------------------------------------------------------------------------------------------------

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

static void text_scenario(struct seep_buf *out, const struct load_summary_row *r)
{
    char b[4][32];
    buf_printf(out, "  %-20s %12s requests  %10.1f /s  errors %s", r->name,
               count(b[0], sizeof b[0], r->counts.completed), isnan(r->rate_per_s) ? 0 : r->rate_per_s,
               count(b[1], sizeof b[1], load_errors(&r->counts)));
    buf_printf(out, "  p50 %s  p99 %s\n", duration(b[2], sizeof b[2], r->latency.p50_us),
               duration(b[3], sizeof b[3], r->latency.p99_us));
    text_errors(out, &r->counts);
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
    if (s->n_scenarios == 1)
        text_errors(out, c);
    for (int i = 0; s->n_scenarios > 1 && i < s->n_scenarios; i++)
        text_scenario(out, &s->scenario[i]);
    buf_printf(out, "  generator %.0f %% of a core  loop lag %.1f ms mean %.1f ms max  late %s  dropped %s\n",
               isnan(s->cpu_ratio) ? 0 : s->cpu_ratio * 100, isnan(s->lag_mean_ms) ? 0 : s->lag_mean_ms,
               isnan(s->lag_max_ms) ? 0 : s->lag_max_ms, count(b[0], sizeof b[0], c->late),
               count(b[1], sizeof b[1], c->dropped));
    if (s->saturated)
        buf_printf(out, "  generator saturated: %s; these figures are not the target's\n", s->why_saturated);
}
