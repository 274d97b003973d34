// The load's histograms as the store has them, for formats that hand them on: the whole by windows of time, and every
// series over the whole run.
#include "report/build_load.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Adds the histogram, if there is one; *added tells.
static int add_interval(struct build *b, const char *name, const char *stored, const struct report_interval *like,
                        bool *added, struct seep_err *err)
{
    void *blob = NULL;
    size_t len = 0;
    *added = false;
    if (store_read_histogram(b->st, name, stored, &blob, &len, err) != 0)
        return -1;
    if (blob == NULL)
        return 0;
    void *copy = report_alloc(b->arena, len, 1);
    if (copy != NULL) {
        memcpy(copy, blob, len);
        struct report_interval *v = &b->r->intervals[b->r->n_intervals++];
        *v = *like;
        v->blob = copy;
        v->len = len;
        *added = true;
    }
    free(blob);
    return copy == NULL ? build_no_memory(err) : 0;
}

// The whole by windows; returns how many, or -1.
static int add_windows(struct build *b, struct seep_err *err)
{
    struct report_interval v = {.labels = "", .from_s = b->r->measure_from_s};
    int n = 0;
    for (size_t i = b->measure_first; i < b->measure_end; i++) {
        char labels[64];
        bool added;
        v.to_s = b->r->t_s[i];
        snprintf(labels, sizeof labels, H_WINDOW_LABELS, "", "", (long long)b->ticks.index[i]);
        if (add_interval(b, H_HTTP_WINDOW, labels, &v, &added, err) != 0)
            return -1;
        if (added)
            v.from_s = v.to_s;
        n += added;
    }
    return n;
}

int build_load_intervals(struct build *b, const struct build_part *parts, size_t n, struct seep_err *err)
{
    size_t room = n + 1 + (b->measure_end - b->measure_first);
    b->r->intervals = report_alloc(b->arena, room, sizeof *b->r->intervals);
    if (b->r->intervals == NULL)
        return build_no_memory(err);
    int windows = add_windows(b, err), failed = windows < 0;
    struct report_interval v = {.labels = "", .from_s = b->r->measure_from_s, .to_s = b->r->measure_to_s};
    bool added;
    if (!failed && windows == 0)
        failed = add_interval(b, H_HTTP_LATENCY, "", &v, &added, err);
    for (size_t i = 0; !failed && i < n; i++) {
        v.labels = parts[i].labels;
        failed = add_interval(b, H_HTTP_LATENCY, parts[i].labels, &v, &added, err);
    }
    return failed ? -1 : 0;
}
