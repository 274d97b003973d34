// Gauges that only some runs have: of faults, probes and scraped endpoints. Series by series, with their labels, over
// all ticks: a recovery may be told after the measured time, and a probe asks before it.
#include "report/build.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *series;
    enum judge_unit unit;
} marks[] = {
    {S_FAULT_RECOVERY, JUDGE_U_SECONDS}, {S_FAULT_SPREAD, JUDGE_U_RATIO}, {S_RESTARTS, JUDGE_U_COUNT},
    {S_PROBE_FAILURES, JUDGE_U_COUNT},   {S_PROBE_TIME, JUDGE_U_SECONDS},
};

static int add(struct build *b, const char *name, const char *labels, enum judge_unit unit, const double *values,
               size_t first, size_t end, struct seep_err *err)
{
    if (b->n_gauges == BUILD_GAUGES_MAX)
        return 0;
    struct build_gauge *g = &b->gauges[b->n_gauges++];
    *g = (struct build_gauge){.name = name, .labels = labels, .unit = unit, .baseline = NAN};
    g->t_s = report_alloc(b->arena, end - first + 1, sizeof *g->t_s);
    g->y = report_alloc(b->arena, end - first + 1, sizeof *g->y);
    if (g->t_s == NULL || g->y == NULL)
        return build_no_memory(err);
    for (size_t i = first; values != NULL && i < end; i++) {
        if (!isfinite(values[i]) || (g->n > 0 && b->r->t_s[i] <= g->t_s[g->n - 1]))
            continue;
        g->t_s[g->n] = b->r->t_s[i];
        g->y[g->n++] = values[i];
    }
    return 0;
}

static int add_series(struct build *b, const struct store_series_info *s, const char *name, enum judge_unit unit,
                      size_t first, size_t end, struct seep_err *err)
{
    double *values = NULL;
    const char *own = report_strdup(b->arena, name), *labels = report_strdup(b->arena, s->labels);
    if (own == NULL || labels == NULL)
        return build_no_memory(err);
    if (build_values(b, s->name, s->labels, &values, err) != 0)
        return -1;
    int rc = add(b, own, labels, unit, values, first, end, err);
    free(values);
    return rc;
}

// A target that never became good again has no time of recovery: that is a failure of every gate on it.
static int break_unrecovered(struct build *b, const struct store_series_info *s, struct seep_err *err)
{
    struct build_gauge *g = NULL;
    const char *sentence = NULL;
    for (size_t i = 0; i < b->n_gauges; i++)
        if (!strcmp(b->gauges[i].name, S_FAULT_RECOVERY) && !strcmp(b->gauges[i].labels, s->labels))
            g = &b->gauges[i];
    if (g == NULL) {
        if (add_series(b, &(struct store_series_info){.name = (char *)S_FAULT_RECOVERY, .labels = s->labels},
                       S_FAULT_RECOVERY, JUDGE_U_SECONDS, 0, b->ticks.n, err) != 0)
            return -1;
        g = &b->gauges[b->n_gauges - 1];
    }
    const char *fault = strchr(s->labels, '=');
    fault = fault != NULL ? fault + 1 : s->labels;
    for (size_t i = 0; i < b->r->n_events && sentence == NULL; i++) {
        const struct report_event *e = &b->r->events[i];
        size_t len = strlen(fault);
        if (!strcmp(e->kind, E_RECOVERY) && !strncmp(e->text, fault, len) && !strncmp(e->text + len, ": not", 5))
            sentence = report_strf(b->arena, "the target did not recover from the fault %s", e->text);
    }
    g->broken = sentence != NULL ? sentence : "the target did not recover from the fault";
    return 0;
}

// What a profile demands of a series that a run without faults never writes: nothing went wrong, which is a zero.
static int add_no_restarts(struct build *b, struct seep_err *err)
{
    for (size_t i = 0; i < b->n_gauges; i++)
        if (!strcmp(b->gauges[i].name, S_RESTARTS))
            return 0;
    if (b->ticks.n == 0)
        return 0;
    double *zero = calloc(b->ticks.n, sizeof *zero);
    int rc = zero != NULL ? add(b, S_RESTARTS, "", JUDGE_U_COUNT, zero, 0, b->ticks.n, err) : build_no_memory(err);
    free(zero);
    return rc;
}

// A scraped series counts within the measured time; only those that a gate is about are kept.
static int add_scraped(struct build *b, const struct store_series_info *s, struct seep_err *err)
{
    const char *name = s->name + strlen(S_SCRAPED_PREFIX);
    for (size_t i = 0; i < b->r->n_gates; i++) {
        const struct judge_gate *g = &b->r->gates[i].gate;
        if (!g->scraped || strcmp(g->gauge, name) != 0)
            continue;
        int rc = add_series(b, s, name, JUDGE_U_COUNT, b->measure_first, b->measure_end, err);
        if (rc == 0 && b->n_gauges > 0 && s->kind == SERIES_COUNTER && g->kind == JUDGE_M_GAUGE) {
            b->gauges[b->n_gauges - 1].n = 0;
            b->gauges[b->n_gauges - 1].why_missing =
                "it is a counter, which only ever grows: make a series of it with rate() or increase()";
        }
        return rc;
    }
    return 0;
}

// Dependencies are measured as the target is: within the measured time, CPU as a share of a core.
static int add_dependency(struct build *b, const struct store_series_info *s, struct seep_err *err)
{
    static const struct {
        const char *series;
        enum judge_unit unit;
        double quantum;
    } of[] = {{S_DEP_RSS, JUDGE_U_BYTES, 4096},
              {S_DEP_FD, JUDGE_U_COUNT, 1},
              {S_DEP_THREADS, JUDGE_U_COUNT, 1},
              {S_DEP_CPU, JUDGE_U_RATIO, 0}};
    for (size_t k = 0; k < sizeof of / sizeof of[0]; k++) {
        double *values = NULL;
        const char *labels = report_strdup(b->arena, s->labels);
        size_t before = b->n_gauges;
        if (strcmp(s->name, of[k].series) != 0)
            continue;
        if (labels == NULL)
            return build_no_memory(err);
        if (build_values(b, s->name, s->labels, &values, err) != 0)
            return -1;
        if (values != NULL && s->kind == SERIES_COUNTER)
            build_rates(b->r->t_s, values, b->ticks.n);
        int rc = add(b, of[k].series, labels, of[k].unit, values, b->measure_first, b->measure_end, err);
        if (rc == 0 && b->n_gauges > before) {
            b->gauges[before].quantum = of[k].quantum;
            b->gauges[before].baseline = values != NULL ? build_phase_median(b, values, PHASE_BASELINE) : NAN;
        }
        free(values);
        return rc;
    }
    return 0;
}

int build_marks(struct build *b, struct seep_err *err)
{
    int rc = 0;
    for (size_t i = 0; i < b->n_series && rc == 0; i++)
        rc = add_dependency(b, &b->series[i], err);
    for (size_t i = 0; i < b->n_series && rc == 0; i++)
        for (size_t k = 0; k < sizeof marks / sizeof marks[0] && rc == 0; k++)
            if (!strcmp(b->series[i].name, marks[k].series))
                rc = add_series(b, &b->series[i], marks[k].series, marks[k].unit, 0, b->ticks.n, err);
    for (size_t i = 0; i < b->n_series && rc == 0; i++)
        if (!strcmp(b->series[i].name, S_FAULT_UNRECOVERED))
            rc = break_unrecovered(b, &b->series[i], err);
    for (size_t i = 0; i < b->n_series && rc == 0; i++)
        if (!strncmp(b->series[i].name, S_SCRAPED_PREFIX, strlen(S_SCRAPED_PREFIX)))
            rc = add_scraped(b, &b->series[i], err);
    return rc ? rc : add_no_restarts(b, err);
}
