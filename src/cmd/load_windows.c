// What a load did, second by second: see load_windows.h.
#include "cmd/load_windows.h"

#include <stdlib.h>
#include <string.h>

struct load_windows_counts {
    uint64_t requests, errors, passes;
};

int load_windows_open(struct load_windows *w, const struct load *l, struct seep_err *err)
{
    const struct load_metric_table *metrics = load_metrics_of(l);
    int series = load_series_of(l)->n;
    size_t lines = (size_t)(series + metrics->n), cells = lines * LOAD_WINDOWS_MAX;
    *w = (struct load_windows){.every_s = 1, .lines = (int)lines, .n_series = series};
    w->requests = calloc(cells, sizeof *w->requests);
    w->errors = calloc(cells, sizeof *w->errors);
    w->passes = calloc(cells, sizeof *w->passes);
    w->bucket = calloc(cells * HIST_COARSE, sizeof *w->bucket); // the kernel gives pages as they are written
    w->edge = calloc(lines * (HIST_COARSE + 1), sizeof *w->edge);
    w->last = calloc(lines, sizeof *w->last);
    w->last_counts = calloc(lines, sizeof *w->last_counts);
    if (!w->requests || !w->errors || !w->passes || !w->bucket || !w->edge || !w->last || !w->last_counts)
        return seep_fail(err, SEEP_E_SYSTEM, "There is no memory for the load's windows.");
    for (size_t line = 0; line < lines; line++)
        for (size_t i = 0; i <= HIST_COARSE; i++)
            w->edge[line * (HIST_COARSE + 1) + i] =
                hist_coarse_edges_us()[i] / (line < (size_t)series ? 1e6 : metrics->row[line - (size_t)series].steps);
    return 0;
}

void load_windows_close(struct load_windows *w)
{
    free(w->requests);
    free(w->errors);
    free(w->passes);
    free(w->bucket);
    free(w->edge);
    free(w->last);
    free(w->last_counts);
    *w = (struct load_windows){0};
}

static uint64_t *bucket_of(const struct load_windows *w, int line, size_t i)
{
    return w->bucket + ((size_t)line * LOAD_WINDOWS_MAX + i) * HIST_COARSE;
}

static void halve(struct load_windows *w)
{
    uint64_t *const counts[] = {w->requests, w->errors, w->passes};
    for (size_t i = 0; i < LOAD_WINDOWS_MAX / 2; i++) {
        w->end_s[i] = w->end_s[2 * i + 1];
        for (int line = 0; line < w->lines; line++) {
            for (size_t k = 0; k < sizeof counts / sizeof *counts; k++) {
                uint64_t *c = counts[k] + (size_t)line * LOAD_WINDOWS_MAX;
                c[i] = c[2 * i] + c[2 * i + 1];
            }
            for (size_t b = 0; b < HIST_COARSE; b++)
                bucket_of(w, line, i)[b] = bucket_of(w, line, 2 * i)[b] + bucket_of(w, line, 2 * i + 1)[b];
        }
    }
    w->n = LOAD_WINDOWS_MAX / 2;
    w->every_s *= 2;
}

// What gates take as requests, errors and passes of a line. A transaction's requests are its passes; a counter's are
// its sum; a rate's errors are its hits.
static struct load_windows_counts counts_now(const struct load_windows *w, const struct load *l, int line)
{
    if (line >= w->n_series) {
        const struct load_metric_counts *m = load_metric_counts(l, line - w->n_series);
        bool counter = load_metrics_of(l)->row[line - w->n_series].kind == METRIC_COUNTER;
        return (struct load_windows_counts){.requests = counter && m->sum > 0 ? (uint64_t)m->sum
                                                        : counter             ? 0
                                                                              : m->total,
                                            .errors = m->hits};
    }
    const struct load_counts *c = load_counts(l, line);
    if (load_series_of(l)->row[line].kind == LOAD_SERIES_TRANSACTION)
        return (struct load_windows_counts){c->passes, c->passes_failed, c->passes};
    return (struct load_windows_counts){c->completed, load_errors(c), c->passes};
}

static const struct load_hist *hist_now(const struct load_windows *w, const struct load *l, int line)
{
    if (line >= w->n_series)
        return load_metric_hist(l, line - w->n_series);
    bool transaction = load_series_of(l)->row[line].kind == LOAD_SERIES_TRANSACTION;
    return load_hist(l, line, transaction ? LOAD_PASS : LOAD_LATENCY);
}

static uint64_t more(uint64_t now, uint64_t before)
{
    return now > before ? now - before : 0; // the sum of a counter may fall
}

static void take_line(struct load_windows *w, const struct load *l, int line, struct load_hist *scratch)
{
    struct load_windows_counts now = counts_now(w, l, line), *before = &w->last_counts[line];
    size_t at = (size_t)line * LOAD_WINDOWS_MAX + w->n;
    w->requests[at] = more(now.requests, before->requests);
    w->errors[at] = more(now.errors, before->errors);
    w->passes[at] = more(now.passes, before->passes);
    *before = now;
    *scratch = *hist_now(w, l, line);
    struct load_hist *last = &w->last[line];
    memset(bucket_of(w, line, w->n), 0, HIST_COARSE * sizeof(uint64_t));
    if (hist_subtract(scratch, last, NULL) == 0) // always: cumulative histograms only grow
        hist_rebin(scratch, hist_coarse_edges_us(), HIST_COARSE, bucket_of(w, line, w->n));
    *last = *hist_now(w, l, line);
}

void load_windows_take(struct load_windows *w, const struct load *l, bool last)
{
    double now_s = (double)load_generator(l)->running_ns / 1e9, begun_s = w->n ? w->end_s[w->n - 1] : 0;
    if (now_s <= begun_s || (!last && now_s < begun_s + w->every_s))
        return;
    if (w->n == LOAD_WINDOWS_MAX)
        halve(w);
    struct load_hist *scratch = calloc(1, sizeof *scratch);
    if (!scratch)
        return; // the next one is longer
    for (int line = 0; line < w->lines; line++)
        take_line(w, l, line, scratch);
    w->end_s[w->n++] = now_s;
    free(scratch);
}

void load_windows_judge(const struct load_windows *w, const struct load *l, struct judge_load *out)
{
    for (int i = 0; i < w->lines; i++)
        out[i] = (struct judge_load){.labels = i < w->n_series ? load_series_of(l)->row[i].labels
                                                               : load_metrics_of(l)->row[i - w->n_series].labels,
                                     .t_s = w->end_s,
                                     .n = w->n,
                                     .requests = w->requests + (size_t)i * LOAD_WINDOWS_MAX,
                                     .errors = w->errors + (size_t)i * LOAD_WINDOWS_MAX,
                                     .passes = w->passes + (size_t)i * LOAD_WINDOWS_MAX,
                                     .edge_s = w->edge + (size_t)i * (HIST_COARSE + 1),
                                     .n_buckets = HIST_COARSE,
                                     .bucket = bucket_of(w, i, 0)};
}
