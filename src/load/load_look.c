// Looking at a load: its state, its figures, their summary. See load.h.
#include "base/check.h"
#include "base/clock.h"
#include "load/load_state.h"
#include "load/summary.h"

#include <stdlib.h>

static const struct load_sums *series_of(const struct load *l, int series)
{
    SEEP_CHECK_OBJ(l, load_magic);
    SEEP_CHECK(series >= 0 && series < l->table.n);
    return &l->series[series];
}

int load_fd(const struct load *l)
{
    return l->epoll_fd;
}

enum load_state load_state(const struct load *l)
{
    return l->state;
}

const struct load_series_table *load_series_of(const struct load *l)
{
    return &l->table;
}

const struct load_counts *load_counts(const struct load *l, int series)
{
    return &series_of(l, series)->counts;
}

const struct load_codes *load_codes(const struct load *l, int series)
{
    return &series_of(l, series)->codes;
}

const struct load_generator *load_generator(const struct load *l)
{
    return &l->generator;
}

const struct load_hist *load_hist(const struct load *l, int series, enum load_hist_kind kind)
{
    return &series_of(l, series)->hist[kind];
}

int load_last_hour(struct load *l, struct load_minute *out)
{
    const struct load_sums *all = &l->series[LOAD_ALL];
    return minutes_read(&l->minutes, clock_read(), &all->counts, &all->hist[LOAD_LATENCY], &l->generator, out);
}

const struct load_metric_table *load_metrics_of(const struct load *l)
{
    return &l->metrics;
}

const struct load_metric_counts *load_metric_counts(const struct load *l, int metric)
{
    SEEP_CHECK(metric >= 0 && metric < l->metrics.n);
    return &l->metric[metric].counts;
}

const struct load_hist *load_metric_hist(const struct load *l, int metric)
{
    SEEP_CHECK(metric >= 0 && metric < l->metrics.n);
    return &l->metric[metric].values;
}

int load_workers(const struct load *l)
{
    return l->n_links;
}

pid_t load_worker_pid(const struct load *l, int worker)
{
    SEEP_CHECK(worker >= 0 && worker < l->n_links);
    return l->link[worker].worker.pid;
}

int load_summary(const struct load *l, struct load_summary *out, struct seep_err *err)
{
    struct load_summary_part *part = calloc((size_t)l->table.n, sizeof *part);
    int n = 0;
    if (!part)
        return seep_fail(err, SEEP_E_SYSTEM, "There is no memory for the summary of the load.");
    for (int i = LOAD_ALL + 1; i < l->table.n; i++) {
        const struct load_sums *s = &l->series[i];
        part[n++] = (struct load_summary_part){.labels = l->table.row[i].labels,
                                               .leaf = l->table.row[i].leaf,
                                               .counts = &s->counts,
                                               .codes = &s->codes,
                                               .latency = &s->hist[LOAD_LATENCY],
                                               .service = &s->hist[LOAD_SERVICE],
                                               .pass = &s->hist[LOAD_PASS]};
    }
    struct load_summary_metric metric[PROFILE_METRICS_MAX];
    for (int i = 0; i < l->metrics.n; i++)
        load_summarise_metric(&l->metrics.row[i], &l->metric[i].counts, &l->metric[i].values, &metric[i]);
    int failed = load_summarise(part, n, &l->generator, out, err);
    if (!failed)
        failed = load_summary_add_metrics(out, metric, l->metrics.n, err);
    free(part);
    return failed;
}
