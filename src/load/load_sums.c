// What the workers of a load told, added up: counters and histograms exactly, what the generators say of themselves as
// far as it adds. Pure: links have checked it.
#include "load/load_state.h"
#include "load/summary.h"
#include "load/tally.h"

#include <math.h>

void load_take_hist(void *ctx, int series, int kind, const struct load_hist *h)
{
    struct load *l = ctx;
    for (int at = series; at >= 0; at = kind == LOAD_PASS ? -1 : l->table.row[at].parent)
        hist_merge(&l->series[at].hist[kind], h);
}

void load_take_values(void *ctx, int metric, const struct load_hist *h)
{
    struct load *l = ctx;
    hist_merge(&l->metric[metric].values, h);
}

static void add_up_metrics(struct load *l)
{
    for (int i = 0; i < l->metrics.n; i++) {
        struct load_metric_counts *sum = &l->metric[i].counts;
        *sum = (struct load_metric_counts){0};
        for (int w = 0; w < l->n_links; w++) {
            const struct load_metric_counts *c = &l->link[w].metric[i];
            sum->total += c->total;
            sum->hits += c->hits;
            sum->sum += c->sum;
        }
    }
}

static void add_generator(struct load_generator *sum, const struct load_generator *g)
{
    sum->running_ns = g->running_ns > sum->running_ns ? g->running_ns : sum->running_ns;
    sum->busiest_us = g->cpu_us > sum->busiest_us ? g->cpu_us : sum->busiest_us;
    sum->lag_max_us = g->lag_max_us > sum->lag_max_us ? g->lag_max_us : sum->lag_max_us;
    sum->full_us = g->full_us > sum->full_us ? g->full_us : sum->full_us;
    sum->cpu_us += g->cpu_us;
    sum->connections += g->connections;
    sum->retried += g->retried;
    sum->programs += g->programs;
    sum->programs_failed += g->programs_failed;
    sum->lag_count += g->lag_count;
    sum->lag_sum_us += g->lag_sum_us;
}

// What a worker has at the moment; of a lost one nothing.
static void add_present(struct load_generator *sum, const struct load_generator *g)
{
    sum->in_flight += g->in_flight;
    sum->waiting += g->waiting;
    sum->users += g->users;
    sum->rss_bytes += g->rss_bytes;
    if (!isnan(g->target_rate_per_s))
        sum->target_rate_per_s = (isnan(sum->target_rate_per_s) ? 0 : sum->target_rate_per_s) + g->target_rate_per_s;
}

uint32_t load_workers_lost(const struct load *l)
{
    uint32_t n = 0;
    for (int i = 0; i < l->n_links; i++)
        n += l->link[i].state == LOAD_LOST || l->link[i].was_silent;
    return n;
}

static void add_up_generator(struct load *l)
{
    struct load_generator sum = {
        .target_rate_per_s = NAN, .at_ns = INT64_MAX, .workers = (uint32_t)l->n_links, .lost = load_workers_lost(l)};
    for (int i = 0; i < l->n_links; i++) {
        const struct load_link *k = &l->link[i];
        add_generator(&sum, &k->generator);
        if (k->state == LOAD_LOST)
            continue;
        add_present(&sum, &k->generator);
        if (k->generator.at_ns < sum.at_ns)
            sum.at_ns = k->generator.at_ns;
    }
    if (sum.at_ns == INT64_MAX) // all are lost: the last that was known
        sum.at_ns = l->generator.at_ns;
    l->generator = sum;
}

// Of a load and of the whole the passes are those of its scenarios.
static void add_passes(struct load *l, int to, const struct load_counts *c)
{
    for (; to >= 0; to = l->table.row[to].parent) {
        l->series[to].counts.passes += c->passes;
        l->series[to].counts.passes_failed += c->passes_failed;
    }
}

// A leaf is the sum over the workers, what is above it the sum of what is below. Passes stay where they were counted.
void load_add_up(struct load *l)
{
    for (int i = 0; i < l->table.n; i++) {
        struct load_sums *s = &l->series[i];
        s->counts = (struct load_counts){0};
        s->codes = (struct load_codes){0};
        for (int w = 0; w < l->n_links; w++) {
            const struct load_counts *c = &l->link[w].counts[i];
            load_counts_add(&s->counts, c);
            s->counts.passes += c->passes;
            s->counts.passes_failed += c->passes_failed;
            load_codes_merge(&s->codes, &l->link[w].codes[i]);
        }
    }
    for (int i = l->table.n - 1; i > 0; i--) {
        const struct load_series *row = &l->table.row[i];
        if (row->kind == LOAD_SERIES_SCENARIO)
            add_passes(l, row->parent, &l->series[i].counts);
        struct load_sums *above = &l->series[l->table.row[i].parent];
        load_counts_add(&above->counts, &l->series[i].counts);
        load_codes_merge(&above->codes, &l->series[i].codes);
    }
    add_up_metrics(l);
    add_up_generator(l);
    l->series[LOAD_ALL].counts.offered += l->generator.waiting;
}
