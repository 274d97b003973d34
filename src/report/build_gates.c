// Growth rates, gates and the final word, by the judge.
#include "report/build.h"
#include "report/scraped.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// What a gauge is tested against when no gate names it: information, not a demand.
static const double default_bytes_per_s = 1e6 / 3600, default_count_per_s = 1.0 / 3600;

int build_parse_gate(struct build *b, const struct profile_gate *p, struct report_gate *g, struct seep_err *err)
{
    struct judge_gate_text text = {
        .gate = p->expr, .over = p->over, .for_time = p->hold_for, .warn = p->warn, .vs = p->vs, .floor = p->floor};
    size_t n = 0;
    const char **names = report_scraped_names(b->profile, &n);
    int rc = judge_gate_parse(&text, names, n, &g->gate, NULL, err);
    free(names);
    if (rc != 0)
        return -1;
    g->text = report_strdup(b->arena, p->expr);
    return g->text == NULL ? build_no_memory(err) : 0;
}

static int parse_gates(struct build *b, struct seep_err *err)
{
    struct report *r = b->r;
    r->gates = report_alloc(b->arena, (size_t)b->profile->n_gates, sizeof *r->gates);
    if (r->gates == NULL)
        return build_no_memory(err);
    for (int i = 0; i < b->profile->n_gates; i++) {
        if (build_parse_gate(b, &b->profile->gates[i], &r->gates[r->n_gates], err) != 0)
            return -1;
        r->n_gates++;
    }
    return 0;
}

static const struct report_gate *gate_of(const struct report *r, enum judge_metric_kind kind, const char *gauge)
{
    for (size_t i = 0; i < r->n_gates; i++)
        if (r->gates[i].gate.kind == kind && (gauge == NULL || strcmp(r->gates[i].gate.gauge, gauge) == 0))
            return &r->gates[i];
    return NULL;
}

static int add_growth(struct build *b, const struct build_gauge *g, struct seep_err *err)
{
    struct report *r = b->r;
    const struct report_gate *rate = gate_of(r, JUDGE_M_GROWTH, g->name);
    const struct report_gate *total = gate_of(r, JUDGE_M_TOTAL_GROWTH, g->name);
    struct judge_options o = b->judge_options;
    o.unit = g->unit;
    o.counts = g->unit == JUDGE_U_COUNT;
    o.quantum = g->quantum;
    o.baseline = g->baseline;
    o.budget_per_s = o.counts ? default_count_per_s : default_bytes_per_s;
    if (rate != NULL && !rate->gate.vs_baseline)
        o.budget_per_s = rate->gate.limit;
    if (total != NULL && !total->gate.vs_baseline)
        o.total_limit = total->gate.limit;
    struct report_growth *out = &r->growths[r->n_growths];
    *out = (struct report_growth){.name = g->name, .unit = g->unit, .last = g->y[g->n - 1]};
    if (rate != NULL)
        out->gate = rate->gate.name;
    struct judge_series series = {.t_s = g->t_s, .y = g->y, .n = g->n};
    if (judge_trend(&series, &o, &out->growth) != 0)
        return build_no_memory(err);
    r->n_growths++;
    return 0;
}

int build_growths(struct build *b, struct seep_err *err)
{
    if (parse_gates(b, err) != 0)
        return -1;
    b->r->growths = report_alloc(b->arena, b->n_gauges, sizeof *b->r->growths);
    if (b->r->growths == NULL)
        return build_no_memory(err);
    for (size_t i = 0; i < b->n_gauges; i++) {
        bool grows = b->gauges[i].unit == JUDGE_U_BYTES || b->gauges[i].unit == JUDGE_U_COUNT;
        if (grows && b->gauges[i].n > 0 && add_growth(b, &b->gauges[i], err) != 0)
            return -1;
    }
    const struct report_growth *decisive = report_find_growth(b->r, "heap");
    if (decisive == NULL)
        decisive = report_find_growth(b->r, "rss");
    if (decisive != NULL)
        b->r->warmup_end_s = decisive->growth.warmup_end_s;
    return 0;
}

double build_stack_budget(const struct build *b)
{
    const struct report_gate *g = gate_of(b->r, JUDGE_M_STACK_GROWTH, NULL);
    if (g == NULL)
        g = gate_of(b->r, JUDGE_M_GROWTH, "heap");
    return g == NULL || g->gate.vs_baseline || !(g->gate.limit > 0) ? default_bytes_per_s : g->gate.limit;
}

static void fill_data(struct build *b, struct judge_gauge *gauges, struct judge_data *data)
{
    for (size_t i = 0; i < b->n_gauges; i++) {
        const struct build_gauge *g = &b->gauges[i];
        gauges[i] = (struct judge_gauge){.name = g->name,
                                         .labels = g->labels,
                                         .broken = g->broken,
                                         .series = {.t_s = g->t_s, .y = g->y, .n = g->n},
                                         .quantum = g->quantum,
                                         .baseline = g->baseline,
                                         .why_missing = g->why_missing};
    }
    *data = (struct judge_data){.from_s = b->r->measure_from_s,
                                .to_s = b->r->measure_to_s,
                                .options = b->judge_options,
                                .gauge = gauges,
                                .n_gauges = b->n_gauges,
                                .load = b->loads,
                                .n_loads = b->n_loads,
                                .marks = &b->marks,
                                .cut = b->cut,
                                .n_cut = b->n_cut,
                                .stacks = b->stacks_missing == NULL ? &b->stacks_input : NULL,
                                .stacks_missing = b->stacks_missing,
                                .baseline = b->baseline,
                                .n_baseline = b->n_baseline};
}

// Latencies over the whole run come from the whole histogram, exactly, whether or not windows were kept.
static bool over_whole(const struct judge_gate *g)
{
    return g->kind == JUDGE_M_QUANTILE && g->over == JUDGE_OVER_WHOLE && !(g->for_s > 0);
}

static bool of_load(const struct judge_gate *g)
{
    return g->kind == JUDGE_M_QUANTILE || g->kind == JUDGE_M_ERRORS || g->kind == JUDGE_M_AVAILABILITY ||
           g->kind == JUDGE_M_RATE || g->kind == JUDGE_M_REQUESTS || g->kind == JUDGE_M_ITERATIONS;
}

// When the generator was the bottleneck its figures are about itself, not about the target.
static void doubt_load(const struct build *b, struct report_gate *g)
{
    bool decided = g->result.status == JUDGE_S_PASS || g->result.status == JUDGE_S_FAIL;
    if (!of_load(&g->gate) || !decided || !b->r->has_load || !b->r->load.saturated)
        return;
    g->result.status = JUDGE_S_INCONCLUSIVE;
    snprintf(g->result.reason, sizeof g->result.reason, "The load generator was the bottleneck: %s",
             b->r->load.why_saturated);
}

int build_judge_gate(struct build *b, struct report_gate *g, struct seep_err *err)
{
    struct judge_gauge gauges[BUILD_GAUGES_MAX];
    struct judge_data data;
    fill_data(b, gauges, &data);
    if (over_whole(&g->gate) && b->n_cut == 0)
        data.load = b->loads_whole;
    if (of_load(&g->gate)) // all lives of a target that was started again
        data.from_s = b->r->t_s != NULL && b->all_first < b->all_end ? b->r->t_s[b->all_first] : data.from_s;
    if (judge_gate_eval(&g->gate, &data, &g->result) != 0)
        return build_no_memory(err);
    doubt_load(b, g);
    build_doubt_faults(b, g);
    return build_other(b, g, err) != 0 ? -1 : build_doubt(b, g, err);
}

int build_gates(struct build *b, struct seep_err *err)
{
    if (build_baseline(b, &b->baseline, &b->n_baseline, err) != 0)
        return -1;
    for (size_t i = 0; i < b->r->n_gates; i++)
        if (build_judge_gate(b, &b->r->gates[i], err) != 0)
            return -1;
    return 0;
}

// ---- the final word -------------------------------------------------------------------------------------------------

static struct judge_outcome outcome_of(const struct build *b, int64_t signal)
{
    const char *how = b->r->outcome;
    struct judge_outcome o = {.shutdown = b->r->shutdown.status};
    if (how != NULL) {
        o.error = strcmp(how, "error") == 0;
        o.target_failed = strcmp(how, "target_failed") == 0;
        if (strcmp(how, "interrupted") == 0)
            o.interrupted_by = signal == SEEP_UNKNOWN ? 2 : (int)signal;
    }
    o.evidence_missing = b->measure_end == b->measure_first;
    return o;
}

// The worst gate of a status, as a sentence: the first in the profile's order.
static const char *first_reason(struct build *b, enum judge_status status)
{
    for (size_t i = 0; i < b->r->n_gates; i++) {
        const struct report_gate *g = &b->r->gates[i];
        if (g->result.status == status)
            return report_strf(b->arena, "%s: %s", g->gate.name, g->result.reason);
    }
    if (b->r->reload.status == status)
        return report_strf(b->arena, "reload: %s", b->r->reload.reason);
    if (status == JUDGE_S_INCONCLUSIVE && b->r->has_load && b->r->load.undriven)
        return report_strf(b->arena, "load: %s", b->r->load.why_saturated);
    const struct report_score *s = &b->r->score;
    return s->status != status
               ? NULL
               : report_strf(b->arena, "the grade by %s is %s, demanded is %s: %s", s->set,
                             judge_grade_name(s->score.grade), judge_grade_name(s->at_least), s->score.reason);
}

// "3.05..3.38" where both ends have the unit of the value itself, else "990 kB/h..1.2 MB/h".
static const char *interval_text(struct build *b, const struct judge_gate_result *res, const char *value)
{
    char lo[48], hi[48];
    judge_format(lo, sizeof lo, res->lo, res->unit);
    judge_format(hi, sizeof hi, res->hi, res->unit);
    const char *unit = strchr(value, ' ');
    char *lo_unit = strchr(lo, ' '), *hi_unit = strchr(hi, ' ');
    if (unit != NULL && lo_unit != NULL && hi_unit != NULL && strcmp(unit, lo_unit) == 0 && strcmp(unit, hi_unit) == 0)
        *lo_unit = *hi_unit = '\0';
    return report_strf(b->arena, "%s..%s", lo, hi);
}

// "heap grows 3.21 MB/h (90 % interval 3.05..3.38), budget 1 MB/h".
static const char *growth_headline(struct build *b, const struct report_gate *g)
{
    char slope[48], limit[48];
    const struct judge_gate_result *res = &g->result;
    const char *who = g->gate.kind == JUDGE_M_STACK_GROWTH ? "one call stack" : g->gate.gauge;
    judge_format(slope, sizeof slope, res->value, res->unit);
    judge_format(limit, sizeof limit, res->limit, res->unit);
    if (!isfinite(res->lo) || !isfinite(res->hi))
        return report_strf(b->arena, "%s grows %s, budget %s", who, slope, limit);
    return report_strf(b->arena, "%s grows %s (90 %% interval %s), budget %s", who, slope, interval_text(b, res, slope),
                       limit);
}

static const char *fail_headline(struct build *b)
{
    static const enum judge_metric_kind order[] = {JUDGE_M_GROWTH, JUDGE_M_STACK_GROWTH};
    for (size_t k = 0; k < sizeof order / sizeof order[0]; k++)
        for (size_t i = 0; i < b->r->n_gates; i++) {
            const struct report_gate *g = &b->r->gates[i];
            if (g->result.status == JUDGE_S_FAIL && g->gate.kind == order[k])
                return growth_headline(b, g);
        }
    return first_reason(b, JUDGE_S_FAIL);
}

static const char *pass_headline(struct build *b)
{
    const struct report_growth *g = report_find_growth(b->r, "heap");
    if (g == NULL || g->growth.verdict != JUDGE_PASS)
        g = report_find_growth(b->r, "rss");
    if (g == NULL || g->growth.verdict != JUDGE_PASS)
        return b->r->n_gates > 0 ? "every gate passed" : "no gate was set";
    char slope[48], budget[48];
    judge_format(slope, sizeof slope, g->growth.hi_per_s, JUDGE_U_BYTES_PER_S);
    judge_format(budget, sizeof budget, g->growth.budget_per_s, JUDGE_U_BYTES_PER_S);
    return report_strf(b->arena, "%s grows at most %s (95 %% sure), budget %s", g->name, slope, budget);
}

static const char *headline(struct build *b)
{
    struct report *r = b->r;
    const char *text = NULL;
    switch (r->final.verdict) {
    case JUDGE_FINAL_PASS:
        return pass_headline(b);
    case JUDGE_FINAL_FAIL:
        text = fail_headline(b);
        if (text == NULL)
            text = r->shutdown.reason;
        break;
    case JUDGE_FINAL_INCONCLUSIVE:
        text = first_reason(b, JUDGE_S_INCONCLUSIVE);
        break;
    case JUDGE_FINAL_TARGET_FAILED:
        text = r->outcome_sentence != NULL ? r->outcome_sentence : r->target.exit_sentence;
        break;
    case JUDGE_FINAL_ERROR:
    case JUDGE_FINALS:
        text = r->outcome_sentence;
        break;
    }
    return text != NULL ? text : report_strdup(b->arena, r->final.reason);
}

int build_final(struct build *b, struct seep_err *err)
{
    const char *signal;
    if (build_get(b, M_OUTCOME_SIGNAL, &signal, err) != 0)
        return -1;
    size_t n = b->r->n_gates;
    enum judge_status *status = report_alloc(b->arena, n + 3, sizeof *status);
    if (status == NULL)
        return build_no_memory(err);
    for (size_t i = 0; i < n; i++)
        status[i] = b->r->gates[i].result.status;
    if (b->r->reload.status != JUDGE_S_SKIPPED) // a cycle of the load that was asked for decides like a gate
        status[n++] = b->r->reload.status;
    if (b->r->has_load && b->r->load.undriven) // whatever passed did so without the load that was asked for
        status[n++] = JUDGE_S_INCONCLUSIVE;
    if (b->r->score.status != JUDGE_S_SKIPPED)
        status[n++] = b->r->score.status;
    struct judge_outcome outcome = outcome_of(b, build_integer(signal));
    judge_final(status, n, &outcome, &b->r->final);
    b->r->headline = headline(b);
    return b->r->headline == NULL ? build_no_memory(err) : 0;
}
