// Growth per operation: what the operations of a run are, how often each was done, and what a series grew by for each.
//
// Two things count operations: the program's own marks (seep_mark.h), and the scenarios of the load. Both are taken,
// marks first; a scenario that the marks explain to the last one says nothing of its own and is left out.
#include "report/build_load.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MARK_LABEL "name="

// ---- counts ---------------------------------------------------------------------------------------------------------

// The last known value of a cumulative counter at each of the times, added to what stands there.
static void counts_at(const struct build *b, const double *v, const double *t_s, size_t n, double *out, size_t stride)
{
    size_t tick = 0;
    double last = 0;
    for (size_t i = 0; i < n; i++) {
        for (; v != NULL && tick < b->ticks.n && b->r->t_s[tick] <= t_s[i] + 1e-9; tick++)
            if (isfinite(v[tick]))
                last = fmax(last, v[tick]);
        out[i * stride] += last;
    }
}

// ---- marks ----------------------------------------------------------------------------------------------------------

static int by_count(const void *a, const void *b)
{
    double x = ((const struct report_mark *)a)->count, y = ((const struct report_mark *)b)->count;
    return (x < y) - (x > y);
}

// How often within the measured time, by the counter's values there.
static double measured_count(const struct build *b, const double *v)
{
    double first = 0, last = 0;
    for (size_t i = 0; v != NULL && i < b->measure_end; i++)
        if (isfinite(v[i])) {
            last = fmax(last, v[i]);
            if (i <= b->measure_first)
                first = last;
        }
    return last - first;
}

// Adds the counts of one mark to a column.
static int add_mark(struct build *b, const struct report_mark *m, const double *t_s, size_t n, double *out,
                    size_t stride, struct seep_err *err)
{
    double *v = NULL;
    if (build_values(b, S_MARK_COUNT, m->labels, &v, err) != 0)
        return -1;
    counts_at(b, v, t_s, n, out, stride);
    free(v);
    return 0;
}

// All of them together as the row of a load that has requests only.
static int all_marks(struct build *b, struct judge_load *out, struct seep_err *err)
{
    size_t n = b->all_end - b->all_first;
    double *t = report_alloc(b->arena, n, sizeof *t), *sum = report_alloc(b->arena, n, sizeof *sum);
    uint64_t *counts = report_alloc(b->arena, n, sizeof *counts);
    *out = (struct judge_load){.labels = "", .t_s = t, .requests = counts};
    if (t == NULL || sum == NULL || counts == NULL)
        return build_no_memory(err);
    for (size_t i = 0; i < n; i++)
        t[i] = b->r->t_s[b->all_first + i];
    for (size_t k = 0; k < b->r->n_marks; k++)
        if (add_mark(b, &b->r->marks[k], t, n, sum, 1, err) != 0)
            return -1;
    for (size_t i = 0; i < n; i++)
        counts[i] = (uint64_t)(sum[i] - (i > 0 ? sum[i - 1] : 0));
    out->n = b->r->n_marks > 0 ? n : 0;
    return 0;
}

int build_marked(struct build *b, struct seep_err *err)
{
    struct report *r = b->r;
    size_t n = 0;
    for (size_t i = 0; i < b->n_series; i++)
        n += strcmp(b->series[i].name, S_MARK_COUNT) == 0;
    r->marks = report_alloc(b->arena, n, sizeof *r->marks);
    if (r->marks == NULL)
        return build_no_memory(err);
    for (size_t i = 0; i < b->n_series && r->n_marks < n; i++) {
        const char *labels = b->series[i].labels;
        double *v = NULL;
        if (strcmp(b->series[i].name, S_MARK_COUNT) != 0 || strncmp(labels, MARK_LABEL, strlen(MARK_LABEL)) != 0)
            continue;
        if (store_read_series(b->st, b->series[i].id, b->ticks.n, &v, err) != 0)
            return -1;
        struct report_mark *m = &r->marks[r->n_marks++];
        *m = (struct report_mark){.name = report_strdup(b->arena, labels + strlen(MARK_LABEL)),
                                  .labels = report_strdup(b->arena, labels),
                                  .count = measured_count(b, v)};
        free(v);
        if (m->name == NULL || m->labels == NULL)
            return build_no_memory(err);
        m->rate_per_s = r->elapsed_s > 0 ? m->count / r->elapsed_s : NAN;
    }
    qsort(r->marks, r->n_marks, sizeof *r->marks, by_count);
    return all_marks(b, &b->marks, err);
}

// ---- all operations -------------------------------------------------------------------------------------------------

// The scenarios: their iterations are the operations, for the steps of one follow each other and cannot be told apart
// by their counts. In the order they were first seen.
static size_t list_scenarios(const struct build_part *parts, size_t n, const struct build_part **out, size_t room)
{
    size_t k = 0;
    for (size_t i = 0; i < n && k < room; i++)
        if (parts[i].is.kind == LOAD_SERIES_SCENARIO)
            out[k++] = &parts[i];
    return k;
}

// A mark of the same name may count something else.
static const char *operation_name(struct build *b, const struct load_labels *l)
{
    for (size_t i = 0; !l->load[0] && i < b->r->n_marks; i++)
        if (strcmp(b->r->marks[i].name, l->scenario) == 0)
            return report_strf(b->arena, "load/%s", l->scenario);
    return l->load[0] ? report_strf(b->arena, "%s/%s", l->load, l->scenario) : report_strdup(b->arena, l->scenario);
}

static int add_scenario(struct build *b, const struct build_part *part, const double *t_s, size_t n, double *out,
                        size_t stride, struct seep_err *err)
{
    double *v = NULL;
    if (build_values(b, S_LOAD_ITERATIONS, part->labels, &v, err) != 0 ||
        (v == NULL && build_values(b, S_HTTP_REQUESTS, part->labels, &v, err) != 0))
        return -1;
    counts_at(b, v, t_s, n, out, stride);
    free(v);
    return 0;
}

int build_operations(struct build *b, const double *t_s, size_t n, struct build_ops *ops, struct seep_err *err)
{
    const struct build_part *scenario[JUDGE_PEROP_MAX];
    struct build_part *parts;
    size_t n_parts, n_marks = b->r->n_marks, most = JUDGE_PEROP_MAX;
    *ops = (struct build_ops){.k_marks = n_marks < most ? n_marks : most};
    if (build_load_parts(b, &parts, &n_parts, err) != 0)
        return -1;
    ops->k = ops->k_marks + list_scenarios(parts, n_parts, scenario, most - ops->k_marks);
    ops->counts = ops->k == 0 ? NULL : calloc(n * ops->k + 1, sizeof *ops->counts);
    if (ops->k > 0 && ops->counts == NULL)
        return build_no_memory(err);
    int failed = 0;
    for (size_t i = 0; !failed && i < n_marks; i++) { // the rarest share the last column when there are too many
        size_t j = i < most ? i : most - 1;
        ops->names[j] = i < most ? b->r->marks[i].name : "(other)";
        failed = add_mark(b, &b->r->marks[i], t_s, n, ops->counts + j, ops->k, err);
    }
    for (size_t j = ops->k_marks; !failed && j < ops->k; j++) {
        ops->names[j] = operation_name(b, &scenario[j - ops->k_marks]->is);
        failed = add_scenario(b, scenario[j - ops->k_marks], t_s, n, ops->counts + j, ops->k, err);
    }
    if (failed)
        build_ops_free(ops);
    return failed;
}

void build_ops_free(struct build_ops *ops)
{
    free(ops->counts);
    *ops = (struct build_ops){0};
}

const struct report_per_op *report_find_per_op(const struct report_per_op *ops, size_t n, const char *operation)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(ops[i].operation, operation) == 0)
            return &ops[i];
    return NULL;
}

int build_per_op(struct build *b, const struct build_ops *ops, const double *t_s, const double *y, size_t n,
                 struct report_per_op **out, size_t *n_out, struct seep_err *err)
{
    *out = NULL;
    *n_out = 0;
    if (ops->k == 0 || n == 0)
        return 0;
    struct judge_perop_input in = {.t_s = t_s,
                                   .y = y,
                                   .n = n,
                                   .counts = ops->counts,
                                   .k = ops->k,
                                   .k_sure = ops->k_marks,
                                   .warmup_s = b->judge_options.warmup_s};
    struct judge_perop answer;
    if (judge_perop(&in, &answer) != 0)
        return build_no_memory(err);
    *out = report_alloc(b->arena, ops->k, sizeof **out);
    if (*out == NULL)
        return build_no_memory(err);
    for (size_t j = 0; j < ops->k; j++)
        if (answer.kind[j].known)
            (*out)[(*n_out)++] =
                (struct report_per_op){.operation = report_strdup(b->arena, ops->names[j]), .value = answer.kind[j]};
    return 0;
}
