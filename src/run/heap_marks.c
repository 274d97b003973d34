// Marked operations of the tree: see heap_marks.h. Names are the target's: any bytes, and no more of them than fit.
#include "run/heap_marks.h"
#include "run/tick.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LABEL "name="

static struct heap_mark *mark_of(struct heap_marks *m, const char *name)
{
    if (m->n == 0)
        memcpy(m->mark[m->n++].name, WIRE_MARK_OTHER, sizeof WIRE_MARK_OTHER);
    for (size_t i = 0; i < m->n; i++)
        if (!strcmp(m->mark[i].name, name))
            return &m->mark[i];
    if (m->n == WIRE_MARKS_MAX)
        return &m->mark[0];
    struct heap_mark *fresh = &m->mark[m->n++];
    *fresh = (struct heap_mark){.now = 0};
    snprintf(fresh->name, sizeof fresh->name, "%s", name);
    return fresh;
}

void heap_marks_begin(struct heap_marks *m)
{
    for (size_t i = 0; i < m->n; i++)
        m->mark[i].now = 0;
}

void heap_marks_add(struct heap_marks *m, struct wire *w, bool gone)
{
    struct wire_mark found[WIRE_MARKS_MAX];
    size_t n = wire_marks(w, found);
    for (size_t i = 0; i < n; i++) {
        struct heap_mark *mark = mark_of(m, found[i].name);
        *(gone ? &mark->gone : &mark->now) += (double)found[i].count;
    }
}

static void tell_released(const struct heap_released *released, size_t n, struct run_tick *tick)
{
    char labels[32];
    for (size_t i = 0; i < n; i++) {
        snprintf(labels, sizeof labels, "slot=%zu", i);
        tick_point(tick, S_MARK_FOLDED, labels, UNIT_NONE, SERIES_GAUGE, released[i].id);
    }
}

// What is gone is told as well, because after a kill of seep nobody else knows it.
void heap_marks_tell(const struct heap_marks *m, const struct heap_released *released, size_t n_released,
                     struct run_tick *tick)
{
    if (m->n > 0)
        tell_released(released, n_released, tick);
    for (size_t i = 0; i < m->n; i++) {
        const struct heap_mark *mark = &m->mark[i];
        char labels[sizeof LABEL + WIRE_MARK_BYTES];
        snprintf(labels, sizeof labels, LABEL "%s", mark->name);
        if (mark->now + mark->gone > 0)
            tick_point(tick, S_MARK_COUNT, labels, UNIT_NONE, SERIES_COUNTER, mark->now + mark->gone);
        if (mark->gone > 0)
            tick_point(tick, S_MARK_GONE, labels, UNIT_NONE, SERIES_COUNTER, mark->gone);
    }
}

bool heap_marks_was_folded(const struct heap_marks *m, uint32_t region)
{
    for (size_t i = 0; i < m->n_folded; i++)
        if (m->folded[i] == region)
            return true;
    return false;
}

// The last known value of a counter, and the value of anything at the last tick; NAN: there is none.
static double last_value(const double *values, size_t ticks, bool known)
{
    double last = NAN;
    for (size_t i = known || ticks == 0 ? 0 : ticks - 1; i < ticks; i++)
        last = isfinite(values[i]) ? values[i] : last;
    return last;
}

static void restore_one(struct heap_marks *m, const struct store_series_info *series, const double *values,
                        size_t ticks)
{
    if (!strcmp(series->name, S_MARK_GONE) && !strncmp(series->labels, LABEL, strlen(LABEL))) {
        double gone = last_value(values, ticks, true);
        mark_of(m, series->labels + strlen(LABEL))->gone += isfinite(gone) ? gone : 0;
    } else if (!strcmp(series->name, S_MARK_FOLDED) && m->n_folded < HEAP_RELEASED_MAX) {
        double id = last_value(values, ticks, false);
        if (id >= 0 && id <= UINT32_MAX)
            m->folded[m->n_folded++] = (uint32_t)id;
    }
}

void heap_marks_restore(struct heap_marks *m, struct store *st)
{
    struct store_series_info *series = NULL;
    struct store_ticks ticks = {0};
    size_t n = 0;
    if (store_list_series(st, &series, &n, NULL) != 0 || store_read_ticks(st, &ticks, NULL) != 0)
        n = 0;
    for (size_t i = 0; i < n; i++) {
        double *values = NULL;
        if (!strncmp(series[i].name, S_MARK_PREFIX, strlen(S_MARK_PREFIX)) &&
            store_read_series(st, series[i].id, ticks.n, &values, NULL) == 0 && values)
            restore_one(m, &series[i], values, ticks.n);
        free(values);
    }
    store_free_ticks(&ticks);
    store_free_series(series, n);
}
