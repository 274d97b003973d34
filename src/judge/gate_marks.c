// Gates on values that come one by one, each with labels: how long the target took to recover from each fault, how far
// a fault spread, how many probes failed, how often it was started again. The value is the greatest of them, or what a
// counter grew by. Without labels, or with some, a gate is about every series that has these.
#include "judge/gate_eval.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

// Do the labels "a=1,b=2" (values may be quoted) hold this one?
static bool has_label(const char *labels, const struct judge_label *l)
{
    size_t key = strlen(l->key), value = strlen(l->value);
    for (const char *at = labels; at && *at;) {
        const char *eq = at + strcspn(at, "=");
        if (!*eq)
            return false;
        bool quoted = eq[1] == '"';
        const char *from = eq + 1 + quoted, *to = from;
        while (*to && (quoted ? *to != '"' : *to != ',')) // a quoted quote has a backslash before it
            to += *to == '\\' && to[1] ? 2 : 1;
        if ((size_t)(eq - at) == key && !strncmp(at, l->key, key) && (size_t)(to - from) == value &&
            !strncmp(from, l->value, value))
            return true;
        at = to + (quoted && *to);
        at += *at == ',';
    }
    return false;
}

bool judge_gauge_matches(const struct judge_gate *gate, const struct judge_gauge *gauge)
{
    if (strcmp(gauge->name, gate->gauge) != 0)
        return false;
    for (size_t i = 0; i < gate->n_labels; i++)
        if (!gauge->labels || !has_label(gauge->labels, &gate->label[i]))
            return false;
    return true;
}

static double greatest(const struct judge_series *s)
{
    double most = NAN;
    for (size_t i = 0; i < s->n; i++)
        most = isnan(most) || s->y[i] > most ? s->y[i] : most;
    return most;
}

// What a counter grew by within [from, to]: from its last value before, or zero when it had none.
static double increase(const struct judge_series *s, double from, double to)
{
    double before = 0, last = NAN;
    for (size_t i = 0; i < s->n; i++) {
        if (s->t_s[i] <= from)
            before = s->y[i];
        if (s->t_s[i] <= to)
            last = s->y[i];
    }
    return last - before;
}

static double value_of(const struct judge_gate *gate, const struct judge_gauge *g, const struct judge_data *data)
{
    bool whole = gate->over == JUDGE_OVER_WHOLE;
    double from = whole ? -INFINITY : fmax(data->from_s, data->to_s - gate->over_s), to = whole ? INFINITY : data->to_s;
    struct judge_series s = judge_slice(&g->series, from, to);
    return gate->kind == JUDGE_M_INCREASE ? increase(&g->series, from, to) : greatest(&s);
}

static bool good(const struct judge_gate *gate, double value, double limit)
{
    switch (gate->op) {
    case JUDGE_OP_LT:
        return value < limit;
    case JUDGE_OP_LE:
        return value <= limit;
    case JUDGE_OP_GT:
        return value > limit;
    case JUDGE_OP_GE:
        return value >= limit;
    }
    return false;
}

static void conclude(const struct judge_gate *gate, const struct judge_gauge *worst, struct judge_gate_result *out)
{
    char v[32], l[32];
    judge_format(v, sizeof v, out->value, gate->unit);
    judge_format(l, sizeof l, out->limit, gate->unit);
    const char *of = worst && worst->labels ? worst->labels : "";
    if (!good(gate, out->value, out->limit))
        judge_result(out, JUDGE_S_FAIL, "%s%s%s, limit %s %s", v, *of ? " of " : "", of, judge_op_name(gate->op), l);
    else if (isfinite(gate->warn) && !good(gate, out->value, gate->warn))
        judge_result(out, JUDGE_S_WARN, "%s%s%s, above the warning level, limit %s %s", v, *of ? " of " : "", of,
                     judge_op_name(gate->op), l);
    else
        judge_result(out, JUDGE_S_PASS, "%s, limit %s %s", v, judge_op_name(gate->op), l);
}

void judge_eval_marks(const struct judge_gate *gate, const struct judge_data *data, struct judge_gate_result *out)
{
    const struct judge_gauge *worst = NULL;
    const char *missing = NULL;
    double value = NAN;
    for (size_t i = 0; i < data->n_gauges; i++) {
        const struct judge_gauge *g = &data->gauge[i];
        if (!judge_gauge_matches(gate, g))
            continue;
        if (g->broken) {
            judge_result(out, JUDGE_S_FAIL, "%s", g->broken);
            return;
        }
        missing = g->series.n == 0 ? g->why_missing : missing;
        double one = value_of(gate, g, data);
        if (isnan(one))
            continue;
        if (!worst || one > value)
            worst = g;
        value = isnan(value) ? one : gate->kind == JUDGE_M_INCREASE ? value + one : fmax(value, one);
    }
    out->value = value;
    if (isnan(value))
        judge_result(out, JUDGE_S_INCONCLUSIVE, "%s", missing ? missing : "it was never observed");
    else
        conclude(gate, worst, out);
}
