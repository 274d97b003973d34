// The performance report of a project: see dossier.h. Here the summary, the method, and the sections of measurements.
#include "report/dossier.h"
#include "base/clock.h"
#include "base/fs.h"
#include "report/doc.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct dossier_section_info dossier_sections[DOSSIER_SECTIONS] = {
    [DOSSIER_POLICY] = {"opa", "Policy engine (OPA)", "a load on policy decisions alone"},
    [DOSSIER_CACHE] = {"cache", "Cache", "a load that reads and writes the cache alone"},
    [DOSSIER_END_TO_END] = {"e2e", "End to end", "a load on whole requests, as clients send them"},
    [DOSSIER_LOAD] = {"load", "Load", "the rate that is expected in production, for half an hour or more"},
    [DOSSIER_STRESS] = {"stress", "Stress", "a load that rises until something breaks"},
    [DOSSIER_MEMORY] = {"memory", "Memory", "a soak, best of 24 hours (-p nightly-24h)"},
    [DOSSIER_SCALING] = {"scaling", "Scaling", "the same load at two or more sizes of the service, in their order"},
};

enum dossier_section dossier_find(const char *key)
{
    int s = 0;
    while (s < DOSSIER_SECTIONS && strcmp(dossier_sections[s].key, key) != 0)
        s++;
    return (enum dossier_section)s;
}

enum dossier_section dossier_place(const struct report *r)
{
    return r->has_load ? DOSSIER_LOAD : DOSSIER_MEMORY;
}

const char *dossier_name(const struct report *r)
{
    return r->run == NULL ? "unknown" : r->run;
}

double dossier_figure(const struct report *r, const char *name)
{
    const struct report_measure *m = report_find_measure(r, name);
    return m == NULL ? NAN : m->measure.value;
}

static const char *format(char out[48], double value, enum judge_unit unit)
{
    return judge_format(out, 48, value, unit);
}

bool dossier_seen(const struct dossier *d, int s, size_t i)
{
    const char *name = dossier_name(d->section[s].runs[i].report);
    for (int other = 0; other <= s; other++)
        for (size_t k = 0; k < d->section[other].n && (other < s || k < i); k++)
            if (strcmp(dossier_name(d->section[other].runs[k].report), name) == 0)
                return true;
    return false;
}

// Calls back for every run of every section; `once`: for each run in the first of its sections only.
static void each(const struct dossier *d, struct doc *doc, bool once,
                 void (*f)(struct doc *, enum dossier_section, const struct dossier_run *))
{
    for (int s = 0; s < DOSSIER_SECTIONS; s++)
        for (size_t i = 0; i < d->section[s].n; i++)
            if (!once || !dossier_seen(d, s, i))
                f(doc, (enum dossier_section)s, &d->section[s].runs[i]);
}

// ---- 1: summary -----------------------------------------------------------------------------------------------------

static void summary_row(struct doc *doc, enum dossier_section s, const struct dossier_run *run)
{
    const struct report *r = run->report;
    doc_cell(doc, "%s", dossier_sections[s].title);
    doc_cell(doc, "%s", judge_final_name(r->final.verdict));
    doc_cell(doc, "%s", r->headline);
    doc_cell(doc, "%s", run->since == NULL ? "" : run->since->headline);
    doc_cell(doc, "%s", dossier_name(r));
}

static size_t count_verdict(const struct dossier *d, enum judge_final verdict, size_t *all)
{
    size_t n = 0;
    *all = 0;
    for (int s = 0; s < DOSSIER_SECTIONS; s++)
        for (size_t i = 0; i < d->section[s].n; i++) {
            if (dossier_seen(d, s, i))
                continue;
            n += d->section[s].runs[i].report->final.verdict == verdict;
            ++*all;
        }
    return n;
}

static void put_summary(struct doc *doc, const struct dossier *d)
{
    size_t all, passed = count_verdict(d, JUDGE_FINAL_PASS, &all),
                open = count_verdict(d, JUDGE_FINAL_INCONCLUSIVE, &all);
    doc_heading(doc, 2, "1. Executive summary");
    doc_text(doc, "Of %zu run%s %zu passed every gate, %zu could not be decided, and %zu failed.", all,
             all == 1 ? "" : "s", passed, open, all - passed - open);
    doc_table(doc, "section|verdict|what decided|against its base|evidence (run)");
    each(d, doc, false, summary_row);
    doc_table_end(doc);
}

// Every demand with what was measured: criterion, target, status, evidence.
static void target_rows(struct doc *doc, enum dossier_section s, const struct dossier_run *run)
{
    char value[48];
    const struct report *r = run->report;
    for (size_t i = 0; i < r->n_gates; i++) {
        const struct report_gate *g = &r->gates[i];
        doc_cell(doc, "%s", dossier_sections[s].title);
        doc_cell(doc, "%s", g->text);
        doc_cell(doc, "%s", format(value, g->result.value, g->result.unit));
        doc_cell(doc, "%s", judge_status_name(g->result.status));
        doc_cell(doc, "%s", dossier_name(r));
    }
}

static void put_targets(struct doc *doc, const struct dossier *d)
{
    doc_heading(doc, 3, "Targets and their status");
    doc_table(doc, "section|target|>measured|status|evidence (run)");
    each(d, doc, true, target_rows);
    doc_table_end(doc);
}

// ---- 2: method ------------------------------------------------------------------------------------------------------

static void method_row(struct doc *doc, enum dossier_section s, const struct dossier_run *run)
{
    const struct report *r = run->report;
    char when[32], length[32], interval[32], leak[48];
    doc_cell(doc, "%s", dossier_sections[s].title);
    doc_cell(doc, "%s", dossier_name(r));
    doc_cell(doc, "%s", r->profile_name == NULL ? "none" : r->profile_name);
    doc_cell(doc, "%s", clock_iso8601(when, r->started_ns));
    doc_cell(doc, "%s", units_duration(length, sizeof length, r->elapsed_s));
    doc_cell(doc, "%zu every %s, %zu gaps", r->evidence.samples,
             units_duration(interval, sizeof interval, r->interval_s), r->evidence.n_gaps);
    doc_cell(doc, "%s", r->evidence.attribution == NULL ? "unknown" : r->evidence.attribution);
    doc_cell(doc, "%s", format(leak, r->evidence.smallest_leak_per_s, JUDGE_U_BYTES_PER_S));
}

static void environment_row(struct doc *doc, enum dossier_section s, const struct dossier_run *run)
{
    (void)s;
    char size[32];
    const struct report *r = run->report;
    for (size_t i = 0; i < r->n_host; i++) {
        doc_cell(doc, "%s", dossier_name(r));
        doc_cell(doc, "host %s", r->host[i].key);
        if (strcmp(r->host[i].key, "memory") == 0)
            doc_cell(doc, "%s", units_bytes(size, sizeof size, strtod(r->host[i].value, NULL)));
        else
            doc_cell(doc, "%s", r->host[i].value);
    }
    doc_cell(doc, "%s", dossier_name(r));
    doc_cell(doc, "program");
    doc_cell(doc, "%s, SHA-256 %.16s..., build id %s, allocator %s", r->target.exe == NULL ? "unknown" : r->target.exe,
             r->target.sha256 == NULL ? "unknown" : r->target.sha256,
             r->target.build_id == NULL ? "unknown" : r->target.build_id,
             r->target.allocator == NULL ? "unknown" : r->target.allocator);
}

static void put_method(struct doc *doc, const struct dossier *d)
{
    doc_heading(doc, 2, "2. Methodology");
    doc_text(doc, "Each run starts the program anew, drives its load, samples memory and every other resource that can "
                  "leak, and fits growth rates with 90 %% intervals; a figure that the run cannot know is unknown. "
                  "Differences to a base are tested over all figures together.");
    doc_table(doc, "section|run|profile|started|>measured|samples|attribution|>smallest leak it could have seen");
    each(d, doc, true, method_row);
    doc_table_end(doc);
    doc_heading(doc, 3, "Test environment");
    doc_table(doc, "run|fact|value");
    each(d, doc, true, environment_row);
    doc_table_end(doc);
}

// ---- 3 to 9: sections of measurements -------------------------------------------------------------------------------

static void put_load_row(struct doc *doc, const char *name, const struct load_summary_row *row)
{
    char text[48];
    doc_cell(doc, "%s", name);
    doc_cell(doc, "%s", units_count(text, sizeof text, (double)row->counts.completed));
    doc_cell(doc, "%s", format(text, row->rate_per_s, JUDGE_U_PER_S));
    doc_cell(doc, "%s", format(text, row->error_ratio, JUDGE_U_RATIO));
    const double us[] = {row->latency.mean_us, row->latency.p50_us,  row->latency.p95_us,
                         row->latency.p99_us,  row->latency.p999_us, row->latency.max_us};
    for (size_t i = 0; i < sizeof us / sizeof us[0]; i++)
        doc_cell(doc, "%s", format(text, us[i] / 1e6, JUDGE_U_SECONDS));
}

static void put_load(struct doc *doc, const struct report *r)
{
    if (!r->has_load)
        return;
    doc_table(doc, "scenario|>requests|>rate|>errors|>mean|>p50|>p95|>p99|>p99.9|>max");
    put_load_row(doc, "all", &r->load.all);
    for (int i = 0; i < r->load.n_rows; i++)
        put_load_row(doc, r->load.row[i].name, &r->load.row[i]);
    doc_table_end(doc);
    if (r->load.saturated)
        doc_text(doc, "The generator was the bottleneck, so its figures decide nothing: %s", r->load.why_saturated);
}

static void put_growths(struct doc *doc, const struct report *r)
{
    char last[48], rate[48], lo[48], hi[48], total[48];
    doc_table(doc, "resource|>last|>rate|>90 % interval|>in total|course");
    for (size_t i = 0; i < r->n_growths; i++) {
        const struct report_growth *g = &r->growths[i];
        enum judge_unit unit = g->unit == JUDGE_U_BYTES ? JUDGE_U_BYTES_PER_S : JUDGE_U_PER_S;
        doc_cell(doc, "%s", g->name);
        doc_cell(doc, "%s", format(last, g->last, g->unit));
        doc_cell(doc, "%s", format(rate, g->growth.slope_per_s, unit));
        doc_cell(doc, "%s to %s", format(lo, g->growth.lo_per_s, unit), format(hi, g->growth.hi_per_s, unit));
        doc_cell(doc, "%s", format(total, g->growth.total_growth, g->unit));
        doc_cell(doc, "%s", g->growth.shape_text);
    }
    doc_table_end(doc);
}

// Improvements are differences that the comparison decided on; nothing else is called one.
static void put_since(struct doc *doc, const struct compare *c)
{
    char base[48], now[48], by[48];
    doc_text(doc, "Against run %s: %s.", dossier_name(c->base), c->headline);
    doc_table(doc, "figure|>base|>now|>difference|>relative|change");
    for (size_t i = 0; i < c->n_figures; i++) {
        const struct compare_figure *f = &c->figures[i];
        if (!isfinite(f->difference.value))
            continue;
        doc_cell(doc, "%s", f->name);
        doc_cell(doc, "%s", format(base, f->base.value, f->unit));
        doc_cell(doc, "%s", format(now, f->candidate.value, f->unit));
        doc_cell(doc, "%s", format(by, f->difference.value, f->unit));
        if (isfinite(f->difference.relative))
            doc_cell(doc, "%+.1f %%", f->difference.relative * 100);
        else
            doc_cell(doc, "unknown");
        doc_cell(doc, "%s", judge_change_name(f->difference.change));
    }
    doc_table_end(doc);
}

static void put_run(struct doc *doc, const struct dossier_run *run, bool memory)
{
    const struct report *r = run->report;
    char name[160];
    snprintf(name, sizeof name, "Run %.140s", dossier_name(r));
    doc_heading(doc, 3, name);
    doc_text(doc, "%s: %s. Exit code %d.", judge_final_name(r->final.verdict), r->headline, r->final.exit_code);
    put_load(doc, r);
    if (memory || !r->has_load)
        put_growths(doc, r);
    if (run->since != NULL)
        put_since(doc, run->since);
    if (memory && !r->live)
        doc_text(doc, "Shutdown %s: %s", judge_status_name(r->shutdown.status), r->shutdown.reason);
}

static void put_empty(struct doc *doc, enum dossier_section s)
{
    doc_text(doc, "No run was given. It needs %s: `seep run -p PROFILE --name %s -- CMD`, then `seep dossier %s=%s`.",
             dossier_sections[s].filled_by, dossier_sections[s].key, dossier_sections[s].key, dossier_sections[s].key);
}

static void put_section(struct doc *doc, const struct dossier *d, enum dossier_section s, int number)
{
    char title[96];
    snprintf(title, sizeof title, "%d. %s", number, dossier_sections[s].title);
    doc_heading(doc, 2, title);
    for (size_t i = 0; i < d->section[s].n; i++)
        put_run(doc, &d->section[s].runs[i], s == DOSSIER_MEMORY);
    if (d->section[s].n == 0)
        put_empty(doc, s);
}

// ---- charts ---------------------------------------------------------------------------------------------------------

static const struct report_series *find_series(const struct report *r, const char *name)
{
    for (size_t i = 0; i < r->n_series; i++)
        if (strcmp(r->series[i].name, name) == 0 && r->series[i].labels[0] == '\0')
            return &r->series[i];
    return NULL;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void chart_row(struct doc *doc, const struct report *r, const char *series, const char *what,
                      enum judge_unit unit)
{
    const struct report_series *s = find_series(r, series);
    size_t n = r->measure_end - r->measure_first, known = 0;
    double *sorted = s == NULL || n == 0 ? NULL : malloc(n * sizeof *sorted);
    char text[48];
    for (size_t i = 0; sorted != NULL && i < n; i++)
        if (isfinite(s->values[r->measure_first + i]))
            sorted[known++] = s->values[r->measure_first + i];
    if (known > 0) {
        qsort(sorted, known, sizeof *sorted, by_value);
        doc_cell(doc, "%s", dossier_name(r));
        doc_cell(doc, "%s", what);
        doc_spark(doc, s->values + r->measure_first, n);
        const double figures[] = {sorted[0], sorted[known / 2], sorted[known - 1]};
        for (size_t i = 0; i < 3; i++)
            doc_cell(doc, "%s", format(text, figures[i], unit));
    }
    free(sorted);
}

static void charts_of_run(struct doc *doc, enum dossier_section s, const struct dossier_run *run)
{
    (void)s;
    chart_row(doc, run->report, S_HTTP_P99, "latency, p99", JUDGE_U_SECONDS);
    chart_row(doc, run->report, S_HTTP_REQUESTS, "throughput", JUDGE_U_PER_S);
    chart_row(doc, run->report, S_RSS, "memory, resident", JUDGE_U_BYTES);
    chart_row(doc, run->report, S_HEAP_LIVE, "memory, live heap", JUDGE_U_BYTES);
    chart_row(doc, run->report, S_CPU, "CPU, 100 % is one core", JUDGE_U_RATIO);
}

static void put_charts(struct doc *doc, const struct dossier *d)
{
    doc_heading(doc, 2, "9. Charts");
    doc_text(doc,
             "Over the measured time, from its least to its largest value. Each run's own page (seep report RUN -f "
             "html) has them in full.");
    doc_table(doc, "run|figure|over time|>least|>median|>largest");
    each(d, doc, true, charts_of_run);
    doc_table_end(doc);
}

int dossier_write(const struct dossier *d, bool html, struct seep_buf *out, struct seep_err *err)
{
    struct doc doc = {.out = out, .html = html};
    char nonce[33], when[32];
    if (html && fs_random_hex(nonce, err))
        return -1;
    doc_begin(&doc, "dossier", d->title, html ? nonce : NULL);
    doc_text(&doc, "Made %s by seep " SEEP_VERSION " from stored runs.", clock_iso8601(when, d->now_ns));
    put_summary(&doc, d);
    put_targets(&doc, d);
    put_method(&doc, d);
    for (int s = DOSSIER_POLICY; s <= DOSSIER_MEMORY; s++)
        put_section(&doc, d, (enum dossier_section)s, 3 + s);
    put_charts(&doc, d);
    dossier_bottlenecks(&doc, d);
    dossier_recommendations(&doc, d);
    dossier_scaling(&doc, d);
    dossier_capacity(&doc, d);
    dossier_configuration(&doc, d);
    doc_end(&doc);
    return buf_check(out, "The dossier", err);
}
