// Ticks, the axis of the report, and series for charts.
//
// The axis is seconds of the monotonic clock from the first tick of the measure phase. Time the machine slept is not on
// it, and neither is anything that was made up: a tick without a value is NAN.
#include "judge/stat.h"
#include "report/build.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static void find_measure(struct build *b)
{
    size_t n = b->ticks.n, first = n, end = 0;
    for (size_t i = 0; i < n; i++) {
        if (b->ticks.phase[i] != PHASE_MEASURE)
            continue;
        if (first == n)
            first = i;
        end = i + 1;
    }
    b->measure_first = first == n ? 0 : first;
    b->measure_end = first == n ? 0 : end;
    b->all_first = b->measure_first;
    b->all_end = b->measure_end;
}

static int fill_axis(struct build *b, struct seep_err *err)
{
    struct report *r = b->r;
    size_t n = b->ticks.n;
    double *t = report_alloc(b->arena, n, sizeof *t);
    enum store_phase *phase = report_alloc(b->arena, n, sizeof *phase);
    if (t == NULL || phase == NULL)
        return build_no_memory(err);
    int64_t zero = n == 0 ? 0 : b->ticks.time[b->measure_first].mono_ns;
    for (size_t i = 0; i < n; i++) {
        t[i] = (double)(b->ticks.time[i].mono_ns - zero) / 1e9;
        phase[i] = b->ticks.phase[i];
    }
    r->n_ticks = n;
    r->t_s = t;
    r->phase = phase;
    if (b->measure_end > b->measure_first)
        r->measure_to_s = t[b->measure_end - 1];
    r->elapsed_s = r->measure_to_s;
    r->warmup_end_s = NAN;
    if (r->started_ns == SEEP_UNKNOWN && n > 0)
        r->started_ns = b->ticks.time[0].real_ns;
    if (r->ended_ns == SEEP_UNKNOWN && n > 0 && !r->live)
        r->ended_ns = b->ticks.time[n - 1].real_ns;
    return 0;
}

int build_ticks(struct build *b, struct seep_err *err)
{
    if (store_read_ticks(b->st, &b->ticks, err) != 0)
        return -1;
    if (store_list_series(b->st, &b->series, &b->n_series, err) != 0)
        return -1;
    find_measure(b);
    return fill_axis(b, err);
}

int build_values(struct build *b, const char *name, const char *labels, double **values, struct seep_err *err)
{
    *values = NULL;
    for (size_t i = 0; i < b->n_series; i++)
        if (strcmp(b->series[i].name, name) == 0 && strcmp(b->series[i].labels, labels) == 0)
            return store_read_series(b->st, b->series[i].id, b->ticks.n, values, err);
    return 0;
}

double build_phase_median(const struct build *b, const double *values, enum store_phase phase)
{
    if (values == NULL)
        return NAN;
    double *kept = malloc((b->ticks.n + 1) * sizeof *kept);
    size_t n = 0;
    for (size_t i = 0; kept != NULL && i < b->ticks.n; i++)
        if (b->ticks.phase[i] == phase && isfinite(values[i]))
            kept[n++] = values[i];
    double median = n == 0 ? NAN : judge_median(kept, n);
    free(kept);
    return median;
}

// Two ticks closer than this are the end of one phase and the start of the next: too close for a rate.
#define RATE_MIN_S 0.025

// A counter becomes the rate since the value before. A counter that falls has started again from 0.
void build_rates(const double *t_s, double *values, size_t n)
{
    double before = NAN, before_t = NAN;
    for (size_t i = 0; i < n; i++) {
        double now = values[i];
        values[i] = NAN;
        if (!isfinite(now))
            continue;
        if (isfinite(before) && t_s[i] - before_t < RATE_MIN_S)
            continue;
        if (isfinite(before))
            values[i] = (now >= before ? now - before : now) / (t_s[i] - before_t);
        before = now;
        before_t = t_s[i];
    }
}

// The unit of a counter's rate: CPU seconds a second are a share of one core.
static const char *rate_unit(struct build *b, const char *unit)
{
    if (strcmp(unit, units_name(UNIT_SECONDS)) == 0)
        return units_name(UNIT_RATIO);
    if (strcmp(unit, units_name(UNIT_BYTES)) == 0)
        return units_name(UNIT_BYTES_PER_SECOND);
    return unit[0] == '\0' || strcmp(unit, "count") == 0 ? units_name(UNIT_PER_SECOND)
                                                         : report_strf(b->arena, "%s/s", unit);
}

static bool is_resident(const char *name)
{
    return strcmp(name, S_RSS) == 0 || strcmp(name, S_RSS_SHMEM) == 0 || strcmp(name, S_PSS) == 0 ||
           strcmp(name, S_PSS_SHMEM) == 0;
}

static int add_chart(struct build *b, const struct store_series_info *info, struct seep_err *err)
{
    double *values = NULL;
    int failed = is_resident(info->name) && info->labels[0] == '\0'
                     ? build_resident(b, info->name, &values, err)
                     : store_read_series(b->st, info->id, b->ticks.n, &values, err);
    if (failed)
        return -1;
    struct report_series *s = &b->r->series[b->r->n_series];
    double *copy = report_alloc(b->arena, b->ticks.n, sizeof *copy);
    *s = (struct report_series){.name = report_strdup(b->arena, info->name),
                                .labels = report_strdup(b->arena, info->labels),
                                .is_rate = info->kind == SERIES_COUNTER,
                                .values = copy};
    s->unit = s->is_rate ? rate_unit(b, info->unit) : report_strdup(b->arena, info->unit);
    if (copy == NULL || s->name == NULL || s->labels == NULL || s->unit == NULL) {
        free(values);
        return build_no_memory(err);
    }
    if (b->ticks.n > 0)
        memcpy(copy, values, b->ticks.n * sizeof *copy);
    free(values);
    if (s->is_rate)
        build_rates(b->r->t_s, copy, b->ticks.n);
    b->r->n_series++;
    return 0;
}

int build_charts(struct build *b, struct seep_err *err)
{
    if (b->opt.skip & REPORT_SKIP_CHARTS)
        return 0;
    b->r->series = report_alloc(b->arena, b->n_series, sizeof *b->r->series);
    if (b->r->series == NULL)
        return build_no_memory(err);
    for (size_t i = 0; i < b->n_series; i++)
        if (strcmp(b->series[i].name, S_MARK_GONE) != 0 && strcmp(b->series[i].name, S_MARK_FOLDED) != 0 &&
            add_chart(b, &b->series[i], err) != 0)
            return -1;
    return 0;
}
