// The load: its summary. Growth per operation stands in build_operations.c. What gates ask of it stands in
// build_load_gates.c.
//
// Counters are cumulative in the store, one series for each row of load/series.h, known by its labels.
#include "report/build_load.h"
#include "load/hist.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Is there a step below this scenario?
static bool has_steps(const struct build *b, const char *labels)
{
    size_t len = strlen(labels);
    for (size_t i = 0; i < b->n_series; i++)
        if (strcmp(b->series[i].name, S_HTTP_REQUESTS) == 0 && strncmp(b->series[i].labels, labels, len) == 0 &&
            strncmp(b->series[i].labels + len, ",step=", 6) == 0)
            return true;
    return false;
}

int build_load_parts(struct build *b, struct build_part **out, size_t *n, struct seep_err *err)
{
    *n = 0;
    *out = report_alloc(b->arena, LOAD_SERIES_MAX, sizeof **out);
    if (*out == NULL)
        return build_no_memory(err);
    for (size_t i = 0; i < b->n_series && *n < LOAD_SERIES_MAX; i++) {
        struct build_part *p = &(*out)[*n];
        if (strcmp(b->series[i].name, S_HTTP_REQUESTS) != 0 || !load_labels_parse(b->series[i].labels, &p->is) ||
            p->is.kind == LOAD_SERIES_ALL)
            continue;
        p->labels = report_strdup(b->arena, b->series[i].labels);
        if (p->labels == NULL)
            return build_no_memory(err);
        p->leaf = p->is.kind == LOAD_SERIES_STEP || (p->is.kind == LOAD_SERIES_SCENARIO && !has_steps(b, p->labels));
        (*n)++;
    }
    return 0;
}

int build_read_hist(struct build *b, const char *name, const char *labels, struct load_hist *h, bool *found,
                    struct seep_err *err)
{
    void *blob = NULL;
    size_t len = 0;
    *found = false;
    if (store_read_histogram(b->st, name, labels, &blob, &len, err) != 0)
        return -1;
    // A histogram that does not hold together is as good as none: the store may be of unknown origin.
    if (blob != NULL && hist_unpack(blob, len, h, NULL) == 0)
        *found = true;
    free(blob);
    return 0;
}

// ---- the summary ----------------------------------------------------------------------------------------------------

static int last_of(struct build *b, const char *name, const char *labels, double *out, struct seep_err *err)
{
    double *v = NULL;
    *out = NAN;
    if (build_values(b, name, labels, &v, err) != 0)
        return -1;
    for (size_t i = b->ticks.n; v != NULL && i > 0 && isnan(*out); i--)
        *out = v[i - 1];
    free(v);
    return 0;
}

static int last_count(struct build *b, const char *name, const char *labels, uint64_t *out, struct seep_err *err)
{
    double value;
    if (last_of(b, name, labels, &value, err) != 0)
        return -1;
    *out = value > 0 && value < 1e18 ? (uint64_t)value : 0;
    return 0;
}

// The same where nothing was recorded is not zero: (uint64_t)SEEP_UNKNOWN.
static int last_known(struct build *b, const char *name, uint64_t *out, struct seep_err *err)
{
    double value;
    if (last_of(b, name, "", &value, err) != 0)
        return -1;
    *out = value >= 0 && value < 1e18 ? (uint64_t)value : (uint64_t)SEEP_UNKNOWN;
    return 0;
}

// A transaction has its passes where others have requests.
static void as_passes(struct load_counts *c, uint64_t failed)
{
    *c = (struct load_counts){.passes = c->completed, .passes_failed = failed};
}

static int read_counts(struct build *b, const struct build_part *p, struct load_counts *c, struct seep_err *err)
{
    const char *labels = p->labels;
    uint64_t errors;
    const struct {
        const char *name;
        uint64_t *out;
    } plain[] = {
        {S_HTTP_OFFERED, &c->offered},
        {S_HTTP_STARTED, &c->started},
        {S_HTTP_DROPPED, &c->dropped},
        {S_HTTP_REQUESTS, &c->completed},
        {S_HTTP_OK, &c->ok},
        {S_HTTP_CANCELLED, &c->cancelled},
        {S_HTTP_LATE, &c->late},
        {S_HTTP_LATE_SELF, &c->late_self},
        {S_HTTP_SENT, &c->sent_bytes},
        {S_HTTP_RECEIVED, &c->received_bytes},
        {S_LOAD_ITERATIONS, &c->passes},
        {S_LOAD_FAILED, &c->passes_failed},
        {S_HTTP_ERRORS, &errors},
    };
    for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++)
        if (last_count(b, plain[i].name, labels, plain[i].out, err) != 0)
            return -1;
    for (int kind = 0; kind < LOAD_ERRORS; kind++) {
        char name[64];
        snprintf(name, sizeof name, S_HTTP_ERROR_PREFIX "%s", load_error_name((enum load_error)kind));
        if (last_count(b, name, labels, &c->error[kind], err) != 0)
            return -1;
    }
    if (p->is.kind == LOAD_SERIES_TRANSACTION)
        as_passes(c, errors);
    return 0;
}

static int read_codes(struct build *b, const char *labels, struct load_codes *c, struct seep_err *err)
{
    const size_t prefix = strlen(S_HTTP_STATUS_PREFIX);
    for (size_t i = 0; i < b->n_series; i++) {
        const struct store_series_info *s = &b->series[i];
        uint64_t n;
        if (strncmp(s->name, S_HTTP_STATUS_PREFIX, prefix) != 0 || strcmp(s->labels, labels) != 0)
            continue;
        if (last_count(b, s->name, labels, &n, err) != 0)
            return -1;
        char *end;
        long code = strtol(s->name + prefix, &end, 10);
        if (*end != '\0' || end == s->name + prefix)
            c->other += n;
        else
            load_codes_add(c, (int)code, n);
    }
    return 0;
}

static int read_generator(struct build *b, struct load_generator *g, struct seep_err *err)
{
    double running, cpu, busiest, lag_sum, lag_max, full;
    *g = (struct load_generator){.target_rate_per_s = NAN};
    uint64_t workers, lost, programs, failed;
    if (last_count(b, S_LOAD_WORKERS, "", &workers, err) != 0 || last_count(b, S_LOAD_LOST, "", &lost, err) != 0 ||
        last_of(b, S_LOAD_BUSIEST, "", &busiest, err) != 0 || last_count(b, S_LOAD_PROGRAMS, "", &programs, err) != 0 ||
        last_count(b, S_LOAD_PROGRAMS_FAILED, "", &failed, err) != 0)
        return -1;
    g->programs = (uint32_t)programs;
    g->programs_failed = (uint32_t)failed;
    g->workers = (uint32_t)workers;
    g->lost = (uint32_t)lost;
    g->busiest_us = busiest > 0 ? (uint64_t)(busiest * 1e6) : 0;
    if (last_of(b, S_LOAD_RUNNING, "", &running, err) != 0 || last_of(b, S_LOAD_CPU, "", &cpu, err) != 0 ||
        last_of(b, S_LOAD_LAG_SUM, "", &lag_sum, err) != 0 || last_of(b, S_LOAD_LAG_MAX, "", &lag_max, err) != 0 ||
        last_of(b, S_LOAD_FULL, "", &full, err) != 0 || last_known(b, S_LOAD_RSS, &g->rss_bytes, err) != 0 ||
        last_known(b, S_LOAD_CONNECTIONS, &g->connections, err) != 0 ||
        last_known(b, S_LOAD_RETRIED, &g->retried, err) != 0 ||
        last_count(b, S_LOAD_LAG_COUNT, "", &g->lag_count, err) != 0)
        return -1;
    g->at_ns = running > 0;
    g->running_ns = running > 0 ? (int64_t)(running * 1e9) : 0;
    g->cpu_us = cpu > 0 ? (uint64_t)(cpu * 1e6) : 0;
    g->lag_sum_us = lag_sum > 0 ? (uint64_t)(lag_sum * 1e6) : 0;
    g->lag_max_us = lag_max > 0 ? (uint64_t)(lag_max * 1e6) : 0;
    g->full_us = full > 0 ? (uint64_t)(full * 1e6) : 0;
    return 0;
}

struct parts { // of each series; freed together
    struct load_summary_part *part;
    struct load_counts *counts;
    struct load_codes *codes;
    struct load_hist *hists; // three each
};

static int read_part(struct build *b, const struct build_part *of, size_t i, struct parts *p, struct seep_err *err)
{
    static const char *const names[LOAD_HIST_KINDS] = {H_HTTP_LATENCY, H_HTTP_SERVICE, H_LOAD_DURATION};
    struct load_hist *h = &p->hists[LOAD_HIST_KINDS * i];
    bool found[LOAD_HIST_KINDS], transaction = of->is.kind == LOAD_SERIES_TRANSACTION;
    if (read_counts(b, of, &p->counts[i], err) != 0 || read_codes(b, of->labels, &p->codes[i], err) != 0)
        return -1;
    for (int kind = 0; kind < LOAD_HIST_KINDS; kind++)
        if (build_read_hist(b, names[kind], of->labels, &h[kind], &found[kind], err) != 0)
            return -1;
    p->part[i] = (struct load_summary_part){
        .labels = of->labels,
        .leaf = of->leaf,
        .counts = &p->counts[i],
        .codes = &p->codes[i],
        .latency = found[LOAD_LATENCY] && !transaction ? &h[LOAD_LATENCY] : NULL,
        .service = found[LOAD_SERVICE] ? &h[LOAD_SERVICE] : NULL,
        .pass = transaction && found[LOAD_LATENCY] ? &h[LOAD_LATENCY]
                : found[LOAD_PASS]                 ? &h[LOAD_PASS]
                                                   : NULL,
    };
    return 0;
}

static int summarise(struct build *b, const struct build_part *parts, size_t n, struct seep_err *err)
{
    struct parts p = {.part = calloc(n + 1, sizeof *p.part),
                      .counts = calloc(n + 1, sizeof *p.counts),
                      .codes = calloc(n + 1, sizeof *p.codes),
                      .hists = calloc(LOAD_HIST_KINDS * n + 1, sizeof *p.hists)};
    struct load_generator generator;
    bool room = p.part != NULL && p.counts != NULL && p.codes != NULL && p.hists != NULL;
    int failed = room ? read_generator(b, &generator, err) : build_no_memory(err);
    for (size_t i = 0; !failed && i < n; i++)
        failed = read_part(b, &parts[i], i, &p, err);
    if (!failed)
        failed = load_summarise(p.part, (int)n, generator.at_ns == 0 ? NULL : &generator, &b->r->load, err);
    b->r->has_load = !failed;
    free(p.part);
    free(p.counts);
    free(p.codes);
    free(p.hists);
    return failed;
}

// Without the generator's own clock the rate is over the measured time.
static void fill_rate(const struct report *r, struct load_summary_row *row)
{
    uint64_t n = row->kind == LOAD_SERIES_TRANSACTION ? row->counts.passes : row->counts.completed;
    if (isnan(row->rate_per_s) && r->elapsed_s > 0)
        row->rate_per_s = (double)n / r->elapsed_s;
}

// The driver knew more of itself than the series tell: its own word stands.
static int take_saturated(struct build *b, struct seep_err *err)
{
    const char *why;
    if (build_get(b, M_LOAD_SATURATED, &why, err) != 0)
        return -1;
    if (why != NULL && why[0] != '\0') {
        b->r->load.saturated = true;
        snprintf(b->r->load.why_saturated, sizeof b->r->load.why_saturated, "%s", why);
    }
    return 0;
}

static int add_metrics(struct build *b, struct seep_err *err)
{
    struct load_metric_table metrics;
    struct load_summary_metric out[PROFILE_METRICS_MAX];
    struct load_hist *h = malloc(sizeof *h);
    int failed = h == NULL ? build_no_memory(err) : 0;
    load_metrics_build(b->profile, &metrics);
    for (int i = 0; !failed && i < metrics.n; i++) {
        const struct load_metric *m = &metrics.row[i];
        struct load_metric_counts c = {0};
        bool found;
        failed = last_count(b, S_METRIC_TOTAL, m->labels, &c.total, err) != 0 ||
                 last_count(b, S_METRIC_HITS, m->labels, &c.hits, err) != 0 ||
                 last_of(b, S_METRIC_SUM, m->labels, &c.sum, err) != 0 ||
                 build_read_hist(b, H_METRIC_VALUES, m->labels, h, &found, err) != 0;
        if (!failed)
            load_summarise_metric(m, &c, found ? h : NULL, &out[i]);
    }
    free(h);
    return failed ? -1 : load_summary_add_metrics(&b->r->load, out, metrics.n, err);
}

// Another program has counters and an exit, and no requests.
static bool is_driven_by_program(const struct profile *p)
{
    for (int i = 0; i < p->n_loads; i++)
        if (p->loads[i].exec.present)
            return true;
    return false;
}

int build_load(struct build *b, struct seep_err *err)
{
    struct build_part *parts;
    size_t n;
    if (build_load_parts(b, &parts, &n, err) != 0)
        return -1;
    if (n == 0 && !is_driven_by_program(b->profile))
        return 0;
    if (build_load_for_gates(b, parts, n, err) != 0 || summarise(b, parts, n, err) != 0 || add_metrics(b, err) != 0 ||
        build_load_intervals(b, parts, n, err) != 0)
        return -1;
    fill_rate(b->r, &b->r->load.all);
    for (int i = 0; i < b->r->load.n_rows; i++)
        fill_rate(b->r, &b->r->load.row[i]);
    return take_saturated(b, err);
}
