// The user's own metrics of a profile: see metrics.h.
#include "load/metrics.h"
#include "base/check.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static struct load_metric row_of(const struct profile_metric *m, int load, int index)
{
    struct load_metric row = {
        .name = m->name, .kind = m->kind, .unit = UNIT_NONE, .steps = 1000, .load = load, .index = index};
    if (m->source == METRIC_LATENCY || m->source == METRIC_SERVICE) {
        row.unit = UNIT_SECONDS;
        row.steps = 1e6;
    } else if (m->source == METRIC_SIZE) {
        row.unit = UNIT_BYTES;
        row.steps = 1;
    }
    int len = snprintf(row.labels, sizeof row.labels, "name=%s", m->name);
    SEEP_CHECK(len > 0 && (size_t)len < sizeof row.labels); // names of a profile are bounded
    return row;
}

static bool is_there(const struct load_metric_table *t, const char *name)
{
    for (int i = 0; i < t->n; i++)
        if (!strcmp(t->row[i].name, name))
            return true;
    return false;
}

// A name that another metric has already stays that one's.
static void add_counters(const struct profile_exec *x, int load, struct load_metric_table *out)
{
    for (int i = 0; i < x->n_counters && out->n < PROFILE_METRICS_MAX; i++) {
        const struct profile_metric m = {.name = x->counters[i].name,
                                         .kind = x->counters[i].total ? METRIC_COUNTER : METRIC_TREND,
                                         .source = METRIC_VALUE};
        if (!is_there(out, m.name))
            out->row[out->n++] = row_of(&m, load, LOAD_METRIC_EXEC + i);
    }
}

void load_metrics_build(const struct profile *p, struct load_metric_table *out)
{
    out->n = 0;
    for (int l = 0; l < p->n_loads; l++)
        for (int m = 0; m < p->loads[l].n_metrics && out->n < PROFILE_METRICS_MAX; m++)
            out->row[out->n++] = row_of(&p->loads[l].metrics[m], l, m);
    for (int l = 0; l < p->n_loads; l++)
        add_counters(&p->loads[l].exec, l, out);
}

int load_metric_of(const struct load_metric_table *t, int load, int index)
{
    for (int i = 0; i < t->n; i++)
        if (t->row[i].load == load && t->row[i].index == index)
            return i;
    return -1;
}

void load_metric_figures(const struct load_metric *m, const struct load_hist *h, struct hist_figures *out)
{
    hist_figures(h, out);
    double *const figures[] = {&out->min_us, &out->max_us, &out->mean_us, &out->stddev_us, &out->p50_us,
                               &out->p90_us, &out->p95_us, &out->p99_us,  &out->p999_us};
    for (size_t i = 0; i < sizeof figures / sizeof *figures; i++)
        *figures[i] = h->clipped && *figures[i] >= HIST_MAX_US ? NAN : *figures[i] / m->steps;
    if (h->clipped) // some lie above what can be kept: how far is not known
        out->max_us = out->mean_us = out->stddev_us = NAN;
}
