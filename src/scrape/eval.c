// Values of expressions: see expr.h.
//
// Every step gives a vector: values with labels, at most ELEMENTS_MAX. A number is a vector of one without labels that
// fits everything.
#include "scrape/expr_node.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ELEMENTS_MAX = 2048 };

struct element {
    char *labels; // owned
    double value;
};

struct vector {
    struct element *at;
    size_t n;
    bool scalar; // a number
};

struct eval {
    const struct scrape_table *t;
    int left_out;
    bool no_memory;
};

static void vector_free(struct vector *v)
{
    for (size_t i = 0; i < v->n; i++)
        free(v->at[i].labels);
    free(v->at);
    *v = (struct vector){0};
}

static void push(struct eval *e, struct vector *v, const char *labels, double value)
{
    if (isnan(value))
        return;
    if (v->n == ELEMENTS_MAX) {
        e->left_out++;
        return;
    }
    if ((v->n & (v->n - 1)) == 0) { // 0, 1, 2, 4, ...: full
        struct element *grown = realloc(v->at, (v->n ? 2 * v->n : 1) * sizeof *grown);
        if (!grown) {
            e->no_memory = true;
            return;
        }
        v->at = grown;
    }
    char *copy = strdup(labels);
    if (!copy) {
        e->no_memory = true;
        return;
    }
    v->at[v->n++] = (struct element){copy, value};
}

// ---- selectors

static bool matches(const struct matcher *m, const char *labels)
{
    char value[SCRAPE_LABELS_BYTES];
    size_t len = 0;
    const char *at = labels_get(labels, m->key, &len); // without the label its value is ""
    snprintf(value, sizeof value, "%.*s", (int)len, at ? at : "");
    bool hit = m->pattern ? regexec(&m->regex, value, 0, NULL, 0) == 0 : !strcmp(value, m->value);
    return hit == m->equal;
}

static bool selected(const struct expr_node *s, const char *suffix, const struct scrape_row *row)
{
    size_t len = strlen(s->name);
    if (strncmp(row->name, s->name, len) != 0 || strcmp(row->name + len, suffix) != 0)
        return false;
    for (int i = 0; i < s->n_matchers; i++)
        if (!matches(&s->matcher[i], row->labels))
            return false;
    return true;
}

static void select_values(struct eval *e, const struct expr_node *s, struct vector *out)
{
    for (size_t i = 0; i < e->t->n; i++) {
        const struct scrape_row *row = &e->t->row[i];
        if (scrape_row_present(e->t, row) && selected(s, "", row))
            push(e, out, row->labels, row->counter ? row->raw : row->value);
    }
}

static void select_changes(struct eval *e, const struct expr_node *s, const char *suffix, bool per_second,
                           struct vector *out)
{
    for (size_t i = 0; i < e->t->n; i++) {
        const struct scrape_row *row = &e->t->row[i];
        double ago = 0;
        if (!scrape_row_present(e->t, row) || !selected(s, suffix, row))
            continue;
        double past = scrape_row_past(e->t, row, s->range_s, &ago), change = row->value - past;
        if (!row->counter && change < 0) // a gauge that somebody takes a rate of: what Prometheus would call a reset
            change = row->value;
        push(e, out, row->labels, per_second ? (ago > 0 ? change / ago : NAN) : change);
    }
}

// ---- functions

static void eval_node(struct eval *e, const struct expr_node *n, struct vector *out);

static void aggregate(struct eval *e, const struct expr_node *n, struct vector *out)
{
    struct vector in = {0};
    char labels[SCRAPE_LABELS_BYTES];
    double counts[ELEMENTS_MAX];
    eval_node(e, n->a, &in);
    for (size_t i = 0; i < in.n; i++) {
        double v = in.at[i].value;
        size_t k = 0;
        labels_pick(in.at[i].labels, n->keys, true, labels);
        while (k < out->n && strcmp(out->at[k].labels, labels) != 0)
            k++;
        if (k == out->n) {
            push(e, out, labels, v);
            if (k < out->n)
                counts[k] = 1;
            continue;
        }
        double *sum = &out->at[k].value;
        *sum = n->kind == NODE_MIN ? fmin(*sum, v) : n->kind == NODE_MAX ? fmax(*sum, v) : *sum + v;
        counts[k]++;
    }
    for (size_t k = 0; n->kind == NODE_AVG && k < out->n; k++)
        out->at[k].value /= counts[k];
    vector_free(&in);
}

struct bucket {
    const char *labels; // without le
    double le, count;
};

static int by_labels_and_le(const void *a, const void *b)
{
    const struct bucket *x = a, *y = b;
    int c = strcmp(x->labels, y->labels);
    return c ? c : x->le < y->le ? -1 : x->le > y->le;
}

// As Prometheus does it: linear within a bucket, the lowest begins at 0, the highest finite edge is all that the last
// one can tell.
static double quantile_of(const struct bucket *b, size_t n, double q)
{
    double total = n ? b[n - 1].count : 0, rank = q * total, below = 0, edge = 0;
    if (n < 2 || !isinf(b[n - 1].le) || !(total > 0))
        return NAN;
    for (size_t i = 0; i + 1 < n; i++) {
        if (b[i].count >= rank) {
            double inside = b[i].count - below;
            double from = i == 0 && b[i].le <= 0 ? b[i].le : edge;
            return inside > 0 ? from + (b[i].le - from) * (rank - below) / inside : b[i].le;
        }
        below = fmax(below, b[i].count);
        edge = b[i].le;
    }
    return edge;
}

static void quantiles(struct eval *e, const struct expr_node *n, struct vector *out)
{
    struct vector in = {0};
    if (expr_is_plain_histogram(n))
        select_changes(e, n->a, "_bucket", false, &in);
    else if (n->a->kind == NODE_SELECTOR)
        select_changes(e, n->a, "", false, &in);
    else
        eval_node(e, n->a, &in);
    struct bucket *b = calloc(in.n + 1, sizeof *b);
    e->no_memory |= !b;
    size_t n_buckets = 0;
    for (size_t i = 0; b && i < in.n; i++) {
        char rest[SCRAPE_LABELS_BYTES], le_text[64];
        size_t len;
        const char *le = labels_get(in.at[i].labels, "le", &len);
        if (!le || len >= sizeof le_text)
            continue;
        snprintf(le_text, sizeof le_text, "%.*s", (int)len, le);
        labels_pick(in.at[i].labels, "le", false, rest);
        snprintf(in.at[i].labels, strlen(in.at[i].labels) + 1, "%s", rest); // shorter by le
        b[n_buckets++] = (struct bucket){in.at[i].labels, strtod(le_text, NULL), in.at[i].value};
    }
    if (b)
        qsort(b, n_buckets, sizeof *b, by_labels_and_le);
    for (size_t i = 0, k; i < n_buckets; i = k) {
        for (k = i + 1; k < n_buckets && !strcmp(b[k].labels, b[i].labels);)
            k++;
        push(e, out, b[i].labels, quantile_of(&b[i], k - i, n->number));
    }
    free(b);
    vector_free(&in);
}

// ---- operators

static double apply(enum node_kind kind, double a, double b)
{
    switch (kind) {
    case NODE_ADD:
        return a + b;
    case NODE_SUBTRACT:
        return a - b;
    case NODE_MULTIPLY:
        return a * b;
    default:
        return b != 0 ? a / b : NAN;
    }
}

static void combine(struct eval *e, const struct expr_node *n, struct vector *out)
{
    struct vector a = {0}, b = {0};
    char labels[SCRAPE_LABELS_BYTES];
    eval_node(e, n->a, &a);
    eval_node(e, n->b, &b);
    out->scalar = a.scalar && b.scalar;
    bool single = a.n == 1 && b.n == 1 && !a.scalar && !b.scalar;
    for (size_t i = 0; i < a.n; i++)
        for (size_t k = 0; k < b.n; k++) {
            if (!single && !a.scalar && !b.scalar && strcmp(a.at[i].labels, b.at[k].labels) != 0)
                continue;
            labels_common(a.at[i].labels, b.at[k].labels, labels);
            const char *which = a.scalar ? b.at[k].labels : b.scalar ? a.at[i].labels : labels;
            push(e, out, which, apply(n->kind, a.at[i].value, b.at[k].value));
        }
    vector_free(&a);
    vector_free(&b);
}

static void negate(struct eval *e, const struct expr_node *n, struct vector *out)
{
    eval_node(e, n->a, out);
    for (size_t i = 0; i < out->n; i++)
        out->at[i].value = -out->at[i].value;
}

static void eval_node(struct eval *e, const struct expr_node *n, struct vector *out)
{
    switch (n->kind) {
    case NODE_NUMBER:
        push(e, out, "", n->number);
        out->scalar = true;
        return;
    case NODE_SELECTOR:
        select_values(e, n, out);
        return;
    case NODE_RATE:
    case NODE_INCREASE:
        select_changes(e, n->a, "", n->kind == NODE_RATE, out);
        return;
    case NODE_SUM:
    case NODE_AVG:
    case NODE_MIN:
    case NODE_MAX:
        aggregate(e, n, out);
        return;
    case NODE_QUANTILE:
        quantiles(e, n, out);
        return;
    case NODE_NEGATE:
        negate(e, n, out);
        return;
    default:
        combine(e, n, out);
    }
}

int scrape_expr_eval(const struct scrape_expr *expr, const struct scrape_table *t,
                     void (*each)(const char *labels, double value, void *ctx), void *ctx)
{
    struct eval e = {.t = t};
    struct vector v = {0};
    int given = 0;
    eval_node(&e, expr->root, &v);
    for (size_t i = 0; i < v.n; i++) {
        if (!isfinite(v.at[i].value))
            continue;
        if (given == SCRAPE_RESULTS_MAX) {
            e.left_out++;
            continue;
        }
        each(v.at[i].labels, v.at[i].value, ctx);
        given++;
    }
    vector_free(&v);
    return e.no_memory ? -1 : e.left_out;
}
