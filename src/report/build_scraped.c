// What an endpoint of the target exposed, over the measured time: every series that was kept, whether or not a gate is
// about it. A counter is told as its rate: what it stands at says when it was started.
#include "report/build.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SCRAPED_MAX = 64 };

static void take(struct report_scraped *s, const double *values, size_t first, size_t end)
{
    double sum = 0;
    s->first = s->last = s->mean = s->min = s->max = NAN;
    for (size_t i = first; i < end; i++) {
        if (!isfinite(values[i]))
            continue;
        if (s->n++ == 0)
            s->first = s->min = s->max = values[i];
        s->last = values[i];
        s->min = fmin(s->min, values[i]);
        s->max = fmax(s->max, values[i]);
        sum += values[i];
    }
    if (s->n > 0)
        s->mean = fmin(fmax(sum / (double)s->n, s->min), s->max); // rounding does not take it outside
}

static int add(struct build *b, const struct store_series_info *info, struct seep_err *err)
{
    struct report *r = b->r;
    double *values = NULL;
    if (r->n_scraped == SCRAPED_MAX) {
        r->n_scraped_more++;
        return 0;
    }
    struct report_scraped *s = &r->scraped[r->n_scraped];
    *s = (struct report_scraped){.name = report_strdup(b->arena, info->name + strlen(S_SCRAPED_PREFIX)),
                                 .labels = report_strdup(b->arena, info->labels),
                                 .counter = info->kind == SERIES_COUNTER};
    if (s->name == NULL || s->labels == NULL)
        return build_no_memory(err);
    if (build_values(b, info->name, info->labels, &values, err) != 0)
        return -1;
    if (values == NULL)
        return 0;
    if (s->counter)
        build_rates(r->t_s, values, b->ticks.n);
    take(s, values, b->measure_first, b->measure_end);
    free(values);
    r->n_scraped += s->n > 0;
    return 0;
}

int build_scraped(struct build *b, struct seep_err *err)
{
    b->r->scraped = report_alloc(b->arena, SCRAPED_MAX, sizeof *b->r->scraped);
    if (b->r->scraped == NULL)
        return build_no_memory(err);
    for (size_t i = 0; i < b->n_series; i++)
        if (strncmp(b->series[i].name, S_SCRAPED_PREFIX, strlen(S_SCRAPED_PREFIX)) == 0 &&
            add(b, &b->series[i], err) != 0)
            return -1;
    return 0;
}
