// The measured series as a table, one row a tick: what `seep analyze` reads, so that a verdict can be recomputed.
//
// Only the measured time, the probe's own share taken away: exactly what the judge saw, to the last bit. Ticks in
// paused stretches are left out, and a column then counts the seconds that were. The first columns are fixed; the
// others follow in the order of the store, named by series and labels. Unknown cells are empty.
#include "base/esc.h"
#include "csv/series.h"
#include "report/report.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

static const struct report_series *find_series(const struct report *r, const char *name)
{
    for (size_t i = 0; i < r->n_series; i++)
        if (strcmp(r->series[i].name, name) == 0 && r->series[i].labels[0] == '\0')
            return &r->series[i];
    return NULL;
}

static bool any_measured(const struct report *r, const struct report_series *s)
{
    for (size_t i = r->measure_first; s != NULL && i < r->measure_end; i++)
        if (isfinite(s->values[i]))
            return true;
    return false;
}

// "rss.anon" in bytes is "rss.anon_bytes"; labels follow in braces.
static void put_name(const struct report_series *s, struct seep_buf *out)
{
    struct seep_buf name;
    const char *unit = strcmp(s->unit, "bytes") == 0 ? "_bytes" : s->is_rate ? "_per_s" : "";
    if (strcmp(s->unit, "s") == 0)
        unit = "_s";
    else if (strcmp(s->unit, "ratio") == 0)
        unit = "_ratio";
    buf_init(&name, 4096);
    buf_printf(&name, "%s%s", s->name, unit);
    if (s->labels[0] != '\0')
        buf_printf(&name, "{%s}", s->labels);
    if (!name.failed)
        esc_csv(out, name.data, name.len);
    buf_free(&name);
}

static void put_value(const struct report_series *s, size_t i, struct seep_buf *out)
{
    buf_char(out, ',');
    if (s != NULL && isfinite(s->values[i]))
        buf_double(out, s->values[i]);
}

static void put_header(const struct report *r, const struct report_series *rss, const struct report_series *heap,
                       struct seep_buf *out)
{
    buf_str(out, CSV_TIME "," CSV_RSS "," CSV_ALLOCATED);
    if (r->n_excluded > 0)
        buf_str(out, "," CSV_EXCLUDED);
    for (size_t s = 0; s < r->n_series; s++) {
        if (&r->series[s] == rss || &r->series[s] == heap)
            continue;
        buf_char(out, ',');
        put_name(&r->series[s], out);
    }
    buf_char(out, '\n');
}

static void put_row(const struct report *r, size_t i, double excluded_s, const struct report_series *rss,
                    const struct report_series *heap, struct seep_buf *out)
{
    buf_double(out, r->t_s[i]);
    put_value(rss, i, out);
    put_value(heap, i, out);
    if (r->n_excluded > 0) {
        buf_char(out, ',');
        buf_double(out, excluded_s);
    }
    for (size_t s = 0; s < r->n_series; s++)
        if (&r->series[s] != rss && &r->series[s] != heap)
            put_value(&r->series[s], i, out);
    buf_char(out, '\n');
}

int report_csv(const struct report *r, const struct report_style *style, struct seep_buf *out, struct seep_err *err)
{
    (void)style;
    const struct report_series *rss = find_series(r, S_RSS), *heap = find_series(r, S_HEAP_LIVE);
    if (!any_measured(r, heap))
        heap = find_series(r, S_ALLOC_ALLOCATED);
    put_header(r, rss, heap, out);
    double last = -INFINITY;
    for (size_t i = r->measure_first; i < r->measure_end; i++) {
        bool inside;
        double gone = judge_excluded_before(r->excluded, r->n_excluded, r->measure_from_s, r->t_s[i], &inside);
        if (inside || r->t_s[i] - gone <= last) // as the judge leaves them out
            continue;
        last = r->t_s[i] - gone;
        put_row(r, i, gone, rss, heap, out);
    }
    return buf_check(out, "The table of series", err);
}
