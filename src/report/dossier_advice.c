// What follows from the runs of a dossier: bottlenecks, recommendations, scaling, capacity, configuration. Every
// sentence is computed from a figure of a run and names it.
#include "base/units.h"
#include "report/doc.h"
#include "report/dossier.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double hour_s = 3600;

static const char *format(char out[48], double value, enum judge_unit unit)
{
    return judge_format(out, 48, value, unit);
}

static double host_fact(const struct report *r, const char *key)
{
    for (size_t i = 0; i < r->n_host; i++)
        if (strcmp(r->host[i].key, key) == 0)
            return strtod(r->host[i].value, NULL);
    return NAN;
}

static bool any_run(const struct dossier *d)
{
    for (int s = 0; s < DOSSIER_SECTIONS; s++)
        if (d->section[s].n > 0)
            return true;
    return false;
}

// ---- 10: bottlenecks ------------------------------------------------------------------------------------------------

static size_t bottlenecks_of(struct doc *doc, const struct report *r)
{
    char a[48], b[48];
    const char *name = dossier_name(r);
    double cpu = dossier_figure(r, "cpu"), cpus = host_fact(r, "cpus");
    double p50 = dossier_figure(r, "http.p50"), p99 = dossier_figure(r, "http.p99");
    size_t n = 0;
    if (r->has_load && r->load.saturated) {
        doc_item(doc, "%s: the load generator, not the program: %s", name, r->load.why_saturated);
        n++;
    }
    if (cpu > 0.8 * cpus) {
        doc_item(doc, "%s: CPU. It uses %s of %.0f cores.", name, format(a, cpu, JUDGE_U_RATIO), cpus);
        n++;
    } else if (cpu > 0.8 && cpu < 1.05) {
        doc_item(doc, "%s: one core. It uses %s of one and leaves the others idle.", name,
                 format(a, cpu, JUDGE_U_RATIO));
        n++;
    }
    if (p99 > 10 * p50) {
        doc_item(doc, "%s: the slowest requests. p99 is %s at a median of %s.", name, format(a, p99, JUDGE_U_SECONDS),
                 format(b, p50, JUDGE_U_SECONDS));
        n++;
    }
    for (size_t i = 0; i < r->n_stacks && i < 3 && r->stacks[i].judge.rejected; i++) {
        const struct report_stack *s = &r->stacks[i];
        const struct report_frame *f = s->n_frames > 0 ? &s->frames[0] : NULL;
        doc_item(doc, "%s: memory of %s grows by %s.", name,
                 f == NULL             ? "an unknown stack"
                 : f->function != NULL ? f->function
                                       : f->module,
                 format(a, s->judge.slope_per_s, JUDGE_U_BYTES_PER_S));
        n++;
    }
    return n;
}

void dossier_bottlenecks(struct doc *doc, const struct dossier *d)
{
    size_t n = 0;
    doc_heading(doc, 2, "10. Bottlenecks");
    doc_list(doc);
    for (int s = 0; s < DOSSIER_SECTIONS; s++)
        for (size_t i = 0; i < d->section[s].n; i++)
            n += dossier_seen(d, s, i) ? 0 : bottlenecks_of(doc, d->section[s].runs[i].report);
    doc_list_end(doc);
    if (n == 0)
        doc_text(doc, "In these runs none was reached: no CPU over 80 %%, no p99 over ten times the median, no call "
                      "stack that grows. A run whose load rises until something breaks would find it (section 7).");
}

// ---- 11: recommendations --------------------------------------------------------------------------------------------

static size_t put_open(struct doc *doc, const struct dossier_run *run)
{
    const struct report *r = run->report;
    size_t n = 0;
    for (size_t i = 0; i < r->n_gates; i++) {
        const struct report_gate *g = &r->gates[i];
        if (g->result.status != JUDGE_S_FAIL && g->result.status != JUDGE_S_INCONCLUSIVE)
            continue;
        doc_item(doc, "%s, run %s: %s.", g->text, dossier_name(r), g->result.reason);
        n++;
    }
    if (r->final.verdict != JUDGE_FINAL_PASS && n == 0) {
        doc_item(doc, "Run %s: %s.", dossier_name(r), r->headline);
        n++;
    }
    for (size_t i = 0; run->since != NULL && i < run->since->n_advice; i++)
        doc_item(doc, "%s", run->since->advice[i]);
    return n;
}

static void put_rollout(struct doc *doc, bool ready)
{
    doc_heading(doc, 3, "Rollout");
    if (!ready) {
        doc_text(doc, "No rollout before every run passes: what is above comes first.");
        return;
    }
    doc_text(doc, "Every run passed, so the rollout may begin. A phase ends early when an alert below fires.");
    doc_table(doc, "phase|share of the traffic|time");
    static const char *const phases[][3] = {{"1, canary", "5 %", "2 weeks"},
                                            {"2, gradual", "10 %, then 25 %, then 50 %", "3 weeks"},
                                            {"3, all", "100 %", "from week 7 on"}};
    for (size_t i = 0; i < 3; i++)
        for (size_t k = 0; k < 3; k++)
            doc_cell(doc, "%s", phases[i][k]);
    doc_table_end(doc);
}

// Alerts are the gates: what was demanded of the runs is what is watched for.
static void put_alerts(struct doc *doc, const struct dossier *d)
{
    char warn[48], limit[48];
    doc_heading(doc, 3, "Monitoring: alert thresholds");
    doc_table(doc, "section|metric|>warn at|>must stay|run");
    for (int s = 0; s < DOSSIER_SECTIONS; s++)
        for (size_t i = 0; i < d->section[s].n; i++) {
            const struct report *r = d->section[s].runs[i].report;
            for (size_t g = 0; g < r->n_gates && !dossier_seen(d, s, i); g++) {
                const struct judge_gate *gate = &r->gates[g].gate;
                doc_cell(doc, "%s", dossier_sections[s].title);
                doc_cell(doc, "%s", gate->name);
                doc_cell(doc, "%s", isfinite(gate->warn) ? format(warn, gate->warn, gate->unit) : "-");
                doc_cell(doc, "%s %s", judge_op_name(gate->op),
                         format(limit, r->gates[g].result.limit, r->gates[g].result.unit));
                doc_cell(doc, "%s", dossier_name(r));
            }
        }
    doc_table_end(doc);
}

void dossier_recommendations(struct doc *doc, const struct dossier *d)
{
    size_t open = 0;
    doc_heading(doc, 2, "11. Recommendations");
    doc_list(doc);
    for (int s = 0; s < DOSSIER_SECTIONS; s++)
        for (size_t i = 0; i < d->section[s].n; i++)
            open += dossier_seen(d, s, i) ? 0 : put_open(doc, &d->section[s].runs[i]);
    doc_list_end(doc);
    put_rollout(doc, open == 0 && any_run(d));
    put_alerts(doc, d);
}

// ---- scaling --------------------------------------------------------------------------------------------------------

void dossier_scaling(struct doc *doc, const struct dossier *d)
{
    const struct dossier_run *runs = d->section[DOSSIER_SCALING].runs;
    size_t n = d->section[DOSSIER_SCALING].n;
    char text[48];
    doc_heading(doc, 2, "Scaling");
    if (n < 2) {
        doc_text(doc, "It needs %s: `seep dossier scaling=ONE scaling=THREE scaling=FIVE`.",
                 dossier_sections[DOSSIER_SCALING].filled_by);
        return;
    }
    doc_table(doc, "run|>rate|>against the first|>p95|>p99|>errors|>CPU|>rate per core|>resident");
    for (size_t i = 0; i < n; i++) {
        const struct report *r = runs[i].report;
        double rate = dossier_figure(r, "http.rate"), first = dossier_figure(runs[0].report, "http.rate");
        double cpu = dossier_figure(r, "cpu");
        doc_cell(doc, "%s", dossier_name(r));
        doc_cell(doc, "%s", format(text, rate, JUDGE_U_PER_S));
        if (rate > 0 && first > 0)
            doc_cell(doc, "%.2f times", rate / first);
        else
            doc_cell(doc, "unknown");
        doc_cell(doc, "%s", format(text, dossier_figure(r, "http.p95"), JUDGE_U_SECONDS));
        doc_cell(doc, "%s", format(text, dossier_figure(r, "http.p99"), JUDGE_U_SECONDS));
        doc_cell(doc, "%s", format(text, dossier_figure(r, "http.errors"), JUDGE_U_RATIO));
        doc_cell(doc, "%s", format(text, cpu, JUDGE_U_RATIO));
        doc_cell(doc, "%s", format(text, cpu > 0 ? rate / cpu : NAN, JUDGE_U_PER_S));
        doc_cell(doc, "%s", format(text, dossier_figure(r, "rss"), JUDGE_U_BYTES));
    }
    doc_table_end(doc);
}

// ---- capacity -------------------------------------------------------------------------------------------------------

// Hours until the machine's memory is used up when growth goes on at the upper end of its interval.
static double hours_left(const struct report *r)
{
    const struct report_growth *g = report_find_growth(r, "rss");
    double room = host_fact(r, "memory") - (g == NULL ? NAN : g->last);
    return g != NULL && g->growth.hi_per_s > 0 ? room / g->growth.hi_per_s / hour_s : NAN;
}

static void capacity_row(struct doc *doc, const struct report *r)
{
    char text[48];
    double cost = dossier_figure(r, "cpu.per_request"), cpus = host_fact(r, "cpus"), hours = hours_left(r);
    doc_cell(doc, "%s", dossier_name(r));
    doc_cell(doc, "%s", judge_final_name(r->final.verdict));
    doc_cell(doc, "%s", format(text, dossier_figure(r, "http.rate"), JUDGE_U_PER_S));
    doc_cell(doc, "%s", format(text, cost, JUDGE_U_SECONDS));
    doc_cell(doc, "%s", format(text, cost > 0 ? 0.7 * cpus / cost : NAN, JUDGE_U_PER_S));
    doc_cell(doc, "%s", format(text, dossier_figure(r, "rss"), JUDGE_U_BYTES));
    if (isfinite(hours))
        doc_cell(doc, "%s", units_duration(text, sizeof text, hours * hour_s));
    else
        doc_cell(doc, "unknown or never");
}

void dossier_capacity(struct doc *doc, const struct dossier *d)
{
    bool any = false;
    doc_heading(doc, 2, "Capacity");
    for (int s = 0; s < DOSSIER_SECTIONS; s++)
        for (size_t i = 0; i < d->section[s].n; i++)
            any |= d->section[s].runs[i].report->has_load;
    if (!any) {
        doc_text(doc, "It needs a run with a load: `seep run -p PROFILE --name load -- CMD`, then `seep dossier "
                      "load=load`.");
        return;
    }
    doc_text(doc, "The rate that 70 %% of the machine's cores would serve is worked out from the CPU time of a request "
                  "and says nothing of other limits; only a stress run shows them. Memory is used up when resident "
                  "memory goes on growing at the upper end of its interval.");
    doc_table(doc, "run|verdict|>served|>CPU per request|>70 % of the cores would serve|>resident|>memory lasts");
    for (int s = 0; s < DOSSIER_SECTIONS; s++)
        for (size_t i = 0; i < d->section[s].n; i++)
            if (d->section[s].runs[i].report->has_load && !dossier_seen(d, s, i))
                capacity_row(doc, d->section[s].runs[i].report);
    doc_table_end(doc);
}

// ---- configuration --------------------------------------------------------------------------------------------------

static void configuration_of(struct doc *doc, const struct report *r)
{
    char a[48], b[48];
    struct seep_buf line;
    double cpu = dossier_figure(r, "cpu"), cpus = host_fact(r, "cpus");
    double rss = dossier_figure(r, "rss"), memory = host_fact(r, "memory");
    buf_init(&line, 4096);
    for (int i = 0; i < r->target.argc && !line.failed; i++) {
        buf_str(&line, i > 0 ? " " : "");
        buf_str(&line, r->target.argv[i]);
    }
    doc_item(doc, "Run %s: `%s`, allocator %s.", dossier_name(r), line.data == NULL ? "attached" : line.data,
             r->target.allocator == NULL ? "unknown" : r->target.allocator);
    buf_free(&line);
    if (isfinite(cpu) && isfinite(cpus))
        doc_item(doc, "CPU: %s of one core was used, of %.0f cores. %s", format(a, cpu, JUDGE_U_RATIO), cpus,
                 cpu > 0.8 * cpus   ? "Give it one core more, or another instance."
                 : cpu > 0.7 * cpus ? "Above 70 % for five minutes is where another instance is due."
                                    : "There is room.");
    if (isfinite(rss) && isfinite(memory))
        doc_item(doc, "Memory: %s of %s was resident on average. %s", format(a, rss, JUDGE_U_BYTES),
                 format(b, memory, JUDGE_U_BYTES),
                 rss > 0.8 * memory ? "Give it 256 MB more, or another instance." : "There is room.");
}

void dossier_configuration(struct doc *doc, const struct dossier *d)
{
    doc_heading(doc, 2, "Configuration");
    doc_text(doc, "As it was measured; triggers of scaling are 70 %% of the cores and 80 %% of the memory.");
    doc_list(doc);
    for (int s = 0; s < DOSSIER_SECTIONS; s++)
        for (size_t i = 0; i < d->section[s].n; i++)
            if (!dossier_seen(d, s, i))
                configuration_of(doc, d->section[s].runs[i].report);
    doc_list_end(doc);
}
