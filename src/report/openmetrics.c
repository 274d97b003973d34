// OpenMetrics: what a run came to, as a Prometheus server, its textfile collector or a push gateway takes it. Values at
// the end of the run and no timestamps; a figure that is not known is left out, as a metric has no way to say so. (The
// series over time are `-f csv`.)
#include "base/esc.h"
#include "report/profile_text.h"
#include "report/report.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

enum { STACKS_SHOWN = 20, LABELS_MAX = 4 };

struct label {
    const char *name, *value;
};

struct om {
    struct seep_buf *out;
    const char *run;
};

// Valid UTF-8 without controls, and escaped as the format wants it.
static void put_label_value(struct seep_buf *out, const char *value)
{
    struct seep_buf plain;
    buf_init(&plain, 64 * 1024);
    esc_term(&plain, value, strlen(value));
    for (size_t i = 0; i < plain.len; i++) {
        if (plain.data[i] == '\\' || plain.data[i] == '"')
            buf_char(out, '\\');
        buf_char(out, plain.data[i]);
    }
    out->failed |= plain.failed;
    buf_free(&plain);
}

static void put_family(struct om *m, const char *name, const char *type, const char *unit, const char *help)
{
    buf_printf(m->out, "# TYPE %s %s\n", name, type);
    if (unit != NULL)
        buf_printf(m->out, "# UNIT %s %s\n", name, unit);
    buf_printf(m->out, "# HELP %s %s\n", name, help);
}

// labels: ended by a NULL name, at most LABELS_MAX. suffix: "", "_total", "_info", ...
static void put_sample(struct om *m, const char *name, const char *suffix, const struct label *labels, double value)
{
    if (!isfinite(value))
        return;
    buf_printf(m->out, "%s%s{run=\"", name, suffix);
    put_label_value(m->out, m->run);
    buf_char(m->out, '"');
    for (; labels != NULL && labels->name != NULL; labels++) {
        buf_printf(m->out, ",%s=\"", labels->name);
        put_label_value(m->out, labels->value == NULL ? "" : labels->value);
        buf_char(m->out, '"');
    }
    buf_str(m->out, "} ");
    buf_double(m->out, value);
    buf_char(m->out, '\n');
}

static void put_gauge(struct om *m, const char *name, const char *unit, const char *help, double value)
{
    put_family(m, name, "gauge", unit, help);
    put_sample(m, name, "", NULL, value);
}

static void put_run(struct om *m, const struct report *r)
{
    const struct label labels[] = {{"profile", r->profile_name == NULL ? "" : r->profile_name},
                                   {"sha256", r->target.sha256},
                                   {"build_id", r->target.build_id},
                                   {0}};
    put_family(m, "seep_run", "info", NULL, "The run, its profile and the program that it measured.");
    put_sample(m, "seep_run", "_info", labels, 1);
    put_family(m, "seep_verdict", "stateset", NULL, "What the run came to.");
    for (int v = 0; v < JUDGE_FINALS; v++) {
        const struct label word[] = {{"seep_verdict", judge_final_name((enum judge_final)v)}, {0}};
        put_sample(m, "seep_verdict", "", word, r->final.verdict == (enum judge_final)v);
    }
    put_gauge(m, "seep_exit_code", NULL, "The exit code of the run.", r->final.exit_code);
    put_gauge(m, "seep_started_timestamp_seconds", "seconds", "When the target was started.",
              r->started_ns == SEEP_UNKNOWN ? NAN : (double)r->started_ns / 1e9);
    put_gauge(m, "seep_measured_seconds", "seconds", "How long the run measured.", r->elapsed_s);
}

static void put_gates(struct om *m, const struct report *r)
{
    put_family(m, "seep_gate_status", "stateset", NULL, "What each gate came to.");
    for (size_t i = 0; i < r->n_gates; i++)
        for (int s = 0; s < JUDGE_STATUSES; s++) {
            const struct label labels[] = {
                {"gate", r->gates[i].text}, {"seep_gate_status", judge_status_name((enum judge_status)s)}, {0}};
            put_sample(m, "seep_gate_status", "", labels, r->gates[i].result.status == (enum judge_status)s);
        }
    const struct {
        const char *name, *help;
        size_t offset;
    } rows[] = {{"seep_gate_value", "What each gate measured, in the base unit of its label.",
                 offsetof(struct judge_gate_result, value)},
                {"seep_gate_limit", "The limit of each gate, in the base unit of its label.",
                 offsetof(struct judge_gate_result, limit)}};
    for (size_t k = 0; k < 2; k++) {
        put_family(m, rows[k].name, "gauge", NULL, rows[k].help);
        for (size_t i = 0; i < r->n_gates; i++) {
            const struct judge_gate_result *g = &r->gates[i].result;
            const struct label labels[] = {{"gate", r->gates[i].text}, {"in", units_name(judge_unit_of(g->unit))}, {0}};
            double value;
            memcpy(&value, (const char *)g + rows[k].offset, sizeof value);
            put_sample(m, rows[k].name, "", labels, value);
        }
    }
}

// One gauge with the slope and both ends of its interval, told apart by a label.
static void put_rate(struct om *m, const char *name, const struct label *own, double slope, double lo, double hi)
{
    const double values[] = {slope, lo, hi};
    static const char *const bounds[] = {"estimate", "lower", "upper"};
    struct label labels[LABELS_MAX + 2] = {0};
    size_t n = 0;
    for (; own[n].name != NULL && n < LABELS_MAX; n++)
        labels[n] = own[n];
    for (size_t i = 0; i < 3; i++) {
        labels[n] = (struct label){"bound", bounds[i]};
        put_sample(m, name, "", labels, values[i]);
    }
}

static void put_growths(struct om *m, const struct report *r, enum judge_unit unit, const char *name, const char *help)
{
    put_family(m, name, "gauge", NULL, help);
    for (size_t i = 0; i < r->n_growths; i++) {
        const struct report_growth *g = &r->growths[i];
        const struct label labels[] = {{"of", g->name}, {0}};
        if (g->unit == unit)
            put_rate(m, name, labels, g->growth.slope_per_s, g->growth.lo_per_s, g->growth.hi_per_s);
    }
}

static void put_stacks(struct om *m, const struct report *r)
{
    static const char name[] = "seep_stack_growth_bytes_per_second";
    put_family(m, name, "gauge", NULL, "Growth of the call stacks that grow, the worst first.");
    for (size_t i = 0, shown = 0; i < r->n_stacks && shown < STACKS_SHOWN; i++) {
        const struct report_stack *s = &r->stacks[i];
        char rank[24];
        if (!s->judge.rejected || s->n_frames == 0)
            continue;
        const struct report_frame *f = &s->frames[profile_first_own(s)];
        snprintf(rank, sizeof rank, "%zu", s->judge.rank);
        const struct label labels[] = {{"rank", rank},
                                       {"function", f->function != NULL ? f->function : profile_base_name(f->module)},
                                       {"file", f->file},
                                       {0}};
        put_rate(m, name, labels, s->judge.slope_per_s, s->judge.lo_per_s, s->judge.hi_per_s);
        shown++;
    }
    put_gauge(m, "seep_stacks_growing", NULL, "How many call stacks grow.",
              r->stacks_known ? (double)r->judge_stacks.n_rejected : NAN);
}

// The labels of a row of the load: scenario always, "" for the whole; the others where it has them.
struct load_row_labels {
    struct load_labels is;
    struct label label[6]; // room for one more
    size_t n;
};

static void label_row(const struct load_summary_row *row, struct load_row_labels *out)
{
    load_labels_parse(row->labels, &out->is);
    out->n = 0;
    out->label[out->n++] = (struct label){"scenario", out->is.scenario};
    const struct label more[] = {{"load", out->is.load}, {"step", out->is.step}, {"transaction", out->is.transaction}};
    for (size_t i = 0; i < sizeof more / sizeof more[0]; i++)
        if (more[i].value[0] != '\0')
            out->label[out->n++] = more[i];
    out->label[out->n] = (struct label){0};
}

static void put_load_row(struct om *m, const char *name, const char *suffix, const struct load_summary_row *row,
                         double value)
{
    struct load_row_labels labels;
    label_row(row, &labels);
    put_sample(m, name, suffix, labels.label, value);
}

static void put_durations(struct om *m, const char *name, const struct load_summary_row *row,
                          const struct hist_figures *h)
{
    const struct {
        const char *quantile;
        double us;
    } q[] = {{"0.5", h->p50_us}, {"0.9", h->p90_us}, {"0.95", h->p95_us}, {"0.99", h->p99_us}, {"0.999", h->p999_us}};
    struct load_row_labels labels;
    for (size_t i = 0; i < sizeof q / sizeof q[0]; i++) {
        label_row(row, &labels);
        labels.label[labels.n++] = (struct label){"quantile", q[i].quantile};
        labels.label[labels.n] = (struct label){0};
        put_sample(m, name, "", labels.label, q[i].us / 1e6);
    }
    if (h->count > 0) {
        put_load_row(m, name, "_count", row, (double)h->count);
        put_load_row(m, name, "_sum", row, (double)h->count * h->mean_us / 1e6);
    }
}

static void put_requests(struct om *m, const struct load_summary *l)
{
    put_family(m, "seep_load_requests", "counter", NULL, "Requests that were completed, well or not.");
    for (int i = -1; i < l->n_rows; i++)
        if (i < 0 || l->row[i].kind != LOAD_SERIES_TRANSACTION) {
            const struct load_summary_row *row = i < 0 ? &l->all : &l->row[i];
            put_load_row(m, "seep_load_requests", "_total", row, (double)row->counts.completed);
        }
    put_family(m, "seep_load_errors", "counter", NULL, "Requests that failed.");
    for (int i = -1; i < l->n_rows; i++)
        if (i < 0 || l->row[i].kind != LOAD_SERIES_TRANSACTION) {
            const struct load_summary_row *row = i < 0 ? &l->all : &l->row[i];
            put_load_row(m, "seep_load_errors", "_total", row, (double)load_errors(&row->counts));
        }
    put_family(m, "seep_load_latency_seconds", "summary", "seconds", "Time from the intended start to the response.");
    for (int i = -1; i < l->n_rows; i++)
        if (i < 0 || l->row[i].kind != LOAD_SERIES_TRANSACTION)
            put_durations(m, "seep_load_latency_seconds", i < 0 ? &l->all : &l->row[i],
                          i < 0 ? &l->all.latency : &l->row[i].latency);
}

static void put_transactions(struct om *m, const struct load_summary *l)
{
    if (load_summary_count(l, LOAD_SERIES_TRANSACTION) == 0)
        return;
    put_family(m, "seep_load_transactions_failed", "counter", NULL, "Transactions in which a step failed.");
    for (int i = 0; i < l->n_rows; i++)
        if (l->row[i].kind == LOAD_SERIES_TRANSACTION)
            put_load_row(m, "seep_load_transactions_failed", "_total", &l->row[i],
                         (double)l->row[i].counts.passes_failed);
    put_family(m, "seep_load_transaction_seconds", "summary", "seconds",
               "Time from the intended start of a transaction to its end.");
    for (int i = 0; i < l->n_rows; i++)
        if (l->row[i].kind == LOAD_SERIES_TRANSACTION)
            put_durations(m, "seep_load_transaction_seconds", &l->row[i], &l->row[i].pass);
}

static bool has_kind(const struct load_summary *l, enum profile_metric_kind kind)
{
    for (int i = 0; i < l->n_metrics; i++)
        if (l->metric[i].metric.kind == kind)
            return true;
    return false;
}

static void put_trend(struct om *m, const struct load_summary_metric *x)
{
    const struct hist_figures *h = &x->values; // in the metric's own unit
    const struct {
        const char *quantile;
        double value;
    } q[] = {{"0.5", h->p50_us}, {"0.9", h->p90_us}, {"0.95", h->p95_us}, {"0.99", h->p99_us}, {"0.999", h->p999_us}};
    const struct label own[] = {{"name", load_summary_metric_name(x)}, {"unit", units_name(x->metric.unit)}, {0}};
    for (size_t i = 0; i < sizeof q / sizeof q[0] && h->count > 0; i++) {
        const struct label labels[] = {own[0], own[1], {"quantile", q[i].quantile}, {0}};
        put_sample(m, "seep_metric_values", "", labels, q[i].value);
    }
    put_sample(m, "seep_metric_values", "_count", own, (double)x->counts.total);
    put_sample(m, "seep_metric_values", "_sum", own, x->counts.sum);
}

// The user's own metrics: trends, rates and counters.
static void put_metrics(struct om *m, const struct load_summary *l)
{
    if (has_kind(l, METRIC_TREND))
        put_family(m, "seep_metric_values", "summary", NULL, "Values of a metric of the profile.");
    for (int i = 0; i < l->n_metrics; i++)
        if (l->metric[i].metric.kind == METRIC_TREND)
            put_trend(m, &l->metric[i]);
    if (has_kind(l, METRIC_RATE))
        put_family(m, "seep_metric_rate_ratio", "gauge", "ratio", "Share of hits of a rate of the profile.");
    for (int i = 0; i < l->n_metrics; i++)
        if (l->metric[i].metric.kind == METRIC_RATE)
            put_sample(m, "seep_metric_rate_ratio", "",
                       (const struct label[]){{"name", load_summary_metric_name(&l->metric[i])}, {0}},
                       l->metric[i].ratio);
    if (has_kind(l, METRIC_COUNTER))
        put_family(m, "seep_metric_count", "counter", NULL, "Sum of a counter of the profile.");
    for (int i = 0; i < l->n_metrics; i++)
        if (l->metric[i].metric.kind == METRIC_COUNTER)
            put_sample(m, "seep_metric_count", "_total",
                       (const struct label[]){{"name", load_summary_metric_name(&l->metric[i])},
                                              {"unit", units_name(l->metric[i].metric.unit)},
                                              {0}},
                       l->metric[i].counts.sum);
}

// Scenario "" is the whole load.
static void put_load(struct om *m, const struct report *r)
{
    if (!r->has_load)
        return;
    put_requests(m, &r->load);
    put_transactions(m, &r->load);
    put_metrics(m, &r->load);
}

static void put_cost(struct om *m, const struct report *r)
{
    const struct report_cost c = report_request_cost(r);
    const struct {
        const char *name, *unit, *help;
        double value;
    } rows[] = {{"seep_request_cpu_seconds", "seconds", "CPU time of the target a request.", c.cpu_s},
                {"seep_request_disk_read_bytes", "bytes", "Read from disk a request.", c.disk_read_bytes},
                {"seep_request_disk_written_bytes", "bytes", "Written to disk a request.", c.disk_written_bytes},
                {"seep_request_network_bytes", "bytes", "Traffic of the load a request.", c.network_bytes}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (isfinite(rows[i].value))
            put_gauge(m, rows[i].name, rows[i].unit, rows[i].help, rows[i].value);
}

// Every occurrence of a fault, told apart by its number.
static void put_faults(struct om *m, const struct report *r)
{
    if (r->n_faults == 0)
        return;
    put_family(m, "seep_fault_seconds", "gauge", "seconds", "How long a fault lasted.");
    for (size_t pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < r->n_faults; i++) {
            const struct report_fault *f = &r->faults[i];
            char count[24];
            snprintf(count, sizeof count, "%lld", (long long)f->count);
            const struct label labels[] = {{"fault", f->name}, {"occurrence", count}, {0}};
            put_sample(m, pass ? "seep_fault_recovery_seconds" : "seep_fault_seconds", "", labels,
                       pass ? f->recovery_s : f->to_s - f->from_s);
        }
        if (pass == 0)
            put_family(m, "seep_fault_recovery_seconds", "gauge", "seconds",
                       "From the end of a fault until the target was well again; absent where it was not.");
    }
}

static void put_evidence(struct om *m, const struct report *r)
{
    const struct report_evidence *e = &r->evidence;
    put_gauge(m, "seep_samples", NULL, "Samples of the measured time.", (double)e->samples);
    put_gauge(m, "seep_samples_expected", NULL, "Samples that were planned.",
              e->expected == SEEP_UNKNOWN ? NAN : (double)e->expected);
    put_gauge(m, "seep_gaps", NULL, "Stretches without samples.", (double)e->n_gaps);
    put_gauge(m, "seep_lost_events", NULL, "Events lost between probe and store.", e->lost);
    put_gauge(m, "seep_smallest_leak_bytes_per_second", NULL, "The smallest growth that this run could have seen.",
              e->smallest_leak_per_s);
    put_family(m, "seep_shutdown_status", "stateset", NULL, "What the shutdown came to.");
    for (int s = 0; s < JUDGE_STATUSES && !r->live; s++) {
        const struct label labels[] = {{"seep_shutdown_status", judge_status_name((enum judge_status)s)}, {0}};
        put_sample(m, "seep_shutdown_status", "", labels, r->shutdown.status == (enum judge_status)s);
    }
    put_gauge(m, "seep_shutdown_seconds", "seconds", "From the signal to the end of the target.", r->shutdown.after_s);
}

int report_openmetrics(const struct report *r, const struct report_style *style, struct seep_buf *out,
                       struct seep_err *err)
{
    (void)style;
    struct om m = {.out = out, .run = r->run == NULL ? "" : r->run};
    put_run(&m, r);
    put_gates(&m, r);
    put_growths(&m, r, JUDGE_U_BYTES, "seep_growth_bytes_per_second",
                "Growth of memory at the end of the run, with its 90 % interval.");
    put_growths(&m, r, JUDGE_U_COUNT, "seep_growth_per_second",
                "Growth of counts at the end of the run, with its 90 % interval.");
    put_stacks(&m, r);
    put_load(&m, r);
    put_cost(&m, r);
    put_faults(&m, r);
    put_evidence(&m, r);
    buf_str(out, "# EOF\n");
    return buf_check(out, "The metrics", err);
}
