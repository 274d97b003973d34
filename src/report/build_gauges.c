// Gauges: the series that gates and growths are about, over the measured time, without the probe's own share.
#include "report/build.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define HEAP_POINTS_MIN 10 // of the allocator's count, before it is preferred

// How a gauge comes from the store.
enum gauge_from { FROM_SERIES, FROM_RESIDENT, FROM_HEAP, FROM_RATE };

static const struct {
    const char *name, *series;
    enum gauge_from from;
    enum judge_unit unit;
    double quantum;
} table[] = {
    {"rss", S_RSS, FROM_RESIDENT, JUDGE_U_BYTES, 4096},
    {"heap", S_HEAP_LIVE, FROM_HEAP, JUDGE_U_BYTES, 0},
    {"pss", S_PSS, FROM_RESIDENT, JUDGE_U_BYTES, 4096},
    {"vsize", S_VSIZE, FROM_SERIES, JUDGE_U_BYTES, 4096},
    {"disk", S_DISK, FROM_SERIES, JUDGE_U_BYTES, 0},
    {"fd", S_FD, FROM_SERIES, JUDGE_U_COUNT, 0},
    {"threads", S_THREADS, FROM_SERIES, JUDGE_U_COUNT, 0},
    {"maps", S_MAPS, FROM_SERIES, JUDGE_U_COUNT, 0},
    {"children", S_CHILDREN, FROM_SERIES, JUDGE_U_COUNT, 0},
    {"zombies", S_ZOMBIES, FROM_SERIES, JUDGE_U_COUNT, 0},
    {"cpu", S_CPU, FROM_RATE, JUDGE_U_RATIO, 0},
};

// The last known value stands where there is none: the region of the probe hardly changes.
static void fill_holes(double *values, size_t n)
{
    double last = NAN;
    for (size_t i = 0; i < n && isnan(last); i++)
        last = values[i];
    for (size_t i = 0; i < n; i++) {
        if (isnan(values[i]))
            values[i] = last;
        last = values[i];
    }
}

int build_resident(struct build *b, const char *name, double **values, struct seep_err *err)
{
    double *probe = NULL;
    const char *share = strncmp(name, "pss", 3) == 0 ? S_PROBE_PSS : S_PROBE_RSS;
    if (build_values(b, name, "", values, err) != 0 || *values == NULL)
        return *values == NULL ? 0 : -1;
    if (build_values(b, share, "", &probe, err) != 0) {
        free(*values);
        *values = NULL;
        return -1;
    }
    if (probe == NULL)
        return 0;
    fill_holes(probe, b->ticks.n);
    for (size_t i = 0; i < b->ticks.n; i++)
        if (isfinite(probe[i]) && isfinite((*values)[i])) // fmax() would make a 0 of what is not known
            (*values)[i] = fmax(0, (*values)[i] - probe[i]);
    free(probe);
    return 0;
}

static size_t known_values(const struct build *b, const double *values)
{
    size_t n = 0;
    for (size_t i = b->measure_first; values != NULL && i < b->measure_end; i++)
        n += isfinite(values[i]);
    return n;
}

// Of a program watched from outside, the live blocks are those since the attach: where some older ones were freed
// meanwhile, or where the watching ended, the allocator's own count says more.
static int calls_tell_less(struct build *b, bool *less, struct seep_err *err)
{
    const char *attached, *mode = b->r->evidence.attribution;
    double *doubt = NULL, last = 0;
    *less = false;
    if (build_get(b, M_ATTACHED, &attached, err) != 0)
        return -1;
    if (attached == NULL)
        return 0;
    if (build_values(b, S_HEAP_DOUBT, "", &doubt, err) != 0)
        return -1;
    for (size_t i = b->measure_first; doubt != NULL && i < b->measure_end; i++)
        last = isfinite(doubt[i]) ? doubt[i] : last;
    free(doubt);
    *less = last > 0 || (mode != NULL && strcmp(mode, "failed") == 0);
    return 0;
}

// Where attribution failed in a run the probe saw some other heap, if any, and perhaps another allocator's figures.
static int drop_another_heap(struct build *b, double **live, double **allocated, struct seep_err *err)
{
    const char *mode = b->r->evidence.attribution, *attached, *source;
    if (build_get(b, M_ATTACHED, &attached, err) != 0 || build_get(b, M_HEAP_SOURCE, &source, err) != 0)
        return -1;
    // Of an attached program the C library's count goes on to be the heap's, unless the run found that it is not.
    bool another = attached != NULL ? source != NULL && source[0] == '\0' : mode != NULL && strcmp(mode, "failed") == 0;
    if (!another)
        return 0;
    free(*live);
    *live = NULL;
    if (source == NULL || !strstr(source, HEAP_SOURCE_STATS)) {
        free(*allocated);
        *allocated = NULL;
    }
    return 0;
}

// Live bytes by the probe; without attribution what the allocator says it has handed out.
int build_heap(struct build *b, double **values, bool *by_allocator, struct seep_err *err)
{
    double *allocated = NULL;
    bool less;
    *values = NULL;
    *by_allocator = false;
    if (build_values(b, S_HEAP_LIVE, "", values, err) != 0 ||
        build_values(b, S_ALLOC_ALLOCATED, "", &allocated, err) != 0 ||
        drop_another_heap(b, values, &allocated, err) != 0 || calls_tell_less(b, &less, err) != 0) {
        free(allocated);
        free(*values);
        *values = NULL;
        return -1;
    }
    size_t live = known_values(b, *values), n = known_values(b, allocated);
    *by_allocator = n > 0 && (live == 0 || (less && n >= HEAP_POINTS_MIN && 2 * n >= live));
    if (*by_allocator) {
        double *unused = *values;
        *values = allocated;
        allocated = unused;
    }
    free(allocated);
    return 0;
}

static int read_gauge(struct build *b, size_t i, double **values, bool *by_allocator, struct seep_err *err)
{
    switch (table[i].from) {
    case FROM_RESIDENT:
        return build_resident(b, table[i].series, values, err);
    case FROM_HEAP:
        return build_heap(b, values, by_allocator, err);
    case FROM_RATE:
        if (build_values(b, table[i].series, "", values, err) != 0)
            return -1;
        if (*values != NULL)
            build_rates(b->r->t_s, *values, b->ticks.n);
        return 0;
    case FROM_SERIES:
        break;
    }
    return build_values(b, table[i].series, "", values, err);
}

static const char *why_missing(struct build *b, size_t i)
{
    const struct report_evidence *e = &b->r->evidence;
    if (table[i].from == FROM_HEAP && e->attribution_reason != NULL)
        return e->attribution_reason;
    if (table[i].from == FROM_HEAP)
        return "Neither the probe nor the allocator told how much of the heap is live.";
    return "It was not measured in this run.";
}

static int keep_measured(struct build *b, struct build_gauge *g, const double *values, struct seep_err *err)
{
    size_t room = b->measure_end - b->measure_first;
    g->t_s = report_alloc(b->arena, room, sizeof *g->t_s);
    g->y = report_alloc(b->arena, room, sizeof *g->y);
    if (g->t_s == NULL || g->y == NULL)
        return build_no_memory(err);
    for (size_t i = b->measure_first; values != NULL && i < b->measure_end; i++) {
        if (!isfinite(values[i]) || (g->n > 0 && b->r->t_s[i] <= g->t_s[g->n - 1]))
            continue;
        g->t_s[g->n] = b->r->t_s[i];
        g->y[g->n++] = values[i];
    }
    g->baseline = build_phase_median(b, values, PHASE_BASELINE);
    return 0;
}

static int add_gauge(struct build *b, size_t i, struct seep_err *err)
{
    double *values = NULL;
    bool by_allocator = false;
    if (read_gauge(b, i, &values, &by_allocator, err) != 0)
        return -1;
    struct build_gauge *g = &b->gauges[b->n_gauges++];
    *g = (struct build_gauge){
        .name = table[i].name, .quantum = table[i].quantum, .unit = table[i].unit, .by_allocator = by_allocator};
    if (by_allocator)
        b->r->evidence.heap_source = "what the allocator has given out by its own count";
    int failed = keep_measured(b, g, values, err);
    if (g->n == 0)
        g->why_missing = why_missing(b, i);
    free(values);
    return failed;
}

int build_gauges(struct build *b, struct seep_err *err)
{
    _Static_assert(sizeof table / sizeof table[0] <= BUILD_GAUGES_MAX, "room for all gauges");
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        if (add_gauge(b, i, err) != 0)
            return -1;
    return 0;
}

const struct build_gauge *build_find_gauge(const struct build *b, const char *name)
{
    for (size_t i = 0; i < b->n_gauges; i++)
        if (strcmp(b->gauges[i].name, name) == 0)
            return &b->gauges[i];
    return NULL;
}
