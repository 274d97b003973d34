// The worker's own books: see tally.h.
#include "load/tally.h"

#include <math.h>
#include <stdlib.h>

static bool keeps(const struct load_series *s, int kind)
{
    return kind == LOAD_PASS ? s->passes && !s->leaf : s->leaf;
}

static bool open_metrics(struct load_tally *t)
{
    size_t n = (size_t)t->metrics->n + 1;
    t->metric = calloc(n, sizeof *t->metric);
    t->metric_hist = calloc(n, sizeof *t->metric_hist);
    bool ok = t->metric && t->metric_hist;
    for (int i = 0; ok && i < t->metrics->n; i++)
        if (t->metrics->row[i].kind == METRIC_TREND)
            ok = (t->metric_hist[i] = calloc(1, sizeof **t->metric_hist)) != NULL;
    return ok;
}

int tally_open(const struct load_series_table *series, const struct load_metric_table *metrics, struct load_tally *out,
               struct seep_err *err)
{
    size_t n = (size_t)series->n;
    *out = (struct load_tally){.series = series,
                               .metrics = metrics,
                               .counts = calloc(n, sizeof *out->counts),
                               .codes = calloc(n, sizeof *out->codes),
                               .hist = calloc(n * LOAD_HIST_KINDS, sizeof *out->hist)};
    bool ok = out->counts && out->codes && out->hist && open_metrics(out);
    for (int i = 0; ok && i < series->n; i++)
        for (int kind = 0; ok && kind < LOAD_HIST_KINDS; kind++)
            if (keeps(&series->row[i], kind))
                ok = (out->hist[i * LOAD_HIST_KINDS + kind] = calloc(1, sizeof **out->hist)) != NULL;
    if (ok)
        return 0;
    tally_close(out);
    return seep_fail(err, SEEP_E_SYSTEM, "There is no memory to count %d series of the load.", series->n);
}

void tally_close(struct load_tally *t)
{
    for (int i = 0; t->hist && i < t->series->n * LOAD_HIST_KINDS; i++)
        free(t->hist[i]);
    for (int i = 0; t->metric_hist && i < t->metrics->n; i++)
        free(t->metric_hist[i]);
    free(t->metric_hist);
    free(t->metric);
    free(t->hist);
    free(t->codes);
    free(t->counts);
    *t = (struct load_tally){0};
}

void tally_status(struct load_tally *t, int series, int status)
{
    t->counts[series].status[status >= 100 && status <= 599 ? status / 100 : 0]++;
    load_codes_add(&t->codes[series], status, 1);
}

void tally_value(struct load_tally *t, int metric, double value)
{
    if (!isfinite(value))
        return;
    t->metric[metric].total++;
    t->metric[metric].sum += value;
    double steps = value * t->metrics->row[metric].steps;
    if (t->metric_hist[metric])
        hist_record(t->metric_hist[metric], steps >= HIST_MAX_US ? HIST_MAX_US + 1ul
                                            : steps > 0          ? (uint64_t)(steps + 0.5)
                                                                 : 0);
}

void load_codes_add(struct load_codes *c, int status, uint64_t times)
{
    uint32_t i = 0;
    while (i < c->n && c->code[i] != status)
        i++;
    if (i == LOAD_CODES) {
        c->other += times;
        return;
    }
    c->code[i] = status;
    c->count[i] += times;
    c->n += i == c->n;
}

void load_codes_merge(struct load_codes *into, const struct load_codes *from)
{
    for (uint32_t i = 0; i < from->n; i++)
        load_codes_add(into, from->code[i], from->count[i]);
    into->other += from->other;
}
