// The two halves of evaluating gates: growth (trend, stacks, per request) and values within windows of time. Private to
// src/judge.
#ifndef SEEP_JUDGE_GATE_EVAL_H
#define SEEP_JUDGE_GATE_EVAL_H

#include "judge/gate.h"

// Gates on growth; see gate.h.
int judge_eval_growth(const struct judge_gate *gate, const struct judge_data *data, struct judge_gate_result *out);

// Gates on values: gauges, latencies, errors, rates, totals of requests.
void judge_eval_value(const struct judge_gate *gate, const struct judge_data *data, struct judge_gate_result *out);

// Gates on values that come one by one: gate_marks.c.
void judge_eval_marks(const struct judge_gate *gate, const struct judge_data *data, struct judge_gate_result *out);

// The load entry a gate's labels name (the whole load without labels), or NULL.
const struct judge_load *judge_load_of(const struct judge_gate *gate, const struct judge_data *data);

// The gauge a gate is computed from, or NULL.
const struct judge_gauge *judge_gauge_of(const struct judge_gate *gate, const struct judge_data *data);

// The part of a series within [from, to].
struct judge_series judge_slice(const struct judge_series *s, double from, double to);

// Sets status and reason (printf-like).
void judge_result(struct judge_gate_result *out, enum judge_status status, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#endif
