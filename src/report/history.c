// Collecting and judging the figures of many runs: see history.h.
#include "report/history.h"
#include "report/arena.h"
#include "report/build.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { FIGURES_MAX = 64 };
static const double family_error = .05; // chance of any false change point over all figures

struct history *history_new(size_t room, double share)
{
    struct history *h = calloc(1, sizeof *h);
    if (h == NULL)
        return NULL;
    *h = (struct history){.room = room, .share = share, .verdict = JUDGE_INCONCLUSIVE, .arena = report_arena_new()};
    h->runs = h->arena == NULL ? NULL : report_alloc(h->arena, room, sizeof *h->runs);
    h->figures = h->arena == NULL ? NULL : report_alloc(h->arena, FIGURES_MAX, sizeof *h->figures);
    if (h->runs == NULL || h->figures == NULL) {
        history_free(h);
        return NULL;
    }
    return h;
}

void history_free(struct history *h)
{
    if (h == NULL)
        return;
    if (h->arena != NULL)
        report_arena_free(h->arena);
    free(h);
}

static struct history_figure *figure_of(struct history *h, const struct report_measure *m)
{
    for (size_t i = 0; i < h->n_figures; i++)
        if (strcmp(h->figures[i].name, m->name) == 0)
            return &h->figures[i];
    if (h->n_runs > 0 || h->n_figures == FIGURES_MAX)
        return NULL;
    struct history_figure *f = &h->figures[h->n_figures];
    *f = (struct history_figure){.name = report_strdup(h->arena, m->name),
                                 .unit = m->unit,
                                 .better = m->better,
                                 .floor = m->floor,
                                 .value = report_alloc(h->arena, h->room, sizeof *f->value)};
    if (f->name == NULL || f->value == NULL)
        return NULL;
    h->n_figures++;
    return f;
}

int history_add(struct history *h, const struct report *r, struct seep_err *err)
{
    if (h->n_runs == h->room)
        return seep_fail(err, SEEP_E_USAGE, "There is only room for %zu runs.", h->room);
    for (size_t i = 0; i < h->n_figures; i++)
        h->figures[i].value[h->n_runs] = NAN;
    for (size_t i = 0; i < r->n_measures; i++) {
        struct history_figure *f = figure_of(h, &r->measures[i]);
        if (f != NULL)
            f->value[h->n_runs] = r->measures[i].measure.value;
    }
    struct history_run *run = &h->runs[h->n_runs];
    *run = (struct history_run){.run = report_strdup(h->arena, r->run == NULL ? "unknown" : r->run),
                                .verdict = judge_final_name(r->final.verdict),
                                .build_id = report_strdup(h->arena, r->target.build_id),
                                .started_ns = r->started_ns};
    if (run->run == NULL)
        return build_no_memory(err);
    h->n_runs++;
    return 0;
}

void history_judge(struct history *h)
{
    bool worse = false;
    for (size_t i = 0; i < h->n_figures; i++) {
        struct history_figure *f = &h->figures[i];
        struct judge_history_in in = {.value = f->value,
                                      .n = h->n_runs,
                                      .better = f->better,
                                      .share = h->share,
                                      .floor = f->floor,
                                      .alpha = family_error / (double)h->n_figures};
        judge_history(&in, &f->judged);
        worse |= f->judged.change == JUDGE_CHANGE_REGRESSION;
    }
    h->verdict = worse ? JUDGE_FAIL : h->n_runs < JUDGE_HISTORY_MIN ? JUDGE_INCONCLUSIVE : JUDGE_PASS;
}

int history_exit_code(const struct history *h)
{
    return h->verdict == JUDGE_FAIL ? 1 : h->verdict == JUDGE_INCONCLUSIVE ? 3 : 0;
}
