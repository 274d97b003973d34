// Grades: see score.h.
#include "judge/score.h"

#include <math.h>
#include <stdio.h>

static const double just_met = 75, exceeded = 90, best_share = .5;

const char *judge_area_name(enum judge_area area)
{
    static const char *const names[JUDGE_AREAS] = {"latency", "throughput", "cpu", "memory", "errors", "availability"};
    return names[area];
}

const char *judge_grade_name(enum judge_grade grade)
{
    static const char *const names[JUDGE_GRADES] = {"none", "poor", "fair", "good", "excellent"};
    return names[grade];
}

// What share of the allowance is used up: 1 is the limit itself, 0 nothing. Infinite where nothing may be and something
// is.
static double used_share(enum judge_op op, double value, double limit)
{
    bool less = op == JUDGE_OP_LT || op == JUDGE_OP_LE;
    double used = less ? value : limit, whole = less ? limit : value;
    if (used <= 0)
        return 0;
    return whole > 0 ? used / whole : INFINITY;
}

double judge_points(const struct judge_gate *gate, const struct judge_gate_result *result)
{
    bool failed = result->status == JUDGE_S_FAIL,
         passed = result->status == JUDGE_S_PASS || result->status == JUDGE_S_WARN;
    if (!failed && !passed)
        return NAN;
    if (!isfinite(result->value) || !isfinite(result->limit))
        return failed ? 0 : just_met;
    double x = used_share(gate->op, result->value, result->limit);
    double points = x <= best_share ? 100
                    : x <= 1        ? 100 - (100 - just_met) * (x - best_share) / (1 - best_share)
                                    : fmax(0, just_met * (2 - x));
    return failed ? fmin(points, just_met - 1) : fmax(points, just_met);
}

static double mean_of_areas(struct judge_score *s, const enum judge_area *area, const double *points, size_t n)
{
    double total = 0, areas = 0;
    for (int a = 0; a < JUDGE_AREAS; a++) {
        double sum = 0, known = 0;
        for (size_t i = 0; i < n; i++)
            if ((int)area[i] == a && isfinite(points[i])) {
                sum += points[i];
                known++;
            }
        s->area[a] = known > 0 ? sum / known : NAN;
        total += known > 0 ? s->area[a] : 0;
        areas += known > 0;
    }
    return total / areas;
}

static void choose(struct judge_score *s, double mean)
{
    static const double floors[JUDGE_GRADES] = {0, 0, 60, 75, 90}, ceilings[JUDGE_GRADES] = {0, 59, 74, 89, 100};
    s->grade = s->unmet == 0       ? (s->exceeded == s->met ? JUDGE_EXCELLENT : JUDGE_GOOD)
               : s->met > s->unmet ? JUDGE_FAIR
                                   : JUDGE_POOR;
    s->points = fmin(fmax(mean, floors[s->grade]), ceilings[s->grade]);
}

void judge_grade(const enum judge_area *area, const double *points, size_t n, struct judge_score *out)
{
    *out = (struct judge_score){.points = NAN};
    for (size_t i = 0; i < n; i++) {
        out->unknown += !isfinite(points[i]);
        out->met += points[i] >= just_met;
        out->exceeded += points[i] >= exceeded;
        out->unmet += points[i] < just_met;
    }
    double mean = mean_of_areas(out, area, points, n);
    if (2 * out->unknown >= n) {
        snprintf(out->reason, sizeof out->reason, "%zu of %zu requirements could not be told: there is no grade",
                 out->unknown, n);
        return;
    }
    choose(out, mean);
    snprintf(out->reason, sizeof out->reason, "%zu of %zu met, %zu of them with room to spare%s", out->met,
             out->met + out->unmet, out->exceeded, out->unknown > 0 ? "; some could not be told" : "");
}
