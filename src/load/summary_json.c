// The summary of a load as JSON: see summary.h.
#include "base/units.h"
#include "load/summary.h"

#include <stdio.h>
#include <string.h>

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

static void json_codes(struct jsonw *w, const struct load_codes *c)
{
    jsonw_object(w, "status_codes");
    for (uint32_t i = 0; i < c->n; i++) {
        char code[16];
        snprintf(code, sizeof code, "%d", c->code[i]);
        jsonw_int(w, code, (int64_t)c->count[i]);
    }
    if (c->other)
        jsonw_int(w, "other", (int64_t)c->other);
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
    if (r->kind <= LOAD_SERIES_SCENARIO && r->kind != LOAD_SERIES_LOAD) {
        jsonw_int(w, "iterations", (int64_t)c->passes);
        jsonw_int(w, "iterations_failed", (int64_t)c->passes_failed);
    }
    json_kinds(w, c);
    json_codes(w, &r->codes);
    json_durations(w, "latency_us", &r->latency);
    json_durations(w, "service_us", &r->service);
}

static void json_transaction(struct jsonw *w, const struct load_summary_row *r)
{
    jsonw_int(w, "passes", (int64_t)r->counts.passes);
    jsonw_int(w, "failed", (int64_t)r->counts.passes_failed);
    jsonw_double(w, "rate_per_s", r->rate_per_s);
    json_durations(w, "duration_us", &r->pass);
}

static void json_list(struct jsonw *w, const char *key, const struct load_summary *s, enum load_series_kind kind,
                      const char *above);

static void json_item(struct jsonw *w, const struct load_summary *s, const struct load_summary_row *r)
{
    struct load_labels labels;
    load_labels_parse(r->labels, &labels);
    jsonw_object(w, NULL);
    jsonw_string(w, "name", r->name);
    if (r->kind == LOAD_SERIES_SCENARIO && labels.load[0])
        jsonw_string(w, "load", labels.load);
    if (r->kind == LOAD_SERIES_TRANSACTION)
        json_transaction(w, r);
    else
        json_row(w, r);
    if (r->kind == LOAD_SERIES_SCENARIO && r->pass.count > 0)
        json_durations(w, "iteration_us", &r->pass);
    if (r->kind == LOAD_SERIES_SCENARIO) {
        json_list(w, "steps", s, LOAD_SERIES_STEP, r->labels);
        json_list(w, "transactions", s, LOAD_SERIES_TRANSACTION, r->labels);
    }
    jsonw_end_object(w);
}

// All rows of a kind whose labels begin with those of `above`.
static void json_list(struct jsonw *w, const char *key, const struct load_summary *s, enum load_series_kind kind,
                      const char *above)
{
    size_t len = strlen(above);
    jsonw_array(w, key);
    for (int i = 0; i < s->n_rows; i++) {
        const char *labels = s->row[i].labels;
        if (s->row[i].kind == kind && (len == 0 || (strncmp(labels, above, len) == 0 && labels[len] == ',')))
            json_item(w, s, &s->row[i]);
    }
    jsonw_end_array(w);
}

static void json_generator(struct jsonw *w, const struct load_summary *s)
{
    jsonw_object(w, "generator");
    jsonw_string(w, "status", s->lost ? "lost" : s->programs_failed ? "failed" : s->saturated ? "saturated" : "ok");
    jsonw_string(w, "reason", s->saturated ? s->why_saturated : NULL);
    jsonw_double(w, "cpu", s->cpu_ratio);
    jsonw_double(w, "cpu_busiest_worker", s->busiest_ratio);
    jsonw_int(w, "workers", s->workers);
    jsonw_int(w, "workers_lost", s->lost);
    jsonw_int(w, "programs", s->programs);
    jsonw_int(w, "programs_failed", s->programs_failed);
    jsonw_double(w, "lag_mean_ms", s->lag_mean_ms);
    jsonw_double(w, "lag_max_ms", s->lag_max_ms);
    jsonw_int(w, "late", (int64_t)s->all.counts.late_self);
    jsonw_int(w, "connections", s->connections);
    jsonw_int(w, "retried", s->retried);
    jsonw_int(w, "rss_bytes", s->rss_bytes);
    jsonw_end_object(w);
}

static void json_metrics(struct jsonw *w, const struct load_summary *s)
{
    static const char *const kinds[] = {
        [METRIC_NONE] = "none", [METRIC_TREND] = "trend", [METRIC_RATE] = "rate", [METRIC_COUNTER] = "counter"};
    jsonw_array(w, "metrics");
    for (int i = 0; i < s->n_metrics; i++) {
        const struct load_summary_metric *m = &s->metric[i];
        jsonw_object(w, NULL);
        jsonw_string(w, "name", load_summary_metric_name(m));
        jsonw_string(w, "kind", kinds[m->metric.kind]);
        jsonw_string(w, "unit", m->metric.kind == METRIC_RATE ? "ratio" : units_name(m->metric.unit));
        jsonw_int(w, "total", (int64_t)m->counts.total);
        if (m->metric.kind == METRIC_RATE) {
            jsonw_int(w, "hits", (int64_t)m->counts.hits);
            jsonw_double(w, "ratio", m->ratio);
        } else {
            jsonw_double(w, "sum", m->counts.sum);
        }
        if (m->metric.kind == METRIC_TREND)
            json_durations(w, "values", &m->values);
        jsonw_end_object(w);
    }
    jsonw_end_array(w);
}

void load_summary_json(const struct load_summary *s, struct jsonw *w, const char *key)
{
    jsonw_object(w, key);
    json_row(w, &s->all);
    jsonw_double(w, "seconds", s->seconds);
    jsonw_double(w, "offered_rate_per_s", s->offered_rate_per_s);
    jsonw_double(w, "achieved_rate_per_s", s->achieved_rate_per_s);
    json_generator(w, s);
    if (load_summary_count(s, LOAD_SERIES_LOAD) > 0)
        json_list(w, "loads", s, LOAD_SERIES_LOAD, "");
    json_list(w, "scenarios", s, LOAD_SERIES_SCENARIO, "");
    if (s->n_metrics > 0)
        json_metrics(w, s);
    jsonw_end_object(w);
}
