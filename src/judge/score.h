// The grade of a run: how well a set of requirements was met, as one figure with its reasons.
//
// Each requirement is a gate of its own (judge/gate.h) with an area. A grade never changes what its gates say: it sums
// up.
#ifndef SEEP_JUDGE_SCORE_H
#define SEEP_JUDGE_SCORE_H

#include "judge/gate.h"

enum judge_area {
    JUDGE_AREA_LATENCY,
    JUDGE_AREA_THROUGHPUT,
    JUDGE_AREA_CPU,
    JUDGE_AREA_MEMORY,
    JUDGE_AREA_ERRORS,
    JUDGE_AREA_AVAILABILITY,
    JUDGE_AREAS
};

enum judge_grade { JUDGE_GRADE_NONE, JUDGE_POOR, JUDGE_FAIR, JUDGE_GOOD, JUDGE_EXCELLENT, JUDGE_GRADES };

const char *judge_area_name(enum judge_area area);    // "latency", "throughput", ...
const char *judge_grade_name(enum judge_grade grade); // "none", "poor", "fair", "good", "excellent"

// Points of one requirement, 0..100, NaN where it could not be told (INCONCLUSIVE, SKIPPED). 75 is just met; a value at
// half of what is allowed (or twice what is demanded) is 100, one at twice what is allowed 0, straight in between. 90
// and more is "exceeded". What its gate fails has fewer than 75 whatever its value; what it passes has no fewer.
double judge_points(const struct judge_gate *gate, const struct judge_gate_result *result);

struct judge_score {
    enum judge_grade grade;
    double points;            // 0..100, within the band of the grade; NaN without a grade
    double area[JUDGE_AREAS]; // mean points of an area; NaN: nothing known of it
    size_t met, exceeded, unmet, unknown;
    char reason[200]; // a sentence
};

// Grades n requirements: Excellent (90-100) when all are exceeded, Good (75-89) when all are met, Fair (60-74) when
// more than half are, else Poor (below 60). The points are the mean over areas, so that an area with many requirements
// weighs no more than one with few, kept within the band of the grade. What could not be told is left out and counted;
// with half or more unknown there is no grade.
void judge_grade(const enum judge_area *area, const double *points, size_t n, struct judge_score *out);

#endif
