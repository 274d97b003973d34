// Building a comparison: figures paired by name, stacks by their keys. See compare.h.
#include "report/compare.h"
#include "report/arena.h"
#include "report/build.h"
#include "report/stack_key.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

// A gate of this name that the base passed and the candidate fails.
static bool gate_broke(const struct report_measure *base, const struct report_measure *candidate)
{
    return base->gate != NULL && candidate->gate != NULL && base->gate->result.status == JUDGE_S_PASS &&
           candidate->gate->result.status == JUDGE_S_FAIL;
}

static int compare_figures(struct compare *c, struct seep_err *err)
{
    size_t n = c->candidate->n_measures;
    c->figures = report_alloc(c->arena, n, sizeof *c->figures);
    struct judge_pair *pairs = report_alloc(c->arena, n, sizeof *pairs);
    struct judge_difference *differences = report_alloc(c->arena, n, sizeof *differences);
    if (c->figures == NULL || pairs == NULL || differences == NULL)
        return build_no_memory(err);
    for (size_t i = 0; i < n; i++) {
        const struct report_measure *m = &c->candidate->measures[i], *b = report_find_measure(c->base, m->name);
        struct compare_figure *f = &c->figures[c->n_figures];
        // What neither knows is no news, unless a gate asks for it: then it stays open.
        if (b == NULL || (m->gate == NULL && !isfinite(b->measure.value) && !isfinite(m->measure.value)))
            continue;
        *f = (struct compare_figure){.name = m->name,
                                     .about = m->about,
                                     .unit = m->unit,
                                     .better = m->better,
                                     .decisive = m->gate != NULL,
                                     .base = b->measure,
                                     .candidate = m->measure};
        pairs[c->n_figures++] = (struct judge_pair){.base = b->measure,
                                                    .candidate = m->measure,
                                                    .better = m->better,
                                                    .share = c->share,
                                                    .floor = m->floor,
                                                    .broke = gate_broke(b, m)};
    }
    c->n_regressions = judge_compare(pairs, c->n_figures, differences);
    for (size_t i = 0; i < c->n_figures; i++)
        c->figures[i].difference = differences[i];
    return 0;
}

// ---- stacks ---------------------------------------------------------------------------------------------------------

struct keyed {
    char *key;
    const struct report_stack *stack;
    bool of_base;
};

static int by_key(const void *a, const void *b)
{
    const struct keyed *x = a, *y = b;
    int order = strcmp(x->key, y->key);
    return order != 0 ? order
                      : (x->stack->judge.rank > y->stack->judge.rank) - (x->stack->judge.rank < y->stack->judge.rank);
}

static int add_keys(const struct report *r, bool of_base, struct keyed *keys, size_t *n, struct seep_err *err)
{
    for (size_t i = 0; i < r->n_stacks; i++) {
        struct seep_buf key;
        buf_init(&key, 256 * 1024);
        report_stack_key(&r->stacks[i], &key);
        if (key.failed || key.data == NULL) {
            buf_free(&key);
            if (r->stacks[i].n_frames == 0)
                continue; // what found no place in the table has no frames to compare by
            return build_no_memory(err);
        }
        keys[(*n)++] = (struct keyed){key.data, &r->stacks[i], of_base};
    }
    return 0;
}

// Rates of stacks with the same key add up, their half-widths as squares.
static void add_rate(struct judge_rate_interval *to, const struct judge_stack *s)
{
    double down = hypot(to->slope - to->lo, s->slope_per_s - s->lo_per_s);
    double up = hypot(to->hi - to->slope, s->hi_per_s - s->slope_per_s);
    to->slope += s->slope_per_s;
    to->lo = to->slope - down;
    to->hi = to->slope + up;
}

static void add_to_pair(struct compare_stack *to, const struct keyed *k)
{
    const struct judge_stack *s = &k->stack->judge;
    bool known = isfinite(s->slope_per_s) && isfinite(s->lo_per_s) && isfinite(s->hi_per_s);
    if (k->of_base && to->base == NULL)
        to->base = k->stack;
    if (!k->of_base && to->candidate == NULL)
        to->candidate = k->stack;
    to->rates.in_base |= k->of_base;
    if (known)
        add_rate(k->of_base ? &to->rates.base : &to->rates.candidate, s);
    bool grows = s->rejected && !s->allowed;
    to->rates.grew |= k->of_base && grows;
    to->rates.grows |= !k->of_base && grows;
}

static size_t pair_up(struct keyed *keys, size_t n, struct compare_stack *pairs)
{
    size_t n_pairs = 0;
    qsort(keys, n, sizeof *keys, by_key);
    for (size_t i = 0; i < n; i++) {
        if (i == 0 || strcmp(keys[i].key, keys[i - 1].key) != 0)
            pairs[n_pairs++] = (struct compare_stack){0};
        add_to_pair(&pairs[n_pairs - 1], &keys[i]);
    }
    return n_pairs;
}

static int by_difference(const void *a, const void *b)
{
    double x = ((const struct compare_stack *)a)->difference.value,
           y = ((const struct compare_stack *)b)->difference.value;
    return (x < y) - (x > y);
}

static double stack_budget(const struct report *r)
{
    for (size_t i = 0; i < r->n_gates; i++)
        if (r->gates[i].gate.kind == JUDGE_M_STACK_GROWTH && !r->gates[i].gate.vs_baseline)
            return r->gates[i].gate.limit;
    const struct report_growth *heap = report_find_growth(r, "heap");
    return heap != NULL && heap->growth.budget_per_s > 0 ? heap->growth.budget_per_s : 1e6 / 3600;
}

static int judge_pairs(struct compare *c, struct compare_stack *pairs, size_t n, struct seep_err *err)
{
    struct judge_stack_pair *rates = malloc((n + 1) * sizeof *rates);
    struct judge_stack_difference *out = malloc((n + 1) * sizeof *out);
    size_t worse = SIZE_MAX;
    for (size_t i = 0; rates != NULL && i < n; i++)
        rates[i] = pairs[i].rates;
    if (rates != NULL && out != NULL)
        worse = judge_compare_stacks(rates, n, c->share, stack_budget(c->candidate), out);
    for (size_t i = 0; worse != SIZE_MAX && i < n; i++)
        pairs[i].difference = out[i];
    free(rates);
    free(out);
    if (worse == SIZE_MAX)
        return build_no_memory(err);
    c->n_worse_stacks = worse;
    return 0;
}

static int keep_changed(struct compare *c, struct compare_stack *pairs, size_t n, struct seep_err *err)
{
    qsort(pairs, n, sizeof *pairs, by_difference);
    c->stacks = report_alloc(c->arena, n, sizeof *c->stacks);
    if (c->stacks == NULL)
        return build_no_memory(err);
    for (size_t i = 0; i < n; i++)
        if (pairs[i].difference.change != JUDGE_STACK_SAME)
            c->stacks[c->n_stacks++] = pairs[i];
    return 0;
}

static int compare_stacks(struct compare *c, struct seep_err *err)
{
    if (!c->base->stacks_known || !c->candidate->stacks_known)
        return 0;
    size_t room = c->base->n_stacks + c->candidate->n_stacks, n = 0;
    struct keyed *keys = calloc(room + 1, sizeof *keys);
    struct compare_stack *pairs = calloc(room + 1, sizeof *pairs);
    int failed = keys == NULL || pairs == NULL ? build_no_memory(err) : 0;
    if (!failed)
        failed = add_keys(c->base, true, keys, &n, err) || add_keys(c->candidate, false, keys, &n, err) ? -1 : 0;
    if (!failed) {
        size_t n_pairs = pair_up(keys, n, pairs);
        failed = judge_pairs(c, pairs, n_pairs, err) || keep_changed(c, pairs, n_pairs, err) ? -1 : 0;
        c->stacks_compared = !failed;
    }
    for (size_t i = 0; keys != NULL && i < n; i++)
        free(keys[i].key);
    free(keys);
    free(pairs);
    return failed;
}

// ---- the word -------------------------------------------------------------------------------------------------------

static const struct compare_figure *worst_figure(const struct compare *c)
{
    const struct compare_figure *worst = NULL;
    for (size_t i = 0; i < c->n_figures; i++) {
        const struct compare_figure *f = &c->figures[i];
        if (f->difference.change == JUDGE_CHANGE_REGRESSION &&
            (worst == NULL || f->difference.severity > worst->difference.severity))
            worst = f;
    }
    return worst;
}

static const char *first_open(struct compare *c)
{
    for (size_t i = 0; i < c->n_figures; i++)
        if (c->figures[i].decisive && (c->figures[i].difference.change == JUDGE_CHANGE_UNCLEAR ||
                                       c->figures[i].difference.change == JUDGE_CHANGE_UNKNOWN))
            return report_strf(c->arena, "these runs cannot tell whether %s is worse", c->figures[i].name);
    return "the two runs have no figure in common";
}

static const char *regression_headline(struct compare *c)
{
    char from[48], to[48];
    const struct compare_figure *f = worst_figure(c);
    if (f == NULL) {
        judge_format(to, sizeof to, c->stacks[0].difference.value, JUDGE_U_BYTES_PER_S);
        return report_strf(c->arena, "%zu call stack%s grow%s faster than in the base, the first by %s",
                           c->n_worse_stacks, c->n_worse_stacks == 1 ? "" : "s", c->n_worse_stacks == 1 ? "s" : "", to);
    }
    judge_format(from, sizeof from, f->base.value, f->unit);
    judge_format(to, sizeof to, f->candidate.value, f->unit);
    return report_strf(c->arena, "%s went from %s to %s", f->name, from, to);
}

static int conclude(struct compare *c, struct seep_err *err)
{
    struct judge_difference *d = report_alloc(c->arena, c->n_figures, sizeof *d);
    bool *decisive = report_alloc(c->arena, c->n_figures, sizeof *decisive);
    if (d == NULL || decisive == NULL)
        return build_no_memory(err);
    for (size_t i = 0; i < c->n_figures; i++) {
        d[i] = c->figures[i].difference;
        decisive[i] = c->figures[i].decisive;
    }
    c->verdict = judge_compare_verdict(d, decisive, c->n_figures, c->n_worse_stacks);
    c->headline = c->verdict == JUDGE_FAIL           ? regression_headline(c)
                  : c->verdict == JUDGE_INCONCLUSIVE ? first_open(c)
                                                     : "nothing became worse by more than is allowed";
    return c->headline == NULL ? build_no_memory(err) : 0;
}

int compare_build(const struct report *base, const struct report *candidate, const struct compare_options *options,
                  struct compare **out, struct seep_err *err)
{
    *out = NULL;
    struct compare *c = calloc(1, sizeof *c);
    if (c == NULL)
        return build_no_memory(err);
    *c = (struct compare){.base = base, .candidate = candidate, .arena = report_arena_new()};
    c->share = options != NULL && options->share > 0 ? options->share : COMPARE_SHARE_DEFAULT;
    int failed = c->arena == NULL ? build_no_memory(err) : 0;
    if (!failed)
        failed = compare_figures(c, err) || compare_stacks(c, err) || conclude(c, err) || compare_notes(c, err);
    if (failed) {
        compare_free(c);
        return -1;
    }
    *out = c;
    return 0;
}

void compare_free(struct compare *c)
{
    if (c == NULL)
        return;
    report_arena_free(c->arena);
    free(c);
}

int compare_exit_code(const struct compare *c)
{
    return c->verdict == JUDGE_FAIL ? 1 : c->verdict == JUDGE_INCONCLUSIVE ? 3 : 0;
}
