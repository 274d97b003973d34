// One tick: see tick.h.
#include "run/tick.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const struct run_series_info run_series_table[RUN_SERIES_N] = {
#define X(id, name, unit, kind) {name, unit, SERIES_##kind},
    RUN_SERIES(X)
#undef X
};

struct run_tick *tick_new(void)
{
    struct run_tick *t = calloc(1, sizeof *t);
    if (!t)
        return NULL;
    for (size_t i = 0; i < RUN_SERIES_N; i++)
        t->value[i] = NAN;
    for (size_t i = 0; i < LINUX_FD_KINDS; i++)
        t->fd_kind[i] = NAN;
    return t;
}

void tick_free(struct run_tick *t)
{
    if (!t)
        return;
    for (size_t i = 0; i < t->n_events; i++)
        free(t->events[i].text);
    for (size_t i = 0; i < t->n_loads; i++)
        buf_free(&t->loads[i].window);
    for (size_t i = 0; i < t->n_points; i++)
        free(t->points[i].name);
    free(t->points);
    free(t->loads);
    for (size_t i = 0; i < t->n_metrics; i++)
        buf_free(&t->metrics[i].window);
    free(t->metrics);
    free(t->stacks);
    free(t->events);
    free(t);
}

int tick_event(struct run_tick *t, const char *kind, struct seep_time from, struct seep_time to, int64_t count,
               const char *text)
{
    struct tick_event *grown = realloc(t->events, (t->n_events + 1) * sizeof *grown);
    if (!grown)
        return -1;
    t->events = grown;
    char *copy = strdup(text ? text : "");
    if (!copy)
        return -1;
    t->events[t->n_events++] = (struct tick_event){.kind = kind, .from = from, .to = to, .count = count, .text = copy};
    return 0;
}

int tick_point(struct run_tick *t, const char *name, const char *labels, enum seep_unit unit,
               enum store_series_kind kind, double value)
{
    size_t a = strlen(name) + 1, b = strlen(labels) + 1;
    if (!isfinite(value))
        return 0;
    struct tick_point *grown =
        t->n_points < TICK_POINTS_MAX ? realloc(t->points, (t->n_points + 1) * sizeof *grown) : NULL;
    if (!grown)
        return -1;
    t->points = grown;
    char *text = malloc(a + b);
    if (!text)
        return -1;
    memcpy(text, name, a);
    memcpy(text + a, labels, b);
    t->points[t->n_points++] =
        (struct tick_point){.name = text, .labels = text + a, .unit = unit, .kind = kind, .value = value};
    return 0;
}
