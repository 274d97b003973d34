// The requirements of the profile, each judged like a gate, and the grade they add up to.
#include "report/build.h"

#include <math.h>
#include <stdio.h>

static size_t count(const struct profile_requirements *p)
{
    size_t n = 0;
    for (int a = 0; a < PROFILE_AREAS; a++)
        n += (size_t)p->n_gates[a];
    return n;
}

static int judge_all(struct build *b, struct seep_err *err)
{
    _Static_assert((int)PROFILE_AREAS == (int)JUDGE_AREAS, "the areas of profiles are those of the judge");
    const struct profile_requirements *p = &b->profile->requirements;
    struct report_score *s = &b->r->score;
    for (int a = 0; a < PROFILE_AREAS; a++)
        for (int i = 0; i < p->n_gates[a]; i++) {
            struct report_requirement *q = &s->requirements[s->n_requirements++];
            q->area = (enum judge_area)a;
            if (build_parse_gate(b, &p->gates[a][i], &q->gate, err) != 0 || build_judge_gate(b, &q->gate, err) != 0)
                return -1;
            q->points = judge_points(&q->gate.gate, &q->gate.result);
        }
    return 0;
}

static int grade(struct build *b, struct seep_err *err)
{
    struct report_score *s = &b->r->score;
    enum judge_area *area = report_alloc(b->arena, s->n_requirements, sizeof *area);
    double *points = report_alloc(b->arena, s->n_requirements, sizeof *points);
    if (area == NULL || points == NULL)
        return build_no_memory(err);
    for (size_t i = 0; i < s->n_requirements; i++) {
        area[i] = s->requirements[i].area;
        points[i] = s->requirements[i].points;
    }
    judge_grade(area, points, s->n_requirements, &s->score);
    return 0;
}

int build_score(struct build *b, struct seep_err *err)
{
    const struct profile_requirements *p = &b->profile->requirements;
    struct report_score *s = &b->r->score;
    size_t n = count(p);
    *s = (struct report_score){.status = JUDGE_S_SKIPPED, .known = p->present && n > 0};
    if (!s->known)
        return 0;
    s->set = report_strdup(b->arena, p->name != NULL ? p->name : "requirements");
    s->requirements = report_alloc(b->arena, n, sizeof *s->requirements);
    if (s->set == NULL || s->requirements == NULL)
        return build_no_memory(err);
    if (judge_all(b, err) != 0 || grade(b, err) != 0)
        return -1;
    s->at_least = (enum judge_grade)p->at_least;
    if (s->at_least != JUDGE_GRADE_NONE)
        s->status = s->score.grade == JUDGE_GRADE_NONE ? JUDGE_S_INCONCLUSIVE
                    : s->score.grade >= s->at_least    ? JUDGE_S_PASS
                                                       : JUDGE_S_FAIL;
    return 0;
}
