// What a load did, in figures: for verdict.json, seep.load/1 and the terminal. Pure.
#include "load/summary.h"
#include "load/tally.h"

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

static const char *own_name(const char *labels)
{
    const char *last = strrchr(labels, ',');
    const char *value = strchr(last ? last : labels, '=');
    return value ? value + 1 : NULL;
}

static void figures(const struct load_hist *h, struct hist_figures *out)
{
    static const struct load_hist empty;
    hist_figures(h ? h : &empty, out);
}

static void row(struct load_summary_row *r, const struct load_summary_part *part, double seconds)
{
    static const struct load_codes none;
    struct load_labels labels;
    const struct load_counts *c = part->counts;
    load_labels_parse(part->labels, &labels);
    bool passes = labels.kind == LOAD_SERIES_TRANSACTION;
    *r = (struct load_summary_row){.kind = labels.kind,
                                   .labels = part->labels,
                                   .name = own_name(part->labels),
                                   .counts = *c,
                                   .codes = part->codes ? *part->codes : none};
    r->rate_per_s = ratio((double)(passes ? c->passes : c->completed), seconds);
    r->error_ratio = passes ? ratio((double)c->passes_failed, (double)c->passes)
                            : ratio((double)load_errors(c), (double)c->completed);
    figures(part->latency, &r->latency);
    figures(part->service, &r->service);
    figures(part->pass, &r->pass);
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

// The whole: its requests are those of the leaves, its iterations those of the scenarios.
static int sum_up(const struct load_summary_part *part, int n, uint32_t waiting, struct load_summary *out,
                  struct seep_err *err)
{
    struct load_hist *hist = calloc(2, sizeof *hist);
    if (!hist)
        return seep_fail(err, SEEP_E_SYSTEM, "There is no memory for the summary of the load.");
    struct load_counts sum = {.offered = waiting};
    struct load_codes codes = {0};
    for (int i = 0; i < n; i++) {
        if (out->row[i].kind == LOAD_SERIES_SCENARIO) {
            sum.passes += part[i].counts->passes;
            sum.passes_failed += part[i].counts->passes_failed;
        }
        if (!part[i].leaf)
            continue;
        load_counts_add(&sum, part[i].counts);
        if (part[i].codes)
            load_codes_merge(&codes, part[i].codes);
        if (part[i].latency)
            hist_merge(&hist[0], part[i].latency);
        if (part[i].service)
            hist_merge(&hist[1], part[i].service);
    }
    const struct load_summary_part all = {
        .labels = "", .counts = &sum, .codes = &codes, .latency = &hist[0], .service = &hist[1]};
    row(&out->all, &all, out->seconds);
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
    out->programs = g->programs;
    out->programs_failed = g->programs_failed;
    out->connections = (int64_t)g->connections;
    out->retried = (int64_t)g->retried;
    out->rss_bytes = (int64_t)g->rss_bytes;
}

// The share of `all` that `some` of them are for certain: a count so small may be chance (Poisson, one-sided 95 %).
static double sure_share(uint64_t some, uint64_t all)
{
    double least = (double)some - 1.645 * sqrt((double)some);
    return ratio(fmax(least, 0), (double)all);
}

// Not all of the load was driven; else "".
static void judge_driven(struct load_summary *s, char *why, size_t size)
{
    const struct load_counts *c = &s->all.counts;
    double local = ratio((double)c->error[LOAD_ERR_LOCAL], (double)c->completed);
    double short_of = ratio((double)c->offered - (double)c->started, (double)c->offered);
    *why = 0;
    if (s->lost > 0)
        snprintf(why, size, "%u of %u load workers were lost or stood still, and their share of the load with them",
                 s->lost, s->workers);
    else if (s->programs_failed > 0)
        snprintf(why, size, "%u of %u runs of a program that drives the load (exec) failed; see the events",
                 s->programs_failed, s->programs);
    else if (sure_share(c->error[LOAD_ERR_LOCAL], c->completed) > local_share_max)
        snprintf(why, size,
                 "%.1f %% of the requests failed for want of descriptors, ports or memory on the generator's side",
                 local * 100);
    else if (s->busiest_ratio > cpu_max && short_of > shortfall_max)
        snprintf(why, size,
                 "the generator's busiest worker used %.0f %% of a core and the load started %.1f %% less than it was "
                 "to",
                 s->busiest_ratio * 100, short_of * 100);
}

static void judge_generator(struct load_summary *s)
{
    const struct load_counts *c = &s->all.counts;
    uint64_t starts = c->started + c->dropped;
    judge_driven(s, s->why_saturated, sizeof s->why_saturated);
    s->undriven = s->why_saturated[0] != 0;
    if (!s->undriven && sure_share(c->late_self, starts) > late_share_max)
        snprintf(s->why_saturated, sizeof s->why_saturated,
                 "the generator started %.1f %% of the requests late though it had a free connection",
                 ratio((double)c->late_self, (double)starts) * 100);
    s->saturated = s->why_saturated[0] != 0;
}

int load_summarise(const struct load_summary_part *part, int n, const struct load_generator *generator,
                   struct load_summary *out, struct seep_err *err)
{
    *out = (struct load_summary){.n_rows = n, .row = calloc((size_t)n + 1, sizeof *out->row)};
    if (!out->row)
        return seep_fail(err, SEEP_E_SYSTEM, "There is no memory for the summary of the load.");
    generator_figures(generator, out);
    for (int i = 0; i < n; i++)
        row(&out->row[i], &part[i], out->seconds);
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
    free(s->row);
    free(s->metric);
    s->row = NULL;
    s->metric = NULL;
    s->n_metrics = 0;
    s->n_rows = 0;
}

void load_summarise_metric(const struct load_metric *m, const struct load_metric_counts *counts,
                           const struct load_hist *values, struct load_summary_metric *out)
{
    static const struct load_hist empty;
    *out = (struct load_summary_metric){.metric = *m, .counts = *counts, .ratio = NAN};
    out->metric.name = NULL; // of somebody else's: load_summary_metric_name()
    if (m->kind == METRIC_RATE)
        out->ratio = ratio((double)counts->hits, (double)counts->total);
    load_metric_figures(m, values ? values : &empty, &out->values);
}

const char *load_summary_metric_name(const struct load_summary_metric *m)
{
    return own_name(m->metric.labels);
}

int load_summary_add_metrics(struct load_summary *s, const struct load_summary_metric *metric, int n,
                             struct seep_err *err)
{
    s->metric = calloc((size_t)n + 1, sizeof *s->metric);
    if (!s->metric) {
        load_summary_free(s);
        return seep_fail(err, SEEP_E_SYSTEM, "There is no memory for the summary of the load.");
    }
    for (int i = 0; i < n; i++)
        s->metric[i] = metric[i];
    s->n_metrics = n;
    return 0;
}

int load_summary_count(const struct load_summary *s, enum load_series_kind kind)
{
    int n = 0;
    for (int i = 0; i < s->n_rows; i++)
        n += s->row[i].kind == kind;
    return n;
}

int load_summary_depth(const struct load_summary *s, const struct load_summary_row *row)
{
    int below_load = load_summary_count(s, LOAD_SERIES_LOAD) > 0 && row->kind != LOAD_SERIES_LOAD;
    return below_load + (row->kind == LOAD_SERIES_STEP || row->kind == LOAD_SERIES_TRANSACTION);
}
