// One tick on its way to the queue and into the file.
//
// Two copies of each stack's last values are kept: as of the newest tick accepted, which tells what the next tick
// changes, and as of the newest tick that is durable, which a row that must name all stacks is made from (the first row
// of a file, and now and then one so that a lost row does not cost the rest of the run).
#include "store/internal.h"

#include <stdlib.h>
#include <string.h>

int store_grow_last(struct store *st, struct seep_err *err)
{
    if (st->n_last >= st->stacks.n)
        return 0;
    size_t n = st->n_last ? st->n_last : 64;
    while (n < st->stacks.n)
        n *= 2;
    struct store_stack_point *a = realloc(st->accepted, n * sizeof *a);
    if (a)
        st->accepted = a;
    struct store_stack_point *d = a ? realloc(st->durable, n * sizeof *d) : NULL;
    if (!d)
        return seep_fail(err, SEEP_E_LIMIT, "Out of memory for the values of %zu stacks", st->stacks.n);
    st->durable = d;
    memset(st->accepted + st->n_last, 0, (n - st->n_last) * sizeof *a);
    memset(st->durable + st->n_last, 0, (n - st->n_last) * sizeof *d);
    st->n_last = n;
    return 0;
}

static int by_series(const void *a, const void *b)
{
    const struct store_point *x = a, *y = b;
    return (x->series > y->series) - (x->series < y->series);
}

static int by_stack(const void *a, const void *b)
{
    const struct store_stack_point *x = a, *y = b;
    return (x->stack > y->stack) - (x->stack < y->stack);
}

static int take_points(struct store *st, struct qtick *t, const struct store_tick *tick, struct seep_err *err)
{
    struct store_point *sorted = malloc((tick->n_points + 1) * sizeof *sorted);
    if (!sorted)
        return seep_fail(err, SEEP_E_LIMIT, "Out of memory for the values of a tick");
    int rc = 0;
    for (size_t i = 0; i < tick->n_points; i++) {
        sorted[i] = tick->points[i];
        if (sorted[i].series == 0 || sorted[i].series > st->series.n)
            rc = seep_fail(err, SEEP_E_CORRUPT, "A tick names series %u, which is not known", sorted[i].series);
    }
    if (rc == 0) {
        qsort(sorted, tick->n_points, sizeof *sorted, by_series);
        code_points(&t->points, sorted, tick->n_points);
        rc = buf_check(&t->points, "A tick's values", err);
    }
    free(sorted);
    return rc;
}

static bool same_values(const struct store_stack_point *a, const struct store_stack_point *b)
{
    return a->stack == b->stack &&
           memcmp(&a->live_bytes, &b->live_bytes, sizeof *a - offsetof(struct store_stack_point, live_bytes)) == 0;
}

static int take_stacks(struct store *st, struct qtick *t, const struct store_tick *tick, struct seep_err *err)
{
    if (!tick->stacks)
        return 0;
    t->recorded = true;
    for (size_t i = 0; i < tick->n_stacks; i++)
        if (tick->stacks[i].stack == 0 || tick->stacks[i].stack > st->stacks.n)
            return seep_fail(err, SEEP_E_CORRUPT, "A tick names stack %u, which is not known", tick->stacks[i].stack);
    if (store_grow_last(st, err))
        return -1;
    size_t changed = 0;
    for (size_t i = 0; i < tick->n_stacks; i++) {
        struct store_stack_point p = code_quantise(&tick->stacks[i]);
        changed += !same_values(&p, &st->accepted[p.stack - 1]);
    }
    t->stacks = malloc((changed + 1) * sizeof *t->stacks);
    if (!t->stacks)
        return seep_fail(err, SEEP_E_LIMIT, "Out of memory for the stacks of a tick");
    // From here on nothing fails: the accepted values move on with the tick. A stack named twice keeps the last value.
    for (size_t i = 0; i < tick->n_stacks; i++) {
        struct store_stack_point p = code_quantise(&tick->stacks[i]);
        struct store_stack_point *last = &st->accepted[p.stack - 1];
        if (!same_values(&p, last) && t->n_stacks < changed) {
            t->stacks[t->n_stacks++] = p;
            *last = p;
        }
    }
    qsort(t->stacks, t->n_stacks, sizeof *t->stacks, by_stack);
    return 0;
}

struct qtick *store_make_tick(struct store *st, const struct store_tick *tick, struct seep_err *err)
{
    struct qtick *t = calloc(1, sizeof *t);
    if (!t) {
        seep_fail(err, SEEP_E_LIMIT, "Out of memory for a tick");
        return NULL;
    }
    *t = (struct qtick){.index = tick->index,
                        .time = tick->time,
                        .phase = tick->phase,
                        .late_ns = tick->late_ns,
                        .missed = tick->missed,
                        .session = st->session};
    buf_init(&t->points, 4 << 20);
    if (take_points(st, t, tick, err) == 0 && take_stacks(st, t, tick, err) == 0)
        return t;
    qtick_free(t);
    return NULL;
}

// All stacks as they stand after t, from what is durable and what t changes.
static int encode_full(struct store *st, const struct qtick *t, struct seep_buf *out)
{
    struct store_stack_point *all = malloc((st->n_last + 1) * sizeof *all);
    if (!all)
        return -1;
    size_t n = 0, j = 0;
    for (size_t i = 0; i < st->n_last; i++) {
        if (j < t->n_stacks && t->stacks[j].stack == i + 1)
            all[n++] = t->stacks[j++];
        else if (st->durable[i].stack)
            all[n++] = st->durable[i];
    }
    code_stacks(out, all, n);
    free(all);
    return out->failed ? -1 : 0;
}

int store_encode_stacks(struct store *st, const struct qtick *t, bool first, struct seep_buf *out, bool *full)
{
    // A row with all stacks is due when the changes since the last such row weigh four times as much as it did.
    *full = first && (st->prev_points < 0 || st->since_full_bytes > 4 * st->full_bytes + 4096);
    if (*full)
        return encode_full(st, t, out);
    code_stacks(out, t->stacks, t->n_stacks);
    return out->failed ? -1 : 0;
}
