// Stacks: the matrix of live bytes over the measured time, the test of all of them, and the ranked list.
#include "report/build.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { AGE_SLICES = 12, PER_OP_STACKS = 20, SPARK_POINTS = 48 };

static const char *why_no_stacks(struct build *b)
{
    const struct report_evidence *e = &b->r->evidence;
    if (b->opt.skip & REPORT_SKIP_STACKS)
        return "Stacks were not looked at.";
    if (e->attribution_reason != NULL)
        return e->attribution_reason;
    if (e->attribution != NULL && strcmp(e->attribution, "off") == 0)
        return "Attribution is off in the profile.";
    return "No call stacks were recorded.";
}

// ---- reading --------------------------------------------------------------------------------------------------------

static size_t position_of_tick(const struct build *b, int64_t index)
{
    size_t lo = 0, hi = b->ticks.n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (b->ticks.index[mid] < index)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < b->ticks.n && b->ticks.index[lo] == index ? lo : SIZE_MAX;
}

static bool is_excluded(const struct build *b, double t_s)
{
    for (size_t i = 0; i < b->n_excluded; i++)
        if (t_s >= b->excluded[i].from_s && t_s <= b->excluded[i].to_s)
            return true;
    return false;
}

// The columns of the matrix that lie in the measured time: their numbers and times.
static size_t measured_columns(struct build *b, size_t *columns, double *t_s)
{
    size_t n = 0;
    for (size_t j = 0; j < b->matrix.m; j++) {
        size_t at = position_of_tick(b, b->matrix.ticks[j]);
        if (at < b->measure_first || at >= b->measure_end)
            continue;
        double t = b->r->t_s[at];
        if (is_excluded(b, t) || (n > 0 && t <= t_s[n - 1]))
            continue;
        columns[n] = j;
        t_s[n++] = t;
    }
    return n;
}

// Moves the kept columns together, row by row, in place.
static void keep_columns(double *values, size_t n_rows, size_t m, const size_t *columns, size_t n)
{
    for (size_t s = 0; s < n_rows; s++)
        for (size_t j = 0; j < n; j++)
            values[s * n + j] = values[s * m + columns[j]];
}

static int read_matrix(struct build *b, struct seep_err *err)
{
    if (store_list_stacks(b->st, &b->stack_infos, &b->n_stack_infos, err) != 0)
        return -1;
    if (store_read_stack_matrix(b->st, &b->matrix, err) != 0)
        return -1;
    struct store_stack_matrix *mx = &b->matrix;
    if (mx->n_stacks != b->n_stack_infos)
        return seep_fail(err, SEEP_E_CORRUPT, "The store lists %zu call stacks and has bytes for %zu.",
                         b->n_stack_infos, mx->n_stacks);
    if (build_at_exit(b, err) != 0)
        return -1;
    size_t *columns = malloc((mx->m + 1) * sizeof *columns);
    b->stack_t_s = malloc((mx->m + 1) * sizeof *b->stack_t_s);
    if (columns == NULL || b->stack_t_s == NULL) {
        free(columns);
        return build_no_memory(err);
    }
    size_t n = measured_columns(b, columns, b->stack_t_s);
    keep_columns(mx->live_bytes, mx->n_stacks, mx->m, columns, n);
    keep_columns(mx->live_blocks, mx->n_stacks, mx->m, columns, n);
    mx->m = n;
    free(columns);
    return 0;
}

// ---- ages -----------------------------------------------------------------------------------------------------------

// The slice of the measured time in which an epoch lies, by its middle.
static size_t slice_of_epoch(const struct build *b, const struct seep_time *began, size_t n_epochs, size_t e)
{
    int64_t zero = b->ticks.time[b->measure_first].mono_ns;
    double from = (double)(began[e].mono_ns - zero) / 1e9;
    double to = e + 1 < n_epochs ? (double)(began[e + 1].mono_ns - zero) / 1e9 : b->r->measure_to_s;
    double first = b->stack_t_s[0], span = b->stack_t_s[b->matrix.m - 1] - first;
    double place = floor(((from + to) / 2 - first) / span * AGE_SLICES);
    return (size_t)fmin(fmax(place, 0), AGE_SLICES - 1);
}

static int read_age(struct build *b, size_t s, const size_t *slice, size_t n_epochs, double *row, bool *any,
                    struct seep_err *err)
{
    uint64_t *bytes = NULL, *blocks = NULL;
    size_t n = 0;
    if (store_read_ages(b->st, b->stack_infos[s].id, &bytes, &blocks, &n, err) != 0)
        return -1;
    for (size_t i = 0; i < AGE_SLICES; i++)
        row[i] = n == 0 ? NAN : 0;
    for (size_t e = 0; e < n && e < n_epochs; e++)
        row[slice[e]] += (double)bytes[e];
    *any |= n > 0;
    free(bytes);
    free(blocks);
    return 0;
}

static int read_ages(struct build *b, struct seep_err *err)
{
    struct seep_time *began = NULL;
    size_t n_epochs = 0;
    if (store_read_epochs(b->st, &began, &n_epochs, err) != 0)
        return -1;
    size_t *slice = calloc(n_epochs + 1, sizeof *slice);
    b->ages = malloc((b->n_stack_infos * AGE_SLICES + 1) * sizeof *b->ages);
    int failed = slice == NULL || b->ages == NULL ? build_no_memory(err) : 0;
    for (size_t e = 0; !failed && e < n_epochs; e++)
        slice[e] = slice_of_epoch(b, began, n_epochs, e);
    bool any = false;
    for (size_t s = 0; !failed && n_epochs > 0 && s < b->n_stack_infos; s++)
        failed = read_age(b, s, slice, n_epochs, b->ages + s * AGE_SLICES, &any, err);
    if (any) {
        b->stacks_input.n_epochs = AGE_SLICES;
        b->stacks_input.age_bytes = b->ages;
    }
    free(began);
    free(slice);
    return failed;
}

static int read_kinds(struct build *b, struct seep_err *err)
{
    b->is_mapping = malloc((b->n_stack_infos + 1) * sizeof *b->is_mapping);
    if (b->is_mapping == NULL)
        return build_no_memory(err);
    for (size_t s = 0; s < b->n_stack_infos; s++)
        b->is_mapping[s] = (b->stack_infos[s].flags & STACK_MMAP) != 0;
    b->stacks_input.is_mapping = b->is_mapping;
    return 0;
}

int build_stacks_read(struct build *b, struct seep_err *err)
{
    b->stacks_missing = why_no_stacks(b);
    if ((b->opt.skip & REPORT_SKIP_STACKS) || b->measure_end == b->measure_first)
        return 0;
    // What was recorded before attribution broke off says nothing of the time after: not that no stack grows.
    if (b->r->evidence.attribution != NULL && strcmp(b->r->evidence.attribution, "failed") == 0)
        return 0;
    if (read_matrix(b, err) != 0)
        return -1;
    if (b->n_stack_infos == 0 || b->matrix.m == 0)
        return 0;
    const char *mode = b->r->evidence.attribution;
    double mean = b->r->evidence.sampling_mean_bytes;
    bool sampled = mode != NULL && strcmp(mode, "sampled") == 0;
    b->stacks_input = (struct judge_stacks_input){.n_stacks = b->n_stack_infos,
                                                  .m = b->matrix.m,
                                                  .t_s = b->stack_t_s,
                                                  .live = b->matrix.live_bytes,
                                                  .live_blocks = b->matrix.live_blocks,
                                                  .budget_per_s = build_stack_budget(b),
                                                  .sampling_interval_bytes = sampled && isfinite(mean) ? mean : 0};
    b->stacks_missing = NULL;
    if (read_kinds(b, err) != 0 || (b->matrix.m > 1 && read_ages(b, err) != 0))
        return -1;
    return build_unreachable_shares(b, err) == 0 ? build_allow_read(b, err) : -1;
}

void build_stacks_free(struct build *b)
{
    judge_stacks_free(&b->judged_stacks);
    store_free_stacks(b->stack_infos, b->n_stack_infos);
    store_free_stack_matrix(&b->matrix);
    free(b->stack_t_s);
    free(b->ages);
    free(b->unreachable);
    free(b->is_mapping);
    free(b->allow_budget);
    free(b->allow_of);
}

// ---- the list -------------------------------------------------------------------------------------------------------

static int fill_spark(struct build *b, const double *row, struct report_stack *out, struct seep_err *err)
{
    size_t m = b->matrix.m, n = m < SPARK_POINTS ? m : SPARK_POINTS;
    out->spark = report_alloc(b->arena, n, sizeof *out->spark);
    if (out->spark == NULL)
        return build_no_memory(err);
    for (size_t i = 0; i < n; i++) {
        size_t from = i * m / n, to = (i + 1) * m / n;
        for (size_t j = from; j < to; j++)
            out->spark[i] += row[j] / (double)(to - from);
    }
    out->n_spark = n;
    return 0;
}

static int fill_age(struct build *b, size_t s, struct report_stack *out, struct seep_err *err)
{
    if (b->stacks_input.age_bytes == NULL || isnan(b->ages[s * AGE_SLICES]))
        return 0;
    out->age_bytes = report_alloc(b->arena, AGE_SLICES, sizeof *out->age_bytes);
    if (out->age_bytes == NULL)
        return build_no_memory(err);
    for (size_t i = 0; i < AGE_SLICES; i++) // by age: the newest first
        out->age_bytes[i] = b->ages[s * AGE_SLICES + AGE_SLICES - 1 - i];
    out->n_ages = AGE_SLICES;
    return 0;
}

static int fill_stack(struct build *b, size_t s, const struct build_ops *ops, bool listed, struct report_stack *out,
                      struct seep_err *err)
{
    const double *row = b->matrix.live_bytes + s * b->matrix.m;
    struct build_unreachable u = build_read_unreachable(b, b->stack_infos[s].id);
    *out = (struct report_stack){.id = b->stack_infos[s].id,
                                 .judge = b->judged_stacks.stack[s],
                                 .live_blocks = b->matrix.live_blocks[(s + 1) * b->matrix.m - 1],
                                 .alloc_bytes = NAN,
                                 .alloc_blocks = NAN,
                                 .unreachable_blocks = u.blocks,
                                 .unreachable_checked = u.checked,
                                 .unreachable_scans = u.scans,
                                 .unreachable_agreed = u.agreed,
                                 .unreachable_undecided = u.undecided,
                                 .flags = b->stack_infos[s].flags};
    out->allowed = build_allow_why(b, s);
    if (!listed)
        return 0;
    if (fill_spark(b, row, out, err) != 0 || fill_age(b, s, out, err) != 0 || build_holders(b, out, err) != 0)
        return -1;
    if (out->judge.rank > PER_OP_STACKS || !out->judge.rejected)
        return 0;
    return build_per_op(b, ops, b->stack_t_s, row, b->matrix.m, &out->per_op, &out->n_per_op, err);
}

// The row for what finds no place in the probe's table is always there; it is news only when it was ever used.
static bool is_idle_other(const struct build *b, size_t s)
{
    if (!(b->stack_infos[s].flags & STACK_OTHER))
        return false;
    for (size_t j = 0; j < b->matrix.m; j++)
        if (b->matrix.live_bytes[s * b->matrix.m + j] > 0)
            return false;
    return true;
}

static void add_rest(struct build *b, size_t s)
{
    const struct judge_stack *j = &b->judged_stacks.stack[s];
    b->r->rest.n++;
    b->r->rest.slope_per_s += j->slope_per_s;
    b->r->rest.live_bytes += j->live_bytes;
    b->r->rest.live_blocks += b->matrix.live_blocks[(s + 1) * b->matrix.m - 1];
}

static int fill_one(struct build *b, size_t s, size_t most, const struct build_ops *ops, struct seep_err *err)
{
    struct report *r = b->r;
    bool listed = r->n_stacks < most;
    if (!listed) {
        r->other_live_bytes += b->judged_stacks.stack[s].live_bytes;
        r->other_slope_per_s += b->judged_stacks.stack[s].slope_per_s;
    }
    if (!listed && (r->n_profiled >= REPORT_PROFILE_MAX || b->opt.skip & REPORT_SKIP_FRAMES)) {
        add_rest(b, s);
        return 0;
    }
    struct report_stack *out = &r->stacks[r->n_profiled++];
    r->n_stacks += listed;
    int failed = fill_stack(b, s, ops, listed, out, err);
    out->judge.rank = r->n_profiled; // without holes
    return failed;
}

static int fill_list(struct build *b, struct seep_err *err)
{
    struct report *r = b->r;
    size_t most = b->opt.max_stacks == 0 ? REPORT_STACKS_DEFAULT : b->opt.max_stacks;
    size_t n = b->judged_stacks.n_stacks, room = most > REPORT_PROFILE_MAX ? most : REPORT_PROFILE_MAX;
    struct build_ops ops;
    r->n_stacks_total = n;
    r->stacks = report_alloc(b->arena, n < room ? n : room, sizeof *r->stacks);
    if (r->stacks == NULL)
        return build_no_memory(err);
    if (build_operations(b, b->stack_t_s, b->matrix.m, &ops, err) != 0)
        return -1;
    int failed = 0;
    for (size_t k = 0; !failed && k < n; k++) {
        size_t s = b->judged_stacks.by_rank[k];
        if (is_idle_other(b, s))
            r->n_stacks_total--;
        else
            failed = fill_one(b, s, most, &ops, err);
    }
    build_ops_free(&ops);
    return failed;
}

// What each stack ever allocated, from its last tick.
static int fill_allocated(struct build *b, struct seep_err *err)
{
    struct report *r = b->r;
    struct store_stack_point *last;
    size_t n;
    if (store_read_stack_last(b->st, &last, &n, err) != 0)
        return -1;
    for (size_t i = 0; i < n; i++) {
        r->rest.alloc_bytes += isfinite(last[i].alloc_bytes) ? last[i].alloc_bytes : 0;
        r->rest.alloc_blocks += isfinite(last[i].alloc_blocks) ? last[i].alloc_blocks : 0;
    }
    for (size_t i = 0; i < r->n_profiled; i++) {
        size_t at = build_position_of_stack(b, r->stacks[i].id);
        if (at >= n || last[at].stack != r->stacks[i].id || !isfinite(last[at].alloc_bytes))
            continue;
        r->stacks[i].alloc_bytes = last[at].alloc_bytes;
        r->stacks[i].alloc_blocks = last[at].alloc_blocks;
        r->rest.alloc_bytes -= last[at].alloc_bytes;
        r->rest.alloc_blocks -= last[at].alloc_blocks;
    }
    free(last);
    return 0;
}

static int heap_per_op(struct build *b, struct seep_err *err)
{
    const struct build_gauge *heap = build_find_gauge(b, "heap");
    struct build_ops ops;
    if (heap == NULL || heap->n == 0)
        return 0;
    if (build_operations(b, heap->t_s, heap->n, &ops, err) != 0)
        return -1;
    int failed = build_per_op(b, &ops, heap->t_s, heap->y, heap->n, &b->r->per_op, &b->r->n_per_op, err);
    build_ops_free(&ops);
    return failed;
}

int build_stacks(struct build *b, struct seep_err *err)
{
    if (heap_per_op(b, err) != 0)
        return -1;
    if (b->stacks_missing != NULL)
        return 0;
    if (judge_stacks(&b->stacks_input, &b->judged_stacks) != 0)
        return build_no_memory(err);
    build_allow_conclude(b);
    b->r->judge_stacks = b->judged_stacks;
    b->r->judge_stacks.stack = NULL;
    b->r->judge_stacks.by_rank = NULL;
    if (b->judged_stacks.stack == NULL || b->judged_stacks.by_rank == NULL)
        return 0;
    b->r->stacks_known = true;
    if (fill_list(b, err) != 0)
        return -1;
    if (b->opt.skip & REPORT_SKIP_FRAMES)
        return 0;
    return fill_allocated(b, err) != 0 ? -1 : build_frames(b, b->r->stacks, b->r->n_profiled, err);
}
